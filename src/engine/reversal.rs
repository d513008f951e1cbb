//! Reversals: kept until the host acknowledges, sent in trace order before the next sale, never dropped.
//!
//! ```text
//! due    → held      its tries are used up: a person is asked, it is tried on
//! held   → waived    a supervisor lets new payments start
//! any    → closed    the host acknowledged, or a supervisor gave it up, on record
//! ```

use std::collections::VecDeque;

use crate::domain::cause::Cause;
use crate::domain::host::{HostFailure, HostRequest, MacCheck, ProcessingRequest, ReversalRequest};
use crate::domain::ids::TransactionId;
use crate::domain::offline::ReversalStanding;
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::response::Response;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::answer::cause_of;
use crate::engine::machine::Engine;
use crate::engine::record::{OpenReversal, Record};
use crate::engine::settings::REVERSAL_BACKOFF;

struct Pending {
    id: TransactionId,
    request: ReversalRequest,
    /// Tries without an end, over restarts.
    attempts: u32,
    /// Failures in a row, for the back-off.
    failures: u32,
    standing: ReversalStanding,
    next_at: Instant,
}

/// The open reversals, oldest first.
#[derive(Default)]
pub struct Reversals {
    queue: VecDeque<Pending>,
    /// What went wrong last.
    pub trouble: Option<Cause>,
}

impl Reversals {
    /// As the store has them; all are due.
    pub fn recovered(stored: Vec<OpenReversal>, now: Instant) -> Self {
        let pending = |r: OpenReversal| Pending {
            id: r.id,
            request: r.request,
            attempts: r.attempts,
            failures: 0,
            standing: r.standing,
            next_at: now,
        };
        Self { queue: stored.into_iter().map(pending).collect(), trouble: None }
    }

    /// Whether one keeps new online payments away.
    pub fn block(&self) -> bool {
        self.queue.iter().any(|p| p.standing != ReversalStanding::Waived)
    }

    /// Whether one has used up its tries and no supervisor has decided yet: nothing new is taken then, offline either.
    pub fn undecided(&self) -> bool {
        self.queue.iter().any(|p| p.standing == ReversalStanding::Held)
    }

    /// Whether one is still to be tried before anything else goes to the host.
    pub fn go_first(&self) -> bool {
        self.queue.iter().any(|p| p.standing == ReversalStanding::Due)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many have used up their tries.
    pub fn held(&self) -> usize {
        self.queue.iter().filter(|p| p.standing != ReversalStanding::Due).count()
    }

    /// Whether this payment's is open.
    pub fn holds(&self, id: TransactionId) -> bool {
        self.find(id).is_some()
    }

    /// Where this payment's stands.
    pub fn standing(&self, id: TransactionId) -> Option<ReversalStanding> {
        self.find(id).map(|p| p.standing)
    }

    /// One more.
    pub fn push(&mut self, id: TransactionId, request: ReversalRequest, now: Instant) {
        let standing = ReversalStanding::Due;
        self.queue.push_back(Pending { id, request, attempts: 0, failures: 0, standing, next_at: now });
    }

    /// In trace order: none before the one ahead of it, except behind those that a supervisor has set aside.
    fn in_turn(&self) -> impl Iterator<Item = &Pending> {
        let first = self.queue.iter().position(|p| p.standing != ReversalStanding::Waived);
        let last = first.unwrap_or(self.queue.len());
        self.queue.iter().enumerate().filter(move |(n, _)| *n <= last).map(|(_, p)| p)
    }

    /// The first whose time has come.
    pub fn due(&self, now: Instant) -> Option<TransactionId> {
        self.in_turn().find(|p| p.next_at <= now).map(|p| p.id)
    }

    /// When the next is to be tried.
    pub fn deadline(&self) -> Option<Instant> {
        self.in_turn().map(|p| p.next_at).min()
    }

    /// Tries at once: a payment waits, the keys are new, or a person asks.
    pub fn hurry(&mut self, now: Instant) {
        if let Some(first) = self.queue.iter_mut().find(|p| p.standing != ReversalStanding::Waived) {
            first.next_at = now;
        }
    }

    /// Tries this one as soon as its turn comes.
    pub fn retry(&mut self, id: TransactionId, now: Instant) {
        if let Some(pending) = self.find_mut(id) {
            pending.next_at = now;
        }
    }

    /// Changes where one stands; says how often it was tried.
    pub fn stand(&mut self, id: TransactionId, standing: ReversalStanding) -> u32 {
        self.find_mut(id).map_or(0, |pending| {
            pending.standing = standing;
            pending.attempts
        })
    }

    /// Takes one away: acknowledged, or given up by a person.
    pub fn close(&mut self, id: TransactionId) {
        self.trouble = None;
        self.queue.retain(|p| p.id != id);
    }

    fn find(&self, id: TransactionId) -> Option<&Pending> {
        self.queue.iter().find(|p| p.id == id)
    }

    fn find_mut(&mut self, id: TransactionId) -> Option<&mut Pending> {
        self.queue.iter_mut().find(|p| p.id == id)
    }
}

impl Engine {
    /// The line stands: send the first reversal.
    pub(super) fn send_reversal(&mut self, id: TransactionId) {
        match self.reversals.find(id) {
            Some(pending) => {
                let request = Box::new(pending.request.clone());
                self.act(Action::AskHost(HostRequest::Reversal(request)));
            }
            None => self.leave_line(),
        }
    }

