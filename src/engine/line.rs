//! Who uses the line to the host: one exchange at a time, in the order the rules demand.
//!
//! Sign-in first, then script reports, then reversals, then the payment, then uploads, then errands (echo, sign-out).
//! From the moment the customer has reader or keypad the working keys must not change: only uploads may use the line
//! then, and only until the PIN is asked for; what they bring about the keys waits until the payment is over.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, HostFailure, HostRequest};
use crate::domain::ids::TransactionId;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::sale::Step;
use crate::engine::settings::{ERRAND_REPLY, LINE_WAIT, MAX_ERRANDS, UPLOAD_GRACE};

/// What an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// 0800.
    SignIn,
    /// 0820 / 002, for this caller.
    SignOut(CommandId),
    /// 0820 / 301, for this caller.
    Echo(CommandId),
    /// 0400 of this payment.
    Reversal(TransactionId),
    /// 0220 of this payment.
    Upload(TransactionId),
    /// 0620 of this payment.
    Script(TransactionId),
    /// 0200 of this payment.
    Sale(TransactionId),
}

/// What the line is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Free.
    Idle,
    /// A connection is being made; nothing has been sent.
    Reaching {
        /// For what.
        purpose: Purpose,
        /// The host machine has shorter timers of its own; this one ends an exchange it has lost.
        until: Instant,
    },
    /// A request has left.
    Asking {
        /// For what.
        purpose: Purpose,
        /// When it left.
        since: Instant,
        /// As above.
        until: Instant,
    },
}

impl Line {
    /// What it is used for.
    pub fn purpose(&self) -> Option<Purpose> {
        match *self {
            Self::Idle => None,
            Self::Reaching { purpose, .. } | Self::Asking { purpose, .. } => Some(purpose),
        }
    }

    /// When an exchange counts as lost.
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Idle => None,
            Self::Reaching { until, .. } | Self::Asking { until, .. } => Some(until),
        }
    }
}

/// Exchanges for callers: they wait for the line, and their callers for a reply, both bounded.
#[derive(Default)]
pub struct Errands {
    queue: VecDeque<Purpose>,
    /// Callers without a reply yet.
    patience: BTreeMap<CommandId, Instant>,
}

impl Errands {
    /// When the first caller's patience ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.patience.values().min().copied()
    }
}

impl Engine {
    /// Gives the free line to whoever is next.
    pub(super) fn next_on_line(&mut self) {
        if self.line != Line::Idle || self.standstill().is_some() {
            return;
        }
        if let Some(purpose) = self.next_purpose() {
            self.line = Line::Reaching { purpose, until: self.now.mono.after(LINE_WAIT) };
            self.act(Action::ReachHost);
        }
    }

    fn next_purpose(&mut self) -> Option<Purpose> {
        if self.sale_has_devices() {
            return self.sale_ready().map(Purpose::Sale).or_else(|| self.upload_meanwhile());
        }
        if self.sign_in_due() {
            return Some(Purpose::SignIn);
        }
        if let Some(id) = self.scripts.due(self.now.mono).filter(|_| self.sign_in.is_on()) {
            return Some(Purpose::Script(id));
        }
        if let Some(id) = self.reversals.due(self.now.mono).filter(|_| self.sign_in.is_on()) {
            return Some(Purpose::Reversal(id));
        }
        if self.sale.is_some() {
            return None;
        }
        if let Some(id) = self.forwarder.ready().filter(|_| self.sign_in.is_on() && !self.reversals.go_first()) {
            return Some(Purpose::Upload(id));
        }
        while let Some(purpose) = self.errands.queue.pop_front() {
            match purpose {
                // What held when it was asked for need not hold any more.
                Purpose::SignOut(id) => match self.may_sign_out() {
                    Ok(()) => return Some(purpose),
                    Err(refusal) => self.answer_errand(id, Err(refusal)),
                },
                Purpose::Echo(_) => return Some(purpose),
                Purpose::SignIn | Purpose::Reversal(_) | Purpose::Sale(_) | Purpose::Upload(_) | Purpose::Script(_) => {
                }
            }
        }
        None
    }

