//! Script reports (0620): an issuer's script that comes with an answer finds the contactless card gone, and the host has
//! to know. Sent before the next reversal or payment, once, answered or not (protocol reference, §2 and §5).

use std::collections::VecDeque;

use crate::domain::host::{HostRequest, ReversalRequest, SaleAnswer};
use crate::domain::ids::TransactionId;
use crate::domain::offline::ScriptReport;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::machine::Engine;
use crate::engine::record::{OpenScript, Record};
use crate::engine::settings::REVERSAL_BACKOFF;

/// The reports that wait, oldest first.
pub struct Scripts {
    queue: VecDeque<OpenScript>,
    attempts: u32,
    not_before: Instant,
}

impl Scripts {
    /// As the store has them; due at once.
    pub fn recovered(stored: Vec<OpenScript>, now: Instant) -> Self {
        Self { queue: stored.into(), attempts: 0, not_before: now }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The first, if its time has come.
    pub fn due(&self, now: Instant) -> Option<TransactionId> {
        self.queue.front().filter(|_| self.not_before <= now).map(|s| s.id)
    }

    /// When the first is to be tried.
    pub fn deadline(&self) -> Option<Instant> {
        self.queue.front().map(|_| self.not_before)
    }

    /// Tries at once.
    pub fn hurry(&mut self, now: Instant) {
        self.not_before = now;
    }
}

impl Engine {
    /// The answer to a payment carries a script for its card.
    pub(super) fn script_came(
        &mut self,
        id: TransactionId,
        sent: &ReversalRequest,
        tags: SecretBytes,
        answer: &SaleAnswer,
    ) {
        let date = answer.host_date.clone().unwrap_or_else(|| {
            let today = self.now.wall.civil(self.settings.utc_offset_minutes);
            format!("{:02}{:02}", today.month, today.day)
        });
        let report = ScriptReport {
            original: (sent.stan, sent.batch, date),
            money: sent.money,
            pan: sent.pan.clone(),
            sequence_number: sent.sequence_number,
            pin_sent: sent.pin_sent,
            acquirer: answer.acquirer.clone(),
            rrn: answer.rrn.clone(),
            auth_code: answer.auth_code.clone(),
            tags,
        };
        self.record(Record::ScriptDue { id, report: Box::new(report.clone()) });
        self.scripts.queue.push_back(OpenScript { id, report });
        self.scripts.hurry(self.now.mono);
    }

    /// The line stands: the report leaves, and that is all.
    pub(super) fn send_script(&mut self, id: TransactionId) {
        match self.scripts.queue.pop_front() {
            Some(script) if script.id == id => {
                self.scripts.attempts = 0;
                let stan = self.take_stan();
                self.record(Record::ScriptSent { id, next: self.next_stan });
                self.act(Action::AskHost(HostRequest::ScriptReport { stan, report: Box::new(script.report) }));
            }
            other => {
                if let Some(script) = other {
                    self.scripts.queue.push_front(script);
                }
                self.leave_line();
            }
        }
    }

    /// The host could not be reached: the report has not left and stays.
    pub(super) fn script_unsent(&mut self) {
        let wait = self.jitter.back_off(self.scripts.attempts, REVERSAL_BACKOFF);
        self.scripts.attempts = self.scripts.attempts.saturating_add(1);
        self.scripts.not_before = self.now.mono.after(wait);
    }
}
