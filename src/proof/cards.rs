//! The cards that customers carry. All their numbers share a part that is shown nowhere, so that it can be searched for.

use super::dice::Dice;
use crate::domain::card::{CardRead, Scheme};
use crate::domain::pan::Pan;
use crate::domain::secret::{SecretBytes, Track2};

/// How many there are.
pub const CARDS: usize = 6;
const BIN: &str = "620099";
/// The part of every card number that is never shown: neither the first six nor the last four digits.
const HIDDEN: &str = "41827365";

/// Card number `index`: 19 digits.
fn digits(index: usize) -> String {
    format!("{BIN}{HIDDEN}{index}{:04}", 7000 + index)
}

/// Which card a number belongs to; [`CARDS`] if to none.
pub fn card_of(pan: &Pan) -> usize {
    (0..CARDS).find(|i| digits(*i) == pan.expose()).unwrap_or(CARDS)
}

/// The number of a card, to put it on a list.
pub fn pan(index: usize) -> Option<Pan> {
    Pan::new(&digits(index))
}

/// What must never be on the disk in the clear: the hidden part as text, and packed two digits a byte.
pub fn secrets() -> Vec<Vec<u8>> {
    let packed = |text: &str| -> Vec<u8> {
        let nibbles: Vec<u8> = text.bytes().map(|b| b - b'0').collect();
        nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    // Fourteen digits: no ciphertext holds these seven bytes by accident.
    vec![HIDDEN.as_bytes().to_vec(), packed(&format!("{BIN}{HIDDEN}"))]
}

/// What the reader reads of a card. The last one has expired, but only the host says so.
pub fn read(index: usize, pin_required: bool, dice: &mut Dice) -> Option<Box<CardRead>> {
    let expiry = if index + 1 == CARDS { "2509" } else { "3012" };
    let track2 = if dice.percent(80) { Track2::new(format!("{}D{expiry}2010000", digits(index))) } else { None };
    let scheme = if index == 0 { Scheme::Visa } else { Scheme::UnionPay };
    Some(Box::new(CardRead {
        scheme,
        pan: pan(index)?,
        expiry: dice.percent(90).then(|| expiry.to_owned()),
        sequence_number: dice.percent(80).then_some(1),
        track2,
        request_tags: SecretBytes::new(if dice.percent(95) { vec![0x9F, 0x26, 0x01, 7] } else { Vec::new() }),
        reversal_tags: SecretBytes::new(vec![0x95, 0x05, 0, 0, 0, 0, 0]),
        script_tags: SecretBytes::new(vec![0xDF, 0x31, 0x05, 0, 0, 0, 0, 0]),
        pin_required,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_card_number_shows_nothing_of_the_hidden_part() {
        for index in 0..CARDS {
            let card = read(index, false, &mut Dice::new(1)).unwrap();
            assert_eq!(card_of(&card.pan), index);
            assert!(!card.pan.masked().contains(HIDDEN));
            assert!(card.pan.expose().contains(HIDDEN));
        }
    }
}
