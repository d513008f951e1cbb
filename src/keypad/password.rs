//! Password entry: up to 16 digits, shown as a count only, handed over as ASCII so that a password typed here equals
//! the same one sent over the bus. How long a password must be is the policy of whoever checks it.

use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::keypad::entry::{EntryEvent, TimeLimits};
use crate::keypad::form::Form;
use crate::keypad::keymap::Key;
use crate::keypad::output::{Clearing, Output};

/// Collects a password.
pub struct PasswordEntry {
    form: Form,
}

impl PasswordEntry {
    /// More digits than this are not taken.
    pub const MAX_DIGITS: usize = 16;

    /// Begins with no digit.
    pub fn start(now: Instant, limits: TimeLimits) -> Self {
        Self { form: Form::new(now, limits, Self::MAX_DIGITS) }
    }

    /// Takes one key.
    pub fn handle(&mut self, now: Instant, event: EntryEvent) {
        self.form.expire(now);
        if self.form.over() {
            return;
        }
        self.form.touch(now);
        match event {
            EntryEvent::Pressed(Key::Digit(digit)) => self.form.add(b'0' + digit),
            EntryEvent::Pressed(Key::Ok) if self.form.len() > 0 => {
                let password = SecretBytes::new(self.form.take());
                self.form.end(Output::PasswordEntered(password));
            }
            EntryEvent::Pressed(Key::Cancel) => self.form.end(Output::Cancelled),
            EntryEvent::Pressed(Key::Backspace) => self.form.backspace(),
            EntryEvent::Pressed(Key::Clear) => self.form.clear(Clearing::Key),
            EntryEvent::Pressed(Key::Ok | Key::Letter(_) | Key::Dot) => {}
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
}
