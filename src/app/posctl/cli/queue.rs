//! The part of the command line about what the acquirer does not have yet, the journal and backups.

use clap::{Args, Subcommand, ValueEnum};

use super::list;
use crate::app::posctl::error::Fault;
use crate::domain::ids::TransactionCode;
use crate::domain::offline::Resolution;
use crate::domain::pan;

/// `posctl queue …`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List what is unsent, oldest first
    List(QueueListArguments),
    /// Show one payment, with where it stands
    Show {
        /// Its transaction code, or the key it was made with
        #[arg(value_name = "CODE|KEY")]
        key: String,
    },
    /// Send now what is there, without waiting for the next try
    Drain,
    /// Keep a waiting payment from being sent until it is resolved
    Hold {
        /// Its transaction code
        #[arg(value_parser = code)]
        code: TransactionCode,
        /// Why, for the record
        #[command(flatten)]
        note: Note,
    },
    /// Decide about something that is held; it is put on record who did
    #[command(
        after_help = "DECISION: retry = send it again; abandon = give it up for good, its money is lost to the merchant; \
                      proceed = for a reversal, let new payments start although it is open."
    )]
    Resolve {
        /// Its transaction code
        #[arg(value_parser = code)]
        code: TransactionCode,
        /// retry, abandon or proceed
        #[arg(value_parser = decision)]
        decision: Resolution,
        /// Why, for the record
        #[command(flatten)]
        note: Note,
    },
    /// Print everything that is unsent for the bookkeeper: CSV, or one JSON object a line with --json
    Export,
    /// Never accept this card offline; its number is asked for without echo, twice
    DenyCard {
        /// Why, for the record
        #[command(flatten)]
        note: Note,
        /// Read the card number as one line from this open file descriptor instead of the terminal
        #[arg(long, value_name = "N")]
        pan_fd: Option<u16>,
    },
    /// Check that nothing would be lost: exits 0 when nothing is unsent, 1 with an explanation otherwise
    Guard {
        /// Before what
        #[arg(long = "for", value_name = "WHAT")]
        occasion: Occasion,
    },
}

/// `posctl queue list …`
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct QueueListArguments {
    /// Only what waits for a person
    #[arg(long)]
    pub held: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Only those behind this id, for paging
    #[arg(long, value_name = "ID")]
    pub after: Option<u64>,
    /// Only your own, not those of every user
    #[arg(long)]
    pub own: bool,
}

/// Why something was decided.
#[derive(Clone, Debug, Args)]
pub struct Note {
    /// Why, for the record: 1 to 128 characters, no card number
    #[arg(long = "note", value_name = "TEXT")]
    text: String,
}

impl Note {
    /// The text, unless a card number stands in it: that must not even reach the bus. Not checked while the command line is
    /// read, since what is refused there is printed.
    pub fn text(&self) -> Result<&str, Fault> {
        if pan::stands_in(&self.text) { Err(Fault::CardNumberInNote) } else { Ok(&self.text) }
    }
}

/// What must not happen while anything is unsent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Occasion {
    /// The package is replaced by another version
    Upgrade,
    /// The package is removed
    Removal,
    /// The package is removed with all its files
    Purge,
    /// The terminal signs out with the acquirer
    SignOut,
    /// The terminal is used for training
    Training,
}

impl Occasion {
    /// The word of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Removal => "removal",
            Self::Purge => "purge",
            Self::SignOut => "sign-out",
            Self::Training => "training",
        }
    }
}

/// `posctl journal …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum JournalCommand {
    /// Check that no row of the journal is missing or was altered
    Verify,
    /// Print the journal, oldest row first; one JSON object a line with --json
    Export {
        /// Only rows behind this one
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
        /// At most so many; all if not given
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
}

fn code(text: &str) -> Result<TransactionCode, String> {
    text.parse().map_err(|error: crate::domain::ids::CodeError| error.to_string())
}

fn decision(text: &str) -> Result<Resolution, String> {
    Resolution::from_word(text).ok_or_else(|| list("a decision", Resolution::ALL.iter().map(|r| r.as_str())))
}
