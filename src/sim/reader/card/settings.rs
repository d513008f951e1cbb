//! What kind of card lies in the customer's hand.
//!
//! Owns: the choices and their defaults. Must not know: APDUs.

use clap::ValueEnum;

/// Kinds of card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// UnionPay QuickPass.
    Unionpay,
    /// Visa contactless.
    Visa,
    /// Mastercard contactless.
    Mastercard,
    /// A payment card of a scheme that nobody accepts.
    OtherScheme,
    /// ISO 14443-4, but no payment card: every SELECT fails.
    Ticket,
    /// A card without ISO 14443-4.
    Mifare,
}

/// What is wrong with the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flaw {
    /// Nothing.
    None,
    /// Answers AAC: declined offline.
    Declines,
    /// Asks for a contact transaction (GET PROCESSING OPTIONS gives 6984).
    UseChip,
    /// A length in the answer to GET PROCESSING OPTIONS points beyond its end.
    BadTlv,
    /// A length of 2^32 - 1 in the PPSE.
    HugeLength,
    /// No card number anywhere.
    NoPan,
    /// Track 2 and 5A hold different numbers.
    TwoPans,
    /// No cryptogram.
    NoCryptogram,
}

/// A card: its kind, numbers and flaws.
#[derive(Clone, PartialEq, Eq)]
pub struct CardSettings {
    /// Kind.
    pub kind: Kind,
    /// Card number; a made-up one for each kind if not given.
    pub pan: Option<String>,
    /// Expiry, YYMM.
    pub expiry: String,
    /// PAN sequence number.
    pub sequence: u8,
    /// Whether the card demands a PIN online.
    pub pin: bool,
    /// Card transaction qualifiers as given, in place of those that follow from `pin`.
    pub qualifiers: Option<[u8; 2]>,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// Tags that the card leaves out of its answers.
    pub omit: Vec<u32>,
    /// UID.
    pub uid: Vec<u8>,
    /// Answer to select, length byte first.
    pub ats: Vec<u8>,
}

impl Default for CardSettings {
    fn default() -> Self {
        Self {
            kind: Kind::Unionpay,
            pan: None,
            expiry: "3012".to_owned(),
            sequence: 1,
            pin: false,
            qualifiers: None,
            flaw: Flaw::None,
            omit: Vec::new(),
            uid: vec![0x08, 0x11, 0x22, 0x33],
            ats: vec![0x05, 0x78, 0x80, 0x70, 0x02],
        }
    }
}

impl CardSettings {
    /// The card number: all made up, in ranges that the schemes use, with a good check digit.
    #[must_use]
    pub fn pan(&self) -> &str {
        match (&self.pan, self.kind) {
            (Some(pan), _) => pan,
            (None, Kind::Visa) => "4000000000000002",
            (None, Kind::Mastercard) => "5400000000000005",
            (None, Kind::Unionpay | Kind::OtherScheme | Kind::Ticket | Kind::Mifare) => "6200000000000000018",
        }
    }

    /// Card transaction qualifiers: bit 8 of byte 1 asks for an online PIN.
    #[must_use]
    pub fn qualifiers(&self) -> [u8; 2] {
        self.qualifiers.unwrap_or(if self.pin { [0x80, 0x00] } else { [0x00, 0x00] })
    }

    /// Changes one setting by name, as the control socket and the command line spell it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "kind" => self.kind = choice(name, value)?,
            "flaw" => self.flaw = choice(name, value)?,
            "pan" => self.pan = Some(number(value, 8..=19).ok_or("pan takes 8 to 19 digits")?),
            "expiry" => self.expiry = number(value, 4..=4).ok_or("expiry takes YYMM, as 3012")?,
            "sequence" => {
                let sequence = value.parse().ok().filter(|n| *n <= 99);
                self.sequence = sequence.ok_or("sequence takes a number up to 99")?;
            }
            "pin" => {
                self.pin = match value {
                    "yes" => true,
                    "no" => false,
                    _ => return Err("pin takes yes or no".to_owned()),
                }
            }
            "ctq" => {
                let bytes = hex(value).and_then(|b| <[u8; 2]>::try_from(b).ok());
                self.qualifiers = Some(bytes.ok_or("ctq takes two bytes in hex, as 8000")?);
            }
            "omit" => {
                let tags: Option<Vec<u32>> =
                    value.split(',').filter(|t| !t.is_empty()).map(|t| u32::from_str_radix(t, 16).ok()).collect();
                self.omit = tags.ok_or("omit takes tags in hex with commas, as 9F27,5F34")?;
            }
            "uid" => {
                let uid = hex(value).filter(|b| matches!(b.len(), 4 | 7 | 10));
                self.uid = uid.ok_or("uid takes 4, 7 or 10 bytes in hex")?;
            }
            "ats" => {
                let ats = hex(value).filter(|b| b.first().is_some_and(|n| usize::from(*n) == b.len()));
                self.ats = ats.ok_or("ats takes hex whose first byte is its length, as 0578807002")?;
            }
            _ => {
                return Err(format!(
                    "no card setting {name}; there are kind, flaw, pan, expiry, sequence, pin, ctq, omit, uid, ats"
                ));
            }
        }
        Ok(())
    }
}

fn choice<T: ValueEnum>(name: &str, value: &str) -> Result<T, String> {
    T::from_str(value, false).map_err(|_| {
        let known: Vec<String> =
            T::value_variants().iter().filter_map(|v| v.to_possible_value().map(|p| p.get_name().to_owned())).collect();
        format!("{name} takes one of {}", known.join(", "))
    })
}

fn number(value: &str, digits: std::ops::RangeInclusive<usize>) -> Option<String> {
    (digits.contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())).then(|| value.to_owned())
}

/// Bytes from hex digits.
#[must_use]
pub fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| (high << 4) | low).collect())
}
