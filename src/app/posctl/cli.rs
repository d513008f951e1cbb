//! The command line of `posctl`. Secrets have no place here: they come from the terminal or a file descriptor.

mod care;
mod devices;
mod queue;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::app::config::DEFAULT_PATH;
use crate::domain::offline::OfflineMode;
use crate::domain::outcome::{Outcome, Role};

pub use care::{
    DrillArguments, HealCommand, MaintenanceCommand, ReportArguments, SelfTestArguments, SelfTestPart, TrainingCommand,
};
pub use devices::{DeviceRole, DevicesCommand};
pub use queue::{JournalCommand, Note, Occasion, QueueCommand, QueueListArguments};

/// What `posctl` is asked to do.
#[derive(Debug, Parser)]
#[command(
    name = "posctl",
    version,
    about = "Operate the payment daemon smartposd: payments, sign-in, keys, diagnosis",
    after_help = "Exit codes: 0 done or approved, 1 error, 2 declined, 3 cancelled, 4 result unknown."
)]
pub struct Cli {
    /// D-Bus to use: system, session, or an address such as unix:path=/run/bus
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "system")]
    pub bus: String,
    /// Print JSON: one object, or one object a line for sale, watch and exports
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what works now, and what to do about what does not
    Status,
    /// Sign in with the acquirer
    SignIn,
    /// Sign out with the acquirer
    SignOut,
    /// Operators: sign in and out, set, unlock
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Make a payment and follow it to its end
    #[command(
        after_help = "Ctrl-C cancels, a second Ctrl-C leaves. The same --key again never charges twice: it shows the \
                      payment it stands for.\nExit codes: 0 approved, 1 error, 2 declined, 3 cancelled, 4 result \
                      unknown (or left before the end)."
    )]
    Sale(SaleArguments),
    /// Show live what happens, until Ctrl-C
    Watch,
    /// List payments, newest first
    Transactions(ListArguments),
    /// One payment
    #[command(subcommand)]
    Transaction(TransactionCommand),
    /// What the acquirer does not have yet: payments accepted offline, and open reversals
    #[command(subcommand)]
    Queue(QueueCommand),
    /// The journal of everything that was decided
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Write a copy of everything that must survive, sealed under a passphrase that is asked for twice
    Backup {
        /// Into this file, which must not exist yet
        file: PathBuf,
        /// Read the passphrase (12 to 128 bytes) as one line from this open file descriptor instead of the terminal
        #[arg(long, value_name = "N")]
        passphrase_fd: Option<u16>,
    },
    /// The terminal master key, entered as two components by two people
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The card reader
    #[command(subcommand)]
    Reader(ReaderCommand),
    /// The code scanner
    #[command(subcommand)]
    Scanner(ScannerCommand),
    /// Find the first broken link, from the network cable to the acquirer's answer, and say who acts
    #[command(
        alias = "diagnose",
        after_help = "At most 10 s. A payment that is under way is not disturbed.\nExit codes: 0 all is well, 10 the \
                      shop's network, 11 the bank, 12 reader, keypad or display, 13 keys, 14 storage, power or clock, \
                      15 software or parameters, 16 the operator, 1 the diagnosis could not run."
    )]
    Doctor,
    /// Test this terminal: internal, external (devices and host), or interactive (keys, screen, a card)
    #[command(
        name = "selftest",
        after_help = "Refused while a payment is under way. No money moves and no card number is read.\nExit codes: 0 nothing \
                      failed, 4 something did not come to an end, 10 to 16 something failed (as posctl doctor), 1 it could \
                      not run."
    )]
    SelfTest(SelfTestArguments),
    /// What mended itself, and how
    #[command(subcommand)]
    Heal(HealCommand),
    /// Show what wants to be seen to before it fails, and the counters behind it; or what is due, and what was done
    Maintenance {
        /// What to do; the notices and counters if nothing is given
        #[command(subcommand)]
        command: Option<MaintenanceCommand>,
    },
    /// Show what people could do better: mistakes that come again and again
    Hints,
    /// Training mode: own state, own keys, own host; no money moves
    #[command(subcommand)]
    Training(TrainingCommand),
    /// Run an exercise in training mode: something goes wrong, you act, and it is judged
    #[command(
        after_help = "Exit codes: 0 passed, 2 not passed, 3 left with Ctrl-C, 1 it could not run. Whatever comes of it, host \
                      and line are mended at the end. As root, so that the power cut can be played."
    )]
    Drill(DrillArguments),
    /// Make a fault report: a file without card data or secrets, and a short code to read out on the phone
    Report(ReportArguments),
    /// Show what this terminal consists of, with versions, and the published issues that fit; needs no daemon
    Inventory {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Show every serial port, keypad, GPIO chip and I2C bus, whether smartposd takes it, and why not; needs no daemon
    Devices {
        /// What to do; show them if nothing is given
        #[command(subcommand)]
        command: Option<DevicesCommand>,
        /// Also those that can be of no use
        #[arg(long)]
        all: bool,
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Capture the wires of reader, keypad and host for a while, redacted; the reader is brought up anew at its beginning
    Record {
        /// Into this file, which must not exist yet
        file: PathBuf,
        /// For so long, or until Ctrl-C
        #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
        seconds: u32,
        /// Leave the reader as it is; such a capture cannot be replayed from its beginning
        #[arg(long)]
        no_reset: bool,
    },
    /// Say what the short code of a fault report means; needs no daemon
    DecodeReport {
        /// The code, with or without dashes
        #[arg(required = true, num_args = 1..)]
        code: Vec<String>,
    },
    /// The configuration of smartposd
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print shell completions
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Write the man pages
    Man {
        /// Into this directory, which has to exist
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// `posctl operator …`
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Sign an operator in; the password is asked for
    SignIn {
        /// Number of the operator, 2 to 8 digits; not needed with --keypad
        #[arg(value_name = "ID", value_parser = operator, required_unless_present = "keypad")]
        operator: Option<String>,
        /// Let the keypad ask for number and password
        #[arg(long, conflicts_with_all = ["operator", "password_fd"])]
        keypad: bool,
        /// Where the password comes from
        #[command(flatten)]
        password: PasswordFd,
    },
    /// Sign the operator out
    SignOut,
    /// Add an operator or set a new password, which is asked for twice
    Set {
        /// Number of the operator, 2 to 8 digits
        #[arg(value_name = "ID", value_parser = operator)]
        operator: String,
        /// What the operator may do; the first one has to be a supervisor
        #[arg(long, value_name = "ROLE", value_parser = role)]
        role: Role,
        /// Where the password comes from
        #[command(flatten)]
        password: PasswordFd,
    },
    /// The QR code that an operator signs in with at the scanner
    #[command(subcommand)]
    Code(OperatorCodeCommand),
    /// End the lock-out of an operator
    Unlock {
        /// Number of the operator
        #[arg(value_name = "ID", value_parser = operator)]
        operator: String,
    },
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug, Args)]
pub struct PasswordFd {
    /// Read the password as one line from this open file descriptor instead of the terminal
    #[arg(long, value_name = "N")]
    pub password_fd: Option<u16>,
}

/// `posctl sale …`
#[derive(Debug, Args)]
pub struct SaleArguments {
    /// Amount as a decimal, e.g. 12.80
    pub amount: String,
    /// ISO 4217 code
    #[arg(long, default_value = "CNY")]
    pub currency: String,
    /// Idempotency key; made up and printed if not given
    #[arg(long)]
    pub key: Option<String>,
    /// Your own reference, shown in lists
    #[arg(long)]
    pub reference: Option<String>,
    /// Let the customer confirm the amount on the keypad
    #[arg(long, conflicts_with = "no_confirm")]
    pub confirm: bool,
    /// Do not let the customer confirm the amount
    #[arg(long)]
    pub no_confirm: bool,
    /// Whether it may be accepted without the acquirer: online-only, prefer-online, offline-only
    #[arg(long, value_parser = mode, default_value = "online-only")]
    pub mode: OfflineMode,
    /// An exercise: only in training mode, where nothing else is taken
    #[arg(long)]
    pub training: bool,
}

impl SaleArguments {
    /// What is asked of the daemon; `None` leaves it to its configuration.
    pub fn confirmation(&self) -> Option<bool> {
        match (self.confirm, self.no_confirm) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        }
    }
}

