//! What a person decides about what is unsent: hold it, send it again, give it up, or go on without it. On record.

use crate::domain::cause::Cause;
use crate::domain::offline::{Forwarding, Resolution, ReversalStanding};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::engine::action::Action;
use crate::engine::command::{Caller, CommandId, Refusal, RefusalKind, Reply};
use crate::engine::line::Purpose;
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::snapshot::TransactionView;

impl Engine {
    /// `Hold`: a payment is not sent until a person decides.
    pub(super) fn hold_asked(&mut self, id: CommandId, caller: &Caller, note: &str, found: Option<TransactionView>) {
        let mut view = match self.decidable(found) {
            Ok(view) => view,
            Err(refusal) => return self.refuse(id, refusal),
        };
        if view.forwarding != Some(Forwarding::Waiting) {
            let text = "only a payment that was accepted offline and waits to be sent can be held";
            return self.refuse(id, Refusal::new(RefusalKind::WrongState, text));
        }
        view.resolution = Some(self.on_record("hold", caller, note));
        let resolution = view.resolution.clone();
        self.book.update(view.id, |v| v.resolution.clone_from(&resolution));
        self.hold(&mut view, None, format!("held by a person: {note}"));
        self.forwarder.look_again(self.now.mono);
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    /// `Resolve`: a supervisor decides about something that is unsent.
    pub(super) fn resolve_asked(
        &mut self,
        id: CommandId,
        caller: &Caller,
        decision: Resolution,
        note: &str,
        found: Option<TransactionView>,
    ) {
        let resolved = self.decidable(found).and_then(|view| match view.state {
            TransactionState::Reversing => self.resolve_reversal(view, caller, decision, note),
            _ => self.resolve_queued(view, caller, decision, note),
        });
        match resolved {
            Ok(()) => self.act(Action::Reply(id, Ok(Reply::Done))),
            Err(refusal) => self.refuse(id, refusal),
        }
    }

    /// The payment, as it is at hand, if a person may decide about it now.
    fn decidable(&self, found: Option<TransactionView>) -> Result<TransactionView, Refusal> {
        if let Some(refusal) = self.stands_still("nothing can be decided") {
            return Err(refusal);
        }
        if !self.operators.supervisor_on_duty() {
            let text = "a supervisor must be signed in to decide about what is unsent";
            return Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O03, text));
        }
        let not_there = || Refusal::because(RefusalKind::NotFound, Cause::O04, "no payment with this code");
        let view = found.ok_or_else(not_there)?;
        let view = self.book.get(view.id).cloned().unwrap_or(view);
        let on_the_line = match self.line.purpose() {
            Some(Purpose::Reversal(id) | Purpose::Upload(id)) => id == view.id,
            Some(Purpose::SignIn | Purpose::SignOut(_) | Purpose::Echo(_) | Purpose::Sale(_) | Purpose::Script(_)) => {
                false
            }
            None => false,
        };
        if on_the_line || self.forwarder.has_sent(view.id) {
            return Err(Refusal::new(RefusalKind::Busy, "it is being sent just now; look again in a minute"));
        }
        Ok(view)
    }

    fn on_record(&self, what: &str, caller: &Caller, note: &str) -> String {
        let operator = self.operators.on_duty.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        format!("{what} by operator {operator}, uid {}: {note}", caller.uid)
    }

    fn resolve_reversal(
        &mut self,
        mut view: TransactionView,
        caller: &Caller,
        decision: Resolution,
        note: &str,
    ) -> Result<(), Refusal> {
        let id = view.id;
        let undecided = "this reversal is still being tried by itself; decide when its tries are used up";
        let waits = match self.reversals.standing(id) {
            Some(ReversalStanding::Held | ReversalStanding::Waived) => true,
            Some(ReversalStanding::Due) | None => false,
        };
        if !waits && decision != Resolution::Retry {
            return Err(Refusal::new(RefusalKind::WrongState, undecided));
        }
        view.resolution = Some(self.on_record(decision.as_str(), caller, note));
        match decision {
            Resolution::Retry => {
                self.reversals.retry(id, self.now.mono);
                self.hurry_sign_in();
            }
            Resolution::Proceed => {
                let standing = ReversalStanding::Waived;
                let attempts = self.reversals.stand(id, standing);
                self.record(Record::ReversalTried { id, attempts, standing });
            }
            Resolution::Abandon => {
                self.reversals.close(id);
                self.record(Record::ReversalClosed { id, response_code: None });
                view.state = TransactionState::Finished;
                view.outcome = Some(Outcome::Unknown);
                view.finished_at = Some(self.wall());
                self.tell_moved(id, TransactionState::Reversing, TransactionState::Finished);
                // The customer was told that the result is open; nothing more will come of it here.
                if self.prompt_is(&Prompt::Unknown) {
                    self.show_idle();
                }
            }
        }
        self.record(Record::Changed { view: Box::new(view.clone()) });
        self.book.update(id, |v| *v = view);
        Ok(())
    }

    fn resolve_queued(
        &mut self,
        mut view: TransactionView,
        caller: &Caller,
        decision: Resolution,
        note: &str,
    ) -> Result<(), Refusal> {
        let unsent = view.forwarding.is_some_and(Forwarding::unsent);
        let next = match decision {
            _ if !unsent => {
                let text = "nothing of this payment is unsent; there is nothing to decide";
                return Err(Refusal::new(RefusalKind::WrongState, text));
            }
            Resolution::Proceed => {
                let text = "proceed is for reversals; this payment can be sent again (retry) or given up (abandon)";
                return Err(Refusal::new(RefusalKind::InvalidArgument, text));
            }
            Resolution::Retry if view.forwarding != Some(Forwarding::Held) => {
                self.forwarder.look_again(self.now.mono);
                self.hurry_sign_in();
                return Ok(());
            }
            Resolution::Retry => Forwarding::Waiting,
            Resolution::Abandon => Forwarding::Abandoned,
        };
        let resolution = Some(self.on_record(decision.as_str(), caller, note));
        self.change_queued(&mut view, |v| {
            v.forwarding = Some(next);
            v.resolution.clone_from(&resolution);
            if next == Forwarding::Abandoned && v.attempts > 0 {
                v.evidence =
                    format!("given up after {} tries: the acquirer may have charged it all the same", v.attempts);
            }
        });
        if next == Forwarding::Abandoned {
            self.record(Record::CardDataWiped { id: view.id });
        }
        self.tell_forwarding(&view, None);
        self.count_queue_anew();
        self.hurry_sign_in();
        Ok(())
    }
}
