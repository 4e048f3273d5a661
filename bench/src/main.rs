//! Limen measured against wasmi: the same algorithms, in one process, interleaved.

mod compare;
mod kernels;
mod machine;
mod statistics;

use clap::Parser;

/// Measures Limen against its peers.
#[derive(Parser)]
struct Arguments {
    /// How often each kernel is measured on each side
    #[arg(long, default_value_t = 11)]
    rounds: usize,

    /// Only kernels with this in their name
    #[arg(long, default_value = "")]
    filter: String,

    /// A tenth of the work, for a first look
    #[arg(long)]
    quick: bool,

    /// Name the kernels and do nothing
    #[arg(long)]
    list: bool,

    /// Only the kernels, not verifier, assembler and start-up
    #[arg(long)]
    kernels_only: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let chosen: Vec<_> = kernels::ALL.iter().filter(|kernel| kernel.name.contains(&arguments.filter)).collect();
    if arguments.list {
        chosen.iter().for_each(|kernel| println!("{}", kernel.name));
        return;
    }
    let divisor = if arguments.quick { 10 } else { 1 };
    compare::print(&chosen, arguments.rounds.max(1), divisor);
    if !arguments.kernels_only && arguments.filter.is_empty() {
        machine::print(arguments.rounds.max(1));
    }
}
