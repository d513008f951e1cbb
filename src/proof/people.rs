//! Customers, cashiers and supervisors, and the two devices they touch.
//!
//! Owns: what reader and keypad ask for at the moment, and what people do about it. Contract of the devices: they answer
//! what they are asked for, once; a stray answer may still be on its way when they are told to stop.

use super::cards::{self, CARDS};
use super::dice::Dice;
use crate::domain::card::TapFailure;
use crate::domain::cause::Cause;
use crate::domain::ids::OperatorId;
use crate::domain::secret::{PinBlock, SecretBytes};
use crate::engine::event::Event;

/// What the keypad asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// OK to the amount.
    Confirm,
    /// The PIN, to be enciphered under the keys of this number.
    Pin(u32),
    /// An operator's number.
    Number,
    /// An operator's password.
    Password,
}

/// Reader and keypad, and who stands before them.
#[derive(Default)]
pub struct People {
    /// Whether the reader polls for a card.
    pub polling: bool,
    /// What the keypad asks for.
    pub asked: Option<Entry>,
    /// Whether the customer has confirmed the amount that was shown last.
    pub confirmed: bool,
    /// The card that was read last.
    pub card: Option<usize>,
}

/// The supervisors there may be.
pub const SUPERVISORS: [&str; 2] = ["90", "91"];
/// All operators there may be.
pub const OPERATORS: [&str; 3] = ["90", "91", "01"];

/// Somebody's password; a wrong one with this chance in a hundred.
pub fn password(wrong: u64, dice: &mut Dice) -> SecretBytes {
    SecretBytes::new(if dice.percent(wrong) { b"wrong-secret".to_vec() } else { b"a-good-secret".to_vec() })
}

/// Stands for the slow hash of the daemon.
pub fn hash(password: &SecretBytes) -> String {
    let sum = password
        .expose()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("hash-{sum:016x}")
}

/// One of them.
pub fn operator(dice: &mut Dice) -> Option<OperatorId> {
    OperatorId::new(dice.one_of(OPERATORS))
}

impl People {
    /// The devices' power is gone, or the daemon's process.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether somebody is asked for something.
    pub fn wanted(&self) -> bool {
        self.polling || self.asked.is_some()
    }

    /// What is asked for is done.
    pub fn good(&mut self, dice: &mut Dice) -> Option<Event> {
        if self.polling {
            let card = dice.index(CARDS);
            let pin = dice.percent(15);
            return self.present(card, pin, dice);
        }
        match self.asked.take()? {
            Entry::Confirm => {
                self.confirmed = true;
                Some(Event::AmountConfirmed)
            }
            Entry::Pin(keys) => Some(Event::PinEntered(block(keys))),
            Entry::Number => operator(dice).map(Event::OperatorNumberEntered),
            Entry::Password => Some(Event::PasswordEntered(password(20, dice))),
        }
    }

    /// A card is read completely.
    pub fn present(&mut self, card: usize, pin: bool, dice: &mut Dice) -> Option<Event> {
        self.polling = false;
        self.card = Some(card);
        cards::read(card, pin, dice).map(Event::CardRead)
    }

    /// Something else is done about what is asked for, or something nobody asked for.
    pub fn bad(&mut self, dice: &mut Dice) -> Event {
        if self.polling && dice.percent(60) {
            let failure = dice.pick(TapFailure::ALL).copied().unwrap_or(TapFailure::NoCard);
            self.polling = failure.may_retry();
            return Event::CardFailed(failure);
        }
        match dice.roll(6) {
            0 => Event::EntryProgressed { digits: 2 },
            1 if matches!(self.asked, Some(Entry::Pin(_))) => self.over(Event::PinBypassed),
            1 | 2 => self.over(Event::EntryCancelled),
            3 => self.over(Event::EntryTimedOut),
            4 => self.over(Event::EntryFailed(Cause::H05)),
            // Crossed with a word that it is no longer wanted.
            _ if self.asked != Some(Entry::Confirm) => Event::AmountConfirmed,
            _ => self.over(Event::EntryCancelled),
        }
    }

    fn over(&mut self, event: Event) -> Event {
        self.asked = None;
        event
    }
}

/// A PIN block that says under which keys it was made.
pub fn block(keys: u32) -> PinBlock {
    let mut bytes = [3; 8];
    bytes[4..].copy_from_slice(&keys.to_be_bytes());
    PinBlock(bytes)
}

/// The number of the keys a PIN block was made under.
pub fn keys_of(block: &PinBlock) -> u32 {
    let [.., a, b, c, d] = block.0;
    u32::from_be_bytes([a, b, c, d])
}
