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
use crate::engine::devices::usable;
use crate::engine::machine::Engine;
use crate::engine::record::{OperatorRecord, Record};
use crate::engine::settings::{ENTRY_WAIT, MAX_PASSWORD_TRIES, PASSWORD_WAIT, SUPERVISOR_WAIT};

/// What is under way with passwords; at most one thing at a time.
pub(super) enum Pending {
    None,
    /// The keypad asks for a number.
    Number,
    /// The keypad asks for this operator's password.
    Password(OperatorId),
    /// A password or operator code is being checked.
    Checking {
        id: CommandId,
        operator: OperatorId,
        asker: Asker,
    },
    /// A new password or operator code is being hashed.
    Hashing {
        id: CommandId,
        operator: OperatorId,
        what: Hashed,
    },
}

/// Who wants to know how a check went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A caller.
    Caller,
    /// Whoever stands at the keypad.
    Keypad,
    /// Whoever holds the scanner.
    Scanner,
}

/// What is being hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashed {
    /// A password, with the role that goes with it.
    Password(Role),
    /// The secret part of an operator code.
    Code,
}

/// The operators of this terminal.
pub struct Operators {
    pub(super) all: BTreeMap<OperatorId, OperatorRecord>,
    /// Who is signed in.
    pub on_duty: Option<OperatorId>,
    pub(super) pending: Pending,
    /// Growing delay after wrong passwords, each operator's own.
    pub(super) not_before: BTreeMap<OperatorId, Instant>,
    /// When what is under way counts as lost; keypad and core are quicker.
    until: Option<Instant>,
    /// What went wrong last, until somebody signs in.
    trouble: Option<Cause>,
}

impl Operators {
    /// As the store has them.
    pub fn new(all: Vec<OperatorRecord>, on_duty: Option<OperatorId>) -> Self {
        let all = all.into_iter().map(|o| (o.id.clone(), o)).collect();
        Self { all, on_duty, pending: Pending::None, not_before: BTreeMap::new(), until: None, trouble: None }
    }

    /// Whether a supervisor exists.
    pub fn supervisor_set(&self) -> bool {
        self.all.values().any(|o| o.role != Role::Operator)
    }

    /// Whether the keypad serves an operator now.
    pub fn uses_keypad(&self) -> bool {
        matches!(self.pending, Pending::Number | Pending::Password(_))
    }

    /// When what is under way counts as lost.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Somebody could not sign in.
    pub(super) fn troubled(&mut self, cause: Option<Cause>) {
        self.trouble = cause.or(self.trouble);
    }

    /// Why nobody may sell.
    pub fn cause(&self) -> Cause {
        self.trouble.unwrap_or(Cause::O03)
    }

    pub(super) fn begin(&mut self, pending: Pending, until: Instant) {
        self.pending = pending;
        self.until = Some(until);
    }

    pub(super) fn take(&mut self) -> Pending {
        self.until = None;
        std::mem::replace(&mut self.pending, Pending::None)
    }

    /// Whether without this operator nobody could add, unlock or change operators.
    pub(super) fn is_last_supervisor(&self, operator: &OperatorId) -> bool {
        let supervisors = |id: &OperatorId| self.all.get(id).is_some_and(|o| o.role != Role::Operator);
        supervisors(operator) && !self.all.keys().any(|id| id != operator && supervisors(id))
    }

    pub(super) fn supervisor_on_duty(&self) -> bool {
        let role = self.on_duty.as_ref().and_then(|id| self.all.get(id)).map(|o| o.role);
        matches!(role, Some(Role::Supervisor | Role::Administrator))
    }
}

fn unknown_operator() -> Refusal {
    Refusal::because(RefusalKind::NotAuthorized, Cause::O01, "operator number or password wrong")
}

impl Engine {
    /// `OperatorSignIn`, or the end of an entry at the keypad, for which nobody waits.
    pub(super) fn operator_sign_in(&mut self, id: CommandId, operator: OperatorId, password: SecretBytes, reply: bool) {
        let asker = if reply { Asker::Caller } else { Asker::Keypad };
        match self.may_check(&operator).map(|record| record.hash.clone()) {
            Ok(hash) => {
                let until = self.now.mono.after(PASSWORD_WAIT);
                self.operators.begin(Pending::Checking { id, operator, asker }, until);
                self.act(Action::CheckPassword { id, hash, password });
            }
            Err(refusal) => {
                self.operators.troubled(refusal.cause);
                if reply {
                    self.refuse(id, refusal);
                }
            }
        }
    }

    /// The hash of this operator's code, if it may be compared now. One who has none is as unknown as a wrong number.
    pub(super) fn may_check_code(&self, operator: &OperatorId) -> Result<String, Refusal> {
        self.may_check(operator)?.code.clone().ok_or_else(unknown_operator)
    }

