//! `limen graph`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::files;
use crate::system::Source;
use crate::system::graph::Graph;

/// The status of a question that could not be asked: 1 is the answer "no".
const ERROR: u8 = 2;

/// Draw who may talk to whom in a system, or ask whether one can reach another
///
/// Without other options it prints the graph in the language of Graphviz.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest; `-` for standard input; by default that of the built-in system
    manifest: Option<PathBuf>,

    /// Print the language of Graphviz
    #[arg(long, conflicts_with_all = ["svg", "can"])]
    dot: bool,

    /// Print a picture in SVG
    #[arg(long, conflicts_with = "can")]
    svg: bool,

    /// Where to write the graph
    #[arg(short, long, value_name = "OUT", default_value = "-", conflicts_with = "can")]
    output: PathBuf,

    /// Ask whether service A can reach B: a service, a segment, a device, `init` or `machine`. Where a name can be several,
    /// say `device.NAME`. Prints the path and exits with 0, or all that A reaches and exits with 1
    #[arg(long, num_args = 3, value_names = ["A", "reach", "B"])]
    can: Option<Vec<String>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.can {
        Some(question) => Ok(ask(arguments, question).unwrap_or_else(|failure| {
            failure.report();
            ExitCode::from(ERROR)
        })),
        None => draw(arguments),
    }
}

fn graph(arguments: &Arguments) -> Result<Graph, Failure> {
    Ok(Graph::of(&Source::open(arguments.manifest.as_deref())?.plan()?))
}

fn draw(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let graph = graph(arguments)?;
    let text = if arguments.svg { graph.svg() } else { graph.dot() };
    files::write(&arguments.output, text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn ask(arguments: &Arguments, question: &[String]) -> Result<ExitCode, Failure> {
    let [from, word, to] = question else { return Err(Failure::new("--can takes three words: A reach B")) };
    if word != "reach" {
        return Err(Failure::new(format_args!("--can: `reach` belongs between the two names, not `{word}`")));
    }
    let answer = graph(arguments)?.can_reach(from, to)?;
    files::write("-".as_ref(), answer.text.as_bytes())?;
    Ok(if answer.can { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