/// `posctl transactions …`
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only those with this outcome: approved, approved-offline, declined, cancelled, unknown
    #[arg(long, value_parser = outcome)]
    pub outcome: Option<Outcome>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Only those before this id, for paging
    #[arg(long, value_name = "ID")]
    pub before: Option<u64>,
    /// Of every user, not only your own
    #[arg(long)]
    pub all: bool,
}

/// `posctl transaction …`
#[derive(Debug, Subcommand)]
pub enum TransactionCommand {
    /// Show one payment
    Show {
        /// Its transaction code, or the key it was made with
        #[arg(value_name = "CODE|KEY")]
        key: String,
    },
}

/// `posctl keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Enter one component, twice and without echo
    Load {
        /// Which component
        #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u32).range(1..=2))]
        component: u32,
        /// Who enters it; the two have to be different people
        #[arg(long, value_name = "NAME")]
        custodian: String,
        /// Let the keypad ask for it
        #[arg(long, conflicts_with = "component_fd")]
        keypad: bool,
        /// Read the component as one line from this open file descriptor instead of the terminal
        #[arg(long, value_name = "N")]
        component_fd: Option<u16>,
    },
    /// Show which keys there are, by their check values
    Status,
    /// Forget a first component
    Abandon,
}

/// `posctl reader …`
#[derive(Debug, Subcommand)]
pub enum ReaderCommand {
    /// Reset the card reader, or reopen it where no reset line is configured, and bring it up anew
    Reset,
    /// Switch the card reader's power off and on, where that is configured
    PowerCycle,
}

