//! What reads as a snapshot is written to the same bytes, and can be restored; it goes on to the same end under either engine.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_fuzz::repair_modules;
use limen_vm::{Budget, Config, EngineKind, NoServices, Outcome, Snapshot, Time};

fuzz_target!(|bytes: &[u8]| {
    let bytes = with_checksums(bytes);
    let Ok(snapshot) = Snapshot::read(&bytes) else { return };
    assert_eq!(snapshot.write().expect("what was read can be written"), bytes);
    let [interpreted, compiled] = [EngineKind::Interp, EngineKind::Jit].map(|engine| run(&snapshot, engine));
    // The host's clock is another one each time.
    assert!(snapshot.config().time == Time::Live || interpreted == compiled, "{interpreted:?}\n{compiled:?}");
});

/// How it ends, the fuel that was burnt, and the state if it was suspended; `None` if there is no room for it.
fn run(snapshot: &Snapshot, engine: EngineKind) -> Option<(Outcome, u64, Option<Vec<u8>>)> {
    let budget = Budget { bytes: 1 << 22, ..snapshot.config().budget };
    let config = Config { engine, budget, fuel: Some(2_000), kernel_fuel: Some(2_000), ..snapshot.config() };
    let mut machine = limen_jit::restore(config, snapshot).ok()?;
    let outcome = machine.resume(&mut NoServices).expect("what was restored can go on");
    let state = machine.checkpoint().ok().and_then(|state| state.write().ok());
    Some((outcome, machine.fuel_burnt(), state))
}

/// The bytes with checksums that are right.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut body = bytes[..bytes.len().saturating_sub(4)].to_vec();
    repair_modules(&mut body);
    let checksum = crc32fast::hash(&body);
    [body, checksum.to_le_bytes().to_vec()].concat()
}
