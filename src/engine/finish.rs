//! How a payment ends: answered, cancelled by somebody, or given up before anything was sent.

use crate::domain::cause::Cause;
use crate::domain::ids::TransactionId;
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::engine::action::Action;
use crate::engine::command::{Caller, CommandId, Refusal, RefusalKind, Reply};
use crate::engine::line::{Line, Purpose};
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::sale::{Sale, Step};
use crate::engine::snapshot::TransactionView;

impl Engine {
    /// Ends the payment in hand before anything was sent, and frees its devices.
    pub(super) fn end_unsent(&mut self, outcome: Outcome, cause: Option<Cause>, evidence: String) {
        // Sent, or before the store: it cannot be ended here.
        let unsent = self.sale.take_if(|s| !matches!(s.step, Step::Authorising { .. } | Step::Storing { .. }));
        let Some(sale) = unsent else { return };
        match sale.step {
            Step::Confirming | Step::EnteringPin { .. } => self.act(Action::StopEntry),
            Step::Presenting { .. } => self.act(Action::StopPolling),
            Step::Preparing | Step::Connecting { .. } | Step::Authorising { .. } | Step::Storing { .. } => {}
        }
        self.need_no_line(sale.id);
        self.finish(sale.id, outcome, cause, evidence);
    }

    /// Gives up the connection that is being made for a payment.
    pub(super) fn need_no_line(&mut self, id: TransactionId) {
        if let Line::Reaching { purpose, .. } = self.line
            && purpose == Purpose::Sale(id)
        {
            self.leave_line();
        }
    }

    /// Writes the end of a payment and tells everybody.
    pub(super) fn finish(&mut self, id: TransactionId, outcome: Outcome, cause: Option<Cause>, evidence: String) {
        let Some(mut view) = self.book.get(id).cloned() else { return };
        view.state = TransactionState::Finished;
        view.outcome = Some(outcome);
        view.cause = cause;
        view.evidence = evidence;
        view.finished_at = Some(self.now.wall);
        let prompt = match outcome {
            Outcome::Approved => Prompt::Approved(view.money),
            Outcome::ApprovedOffline => Prompt::ApprovedOffline(view.money),
            Outcome::Declined => {
                let (zh, en) = view.response_text.clone().unwrap_or(("交易被拒绝".into(), "Declined".into()));
                Prompt::Declined { zh, en }
            }
            Outcome::Cancelled => Prompt::Cancelled,
            Outcome::Unknown => Prompt::Unknown,
        };
        // A payment that only waited to be started has never been on the display.
        if self.state_of(id) != TransactionState::Created {
            self.show_result(id, prompt);
        }
        self.close_payment(view);
    }

    /// The end of a payment goes to disk and is told to its owner.
    pub(super) fn close_payment(&mut self, view: TransactionView) {
        let id = view.id;
        let old = self.state_of(id);
        let connection = view.owner.connection.clone();
        let outcome = view.outcome.unwrap_or(Outcome::Unknown);
        self.record(Record::Changed { view: Box::new(view.clone()) });
        // The object may go with this, if its owner has acknowledged it already.
        self.book.update(id, |v| *v = view);
        self.tell_closed(id, connection, old, outcome);
    }

    /// `Cancel`.
    pub(super) fn cancel_asked(&mut self, command: CommandId, caller: &Caller, id: TransactionId) {
        let state = match self.book.owned(caller, id) {
            Ok(view) => view.state,
            Err(refusal) => return self.refuse(command, refusal),
        };
        match state {
            TransactionState::Finished => {}
            TransactionState::Authorising | TransactionState::Reversing | TransactionState::Storing => {
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

    /// Cancel was pressed on the keypad. That counts also while it asks for nothing.
    pub(super) fn cancel_pressed(&mut self) {
        match &self.sale {
            Some(Sale { step: Step::Preparing | Step::Presenting { .. }, .. }) => {
                self.end_unsent(Outcome::Cancelled, None, "cancelled at the keypad".to_owned());
            }
            Some(_) | None => self.entry_over(None, "cancelled at the keypad"),
        }
    }

    /// The keypad entry of the payment in hand ended without a result.
    pub(super) fn entry_ended(&mut self, cause: Option<Cause>, why: &str) {
        if matches!(&self.sale, Some(Sale { step: Step::Confirming | Step::EnteringPin { .. }, .. })) {
            self.end_unsent(Outcome::Cancelled, cause, why.to_owned());
        }
    }
}
