//! Identifiers: what the host numbers, what the terminal numbers, and the code people type.

use std::fmt;
use std::str::FromStr;

use crate::domain::cause::Cause;

/// Terminal trace number, field 11: 000001 ..= 999999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stan(u32);

impl Stan {
    /// The first trace of a new terminal.
    pub const FIRST: Self = Self(1);

    /// 1 ..= 999 999, else `None`.
    pub const fn new(n: u32) -> Option<Self> {
        if n >= 1 && n <= 999_999 { Some(Self(n)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The next trace; wraps from 999999 to 000001.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 >= 999_999 { Self(1) } else { Self(self.0 + 1) }
    }
}

impl fmt::Display for Stan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// Batch number, field 60.2: 000000 ..= 999999. Zero before the first sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch(u32);

impl Batch {
    /// Up to six digits.
    pub const fn new(n: u32) -> Option<Self> {
        if n <= 999_999 { Some(Self(n)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether a host may hand this out (1 ..= 999998).
    pub const fn adoptable(self) -> bool {
        self.0 >= 1 && self.0 <= 999_998
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// Text of a fixed or bounded length made of printable ASCII.
macro_rules! ascii_id {
    ($(#[$doc:meta])* $name:ident, $min:literal ..= $max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// `None` when length or alphabet is wrong.
            pub fn new(text: &str) -> Option<Self> {
                let good = ($min..=$max).contains(&text.len()) && text.bytes().all($allowed);
                good.then(|| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

ascii_id!(
    /// Terminal id, field 41: 8 letters or digits.
    TerminalId, 8..=8, |b: u8| b.is_ascii_alphanumeric()
);
ascii_id!(
    /// Merchant id, field 42: 15 letters or digits.
    MerchantId, 15..=15, |b: u8| b.is_ascii_alphanumeric()
);
ascii_id!(
    /// Retrieval reference number, field 37, as the host wrote it.
    Rrn, 1..=12, |b: u8| b.is_ascii_graphic()
);
ascii_id!(
    /// Authorisation code, field 38.
    AuthCode, 1..=6, |b: u8| b.is_ascii_graphic()
);
ascii_id!(
    /// The app's idempotency key: 1 ..= 64 printable characters.
    IdempotencyKey, 1..=64, |b: u8| b.is_ascii_graphic()
);
ascii_id!(
    /// Operator number: 2 ..= 8 digits.
    OperatorId, 2..=8, |b: u8| b.is_ascii_digit()
);

/// The daemon's own transaction number; unique for the life of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What is typed or scanned to find a payment: terminal (8), batch (6), trace (6), check digit (1).
///
/// The check digit is ISO 7064 MOD 37,36, which finds every single wrong character and every swap of neighbours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionCode(String);

/// Why a typed code is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not 21 letters or digits.
    #[error("a transaction code has 21 letters or digits")]
    Shape,
    /// One character is wrong, or two are swapped.
    #[error("the check digit does not match; read the code again")]
    CheckDigit,
}

impl CodeError {
    /// The cause of the catalogue.
    pub fn cause(self) -> Cause {
        match self {
            Self::Shape | Self::CheckDigit => Cause::O04,
        }
    }
}

impl TransactionCode {
    /// The code of one payment.
    pub fn new(terminal: &TerminalId, batch: Batch, stan: Stan) -> Self {
        let body = format!("{}{batch}{stan}", terminal.as_str().to_ascii_uppercase());
        let check = mod_37_36(&body).unwrap_or('0');
        Self(format!("{body}{check}"))
    }

    /// The 21 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TransactionCode {
    type Err = CodeError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let text = s.trim().to_ascii_uppercase();
        if text.len() != 21 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(CodeError::Shape);
        }
        let (body, check) = text.split_at(20);
        match mod_37_36(body) {
            Some(c) if check.starts_with(c) => Ok(Self(text)),
            _ => Err(CodeError::CheckDigit),
        }
    }
}

/// ISO/IEC 7064 hybrid system MOD 37,36 over `0-9A-Z`.
pub(super) fn mod_37_36(body: &str) -> Option<char> {
    let mut p = 36u32;
    for c in body.chars() {
        let mut s = (p + c.to_digit(36)?) % 36;
        if s == 0 {
            s = 36;
        }
        p = (s * 2) % 37;
    }
    char::from_digit((37 - p) % 36, 36).map(|c| c.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> TransactionCode {
        let terminal = TerminalId::new("99000001").unwrap();
        TransactionCode::new(&terminal, Batch::new(2).unwrap(), Stan::new(3).unwrap())
    }

    #[test]
    fn the_trace_wraps_to_one() {
        assert_eq!(Stan::new(999_999).unwrap().next(), Stan::FIRST);
        assert_eq!(Stan::new(0), None);
    }

    #[test]
    fn a_transaction_code_reads_back() {
        let code = code();
        assert_eq!(code.as_str().len(), 21);
        assert_eq!(code.as_str().to_lowercase().parse::<TransactionCode>(), Ok(code));
    }

    #[test]
    fn every_wrong_character_and_every_swap_is_found() {
        let text = code().as_str().to_owned();
        for i in 0..text.len() {
            for c in ('0'..='9').chain('A'..='Z') {
                let mut other: Vec<char> = text.chars().collect();
                if other[i] != c {
                    other[i] = c;
                    let other: String = other.into_iter().collect();
                    assert_eq!(other.parse::<TransactionCode>(), Err(CodeError::CheckDigit), "{other}");
                }
            }
        }
        let mut swapped: Vec<char> = text.chars().collect();
        swapped.swap(18, 19);
        let swapped: String = swapped.into_iter().collect();
        assert!(swapped == text || swapped.parse::<TransactionCode>().is_err());
        assert_eq!("short".parse::<TransactionCode>(), Err(CodeError::Shape));
    }
}
