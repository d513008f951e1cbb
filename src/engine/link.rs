//! What is tried at once when the network may have come back, instead of waiting out its back-off.
//!
//! Only what waits: a sign-in that failed, reversals, script reports and uploads that were not answered. A payment's or a
//! reversal's exchange under way is left to its own timers; a sign-in that was asked before the interruption is asked anew,
//! since TCP itself would repeat it only seconds later and a sign-in may be repeated freely.

use std::time::Duration;

use crate::domain::time::Instant;
use crate::engine::line::{Line, Purpose};
use crate::engine::machine::Engine;
use crate::engine::sign_in::State;

/// A sign-in that was sent less than this before the link returned is waited for.
const YOUNG: Duration = Duration::from_millis(500);
/// A link that flaps cuts the back-off short only so often in [`SPAN`].
const MOST: u8 = 20;
/// As above.
const SPAN: Duration = Duration::from_secs(60);

/// How often the back-off was cut short lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flapping {
    since: Option<Instant>,
    count: u8,
}

impl Flapping {
    /// Counts one more; whether it is still within bounds.
    fn bears(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.since(since) >= SPAN) {
            *self = Self { since: Some(now), count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= MOST
    }
}

impl Engine {
    pub(super) fn link_returned(&mut self) {
        let now = self.now.mono;
        if !self.flapping.bears(now) {
            return;
        }
        match self.line {
            Line::Asking { purpose: Purpose::SignIn, since, .. } if now.since(since) > YOUNG => {
                self.leave_line();
                self.sign_in.ask_anew(now);
            }
            Line::Idle | Line::Reaching { .. } | Line::Asking { .. } => {}
        }
        match &mut self.sign_in.state {
            State::Wanted { at, attempt, .. } => {
                // What failed without a network says nothing about the host.
                *attempt = 0;
                *at = now.min(*at);
            }
            State::On { .. } => {
                self.scripts.hurry(now);
                self.reversals.hurry(now);
                self.forwarder.look_again(now);
            }
            State::Off { .. } | State::Asking { .. } | State::Stopped { .. } => {}
        }
    }
}
