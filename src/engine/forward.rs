//! The forwarder: brings what was accepted offline to the host, oldest first. There is one, because there is one engine,
//! and one engine, because it holds the database's exclusive lock: that lock is its lease.
//!
//! ```text
//! waiting   → in-flight  its turn has come: on disk before the first byte leaves
//! in-flight → accepted   approved, or "already there": card data wiped
//! in-flight → waiting    refused for the moment: the next one goes on, this one comes round again
//! in-flight → in-flight  no answer: the same again, same trace, after a growing wait
//! in-flight → held       refused for good, or too often for the moment; or no request can be made of it
//! waiting   → held       too old, or a person wants it so
//! held      → waiting    a supervisor: send it again
//! any       → abandoned  a supervisor gave it up, on record: card data wiped
//! ```
//! Nothing is dropped, and nothing that is refused or never answered blocks what is behind it. Only one item is in memory
//! at a time.

use std::collections::BTreeMap;

use crate::domain::cause::Cause;
use crate::domain::host::{HostFailure, HostRequest, MacCheck, ProcessingRequest, SaleAnswer};
use crate::domain::ids::TransactionId;
use crate::domain::offline::{Forwarding, QueueTotals};
use crate::domain::response::ResponseAction;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::answer::cause_of;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::keys::Deferred;
use crate::engine::machine::Engine;
use crate::engine::offline::older;
use crate::engine::record::{QueueHead, Record};
use crate::engine::settings::{FORWARD_BACKOFF, MAX_REFUSALS, PROGRESS_EVERY};
use crate::engine::signal::Signal;
use crate::engine::snapshot::{QueueView, TransactionView};

/// What the forwarder has in hand.
enum Hand {
    Empty,
    /// The store is asked for the next one.
    Loading,
    /// It waits for the line.
    Ready(Box<QueueHead>),
    /// It is at the host.
    Sent(Box<QueueHead>),
}

/// The forwarder's memory.
pub struct Forwarder {
    totals: QueueTotals,
    hand: Hand,
    /// Where this pass has come to: what was refused for the moment lies behind.
    after: Option<TransactionId>,
    /// Nothing before this moment: pace, or back-off.
    not_before: Instant,
    failures: u32,
    /// Uploads in a row that left and were not answered.
    unanswered: u32,
    /// Refusals for the moment, per payment.
    refusals: BTreeMap<TransactionId, u32>,
    /// When this drain began, and how many it has had answered.
    drain: Option<(Instant, u32)>,
    told_at: Option<Instant>,
    cause: Option<Cause>,
}

impl Forwarder {
    /// As the store has it; due at once.
    pub fn recovered(totals: QueueTotals, now: Instant) -> Self {
        Self {
            totals,
            hand: Hand::Empty,
            after: None,
            not_before: now,
            failures: 0,
            unanswered: 0,
            refusals: BTreeMap::new(),
            drain: None,
            told_at: None,
            cause: None,
        }
    }

    /// What is unsent.
    pub fn totals(&self) -> QueueTotals {
        self.totals
    }

    /// The store has counted.
    pub fn count_anew(&mut self, totals: QueueTotals) {
        self.totals = totals;
    }

    /// When it wants to go on by itself.
    pub fn deadline(&self) -> Option<Instant> {
        (matches!(self.hand, Hand::Empty) && self.totals.waiting > 0).then_some(self.not_before)
    }

    /// What waits for the line.
    pub fn ready(&self) -> Option<TransactionId> {
        match &self.hand {
            Hand::Ready(head) => Some(head.view.id),
            Hand::Empty | Hand::Loading | Hand::Sent(_) => None,
        }
    }

    /// Whether this one is at the host just now.
    pub fn has_sent(&self, id: TransactionId) -> bool {
        matches!(&self.hand, Hand::Sent(head) if head.view.id == id)
    }

    /// What lies in hand may not be as it was read; it is read again.
    pub fn look_again(&mut self, now: Instant) {
        if matches!(self.hand, Hand::Ready(_)) {
            self.hand = Hand::Empty;
        }
        self.after = None;
        self.failures = 0;
        self.unanswered = 0;
        self.not_before = now;
    }

    /// Whether a drain is shown that has come to its end otherwise than by an answer: a person has decided about the last.
    fn is_over(&self) -> bool {
        let shown = self.drain.is_some() || self.cause.is_some();
        shown && matches!(self.hand, Hand::Empty) && self.totals.waiting == 0
    }

