//! The field table, as data: what each field looks like on the wire.
//!
//! Owns: formats, lengths, alignment. Must not know: bytes of any message.

/// What a field is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `n`: decimal digits, two to a byte.
    N,
    /// `z`: track digits, two to a byte; the separator `=` is the nibble D. An enciphered track uses every nibble.
    Z,
    /// `an`: printable ASCII.
    An,
    /// `ans`: text; hosts also put Chinese (GBK) here, so bytes above 7F are let through.
    Ans,
    /// `b`: raw bytes.
    B,
}

/// How long a field is: digits for `n` and `z`, bytes for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Always this long.
    Fixed(u16),
    /// Up to this long, behind one BCD length byte.
    LlVar(u16),
    /// Up to this long, behind two BCD length bytes.
    LllVar(u16),
}

impl Length {
    /// The longest value.
    pub const fn max(self) -> usize {
        match self {
            Self::Fixed(n) | Self::LlVar(n) | Self::LllVar(n) => n as usize,
        }
    }
}

/// On which side an odd number of digits of fixed length stands in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Zero nibble in front.
    Right,
    /// Zero nibble behind.
    Left,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// 2 ..= 64.
    pub number: u8,
    /// What it is made of.
    pub format: Format,
    /// How long it is.
    pub length: Length,
    /// Where an odd digit stands.
    pub align: Align,
    /// What it carries, for people.
    pub meaning: &'static str,
}

impl FieldSpec {
    /// Whether its value is read and written as digits.
    pub const fn is_digits(&self) -> bool {
        matches!(self.format, Format::N | Format::Z)
    }
}

const fn row(number: u8, format: Format, length: Length, meaning: &'static str) -> FieldSpec {
    // Variable digits count from the left; fixed ones fill up from the right.
    let align = match length {
        Length::Fixed(_) => Align::Right,
        Length::LlVar(_) | Length::LllVar(_) => Align::Left,
    };
    FieldSpec { number, format, length, align, meaning }
}

const fn left(row: FieldSpec) -> FieldSpec {
    FieldSpec { align: Align::Left, ..row }
}

use Format::{An, Ans, B, N, Z};
use Length::{Fixed, LlVar, LllVar};

static ROWS: [FieldSpec; ROW_COUNT] = TABLE;
const ROW_COUNT: usize = 35;
const TABLE: [FieldSpec; ROW_COUNT] = [
    row(2, N, LlVar(19), "primary account number"),
    row(3, N, Fixed(6), "processing code"),
    row(4, N, Fixed(12), "amount in minor units"),
    row(11, N, Fixed(6), "terminal trace"),
    row(12, N, Fixed(6), "host time hhmmss"),
    row(13, N, Fixed(4), "host date MMDD"),
    row(14, N, Fixed(4), "card expiry YYMM"),
    row(15, N, Fixed(4), "settlement date MMDD"),
    left(row(22, N, Fixed(3), "entry mode")),
    row(23, N, Fixed(3), "card sequence number"),
    row(25, N, Fixed(2), "condition code"),
    row(26, N, Fixed(2), "longest PIN"),
    row(32, N, LlVar(11), "acquirer centre id"),
    row(35, Z, LlVar(37), "track 2"),
    row(36, Z, LllVar(104), "track 3"),
    row(37, An, Fixed(12), "retrieval reference number"),
    row(38, An, Fixed(6), "authorisation code"),
    row(39, An, Fixed(2), "response code"),
    row(41, Ans, Fixed(8), "terminal id"),
    row(42, Ans, Fixed(15), "merchant id"),
    // Not in every acquirer's set, but always this shape where it comes.
    row(43, Ans, Fixed(40), "merchant name"),
    row(44, An, LlVar(25), "issuer and acquirer ids"),
    row(48, N, LllVar(322), "totals or details"),
    row(49, An, Fixed(3), "currency"),
    row(52, B, Fixed(8), "PIN block"),
    row(53, N, Fixed(16), "security control"),
    row(54, An, LllVar(20), "balance"),
    row(55, B, LllVar(255), "EMV data"),
    row(58, Ans, LllVar(100), "e-purse data"),
    row(59, Ans, LllVar(600), "device data"),
    row(60, N, LllVar(17), "type, batch, network code"),
    row(61, N, LllVar(29), "original transaction"),
    row(62, B, LllVar(512), "keys, parameters, status"),
    row(63, Ans, LllVar(163), "operator, card organisation, texts"),
    row(64, B, Fixed(8), "MAC"),
];

/// For each field number its row + 1, or 0: found at compile time so that a look-up is one load.
static INDEX: [u8; 65] = index();

const fn index() -> [u8; 65] {
    let mut index = [0; 65];
    let mut i = 0;
    while i < ROW_COUNT {
        index[TABLE[i].number as usize] = i as u8 + 1;
        i += 1;
    }
    index
}

/// The field table.
#[derive(Clone, Copy, Debug)]
pub struct Spec;

impl Spec {
    /// The row of a field, if the protocol has that field.
    pub fn field(number: u8) -> Option<&'static FieldSpec> {
        let row = *INDEX.get(usize::from(number))?;
        ROWS.get(usize::from(row).checked_sub(1)?)
    }

    /// All rows in ascending order.
    pub fn rows() -> &'static [FieldSpec] {
        &ROWS
    }
}
