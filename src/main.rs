//! The `limen` command.

mod ahead;
mod bare;
mod beginning;
mod boot;
mod commands;
mod control;
mod failure;
mod files;
mod helper;
mod messages;
mod record;
mod running;
mod services;
mod system;
mod translated;
mod wasi;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Assembles, inspects and runs programs of the Limen machine.
#[derive(Parser)]
#[command(version, max_term_width = 100, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Asm(commands::asm::Arguments),
    Dis(commands::dis::Arguments),
    Doc(commands::doc::Arguments),
    Fmt(commands::fmt::Arguments),
    Verify(commands::verify::Arguments),
    Build(commands::build::Arguments),
    Boot(commands::boot::Arguments),
    Ctl(commands::ctl::Arguments),
    Graph(commands::graph::Arguments),
    Import(commands::import::Arguments),
    New(commands::new::Arguments),
    Run(commands::run::Arguments),
    Test(commands::test::Arguments),
    Trace(commands::trace::Arguments),
    Resume(commands::resume::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Asm(arguments) => commands::asm::run(&arguments),
        Command::Dis(arguments) => commands::dis::run(&arguments),
        Command::Doc(arguments) => commands::doc::run(&arguments),
        Command::Fmt(arguments) => commands::fmt::run(&arguments),
        Command::Verify(arguments) => commands::verify::run(&arguments),
        Command::Build(arguments) => commands::build::run(&arguments),
        Command::Boot(arguments) => commands::boot::run(&arguments),
        Command::Ctl(arguments) => commands::ctl::run(&arguments),
        Command::Graph(arguments) => commands::graph::run(&arguments),
        Command::Test(arguments) => commands::test::run(&arguments),
        Command::Trace(arguments) => commands::trace::run(&arguments),
        Command::Import(arguments) => commands::import::run(&arguments),
        Command::New(arguments) => commands::new::run(&arguments),
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Resume(arguments) => commands::resume::run(&arguments),
    };
    result.unwrap_or_else(|failure| failure.report())
}
