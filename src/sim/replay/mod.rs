//! A capture of the wires, played to a daemon that runs.
//!
//! Owns: the card reader's end of its line, and what is ordered of everybody else: the simulated acquirer and keypad, and
//! `posctl` for what an app asked. Must not know: the daemon's machines. What comes of it is told by a second capture, which
//! the daemon makes meanwhile; the two are compared.
//!
//! - `capture`: the lines of a capture, and when two of them say the same
//! - `player`: who is told what, in which order; `line`: the reader's line
//!
//! The order of the capture is kept, its pauses are not: what came from outside comes as soon as everything that the daemon
//! did before it has been seen again. Only keys keep their pauses, because a key that is up at once has bounced. What a
//! capture hides is filled in: a test card, the simulated acquirer's keys, and 1 for every digit that was typed.

mod capture;
mod line;
mod player;

use std::path::PathBuf;
use std::time::Duration;

use self::capture::Capture;
use self::player::{Places, Player};

const AFTER_HELP: &str = "\
Needs a daemon that is signed in with a simulated acquirer (--pin 111111: every typed digit is a 1) and whose card reader is
at --link, where nothing is before this begins. Prints `ready` once it has begun.

Compared: frames to the reader once it looks for a card, of those to a card only class, instruction, parameters and length, of
a selection all; requests to the host, and that there is none too many; prompts and outcomes. Answers of the host by their
response code. Not compared: fields 11, 12, 13, 15, 37, 38, 60, 61 (trace, times, references, batch) and 55 (data of the
chip) of a request, what a capture hides, times, and how the reader is brought up. MACs and PIN blocks are made anew with
the keys of the simulated acquirer, which checks them.

Last line: replay: N events, the same. Otherwise the first difference, and exit code 1.";

/// Arguments of this subcommand.
#[derive(clap::Args, Debug)]
#[command(after_long_help = AFTER_HELP)]
pub struct Args {
    /// The capture, made by `posctl record`.
    capture: PathBuf,
    /// Where the daemon looks for its card reader.
    #[arg(long, value_name = "PATH")]
    link: PathBuf,
    /// Control socket of the simulated acquirer.
    #[arg(long, value_name = "SOCKET")]
    acquirer: PathBuf,
    /// Control socket of the simulated keypad.
    #[arg(long, value_name = "SOCKET")]
    keypad: PathBuf,
    /// The daemon's bus; the system's if not given.
    #[arg(long, value_name = "ADDRESS")]
    bus: Option<String>,
    /// Keep the second capture here.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// How long to wait for anything that the capture says comes next.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    patience: u64,
}

/// Plays it; the error is the first difference, or why it could not be played.
pub fn run(args: Args) -> Result<(), String> {
    let text = std::fs::read_to_string(&args.capture).map_err(|e| format!("{}: {e}", args.capture.display()))?;
    let capture = Capture::parse(&text).map_err(|why| format!("{}: {why}", args.capture.display()))?;
    let places =
        Places { link: args.link, acquirer: args.acquirer, keypad: args.keypad, bus: args.bus, keep: args.keep };
    let mut player = Player::new((capture, &text), places, Duration::from_secs(args.patience))?;
    println!("replay: {} events, the same", player.play()?);
    Ok(())
}
