//! The message type indicator: four digits, two bytes of BCD.

use std::fmt;

/// A message type such as 0200. Written in hexadecimal because BCD reads that way: `Mti::new(0x0200)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mti(u16);

impl Mti {
    /// 0100, pre-authorisation and its void.
    pub const AUTHORISATION: Self = Self(0x0100);
    /// 0200, anything that moves money and waits for the answer.
    pub const FINANCIAL: Self = Self(0x0200);
    /// 0220, money that has moved already: refund, offline sale, completion.
    pub const FINANCIAL_ADVICE: Self = Self(0x0220);
    /// 0221, the same once more: it may have arrived before.
    pub const FINANCIAL_ADVICE_REPEAT: Self = Self(0x0221);
    /// 0320, upload of the batch's details.
    pub const BATCH_UPLOAD: Self = Self(0x0320);
    /// 0400, reversal.
    pub const REVERSAL: Self = Self(0x0400);
    /// 0500, settlement.
    pub const SETTLEMENT: Self = Self(0x0500);
    /// 0620, result of an issuer's script.
    pub const SCRIPT_RESULT: Self = Self(0x0620);
    /// 0800, sign-in and parameter download.
    pub const SIGN_IN: Self = Self(0x0800);
    /// 0820, sign-out, echo, status upload.
    pub const MANAGEMENT: Self = Self(0x0820);

    /// From four BCD digits; `None` if one of them is not a decimal digit.
    pub const fn new(bcd: u16) -> Option<Self> {
        let mut rest = bcd;
        while rest != 0 {
            if rest & 0xF > 9 {
                return None;
            }
            rest >>= 4;
        }
        Some(Self(bcd))
    }

    /// The two bytes on the wire.
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// The type of the answer to this request: 0200 is answered by 0210, 0820 by 0830, and a repeat as what it repeats,
    /// 0221 by 0230.
    pub const fn answer(self) -> Self {
        Self(self.0 & !0x0001 | 0x0010)
    }

    /// Whether this is an answer: the tens digit is odd.
    pub const fn is_answer(self) -> bool {
        self.0 & 0x0010 != 0
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mti({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_request_plus_ten() {
        assert_eq!(Mti::FINANCIAL.answer().to_string(), "0210");
        assert_eq!(Mti::MANAGEMENT.answer().to_string(), "0830");
        assert!(Mti::REVERSAL.answer().is_answer() && !Mti::REVERSAL.is_answer());
        assert_eq!(Mti::SCRIPT_RESULT.answer().to_string(), "0630");
    }

    #[test]
    fn a_repeat_is_answered_as_what_it_repeats() {
        assert_eq!(Mti::FINANCIAL_ADVICE.answer().to_string(), "0230");
        assert_eq!(Mti::FINANCIAL_ADVICE_REPEAT.answer(), Mti::FINANCIAL_ADVICE.answer());
        assert!(!Mti::FINANCIAL_ADVICE_REPEAT.is_answer());
    }

    #[test]
    fn letters_are_not_a_message_type() {
        assert_eq!(Mti::new(0x0A00), None);
        assert_eq!(Mti::new(0x9999).map(Mti::to_bytes), Some([0x99, 0x99]));
    }
}
