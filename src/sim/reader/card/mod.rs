//! The simulated contactless cards.
//!
//! Owns: what a card is and says. Must not know: the reader chip. No real card was copied: numbers and names are made up, the
//! issuer's key is a test key.

pub mod cryptogram;
pub mod emv;
#[cfg(test)]
mod emv_tests;
pub mod recorded;
pub mod scheme;
pub mod settings;
pub mod tlv;

use self::emv::{Counter, EmvCard};
use self::settings::{CardSettings, Kind};
use super::picc::{Identity, Picc};

/// A card as these settings say, on this counter.
#[must_use]
pub fn card(settings: &CardSettings, counter: &Counter) -> Picc {
    let identity = match settings.kind {
        Kind::Mifare => Identity { uid: settings.uid.clone(), atqa: atqa(&settings.uid), sak: 0x08, ats: None },
        Kind::Unionpay | Kind::Visa | Kind::Mastercard | Kind::OtherScheme | Kind::Ticket => Identity {
            uid: settings.uid.clone(),
            atqa: atqa(&settings.uid),
            sak: 0x20,
            ats: Some(settings.ats.clone()),
        },
    };
    Picc::new(identity, Box::new(EmvCard::new(settings.clone(), Counter::clone(counter))))
}

/// SENS_RES: bits 7 and 6 of the low byte tell the length of the UID.
#[must_use]
pub fn atqa(uid: &[u8]) -> [u8; 2] {
    match uid.len() {
        0..=4 => [0x00, 0x04],
        5..=7 => [0x00, 0x44],
        _ => [0x00, 0x84],
    }
}
