//! Simulators: `smartpos-sim acquirer | reader | keypad | scanner | decode`, and `smartpos-sim run`, the whole terminal under a seed.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use smartpos::app::posctl::pages;
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
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Write the man pages.
    Man {
        /// Into this directory, which has to exist.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Simulator(command) => sim::cli::run(command),
        Command::Run(args) => proof::cli::run(&args),
        Command::Completions { shell } => {
            std::io::stdout().write_all(&pages::completions(Cli::command(), shell)).map_err(|e| e.to_string())
        }
        Command::Man { directory } => {
            pages::man_pages(Cli::command(), "1", &directory).map(drop).map_err(|e| e.to_string())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("smartpos-sim: {why}");
            ExitCode::FAILURE
        }
    }
}
