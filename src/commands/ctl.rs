//! `limen ctl`

use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Write, stdout};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::control::answer::{Answer, Line};
use crate::control::default_socket;
use crate::control::table::Table;
use crate::failure::Failure;

/// Ask a running system for something
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The socket that `limen boot` was given; without this the same as there
    #[arg(long, value_name = "SOCKET")]
    socket: Option<PathBuf>,

    /// Print each line of the answer as an object of JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    request: Request,
}

#[derive(clap::Subcommand)]
enum Request {
    /// List the services and their state, one a line, the name first
    Services,
    /// Kill a service; its policy decides whether it is restarted
    Kill {
        /// The service
        name: String,
    },
    /// Replace a service by a new instance
    Restart {
        /// The service
        name: String,
    },
    /// Run a service's code in another way from now on
    Engine {
        /// The service
        name: String,
        /// The engine: interp, jit or tiered
        engine: String,
    },
    /// Show the calls of a service as they happen, until interrupted
    Trace {
        /// The service
        name: String,
    },
    /// End the system
    Stop,
}

impl Request {
    /// The line that asks for it.
    fn line(&self) -> Result<String, Failure> {
        Ok(match self {
            Request::Services => "services".to_owned(),
            Request::Kill { name } => format!("kill {}", word(name)?),
            Request::Restart { name } => format!("restart {}", word(name)?),
            Request::Engine { name, engine } => format!("engine {} {}", word(name)?, word(engine)?),
            Request::Trace { name } => format!("trace {}", word(name)?),
            Request::Stop => "stop".to_owned(),
        })
    }
}

/// A name is one word of the line.
fn word(name: &str) -> Result<&str, Failure> {
    let is_word = !name.is_empty() && !name.contains(|char: char| char.is_whitespace() || char.is_control());
    if is_word { Ok(name) } else { Err(Failure::new(format_args!("{name:?} is no name"))) }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let request = arguments.request.line()?;
    let path = arguments.socket.clone().unwrap_or_else(default_socket);
    let no_system = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Failure::of_file(&path, "no system is running there (`limen boot` starts one)")
        }
        _ => Failure::of_file(&path, error),
    };
    let mut system = UnixStream::connect(&path).map_err(no_system)?;
    writeln!(system, "{request}").map_err(|error| Failure::of_file(&path, error))?;
    let mut printer = Printer::new(arguments);
    for line in BufReader::new(system).lines() {
        let line = line.map_err(|error| Failure::of_file(&path, error))?;
        match Line::parse(&line) {
            Line::Data(answer) => printer.print(answer).map_err(Failure::new)?,
            Line::Ok => return printer.finish().map(|()| ExitCode::SUCCESS).map_err(Failure::new),
            Line::Error(text) => return Err(Failure::new(text)),
            Line::Other => return Err(Failure::new(format_args!("the system answers what is no answer: {line:?}"))),
        }
    }
    match arguments.request {
        // It has ended before it could say so.
        Request::Stop => Ok(ExitCode::SUCCESS),
        _ => Err(Failure::new("the system ended before it had answered")),
    }
}

/// How lines of data are shown.
enum Printer {
    Json,
    /// As they come.
    Calls,
    /// Once all are there.
    Table(Table),
}

impl Printer {
    fn new(arguments: &Arguments) -> Self {
        match &arguments.request {
            _ if arguments.json => Printer::Json,
            Request::Trace { .. } => Printer::Calls,
            _ => Printer::Table(Table::new(stdout().is_terminal())),
        }
    }

    fn print(&mut self, answer: Answer) -> std::io::Result<()> {
        match self {
            Printer::Json => writeln!(stdout(), "{}", answer.json()),
            Printer::Calls => writeln!(stdout(), "{}", answer.call()),
            Printer::Table(table) => {
                table.add(answer);
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> std::io::Result<()> {
        match self {
            Printer::Json | Printer::Calls => Ok(()),
            Printer::Table(table) => write!(stdout(), "{table}"),
        }
    }
}
