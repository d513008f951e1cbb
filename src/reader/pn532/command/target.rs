//! The cards that the chip found, as it lists them.
//!
//! Owns: the layout of target data of both types. Must not know: commands. Follows: UM0701-02 §7.3.5.

use crate::reader::pn532::command::Modulation;

/// A card in the field. Its serial number is read past: a payment does not need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The number the chip gave it.
    pub number: u8,
    /// Whether it speaks ISO/IEC 14443-4, as every payment card does.
    pub iso_dep: bool,
}

/// Reads the list of targets behind the answer's code; `None` if it is malformed.
pub(super) fn targets(modulation: Modulation, answer: &[u8]) -> Option<Vec<Target>> {
    let (&count, mut rest) = answer.split_first()?;
    if count > 2 {
        return None;
    }
    let mut found = Vec::new();
    for _ in 0..count {
        let (target, behind) = match modulation {
            Modulation::TypeA => type_a(rest)?,
            Modulation::TypeB => type_b(rest)?,
        };
        found.push(target);
        rest = behind;
    }
    rest.is_empty().then_some(found)
}

/// Number, ATQA (2), SAK, length and UID, then ATS (its first byte is its length) if the card has one.
fn type_a(from: &[u8]) -> Option<(Target, &[u8])> {
    let [number, _atqa_high, _atqa_low, sak, uid_length, rest @ ..] = from else {
        return None;
    };
    let (_uid, rest) = rest.split_at_checked(usize::from(*uid_length))?;
    if sak & 0x20 == 0 {
        return Some((Target { number: *number, iso_dep: false }, rest));
    }
    // The ATS is missing when the chip was told not to ask for it, or the card did not answer.
    let Some(length) = rest.first() else {
        return Some((Target { number: *number, iso_dep: false }, rest));
    };
    let (_ats, rest) = rest.split_at_checked(usize::from(*length).max(1))?;
    Some((Target { number: *number, iso_dep: true }, rest))
}

/// Number, ATQB (12), length and ATTRIB answer.
fn type_b(from: &[u8]) -> Option<(Target, &[u8])> {
    let (number, rest) = from.split_first()?;
    let (atqb, rest) = rest.split_at_checked(12)?;
    let (length, rest) = rest.split_first()?;
    let (_attrib, rest) = rest.split_at_checked(usize::from(*length))?;
    // Protocol info, second byte, bit 0: ISO/IEC 14443-4.
    let iso_dep = atqb.first() == Some(&0x50) && atqb.get(10).is_some_and(|b| b & 0x01 != 0);
    Some((Target { number: *number, iso_dep }, rest))
}
