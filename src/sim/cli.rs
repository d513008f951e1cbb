//! The simulators on the command line of `smartpos-sim`.

use clap::Subcommand;

/// One simulator each.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// An acquirer host over TCP or TLS.
    Acquirer(Box<super::acquirer::Args>),
    /// A PN532 card reader on a pty, with a card.
    Reader(super::reader::Args),
    /// A numeric keypad.
    Keypad(super::keypad::Args),
    /// A code scanner on a pty.
    Scanner(super::scanner::Args),
    /// Play a capture of the wires to a daemon, and compare what it does.
    Replay(super::replay::Args),
    /// Decode a captured host message to JSON.
    Decode(super::decode::Args),
}

/// Runs the chosen simulator.
pub fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Acquirer(args) => super::acquirer::run(*args),
        Command::Reader(args) => super::reader::run(args),
        Command::Keypad(args) => super::keypad::run(args),
        Command::Scanner(args) => super::scanner::run(args),
        Command::Replay(args) => super::replay::run(args),
        Command::Decode(args) => super::decode::run(args),
    }
}
