//! The terminal's side of a payment as data objects: for the lists a card asks for, and for field 55.
//!
//! Owns: which object has which value. Must not know: what the card answers.
//! Follows: EMV Book 3 Annex A; Contactless Book A §5.7 for tag 9F66.

use crate::codec::tlv::Tag;
use crate::domain::card::TapRequest;
use crate::reader::tap::directory::Candidate;
use crate::reader::tap::settings::TerminalSettings;

/// What the terminal has found out and decided; goes to card and host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Tag 95, terminal verification results.
    pub(super) tvr: [u8; 5],
    /// Tag 9F34, how the cardholder is verified.
    pub(super) cvm: [u8; 3],
    /// The PIN is to be asked for and sent to the host.
    pub(super) pin_required: bool,
}

/// Everything needed to answer a card's list.
pub(super) struct Terminal<'a> {
    pub(super) settings: &'a TerminalSettings,
    pub(super) request: &'a TapRequest,
    pub(super) application: &'a Candidate,
    pub(super) verdict: Verdict,
}

impl Terminal<'_> {
    /// The value of an object that the terminal knows.
    pub(super) fn value(&self, tag: Tag) -> Option<Vec<u8>> {
        let (settings, request, time) = (self.settings, self.request, self.request.local_time);
        let amount = request.money.amount.minor();
        Some(match tag.0 {
            0x9F02 => packed::<6>(amount).to_vec(),
            0x81 => u32::try_from(amount).ok()?.to_be_bytes().to_vec(),
            0x9F03 => vec![0; 6],
            0x9F04 => vec![0; 4],
            0x5F2A => packed::<2>(request.money.currency.numeric().into()).to_vec(),
            0x5F36 => vec![request.money.currency.exponent()],
            0x9F1A => packed::<2>(settings.country.into()).to_vec(),
            0x95 => self.verdict.tvr.to_vec(),
            0x9F34 => self.verdict.cvm.to_vec(),
            0x9A => [u64::from(time.year % 100), time.month.into(), time.day.into()].map(one).to_vec(),
            0x9F21 => [u64::from(time.hour), time.minute.into(), time.second.into()].map(one).to_vec(),
            // Purchase of goods and services.
            0x9C => vec![0x00],
            0x9F37 => request.unpredictable.to_vec(),
            0x9F41 => packed::<4>(request.sequence.into()).to_vec(),
            0x9F66 => self.qualifiers().to_vec(),
            0x9F33 => settings.capabilities.to_vec(),
            0x9F40 => settings.additional_capabilities.to_vec(),
            0x9F35 => vec![settings.terminal_type],
            0x9F1E => settings.serial.to_vec(),
            0x9F1C => settings.terminal_id.to_vec(),
            0x9F16 => settings.merchant_id.to_vec(),
            0x9F15 => packed::<2>(settings.category.into()).to_vec(),
            0x9F4E => settings.merchant_name.clone().into_bytes(),
            // Contactless chip.
            0x9F39 => vec![0x07],
            0x9F06 => self.application.aid.clone(),
            0x9F09 => self.application.version.to_vec(),
            _ => return None,
        })
    }

    /// Tag 9F66: always asks for an online cryptogram; asks for a cardholder check from the PIN limit on.
    fn qualifiers(&self) -> [u8; 4] {
        let [first, second, third, fourth] = self.settings.qualifiers;
        let check = if amount_asks_for_pin(self.request) { 0x40 } else { 0x00 };
        [first, (second & !0x40) | 0x80 | check, third, fourth]
    }
}

/// Whether the amount alone demands a PIN.
pub(super) fn amount_asks_for_pin(request: &TapRequest) -> bool {
    request.money.amount.minor() >= request.pin_above
}

/// The last `2 * N` decimal digits, packed.
fn packed<const N: usize>(mut number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    for byte in bytes.iter_mut().rev() {
        *byte = one(number % 100);
        number /= 100;
    }
    bytes
}

/// Two decimal digits, packed.
fn one(number: u64) -> u8 {
    u8::try_from(number % 100 / 10 * 16 + number % 10).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_packed_from_the_right() {
        assert_eq!(packed::<6>(123_456), [0, 0, 0, 0x12, 0x34, 0x56]);
        assert_eq!(packed::<2>(156), [0x01, 0x56]);
        assert_eq!(packed::<4>(u32::MAX.into()), [0x94, 0x96, 0x72, 0x95]);
    }
}
