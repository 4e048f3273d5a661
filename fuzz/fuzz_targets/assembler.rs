//! Text is refused, or assembles to a module that survives disassembly and formatting.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_assembler::{NoFiles, Options, assemble, disassemble, format};

fuzz_target!(|source: &str| {
    let Ok(first) = assemble("fuzz.lim", source, &NoFiles, Options::default()) else { return };
    let text = disassemble(&first.module);
    let second = assemble("again.lim", &text, &NoFiles, Options::default()).expect("a disassembly assembles");
    assert!(first.bytes == second.bytes, "the disassembly assembles to another module:\n{text}");
    // There is no layout of the structured notation.
    let Ok(tidy) = format(source) else { return };
    assert_eq!(format(&tidy).expect("a formatted source can be formatted"), tidy);
});