/// `posctl scanner …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ScannerCommand {
    /// Reopen the scanner's port and bring it up anew
    Reset,
    /// Have it read a code now, where it takes such commands
    Trigger,
}

/// `posctl operator code …`
#[derive(Debug, Subcommand)]
pub enum OperatorCodeCommand {
    /// Issue a code and show it as a QR code, once; an earlier one of this operator ends
    New {
        /// Number of the operator
        #[arg(value_name = "ID", value_parser = operator)]
        operator: String,
        /// Show its text instead, for a printer of badges
        #[arg(long)]
        text: bool,
    },
    /// End the code of an operator
    Revoke {
        /// Number of the operator
        #[arg(value_name = "ID", value_parser = operator)]
        operator: String,
    },
}

/// `posctl config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and the files it names, and say what is wrong
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Print a drop-in for the daemon's unit that lets it reach the hosts of this configuration and no others
    Egress {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
        config: PathBuf,
    },
}

fn operator(text: &str) -> Result<String, String> {
    let good = (2..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if good { Ok(text.to_owned()) } else { Err("an operator number has 2 to 8 digits".to_owned()) }
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_word(text).ok_or_else(|| list("a role", Role::ALL.iter().map(|r| r.as_str())))
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::from_word(text).ok_or_else(|| list("an outcome", Outcome::ALL.iter().map(|o| o.as_str())))
}

fn mode(text: &str) -> Result<OfflineMode, String> {
    OfflineMode::from_word(text).ok_or_else(|| list("a mode", OfflineMode::ALL.iter().map(|m| m.as_str())))
}

fn list<'a>(what: &str, words: impl Iterator<Item = &'a str>) -> String {
    format!("{what} is one of: {}", words.collect::<Vec<_>>().join(", "))
}
