//! Number entry, for operator numbers: 1 to `max` digits, not secret.

use crate::domain::time::Instant;
use crate::keypad::entry::{EntryEvent, TimeLimits};
use crate::keypad::form::Form;
use crate::keypad::keymap::Key;
use crate::keypad::output::{Clearing, Output};

/// Collects a number.
pub struct NumberEntry {
    form: Form,
}

impl NumberEntry {
    /// Begins with no digit; at least one place is given.
    pub fn start(now: Instant, limits: TimeLimits, max: u8) -> Self {
        Self { form: Form::new(now, limits, usize::from(max.max(1))) }
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
            EntryEvent::Pressed(Key::Ok) if self.form.len() > 0 => {
                let number = self.form.expose().iter().map(|digit| char::from(b'0' + digit)).collect();
                self.form.end(Output::NumberEntered(number));
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
