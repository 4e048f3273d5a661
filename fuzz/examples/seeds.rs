//! Writes what the targets begin with, into a folder for each below the one that is named: made from the programs, the services
//! and the tests of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use limen_assembler::{Options, assemble_file};
use limen_fuzz::function;
use limen_isa::module::{ExportItem, Module};
use limen_vm::{Budget, Config, Machine, Mode, Time, Verified, verify};

/// Folders with sources, from the root of the repository.
const SOURCES: [&str; 10] = [
    "std",
    "programs",
    "os-services/init",
    "os-services/kernel",
    "os-services/services",
    "tests/kernel",
    "tests/conformance",
    "tests/system/hostile",
    "bench/kernels",
    "bench/kernels/structured",
];

/// Larger seeds only make a target slow.
const LARGEST: usize = 64 << 10;

/// So much fuel is burnt before a machine is captured.
const FUELS: [u64; 3] = [1, 50, 5_000];

fn main() {
    let corpus = PathBuf::from(std::env::args_os().nth(1).expect("the folder for the seeds is named"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for source in SOURCES.iter().flat_map(|folder| sources(&root.join(folder))) {
        seeds_of(&corpus, &source);
    }
    let kernel = module(&root.join("tests/kernel/kernel.lim"), Mode::Kernel);
    let modules = ["client.lim", "server.lim"].map(|name| module(&root.join("tests/kernel").join(name), Mode::User));
    if let (Some(kernel), [Some(client), Some(server)]) = (kernel, modules) {
        capture(&corpus, "kernel", |machine| _ = machine.boot(&kernel, &[client.clone(), server.clone()]));
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "lim")).collect()
}

/// Seeds for all targets, as far as a source is good for them.
fn seeds_of(corpus: &Path, source: &Path) {
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let text = fs::read(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    put(corpus, "assembler", &name, &text);
    let Ok(assembled) = assemble_file(source, Options::default()) else { return };
    put(corpus, "reader", &name, &assembled.bytes);
    for (number, function) in assembled.module.functions.iter().enumerate() {
        if let Some(bytes) = function::to_bytes(&function.registers, &function.code) {
            put(corpus, "verifier", &format!("{name}-{number}"), &bytes);
        }
    }
    let Some(module) = module(source, Mode::User) else { return };
    for export in module.exports.iter().filter(|export| matches!(export.item, ExportItem::Function(_))) {
        capture(corpus, &format!("{name}-{}", export.name), |machine| {
            if let Ok(domain) = machine.instantiate(&module) {
                let _ = machine.call(domain, &export.name, &[]);
            }
        });
    }
}

/// A module without lines and names, of which there would be more than of all else; `None` if there is none in the source.
fn module(source: &Path, mode: Mode) -> Option<Verified<Module>> {
    let assembled = assemble_file(source, Options { strip: true, ..Options::default() }).ok()?;
    verify(assembled.module, mode).ok()
}

/// Seeds of a machine that was stopped here and there.
fn capture(corpus: &Path, name: &str, run: impl Fn(&mut Machine)) {
    for fuel in FUELS {
        let budget = Budget { bytes: 1 << 21, objects: 1000, contexts: 16 };
        let config = Config { time: Time::Virtual, budget, fuel: Some(fuel), stack_cells: 4096, ..Config::default() };
        let mut machine = Machine::new(config).expect("the budget allows a machine");
        run(&mut machine);
        let Ok(snapshot) = machine.checkpoint() else { continue };
        put(corpus, "snapshot", &format!("{name}-{fuel}"), &snapshot.write().expect("its modules have bytes"));
    }
}

fn put(corpus: &Path, target: &str, name: &str, bytes: &[u8]) {
    if bytes.len() <= LARGEST {
        let folder = corpus.join(target);
        let file = folder.join(name);
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, bytes));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}
