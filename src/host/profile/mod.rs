//! The acquirer profile: everything that differs between acquirers, read from a data file.
//!
//! Owns: the settings and their meaning, the response-code table, the refusal of unknown or contradictory settings. Must
//! not know: the file system (texts are handed in), keys, time. Values follow the protocol reference; there is no default
//! for what only the acquirer can know.
//!
//! A profile may be given in several texts, the later laid over the earlier: tables are merged setting by setting, lists
//! are replaced, and `[tls]` is replaced as a whole, so that half of one trust setting never mixes with half of another.

mod offline;
mod qr;
mod read;
mod responses;
mod rules;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::codec::frame::Header;
use crate::domain::amount::Currency;
use crate::domain::link::{Endpoint, Trust};
use crate::domain::offline::OfflineLimits;
use crate::domain::scan::CodeRange;
use crate::host::key_block::KeyBlockRule;
use crate::host::mac::MacRule;
use crate::host::settings::{Complaint, parse};

pub use responses::ResponseTable;

/// One text of a profile: as named in complaints, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path, for complaints.
    pub file: String,
    /// TOML.
    pub text: String,
}

/// The tables that a later text replaces as a whole.
const REPLACED_WHOLE: &[&str] = &["tls"];

/// Everything about one acquirer.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Where the host is, in order of preference.
    pub addresses: Vec<Endpoint>,
    /// Whom to trust there.
    pub trust: Trust,
    /// TPDU and header of requests.
    pub header: Header,
    /// How fields are filled.
    pub forms: Forms,
    /// The MAC.
    pub mac: MacSettings,
    /// The working keys.
    pub keys: KeySettings,
    /// The PIN.
    pub pin: PinSettings,
    /// Whether track 2 is sent enciphered under the track key.
    pub encrypt_track: bool,
    /// How long to wait for what.
    pub timers: Timers,
    /// Reversals.
    pub reversal: ReversalSettings,
    /// Limits of a payment.
    pub limits: Limits,
    /// Payments without the host.
    pub offline: OfflineSettings,
    /// What customers' payment codes look like.
    pub payment_codes: Vec<CodeRange>,
    /// Minutes east of UTC of the acquirer's clock.
    pub utc_offset_minutes: i16,
    /// What response codes mean.
    pub responses: ResponseTable,
}

/// The network code of a sign-in, field 60.3: which key block is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInCode {
    /// 001: single-length keys, 24 bytes.
    Single,
    /// 003: double-length keys, 40 bytes.
    Double,
    /// 004: double-length keys and a track key, 60 bytes.
    DoubleWithTrack,
}

impl SignInCode {
    /// The three digits.
    pub const fn digits(self) -> &'static str {
        match self {
            Self::Single => "001",
            Self::Double => "003",
            Self::DoubleWithTrack => "004",
        }
    }
}

/// How fields are filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms {
    /// Field 60.3 of a sign-in.
    pub sign_in: SignInCode,
    /// Field 60.4.
    pub reader_ability: u8,
    /// Field 60.5.
    pub ic_condition: u8,
    /// Digits of field 60 in management messages: 11, or 13 with 60.4 and 60.5.
    pub management_f60_digits: u8,
    /// Whether a sign-in carries `Sequence No` with licence and serial number in field 62.
    pub device_info: bool,
    /// Field 63 of a sign-in: three characters.
    pub operator: String,
    /// Field 26.
    pub longest_pin: u8,
}

/// The MAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacSettings {
    /// Method and form.
    pub rule: MacRule,
    /// Response codes whose answers must carry a right MAC.
    pub due: BTreeSet<String>,
    /// Whether a MAC that comes although it is not due must be right as well.
    pub check_others: bool,
}

/// The working keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// How the key block is filled.
    pub block: KeyBlockRule,
    /// How old working keys may become.
    pub max_age: Duration,
}

/// Field 53.1: how the PIN block is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinFormat {
    /// 1: the PIN alone.
    WithoutPan,
    /// 2: mixed with the card number.
    WithPan,
}

/// The PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinSettings {
    /// How the block is made.
    pub format: PinFormat,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// For a connection to one address, TLS included.
    pub connect: Duration,
    /// For a connection to any of the addresses.
    pub reach: Duration,
    /// For the answer to a payment, its upload or its reversal.
    pub answer: Duration,
    /// For the answer to a sign-in, sign-out, echo test or script report.
    pub sign_in: Duration,
    /// An unused connection is closed after this.
    pub idle_close: Duration,
}

/// Reversals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReversalSettings {
    /// Repeats beyond the first attempt before a person is told.
    pub retries: u8,
    /// Answers that end a reversal.
    pub end_codes: BTreeSet<String>,
}

/// Limits of a payment, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At and above this amount a PIN is asked for whatever the card says.
    pub pin_above: u64,
    /// The largest amount taken.
    pub max_amount: u64,
    /// The only currency taken.
    pub currency: Currency,
}

/// How a repeated advice is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatMark {
    /// Not at all: 0220 with the same trace.
    Same,
    /// As 0221 with the same trace.
    Marked,
}

/// Payments without the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineSettings {
    /// What may be accepted.
    pub limits: OfflineLimits,
    /// Shortest time between two uploads.
    pub pace: Duration,
    /// Temporary refusals of one payment until it is held for a person.
    pub retries: u32,
    /// What is older than this is held instead of being sent.
    pub hold_after: Duration,
    /// How a repeat is marked.
    pub repeat: RepeatMark,
    /// Response codes that mean "already there".
    pub done_codes: BTreeSet<String>,
    /// Two digits of field 61: how it was authorised.
    pub auth_mode: String,
    /// Field 63 of an upload, three letters; `None`: as the card says.
    pub card_org: Option<String>,
}

impl Profile {
    /// Reads a profile from its texts, the most general first. Either all is well or every complaint is given.
    pub fn read(sources: &[Source]) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let mut merged: Option<crate::host::settings::Table> = None;
        for source in sources {
            match (parse(&source.file, &source.text), &mut merged) {
                (Err(complaint), _) => complaints.push(complaint),
                (Ok(table), None) => merged = Some(table),
                (Ok(table), Some(below)) => below.overlay(table, REPLACED_WHOLE),
            }
        }
        match merged {
            Some(mut table) if complaints.is_empty() => {
                // Followed by whoever gathered the texts.
                table.take_text("base");
                read::profile(&table)
            }
            _ => Err(complaints),
        }
    }
}
