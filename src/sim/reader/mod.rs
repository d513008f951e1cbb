//! A PN532 on a pty with a contactless EMV card behind it.
//!
//! Owns: everything between a client's serial port and the card's applet. Must not know: the daemon's own reader;
//! frames, blocks and TLV are written here a second time so that two errors have to agree to go unseen.
//!
//! - `frame`, `line`: bytes; `chip`, `command`, `registers`: the PN532, told of time and bytes, giving bytes
//! - `field`, `picc`: cards on the antenna and their block protocol; `card`: the applets
//! - `hand`: when cards come and go; `port`, `server`, `orders`, `trace`: the real pty, loop and control socket
//!
//! Test cards (all numbers made up): UnionPay `6200000000000000018`, Visa `4000000000000002`, Mastercard
//! `5400000000000005`; expiry 3012, sequence number 01; the issuer's test key is in `card::cryptogram`.

pub mod card;
pub mod chip;
#[cfg(test)]
mod chip_tests;
pub mod command;
pub mod field;
pub mod frame;
pub mod hand;
pub mod line;
mod orders;
pub mod picc;
pub mod port;
pub mod registers;
pub mod server;
pub mod trace;
#[cfg(test)]
mod transcripts;

use std::path::PathBuf;
use std::time::Duration;

use self::card::settings::{CardSettings, Flaw, Kind};
use self::chip::Chip;
use self::command::Settings;
use self::hand::Hand;
use self::server::Server;
use self::trace::Trace;
use super::control;

/// Arguments of this subcommand.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the serial port appears: a symlink to the pty.
    #[arg(long, value_name = "PATH", required_unless_present = "send")]
    link: Option<PathBuf>,
    /// Unix socket for orders while it runs (see `help` there).
    #[arg(long, value_name = "PATH", required_unless_present = "send")]
    control: Option<PathBuf>,
    /// Send orders to a running simulator instead, one per argument: --send SOCKET "card in".
    #[arg(long, value_names = ["SOCKET", "ORDER"], num_args = 2.., conflicts_with_all = ["link", "control"])]
    send: Option<Vec<String>>,
    /// Kind of card in the customer's hand.
    #[arg(long, value_enum, default_value = "unionpay")]
    card: Kind,
    /// More about the card, as NAME=VALUE: pan, expiry (YYMM), sequence, pin (yes, no), ctq, omit, uid, ats.
    #[arg(long = "card-set", value_name = "NAME=VALUE")]
    card_set: Vec<String>,
    /// What is wrong with the card.
    #[arg(long, value_enum, default_value = "none")]
    flaw: Flaw,
    /// The card lies on the reader from the start.
    #[arg(long)]
    card_in: bool,
    /// Tap by itself: the card comes so long after a poll begins and leaves when the reader lets go of it.
    #[arg(long, value_name = "MS", conflicts_with = "card_in")]
    tap_delay_ms: Option<u64>,
    /// Time the card takes for each command.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    card_time_ms: u64,
    /// Keep silent until SAMConfiguration, as the chip's manual demands.
    #[arg(long)]
    strict_sam: bool,
    /// Firmware that it says it has, as 1.6.
    #[arg(long, value_name = "VERSION", value_parser = firmware, default_value = "1.6")]
    firmware: [u8; 2],
    /// Hand answers of more than so many bytes over in parts (at most 262).
    #[arg(long, value_name = "BYTES", default_value_t = 262)]
    more_above: usize,
    /// Seed of the noise.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write what goes over the line to a file.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Runs until told to stop; the error says what to do.
pub fn run(args: Args) -> Result<(), String> {
    if let Some([socket, orders @ ..]) = args.send.as_deref() {
        return control::send(socket.as_ref(), orders);
    }
    let (Some(link), Some(control)) = (&args.link, &args.control) else {
        return Err("--link and --control are needed".to_owned());
    };
    let hand = Hand::new(card_settings(&args)?, args.tap_delay_ms.map(Duration::from_millis));
    let settings = Settings {
        strict_sam: args.strict_sam,
        firmware: args.firmware,
        seed: args.seed,
        more_above: args.more_above,
        card_time: Duration::from_millis(args.card_time_ms),
    };
    let mut server = Server::start(Chip::new(settings), hand, link, control)?;
    if let Some(file) = &args.trace {
        server.trace = Some(Trace::create(file)?);
    }
    if args.card_in {
        server.order("card in")?;
    }
    println!("ready {}", link.display());
    server.run()
}

fn firmware(text: &str) -> Result<[u8; 2], String> {
    let numbers =
        text.split_once('.').and_then(|(version, revision)| Some([version.parse().ok()?, revision.parse().ok()?]));
    numbers.ok_or_else(|| "write two numbers, as 1.6".to_owned())
}

fn card_settings(args: &Args) -> Result<CardSettings, String> {
    let mut settings = CardSettings { kind: args.card, flaw: args.flaw, ..CardSettings::default() };
    for pair in &args.card_set {
        let (name, value) = pair.split_once('=').ok_or("--card-set takes NAME=VALUE, as pin=yes")?;
        settings.set(name, value)?;
    }
    Ok(settings)
}