    /// 0410 came.
    pub(super) fn reversal_answered(
        &mut self,
        id: TransactionId,
        response: &Response,
        mac: MacCheck,
        asks: ProcessingRequest,
    ) {
        if mac == MacCheck::Bad || response.code == "A0" {
            // Not the host's last word: new keys, then the same reversal with a new MAC.
            self.reversal_tried(id, Cause::K01);
            let what = if mac == MacCheck::Bad { "the answer's MAC is wrong" } else { "the host answered A0" };
            return self.keys_refused(Cause::K01, format!("reversal: {what}"));
        }
        if response.approved() || self.settings.reversal_ends.contains(&response.code) {
            self.sign_in.keys_proved();
            self.reversal_done(id, response);
        } else {
            let cause = cause_of(response).unwrap_or(Cause::B01);
            self.reversal_tried(id, cause);
            self.end_preparing(cause, format!("the open reversal was answered with {}", response.code));
        }
        self.host_asks(asks);
    }

    fn reversal_done(&mut self, id: TransactionId, response: &Response) {
        self.reversals.close(id);
        self.record(Record::ReversalClosed { id, response_code: Some(response.code.clone()) });
        let Some(mut view) = self.book.get(id).cloned() else { return };
        view.state = TransactionState::Finished;
        view.outcome = Some(Outcome::Cancelled);
        view.reversed = true;
        view.finished_at = Some(self.now.wall);
        self.close_payment(view);
        // The customer was told that the result is open, and is told how it ended if nobody else stands there yet.
        if self.sale.is_none() && self.prompt_is(&Prompt::Unknown) {
            self.show_result(id, Prompt::Cancelled);
        }
    }

    /// No answer to the reversal: it stays. Only what may have left counts as a try.
    pub(super) fn reversal_unanswered(&mut self, id: TransactionId, failure: HostFailure) {
        if failure.sent {
            self.reversal_tried(id, failure.cause);
        } else {
            self.postpone_reversal(id, failure.cause);
        }
        let evidence = format!("an open reversal must be acknowledged first: {}", failure.evidence);
        self.end_preparing(failure.cause, evidence);
    }

    /// One more try without an end. After the last a person is asked; it is never dropped.
    fn reversal_tried(&mut self, id: TransactionId, cause: Cause) {
        let retries = self.settings.reversal_retries;
        let Some(pending) = self.reversals.find_mut(id) else { return };
        pending.attempts = pending.attempts.saturating_add(1);
        if pending.attempts > retries && pending.standing == ReversalStanding::Due {
            pending.standing = ReversalStanding::Held;
        }
        let (attempts, standing) = (pending.attempts, pending.standing);
        self.record(Record::ReversalTried { id, attempts, standing });
        self.book.update(id, |v| v.attempts = attempts);
        self.postpone_reversal(id, cause);
    }

    fn postpone_reversal(&mut self, id: TransactionId, cause: Cause) {
        self.reversals.trouble = Some(cause);
        let failures = self.reversals.find(id).map_or(0, |p| p.failures);
        let at = self.now.mono.after(self.jitter.back_off(failures, REVERSAL_BACKOFF));
        if let Some(pending) = self.reversals.find_mut(id) {
            pending.failures = failures.saturating_add(1);
            pending.next_at = at;
        }
    }
}
