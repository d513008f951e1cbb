//! What apps, customers and clerks do, and what the terminal replies to them.

use super::books::{Checked, broken};
use super::cards::CARDS;
use super::world::{Call, World, say};
use crate::domain::ids::TransactionId;
use crate::domain::outcome::TerminalState;
use crate::engine::command::{Command, Device, NewTransaction, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;

impl World<'_> {
    pub(super) fn create(&mut self) -> Checked {
        let minor = if self.dice.percent(3) {
            5_000_001
        } else {
            self.dice.one_of([1, 1_234, 9_900, 9_900, 15_000, 20_000, 30_000, 30_001, 100_000])
        };
        match self.apps.wish(minor, &mut self.dice) {
            Some(place) => self.create_order(place),
            None => Ok(()),
        }
    }

    pub(super) fn create_order(&mut self, place: usize) -> Checked {
        let Some(new) = self.apps.request(place) else { return Ok(()) };
        say!(self, "uid {} wants {} {} {}", new.caller.uid, new.key, new.money, new.mode);
        self.ask(Call::Create(place), Command::Create(new))
    }

    pub(super) fn start_payment(&mut self, place: usize) -> Checked {
        let Some((caller, id)) = self.apps.orders.get(place).and_then(|o| Some((self.apps.caller_of(o), o.id?))) else {
            return Ok(());
        };
        say!(self, "start {id}");
        self.ask(Call::Start(place), Command::Start { caller, id })
    }

    /// A payment that was not let start is cancelled; the app makes another one.
    pub(super) fn give_up(&mut self, place: usize) -> Checked {
        self.refused = None;
        let stopped = self.teller.as_ref().map(|t| t.engine().snapshot().terminal.state);
        if matches!(stopped, Some(TerminalState::OutOfService | TerminalState::SignedOut)) && self.dice.percent(70) {
            // What the terminal does not do by itself any more.
            return self.ask(Call::Other("sign in"), Command::SignIn);
        }
        let Some((caller, id)) = self.apps.orders.get(place).and_then(|o| Some((self.apps.caller_of(o), o.id?))) else {
            return Ok(());
        };
        self.ask(Call::Other("cancel"), Command::Cancel { caller, id })
    }

    pub(super) fn app(&mut self) -> Checked {
        let app = self.apps.any(&mut self.dice);
        let caller = self.apps.caller(app);
        let known = self.apps.known(&mut self.dice);
        let order = known.and_then(|n| self.apps.orders.get(n).cloned());
        let id = order.as_ref().and_then(|o| o.id).unwrap_or(TransactionId(9_999));
        // Mostly its own payment.
        let caller = match &order {
            Some(order) if self.dice.percent(85) => self.apps.caller_of(order),
            _ => caller,
        };
        let command = match self.dice.roll(16) {
            0..3 => return self.create(),
            3 | 4 => {
                // No reply has come, or the app has forgotten: it asks again with the same key.
                let count = self.apps.orders.len();
                let place = self.dice.index(count);
                return if count == 0 { Ok(()) } else { self.create_order(place) };
            }
            5 => match known.and_then(|n| Some((n, self.apps.request(n)?))) {
                Some((n, new)) => return self.mismatch(n, new),
                None => return Ok(()),
            },
            6 => Command::Start { caller, id },
            7 => Command::Cancel { caller, id },
            8 => Command::Acknowledge { caller, id },
            9 | 10 => match known.zip(order) {
                Some((place, order)) => {
                    let command = Command::FindByKey { caller: self.apps.caller_of(&order), key: order.key.clone() };
                    return self.ask(Call::Find(place), command);
                }
                None => return Ok(()),
            },
            11 => match self.any_view(|v| v.code.is_some()).and_then(|v| v.code) {
                Some(code) => Command::FindByCode { caller, code },
                None => return Ok(()),
            },
            12 => {
                let connection = self.apps.die(app);
                say!(self, "app {connection} dies");
                self.tally.fault("app dies");
                Command::ClientGone { connection }
            }
            13 => Command::SignOut,
            14 => Command::Echo,
            _ => Command::SignIn,
        };
        self.ask(Call::Other("app"), command)
    }

    pub(super) fn mismatch(&mut self, place: usize, new: NewTransaction) -> Checked {
        let other = NewTransaction { reference: Some("another".to_owned()), ..new };
        self.tally.fault("key used again for something else");
        self.ask(Call::Mismatch(place), Command::Create(other))
    }

    /// The reply to a call.
    pub(super) fn answered(&mut self, what: Call, answer: Result<Reply, Refusal>) -> Checked {
        match (what, answer) {
            (Call::Create(place), Ok(Reply::Transaction(id))) => self.learn_id(place, id),
            (Call::Find(place), Ok(Reply::Transaction(id))) => self.learn_id(place, id),
            (Call::Find(place), Err(refusal)) if refusal.kind == RefusalKind::NotFound => {
                broken("no payment is lost", format!("order {place} is not found by its key any more"))
            }
            (Call::Mismatch(place), Ok(_)) => {
                broken("a key stands for its arguments", format!("the key of order {place} was taken with others"))
            }
            (Call::Create(place), Err(refusal)) if refusal.kind == RefusalKind::IdempotencyMismatch => broken(
                "a key stands for its arguments",
                format!("order {place} with its own arguments: {}", refusal.text),
            ),
            (what, answer) => {
                match answer {
                    Err(refusal) => {
                        if let Call::Start(place) = what {
                            self.refused = Some(place);
                        }
                        let why = refusal.text.split_once(':').map(|t| t.0).filter(|w| w.starts_with("offline-"));
                        self.tally.event(why.map_or("calls refused", |w| w));
                        say!(self, "{what:?} refused: {}", refusal.text);
                    }
                    Ok(_) => {
                        self.tally.event("calls that succeeded");
                        if matches!(what, Call::Start(_)) && self.settings.operator_required && self.on_duty().is_none()
                        {
                            return broken("an operator sells", format!("{what:?} although nobody is signed in"));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    pub(super) fn learn_id(&mut self, place: usize, id: TransactionId) -> Checked {
        let Some(order) = self.apps.orders.get_mut(place) else { return Ok(()) };
        if order.id.is_some_and(|known| known != id) {
            return broken("one key, two payments", format!("order {place} is {:?}, now {id}", order.id));
        }
        order.id = Some(id);
        let (key, minor, app) = (order.key.clone(), order.minor, order.app);
        let uid = self.apps.caller(app).uid;
        say!(self, "order {place} is payment {id}");
        self.books.exists(id, uid, &key, minor)
    }

    pub(super) fn person(&mut self) -> Checked {
        let event = match self.dice.roll(10) {
            0 if self.people.polling => {
                let (card, pin) = (self.dice.index(CARDS), self.dice.percent(25));
                self.people.present(card, pin, &mut self.dice)
            }
            0..5 => Some(self.people.bad(&mut self.dice)),
            _ => self.people.good(&mut self.dice),
        };
        event.map_or(Ok(()), |event| self.person_did(event))
    }

    pub(super) fn person_did(&mut self, event: Event) -> Checked {
        if let Event::CardRead(card) = &event
            && let (Some(id), Some(index)) = (self.active(), self.people.card)
        {
            say!(self, "card {index} is read{}", if card.pin_required { ", PIN wanted" } else { "" });
            self.books.read_card(id, index, card);
        }
        self.tell(event)
    }

    pub(super) fn clerk(&mut self) -> Checked {
        let device = self.dice.one_of([Device::Reader, Device::Keypad]);
        let caller = self.apps.caller(0);
        let command = match self.dice.roll(4) {
            0 => Command::Inhibit { caller, device, why: "cleaning".to_owned() },
            1 | 2 => Command::InhibitEnded { device },
            _ => Command::ResetReader,
        };
        self.ask(Call::Other("clerk"), command)
    }
}
