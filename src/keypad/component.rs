//! Key-component entry: 32 hex digits, shown as a count only. Keyboards type A to F; on a numeric pad `.` then 1 to 6
//! means A to F.

use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::keypad::entry::{EntryEvent, TimeLimits};
use crate::keypad::form::Form;
use crate::keypad::keymap::Key;
use crate::keypad::output::{Clearing, Output};

/// What the next digit means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shift {
    /// Itself.
    Digits,
    /// A letter: `.` was pressed.
    Letters,
}

/// Collects one component of a master key.
pub struct ComponentEntry {
    form: Form,
    shift: Shift,
}

impl ComponentEntry {
    /// Hex digits of a 16-byte component.
    pub const DIGITS: usize = 32;

    /// Begins with no digit.
    pub fn start(now: Instant, limits: TimeLimits) -> Self {
        Self { form: Form::new(now, limits, Self::DIGITS), shift: Shift::Digits }
    }

    /// Takes one key. Every key but `.` ends the shift.
    pub fn handle(&mut self, now: Instant, event: EntryEvent) {
        self.form.expire(now);
        if self.form.over() {
            return;
        }
        self.form.touch(now);
        let shift = std::mem::replace(&mut self.shift, Shift::Digits);
        match (event, shift) {
            (EntryEvent::Pressed(Key::Digit(digit)), Shift::Digits) => self.form.add(digit),
            (EntryEvent::Pressed(Key::Digit(digit @ 1..=6)), Shift::Letters) => self.form.add(digit + 9),
            (EntryEvent::Pressed(Key::Letter(letter)), _) => self.form.add(letter),
            (EntryEvent::Pressed(Key::Dot), Shift::Digits) => self.shift = Shift::Letters,
            (EntryEvent::Pressed(Key::Backspace), Shift::Digits) => self.form.backspace(),
            (EntryEvent::Pressed(Key::Ok), Shift::Digits) => self.confirm(),
            (EntryEvent::Pressed(Key::Clear), _) => self.form.clear(Clearing::Key),
            (EntryEvent::Pressed(Key::Cancel), _) => self.form.end(Output::Cancelled),
            // Taking the `.` back is all that these do.
            (EntryEvent::Pressed(Key::Digit(_) | Key::Dot | Key::Backspace | Key::Ok), Shift::Letters) => {}
            (EntryEvent::EventsLost, _) => self.form.clear(Clearing::EventsLost),
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
        if self.form.len() != Self::DIGITS {
            return;
        }
        let pairs = self.form.expose().as_chunks::<2>().0;
        let mut bytes = Vec::with_capacity(Self::DIGITS / 2);
        bytes.extend(pairs.iter().map(|[high, low]| high << 4 | low));
        self.form.end(Output::ComponentEntered(SecretBytes::new(bytes)));
    }
}
