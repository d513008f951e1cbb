//! Simulators: `smartpos-sim acquirer | reader | keypad | scanner | decode`, and `smartpos-sim run`, the whole terminal under a seed.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use smartpos::{proof, sim};

/// Simulators of everything around smartposd, and of smartposd itself under faults.
#[derive(Parser, Debug)]
#[command(name = "smartpos-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[command(flatten)]
    Simulator(sim::cli::Command),
    /// Run engine and store in a simulated world under a seed, with faults; check both ledgers.
    Run(proof::cli::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Simulator(command) => sim::cli::run(command),
        Command::Run(args) => proof::cli::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("smartpos-sim: {why}");
            ExitCode::FAILURE
        }
    }
}
