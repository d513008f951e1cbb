//! The terminal under test: the real engine on the real store, and the few lines of the daemon's core loop around them.
//!
//! Owns: the life of the daemon's process, from opening the database to the crash; the way of each action outward, each of
//! them a moment at which it may end. Where the daemon has machines for host, reader and keypad, there are [`super::wire`]
//! and [`super::people`].

use super::books::{Checked, broken};
use super::cards::card_of;
use super::disk::Cut;
use super::message::{Body, Message};
use super::people::{Entry, hash, keys_of};
use super::template;
use super::world::{Call, Waiting, World, say};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::HostRequest;
use crate::domain::ids::TransactionId;
use crate::domain::outcome::Outcome;
use crate::domain::prompt::Prompt;
use crate::engine::action::Action;
use crate::engine::command::{Command, CommandId, Device, Refusal, RefusalKind};
use crate::engine::event::Event;
use crate::engine::signal::Signal;
use crate::engine::snapshot::TransactionView;
use crate::store::teller::{Settled, Teller};
use crate::store::vault::Vault;
use crate::store::{Store, StoreError};

/// How the daemon's process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Killed: what it wrote stays with the system.
    Killed,
    /// The power goes: what was not flushed meets its fate.
    Power,
}

/// More rounds than any decision needs.
const MAX_ROUNDS: u32 = 1_000;