    fn seconds_left(&self, now: Instant) -> Option<u32> {
        let (began, sent) = self.drain.filter(|(_, sent)| *sent > 0)?;
        let each = now.since(began).as_micros() / u128::from(sent);
        u32::try_from(each * u128::from(self.totals.waiting) / 1_000_000).ok()
    }
}

impl Engine {
    /// The queue as it can be read.
    pub(super) fn queue_view(&self) -> QueueView {
        let forwarder = &self.forwarder;
        QueueView {
            totals: forwarder.totals,
            currency: self.settings.currency.alpha(),
            draining: forwarder.drain.is_some(),
            sent: forwarder.drain.map_or(0, |d| d.1),
            seconds_left: forwarder.seconds_left(self.now.mono),
            cause: forwarder.cause,
        }
    }

    /// `Drain`: without waiting for the back-off; a terminal that is signed out signs in first.
    pub(super) fn drain_asked(&mut self, id: CommandId) {
        if let Some(refusal) = self.stands_still("nothing is sent") {
            return self.refuse(id, refusal);
        }
        if let Some(cause) = self.sign_in_hopeless() {
            let text = format!("the terminal cannot sign in with the host by itself: {}", self.sign_in.evidence);
            return self.refuse(id, Refusal::because(RefusalKind::NotSignedIn, cause, text));
        }
        self.forwarder.look_again(self.now.mono);
        self.hurry_sign_in();
        let waiting = self.forwarder.totals.waiting;
        self.act(Action::Reply(id, Ok(Reply::Draining { waiting })));
    }

    /// Asks the store for the next one, if it is time.
    pub(super) fn forward_if_due(&mut self) {
        if self.forwarder.is_over() {
            self.drained();
        }
        let still = self.standstill().is_some();
        let forwarder = &mut self.forwarder;
        let due = matches!(forwarder.hand, Hand::Empty)
            && forwarder.totals.waiting > 0
            && forwarder.not_before <= self.now.mono
            && self.sign_in.is_on()
            && !still;
        if due {
            forwarder.hand = Hand::Loading;
            let after = forwarder.after;
            if forwarder.drain.is_none() {
                forwarder.drain = Some((self.now.mono, 0));
            }
            self.act(Action::LoadQueueHead { after });
        }
    }

    /// The store has answered.
    pub(super) fn queue_head_loaded(&mut self, head: Option<Box<QueueHead>>, totals: QueueTotals) {
        self.forwarder.totals = totals;
        if !matches!(self.forwarder.hand, Hand::Loading) {
            return;
        }
        self.forwarder.hand = Hand::Empty;
        match head {
            Some(head) => self.take_up_head(head),
            None if totals.waiting == 0 => self.drained(),
            // All that is left was refused for the moment.
            None => {
                self.forwarder.after = None;
                self.pause(self.forwarder.cause);
            }
        }
    }

    fn take_up_head(&mut self, mut head: Box<QueueHead>) {
        // Waiting again after a decision: a person has said that it is to be sent, as old as it is.
        let decided = head.view.resolution.is_some();
        let too_old = self.clock.trusted(self.now).is_some_and(|now| {
            now > head.accepted_at && older(now, head.accepted_at, self.settings.forwarding.hold_after)
        });
        if too_old && !decided {
            let evidence = "too old to be sent without a person's decision".to_owned();
            return self.hold(&mut head.view, None, evidence);
        }
        self.forwarder.hand = Hand::Ready(head);
    }

    fn drained(&mut self) {
        self.tell_progress(true);
        let forwarder = &mut self.forwarder;
        forwarder.after = None;
        forwarder.drain = None;
        forwarder.refusals.clear();
        forwarder.cause = None;
    }

    /// Waits, each time longer, and then begins with the oldest.
    fn pause(&mut self, cause: Option<Cause>) {
        let wait = self.jitter.back_off(self.forwarder.failures, FORWARD_BACKOFF);
        self.tell_progress(true);
        let forwarder = &mut self.forwarder;
        forwarder.failures = forwarder.failures.saturating_add(1);
        forwarder.not_before = self.now.mono.after(wait);
        forwarder.after = None;
        forwarder.drain = None;
        forwarder.cause = cause;
    }