    /// While the customer is busy with reader or keypad, uploads may go on until the PIN is asked for.
    fn upload_meanwhile(&self) -> Option<Purpose> {
        let early = self.sale.as_ref().is_some_and(|s| matches!(s.step, Step::Confirming | Step::Presenting { .. }));
        let free = early && self.sign_in.is_on() && !self.reversals.go_first() && self.deferred.is_empty();
        self.forwarder.ready().filter(|_| free).map(Purpose::Upload)
    }

    /// When a payment that waits for the line stops waiting for an upload.
    pub(super) fn upload_must_end(&self) -> Option<Instant> {
        match self.line {
            Line::Asking { purpose: Purpose::Upload(_), since, .. } if self.sale_ready().is_some() => {
                Some(since.after(UPLOAD_GRACE))
            }
            Line::Reaching { purpose: Purpose::Upload(_), .. } if self.sale_ready().is_some() => Some(self.now.mono),
            Line::Idle | Line::Reaching { .. } | Line::Asking { .. } => None,
        }
    }

    /// Takes an exchange for a caller into the queue.
    pub(super) fn run_errand(&mut self, id: CommandId, purpose: Purpose) {
        if self.errands.patience.len() >= MAX_ERRANDS || self.sale.is_some() {
            return self.refuse(id, Refusal::new(RefusalKind::Busy, "the line to the host is in use; try again"));
        }
        if let Some(refusal) = self.stands_still("nothing is sent") {
            return self.refuse(id, refusal);
        }
        self.errands.patience.insert(id, self.now.mono.after(ERRAND_REPLY));
        self.errands.queue.push_back(purpose);
    }

    /// Replies to the caller of an errand, unless it has been told already that it takes too long.
    pub(super) fn answer_errand(&mut self, id: CommandId, result: Result<Reply, Refusal>) {
        if self.errands.patience.remove(&id).is_some() {
            self.act(Action::Reply(id, result));
        }
    }

    /// Takes sign-outs that still wait back: a sign-in was asked for after them.
    pub(super) fn recall_sign_outs(&mut self) {
        let (recalled, kept) = std::mem::take(&mut self.errands.queue)
            .into_iter()
            .partition::<VecDeque<_>, _>(|p| matches!(p, Purpose::SignOut(_)));
        self.errands.queue = kept;
        for purpose in recalled {
            if let Purpose::SignOut(id) = purpose {
                let text = "a sign-in was asked for before this sign-out could be sent";
                self.answer_errand(id, Err(Refusal::new(RefusalKind::WrongState, text)));
            }
        }
    }

    /// The connection stands.
    pub(super) fn host_reached(&mut self) {
        let Line::Reaching { purpose, .. } = self.line else { return };
        let since = self.now.mono;
        self.line = Line::Asking { purpose, since, until: since.after(LINE_WAIT) };
        match purpose {
            Purpose::SignIn => self.send_sign_in(),
            Purpose::SignOut(_) => {
                let stan = self.take_stan();
                self.record(Record::TraceTaken { next: self.next_stan });
                self.act(Action::AskHost(HostRequest::SignOut { stan, batch: self.batch }));
            }
            Purpose::Echo(_) => self.act(Action::AskHost(HostRequest::Echo { batch: self.batch })),
            Purpose::Reversal(id) => self.send_reversal(id),
            Purpose::Sale(id) => self.send_sale(id),
            Purpose::Upload(id) => self.send_upload(id),
            Purpose::Script(id) => self.send_script(id),
        }
    }

    /// What the line was taken for has gone away: nothing is sent.
    pub(super) fn leave_line(&mut self) {
        self.line = Line::Idle;
        self.act(Action::LeaveHost);
    }

