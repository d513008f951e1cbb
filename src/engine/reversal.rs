//! Reversals: kept until the host acknowledges, sent in trace order before the next sale, never dropped.

use std::collections::VecDeque;

use crate::domain::cause::Cause;
use crate::domain::host::{HostFailure, HostRequest, MacCheck, ProcessingRequest, ReversalRequest};
use crate::domain::ids::TransactionId;
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
    attempts: u32,
    next_at: Instant,
}

/// The open reversals, oldest first.
#[derive(Default)]
pub struct Reversals {
    queue: VecDeque<Pending>,
    /// What went wrong with the first one last.
    pub trouble: Option<Cause>,
}

impl Reversals {
    /// As the store has them; all are due.
    pub fn recovered(stored: Vec<OpenReversal>, now: Instant) -> Self {
        let queue = stored.into_iter().map(|r| Pending { id: r.id, request: r.request, attempts: 0, next_at: now });
        Self { queue: queue.collect(), trouble: None }
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether this payment's is open.
    pub fn holds(&self, id: TransactionId) -> bool {
        self.queue.iter().any(|p| p.id == id)
    }

    /// One more.
    pub fn push(&mut self, id: TransactionId, request: ReversalRequest, now: Instant) {
        self.queue.push_back(Pending { id, request, attempts: 0, next_at: now });
    }

    /// The first, if its time has come.
    pub fn due(&self, now: Instant) -> Option<TransactionId> {
        self.queue.front().filter(|p| p.next_at <= now).map(|p| p.id)
    }

    /// When the first is to be tried.
    pub fn deadline(&self) -> Option<Instant> {
        self.queue.front().map(|p| p.next_at)
    }

    /// Tries at once: a payment waits, or the keys are new.
    pub fn hurry(&mut self, now: Instant) {
        if let Some(first) = self.queue.front_mut() {
            first.next_at = now;
        }
    }

    fn front(&self, id: TransactionId) -> Option<&ReversalRequest> {
        self.queue.front().filter(|p| p.id == id).map(|p| &p.request)
    }

    fn postpone(&mut self, at: Instant, cause: Cause) {
        self.trouble = Some(cause);
        if let Some(first) = self.queue.front_mut() {
            first.attempts = first.attempts.saturating_add(1);
            first.next_at = at;
        }
    }

    fn attempts(&self) -> u32 {
        self.queue.front().map_or(0, |p| p.attempts)
    }

    fn close(&mut self, id: TransactionId) {
        self.trouble = None;
        self.queue.retain(|p| p.id != id);
    }
}

impl Engine {
    /// The line stands: send the first reversal.
    pub(super) fn send_reversal(&mut self, id: TransactionId) {
        match self.reversals.front(id) {
            Some(request) => {
                let request = Box::new(request.clone());
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
            self.postpone_reversal(Cause::K01);
            let what = if mac == MacCheck::Bad { "the answer's MAC is wrong" } else { "the host answered A0" };
            return self.keys_refused(Cause::K01, format!("reversal: {what}"));
        }
        if response.approved() || self.settings.reversal_ends.contains(&response.code) {
            self.sign_in.keys_proved();
            self.reversal_done(id, response);
        } else {
            let cause = cause_of(response).unwrap_or(Cause::B01);
            self.postpone_reversal(cause);
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

    /// No answer to the reversal: it stays.
    pub(super) fn reversal_unanswered(&mut self, failure: HostFailure) {
        self.postpone_reversal(failure.cause);
        let evidence = format!("an open reversal must be acknowledged first: {}", failure.evidence);
        self.end_preparing(failure.cause, evidence);
    }

    fn postpone_reversal(&mut self, cause: Cause) {
        let wait = self.jitter.back_off(self.reversals.attempts(), REVERSAL_BACKOFF);
        self.reversals.postpone(self.now.mono.after(wait), cause);
    }
}
