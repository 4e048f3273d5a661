//! Limen measured: its interpreter against wasmi and its compiled code against wasmtime and C, on the same algorithms; what
//! its parts cost; what it costs to cross the boundary between two domains; and WebAssembly's programs.

mod chart;
mod compare;
mod costs;
mod domains;
mod ipc;
mod kernels;
mod lines;
mod sides;
mod sources;
mod stalls;
mod starts;
mod statistics;
mod stops;
mod structured;
mod system;
mod wasm;

use std::path::PathBuf;

use clap::Parser;

/// Measures Limen against wasmi, wasmtime and C, and what its parts cost
#[derive(Parser)]
struct Arguments {
    /// How often everything is measured
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Only kernels with this in their name, and nothing else
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// About a tenth of the work, for a first look
    #[arg(long)]
    quick: bool,

    /// Only the kernels
    #[arg(long)]
    kernels_only: bool,

    /// Only what the parts cost
    #[arg(long)]
    costs: bool,

    /// Only what crossing the boundary between two domains costs
    #[arg(long)]
    ipc: bool,

    /// Only what the system does: starting services, killing them, many of them
    #[arg(long)]
    system: bool,

    /// Only what the structured notation costs against code by hand
    #[arg(long)]
    structured: bool,

    /// Only WebAssembly: kernels and whole programs, with engines that were made for it
    #[arg(long)]
    wasm: bool,

    /// Print the memory that many services take, as a part of `--system`
    #[arg(long, hide = true)]
    idle_services: bool,

    /// The same for services without threads
    #[arg(long, hide = true)]
    passive_services: bool,

    /// Only one of the comparisons
    #[arg(long, value_enum)]
    only: Option<Engine>,

    /// Draw the comparison of compiled code into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Be a command that runs a WebAssembly program, as a part of `--wasm`
    #[arg(long, hide = true, value_enum, requires = "program")]
    start: Option<wasm::Peer>,

    /// That program, and what it is called with
    #[arg(hide = true, trailing_var_arg = true)]
    program: Vec<String>,

    /// Name the kernels and do nothing
    #[arg(long)]
    list: bool,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// The interpreter, with wasmi
    Interpreted,
    /// Compiled code, with wasmtime
    Compiled,
    /// Compiled code, with the same that nobody can stop
    Stoppable,
}

fn main() {
    let arguments = Arguments::parse();
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let chosen: Vec<_> = kernels::ALL.iter().filter(|kernel| kernel.name.contains(filter)).collect();
    if arguments.list {
        chosen.iter().for_each(|kernel| println!("{}", kernel.name));
        return;
    }
    if let Some(peer) = arguments.start {
        return peer.run(&arguments.program);
    }
    if arguments.costs {
        return costs::print(arguments.rounds);
    }
    if arguments.structured {
        return structured::print(arguments.rounds);
    }
    if arguments.wasm {
        return wasm::print(&chosen, filter, arguments.rounds, arguments.quick);
    }
    if arguments.idle_services || arguments.passive_services {
        return system::print_memory(arguments.passive_services);
    }
    if arguments.system {
        return system::print(arguments.rounds);
    }
    if arguments.ipc {
        ipc::print(arguments.rounds);
        return;
    }
    if !arguments.kernels_only && arguments.filter.is_none() {
        costs::print(arguments.rounds);
        println!();
        ipc::print(arguments.rounds);
        println!();
    }
    let comparisons = [
        (Engine::Interpreted, compare::INTERPRETED),
        (Engine::Compiled, compare::COMPILED),
        (Engine::Stoppable, compare::STOPPABLE),
    ];
    for (engine, comparison) in comparisons {
        if arguments.only.is_none_or(|only| only == engine) {
            let ratios = comparison.print(&chosen, arguments.rounds, arguments.quick);
            println!();
            if let (Engine::Compiled, Some(file)) = (engine, &arguments.svg) {
                let names: Vec<&str> = chosen.iter().map(|kernel| kernel.name).collect();
                if let Err(error) = chart::draw(file, &names, &comparison.peers(), &ratios) {
                    eprintln!("{}: {error}", file.display());
                    std::process::exit(1);
                }
            }
        }
    }
}
