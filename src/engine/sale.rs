//! The payment that has reader, keypad and host: from `Start` to its outcome.
//!
//! ```text
//! created ─Start─▶ awaiting-confirmation ─OK─▶ awaiting-card ─read─▶ awaiting-pin ─PIN─▶ connecting ─reached─▶ authorising
//!    │                      │                       │                     │                  │                    │
//!    └──────────────────────┴───────── cancel, time-out, device gone, client gone ──────────┘      answer: finished
//!                                   finished (cancelled): nothing has been sent        no valid answer: reversing
//! ```
//! The reversal is committed with the request before its first byte leaves, so every power cut after that is covered.

use crate::domain::card::{CardRead, TapFailure, TapRequest};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::{
    HostFailure, HostRequest, MacCheck, ReversalReason, ReversalRequest, SaleAnswer, SaleRequest,
};
use crate::domain::ids::{TransactionCode, TransactionId};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::response::ResponseAction;
use crate::domain::secret::PinBlock;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::answer::cause_of;
use crate::engine::command::{Caller, CommandId, Refusal, RefusalKind, Reply};
use crate::engine::line::{Line, Purpose};
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::settings::MAX_CARD_TRIES;
use crate::engine::signal::Signal;

/// How far the payment in hand has come. What has been read travels with the step and is wiped with it.
pub enum Step {
    /// Waits for OK.
    Confirming,
    /// Waits for a card.
    Presenting {
        /// Wrong cards so far.
        tries: u8,
    },
    /// Waits for the PIN.
    EnteringPin {
        /// The card.
        card: Box<CardRead>,
    },
    /// Waits for the line.
    Connecting {
        /// The card.
        card: Box<CardRead>,
        /// The PIN.
        pin_block: Option<PinBlock>,
    },
    /// Sent.
    Authorising {
        /// What takes it back.
        reversal: Box<ReversalRequest>,
    },
}

/// The payment in hand.
pub struct Sale {
    /// Which.
    pub id: TransactionId,
    /// How far.
    pub step: Step,
    /// Until when this step may take; devices have their own shorter ones.
    pub deadline: Option<Instant>,
}

impl Engine {
    /// `Start`.
    pub(super) fn start_asked(&mut self, command: CommandId, caller: &Caller, id: TransactionId) {
        if let Err(refusal) = self.may_start(caller, id) {
            return self.refuse(command, refusal);
        }
        self.book.adopt(id, caller);
        self.act(Action::Reply(command, Ok(Reply::Done)));
        let confirm = self.book.confirm_amount(id).unwrap_or(self.settings.confirm_amount);
        let Some(money) = self.book.get(id).map(|v| v.money) else { return };
        if confirm {
            self.sale = Some(Sale { id, step: Step::Confirming, deadline: None });
            self.move_to(id, TransactionState::AwaitingConfirmation);
            self.prompt(Prompt::ConfirmAmount(money));
            self.act(Action::AskConfirmation(money));
        } else {
            self.present_card(id);
        }
    }

