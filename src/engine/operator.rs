//! Operators: who may sell here, wrong passwords, lock-out. No default password exists: the first run sets one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::ids::OperatorId;
use crate::domain::outcome::Role;
use crate::domain::prompt::Prompt;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;
use crate::engine::record::{OperatorRecord, Record};
use crate::engine::settings::{MAX_PASSWORD_TRIES, SUPERVISOR_WAIT};

/// What is under way with passwords; at most one thing at a time.
enum Pending {
    None,
    /// The keypad asks for a number.
    Number,
    /// The keypad asks for this operator's password.
    Password(OperatorId),
    /// A password is being checked; a caller may wait.
    Checking {
        id: CommandId,
        operator: OperatorId,
        reply: bool,
    },
    /// A new password is being hashed.
    Hashing {
        id: CommandId,
        operator: OperatorId,
        role: Role,
    },
}

/// The operators of this terminal.
pub struct Operators {
    all: BTreeMap<OperatorId, OperatorRecord>,
    /// Who is signed in.
    pub on_duty: Option<OperatorId>,
    pending: Pending,
    /// Growing delay after wrong passwords, each operator's own.
    not_before: BTreeMap<OperatorId, Instant>,
}

impl Operators {
    /// As the store has them.
    pub fn new(all: Vec<OperatorRecord>, on_duty: Option<OperatorId>) -> Self {
        let all = all.into_iter().map(|o| (o.id.clone(), o)).collect();
        Self { all, on_duty, pending: Pending::None, not_before: BTreeMap::new() }
    }

    /// Whether a supervisor exists.
    pub fn supervisor_set(&self) -> bool {
        self.all.values().any(|o| o.role != Role::Operator)
    }

    /// Whether the keypad serves an operator now.
    pub fn uses_keypad(&self) -> bool {
        matches!(self.pending, Pending::Number | Pending::Password(_))
    }

    fn supervisor_on_duty(&self) -> bool {
        let role = self.on_duty.as_ref().and_then(|id| self.all.get(id)).map(|o| o.role);
        matches!(role, Some(Role::Supervisor | Role::Administrator))
    }
}

