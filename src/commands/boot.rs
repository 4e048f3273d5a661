//! `limen boot`

use std::path::PathBuf;
use std::process::ExitCode;

use limen_vm::Time;

use crate::boot::{self, Options};
use crate::failure::Failure;
use crate::files;
use crate::running::Engine;
use crate::system::Source;
use crate::system::image::{Image, MAGIC};

/// Boot a system
///
/// Standard input and output are its console; if standard input is a terminal, it is in raw mode until the system ends.
/// Its exit status becomes that of the command; a fault of its kernel is explained on standard error and exits with 70.
///
/// SIGINT, SIGTERM and SIGHUP ask the system to end. If it has not after two seconds, or at a second signal, its machine is
/// stopped, and the command exits with 75. Input that ends is told to the system as Ctrl-D.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The way code is run of which the system says nothing else
    #[arg(long, value_enum, default_value = "tiered")]
    engine: Engine,

    /// Live in virtual time, and with random numbers that are always the same
    #[arg(long)]
    virtual_time: bool,

    /// The socket on which `limen ctl` talks to the system, in a directory that only its owner may enter. Without this it is
    /// `$XDG_RUNTIME_DIR/limen/ctl`, or else `/tmp/limen-UID/ctl`, if no other system is there
    #[arg(long, value_name = "SOCKET")]
    ctl: Option<PathBuf>,

    /// Record all calls in the system: who called what, on whose behalf, when, and what came of it. `limen trace FILE` shows
    /// that, and ui.perfetto.dev opens it
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// An image, or a manifest; by default the built-in system
    #[arg(value_name = "IMAGE|MANIFEST")]
    system: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let time = if arguments.virtual_time { Time::Virtual } else { Time::Live };
    let (socket, record) = (arguments.ctl.clone(), arguments.record.clone());
    let options = Options { engine: arguments.engine.kind(), time, socket, record };
    boot::boot(&image(arguments)?, &options)
}

/// What a file holds is an image if it begins like one.
fn image(arguments: &Arguments) -> Result<Image, Failure> {
    let file = arguments.system.as_deref();
    if let Some(file) = file {
        if files::is_dash(file) {
            return Err(Failure::new("standard input is the system's console: a file is needed"));
        }
        let bytes = files::read(file)?;
        if bytes.starts_with(&MAGIC) {
            return Image::read(&bytes).map_err(|error| Failure::of_file(file, error));
        }
    }
    let source = Source::open(file)?;
    if arguments.record.is_some() { source.recorded().image() } else { source.image() }
}
