//! What a scanned code leads to: an operator signs in, a payment is on file, or nothing comes of it and somebody is told why.
//!
//! This is the way in for customers' payment codes, too. No payment waits for one yet: until one does, the code is wiped
//! and the answer says so. Nobody is told what was scanned, only its kind and what became of it.

use crate::domain::cause::Cause;
use crate::domain::scan::{OperatorCode, Scan, ScanAnswer, ScanKind};
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Refusal};
use crate::engine::machine::Engine;
use crate::engine::operator::{Asker, Pending};
use crate::engine::settings::PASSWORD_WAIT;
use crate::engine::signal::Signal;

impl Engine {
    /// A code was scanned. `on_file`: the store knows a payment of this code.
    pub(super) fn code_scanned(&mut self, scan: Scan, on_file: bool) {
        let kind = scan.kind();
        let answer = match scan {
            Scan::Operator(code) => return self.operator_code(code),
            Scan::DamagedOperator | Scan::DamagedTransaction => ScanAnswer::Damaged,
            Scan::Payment { .. } => ScanAnswer::NoPaymentWaits,
            Scan::Transaction(_) if on_file => ScanAnswer::Found,
            Scan::Transaction(_) => ScanAnswer::NotFound,
            Scan::Unknown => ScanAnswer::Meaningless,
        };
        self.answer_scan(kind, answer, answer.cause(kind));
    }

    fn answer_scan(&mut self, kind: ScanKind, answer: ScanAnswer, cause: Option<Cause>) {
        self.act(Action::Tell(Signal::CodeScanned { kind, answer, cause }));
    }

    /// The same way in as a password: the same checks before, the same count of tries.
    fn operator_code(&mut self, code: OperatorCode) {
        let OperatorCode { operator, secret } = code;
        if self.scanner.inhibited_by.is_some() || self.passwords_free().is_err() {
            return self.answer_scan(ScanKind::Operator, ScanAnswer::NotNow, None);
        }
        match self.may_check_code(&operator) {
            Ok(hash) => {
                let (id, asker) = (CommandId(0), Asker::Scanner);
                let until = self.now.mono.after(PASSWORD_WAIT);
                self.operators.begin(Pending::Checking { id, operator, asker }, until);
                self.act(Action::CheckPassword { id, hash, password: secret });
            }
            Err(refusal) => {
                self.operators.troubled(refusal.cause);
                self.operator_code_refused(refusal.cause);
            }
        }
    }

    pub(super) fn operator_code_refused(&mut self, cause: Option<Cause>) {
        self.answer_scan(ScanKind::Operator, ScanAnswer::Refused, cause);
    }

    /// The check of a scanned operator code is over.
    pub(super) fn operator_code_checked(&mut self, result: Result<(), &Refusal>) {
        match result {
            Ok(()) => self.answer_scan(ScanKind::Operator, ScanAnswer::SignedIn, None),
            Err(refusal) => self.operator_code_refused(refusal.cause),
        }
    }
}
