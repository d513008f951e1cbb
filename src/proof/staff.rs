//! What operators and supervisors do: sign in, decide about what is unsent, load keys.

use super::books::Checked;
use super::cards::{self, CARDS};
use super::people;
use super::process::Crash;
use super::world::{Call, World, say};
use crate::domain::ids::OperatorId;
use crate::domain::offline::{Forwarding, Resolution};
use crate::domain::outcome::{Role, TransactionState};
use crate::domain::secret::SecretBytes;
use crate::engine::command::Command;
use crate::engine::snapshot::TransactionView;

impl World<'_> {
    pub(super) fn on_duty(&self) -> Option<OperatorId> {
        self.teller.as_ref()?.engine().snapshot().terminal.operator
    }

    /// A supervisor signs in; one is made if there is none yet. After wrong passwords it takes a while.
    pub(super) fn supervisor_comes(&mut self) -> Checked {
        let Some(teller) = &self.teller else { return Ok(()) };
        let set = teller.engine().snapshot().terminal.supervisor_set;
        let password = people::password(0, &mut self.dice);
        let Some(operator) = OperatorId::new(people::SUPERVISORS[usize::from(self.dice.percent(10))]) else {
            return Ok(());
        };
        let command = if set {
            Command::OperatorSignIn { operator, password }
        } else {
            Command::OperatorSet { operator, role: Role::Supervisor, password }
        };
        self.ask(Call::Other("supervisor comes"), command)
    }

    pub(super) fn operator(&mut self) -> Checked {
        let Some(operator) = people::operator(&mut self.dice) else { return Ok(()) };
        let roll = self.dice.roll(9);
        let password = people::password(if roll < 4 { 15 } else { 0 }, &mut self.dice);
        let command = match roll {
            0..4 => Command::OperatorSignIn { operator, password },
            4 => Command::OperatorSignInAtKeypad,
            5 => Command::OperatorSignOut,
            6 | 7 => {
                let role = if operator.as_str() == "01" { Role::Operator } else { Role::Supervisor };
                Command::OperatorSet { operator, role, password }
            }
            _ => Command::OperatorUnlock { operator },
        };
        self.ask(Call::Other("operator"), command)
    }

    /// A supervisor looks at what is unsent.
    pub(super) fn supervisor(&mut self) -> Checked {
        match self.dice.roll(20) {
            0..5 => return self.ask(Call::Other("drain"), Command::Drain),
            5 => return self.deny_card(),
            _ => {}
        }
        let open = |v: &TransactionView| {
            v.code.is_some() && (v.forwarding.is_some_and(Forwarding::unsent) || v.state == TransactionState::Reversing)
        };
        let Some(view) = self.any_view(open) else { return Ok(()) };
        let Some(code) = view.code else { return Ok(()) };
        let caller = self.apps.caller(0);
        let note = "as agreed".to_owned();
        let decision =
            self.dice.one_of([Resolution::Retry, Resolution::Retry, Resolution::Abandon, Resolution::Proceed]);
        let command = match self.dice.roll(3) {
            0 => Command::Hold { caller, code, note },
            _ => Command::Resolve { caller, code, decision, note },
        };
        say!(self, "a supervisor decides about {}", view.id);
        self.ask(Call::Other("supervisor"), command)
    }

    /// A card is put on the deny list; the daemon has the store do it.
    pub(super) fn deny_card(&mut self) -> Checked {
        let now = self.clock.read();
        let card = self.dice.index(CARDS);
        let (Some(pan), Some(teller)) = (cards::pan(card), &mut self.teller) else { return Ok(()) };
        let listed = teller.store_mut().deny_card(now.wall, &pan, "reported as lost");
        if self.disk.is_off() {
            return self.goes_down(Crash::Power);
        }
        if listed.is_ok() {
            say!(self, "card {card} is on the deny list");
            self.books.denied.insert(card);
        }
        Ok(())
    }

    pub(super) fn ceremony(&mut self) -> Checked {
        let right = self.dice.percent(60);
        self.load_master(right)
    }

    /// The daemon's key ceremony is complete: the key is in the store, then the machines are told.
    pub(super) fn load_master(&mut self, right: bool) -> Checked {
        let now = self.clock.read();
        let Some(teller) = &mut self.teller else { return Ok(()) };
        if !teller.engine().keys_may_change() {
            return Ok(());
        }
        let key = SecretBytes::new(vec![if right { 1 } else { 2 }; 16]);
        let stored = teller.store_mut().set_master_key(now.wall, &key);
        if self.disk.is_off() {
            return self.goes_down(Crash::Power);
        }
        if stored.is_ok() {
            say!(self, "a master key is loaded, {}", if right { "the right one" } else { "a wrong one" });
            if self.master != Some(right) {
                self.wire.forget_keys();
            }
            self.master = Some(right);
        }
        self.tell_keys();
        self.pump()
    }
}
