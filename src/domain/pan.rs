//! The primary account number: kept whole only in memory, shown only masked.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::domain::ids::TransactionCode;

/// The shortest card numbers in use.
const SHORTEST_WRITTEN: u32 = 13;

/// A card number of 8 to 19 digits. `Display` and `Debug` show only the masked form.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct Pan(String);

impl Pan {
    /// Takes 8 ..= 19 decimal digits.
    ///
    /// The Luhn digit is not asked for: cards without a valid one exist, and the host is the judge.
    pub fn new(digits: &str) -> Option<Self> {
        let good = (8..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        good.then(|| Self(digits.to_owned()))
    }

    /// All digits, for field 2 and the PIN block.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// First six and last four with a fixed filler, or only the last four when the number is short.
    pub fn masked(&self) -> String {
        let n = self.0.len();
        let tail = self.0.get(n.saturating_sub(4)..).unwrap_or_default();
        match self.0.get(..6) {
            Some(head) if n >= 13 => format!("{head}******{tail}"),
            _ => format!("******{tail}"),
        }
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Whether something in a text of a person looks like a card number: 13 digits or more in a row, of either width, with blanks,
/// dashes, dots and low lines between them not counted. Transaction codes are taken out first; reference numbers (12 digits) are too short.
pub fn stands_in(text: &str) -> bool {
    let mut digits = 0u32;
    for word in text.split_whitespace().filter(|word| word.parse::<TransactionCode>().is_err()) {
        for c in word.chars() {
            match c {
                '0'..='9' | '０'..='９' => digits += 1,
                '-' | '.' | '_' | '·' | '–' => {}
                _ => digits = 0,
            }
            if digits >= SHORTEST_WRITTEN {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Batch, Stan, TerminalId};

    #[test]
    fn a_card_number_in_a_text_is_seen() {
        for text in [
            "6200000000000000018",
            "the card 4000 0012 3456 7899, gone",
            "no.4000-0012-3456-7899",
            "6200.0000.0000.0000.018",
            "４０００００１２３４５６７８９９",
        ] {
            assert!(stands_in(text), "{text}");
        }
        let terminal = TerminalId::new("99000001").unwrap();
        let code = TransactionCode::new(&terminal, Batch::new(2).unwrap(), Stan::new(3).unwrap());
        assert!(!stands_in(&format!("as {code}")), "{code}");
        assert!(stands_in(&format!("as {code} 6200000000000000018")), "behind a code");
        for text in ["", "rrn 123456789012", "2026-11-24, 10 pieces", "订单 4711"] {
            assert!(!stands_in(text), "{text}");
        }
    }

    #[test]
    fn a_pan_prints_masked_only() {
        let pan = Pan::new("6200000000000000018").unwrap();
        assert_eq!(format!("{pan} {pan:?}"), "620000******0018 620000******0018");
        assert_eq!(Pan::new("123456789012").unwrap().masked(), "******9012");
    }
}