    /// The line stands: in flight on disk, then the upload leaves.
    pub(super) fn send_upload(&mut self, id: TransactionId) {
        match std::mem::replace(&mut self.forwarder.hand, Hand::Empty) {
            Hand::Ready(mut head) if head.view.id == id => {
                let repeat = head.view.attempts > 0;
                self.change_queued(&mut head.view, |v| {
                    v.forwarding = Some(Forwarding::InFlight);
                    v.attempts = v.attempts.saturating_add(1);
                });
                self.act(Action::AskHost(HostRequest::OfflineSale { sale: Box::new(head.sale.clone()), repeat }));
                self.forwarder.hand = Hand::Sent(head);
            }
            other => {
                self.forwarder.hand = other;
                self.leave_line();
            }
        }
    }

    /// 0230 came.
    pub(super) fn upload_answered(&mut self, answer: SaleAnswer) {
        let Hand::Sent(mut head) = std::mem::replace(&mut self.forwarder.hand, Hand::Empty) else { return };
        let response = &answer.response;
        let there = self.settings.forwarding.done_codes.contains(&response.code);
        // What leaves for the first time cannot be there: the host has another payment under this batch and trace.
        let done = response.approved() || (there && head.view.attempts > 1);
        let other_batch = head.view.batch != Some(self.batch);
        if answer.mac == MacCheck::Bad || (response.approved() && answer.mac != MacCheck::Good) {
            self.pause(Some(Cause::K01));
            let evidence = "upload: the answer's MAC is wrong".to_owned();
            return self.defer(Deferred::KeysRefused(Cause::K01, evidence));
        }
        let view = &mut head.view;
        let said = |v: &mut TransactionView| {
            v.rrn = answer.rrn.clone().or(v.rrn.take());
            v.auth_code = answer.auth_code.clone().or(v.auth_code.take());
            v.response_code = Some(response.code.clone());
            v.response_text = Some((response.zh.clone(), response.en.clone()));
        };
        let evidence = format!("upload answered with {}: {}", response.code, response.en);
        let cause = cause_of(response);
        if done {
            self.sign_in.keys_proved();
            self.accepted(view, said);
        } else if there {
            said(view);
            let evidence = format!("{evidence}, though it was never sent before: ask the acquirer what it has there");
            self.hold(view, cause, evidence);
            self.answered();
        } else {
            match response.action {
                // It keeps the batch it was made in, which no sign-in brings back: this payment's trouble alone.
                ResponseAction::SignIn if cause == Some(Cause::B04) && other_batch => {
                    self.refused_for_now(view, said, cause, evidence);
                }
                ResponseAction::SignIn => {
                    self.back_to_waiting(view, said);
                    self.pause(cause);
                    self.defer(Deferred::KeysRefused(cause.unwrap_or(Cause::K01), evidence));
                }
                ResponseAction::Block => {
                    self.back_to_waiting(view, said);
                    self.pause(cause);
                    self.defer(Deferred::Stopped(cause.unwrap_or(Cause::B02), evidence));
                }
                ResponseAction::Later | ResponseAction::Reverse => self.refused_for_now(view, said, cause, evidence),
                ResponseAction::None | ResponseAction::Software => {
                    said(view);
                    if response.action == ResponseAction::None {
                        self.record(Record::CardDenied { id: view.id });
                    }
                    self.hold(view, cause, evidence);
                    self.answered();
                }
            }
        }
        match answer.asks {
            ProcessingRequest::SignIn => self.defer(Deferred::SignIn),
            other => self.host_asks(other),
        }
    }

    fn accepted(&mut self, view: &mut TransactionView, said: impl Fn(&mut TransactionView)) {
        let (id, minor) = (view.id, view.money.amount.minor());
        self.change_queued(view, |v| {
            said(v);
            v.forwarding = Some(Forwarding::Accepted);
        });
        self.record(Record::CardDataWiped { id });
        self.tell_forwarding(view, None);
        let forwarder = &mut self.forwarder;
        forwarder.refusals.remove(&id);
        forwarder.totals.waiting = forwarder.totals.waiting.saturating_sub(1);
        forwarder.totals.sum = forwarder.totals.sum.saturating_sub(minor);
        forwarder.cause = None;
        self.answered();
    }

    fn back_to_waiting(&mut self, view: &mut TransactionView, said: impl Fn(&mut TransactionView)) {
        self.change_queued(view, |v| {
            said(v);
            v.forwarding = Some(Forwarding::Waiting);
        });
    }

