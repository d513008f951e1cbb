//! Who uses the line to the host: one exchange at a time, in the order the rules demand.

use crate::domain::host::{HostAnswer, HostFailure, HostRequest};
use crate::domain::ids::TransactionId;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;

/// What an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// 0800.
    SignIn,
    /// 0820 / 002, for this caller.
    SignOut(CommandId),
    /// 0820 / 301, for this caller.
    Echo(CommandId),
    /// 0400 of this payment.
    Reversal(TransactionId),
    /// 0200 of this payment.
    Sale(TransactionId),
}

/// What the line is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Free.
    Idle,
    /// A connection is being made; nothing has been sent.
    Reaching(Purpose),
    /// A request has left.
    Asking(Purpose, Instant),
}

impl Engine {
    /// Gives the free line to whoever is next: sign-in, then reversals, then the sale, then errands.
    pub(super) fn next_on_line(&mut self) {
        if self.line != Line::Idle {
            return;
        }
        let now = self.now.mono;
        let purpose = if self.sign_in_due() {
            Some(Purpose::SignIn)
        } else if let Some(id) = self.reversals.due(now).filter(|_| self.sign_in.is_on()) {
            Some(Purpose::Reversal(id))
        } else if let Some(id) = self.sale_ready().filter(|_| self.reversals.is_empty()) {
            Some(Purpose::Sale(id))
        } else {
            self.errands.pop_front()
        };
        if let Some(purpose) = purpose {
            self.line = Line::Reaching(purpose);
            self.act(Action::ReachHost);
        }
    }

    /// The connection stands.
    pub(super) fn host_reached(&mut self) {
        let Line::Reaching(purpose) = self.line else { return };
        self.line = Line::Asking(purpose, self.now.mono);
        match purpose {
            Purpose::SignIn => self.send_sign_in(),
            Purpose::SignOut(_) => {
                let stan = self.take_stan();
                self.record(crate::engine::record::Record::TraceTaken { next: self.next_stan });
                self.act(Action::AskHost(HostRequest::SignOut { stan, batch: self.batch }));
            }
            Purpose::Echo(_) => self.act(Action::AskHost(HostRequest::Echo { batch: self.batch })),
            Purpose::Reversal(id) => self.send_reversal(id),
            Purpose::Sale(id) => self.send_sale(id),
        }
    }

    /// A matched answer came.
    pub(super) fn host_replied(&mut self, answer: HostAnswer) {
        let Line::Asking(purpose, since) = self.line else { return };
        self.line = Line::Idle;
        match (purpose, answer) {
            (Purpose::SignIn, HostAnswer::SignIn(answer)) => self.sign_in_answered(answer),
            (Purpose::Sale(id), HostAnswer::Sale(answer)) => self.sale_answered(id, answer),
            (Purpose::Reversal(id), HostAnswer::Reversal { response, mac, asks }) => {
                self.reversal_answered(id, &response, mac);
                self.host_asks(asks);
            }
            (Purpose::SignOut(id), HostAnswer::SignOut(_)) => self.signed_out(id),
            (Purpose::Echo(id), HostAnswer::Echo(_)) => {
                let milliseconds = u64::try_from(self.now.mono.since(since).as_millis()).unwrap_or(u64::MAX);
                self.act(Action::Reply(id, Ok(Reply::Echo { milliseconds })));
            }
            // The host machine matches answers to requests, so this is a fault of ours: treat it as no answer.
            (purpose, _) => {
                let failure = HostFailure {
                    cause: crate::domain::cause::Cause::B06,
                    sent: true,
                    evidence: "the answer does not fit the request".to_owned(),
                };
                self.fail_purpose(purpose, failure);
            }
        }
    }

    /// No connection, or no valid answer.
    pub(super) fn host_failed(&mut self, failure: HostFailure) {
        match self.line {
            Line::Idle => {}
            Line::Reaching(purpose) | Line::Asking(purpose, _) => {
                self.line = Line::Idle;
                self.fail_purpose(purpose, failure);
            }
        }
    }

    fn fail_purpose(&mut self, purpose: Purpose, failure: HostFailure) {
        match purpose {
            Purpose::SignIn => self.sign_in_failed(failure),
            Purpose::Sale(id) => self.sale_unanswered(id, failure),
            Purpose::Reversal(id) => self.reversal_unanswered(id, failure),
            Purpose::SignOut(id) => self.signed_out(id),
            Purpose::Echo(id) => {
                let kind = if failure.sent { RefusalKind::HostTimeout } else { RefusalKind::HostUnreachable };
                self.refuse(id, Refusal::because(kind, failure.cause, failure.evidence));
            }
        }
    }
}
