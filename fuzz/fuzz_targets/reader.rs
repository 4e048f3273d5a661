//! What reads as a module is written to the same bytes, also if its bodies come later.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_fuzz::repair_modules;
use limen_isa::module::Module;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    repair_modules(&mut bytes);
    let (module, later) = (Module::read(&bytes), Module::read_later(bytes.clone()));
    assert_eq!(module.as_ref().err(), later.as_ref().err());
    for module in [module, later].into_iter().flatten() {
        assert_eq!(module.write().expect("what was read can be written"), bytes);
    }
});
