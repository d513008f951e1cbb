//! What people and apps are told: prompts on the display, signals to a payment's owner.

use crate::domain::ids::TransactionId;
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::engine::action::Action;
use crate::engine::machine::Engine;
use crate::engine::settings::RESULT_SHOWN;
use crate::engine::signal::Signal;

impl Engine {
    /// Shows a prompt to whoever stands there.
    pub(super) fn show(&mut self, prompt: Prompt) {
        self.prompt_until = None;
        if self.prompt != prompt {
            self.prompt = prompt.clone();
            self.act(Action::Show(prompt));
        }
    }

    pub(super) fn show_idle(&mut self) {
        if self.sale.is_none() {
            self.show(Prompt::Idle);
        }
    }

    pub(super) fn prompt_is(&self, prompt: &Prompt) -> bool {
        self.prompt == *prompt
    }

    /// Shows how a payment ended, for a while. An open result stays until it is settled.
    pub(super) fn show_result(&mut self, id: TransactionId, prompt: Prompt) {
        let until = (prompt != Prompt::Unknown).then(|| self.now.mono.after(RESULT_SHOWN));
        self.prompt_for(id, prompt);
        self.prompt_until = until;
    }

    /// Takes a result off the display when it has been there long enough.
    pub(super) fn expire_prompt(&mut self) {
        if self.prompt_until.is_some_and(|t| t <= self.now.mono) {
            self.prompt_until = None;
            self.show_idle();
        }
    }

    /// Shows a prompt of the payment in hand, and tells its owner.
    pub(super) fn prompt(&mut self, prompt: Prompt) {
        if let Some(id) = self.sale.as_ref().map(|s| s.id) {
            self.prompt_for(id, prompt);
        }
    }

    pub(super) fn prompt_for(&mut self, id: TransactionId, prompt: Prompt) {
        if let Some(connection) = self.book.get(id).map(|v| v.owner.connection.clone()) {
            self.act(Action::Tell(Signal::PromptChanged { id, connection, prompt: prompt.clone() }));
        }
        self.show(prompt);
    }

    /// How many digits are in.
    pub(super) fn entry_progressed(&mut self, digits: u8) {
        match &self.prompt {
            Prompt::EnterPin { .. } => self.prompt(Prompt::EnterPin { digits }),
            Prompt::EnterOperator { .. } => self.show(Prompt::EnterOperator { digits }),
            Prompt::EnterPassword { .. } => self.show(Prompt::EnterPassword { digits }),
            Prompt::Idle
            | Prompt::ConfirmAmount(_)
            | Prompt::PresentCard(_)
            | Prompt::PresentAgain(_)
            | Prompt::RemoveCard
            | Prompt::Wait
            | Prompt::Approved(_)
            | Prompt::ApprovedOffline(_)
            | Prompt::Declined { .. }
            | Prompt::Cancelled
            | Prompt::Unknown
            | Prompt::EnterComponent { .. } => {}
        }
    }

    pub(super) fn state_of(&self, id: TransactionId) -> TransactionState {
        self.book.get(id).map_or(TransactionState::Finished, |v| v.state)
    }

    /// Moves a payment on where nothing has to be on disk for it: nothing has been sent yet.
    pub(super) fn move_to(&mut self, id: TransactionId, new: TransactionState) {
        let old = self.state_of(id);
        self.book.update(id, |v| v.state = new);
        self.tell_moved(id, old, new);
    }

    pub(super) fn tell_moved(&mut self, id: TransactionId, old: TransactionState, new: TransactionState) {
        if let Some(connection) = self.book.get(id).map(|v| v.owner.connection.clone()) {
            self.act(Action::Tell(Signal::TransactionStateChanged { id, connection, old, new }));
        }
    }

    pub(super) fn tell_finished(&mut self, id: TransactionId, outcome: Outcome) {
        if let Some(connection) = self.book.get(id).map(|v| v.owner.connection.clone()) {
            self.act(Action::Tell(Signal::TransactionFinished { id, connection, outcome }));
        }
    }

    /// The last word on a payment, whose object may be gone already.
    pub(super) fn tell_closed(
        &mut self,
        id: TransactionId,
        connection: String,
        old: TransactionState,
        outcome: Outcome,
    ) {
        let new = TransactionState::Finished;
        self.act(Action::Tell(Signal::TransactionStateChanged { id, connection: connection.clone(), old, new }));
        self.act(Action::Tell(Signal::TransactionFinished { id, connection, outcome }));
    }
}
