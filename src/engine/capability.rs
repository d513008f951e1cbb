//! The answer to "what can be paid now", and the terminal's state as one word with one cause.

use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::offline::OfflineRefusal;
use crate::domain::outcome::TerminalState;
use crate::domain::time::WallTime;
use crate::engine::command::{Refusal, RefusalKind};
use crate::engine::devices::usable;
use crate::engine::machine::Engine;
use crate::engine::offline::offline_cause;
use crate::engine::settings::Standstill;
use crate::engine::sign_in::State;
use crate::engine::snapshot::{Capability, DeviceView};

/// What is not as it should be at a signed-in terminal.
struct Hindrance {
    cause: Option<Cause>,
    evidence: String,
    /// Whether no card payment can start. Where not, some can.
    blocks: bool,
}

impl Engine {
    /// One word and its cause, worst first.
    pub(super) fn assess(&self) -> (TerminalState, Option<Cause>) {
        if let Some(still) = self.standstill() {
            return (TerminalState::OutOfService, Some(still.cause));
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
        match self.hindrance() {
            Some(hindrance) => (TerminalState::Degraded, hindrance.cause),
            None => (TerminalState::Ready, self.warning()),
        }
    }

    /// Why nothing is sent and no payment taken, if so: the terminal was opened, the disk refuses, or the daemon runs in safe
    /// mode.
    pub(super) fn standstill(&self) -> Option<Standstill> {
        let storage = self.storage_fault.as_ref();
        let storage = storage.map(|fault| Standstill { cause: Cause::P02, evidence: fault.clone() });
        self.case.standstill().or(storage).or_else(|| self.settings.safe_mode.clone())
    }

    /// The refusal of everything that would do something, if nothing may be done.
    pub(super) fn stands_still(&self, what: &str) -> Option<Refusal> {
        let Standstill { cause, evidence } = self.standstill()?;
        let why = match cause {
            Cause::P02 => "storage fault",
            Cause::H09 => "tamper",
            _ => "safe mode",
        };
        Some(Refusal::because(RefusalKind::WrongState, cause, format!("{why}, {what}: {evidence}")))
    }

    /// The sentence behind the cause.
    pub(super) fn evidence(&self) -> String {
        if let Some(still) = self.standstill() {
            return still.evidence;
        }
        if !self.sign_in.evidence.is_empty() {
            return self.sign_in.evidence.clone();
        }
        self.hindrance().map_or_else(String::new, |h| h.evidence)
    }

    /// What keeps a signed-in terminal from taking every payment, worst first.
    fn hindrance(&self) -> Option<Hindrance> {
        let hindrance = |cause, evidence: String, blocks| Some(Hindrance { cause, evidence, blocks });
        if let Some(found) = self.device_hindrance() {
            return Some(found);
        }
        if self.reversals.undecided() {
            let evidence = format!(
                "{} reversals have used up their tries: a supervisor decides with `posctl queue resolve`",
                self.reversals.held()
            );
            return hindrance(Some(self.reversals.trouble.unwrap_or(Cause::B06)), evidence, true);
        }
        if let (false, Some(cause)) = (self.reversals.is_empty(), self.reversals.trouble) {
            // A payment may start: the reversal is tried first.
            let evidence = format!("{} reversals not acknowledged by the host", self.reversals.len());
            return hindrance(Some(cause), evidence, false);
        }
        None
    }

    /// What of operator and devices keeps payments away, with the host or without.
    fn device_hindrance(&self) -> Option<Hindrance> {
        let hindrance = |cause, evidence: String, blocks| Some(Hindrance { cause, evidence, blocks });
        if self.settings.operator_required && self.operators.on_duty.is_none() {
            return hindrance(Some(self.operators.cause()), "no operator is signed in".to_owned(), true);
        }
        // A lease is nobody's fault: there is no cause to name, only a holder.
        let held = |what: &str, view: &DeviceView| {
            view.inhibited_by.as_ref().map(|holder| format!("the {what} is inhibited by {holder}"))
        };
        let held = held("card reader", &self.reader).or_else(|| held("keypad", &self.keypad));
        if let Some(evidence) = held {
            return hindrance(None, evidence, true);
        }
        let (reader, keypad) = (self.reader.state, self.keypad.state);
        if !usable(reader) {
            let cause = self.reader.last_cause.unwrap_or(Cause::H01);
            return hindrance(Some(cause), format!("the card reader is {reader}"), true);
        }
        if !usable(keypad) {
            // Cards that need no PIN still work if no confirmation is asked for.
            let cause = self.keypad.last_cause.unwrap_or(Cause::H05);
            return hindrance(Some(cause), format!("the keypad is {keypad}"), self.settings.confirm_amount);
        }
        None
    }

    /// What does not hinder a payment but should be seen.
    fn warning(&self) -> Option<Cause> {
        let tolerance = i64::try_from(self.settings.clock_tolerance.as_secs()).unwrap_or(i64::MAX);
        if self.sign_in.clock_difference.is_some_and(|d| d.abs() > tolerance) {
            return Some(Cause::P01);
        }
        self.clock_trouble().or(self.notice)
    }

    /// Card payments without the host: off unless the acquirer allows them.
    fn offline_row(&self) -> Capability {
        let limits = &self.settings.offline;
        let totals = self.forwarder.totals();
        let device = self.device_hindrance().filter(|h| h.blocks);
        let refusal = self.offline_refusal(None);
        let cause = refusal.and_then(|r| self.why_refused(r)).or(device.as_ref().and_then(|h| h.cause));
        let end = |at: Option<WallTime>, span: Duration| {
            at.map(|t| WallTime(t.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))))
        };
        let ends = [end(totals.oldest, limits.oldest), end(self.sign_in.last_good, limits.sign_in)];
        let available = refusal.is_none() && device.is_none();
        Capability {
            available,
            cause,
            refusal,
            until: ends.into_iter().flatten().min().filter(|_| available),
            amount_left: limits.enabled.then(|| limits.sum.saturating_sub(totals.sum).min(limits.per_sale)),
            count_left: limits.enabled.then(|| limits.count.saturating_sub(totals.count())),
        }
    }

    /// The cause behind an offline refusal, where one applies.
    fn why_refused(&self, refusal: OfflineRefusal) -> Option<Cause> {
        match refusal {
            OfflineRefusal::Stopped | OfflineRefusal::Storage if self.standstill().is_some() => self.assess().1,
            OfflineRefusal::Stopped if self.reversals.undecided() => self.reversals.trouble.or(Some(Cause::B06)),
            OfflineRefusal::Stopped => self.assess().1,
            other => offline_cause(other),
        }
    }

    /// One row each way to be paid, in the order of [`crate::engine::snapshot::WAYS`].
    pub(super) fn capabilities(&self) -> [Capability; 4] {
        let (state, cause) = self.assess();
        let online = match state {
            TerminalState::Ready | TerminalState::Busy => Ok(()),
            TerminalState::Degraded => match self.hindrance() {
                Some(Hindrance { blocks: true, cause, .. }) => Err(cause),
                Some(Hindrance { blocks: false, .. }) | None => Ok(()),
            },
            TerminalState::Starting
            | TerminalState::SignedOut
            | TerminalState::SigningIn
            | TerminalState::OutOfService => Err(cause),
        };
        let row = |available: bool, cause: Option<Cause>| Capability {
            available,
            cause,
            refusal: None,
            until: None,
            amount_left: None,
            count_left: None,
        };
        [
            row(online.is_ok(), online.err().flatten()),
            self.offline_row(),
            // No payment takes a code yet; a scanner that is missing would come first.
            row(false, self.scanner.last_cause.filter(|_| self.settings.scanner && !usable(self.scanner.state))),
            row(true, None),
        ]
    }
}
