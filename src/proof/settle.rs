//! The end of a run: everything is put right, and what is open must come to its end by itself or by a supervisor's word.

use std::time::Duration;

use super::books::{Checked, Violation, broken};
use super::people;
use super::process::Crash;
use super::wire::Line;
use super::world::{Call, World, say};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::ids::TransactionId;
use crate::domain::offline::{Forwarding, OfflineMode, Resolution};
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::engine::command::{Command, Device};
use crate::engine::event::Event;

/// More rounds than it takes.
const ROUNDS: u32 = 600;

impl World<'_> {
    /// Nothing goes wrong any more; what is open must end, a payment must go through, and all books must agree.
    pub fn settle(&mut self) -> Checked {
        say!(self, "everything is put right");
        self.calm = true;
        self.crash = None;
        self.disk.repair();
        self.disk.cut_in(None);
        (self.wire.calm, self.wire.down) = (true, false);
        self.outages = (0, 0);
        (self.acquirer.calm, self.acquirer.clock_error) = (true, 0);
        self.come_up()?;
        self.clock.synchronise();
        self.tell(Event::ClockSynchronised)?;
        self.quiet()?;
        self.last_sale()?;
        self.quiet()?;
        // Once more from the disk alone.
        self.down = Some(if self.dice.percent(50) { Crash::Power } else { Crash::Killed });
        self.disk.power_off();
        self.come_up()?;
        self.quiet()?;
        self.check_at_the_end()
    }

    /// Lets everything run until nothing is open.
    fn quiet(&mut self) -> Checked {
        for _ in 0..ROUNDS {
            self.steps += 1;
            if self.put_right()? {
                return self.audit();
            }
            self.come_up()?;
        }
        let Some(teller) = &self.teller else { return broken("everything drains", "the terminal is down") };
        let snapshot = teller.engine().snapshot();
        let terminal = &snapshot.terminal;
        let what = format!(
            "still {} because {:?}, {}: {} reversals, {:?}",
            terminal.state, terminal.cause, terminal.evidence, snapshot.open_reversals, snapshot.queue
        );
        broken("everything drains", what)
    }

    /// The next thing that is to be put right; `true` if there is nothing.
    fn put_right(&mut self) -> Result<bool, Violation> {
        let Some(teller) = &self.teller else { return Ok(false) };
        let snapshot = teller.engine().snapshot();
        let fault =
            snapshot.terminal.state == TerminalState::OutOfService && snapshot.terminal.cause == Some(Cause::P02);
        let inhibited = [(Device::Reader, &snapshot.reader), (Device::Keypad, &snapshot.keypad)]
            .into_iter()
            .find(|(_, view)| view.inhibited_by.is_some());
        if fault {
            self.pass(Duration::from_secs(11), 50)?;
        } else if self.master != Some(true) {
            if let Some(active) = snapshot.terminal.active {
                self.end(active)?;
            }
            if self.wire.line != Line::Idle {
                self.pass(Duration::from_secs(20), 20)?;
            } else {
                self.load_master(true)?;
            }
        } else if let Some((device, _)) = inhibited {
            self.ask(Call::Other("settle"), Command::InhibitEnded { device })?;
        } else if self.reader != DeviceState::Ready || self.keypad != DeviceState::Ready {
            self.devices_up()?;
        } else if self.wire.line != Line::Idle || self.wire.request_on_its_way() {
            self.pass(Duration::from_secs(1), 20)?;
        } else if let Some(active) = snapshot.terminal.active {
            self.end(active)?;
        } else if !snapshot.terminal.operator.as_ref().is_some_and(|o| people::SUPERVISORS.contains(&o.as_str())) {
            self.supervisor_comes()?;
            self.pass(Duration::from_secs(30), 50)?;
        } else if matches!(snapshot.terminal.state, TerminalState::SignedOut | TerminalState::OutOfService) {
            self.ask(Call::Other("settle"), Command::SignIn)?;
        } else if !self.calls.is_empty() || snapshot.terminal.state == TerminalState::SigningIn {
            self.pass(Duration::from_secs(30), 50)?;
        } else if snapshot.open_reversals > 0 || snapshot.queue.totals.waiting > 0 {
            self.pass(Duration::from_secs(60), 50)?;
        } else if snapshot.queue.totals.held > 0 {
            self.resolve_held()?;
        } else {
            let scripts = teller.store().load().map(|r| r.scripts.len()).unwrap_or(0);
            let created = self.views().unwrap_or_default().iter().any(|v| v.state == TransactionState::Created);
            if scripts == 0 && !created {
                return Ok(true);
            }
            self.pass(Duration::from_secs(301), 50)?;
        }
        Ok(false)
    }

    fn end(&mut self, active: TransactionId) -> Checked {
        let uid = self.books.promises.get(&active).map(|p| p.uid);
        let app = self.apps.all.iter().position(|a| Some(a.uid) == uid);
        match app {
            Some(app) => {
                let command = Command::Cancel { caller: self.apps.caller(app), id: active };
                self.ask(Call::Other("settle"), command)?;
            }
            None => self.tell(Event::EntryCancelled)?,
        }
        if self.active() == Some(active) { self.pass(Duration::from_secs(30), 50) } else { Ok(()) }
    }

    /// What is held is sent again, and the acquirer takes it now; what has become too old is given up.
    fn resolve_held(&mut self) -> Checked {
        let views = self.views().unwrap_or_default();
        let Some(view) = views.iter().find(|v| v.forwarding == Some(Forwarding::Held)) else { return Ok(()) };
        let Some(code) = view.code.clone() else { return Ok(()) };
        let old = view.evidence.contains("too old");
        if !self.retried.insert(view.id) && !old {
            return broken("what is sent again is taken", format!("payment {}: {}", view.id, view.evidence));
        }
        let decision = if old { Resolution::Abandon } else { Resolution::Retry };
        say!(self, "{decision} of {}", view.id);
        let command = Command::Resolve { caller: self.apps.caller(0), code, decision, note: "at last".to_owned() };
        self.ask(Call::Other("settle"), command)?;
        self.pass(Duration::from_secs(1), 20)
    }

    /// After all that, the next customer can pay.
    fn last_sale(&mut self) -> Checked {
        for _ in 0..3 {
            if self.sale_goes_through()? {
                return Ok(());
            }
            // The keys may have been lost at the other end; the refusal has brought new ones.
            self.quiet()?;
        }
        broken("the next customer can pay", "a payment did not go through although everything was put right")
    }

    fn sale_goes_through(&mut self) -> Result<bool, Violation> {
        let Some(place) = self.apps.wish(777, &mut self.dice) else { return Ok(false) };
        if let Some(order) = self.apps.orders.get_mut(place) {
            (order.mode, order.confirm) = (OfflineMode::OnlineOnly, Some(false));
        }
        self.create_order(place)?;
        self.start_payment(place)?;
        for _ in 0..20 {
            if self.people.wanted()
                && let Some(event) = self.people.good(&mut self.dice)
            {
                self.person_did(event)?;
            } else {
                self.pass(Duration::from_secs(2), 20)?;
            }
            let id = self.apps.orders.get(place).and_then(|o| o.id);
            let told = id.and_then(|id| self.books.promises.get(&id)).and_then(|p| p.told);
            if told.is_some() {
                return Ok(told == Some(Outcome::Approved));
            }
        }
        Ok(false)
    }
}
