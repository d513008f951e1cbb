//! What can be asked of the person at the keypad, and the machine that answers.

use std::time::Duration;

use crate::domain::secret::PinCipher;
use crate::domain::time::Instant;
use crate::keypad::amount::AmountConfirmation;
use crate::keypad::component::ComponentEntry;
use crate::keypad::keymap::Key;
use crate::keypad::number::NumberEntry;
use crate::keypad::output::Output;
use crate::keypad::password::PasswordEntry;
use crate::keypad::pin::{PinEntry, PinRule};

/// How long an entry may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// From the start to the end.
    pub overall: Duration,
    /// From one key to the next, once the first was pressed.
    pub between_keys: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { overall: Duration::from_secs(60), between_keys: Duration::from_secs(20) }
    }
}

/// What is to be entered. No `Debug`: it carries a cipher.
pub enum Entry {
    /// OK or cancel for the amount that is shown.
    ConfirmAmount,
    /// The cardholder's PIN.
    Pin {
        /// Turns the PIN into its block.
        cipher: Box<dyn PinCipher>,
        /// The shortest PIN taken; raised to 4 if less.
        min: u8,
        /// The longest PIN taken; lowered to 12 if more.
        max: u8,
        /// Whether OK without a digit means "no PIN".
        bypass: bool,
    },
    /// An operator number of 1 ..= `max` digits; not secret.
    Number {
        /// The longest number taken.
        max: u8,
    },
    /// An operator password of digits.
    Password,
    /// A key component of 32 hex digits.
    Component,
}

impl Entry {
    /// Whether what is typed is secret. A stuck key makes such an entry impossible; others go on without that key.
    pub fn is_secret(&self) -> bool {
        match self {
            Self::ConfirmAmount | Self::Number { .. } => false,
            Self::Pin { .. } | Self::Password | Self::Component => true,
        }
    }
}

/// What happens to an entry. No `Debug`: keys are digits.
pub enum EntryEvent {
    /// A key was really pressed.
    Pressed(Key),
    /// Key events were lost: what was typed is not known any more.
    EventsLost,
}

/// The entry under way.
pub(super) enum ActiveEntry {
    Amount(AmountConfirmation),
    Pin(PinEntry),
    Number(NumberEntry),
    Password(PasswordEntry),
    Component(ComponentEntry),
}

/// The same verb on whichever machine is active.
macro_rules! each {
    ($self:ident, $machine:ident => $call:expr) => {
        match $self {
            Self::Amount($machine) => $call,
            Self::Pin($machine) => $call,
            Self::Number($machine) => $call,
            Self::Password($machine) => $call,
            Self::Component($machine) => $call,
        }
    };
}

impl ActiveEntry {
    pub(super) fn start(now: Instant, entry: Entry, limits: TimeLimits) -> Self {
        match entry {
            Entry::ConfirmAmount => Self::Amount(AmountConfirmation::start(now, limits)),
            Entry::Pin { cipher, min, max, bypass } => {
                Self::Pin(PinEntry::start(now, limits, cipher, PinRule::new(min, max, bypass)))
            }
            Entry::Number { max } => Self::Number(NumberEntry::start(now, limits, max)),
            Entry::Password => Self::Password(PasswordEntry::start(now, limits)),
            Entry::Component => Self::Component(ComponentEntry::start(now, limits)),
        }
    }

    pub(super) fn handle(&mut self, now: Instant, event: EntryEvent) {
        each!(self, machine => machine.handle(now, event));
    }

    pub(super) fn expire(&mut self, now: Instant) {
        each!(self, machine => machine.expire(now));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        each!(self, machine => machine.deadline())
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        each!(self, machine => machine.poll())
    }
}