    /// The next one goes on; this one comes round again, unless it has had its tries.
    fn refused_for_now(
        &mut self,
        view: &mut TransactionView,
        said: impl Fn(&mut TransactionView),
        cause: Option<Cause>,
        evidence: String,
    ) {
        let id = view.id;
        if self.forwarder.refusals.len() >= MAX_REFUSALS {
            self.forwarder.refusals.pop_first();
        }
        let times = self.forwarder.refusals.entry(id).or_insert(0);
        *times = times.saturating_add(1);
        if *times > self.settings.forwarding.retries {
            self.forwarder.refusals.remove(&id);
            said(view);
            self.hold(view, cause, evidence);
        } else {
            self.back_to_waiting(view, said);
            self.forwarder.after = Some(id);
            self.forwarder.cause = cause;
        }
        self.answered();
    }

    fn answered(&mut self) {
        let forwarder = &mut self.forwarder;
        forwarder.failures = 0;
        forwarder.unanswered = 0;
        forwarder.not_before = self.now.mono.after(self.settings.forwarding.pace);
        if let Some((_, sent)) = &mut forwarder.drain {
            *sent = sent.saturating_add(1);
        }
        self.tell_progress(false);
        if self.forwarder.totals.waiting == 0 {
            self.drained();
            // Nothing more is read, so this has to be: the oldest of what is left is another one now, if there is one.
            self.act(Action::LoadQueueHead { after: None });
        }
    }

    /// No answer: it stays in flight, and goes again with the same trace. One that is not answered time and again lets the
    /// next go first.
    pub(super) fn upload_unanswered(&mut self, failure: &HostFailure) {
        let mut head = match std::mem::replace(&mut self.forwarder.hand, Hand::Empty) {
            Hand::Sent(head) | Hand::Ready(head) => head,
            other @ (Hand::Empty | Hand::Loading) => {
                self.forwarder.hand = other;
                return;
            }
        };
        if !failure.sent && failure.cause == Cause::S06 {
            // No request can be made of it, whatever the host does.
            self.hold(&mut head.view, Some(failure.cause), failure.evidence.clone());
            return self.answered();
        }
        self.pause(Some(failure.cause));
        if failure.sent {
            self.forwarder.unanswered = self.forwarder.unanswered.saturating_add(1);
            if self.forwarder.unanswered > self.settings.forwarding.retries {
                self.forwarder.after = Some(head.view.id);
            }
        }
    }

    /// A payment that wants the line does not wait for an upload: that one counts as unanswered and goes again later.
    pub(super) fn upload_gives_way(&mut self) {
        self.forwarder.hand = Hand::Empty;
        self.forwarder.after = None;
        self.leave_line();
    }

    /// Waits for a person from now on.
    pub(super) fn hold(&mut self, view: &mut TransactionView, cause: Option<Cause>, evidence: String) {
        let waiting = matches!(view.forwarding, Some(Forwarding::Waiting | Forwarding::InFlight));
        self.change_queued(view, |v| {
            v.forwarding = Some(Forwarding::Held);
            v.cause = cause;
            v.evidence.clone_from(&evidence);
        });
        if waiting {
            let totals = &mut self.forwarder.totals;
            totals.waiting = totals.waiting.saturating_sub(1);
            totals.held = totals.held.saturating_add(1);
        }
        self.tell_forwarding(view, cause);
    }

    /// Changes a stored payment, and its object where it has one.
    pub(super) fn change_queued(&mut self, view: &mut TransactionView, change: impl Fn(&mut TransactionView)) {
        change(view);
        if let Some(at_hand) = self.book.update(view.id, &change) {
            view.owner = at_hand.owner.clone();
        }
        self.record(Record::Changed { view: Box::new(view.clone()) });
    }

    pub(super) fn tell_forwarding(&mut self, view: &TransactionView, cause: Option<Cause>) {
        if let Some(forwarding) = view.forwarding {
            let connection = view.owner.connection.clone();
            self.act(Action::Tell(Signal::ForwardingChanged { id: view.id, connection, forwarding, cause }));
        }
    }

    /// Not for each one: a long drain would flood the bus.
    fn tell_progress(&mut self, at_once: bool) {
        let now = self.now.mono;
        let forwarder = &mut self.forwarder;
        let Some((_, sent)) = forwarder.drain.filter(|d| d.1 > 0) else { return };
        if !at_once && forwarder.told_at.is_some_and(|t| now.since(t) < PROGRESS_EVERY) {
            return;
        }
        forwarder.told_at = Some(now);
        let QueueTotals { waiting: left, held, .. } = forwarder.totals;
        let seconds_left = forwarder.seconds_left(now);
        self.act(Action::Tell(Signal::QueueProgress { sent, left, held, seconds_left }));
    }
}
