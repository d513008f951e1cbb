//! How payments come to have an object on the bus: created, found again, acknowledged.

use crate::domain::cause::Cause;
use crate::domain::ids::{IdempotencyKey, TransactionCode, TransactionId};
use crate::domain::outcome::TransactionState;
use crate::engine::action::Action;
use crate::engine::command::{Caller, CommandId, NewTransaction, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::snapshot::TransactionView;

impl Engine {
    /// `CreateTransaction`: the same key and arguments find the same payment, other arguments are refused.
    pub(super) fn create_asked(
        &mut self,
        id: CommandId,
        new: NewTransaction,
        stored: Option<Box<(TransactionView, String)>>,
    ) {
        let fingerprint = new.fingerprint();
        let known = self.book.by_key(new.caller.uid, &new.key).map(|(found, print)| (found, print == fingerprint));
        // The store is asked every time; a payment taken up after a restart has its fingerprint only there.
        let same = stored.as_ref().map(|s| s.1 == fingerprint).or(known.map(|k| k.1));
        if same == Some(false) {
            let text = "this idempotency key was used with other arguments; take a new key for a new payment";
            return self.refuse(id, Refusal::new(RefusalKind::IdempotencyMismatch, text));
        }
        if let Some((found, _)) = known {
            self.book.adopt(found, &new.caller);
            return self.act(Action::Reply(id, Ok(Reply::Transaction(found))));
        }
        if let Some(stored) = stored {
            return self.found(id, Some((TransactionView { owner: new.caller, ..stored.0 }, stored.1)));
        }
        if let Err(refusal) = self.may_create(&new) {
            return self.refuse(id, refusal);
        }
        self.create(id, new, fingerprint);
    }

    fn may_create(&self, new: &NewTransaction) -> Result<(), Refusal> {
        if new.money.currency != self.settings.currency {
            let text = format!("this terminal settles in {} only", self.settings.currency);
            return Err(Refusal::new(RefusalKind::InvalidArgument, text));
        }
        if new.money.amount.minor() > self.settings.max_amount {
            let text = format!("at most {} minor units per payment (acquirer profile)", self.settings.max_amount);
            return Err(Refusal::new(RefusalKind::LimitExceeded, text));
        }
        if let Some(refusal) = self.stands_still("no payment is taken") {
            return Err(refusal);
        }
        self.book.room_for(new.caller.uid)
    }

    fn create(&mut self, command: CommandId, new: NewTransaction, fingerprint: String) {
        let id = self.next_id;
        self.next_id = TransactionId(id.0.saturating_add(1));
        let (confirm, detached) = (new.confirm_amount, new.detached);
        let view = TransactionView::new(id, new, self.now.wall);
        self.record(Record::Created { view: Box::new(view.clone()), fingerprint: fingerprint.clone() });
        let start_by = self.now.mono.after(self.settings.start_wait);
        self.book.insert(view, fingerprint, confirm, Some(start_by));
        if detached {
            self.book.detach(id);
        }
        self.act(Action::Reply(command, Ok(Reply::Transaction(id))));
    }

    /// Answers with a payment from the store, giving it an object again.
    pub(super) fn found(&mut self, command: CommandId, stored: Option<(TransactionView, String)>) {
        let Some((view, fingerprint)) = stored else {
            let refusal = Refusal::because(RefusalKind::NotFound, Cause::O04, "no payment with this key or code");
            return self.refuse(command, refusal);
        };
        let id = view.id;
        if self.book.get(id).is_none() {
            self.book.insert(view, fingerprint, None, None);
        }
        self.act(Action::Reply(command, Ok(Reply::Transaction(id))));
    }

    /// `FindTransaction` by key.
    pub(super) fn find_by_key(
        &mut self,
        command: CommandId,
        caller: Caller,
        key: &IdempotencyKey,
        stored: Option<(TransactionView, String)>,
    ) {
        match self.book.by_key(caller.uid, key).map(|found| found.0) {
            Some(found) => {
                self.book.adopt(found, &caller);
                self.act(Action::Reply(command, Ok(Reply::Transaction(found))));
            }
            None => self.found(command, stored.map(|(v, print)| (TransactionView { owner: caller, ..v }, print))),
        }
    }

    /// `FindTransaction` by code. Signals stay with the owner.
    pub(super) fn find_by_code(
        &mut self,
        command: CommandId,
        code: &TransactionCode,
        stored: Option<(TransactionView, String)>,
    ) {
        match self.book.by_code(code) {
            Some(found) => self.act(Action::Reply(command, Ok(Reply::Transaction(found)))),
            None => self.found(command, stored),
        }
    }

    /// `Acknowledge`.
    pub(super) fn acknowledge_asked(&mut self, command: CommandId, caller: &Caller, id: TransactionId) {
        match self.book.owned(caller, id).map(|v| v.state) {
            Ok(TransactionState::Finished | TransactionState::Reversing) => {
                self.book.acknowledge(id);
                self.act(Action::Reply(command, Ok(Reply::Done)));
            }
            Ok(state) => {
                let text = format!("this payment is {state}; only a finished one can be acknowledged");
                self.refuse(command, Refusal::new(RefusalKind::WrongState, text));
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }
}
