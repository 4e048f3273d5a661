//! Text is refused, or assembles, improved or not, to a module that survives disassembly; its layout assembles to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_assembler::{NoFiles, Options, assemble, disassemble, format};

/// A layout moves lines, and nothing else.
const WITHOUT_LINES: Options = Options { strip: true, tests: true, unoptimised: false };

fuzz_target!(|source: &str| {
    let tidy = format(source);
    let _ = assemble("plain.lim", source, &NoFiles, Options { unoptimised: true, ..Options::default() });
    let Ok(first) = assemble("fuzz.lim", source, &NoFiles, Options::default()) else { return };
    let text = disassemble(&first.module);
    let second = assemble("again.lim", &text, &NoFiles, Options::default()).expect("a disassembly assembles");
    assert!(first.bytes == second.bytes, "the disassembly assembles to another module:\n{text}");
    let tidy = tidy.expect("what assembles has a layout");
    assert_eq!(format(&tidy).expect("a formatted source can be formatted"), tidy);
    let [before, after] = [source, &tidy].map(|text| assemble("fuzz.lim", text, &NoFiles, WITHOUT_LINES));
    assert!(before.is_ok_and(|before| after.is_ok_and(|after| before.bytes == after.bytes)), "{tidy}");
});
