//! What all entries share: digits, two time limits, and an end.

use std::collections::VecDeque;

use crate::domain::time::Instant;
use crate::keypad::digits::SecretDigits;
use crate::keypad::entry::TimeLimits;
use crate::keypad::output::{Clearing, Output};

/// The body of one entry. Once it is over it takes nothing more and holds no digits.
pub(super) struct Form {
    digits: SecretDigits,
    limits: TimeLimits,
    until: Instant,
    /// Runs from the first key on; before it only the overall limit holds.
    next_key_until: Option<Instant>,
    over: bool,
    outputs: VecDeque<Output>,
}

impl Form {
    pub(super) fn new(now: Instant, limits: TimeLimits, capacity: usize) -> Self {
        Self {
            digits: SecretDigits::with_capacity(capacity),
            limits,
            until: now.after(limits.overall),
            next_key_until: None,
            over: false,
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    pub(super) fn over(&self) -> bool {
        self.over
    }

    /// Somebody is there: the pause between keys starts again.
    pub(super) fn touch(&mut self, now: Instant) {
        self.next_key_until = Some(now.after(self.limits.between_keys));
    }

    pub(super) fn add(&mut self, digit: u8) {
        if self.digits.push(digit) {
            self.progress();
        }
    }

    pub(super) fn backspace(&mut self) {
        if self.digits.pop() {
            self.progress();
        }
    }

    pub(super) fn clear(&mut self, why: Clearing) {
        let typed = !self.digits.is_empty();
        self.digits.wipe();
        if typed || why == Clearing::EventsLost {
            self.outputs.push_back(Output::Cleared { why });
        }
    }

    /// Hands over the digits as typed.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.digits.take()
    }

    /// The digits, to be turned into something else.
    pub(super) fn expose(&self) -> &[u8] {
        self.digits.expose()
    }

    pub(super) fn end(&mut self, output: Output) {
        self.digits.wipe();
        self.over = true;
        self.outputs.push_back(output);
    }

    pub(super) fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.end(Output::TimedOut);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let next = self.next_key_until.map_or(self.until, |next| next.min(self.until));
        (!self.over).then_some(next)
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn progress(&mut self) {
        self.outputs.push_back(Output::Progress { digits: u8::try_from(self.digits.len()).unwrap_or(u8::MAX) });
    }
}
