//! The terminal under test: the real engine on the real store, and the few lines of the daemon's core loop around them.
//!
//! Owns: the way of each event inward and of each action outward, each of them a moment at which the process may end. Where the daemon has machines for host, reader and keypad, there are [`super::wire`]
//! and [`super::people`].

use super::books::{Checked, broken};
use super::cards::card_of;
use super::message::{Body, Message};
use super::people::{Entry, hash, keys_of};
use super::process::Crash;
use super::world::{Call, Waiting, World, say};
use crate::domain::cause::Cause;
use crate::domain::host::HostRequest;
use crate::domain::ids::TransactionId;
use crate::domain::offline::ReversalStanding;
use crate::domain::outcome::Outcome;
use crate::domain::prompt::Prompt;
use crate::engine::action::Action;
use crate::engine::command::{Command, CommandId, Device, Refusal, RefusalKind};
use crate::engine::event::Event;
use crate::engine::record::OpenReversal;
use crate::engine::signal::Signal;
use crate::engine::snapshot::TransactionView;
use crate::store::teller::Settled;

/// Whether a reversal keeps other payments away: unless a supervisor has said otherwise. The payment's own stands by.
fn holds_back(reversal: &OpenReversal, payment: Option<TransactionId>) -> bool {
    Some(reversal.id) != payment && reversal.standing != ReversalStanding::Waived
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
            Action::PollCard(_) => {
                self.check_confirmed()?;
                self.people.polling = true;
            }
            Action::StopPolling => self.people.polling = false,
            Action::ResetReader | Action::PowerCycleReader => {}
            Action::AskConfirmation(_) => {
                (self.people.asked, self.people.confirmed) = (Some(Entry::Confirm), false);
            }
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

    /// A card is asked for: has the customer confirmed the amount, where that is wanted?
    fn check_confirmed(&mut self) -> Checked {
        let confirmed = std::mem::take(&mut self.people.confirmed);
        let Some(id) = self.active() else { return Ok(()) };
        let order = self.apps.orders.iter().find(|o| o.id == Some(id));
        let wanted = order.is_some_and(|o| o.confirm.unwrap_or(self.settings.confirm_amount));
        if wanted && !confirmed {
            return broken("the customer confirms", format!("a card is asked for payment {id} without that"));
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
                // Of a disk that cannot be read just now nothing is known.
                if let Ok(stored) = teller.store().load() {
                    if let Some(open) = stored.reversals.iter().find(|r| holds_back(r, payment)) {
                        return broken("reversals go first", format!("a sale left before the reversal of {}", open.id));
                    }
                    if let Some(script) = stored.scripts.first() {
                        return broken(
                            "script reports go first",
                            format!("a sale left before the one of {}", script.id),
                        );
                    }
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
            Signal::PromptChanged { .. } | Signal::QueueProgress { .. } | Signal::CodeScanned { .. } => Ok(()),
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
}