impl World<'_> {
    /// Something happens to the terminal, and it does what it does about it.
    pub(super) fn tell(&mut self, event: Event) -> Checked {
        let now = self.clock.read();
        if let Some(teller) = &mut self.teller {
            teller.handle(now, event);
        }
        self.pump()
    }

    /// The terminal's clock shows later.
    pub(super) fn expire(&mut self) -> Checked {
        let now = self.clock.read();
        let Some(teller) = &mut self.teller else { return Ok(()) };
        teller.expire(now);
        if teller.retry(now) {
            say!(self, "storage works again");
            self.tell_again();
        }
        self.pump()
    }

    /// Carries out what the engine decides until it rests, as the daemon's core loop does.
    pub(super) fn pump(&mut self) -> Checked {
        let now = self.clock.read();
        for _ in 0..MAX_ROUNDS {
            if self.crash_here() {
                return Ok(());
            }
            let Some(teller) = &mut self.teller else { return Ok(()) };
            let settled = teller.settle(now);
            if self.disk.is_off() {
                // In the middle of the commit. What the process made of it, nobody has seen.
                return self.goes_down(Crash::Power);
            }
            match settled {
                Ok(Settled::Idle) => return self.publish(),
                Ok(Settled::Done(actions)) => {
                    for action in actions {
                        if self.crash_here() {
                            return Ok(());
                        }
                        self.act(action)?;
                    }
                }
                Ok(Settled::Refused(evidence)) => {
                    say!(self, "commit refused: {evidence}");
                    self.tally.event("commits refused");
                    self.wire.hang_up();
                    self.people.forget();
                    self.calls.clear();
                    self.tell_again();
                }
                Err(error) => {
                    // The daemon ends here, and the system starts it again.
                    say!(self, "the daemon gives up: {error}");
                    return self.goes_down(Crash::Killed);
                }
            }
        }
        broken("the machines rest", "the engine went on deciding for ever")
    }

    /// The engine stands on the disk anew and knows nothing of what is outside.
    fn tell_again(&mut self) {
        let now = self.clock.read();
        let (reader, keypad) = (self.reader, self.keypad);
        if let Some(teller) = &mut self.teller {
            for (device, state) in [(Device::Reader, reader), (Device::Keypad, keypad)] {
                teller.handle(now, Event::DeviceChanged { device, state, cause: None });
            }
        }
        self.tell_keys();
    }

    /// Tells the engine which master key there is.
    pub(super) fn tell_keys(&mut self) {
        let now = self.clock.read();
        let master_check = self.master.map(|right| if right { "8CA64D" } else { "112233" }.to_owned());
        if let Some(teller) = &mut self.teller {
            let event = Event::KeysChanged { master_check, pending_component: None, asking_component: None };
            teller.handle(now, event);
        }
    }

    /// A moment at which the process may end: before a commit, before an action.
    fn crash_here(&mut self) -> bool {
        match &mut self.crash {
            Some((0, kind)) => {
                let kind = *kind;
                // It cannot fail: it only notes that the process is gone.
                self.goes_down(kind).is_ok()
            }
            Some((left, _)) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// The process is gone.
    fn goes_down(&mut self, kind: Crash) -> Checked {
        self.disk.power_off();
        if self.teller.take().is_some() {
            self.died_at = self.clock.now;
        }
        self.down = Some(kind);
        self.crash = None;
        Ok(())
    }

    fn act(&mut self, action: Action) -> Checked {
        match action {
            Action::Reply(id, answer) => {
                self.publish()?;
                if let Some(call) = self.calls.remove(&id) {
                    self.answered(call.what, answer)?;
                }
            }
            Action::Tell(signal) => self.signalled(&signal)?,
            Action::Show(prompt) => self.shown = prompt,
            Action::ReachHost => {
                if !self.wire.reach(self.clock.now, &mut self.dice, &mut self.tally) {
                    return broken("one exchange at a time", "the line was reached for while it was in use");
                }
            }
            Action::AskHost(request) => self.ask_host(&request)?,
            Action::LeaveHost => self.wire.hang_up(),
            Action::InstallKeys => {
                if !self.wire.install() {
                    return broken("keys are checked first", "keys were installed, but none waited");
                }
            }
            Action::DiscardKeys => self.wire.installed = None,
            Action::PollCard(_) => self.people.polling = true,
            Action::StopPolling => self.people.polling = false,
            Action::ResetReader | Action::PowerCycleReader => {}
            Action::AskConfirmation(_) => self.people.asked = Some(Entry::Confirm),
            Action::AskPin { .. } => match self.wire.installed {
                Some(keys) => self.people.asked = Some(Entry::Pin(keys)),
                None => self.handle(Event::EntryFailed(Cause::K02)),
            },
            Action::AskOperatorNumber => self.people.asked = Some(Entry::Number),
            Action::AskPassword => self.people.asked = Some(Entry::Password),
            Action::StopEntry => self.people.asked = None,
            // The teller answers it.
            Action::LoadQueueHead { .. } => {}
            Action::CheckPassword { id, hash: known, password } => {
                let good = hash(&password) == known;
                self.handle(Event::PasswordChecked { id, good });
            }
            Action::HashPassword { id, password } => self.handle(Event::PasswordHashed { id, hash: hash(&password) }),
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        let now = self.clock.read();
        if let Some(teller) = &mut self.teller {
            teller.handle(now, event);
        }
    }

    fn ask_host(&mut self, request: &HostRequest) -> Checked {
        let message = Message::new(request, self.wire.installed, card_of);
        say!(self, "→ {message}");
        self.tally.event(message.kind());
        let payment = match (&message.body, message.trace()) {
            (Body::Sale(..) | Body::Offline(..) | Body::Reversal(..), Some((trace, _))) => self.payment_with(trace),
            _ => None,
        };
        self.books.sent(&message, payment)?;
        self.check_request(request, payment)?;
        if !self.wire.ask(message, self.clock.now, &mut self.dice, &mut self.tally) {
            return broken("one exchange at a time", "a request left without a connection");
        }
        Ok(())
    }

    /// The payment of a trace, by what is on disk.
    fn payment_with(&self, trace: (u32, u32)) -> Option<TransactionId> {
        let has = |v: &TransactionView| v.stan.zip(v.batch).map(|(s, b)| (b.get(), s.get())) == Some(trace);
        self.views().ok()?.iter().find(|v| has(v)).map(|v| v.id)
    }

    /// What must hold of a request besides its own books.
    fn check_request(&mut self, request: &HostRequest, payment: Option<TransactionId>) -> Checked {
        let Some(teller) = &self.teller else { return Ok(()) };
        match request {
            HostRequest::Sale(sale) => {
                let open = teller.engine().snapshot();
                if open.open_reversals > open.held_reversals {
                    return broken("reversals go first", format!("a sale left with {} open", open.open_reversals));
                }
                let keys = sale.pin_block.as_ref().map(keys_of);
                if keys.is_some() && keys != self.wire.installed {
                    return broken(
                        "a PIN leaves under its own keys",
                        format!("{keys:?}, now {:?}", self.wire.installed),
                    );
                }
                if payment.is_none() {
                    return broken("commit before act", "a sale left that is not on disk");
                }
            }
            HostRequest::OfflineSale { .. } => {
                return match payment {
                    Some(id) => self.check_order(id),
                    None => broken("commit before act", "an upload left that is not on disk"),
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn signalled(&mut self, signal: &Signal) -> Checked {
        match signal {
            Signal::TransactionFinished { id, outcome, .. } => self.learn(*id, *outcome),
            Signal::PromptChanged { id, prompt: Prompt::Approved(_), .. } => self.learn(*id, Outcome::Approved),
            Signal::PromptChanged { id, prompt: Prompt::ApprovedOffline(_), .. } => {
                self.learn(*id, Outcome::ApprovedOffline)
            }
            Signal::TransactionStateChanged { id, old, new, .. } => {
                say!(self, "payment {id}: {old} → {new}");
                Ok(())
            }
            Signal::ForwardingChanged { id, forwarding, .. } => {
                say!(self, "payment {id}: {forwarding}");
                Ok(())
            }
            Signal::TerminalStateChanged { old, new, .. } => {
                say!(self, "terminal: {old} → {new}");
                Ok(())
            }
            Signal::PromptChanged { .. } | Signal::QueueProgress { .. } => Ok(()),
        }
    }

    /// What everybody can read now counts as told.
    fn publish(&mut self) -> Checked {
        let Some(teller) = &self.teller else { return Ok(()) };
        let snapshot = teller.engine().snapshot();
        for view in snapshot.transactions.values() {
            let Some(outcome) = view.outcome else { continue };
            self.learn(view.id, outcome)?;
            if outcome == Outcome::ApprovedOffline {
                self.accepted(view.id, self.clock.now)?;
            }
        }
        Ok(())
    }

    fn learn(&mut self, id: TransactionId, outcome: Outcome) -> Checked {
        let first = self.books.promises.get(&id).is_some_and(|p| p.told != Some(outcome));
        self.books.told(id, outcome)?;
        if first {
            let view = self.teller.as_ref().and_then(|t| t.engine().snapshot().transactions.get(&id).cloned());
            let evidence = view.map(|v| v.evidence.clone()).unwrap_or_default();
            if let Some((why, _)) = evidence.split_once(':').filter(|(w, _)| w.starts_with("offline-")) {
                self.tally.event(why);
            }
            say!(self, "payment {id} is told {outcome} {evidence}");
        }
        Ok(())
    }

    /// A caller asks; the daemon looks up what the store knows of it first.
    pub(super) fn ask(&mut self, what: Call, command: Command) -> Checked {
        let now = self.clock.read();
        let Some(teller) = &mut self.teller else { return Ok(()) };
        let stored = match &command {
            Command::Create(new) => teller.store().find_by_key(new.caller.uid, &new.key),
            Command::FindByKey { caller, key } => teller.store().find_by_key(caller.uid, key),
            Command::FindByCode { code, .. } | Command::Hold { code, .. } | Command::Resolve { code, .. } => {
                teller.store().find_by_code(code)
            }
            _ => Ok(None),
        };
        match stored {
            Ok(stored) => {
                let id = CommandId(self.next_call);
                self.next_call += 1;
                self.calls.insert(id, Waiting { since: self.clock.now, what });
                teller.handle(now, Event::Asked { id, command, stored: stored.map(Box::new) });
                self.pump()
            }
            Err(error) => {
                let refusal = Refusal::new(RefusalKind::Internal, error.to_string());
                self.answered(what, Err(refusal))
            }
        }
    }

    /// The process comes up again, from what the disk has; it may go down again on the way.
    pub(super) fn come_up(&mut self) -> Checked {
        while let Some(kind) = self.down.take() {
            say!(self, "down: {kind:?}");
            self.tally.fault(match kind {
                Crash::Killed => "process killed",
                Crash::Power => "power cut",
            });
            self.teller = None;
            if kind == Crash::Power {
                let cut = Cut { keep: self.dice.one_of([0, 0, 10, 50, 90, 100]), garbage: self.dice.percent(30) };
                self.disk.lose_unflushed(&mut self.dice, cut);
                self.clock.reboot(&mut self.dice);
            }
            self.wire.forget();
            self.people.forget();
            self.calls.clear();
            (self.reader, self.keypad) = (DeviceState::Absent, DeviceState::Absent);
            self.start()?;
        }
        Ok(())
    }

    /// Opens the database and takes up where it left off.
    pub(super) fn start(&mut self) -> Checked {
        self.disk.power_on();
        // Not while a failed flush is being made good: a third thing that goes wrong at that very moment does lose data, and
        // no program can help it.
        if !self.calm && !self.disk.has_ghosts() && self.dice.percent(8) {
            let changes = u32::try_from(self.dice.roll(40)).unwrap_or(0);
            self.disk.cut_in(Some(changes));
        }
        self.starts += 1;
        let hits = self.disk.hits();
        let opened = self.open();
        if self.disk.is_off() {
            drop(opened);
            return self.goes_down(Crash::Power);
        }
        self.disk.cut_in(None);
        match opened {
            Ok(teller) => {
                self.master = match teller.store().master_key() {
                    Ok(key) => key.map(|k| k.expose().first() == Some(&1)),
                    Err(error) => return self.does_not_start(&error, hits),
                };
                self.teller = Some(teller);
                self.check_after_start()?;
                self.tell_keys();
                self.pump()
            }
            Err(error) => self.does_not_start(&error, hits),
        }
    }

    fn open(&mut self) -> Result<Teller, StoreError> {
        let options = template::options(self.rack);
        let store = Store::open_on(&self.slot.path(), Vault::new(&[7; 32]), &options)?;
        let mut settings = self.settings.clone();
        settings.boot = self.clock.boot();
        Teller::new(settings, store, self.dice.draw(), self.clock.read())
    }

    /// It may fail while the disk does; then the system tries again later. With a good disk it must come up.
    fn does_not_start(&mut self, error: &StoreError, hits: u64) -> Checked {
        if self.disk.hits() == hits {
            return broken("it comes up again", error.to_string());
        }
        say!(self, "does not start: {error}");
        self.clock.pass(std::time::Duration::from_secs(5));
        if self.dice.percent(40) {
            self.disk.repair();
        }
        self.goes_down(Crash::Killed)
    }
}
