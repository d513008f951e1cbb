//! A real ISO 8583 host with a ledger and faults on demand.
//!
//! Owns: everything at the far end of the acquirer's line. Must not know: the daemon's own host code; keys, MAC, PIN
//! block and the meaning of every message are written here a second time, so that two errors have to agree to go
//! unseen. Only the field table and the framing (`codec`) are shared. Follows the UnionPay-style POS protocol.
//!
//! - `host`: the machine, told of time and bytes, giving bytes; `centre`, `sale`, `upload`, `reversal`, `script`,
//!   `request`: what a message means; `keys`, `card_check`: working keys, chip cards; `ledger`: what cardholders were
//!   charged
//! - `fault`: faults on demand (grammar in [`fault::GRAMMAR`]); `forced`: amounts that force an outcome (table there);
//!   `delivery`: what they do to an answer
//! - `server`, `connection`, `tls`: real sockets, one thread
//!
//! It knows one terminal. Made-up secrets, public, for tests only: terminal master key
//! `0123456789ABCDEFFEDCBA9876543210`, PIN of every card `123456`, issuer master key of the simulated cards
//! `404142434445464748494A4B4C4D4E4F`. A payment is charged when the host decides, also if the answer then gets lost.

pub mod card_check;
pub mod centre;
pub mod connection;
pub mod delivery;
pub mod fault;
pub mod forced;
pub mod host;
pub mod keys;
pub mod ledger;
pub mod request;
mod reversal;
mod sale;
mod script;
pub mod server;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod tls;
mod upload;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::centre::Centre;
use self::host::Host;
use self::keys::Entropy;
use self::ledger::Ledger;
use self::server::{Files, Server};
use self::settings::{KeyForm, MakLength, Settings};
use self::tls::CertificateFlaw;
use crate::domain::ids::{MerchantId, TerminalId};
use crate::domain::training;
use crate::sim::control::{self, Control};
use crate::sim::crypto::{DesKey, MacMethod};

const AFTER_HELP: &str = "\
Prints `ready ADDRESS` when it listens; requests are told on stderr without card data.

Amounts that force an outcome, in CNY (sales and uploads; 9020.XX only once to an upload, whose repeats are answered):
  9000.XX  response code XX (9000.00 is an ordinary sale)      9010.0X  response code AX
  9020.01  charged, no answer                  9020.06  charged, answered twice
  9020.02  neither charged nor answered        9020.07  charged, answers for others first
  9020.03  charged, connection closed          9020.08  charged, half an answer, then closed
  9020.04  charged, the answer's MAC is wrong  9020.09  charged, answered too late (--late-ms)
  9020.05  charged, answered after 5 s         9020.10  charged, garbage for an answer
  9030.71, 9030.72  charged, with a script (71, 72) for the card in the answer (sales only); a 0620 has to follow

Orders (--control, --send): ledger | find BATCH TRACE | faults | clear | batch N | forget-keys | hang-up | quit | help |
fault …; answered by `ok …` or `error: …`. --send SOCKET ledger prints totals (all, online, offline) and counts as JSON, find one
payment as in the ledger's file: kind online or offline, status charged, declined or reversed. Faults, also for --fault:
";

