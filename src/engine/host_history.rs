//! How the exchanges with the host went, and the better name that a diagnosis has found for their failure.
//!
//! A diagnosis comes from outside and late. It may rename a failure that is still the present one, and the same failure
//! when it comes again; an answer of the host, or a failure of another kind, ends that.

use crate::domain::cause::Cause;
use crate::domain::host::HostFailure;
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Refinement, Reply};
use crate::engine::machine::Engine;
use crate::engine::sign_in::State;
use crate::engine::snapshot::HostView;

/// What is remembered.
#[derive(Default)]
pub struct HostHistory {
    /// For readers.
    pub view: HostView,
    refinement: Option<Refinement>,
}

impl HostHistory {
    /// A valid answer came.
    pub fn answered(&mut self) {
        self.view.answers = self.view.answers.saturating_add(1);
        self.view.failure = None;
        self.refinement = None;
    }

    /// An exchange failed; under its better name, if one is known.
    pub fn failed(&mut self, failure: HostFailure) -> HostFailure {
        self.view.failures = self.view.failures.saturating_add(1);
        self.refinement.take_if(|known| known.was != failure.cause);
        self.view.failure = Some(failure.clone());
        match &self.refinement {
            Some(Refinement { found, evidence, .. }) => {
                HostFailure { cause: *found, evidence: evidence.clone(), ..failure }
            }
            None => failure,
        }
    }

    fn current(&self) -> Option<Cause> {
        self.view.failure.as_ref().map(|failure| failure.cause)
    }
}

impl Engine {
    /// A diagnosis has ended.
    pub(super) fn diagnosed(&mut self, id: CommandId, refinement: Refinement) {
        // Overtaken by an answer, or by a failure of another kind: it says nothing about that.
        if self.host.current() == Some(refinement.was) {
            let known = self.host.refinement.as_ref().map_or(refinement.was, |known| known.found);
            if let State::Wanted { cause, .. } = &mut self.sign_in.state
                && *cause == Some(known)
            {
                *cause = Some(refinement.found);
                self.sign_in.evidence.clone_from(&refinement.evidence);
            }
            if self.reversals.trouble == Some(known) {
                self.reversals.trouble = Some(refinement.found);
            }
            self.host.refinement = Some(refinement);
        }
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }
}
