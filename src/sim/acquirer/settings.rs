//! What kind of acquirer this is.
//!
//! Owns: the choices and the made-up default keys. Must not know: messages, sockets.

use std::time::Duration;

use crate::sim::crypto::{DesKey, MacMethod};

/// The made-up terminal master key of the conformance vectors, in odd parity. Public; for tests only.
pub const TEST_MASTER_KEY: [u8; 16] = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128.to_be_bytes();

/// The made-up issuer master key of the simulated cards. Public; for tests only.
pub const TEST_CARD_KEY: [u8; 16] = 0x4041_4243_4445_4647_4849_4A4B_4C4D_4E4F_u128.to_be_bytes();

/// Which working keys a sign-in hands out, and how field 62 holds them. Named by field 60.3 of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyForm {
    /// Single-length PIN and MAC key, 24 bytes.
    #[value(name = "001")]
    Single,
    /// Double-length PIN key and a MAC key slot of 16 bytes, 40 bytes.
    #[value(name = "003")]
    Double,
    /// As 003, and a track key, 60 bytes.
    #[value(name = "004")]
    WithTrackKey,
}

impl KeyForm {
    /// From field 60.3.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "001" => Some(Self::Single),
            "003" => Some(Self::Double),
            "004" => Some(Self::WithTrackKey),
            _ => None,
        }
    }

    /// Field 60.3.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Single => "001",
            Self::Double => "003",
            Self::WithTrackKey => "004",
        }
    }
}

/// Length of the MAC key that goes into a slot of 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MakLength {
    /// 8 bytes, the rest of the slot zero.
    #[value(name = "8")]
    Single,
    /// 16 bytes.
    #[value(name = "16")]
    Double,
}

/// Everything that makes one acquirer different from another.
pub struct Settings {
    /// Field 41 of the one terminal it knows.
    pub terminal: String,
    /// Field 42 of its merchant.
    pub merchant: String,
    /// Batch it hands out at sign-in.
    pub batch: u32,
    /// Master key of the terminal.
    pub master_key: DesKey,
    /// How field 64 is computed.
    pub mac: MacMethod,
    /// Length of the MAC key.
    pub mak: MakLength,
    /// Key form whatever the terminal asks for.
    pub key_form: Option<KeyForm>,
    /// Master key of the cards.
    pub card_key: DesKey,
    /// Whether a wrong application cryptogram is refused.
    pub check_arqc: bool,
    /// The PIN of every card.
    pub pin: String,
    /// Largest amount of one sale, in minor units.
    pub max_amount: u64,
    /// The host's own address in the TPDU.
    pub address: [u8; 2],
    /// Offset of the host's clock from UTC.
    pub utc_offset_minutes: i16,
    /// Answer to an upload that is there already: 94 or 00.
    pub repeat_code: String,
    /// How late the answer to an amount is that forces a late answer.
    pub late: Duration,
    /// Whether frames are captured.
    pub capture: bool,
    /// Whether it is a training host, which says so before anything is said to it.
    pub training: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            terminal: "99000001".to_owned(),
            merchant: "999000000000001".to_owned(),
            batch: 2,
            master_key: DesKey::Double(TEST_MASTER_KEY),
            mac: MacMethod::Ecb,
            mak: MakLength::Single,
            key_form: None,
            card_key: DesKey::Double(TEST_CARD_KEY),
            check_arqc: false,
            pin: "123456".to_owned(),
            max_amount: 5_000_000,
            address: [0x00, 0x03],
            utc_offset_minutes: 480,
            repeat_code: "94".to_owned(),
            late: Duration::from_secs(65),
            capture: false,
            training: false,
        }
    }
}
