//! The answer to "what can be paid now", and the terminal's state as one word with one cause.

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::outcome::TerminalState;
use crate::engine::machine::Engine;
use crate::engine::sign_in::State;
use crate::engine::snapshot::Capability;

impl Engine {
    /// One word and its cause, worst first.
    pub(super) fn assess(&self) -> (TerminalState, Option<Cause>) {
        if self.storage_fault.is_some() {
            return (TerminalState::OutOfService, Some(Cause::P02));
        }
        match &self.sign_in.state {
            State::Stopped { cause } => return (TerminalState::OutOfService, Some(*cause)),
            State::Off { .. } | State::Wanted { .. } if self.keys.master_check.is_none() => {
                return (TerminalState::SignedOut, Some(Cause::K04));
            }
            State::Off { cause } => return (TerminalState::SignedOut, *cause),
            State::Wanted { cause, .. } => return (TerminalState::SigningIn, *cause),
            State::Asking { .. } => return (TerminalState::SigningIn, None),
            State::On { .. } => {}
        }
        if self.sale.is_some() {
            return (TerminalState::Busy, None);
        }
        match self.missing() {
            Some(cause) => (TerminalState::Degraded, Some(cause)),
            None => (TerminalState::Ready, self.warning()),
        }
    }

    /// What keeps a signed-in terminal from taking a payment.
    fn missing(&self) -> Option<Cause> {
        if self.settings.operator_required && self.operators.on_duty.is_none() {
            return Some(Cause::O03);
        }
        if self.reader.inhibited_by.is_some() || !matches!(self.reader.state, DeviceState::Ready | DeviceState::Active)
        {
            return Some(self.reader.last_cause.unwrap_or(Cause::H01));
        }
        if !matches!(self.keypad.state, DeviceState::Ready | DeviceState::Active) {
            return Some(self.keypad.last_cause.unwrap_or(Cause::H05));
        }
        if let (false, Some(cause)) = (self.reversals.is_empty(), self.reversals.trouble) {
            return Some(cause);
        }
        None
    }

    /// What does not hinder a payment but should be seen.
    fn warning(&self) -> Option<Cause> {
        let tolerance = i64::try_from(self.settings.clock_tolerance.as_secs()).unwrap_or(i64::MAX);
        if self.sign_in.clock_difference.is_some_and(|d| d.abs() > tolerance) {
            return Some(Cause::P01);
        }
        self.notice
    }

    /// One row each way to be paid, in the order of [`crate::engine::snapshot::WAYS`].
    pub(super) fn capabilities(&self) -> [Capability; 4] {
        let (state, cause) = self.assess();
        let online = match state {
            TerminalState::Ready | TerminalState::Busy => None,
            // A payment may start with an open reversal: it is sent first.
            TerminalState::Degraded if cause == self.reversals.trouble && !self.reversals.is_empty() => None,
            // Without a keypad, cards that need no PIN still work, if no confirmation is asked for.
            TerminalState::Degraded if cause == Some(Cause::H05) && !self.settings.confirm_amount => None,
            TerminalState::Starting
            | TerminalState::SignedOut
            | TerminalState::SigningIn
            | TerminalState::Degraded
            | TerminalState::OutOfService => Some(cause),
        };
        let row = |available: bool, cause: Option<Cause>| Capability {
            available,
            cause,
            until: None,
            amount_left: None,
            count_left: None,
        };
        [
            row(online.is_none(), online.flatten()),
            // Offline card payments are off unless the acquirer allows them; QR needs a scanner.
            row(false, None),
            row(false, None),
            row(true, None),
        ]
    }
}