/// Arguments of this subcommand.
#[derive(clap::Args, Debug)]
#[command(after_long_help = format!("{AFTER_HELP}{}", fault::GRAMMAR))]
pub struct Args {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// Speak TLS, with --cert and --key.
    #[arg(long, requires_all = ["cert", "key"], conflicts_with = "tls_self_signed")]
    tls: bool,
    /// Certificate chain in PEM form.
    #[arg(long, value_name = "FILE", requires = "tls")]
    cert: Option<PathBuf>,
    /// Its private key in PEM form.
    #[arg(long, value_name = "FILE", requires = "tls")]
    key: Option<PathBuf>,
    /// Speak TLS with a certificate made on the spot: ca.pem, server.pem and server.key go into this directory. Those
    /// that are there already are taken again.
    #[arg(long, value_name = "DIR")]
    tls_self_signed: Option<PathBuf>,
    /// Further names or addresses the certificate is good for, besides localhost, 127.0.0.1 and ::1.
    #[arg(long, value_name = "NAME", requires = "tls_self_signed")]
    tls_name: Vec<String>,
    /// What is wrong with the certificate.
    #[arg(long, value_enum, requires = "tls_self_signed")]
    tls_flaw: Option<CertificateFlaw>,
    /// Append what was charged and reversed to a file as JSON lines; what is there already is taken into the books.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Unix socket for orders while it runs.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Send orders to a running simulator instead, one per argument: --send SOCKET "fault 0200 drop x1".
    #[arg(long, value_names = ["SOCKET", "ORDER"], num_args = 2..)]
    send: Option<Vec<String>>,
    /// Write every frame to a file as a line `in|out CONNECTION HEX`. Contains whole card data: for test cards only.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Be the training host: on this machine only, for the terminal and with the key of training, and saying so to whoever
    /// connects. No live terminal works with it, and no training terminal with anything else.
    #[arg(long, conflicts_with_all = ["terminal", "merchant", "tmk_file", "tls", "tls_self_signed"])]
    training: bool,
    /// The terminal it knows, field 41.
    #[arg(long, value_name = "ID", default_value = "99000001")]
    terminal: String,
    /// The terminal's merchant, field 42.
    #[arg(long, value_name = "ID", default_value = "999000000000001")]
    merchant: String,
    /// Batch that a sign-in hands out.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=999_998))]
    batch: u32,
    /// Terminal master key, 32 hex digits in a file. Default: the made-up one of the conformance vectors.
    #[arg(long, value_name = "FILE")]
    tmk_file: Option<PathBuf>,
    /// How field 64 is computed.
    #[arg(long, value_enum, default_value = "ecb")]
    mac: MacMethod,
    /// Length of the MAC key in the forms 003 and 004.
    #[arg(long, value_enum, default_value = "8")]
    mak: MakLength,
    /// Form of the key block; without this, what field 60.3 of the sign-in asks for.
    #[arg(long, value_enum)]
    key_form: Option<KeyForm>,
    /// Refuse a chip card whose cryptogram is not genuine (59).
    #[arg(long)]
    check_arqc: bool,
    /// Issuer master key, 32 hex digits in a file. Default: that of the simulated cards.
    #[arg(long, value_name = "FILE")]
    card_key_file: Option<PathBuf>,
    /// PIN of every card.
    #[arg(long, value_name = "DIGITS", default_value = "123456")]
    pin: String,
    /// Largest amount of one sale in minor units; above it 61.
    #[arg(long, value_name = "MINOR", default_value_t = 5_000_000)]
    max_amount: u64,
    /// The host's address in the TPDU, four hex digits. Other destinations are dropped without an answer.
    #[arg(long, value_name = "HEX", default_value = "0003")]
    nii: String,
    /// Offset of the host's clock from UTC in minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 480, allow_negative_numbers = true)]
    utc_offset: i16,
    /// Answer to an upload that is there already.
    #[arg(long, value_name = "CODE", default_value = "94", value_parser = ["94", "00"])]
    repeat_code: String,
    /// How late the answer to 9020.09 comes.
    #[arg(long, value_name = "MS", default_value_t = 65_000)]
    late_ms: u64,
    /// Arm a fault from the start, as "0200 drop x1".
    #[arg(long, value_name = "FAULT")]
    fault: Vec<String>,
}

