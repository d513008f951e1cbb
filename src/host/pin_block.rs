//! The PIN block of field 52: ISO 9564 format 0, and the acquirers' variant without the card number.
//!
//! Owns: the clear block for as long as one encryption takes. Must not know: how the PIN was entered. It is handed to the
//! PIN machine as a [`PinCipher`], so that the clear PIN never leaves that machine.

use zeroize::Zeroizing;

use crate::domain::pan::Pan;
use crate::domain::secret::{Pin, PinBlock, PinCipher};
use crate::host::des::{Block, DesKey};

/// The PIN key together with the card it is used for.
pub struct PinSealer {
    pik: DesKey,
    pan_part: Zeroizing<Block>,
}

impl PinSealer {
    /// For a card in hand (field 53 begins with 2).
    pub fn with_pan(pik: DesKey, pan: &Pan) -> Self {
        Self { pik, pan_part: Zeroizing::new(pan_part(pan)) }
    }

    /// Without a card number (field 53 begins with 1).
    pub fn without_pan(pik: DesKey) -> Self {
        Self { pik, pan_part: Zeroizing::new([0; 8]) }
    }

    fn clear_block(&self, pin: &Pin) -> Zeroizing<Block> {
        let digits = pin.expose();
        // Format 0: a nibble 0, the length, the digits, F to the end.
        let nibbles = [0, digits.len() as u8].into_iter().chain(digits.iter().copied()).chain(std::iter::repeat(0xF));
        let mut block = Zeroizing::new(pack(nibbles));
        for (byte, pan) in block.iter_mut().zip(self.pan_part.iter()) {
            *byte ^= pan;
        }
        block
    }
}

impl PinCipher for PinSealer {
    fn encipher(&self, pin: &Pin) -> PinBlock {
        PinBlock(self.pik.cipher().encrypt(*self.clear_block(pin)))
    }
}

/// Four zero nibbles and the twelve digits left of the check digit, zeros in front of a short number.
fn pan_part(pan: &Pan) -> Block {
    let digits = pan.expose().as_bytes();
    let body = digits.split_last().map_or(digits, |(_check_digit, body)| body);
    let twelve = body.get(body.len().saturating_sub(12)..).unwrap_or(body);
    let zeros = std::iter::repeat_n(0, 16 - twelve.len());
    pack(zeros.chain(twelve.iter().map(|digit| digit & 0xF)))
}

fn pack(mut nibbles: impl Iterator<Item = u8>) -> Block {
    let mut block = [0; 8];
    for byte in &mut block {
        let (high, low) = (nibbles.next().unwrap_or_default(), nibbles.next().unwrap_or_default());
        *byte = (high << 4) | low;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear(sealer: &PinSealer, digits: &[u8]) -> Block {
        *sealer.clear_block(&Pin::new(digits.to_vec()).unwrap())
    }

    fn key() -> DesKey {
        DesKey::Double([0x1A; 16])
    }

    #[test]
    fn the_card_number_is_mixed_in_without_its_check_digit() {
        let sealer = PinSealer::with_pan(key(), &Pan::new("6212142000000000012").unwrap());
        assert_eq!(clear(&sealer, &[1, 2, 3, 4, 5, 6]), [0x06, 0x12, 0x14, 0x56, 0xFF, 0xFF, 0xFF, 0xFE]);
    }

    #[test]
    fn without_a_card_number_only_the_pin_is_in_the_block() {
        let sealer = PinSealer::without_pan(key());
        assert_eq!(clear(&sealer, &[1, 2, 3, 4]), [0x04, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(clear(&sealer, &[9; 12]), [0x0C, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0xFF]);
    }

    #[test]
    fn a_short_card_number_gets_zeros_in_front() {
        let sealer = PinSealer::with_pan(key(), &Pan::new("12345678").unwrap());
        assert_eq!(
            clear(&sealer, &[0; 4]),
            [0x04, 0x00, 0x00, 0xFF, 0xFF ^ 0x01, 0xFF ^ 0x23, 0xFF ^ 0x45, 0xFF ^ 0x67]
        );
    }
}