    fn may_check(&self, operator: &OperatorId) -> Result<&OperatorRecord, Refusal> {
        self.passwords_free()?;
        self.supervisor_exists()?;
        let record = self.operators.all.get(operator).ok_or_else(unknown_operator)?;
        // Before the wait: waiting does not help here.
        if record.locked {
            let text = "this operator is locked; a supervisor unlocks with `posctl operator unlock`";
            return Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O02, text));
        }
        if let Some(t) = self.operators.not_before.get(operator).filter(|t| **t > self.now.mono) {
            let wait = t.since(self.now.mono).as_secs() + 1;
            let text = format!("wait {wait} s before the next try");
            return Err(Refusal::because(RefusalKind::Busy, Cause::O01, text));
        }
        Ok(record)
    }

    fn supervisor_exists(&self) -> Result<(), Refusal> {
        if self.operators.supervisor_set() {
            return Ok(());
        }
        let text = "no supervisor exists yet; set one with `posctl operator set NUMBER --role supervisor`";
        Err(Refusal::new(RefusalKind::WrongState, text))
    }

    /// Checking a password keeps the core thread busy, so not during a payment, and one at a time.
    pub(super) fn passwords_free(&self) -> Result<(), Refusal> {
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
        if !matches!(&self.operators.pending, Pending::Checking { id, .. } if *id == check) {
            return;
        }
        let Pending::Checking { operator, asker, .. } = self.operators.take() else { return };
        let result = if good { self.let_in(operator) } else { self.count_wrong(&operator) };
        self.operators.trouble = result.as_ref().err().and_then(|refusal| refusal.cause);
        self.show_idle();
        match asker {
            Asker::Caller => self.act(Action::Reply(check, result)),
            Asker::Keypad => {}
            Asker::Scanner => self.operator_code_checked(result.as_ref().map(|_| ())),
        }
    }

    fn let_in(&mut self, operator: OperatorId) -> Result<Reply, Refusal> {
        let record = self.operators.all.get_mut(&operator).ok_or_else(unknown_operator)?;
        record.failed = 0;
        let record = record.clone();
        self.record(Record::OperatorStored(record));
        self.operators.not_before.remove(&operator);
        self.operators.on_duty = Some(operator.clone());
        self.record(Record::OperatorOnDuty(Some(operator)));
        Ok(Reply::Done)
    }

    fn count_wrong(&mut self, operator: &OperatorId) -> Result<Reply, Refusal> {
        let record = self.operators.all.get_mut(operator).ok_or_else(unknown_operator)?;
        record.failed = record.failed.saturating_add(1);
        let over = record.failed >= MAX_PASSWORD_TRIES;
        // A supervisor is never locked for good: nobody could unlock the last one.
        record.locked = over && record.role == Role::Operator;
        let record = record.clone();
        let wait = if over { SUPERVISOR_WAIT } else { Duration::from_secs(1u64 << record.failed.min(6)) };
        self.operators.not_before.insert(operator.clone(), self.now.mono.after(wait));
        let refusal = if record.locked {
            let text = "too many wrong passwords: this operator is locked until a supervisor unlocks";
            Refusal::because(RefusalKind::NotAuthorized, Cause::O02, text)
        } else if over {
            let text = format!("too many wrong passwords: wait {} s before the next try", wait.as_secs());
            Refusal::because(RefusalKind::NotAuthorized, Cause::O01, text)
        } else {
            let left = MAX_PASSWORD_TRIES.saturating_sub(record.failed);
            let text = format!("operator number or password wrong, {left} tries left");
            Refusal::because(RefusalKind::NotAuthorized, Cause::O01, text)
        };
        self.record(Record::OperatorStored(record));
        Err(refusal)
    }

    /// `OperatorSignInAtKeypad`.
    pub(super) fn operator_at_keypad(&mut self, id: CommandId) {
        if let Err(refusal) = self.passwords_free().and_then(|()| self.supervisor_exists()) {
            return self.refuse(id, refusal);
        }
        if self.keypad_taken() || !usable(self.keypad.state) {
            let text = format!("the keypad is {}", self.keypad.state);
            return self.refuse(id, Refusal::because(RefusalKind::WrongState, Cause::H05, text));
        }
        self.operators.begin(Pending::Number, self.now.mono.after(ENTRY_WAIT));
        self.act(Action::Reply(id, Ok(Reply::Done)));
        self.show(Prompt::EnterOperator { digits: 0 });
        self.act(Action::AskOperatorNumber);
    }

    /// A number was typed.
    pub(super) fn operator_number(&mut self, operator: OperatorId) {
        if matches!(self.operators.pending, Pending::Number) {
            self.operators.begin(Pending::Password(operator), self.now.mono.after(ENTRY_WAIT));
            self.show(Prompt::EnterPassword { digits: 0 });
            self.act(Action::AskPassword);
        }
    }

    /// A password was typed.
    pub(super) fn operator_password(&mut self, password: SecretBytes) {
        if !matches!(self.operators.pending, Pending::Password(_)) {
            return;
        }
        if let Pending::Password(operator) = self.operators.take() {
            self.operator_sign_in(CommandId(0), operator, password, false);
        }
        self.show_idle();
    }

    /// The keypad entry of an operator ended without a result.
    pub(super) fn operator_entry_ended(&mut self) {
        if self.operators.uses_keypad() {
            self.operators.take();
            self.show_idle();
        }
    }

    /// What is under way was lost: nobody waits for ever.
    pub(super) fn expire_operators(&mut self) {
        if self.operators.until.is_none_or(|t| t > self.now.mono) {
            return;
        }
        match self.operators.take() {
            Pending::None | Pending::Checking { asker: Asker::Keypad, .. } => {}
            Pending::Checking { asker: Asker::Scanner, .. } => self.operator_code_refused(None),
            Pending::Number | Pending::Password(_) => self.act(Action::StopEntry),
            Pending::Checking { id, asker: Asker::Caller, .. } | Pending::Hashing { id, .. } => {
                self.refuse(id, Refusal::new(RefusalKind::Internal, "the password could not be checked in time"));
            }
        }
        self.show_idle();
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
}
