//! WebAssembly modules are refused, or translated to what the verifier finds good and what runs within its limits, under either
//! engine to the same end, and whether functions are translated at once or when they are called.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_isa::module::{ExportItem, Module};
use limen_vm::{Budget, Config, EngineKind, Mode, Outcome, Time, Verified, verify, verify_later};
use limen_wasm::{Import, ImportKind, Imports, Provided, translate, translate_later};

/// All functions are there, and nobody is behind them.
struct AnyFunction;

impl Imports for AnyFunction {
    fn find(&mut self, import: &Import) -> Option<Provided> {
        matches!(import.kind, ImportKind::Function(_)).then_some(Provided::Function(0))
    }
}

fuzz_target!(|wasm: &[u8]| {
    let later = translate_later(wasm.to_vec().into(), &mut AnyFunction).map(|(translation, bodies)| {
        // Some are translated ahead: by what the input says, so that it can say any.
        let ahead = (0..).zip(wasm.iter().rev()).take(translation.module.functions.len());
        ahead.filter(|(_, byte)| *byte % 2 == 0).for_each(|(function, _)| {
            let _ = bodies.callees(function);
            bodies.go_ahead(function);
        });
        translation.module
    });
    let later = later.map(|module| verify_later(module, Mode::User).expect("bodies come later"));
    let translation = match (translate(wasm, &mut AnyFunction), &later) {
        (Ok(translation), _) => translation,
        // What is not valid traps.
        (Err(_), Ok(later)) => {
            run(later, EngineKind::Interp);
            return;
        }
        (Err(_), Err(_)) => return,
    };
    let module = verify(translation.module, Mode::User).expect("what is translated is good");
    let results = [run(&module, EngineKind::Interp), run(&module, EngineKind::Jit)];
    let later = later.expect("it is valid");
    assert!(results.iter().all(|result| *result == run(&later, EngineKind::Interp)), "{results:?}");
});

/// What comes of calling all that a module exports; `None` if there is no room for it.
fn run(module: &Verified<Module>, engine: EngineKind) -> Option<String> {
    let exported = module.exports.iter().filter(|export| matches!(export.item, ExportItem::Function(_)));
    let budget = Budget { bytes: 16 << 20, objects: 100, contexts: 4 };
    let config =
        Config { engine, time: Time::Virtual, fuel: Some(2_000), budget, stack_cells: 8192, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    // The module may ask for more memory than there is.
    let domain = machine.instantiate(module).ok()?;
    // What wants arguments is refused.
    let outcomes: Vec<Option<Outcome>> = exported.map(|export| machine.call(domain, &export.name, &[]).ok()).collect();
    Some(format!("{outcomes:?}"))
}
