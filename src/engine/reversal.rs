//! Reversals: kept until the host acknowledges, sent in trace order before the next sale, never dropped.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::host::{HostFailure, HostRequest, MacCheck, ReversalRequest};
use crate::domain::ids::TransactionId;
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::response::Response;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::machine::Engine;
use crate::engine::record::{OpenReversal, Record};
use crate::engine::settings::REVERSAL_BACKOFF;
use crate::engine::signal::Signal;

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

    fn close(&mut self) {
        self.trouble = None;
        self.queue.pop_front();
    }
}

impl Engine {
    /// The line stands: send the first reversal.
    pub(super) fn send_reversal(&mut self, id: TransactionId) {
        if let Some(request) = self.reversals.front(id) {
            let request = Box::new(request.clone());
            self.act(Action::AskHost(HostRequest::Reversal(request)));
        }
    }

    /// 0410 came.
    pub(super) fn reversal_answered(&mut self, id: TransactionId, response: &Response, mac: MacCheck) {
        if mac == MacCheck::Bad {
            self.postpone_reversal(Cause::K01);
            return self.keys_refused(Cause::K01);
        }
        if response.code == "A0" {
            // Not the host's last word: new keys, then the same reversal with a new MAC.
            self.postpone_reversal(Cause::K01);
            return self.keys_refused(Cause::K01);
        }
        if !response.approved() && !self.settings.reversal_ends.contains(&response.code) {
            self.postpone_reversal(Cause::B01);
            return self
                .fail_waiting_sale(Cause::B01, format!("the open reversal was answered with {}", response.code));
        }
        self.sign_in.keys_proved();
        self.reversals.close();
        self.record(Record::ReversalClosed { id, response_code: Some(response.code.clone()) });
        let old = self.state_of(id);
        let Some(mut view) = self.book.get(id).cloned() else { return };
        view.state = TransactionState::Finished;
        view.outcome = Some(Outcome::Cancelled);
        view.reversed = true;
        view.finished_at = Some(self.now.wall);
        let connection = view.owner.connection.clone();
        self.record(Record::Changed { view: Box::new(view.clone()) });
        self.book.update(id, |v| *v = view);
        let new = TransactionState::Finished;
        self.act(Action::Tell(Signal::TransactionStateChanged { id, connection: connection.clone(), old, new }));
        self.act(Action::Tell(Signal::TransactionFinished { id, connection, outcome: Outcome::Cancelled }));
    }

    /// No answer to the reversal: it stays.
    pub(super) fn reversal_unanswered(&mut self, _id: TransactionId, failure: HostFailure) {
        self.postpone_reversal(failure.cause);
        let evidence = format!("an open reversal must be acknowledged first: {}", failure.evidence);
        self.fail_waiting_sale(failure.cause, evidence);
    }

    fn postpone_reversal(&mut self, cause: Cause) {
        let wait: Duration = self.jitter.back_off(self.reversals.attempts(), REVERSAL_BACKOFF);
        self.reversals.postpone(self.now.mono.after(wait), cause);
    }

    /// A payment that waited for the reversal cannot go on; nothing of it has been sent.
    fn fail_waiting_sale(&mut self, cause: Cause, evidence: String) {
        if self.sale_ready().is_some() {
            self.end_unsent(Outcome::Cancelled, Some(cause), evidence);
        }
    }
}