fn unknown_operator() -> Refusal {
    // The same words as for a wrong password: numbers are not to be found out by trying.
    Refusal::because(RefusalKind::NotAuthorized, Cause::O01, "operator number or password wrong")
}

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
    /// `OperatorSignIn`.
    pub(super) fn operator_sign_in(&mut self, id: CommandId, operator: OperatorId, password: SecretBytes, reply: bool) {
        match self.may_check(&operator) {
            Ok(hash) => {
                self.operators.pending = Pending::Checking { id, operator, reply };
                self.act(Action::CheckPassword { id, hash, password });
            }
            Err(refusal) if reply => self.refuse(id, refusal),
            Err(_) => {}
        }
    }

    fn may_check(&self, operator: &OperatorId) -> Result<String, Refusal> {
        self.passwords_free()?;
        if !self.operators.supervisor_set() {
            let text = "no supervisor exists yet; set one with `posctl operator set NUMBER --role supervisor`";
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        if let Some(t) = self.operators.not_before.get(operator).filter(|t| **t > self.now.mono) {
            let wait = t.since(self.now.mono).as_secs() + 1;
            let text = format!("wait {wait} s before the next try");
            return Err(Refusal::because(RefusalKind::Busy, Cause::O01, text));
        }
        let record = self.operators.all.get(operator).ok_or_else(unknown_operator)?;
        if record.locked {
            let text = "this operator is locked; a supervisor unlocks with `posctl operator unlock`";
            return Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O02, text));
        }
        Ok(record.hash.clone())
    }

    /// Checking a password keeps the core thread busy, so not during a payment, and one at a time.
    fn passwords_free(&self) -> Result<(), Refusal> {
        if self.sale.is_some() {
            return Err(Refusal::new(RefusalKind::Busy, "a payment is under way; try again when it is over"));
        }
        match self.operators.pending {
            Pending::None => Ok(()),
            Pending::Number | Pending::Password(_) | Pending::Checking { .. } | Pending::Hashing { .. } => {
                Err(Refusal::new(RefusalKind::Busy, "another operator entry is under way"))
            }
        }
    }

    /// The core has compared a password.
    pub(super) fn password_checked(&mut self, check: CommandId, good: bool) {
        let (operator, reply) = match std::mem::replace(&mut self.operators.pending, Pending::None) {
            Pending::Checking { id, operator, reply } if id == check => (operator, reply),
            other => {
                self.operators.pending = other;
                return;
            }
        };
        let Some(record) = self.operators.all.get_mut(&operator) else { return };
        let result = if good {
            record.failed = 0;
            Ok(Reply::Done)
        } else {
            record.failed = record.failed.saturating_add(1);
            let over = record.failed >= MAX_PASSWORD_TRIES;
            // A supervisor is never locked for good: nobody could unlock the last one.
            record.locked = over && record.role == Role::Operator;
            let wait = if over { SUPERVISOR_WAIT } else { Duration::from_secs(1u64 << record.failed.min(6)) };
            self.operators.not_before.insert(operator.clone(), self.now.mono.after(wait));
            if record.locked {
                let text = "too many wrong passwords: this operator is locked until a supervisor unlocks";
                Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O02, text))
            } else {
                let left = MAX_PASSWORD_TRIES.saturating_sub(record.failed);
                let text = format!("operator number or password wrong, {left} tries left");
                Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O01, text))
            }
        };
        let record = record.clone();
        self.record(Record::OperatorStored(record));
        if good {
            self.operators.not_before.remove(&operator);
            self.operators.on_duty = Some(operator.clone());
            self.record(Record::OperatorOnDuty(Some(operator)));
        } else if let Err(refusal) = &result {
            self.operator_trouble = refusal.cause;
        }
        if good {
            self.operator_trouble = None;
        }
        self.show_idle();
        if reply {
            self.act(Action::Reply(check, result));
        }
    }

    /// `OperatorSignInAtKeypad`.
    pub(super) fn operator_at_keypad(&mut self, id: CommandId) {
        if let Err(refusal) = self.passwords_free() {
            return self.refuse(id, refusal);
        }
        if self.keypad_taken() || self.keypad.state != crate::domain::device::DeviceState::Ready {
            let text = format!("the keypad is {}", self.keypad.state);
            return self.refuse(id, Refusal::because(RefusalKind::WrongState, Cause::H05, text));
        }
        self.operators.pending = Pending::Number;
        self.act(Action::Reply(id, Ok(Reply::Done)));
        self.show(Prompt::EnterOperator { digits: 0 });
        self.act(Action::AskOperatorNumber);
    }

    /// A number was typed.
    pub(super) fn operator_number(&mut self, operator: OperatorId) {
        if matches!(self.operators.pending, Pending::Number) {
            self.operators.pending = Pending::Password(operator);
            self.show(Prompt::EnterPassword { digits: 0 });
            self.act(Action::AskPassword);
        }
    }

    /// A password was typed.
    pub(super) fn operator_password(&mut self, password: SecretBytes) {
        match std::mem::replace(&mut self.operators.pending, Pending::None) {
            Pending::Password(operator) => self.operator_sign_in(CommandId(0), operator, password, false),
            other => self.operators.pending = other,
        }
        self.show_idle();
    }

    /// The keypad entry of an operator ended without a result.
    pub(super) fn operator_entry_ended(&mut self) {
        if self.operators.uses_keypad() {
            self.operators.pending = Pending::None;
            self.show_idle();
        }
    }

    /// `OperatorSignOut`.
    pub(super) fn operator_sign_out(&mut self, id: CommandId) {
        if self.sale.is_some() {
            return self
                .refuse(id, Refusal::new(RefusalKind::Busy, "a payment is under way; try again when it is over"));
        }
        if self.operators.on_duty.take().is_some() {
            self.record(Record::OperatorOnDuty(None));
        }
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    /// `SetOperator`.
    pub(super) fn operator_set(&mut self, id: CommandId, operator: OperatorId, role: Role, password: SecretBytes) {
        if let Err(refusal) = self.may_set(&operator, role, &password) {
            return self.refuse(id, refusal);
        }
        self.operators.pending = Pending::Hashing { id, operator, role };
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
        Ok(())
    }

    /// The core has hashed a password.
    pub(super) fn password_hashed(&mut self, command: CommandId, hash: String) {
        match std::mem::replace(&mut self.operators.pending, Pending::None) {
            Pending::Hashing { id, operator, role } if id == command => {
                let record = OperatorRecord { id: operator.clone(), role, hash, failed: 0, locked: false };
                self.operators.all.insert(operator, record.clone());
                self.record(Record::OperatorStored(record));
                self.act(Action::Reply(command, Ok(Reply::Done)));
            }
            other => self.operators.pending = other,
        }
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
