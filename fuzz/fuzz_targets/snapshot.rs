//! What reads as a snapshot is written to the same bytes, and can be restored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_vm::{Budget, Config, Interpreter, Machine, NoServices, Snapshot};

fuzz_target!(|bytes: &[u8]| {
    let bytes = with_checksum(bytes);
    let Ok(snapshot) = Snapshot::read(&bytes) else { return };
    assert_eq!(snapshot.write().expect("what was read can be written"), bytes);
    let budget = Budget { bytes: 1 << 22, ..snapshot.config().budget };
    let config = Config { budget, fuel: Some(2_000), ..snapshot.config() };
    if let Ok(mut machine) = Machine::restore(config, Box::new(Interpreter::default()), &snapshot) {
        machine.resume(&mut NoServices).expect("what was restored can go on");
    }
});

/// The bytes with a checksum that is right: nobody would find it by trying.
fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len().saturating_sub(4)];
    [body, &crc32fast::hash(body).to_le_bytes()].concat()
}
