//! WebAssembly modules are refused, or translated to what the verifier finds good and what runs within its limits, under either
//! engine to the same end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_isa::module::ExportItem;
use limen_vm::{Budget, Config, EngineKind, Mode, Outcome, Time, verify};
use limen_wasm::{NoImports, translate};

fuzz_target!(|wasm: &[u8]| {
    let Ok(translation) = translate(wasm, &mut NoImports) else { return };
    let module = verify(translation.module, Mode::User).expect("what is translated is good");
    let exported = module.exports.iter().filter(|export| matches!(export.item, ExportItem::Function(_)));
    let names: Vec<String> = exported.map(|export| export.name.clone()).collect();
    let run = |engine: EngineKind| -> Option<Vec<Option<Outcome>>> {
        let budget = Budget { bytes: 16 << 20, objects: 100, contexts: 4 };
        let config = Config { engine, time: Time::Virtual, fuel: Some(2_000), budget, stack_cells: 8192, ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        // The module may ask for more memory than there is.
        let domain = machine.instantiate(&module).ok()?;
        // What wants arguments is refused.
        Some(names.iter().map(|name| machine.call(domain, name, &[]).ok()).collect())
    };
    assert_eq!(format!("{:?}", run(EngineKind::Interp)), format!("{:?}", run(EngineKind::Jit)));
});