    /// A matched answer came.
    pub(super) fn host_replied(&mut self, answer: HostAnswer) {
        let Line::Asking { purpose, since, .. } = self.line else { return };
        self.line = Line::Idle;
        self.host.answered();
        match (purpose, answer) {
            (Purpose::SignIn, HostAnswer::SignIn(answer)) => self.sign_in_answered(answer),
            (Purpose::Sale(id), HostAnswer::Sale(answer)) => self.sale_answered(id, answer),
            (Purpose::Reversal(id), HostAnswer::Reversal { response, mac, asks }) => {
                self.reversal_answered(id, &response, mac, asks);
            }
            (Purpose::Upload(_), HostAnswer::OfflineSale(answer)) => self.upload_answered(answer),
            // Sent once, whatever comes.
            (Purpose::Script(_), HostAnswer::ScriptReport(_)) => {}
            (Purpose::SignOut(id), HostAnswer::SignOut(_)) => self.signed_out(id),
            (Purpose::Echo(id), HostAnswer::Echo(_)) => {
                let milliseconds = self.now.mono.milliseconds_since(since);
                self.answer_errand(id, Ok(Reply::Echo { milliseconds }));
            }
            // The host machine matches answers to requests, so this is a fault of ours: treat it as no answer.
            (purpose, _) => {
                let evidence = "the answer does not fit the request".to_owned();
                self.fail_purpose(purpose, HostFailure { cause: Cause::B06, sent: true, connect: None, evidence });
            }
        }
    }

    /// No connection, or no valid answer.
    pub(super) fn host_failed(&mut self, failure: HostFailure) {
        if let Some(purpose) = self.line.purpose() {
            self.line = Line::Idle;
            let failure = self.host.failed(failure);
            self.fail_purpose(purpose, failure);
        }
    }

    fn fail_purpose(&mut self, purpose: Purpose, failure: HostFailure) {
        match purpose {
            Purpose::SignIn => self.sign_in_failed(failure),
            Purpose::Sale(id) => self.sale_unanswered(id, failure),
            Purpose::Reversal(id) => self.reversal_unanswered(id, failure),
            Purpose::Upload(_) => self.upload_unanswered(&failure),
            Purpose::Script(_) if failure.sent => {}
            Purpose::Script(_) => {
                self.script_unsent();
                let evidence = format!("a script report must be sent first: {}", failure.evidence);
                self.end_preparing(failure.cause, evidence);
            }
            Purpose::SignOut(id) => self.signed_out(id),
            Purpose::Echo(id) => {
                let kind = if failure.sent { RefusalKind::HostTimeout } else { RefusalKind::HostUnreachable };
                self.answer_errand(id, Err(Refusal::because(kind, failure.cause, failure.evidence)));
            }
        }
    }

    /// Ends an exchange that the host machine has lost, and the patience of callers.
    pub(super) fn expire_line(&mut self) {
        let now = self.now.mono;
        if self.upload_must_end().is_some_and(|t| t <= now) {
            self.upload_gives_way();
        }
        if self.line.deadline().is_some_and(|t| t <= now) {
            let sent = matches!(self.line, Line::Asking { .. });
            let evidence = "the exchange with the host did not end in time".to_owned();
            self.act(Action::LeaveHost);
            self.host_failed(HostFailure { cause: Cause::B06, sent, connect: None, evidence });
        }
        let over: Vec<_> = self.errands.patience.iter().filter(|(_, t)| **t <= now).map(|(id, _)| *id).collect();
        for id in over {
            let waits = |p: &Purpose| *p == Purpose::Echo(id) || *p == Purpose::SignOut(id);
            let refusal = if self.errands.queue.iter().any(waits) {
                Refusal::new(RefusalKind::Busy, "the line to the host did not become free; try again")
            } else {
                let text = "the host has not answered yet; see `posctl status`";
                Refusal::because(RefusalKind::HostTimeout, Cause::B06, text)
            };
            self.errands.queue.retain(|p| !waits(p));
            self.answer_errand(id, Err(refusal));
        }
    }
}
