//! PIN entry: 4 to 12 digits, of which nothing but the count is told until they are a PIN block.
//!
//! Follows: ISO 9564 for the length. The clear PIN lives only here, in one buffer that becomes a
//! [`Pin`] without being copied and is wiped when the cipher returns.

use crate::domain::secret::{Pin, PinCipher};
use crate::domain::time::Instant;
use crate::keypad::entry::{EntryEvent, TimeLimits};
use crate::keypad::form::Form;
use crate::keypad::keymap::Key;
use crate::keypad::output::{Clearing, Output};

/// How long a PIN must be, and whether none will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinRule {
    min: usize,
    max: usize,
    bypass: bool,
}

impl PinRule {
    /// Forces the limits into what ISO 9564 allows.
    pub fn new(min: u8, max: u8, bypass: bool) -> Self {
        let min = usize::from(min).clamp(Pin::MIN_DIGITS, Pin::MAX_DIGITS);
        let max = usize::from(max).clamp(min, Pin::MAX_DIGITS);
        Self { min, max, bypass }
    }
}

/// Collects a PIN and enciphers it.
pub struct PinEntry {
    form: Form,
    cipher: Box<dyn PinCipher>,
    rule: PinRule,
}

impl PinEntry {
    /// Begins with no digit.
    pub fn start(now: Instant, limits: TimeLimits, cipher: Box<dyn PinCipher>, rule: PinRule) -> Self {
        Self { form: Form::new(now, limits, rule.max), cipher, rule }
    }

    /// Takes one key.
    pub fn handle(&mut self, now: Instant, event: EntryEvent) {
        self.form.expire(now);
        if self.form.over() {
            return;
        }
        self.form.touch(now);
        match event {
            EntryEvent::Pressed(Key::Digit(digit)) => self.form.add(digit),
            EntryEvent::Pressed(Key::Ok) => self.confirm(),
            EntryEvent::Pressed(Key::Cancel) => self.form.end(Output::Cancelled),
            EntryEvent::Pressed(Key::Backspace) => self.form.backspace(),
            EntryEvent::Pressed(Key::Clear) => self.form.clear(Clearing::Key),
            EntryEvent::Pressed(Key::Letter(_) | Key::Dot) => {}
            EntryEvent::EventsLost => self.form.clear(Clearing::EventsLost),
        }
    }

    /// Ends the entry when nobody finished in time.
    pub fn expire(&mut self, now: Instant) {
        self.form.expire(now);
    }

    /// When it times out; `None` once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.form.deadline()
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.form.poll()
    }

    fn confirm(&mut self) {
        if self.form.len() == 0 && self.rule.bypass {
            return self.form.end(Output::PinBypassed);
        }
        if self.form.len() < self.rule.min {
            return;
        }
        // The form holds digits only and no more than the rule's longest, so this is always a PIN.
        if let Some(pin) = Pin::new(self.form.take()) {
            let block = self.cipher.encipher(&pin);
            self.form.end(Output::PinEntered(block));
        }
    }
}
