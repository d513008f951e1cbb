//! Simulators: `smartpos-sim acquirer | reader | keypad | decode`.

use std::process::ExitCode;

use clap::Parser;
use smartpos::sim::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("smartpos-sim: {why}");
            ExitCode::FAILURE
        }
    }
}
