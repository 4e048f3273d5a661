//! `limen test`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use limen_isa::module::Module;
use limen_jit::{Jit, Log};
use limen_vm::{Config, EngineKind, Machine, Mode, Outcome, Verified, verify};

use crate::bare::BareHost;
use crate::failure::Failure;
use crate::files;
use crate::messages::Messages;

/// The name that a test is exported under begins with this.
const PREFIX: &str = "test ";

/// The engines that each test runs on.
const ENGINES: [(&str, EngineKind); 3] =
    [("interp", EngineKind::Interp), ("jit", EngineKind::Jit), ("tiered", EngineKind::Tiered)];

/// Run the tests of source files on every engine
///
/// Each test runs in a fresh instance of its program. The exit status is 0 if all passed and 1 if not.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Source files, and directories whose `.lim` files are taken
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Only the tests whose name has this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// Stop a test after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// How many tests went well, and how many did not.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    for source in &files::sources(&arguments.files)? {
        if let Err(failure) = test_file(source, arguments, &mut tally) {
            failure.report();
            tally.failed += 1;
        }
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn test_file(path: &Path, arguments: &Arguments, tally: &mut Tally) -> Result<(), Failure> {
    let source = files::read_text(path)?;
    let module = files::assemble_tests(path, &source)?;
    let messages = Messages::of(&module, None);
    let names: Vec<String> = module.exports.iter().filter_map(|export| wanted(&export.name, arguments)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let module = verify(module, Mode::User).map_err(|error| Failure::of_file(path, error))?;
    println!("{}", path.display());
    for name in names {
        let failures: Vec<String> = ENGINES
            .iter()
            .filter_map(|(engine, kind)| {
                let failure = run_test(&module, &name, *kind, arguments.timeout, &messages).err()?;
                Some(format!("    on {engine}: {}", failure.replace('\n', "\n    ")))
            })
            .collect();
        let passed = failures.is_empty();
        println!("  {} {}", if passed { "ok    " } else { "FAILED" }, &name[PREFIX.len()..]);
        failures.iter().for_each(|failure| println!("{failure}"));
        *(if passed { &mut tally.passed } else { &mut tally.failed }) += 1;
    }
    Ok(())
}

/// The export's name, if it is a test that is to run.
fn wanted(name: &str, arguments: &Arguments) -> Option<String> {
    let test = name.strip_prefix(PREFIX)?;
    let chosen = arguments.filter.as_ref().is_none_or(|filter| test.contains(filter.as_str()));
    chosen.then(|| name.to_owned())
}

fn run_test(
    module: &Verified<Module>,
    name: &str,
    engine: EngineKind,
    seconds: u64,
    messages: &Messages,
) -> Result<(), String> {
    let mut host = BareHost::new(vec![OsString::from(name)], None).map_err(|_| "the host cannot be made".to_owned())?;
    let config = Config { engine, deadline: Some(Duration::from_secs(seconds)), ..Config::default() };
    let mut machine =
        Machine::with_engine(config, Box::new(Jit::with_log(&Log::default()))).map_err(|error| error.to_string())?;
    let domain = machine.instantiate(module).map_err(|error| error.to_string())?;
    match machine.call_with(&mut host, domain, name, &[]).map_err(|error| error.to_string())? {
        Outcome::Returned(_) => Ok(()),
        Outcome::Faulted(report) => Err(messages.explain(&report)),
        Outcome::TimedOut => Err(format!("not done after {seconds} seconds")),
        other => Err(format!("it ended in another way: {other:?}")),
    }
}