/// Runs until told to stop; the error says what to do.
pub fn run(args: Args) -> Result<(), String> {
    if let Some([socket, orders @ ..]) = args.send.as_deref() {
        return control::send(socket.as_ref(), orders);
    }
    let tls = match (&args.cert, &args.key, &args.tls_self_signed) {
        (Some(cert), Some(key), _) => Some(tls::load(cert, key)?),
        (_, _, Some(directory)) => Some(tls::self_signed(directory, &args.tls_name, args.tls_flaw)?),
        _ => None,
    };
    let (ledger, ledger_file) = open_ledger(args.ledger.as_deref())?;
    let entropy: Entropy = Box::new(|bytes| {
        // The kernel's generator does not fail once the system is up; zeros would only be a weak test key.
        let _zeros = getrandom::fill(bytes);
    });
    if args.training {
        refuse_outside(&args.listen)?;
    }
    let mut host = Host::new(Centre::new(settings(&args)?, ledger, entropy));
    for fault in &args.fault {
        host.order(&format!("fault {fault}"))?;
    }
    let files = Files { ledger: ledger_file, capture: args.capture.as_deref().map(append_to).transpose()? };
    let control = args.control.as_deref().map(Control::bind).transpose()?;
    let mut server = Server::start(host, &args.listen, tls, control, files)?;
    let said = writeln!(std::io::stdout(), "ready {}", server.address());
    said.map_err(|e| format!("nobody reads the ready line: {e}"))?;
    server.run()
}

fn settings(args: &Args) -> Result<Settings, String> {
    TerminalId::new(&args.terminal).ok_or("--terminal takes 8 letters or digits")?;
    MerchantId::new(&args.merchant).ok_or("--merchant takes 15 letters or digits")?;
    let pin = (4..=12).contains(&args.pin.len()) && args.pin.bytes().all(|b| b.is_ascii_digit());
    if !pin {
        return Err("--pin takes 4 to 12 digits".to_owned());
    }
    let double = args.mak == MakLength::Double;
    match args.mac {
        MacMethod::X919 | MacMethod::Cbc3des if !double => {
            return Err("this MAC method needs a double-length key; write --mak 16".to_owned());
        }
        MacMethod::Ecb | MacMethod::X99 | MacMethod::X919 | MacMethod::Cbc3des => {}
    }
    let address = u16::from_str_radix(&args.nii, 16).ok().filter(|_| args.nii.len() == 4);
    let defaults = Settings::default();
    let (terminal, merchant, master_key) = match args.training {
        true => (training::TERMINAL.into(), training::MERCHANT.into(), DesKey::Double(training::MASTER_KEY)),
        false => (
            args.terminal.clone(),
            args.merchant.clone(),
            args.tmk_file.as_deref().map_or(Ok(defaults.master_key), read_key)?,
        ),
    };
    Ok(Settings {
        terminal,
        merchant,
        batch: args.batch,
        master_key,
        mac: args.mac,
        mak: args.mak,
        key_form: args.key_form,
        card_key: args.card_key_file.as_deref().map_or(Ok(defaults.card_key), read_key)?,
        check_arqc: args.check_arqc,
        pin: args.pin.clone(),
        max_amount: args.max_amount,
        address: address.ok_or("--nii takes four hex digits, as 0003")?.to_be_bytes(),
        utc_offset_minutes: args.utc_offset,
        repeat_code: args.repeat_code.clone(),
        late: Duration::from_millis(args.late_ms),
        capture: args.capture.is_some(),
        training: args.training,
    })
}

/// A training host is for the terminal on the same machine, and for nobody else.
fn refuse_outside(address: &str) -> Result<(), String> {
    let here = address.parse::<std::net::SocketAddr>().is_ok_and(|at| at.ip().is_loopback());
    here.then_some(()).ok_or_else(|| format!("a training host listens on this machine only, not at {address}"))
}

fn read_key(path: &Path) -> Result<DesKey, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let text = text.trim();
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
    let number = number.ok_or_else(|| format!("{} must hold 32 hex digits and nothing else", path.display()))?;
    Ok(DesKey::Double(number.to_be_bytes()))
}

fn open_ledger(path: Option<&Path>) -> Result<(Ledger, Option<File>), String> {
    let Some(path) = path else { return Ok((Ledger::default(), None)) };
    let file = append_to(path)?;
    let lines = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let ledger = Ledger::replay(&lines).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok((ledger, Some(file)))
}

fn append_to(path: &Path) -> Result<File, String> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|e| format!("cannot write {}: {e}", path.display()))
}
