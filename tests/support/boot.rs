//! Systems for tests: the kernel, and programs of which the first starts the others, assembled from the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use limen_assembler::{Directory, Loader, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, Outcome, Time, Verified, verify};

/// What a program's constants are set to, instead of what its source says.
pub(crate) type Settings<'a> = &'a [(&'a str, u64)];

/// Where the source of the system's kernel is.
pub(crate) const KERNEL: &str = "os-services/kernel/kernel.lim";

/// Where a file is that is named from the root of the tree.
pub(crate) fn path_of(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The module of a source, named from the root of the tree.
pub(crate) fn module(path: &str, mode: Mode, settings: Settings) -> Verified<Module> {
    let folder = path_of(path).parent().map(PathBuf::from).unwrap_or_default();
    module_with(path, mode, settings, &Directory(folder))
}

/// As [`module`], with the files that its source uses from elsewhere.
pub(crate) fn module_with(path: &str, mode: Mode, settings: Settings, files: &dyn Loader) -> Verified<Module> {
    let path = path_of(path);
    let mut source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (name, value) in settings {
        source = with_constant(&source, name, *value);
    }
    let name = path.file_name().expect("the path is a file's").to_string_lossy();
    let assembled = assemble(&name, &source, files, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn with_constant(source: &str, name: &str, value: u64) -> String {
    let begin = format!("const {name} = ");
    let line = source.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("there is no {name}"));
    source.replacen(line, &format!("{begin}{value}"), 1)
}

/// The kernel of the system: always the same module, so that what was compiled of it is there for the next machine.
pub(crate) fn kernel() -> Verified<Module> {
    static KERNEL_MODULE: OnceLock<Verified<Module>> = OnceLock::new();
    KERNEL_MODULE.get_or_init(|| module(KERNEL, Mode::Kernel, &[])).clone()
}

/// A machine for a system.
pub(crate) fn machine(engine: EngineKind, time: Time, fuel: Option<u64>) -> Machine {
    let config = Config { engine, time, fuel, ..Config::default() };
    limen_jit::machine(config).expect("the budget allows a machine")
}

/// Boots the kernel with modules; gives how it ended, and the fuel burnt. Prints where domains stopped if all is not well.
pub(crate) fn boot(modules: &[Verified<Module>], engine: EngineKind, time: Time) -> (Outcome, u64) {
    boot_kernel(&kernel(), modules, engine, time)
}

/// As [`boot`], with a kernel that is not quite the system's.
pub(crate) fn boot_kernel(
    kernel: &Verified<Module>,
    modules: &[Verified<Module>],
    engine: EngineKind,
    time: Time,
) -> (Outcome, u64) {
    let mut machine = machine(engine, time, None);
    let outcome = machine.boot(kernel, modules).expect("the kernel boots");
    if outcome != Outcome::Halted(0) {
        print_faults(machine.kernel_memory().unwrap_or_default(), &modules[0]);
    }
    (outcome, machine.fuel_burnt())
}

/// Looks through the kernel's records (`os-services/kernel/records.lim`) for domains that faulted, and prints where, taking
/// them for domains of this module.
fn print_faults(memory: &[u8], module: &Module) {
    const DOMAIN: u32 = 67;
    const FAULTED: u32 = 3;
    for record in memory.chunks_exact(128) {
        let field = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        let (code, function, pc) = (field(34), field(46), field(50));
        if (field(4), field(30)) == (DOMAIN, FAULTED) {
            let place = module.locate(function, pc).map(|place| format!("{}:{}", place.file, place.line));
            println!("a domain stopped with fault {code} in function {function} at {pc}: {place:?}");
        }
    }
}
