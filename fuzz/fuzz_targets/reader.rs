//! What reads as a module is written to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_isa::module::Module;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(module) = Module::read(bytes) {
        assert_eq!(module.write().expect("what was read can be written"), bytes);
    }
});
