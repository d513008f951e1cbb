//! Amount confirmation: OK, cancel, or too late. Digits mean nothing here, and no key makes it last longer.

use crate::domain::time::Instant;
use crate::keypad::entry::{EntryEvent, TimeLimits};
use crate::keypad::form::Form;
use crate::keypad::keymap::Key;
use crate::keypad::output::Output;

/// Waits for the customer's OK.
pub struct AmountConfirmation {
    form: Form,
}

impl AmountConfirmation {
    /// Begins to wait.
    pub fn start(now: Instant, limits: TimeLimits) -> Self {
        Self { form: Form::new(now, limits, 0) }
    }

    /// Takes one key.
    pub fn handle(&mut self, now: Instant, event: EntryEvent) {
        self.form.expire(now);
        if self.form.over() {
            return;
        }
        match event {
            EntryEvent::Pressed(Key::Ok) => self.form.end(Output::Confirmed),
            EntryEvent::Pressed(Key::Cancel) => self.form.end(Output::Cancelled),
            EntryEvent::Pressed(Key::Digit(_) | Key::Letter(_) | Key::Dot | Key::Backspace | Key::Clear)
            | EntryEvent::EventsLost => {}
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
