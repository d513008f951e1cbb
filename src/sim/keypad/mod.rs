//! A simulated numeric keypad.

/// Arguments of this subcommand.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Runs until told to stop; the error says what to do.
pub fn run(_args: Args) -> Result<(), String> {
    Err("not built yet".to_owned())
}
