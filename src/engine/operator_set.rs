//! Adding operators, changing passwords, ending lock-outs: a supervisor's work.

use crate::domain::cause::Cause;
use crate::domain::ids::OperatorId;
use crate::domain::outcome::Role;
use crate::domain::scan::OperatorCode;
use crate::domain::secret::SecretBytes;
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;
use crate::engine::operator::{Hashed, Pending};
use crate::engine::record::{OperatorRecord, Record};
use crate::engine::settings::PASSWORD_WAIT;

fn password_rule(operator: &OperatorId, password: &SecretBytes) -> Result<(), &'static str> {
    let bytes = password.expose();
    if !(6..=32).contains(&bytes.len()) {
        return Err("a password has 6 to 32 characters");
    }
    if bytes == operator.as_str().as_bytes() {
        return Err("the password must not be the operator number");
    }
    if bytes.windows(2).all(|w| matches!(w, [a, b] if a == b)) {
        return Err("the password must not repeat one character");
    }
    let step = |up: bool| {
        bytes
            .windows(2)
            .all(|w| matches!(w, [a, b] if if up { b.wrapping_sub(*a) == 1 } else { a.wrapping_sub(*b) == 1 }))
    };
    if step(true) || step(false) {
        return Err("the password must not be a run such as 123456");
    }
    Ok(())
}

impl Engine {
    /// `SetOperator`.
    pub(super) fn operator_set(&mut self, id: CommandId, operator: OperatorId, role: Role, password: SecretBytes) {
        if let Err(refusal) = self.may_set(&operator, role, &password) {
            return self.refuse(id, refusal);
        }
        let until = self.now.mono.after(PASSWORD_WAIT);
        self.operators.begin(Pending::Hashing { id, operator, what: Hashed::Password(role) }, until);
        self.act(Action::HashPassword { id, password });
    }

    fn may_set(&self, operator: &OperatorId, role: Role, password: &SecretBytes) -> Result<(), Refusal> {
        self.passwords_free()?;
        password_rule(operator, password).map_err(|text| Refusal::new(RefusalKind::InvalidArgument, text))?;
        if !self.operators.supervisor_set() {
            if role == Role::Operator {
                let text = "the first operator must be a supervisor; use role supervisor";
                return Err(Refusal::new(RefusalKind::WrongState, text));
            }
            return Ok(());
        }
        if !self.operators.supervisor_on_duty() {
            let text = "a supervisor must be signed in to add operators or change passwords";
            return Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O03, text));
        }
        if role == Role::Operator && self.operators.is_last_supervisor(operator) {
            let text = "this is the last supervisor; make another one before taking the role away";
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        Ok(())
    }

    /// `SetOperatorCode`. An earlier code of this operator ends.
    pub(super) fn operator_code_set(&mut self, id: CommandId, operator: OperatorId, secret: SecretBytes) {
        let may = self.passwords_free().and_then(|()| self.may_change_code(&operator));
        let well_formed = OperatorCode::secret_is_well_formed(&secret);
        let may = may.and_then(|()| match well_formed {
            true => Ok(()),
            false => {
                Err(Refusal::new(RefusalKind::InvalidArgument, "the secret part of a code has 26 symbols of base 32"))
            }
        });
        if let Err(refusal) = may {
            return self.refuse(id, refusal);
        }
        let until = self.now.mono.after(PASSWORD_WAIT);
        self.operators.begin(Pending::Hashing { id, operator, what: Hashed::Code }, until);
        self.act(Action::HashPassword { id, password: secret });
    }

    /// `RevokeOperatorCode`.
    pub(super) fn operator_code_revoked(&mut self, id: CommandId, operator: &OperatorId) {
        if let Err(refusal) = self.may_change_code(operator) {
            return self.refuse(id, refusal);
        }
        let Some(record) = self.operators.all.get_mut(operator) else { return };
        record.code = None;
        let record = record.clone();
        self.record(Record::OperatorStored(record));
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    fn may_change_code(&self, operator: &OperatorId) -> Result<(), Refusal> {
        if !self.operators.supervisor_on_duty() {
            let text = "a supervisor must be signed in to issue or revoke operator codes";
            return Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O03, text));
        }
        match self.operators.all.contains_key(operator) {
            true => Ok(()),
            false => Err(Refusal::new(RefusalKind::NotFound, "no such operator")),
        }
    }

    /// The core has hashed a password or a code's secret part; an empty hash says that it could not.
    pub(super) fn password_hashed(&mut self, command: CommandId, hash: String) {
        if !matches!(&self.operators.pending, Pending::Hashing { id, .. } if *id == command) {
            return;
        }
        let Pending::Hashing { operator, what, .. } = self.operators.take() else { return };
        if hash.is_empty() {
            let text = "the system gave no random bytes for the password's salt; try again";
            return self.refuse(command, Refusal::new(RefusalKind::Internal, text));
        }
        let record = match (what, self.operators.all.get(&operator)) {
            // A new password ends the code with it: whoever had the one may have had the other.
            (Hashed::Password(role), _) => {
                self.operators.not_before.remove(&operator);
                OperatorRecord { id: operator.clone(), role, hash, code: None, failed: 0, locked: false }
            }
            // Neither forgives tries nor unlocks.
            (Hashed::Code, Some(known)) => OperatorRecord { code: Some(hash), ..known.clone() },
            (Hashed::Code, None) => return,
        };
        self.operators.all.insert(operator, record.clone());
        self.record(Record::OperatorStored(record));
        self.act(Action::Reply(command, Ok(Reply::Done)));
    }

    /// `UnlockOperator`.
    pub(super) fn operator_unlock(&mut self, id: CommandId, operator: &OperatorId) {
        if !self.operators.supervisor_on_duty() {
            let text = "a supervisor must be signed in to unlock an operator";
            return self.refuse(id, Refusal::because(RefusalKind::NotAuthorized, Cause::O03, text));
        }
        let Some(record) = self.operators.all.get_mut(operator) else {
            return self.refuse(id, Refusal::new(RefusalKind::NotFound, "no such operator"));
        };
        record.failed = 0;
        record.locked = false;
        let record = record.clone();
        self.operators.not_before.remove(operator);
        self.record(Record::OperatorStored(record));
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }
}