    fn may_start(&self, caller: &Caller, id: TransactionId) -> Result<(), Refusal> {
        let view = self.book.owned(caller, id)?;
        if view.state != TransactionState::Created {
            let text = format!("this payment is {}; only a created one can be started", view.state);
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        if self.sale.is_some() {
            return Err(Refusal::new(RefusalKind::Busy, "another payment is under way"));
        }
        if self.keypad_taken() {
            return Err(Refusal::new(RefusalKind::Busy, "the keypad is in use; try again when the entry is over"));
        }
        self.may_trade()?;
        if let Some(holder) = &self.reader.inhibited_by {
            return Err(Refusal::new(
                RefusalKind::ReaderUnavailable,
                format!("the card reader is inhibited by {holder}"),
            ));
        }
        let reader = self.reader.state;
        if reader != DeviceState::Ready {
            let text = format!("the card reader is {reader}; see `posctl status`");
            let cause = self.reader.last_cause.or(Some(Cause::H01));
            return Err(Refusal { kind: RefusalKind::ReaderUnavailable, cause, text });
        }
        let confirm = self.book.confirm_amount(id).unwrap_or(self.settings.confirm_amount);
        if confirm && self.keypad.state != DeviceState::Ready {
            let text = format!("the keypad is {}; the amount cannot be confirmed", self.keypad.state);
            return Err(Refusal::because(RefusalKind::WrongState, Cause::H05, text));
        }
        Ok(())
    }

    /// Whether a card payment could be sent to the host now.
    pub(super) fn may_trade(&self) -> Result<(), Refusal> {
        if let Some(fault) = &self.storage_fault {
            let text = format!("storage fault, no payment is safe: {fault}");
            return Err(Refusal::because(RefusalKind::WrongState, Cause::P02, text));
        }
        if self.settings.operator_required && self.operators.on_duty.is_none() {
            let text = "no operator is signed in; use `posctl operator sign-in`";
            return Err(Refusal::because(RefusalKind::NotSignedIn, Cause::O03, text));
        }
        if !self.sign_in.is_on() {
            let text = format!("the terminal is not signed in with the host: {}", self.sign_in.evidence);
            return Err(Refusal { kind: RefusalKind::NotSignedIn, cause: self.sign_in.cause(), text });
        }
        Ok(())
    }

    fn present_card(&mut self, id: TransactionId) {
        let Some(view) = self.book.get(id) else { return };
        let money = view.money;
        let request = TapRequest {
            money,
            local_time: self.now.wall.civil(self.settings.utc_offset_minutes),
            unpredictable: self.jitter.bytes(),
            sequence: u32::try_from(id.0 % 100_000_000).unwrap_or(0),
            pin_above: self.settings.pin_above,
        };
        let deadline = Some(self.now.mono.after(self.settings.card_wait));
        self.sale = Some(Sale { id, step: Step::Presenting { tries: 0 }, deadline });
        self.move_to(id, TransactionState::AwaitingCard);
        self.prompt(Prompt::PresentCard(money));
        self.act(Action::PollCard(Box::new(request)));
    }

    /// The customer pressed OK.
    pub(super) fn amount_confirmed(&mut self) {
        if let Some(Sale { id, step: Step::Confirming, .. }) = self.sale {
            self.present_card(id);
        }
    }

    /// A card was read completely.
    pub(super) fn card_read(&mut self, card: Box<CardRead>) {
        let Some(Sale { id, step: Step::Presenting { .. }, .. }) = self.sale else { return };
        let masked = card.pan.masked();
        let scheme = card.scheme.as_str().to_owned();
        self.book.update(id, |v| {
            v.masked_pan = Some(masked);
            v.scheme = Some(scheme);
        });
        if !card.pin_required {
            return self.connect(id, card, None);
        }
        if self.keypad.state != DeviceState::Ready {
            let evidence = "the card needs a PIN, but there is no keypad".to_owned();
            return self.end_unsent(Outcome::Cancelled, Some(Cause::H05), evidence);
        }
        let pan = card.pan.clone();
        self.sale = Some(Sale { id, step: Step::EnteringPin { card }, deadline: None });
        self.move_to(id, TransactionState::AwaitingPin);
        self.prompt(Prompt::EnterPin { digits: 0 });
        self.act(Action::AskPin { pan });
    }

    /// A card could not be read.
    pub(super) fn card_failed(&mut self, failure: TapFailure) {
        let Some(Sale { step: Step::Presenting { ref mut tries }, .. }) = self.sale else { return };
        *tries = tries.saturating_add(1);
        if failure.may_retry() && *tries < MAX_CARD_TRIES {
            return self.prompt(Prompt::PresentAgain(failure));
        }
        let (outcome, cause) = match failure {
            TapFailure::CardDeclined | TapFailure::Expired => (Outcome::Declined, None),
            TapFailure::TwoCards | TapFailure::RemovedEarly => (Outcome::Cancelled, Some(Cause::O05)),
            TapFailure::ReaderFailed => (Outcome::Cancelled, Some(self.reader.last_cause.unwrap_or(Cause::H02))),
            TapFailure::WrongCard
            | TapFailure::NoCommonApplication
            | TapFailure::UseChip
            | TapFailure::CardFaulty
            | TapFailure::NoCard => (Outcome::Cancelled, None),
        };
        self.prompt(Prompt::PresentAgain(failure));
        self.end_unsent(outcome, cause, failure.as_str().to_owned());
    }

    /// The PIN is in, or was bypassed.
    pub(super) fn pin_done(&mut self, pin_block: Option<PinBlock>) {
        match self.sale.take() {
            Some(Sale { id, step: Step::EnteringPin { card }, .. }) => self.connect(id, card, pin_block),
            other => self.sale = other,
        }
    }

    fn connect(&mut self, id: TransactionId, card: Box<CardRead>, pin_block: Option<PinBlock>) {
        let deadline = Some(self.now.mono.after(self.settings.card_wait));
        self.sale = Some(Sale { id, step: Step::Connecting { card, pin_block }, deadline });
        self.move_to(id, TransactionState::Connecting);
        self.prompt(Prompt::Wait);
        self.reversals.hurry(self.now.mono);
    }

    /// The payment that waits for the line.
    pub(super) fn sale_ready(&self) -> Option<TransactionId> {
        match &self.sale {
            Some(Sale { id, step: Step::Connecting { .. }, .. }) if self.sign_in.is_on() => Some(*id),
            _ => None,
        }
    }

    /// The line stands: trace, reversal and request go to disk together, then the request leaves.
    pub(super) fn send_sale(&mut self, id: TransactionId) {
        let (card, pin_block) = match self.sale.take() {
            Some(Sale { id: active, step: Step::Connecting { card, pin_block }, .. }) if active == id => {
                (card, pin_block)
            }
            other => {
                // Cancelled while the connection was being made.
                self.sale = other;
                self.line = Line::Idle;
                return self.act(Action::LeaveHost);
            }
        };
        let stan = self.take_stan();
        let batch = self.batch;
        let Some(money) = self.book.get(id).map(|v| v.money) else { return };
        let reversal = Box::new(ReversalRequest {
            stan,
            batch,
            money,
            pan: card.pan.clone(),
            expiry: card.expiry.clone(),
            sequence_number: card.sequence_number,
            pin_sent: pin_block.is_some(),
            tags: card.reversal_tags.clone(),
            auth_code: None,
            reason: ReversalReason::Other,
        });
        let code = TransactionCode::new(&self.settings.terminal_id, batch, stan);
        let old = self.state_of(id);
        let view = self.book.update(id, |v| {
            v.code = Some(code);
            v.stan = Some(stan);
            v.batch = Some(batch);
            v.state = TransactionState::Authorising;
        });
        let Some(view) = view else { return };
        self.record(Record::Sent { view: Box::new((*view).clone()), next: self.next_stan, reversal: reversal.clone() });
        self.act(Action::AskHost(HostRequest::Sale(Box::new(SaleRequest {
            stan,
            batch,
            money,
            card: *card,
            pin_block,
        }))));
        self.tell_moved(id, old, TransactionState::Authorising);
        self.sale = Some(Sale { id, step: Step::Authorising { reversal }, deadline: None });
    }

    /// 0210 came.
    pub(super) fn sale_answered(&mut self, id: TransactionId, answer: SaleAnswer) {
        let Some(reversal) = self.take_sent(id) else { return };
        let asks = answer.asks;
        let response = answer.response;
        self.book.update(id, |v| {
            v.rrn = answer.rrn;
            v.response_code = Some(response.code.clone());
            v.response_text = Some((response.zh.clone(), response.en.clone()));
        });
        if answer.mac == MacCheck::Bad {
            let evidence = "the answer's MAC is wrong; it is not believed".to_owned();
            self.open_reversal(id, reversal, ReversalReason::WrongMac, Cause::K01, evidence);
            self.keys_refused(Cause::K01);
            return self.host_asks(asks);
        }
        if response.action == ResponseAction::Reverse {
            let reason = if response.approved() { ReversalReason::CouldNotFinish } else { ReversalReason::NoAnswer };
            let mut reversal = reversal;
            reversal.auth_code = answer.auth_code;
            let evidence = format!("response {}: {}", response.code, response.en);
            self.open_reversal(id, reversal, reason, Cause::B06, evidence);
            return self.host_asks(asks);
        }
        let cause = cause_of(&response);
        if response.approved() {
            self.sign_in.keys_proved();
            self.book.update(id, |v| v.auth_code = answer.auth_code);
            self.conclude(id, Outcome::Approved, None, String::new());
        } else {
            self.conclude(id, Outcome::Declined, cause, format!("response {}: {}", response.code, response.en));
        }
        match (response.action, cause) {
            (ResponseAction::SignIn, Some(cause)) => self.keys_refused(cause),
            (ResponseAction::Block, Some(cause)) => {
                self.block(cause, format!("payment refused with {}: {}", response.code, response.en));
            }
            _ => {}
        }
        self.host_asks(asks);
    }

    /// The host's word is final: the outcome and the end of the stand-by reversal go to disk together.
    fn conclude(&mut self, id: TransactionId, outcome: Outcome, cause: Option<Cause>, evidence: String) {
        self.record(Record::ReversalClosed { id, response_code: None });
        self.finish(id, outcome, cause, evidence);
    }

    /// No valid answer to the sale.
    pub(super) fn sale_unanswered(&mut self, id: TransactionId, failure: HostFailure) {
        if let Some(reversal) = self.take_sent(id) {
            if failure.sent {
                return self.open_reversal(id, reversal, ReversalReason::NoAnswer, failure.cause, failure.evidence);
            }
            self.record(Record::ReversalClosed { id, response_code: None });
            return self.finish(id, Outcome::Cancelled, Some(failure.cause), failure.evidence);
        }
        self.end_unsent(Outcome::Cancelled, Some(failure.cause), failure.evidence);
    }

    fn take_sent(&mut self, id: TransactionId) -> Option<ReversalRequest> {
        match self.sale.take() {
            Some(Sale { id: active, step: Step::Authorising { reversal }, .. }) if active == id => Some(*reversal),
            other => {
                self.sale = other;
                None
            }
        }
    }

    fn open_reversal(
        &mut self,
        id: TransactionId,
        mut request: ReversalRequest,
        reason: ReversalReason,
        cause: Cause,
        evidence: String,
    ) {
        request.reason = reason;
        let old = self.state_of(id);
        let view = self.book.update(id, |v| {
            v.state = TransactionState::Reversing;
            v.outcome = Some(Outcome::Unknown);
            v.cause = Some(cause);
            v.evidence = evidence;
        });
        if let Some(view) = view {
            self.record(Record::Changed { view: Box::new((*view).clone()) });
        }
        self.record(Record::ReversalDue { id, reason });
        self.reversals.push(id, request, self.now.mono);
        self.prompt_for(id, Prompt::Unknown);
        self.tell_moved(id, old, TransactionState::Reversing);
        self.tell_finished(id, Outcome::Unknown);
    }

    /// Ends the payment in hand before anything was sent, and frees its devices.
    pub(super) fn end_unsent(&mut self, outcome: Outcome, cause: Option<Cause>, evidence: String) {
        let Some(sale) = self.sale.take() else { return };
        match sale.step {
            Step::Confirming | Step::EnteringPin { .. } => self.act(Action::StopEntry),
            Step::Presenting { .. } => self.act(Action::StopPolling),
            Step::Connecting { .. } => self.leave_line(sale.id),
            Step::Authorising { .. } => {
                // Sent: it cannot be ended here.
                self.sale = Some(sale);
                return;
            }
        }
        self.finish(sale.id, outcome, cause, evidence);
    }

    fn leave_line(&mut self, id: TransactionId) {
        if self.line == Line::Reaching(Purpose::Sale(id)) {
            self.line = Line::Idle;
            self.act(Action::LeaveHost);
        }
    }

    /// Writes the end of a payment and tells everybody.
    pub(super) fn finish(&mut self, id: TransactionId, outcome: Outcome, cause: Option<Cause>, evidence: String) {
        let old = self.state_of(id);
        let at = self.now.wall;
        let Some(mut view) = self.book.get(id).cloned() else { return };
        view.state = TransactionState::Finished;
        view.outcome = Some(outcome);
        view.cause = cause;
        view.evidence = evidence;
        view.finished_at = Some(at);
        let connection = view.owner.connection.clone();
        let prompt = match outcome {
            Outcome::Approved | Outcome::ApprovedOffline => Prompt::Approved(view.money),
            Outcome::Declined => {
                let (zh, en) = view.response_text.clone().unwrap_or(("交易被拒绝".into(), "Declined".into()));
                Prompt::Declined { zh, en }
            }
            Outcome::Cancelled => Prompt::Cancelled,
            Outcome::Unknown => Prompt::Unknown,
        };
        self.record(Record::Changed { view: Box::new(view.clone()) });
        self.prompt_for(id, prompt);
        self.book.update(id, |v| *v = view);
        self.act(Action::Tell(Signal::TransactionStateChanged {
            id,
            connection: connection.clone(),
            old,
            new: TransactionState::Finished,
        }));
        self.act(Action::Tell(Signal::TransactionFinished { id, connection, outcome }));
    }

    /// `Cancel`.
    pub(super) fn cancel_asked(&mut self, command: CommandId, caller: &Caller, id: TransactionId) {
        let state = match self.book.owned(caller, id) {
            Ok(view) => view.state,
            Err(refusal) => return self.refuse(command, refusal),
        };
        match state {
            TransactionState::Finished => {}
            TransactionState::Authorising | TransactionState::Reversing => {
                let text = "the request has left; wait for the result";
                return self.refuse(command, Refusal::new(RefusalKind::WrongState, text));
            }
            TransactionState::Created
            | TransactionState::AwaitingConfirmation
            | TransactionState::AwaitingCard
            | TransactionState::AwaitingPin
            | TransactionState::Connecting => self.drop_unsent(id, "cancelled by the app"),
        }
        self.act(Action::Reply(command, Ok(Reply::Done)));
    }

    /// Ends a payment of which nothing has been sent, whether it is in hand or only created.
    pub(super) fn drop_unsent(&mut self, id: TransactionId, why: &str) {
        if self.sale.as_ref().is_some_and(|s| s.id == id) {
            self.end_unsent(Outcome::Cancelled, None, why.to_owned());
        } else if self.state_of(id) == TransactionState::Created {
            self.finish(id, Outcome::Cancelled, None, why.to_owned());
        }
    }

    /// The keypad entry of the payment in hand ended without a result.
    pub(super) fn entry_ended(&mut self, cause: Option<Cause>, why: &str) {
        if matches!(&self.sale, Some(Sale { step: Step::Confirming | Step::EnteringPin { .. }, .. })) {
            self.end_unsent(Outcome::Cancelled, cause, why.to_owned());
        }
    }

    /// A step took too long.
    pub(super) fn expire_sale(&mut self) {
        let Some(Sale { deadline: Some(deadline), step, .. }) = &self.sale else { return };
        if *deadline > self.now.mono {
            return;
        }
        match step {
            Step::Presenting { .. } => self.card_failed(TapFailure::NoCard),
            Step::Connecting { .. } => {
                let evidence = "the line to the host did not become free in time".to_owned();
                self.end_unsent(Outcome::Cancelled, Some(Cause::B06), evidence);
            }
            Step::Confirming | Step::EnteringPin { .. } | Step::Authorising { .. } => {}
        }
    }

    /// The reader failed: a payment that waits for a card cannot go on.
    pub(super) fn reader_lost(&mut self) {
        if matches!(&self.sale, Some(Sale { step: Step::Presenting { .. }, .. })) {
            self.card_failed(TapFailure::ReaderFailed);
        }
    }
}
