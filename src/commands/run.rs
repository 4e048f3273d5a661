//! `limen run`

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use limen_isa::module::Module;
use limen_vm::{Budget, Config, Machine, Mode, Time, verify};

use crate::bare::BareHost;
use crate::failure::Failure;
use crate::files;
use crate::messages::Messages;
use crate::running::Options;
use crate::services::Services;
use crate::translated::{self, Begun, Entry};
use crate::wasi::{self, Wasi};

/// Verify a program and run it
///
/// The program's exit status becomes that of the command. A fault is explained on standard error and exits with 70;
/// a program whose fuel or time is used up exits with 75.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,

    /// Let the program hold this many MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u64,

    /// Live in virtual time: every run with the same input is the same
    #[arg(long)]
    virtual_time: bool,

    /// Run on the bare host, without a kernel (at present the only way)
    #[arg(long)]
    bare: bool,

    /// Give a program from WebAssembly this environment variable; without a value, the command's own
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<OsString>,

    /// List the built-in programs
    #[arg(long)]
    list: bool,

    /// A source file, a module, a WebAssembly module, `-` for standard input, or the name of a built-in program; and what
    /// it is called with
    // One list, since everything behind the program is the program's, whatever it looks like.
    #[arg(required_unless_present = "list", trailing_var_arg = true, value_names = ["FILE", "ARGUMENTS"])]
    program: Vec<OsString>,
}

impl Arguments {
    /// What the program asks for.
    fn services(&self, module: &Module, end: Option<Instant>) -> Result<Services, Failure> {
        let (arguments, environment) = (self.program.clone(), self.environment()?);
        let mut services = if wasi::is_wanted(module) {
            Services::Wasi(Box::new(Wasi::new(module, arguments, environment, &self.options.dir, end)?))
        } else if self.env.is_empty() {
            Services::Bare(BareHost::new(arguments, self.options.directory()?)?)
        } else {
            return Err(Failure::new("--env: only programs from WebAssembly have an environment"));
        };
        if self.options.keeps_checkpoints() {
            // What cannot be kept is better said now than at the first checkpoint.
            services.save()?;
        }
        Ok(services)
    }

    /// The variables of the program's environment, as `NAME=VALUE`.
    fn environment(&self) -> Result<Vec<OsString>, Failure> {
        let variable = |given: &OsString| {
            if given.as_encoded_bytes().contains(&b'=') {
                return Ok(given.clone());
            }
            let value = std::env::var_os(given);
            let value = value.ok_or_else(|| Failure::new(format_args!("--env: {} is not set", given.display())))?;
            Ok([given.as_os_str(), "=".as_ref(), &value].into_iter().collect())
        };
        self.env.iter().map(variable).collect()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Some(file) = arguments.program.first().filter(|_| !arguments.list).map(Path::new) else {
        return Ok(list());
    };
    let begun = find(file)?;
    let module = &begun.module;
    let config = config(arguments)?;
    let mut running = arguments.options.start()?;
    running.messages = Messages::of(module, begun.bodies.clone());
    let mut host = arguments.services(module, running.end())?;
    let of_file = |error| Failure::of_file(file, error);
    let mut machine = Machine::with_engine(running.config(config), running.engine()).map_err(of_file)?;
    let domain = machine.instantiate(module).map_err(of_file)?;
    let first = machine.call_with(&mut host, domain, "main", &[]).map_err(of_file)?;
    running.finish(&mut machine, &mut host, first)
}

fn list() -> ExitCode {
    for program in limen_programs::PROGRAMS {
        println!("{:12} {}", program.name, program.summary);
    }
    ExitCode::SUCCESS
}

/// A file, or else a built-in program of that name.
fn find(file: &Path) -> Result<Begun, Failure> {
    let built_in = file.to_str().filter(|_| !file.exists()).and_then(limen_programs::find);
    let module = match built_in {
        Some(program) => Module::read(program.module).map_err(|error| Failure::of_file(file, error))?,
        None => {
            let entry = Entry::of_file(file);
            if let Some(known) = entry.as_ref().and_then(translated::known) {
                return Ok(known);
            }
            let ready = entry.map(|entry| (entry, translated::make_ready()));
            let bytes = files::read(file)?;
            if translated::is_wasm(&bytes) {
                return translated::begun(file, bytes, ready);
            }
            files::module_of(file, bytes)?
        }
    };
    Ok(verify(module, Mode::User).map_err(|error| Failure::of_file(file, error))?.into())
}

fn config(arguments: &Arguments) -> Result<Config, Failure> {
    let default = Config::default();
    let bytes = arguments.memory.checked_mul(1 << 20).ok_or_else(|| Failure::new("--memory: too much"))?;
    Ok(Config {
        time: if arguments.virtual_time { Time::Virtual } else { Time::Live },
        budget: Budget { bytes, ..default.budget },
        ..default
    })
}
