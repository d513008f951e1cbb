//! The payment's request and what comes of it: sent, answered, unanswered, to be reversed.
//!
//! Trace, code, request and reversal are one commit, and the outcome and the end of the reversal are one commit. So at
//! every moment the disk holds either a payment that was certainly not sent, or what takes it back, or its outcome.

use crate::domain::cause::Cause;
use crate::domain::host::{
    HostFailure, HostRequest, MacCheck, ReversalReason, ReversalRequest, SaleAnswer, SaleRequest,
};
use crate::domain::ids::{TransactionCode, TransactionId};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::response::{Response, ResponseAction};
use crate::domain::secret::SecretBytes;
use crate::engine::action::Action;
use crate::engine::answer::cause_of;
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::sale::{Sale, Step};

impl Engine {
    /// The line stands: trace, reversal and request go to disk together, then the request leaves.
    pub(super) fn send_sale(&mut self, id: TransactionId) {
        let (money, confirm, card, pin_block) = match self.sale.take() {
            Some(Sale { id: active, money, confirm, step: Step::Connecting { card, pin_block }, .. })
                if active == id =>
            {
                (money, confirm, card, pin_block)
            }
            other => {
                // Cancelled while the connection was being made.
                self.sale = other;
                return self.leave_line();
            }
        };
        let stan = self.take_stan();
        let batch = self.batch;
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
        let Some(view) = view else { return self.leave_line() };
        self.record(Record::Sent { view: Box::new((*view).clone()), next: self.next_stan, reversal: reversal.clone() });
        let script_tags = card.script_tags.clone();
        let request = SaleRequest { stan, batch, money, card: *card, pin_block };
        self.act(Action::AskHost(HostRequest::Sale(Box::new(request))));
        self.tell_moved(id, old, TransactionState::Authorising);
        self.sale = Some(Sale {
            id,
            money,
            confirm,
            offline: false,
            step: Step::Authorising { reversal, script_tags },
            deadline: None,
        });
    }

    /// 0210 came.
    pub(super) fn sale_answered(&mut self, id: TransactionId, answer: SaleAnswer) {
        let Some((mut reversal, script_tags)) = self.take_sent(id) else { return };
        let response = answer.response.clone();
        // An approval without a good MAC is nobody's word, whatever the acquirer's profile says is due.
        if answer.mac == MacCheck::Bad || (response.approved() && answer.mac != MacCheck::Good) {
            let evidence = "the answer's MAC is wrong; it is not believed".to_owned();
            self.open_reversal(id, reversal, ReversalReason::WrongMac, Cause::K01, evidence);
            return self.keys_refused(Cause::K01, "payment: the answer's MAC is wrong".to_owned());
        }
        self.book.update(id, |v| {
            v.rrn = answer.rrn.clone();
            v.auth_code = answer.auth_code.clone();
            v.response_code = Some(response.code.clone());
            v.response_text = Some((response.zh.clone(), response.en.clone()));
        });
        let evidence = format!("response {}: {}", response.code, response.en);
        if response.action == ResponseAction::Reverse {
            let reason = if response.approved() { ReversalReason::CouldNotFinish } else { ReversalReason::NoAnswer };
            reversal.auth_code = answer.auth_code;
            self.open_reversal(id, reversal, reason, Cause::B06, evidence);
        } else if response.approved() {
            if answer.issuer_script {
                self.script_came(id, &reversal, script_tags, &answer);
            }
            self.conclude(id, Outcome::Approved, None, String::new());
        } else {
            self.conclude(id, Outcome::Declined, cause_of(&response), evidence);
        }
        self.heed(&response);
        self.host_asks(answer.asks);
    }

    /// What a response says about keys and terminal, apart from the payment it answers.
    fn heed(&mut self, response: &Response) {
        let evidence = format!("payment refused with {}: {}", response.code, response.en);
        match response.action {
            // Only a host that has checked our MAC says anything about the card.
            ResponseAction::None | ResponseAction::Reverse => self.sign_in.keys_proved(),
            ResponseAction::SignIn => self.keys_refused(cause_of(response).unwrap_or(Cause::K01), evidence),
            ResponseAction::Block => self.stop_sign_in(cause_of(response).unwrap_or(Cause::B02), evidence),
            ResponseAction::Later | ResponseAction::Software => {}
        }
    }

    /// The host's word is final: the outcome and the end of the stand-by reversal go to disk together.
    fn conclude(&mut self, id: TransactionId, outcome: Outcome, cause: Option<Cause>, evidence: String) {
        self.record(Record::ReversalClosed { id, response_code: None });
        self.finish(id, outcome, cause, evidence);
    }

    /// No valid answer to the sale.
    pub(super) fn sale_unanswered(&mut self, id: TransactionId, failure: HostFailure) {
        match self.take_sent(id) {
            Some((reversal, _)) if failure.sent => {
                self.open_reversal(id, reversal, ReversalReason::NoAnswer, failure.cause, failure.evidence);
            }
            Some(_) => self.conclude(id, Outcome::Cancelled, Some(failure.cause), failure.evidence),
            None if self.sale.as_ref().is_some_and(|s| s.id == id) => {
                self.end_unreached(failure.cause, failure.evidence);
            }
            // It is over; another one may be in hand.
            None => {}
        }
    }

    fn take_sent(&mut self, id: TransactionId) -> Option<(ReversalRequest, SecretBytes)> {
        let sent = self.sale.take_if(|s| s.id == id && matches!(s.step, Step::Authorising { .. }))?;
        match sent.step {
            Step::Authorising { reversal, script_tags } => Some((*reversal, script_tags)),
            Step::Preparing
            | Step::Confirming
            | Step::Presenting { .. }
            | Step::EnteringPin { .. }
            | Step::Connecting { .. }
            | Step::Storing { .. } => None,
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
}
