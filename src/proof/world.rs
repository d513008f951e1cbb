//! The world around one terminal, and one thing after the other that happens in it.
//!
//! Owns: which thing happens next. Everything is decided by one [`Dice`]; time passes only here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::acquirer::Acquirer;
use super::apps::Apps;
use super::books::{Books, Checked, Violation, broken};
use super::cards::CARDS;
use super::clock::Clock;
use super::dice::Dice;
use super::disk::{Disk, Fault};
use super::log::Log;
use super::message;
use super::people::{self, People};
use super::tally::Tally;
use super::template::Template;
use super::till::Crash;
use super::vfs::{Rack, Slot};
use super::wire::{Line, Wire};
use crate::domain::amount::Currency;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::ids::{MerchantId, OperatorId, TerminalId, TransactionId};
use crate::domain::offline::{Forwarding, OfflineLimits, Resolution};
use crate::domain::outcome::{Role, TerminalState, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::secret::SecretBytes;
use crate::engine::command::{Command, CommandId, Device, ListFilter, NewTransaction, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::settings::{ForwardSettings, Settings};
use crate::engine::snapshot::TransactionView;
use crate::store::StoreError;
use crate::store::teller::Teller;

/// One line in the log of the world at hand.
macro_rules! say {
    ($world:expr, $($what:tt)*) => {
        $world.log.line($world.steps, $world.clock.now - $world.began, format_args!($($what)*))
    };
}
pub(super) use say;

/// A caller has waited at most so long for a reply; D-Bus callers give up after 25 s.
const PATIENCE: u64 = 25_000_000;

/// What was asked of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A payment is made, or found, for this order.
    Create(usize),
    /// The same key with other arguments.
    Mismatch(usize),
    /// It is looked for by its key.
    Find(usize),
    /// It is started.
    Start(usize),
    /// Anything whose reply says nothing of money.
    Other(&'static str),
}

/// A call without a reply.
pub(super) struct Waiting {
    /// Since when, by the true time.
    pub since: u64,
    /// What was asked.
    pub what: Call,
}

/// All payments, and the state of the disk in which they were read.
type Reading = ((u64, u64), Rc<Vec<TransactionView>>);

/// Everything there is.
pub struct World<'r> {
    pub(super) dice: Dice,
    pub(super) log: Log,
    pub(super) tally: Tally,
    pub(super) clock: Clock,
    pub(super) began: u64,
    pub(super) steps: u32,
    pub(super) rack: &'r Rack,
    pub(super) slot: Slot,
    pub(super) disk: Disk,
    pub(super) settings: Settings,
    pub(super) teller: Option<Teller>,
    /// When the process was gone, by the true time.
    pub(super) died_at: u64,
    /// The process is gone and has not come up again.
    pub(super) down: Option<Crash>,
    /// After so many more commits and actions the process is to end.
    pub(super) crash: Option<(u32, Crash)>,
    pub(super) wire: Wire,
    pub(super) acquirer: Acquirer,
    pub(super) apps: Apps,
    pub(super) people: People,
    pub(super) reader: DeviceState,
    pub(super) keypad: DeviceState,
    /// Whether a master key is loaded, and whether it is the right one.
    pub(super) master: Option<bool>,
    pub(super) shown: Prompt,
    pub(super) calls: BTreeMap<CommandId, Waiting>,
    pub(super) next_call: u64,
    pub(super) books: Books,
    /// When the last good sign-in was answered.
    pub(super) signed_in_at: Option<u64>,
    /// The order whose payment was not let start last.
    refused: Option<usize>,
    /// Held payments that were sent once more at the end.
    pub(super) retried: BTreeSet<TransactionId>,
    /// How often something else happens than the next good thing, in a hundred.
    trouble: u64,
    /// How often the process is to end at the next commits and actions, in a hundred.
    crashes: u64,
    /// How often the network goes for a longer while, in a thousand, and for how many steps it is still gone.
    pub(super) outages: (u64, u32),
    /// Nothing new goes wrong any more.
    pub(super) calm: bool,
    /// How often the database was opened.
    pub(super) starts: u64,
    /// What was read of the disk in which state.
    read: RefCell<Option<Reading>>,
    /// The state of disk and acquirer that was checked last.
    checked: (u64, u64),
}

fn settings(dice: &mut Dice) -> Option<Settings> {
    let offline = OfflineLimits {
        enabled: dice.percent(85),
        per_sale: 30_000,
        sum: dice.one_of([40_000, 60_000, 200_000]),
        count: dice.one_of([2, 4, 50]),
        oldest: Duration::from_secs(dice.one_of([3_600, 86_400])),
        sign_in: Duration::from_secs(dice.one_of([7_200, 7 * 86_400])),
        per_card_per_day: dice.one_of([1, 2, 20]),
        free_bytes: 0,
    };
    let forwarding = ForwardSettings {
        pace: Duration::from_millis(dice.one_of([0, 0, 500])),
        retries: dice.one_of([0, 1, 3]),
        hold_after: Duration::from_secs(dice.one_of([7_200, 30 * 86_400])),
        ..ForwardSettings::default()
    };
    Some(Settings {
        terminal_id: TerminalId::new("99000001")?,
        merchant_id: MerchantId::new("104110045110001")?,
        currency: Currency::CNY,
        max_amount: 5_000_000,
        pin_above: 100_000,
        operator_required: dice.percent(15),
        confirm_amount: dice.percent(40),
        utc_offset_minutes: 480,
        card_wait: Duration::from_secs(60),
        start_wait: Duration::from_secs(300),
        keys_max_age: Duration::from_secs(dice.one_of([3_600, 86_400])),
        clock_tolerance: Duration::from_secs(300),
        reversal_ends: ["00", "12", "22", "25", "94"].map(str::to_owned).to_vec(),
        reversal_retries: u32::try_from(dice.roll(4)).unwrap_or(0),
        offline,
        forwarding,
        reader_power: false,
        boot: String::new(),
    })
}

impl<'r> World<'r> {
    /// A terminal on one of the disks that terminals have, in a world of this seed.
    pub fn new(seed: u64, rack: &'r Rack, templates: &[Template], log: Log) -> Result<Self, Violation> {
        let mut dice = Dice::new(seed);
        let clock = Clock::new(&mut dice);
        let Some(settings) = settings(&mut dice) else { return broken("setup", "settings") };
        let Some(template) = Template::choose(templates, &mut dice) else { return broken("setup", "no template") };
        let disk = template.disk.copy(dice.one_of([512, 512, 4096]));
        let began = clock.now;
        let mut world = Self {
            log,
            tally: Tally::default(),
            began,
            clock,
            steps: 0,
            rack,
            slot: rack.insert(disk.clone()),
            disk,
            acquirer: Acquirer::new(settings.utc_offset_minutes),
            settings,
            teller: None,
            died_at: began,
            down: None,
            crash: None,
            wire: Wire::new(),
            apps: Apps::new(dice.one_of([0, 40, 80])),
            people: People::default(),
            reader: DeviceState::Absent,
            keypad: DeviceState::Absent,
            master: None,
            shown: Prompt::Idle,
            calls: BTreeMap::new(),
            next_call: 1,
            books: Books::default(),
            signed_in_at: None,
            refused: None,
            retried: BTreeSet::new(),
            trouble: dice.one_of([4, 12, 25, 50]),
            crashes: dice.one_of([0, 1, 3, 9]),
            outages: (dice.one_of([0, 20, 60]), 0),
            calm: false,
            starts: 0,
            read: RefCell::new(None),
            checked: (0, 0),
            dice,
        };
        say!(world, "seed {seed}, disk {}", template.name);
        world.start()?;
        world.come_up()?;
        if world.dice.percent(70) {
            world.devices_up()?;
            world.load_master(true)?;
            world.supervisor_comes()?;
            world.supervisor_comes()?;
            world.come_up()?;
        }
        Ok(world)
    }

    /// One thing happens, whatever it is, and everything is checked.
    pub fn step(&mut self) -> Checked {
        self.steps += 1;
        self.clock.pass(Duration::from_micros(self.dice.between(1_000, 300_000)));
        self.season();
        if self.crash.is_none() && self.dice.percent(self.crashes) {
            let kind = if self.dice.percent(50) { Crash::Killed } else { Crash::Power };
            self.crash = Some((u32::try_from(self.dice.roll(12)).unwrap_or(0), kind));
        }
        if self.dice.percent(self.trouble) {
            self.otherwise()?;
        } else {
            self.forward()?;
        }
        self.come_up()?;
        self.check()
    }

    /// The network goes for a while, and comes back.
    fn season(&mut self) {
        let (often, left) = &mut self.outages;
        match left {
            1.. => {
                *left -= 1;
                if *left == 0 {
                    self.wire.down = false;
                    say!(self, "the network is back");
                }
            }
            0 if self.dice.roll(1000) < *often => {
                *left = u32::try_from(self.dice.between(5, 30)).unwrap_or(5);
                self.wire.down = true;
                self.tally.fault("network outage");
                say!(self, "the network goes for {left} steps");
            }
            0 => {}
        }
    }

    /// Anything but the next good thing.
    fn otherwise(&mut self) -> Checked {
        match self.dice.roll(100) {
            0..22 => self.app(),
            22..37 => self.person(),
            37..52 => self.time(),
            52..60 => self.operator(),
            60..68 => self.supervisor(),
            68..72 => self.device(),
            72..78 => self.storage(),
            78..84 => self.weather(),
            84..88 => self.clocks(),
            88..91 => self.ceremony(),
            91..95 => self.acquirer_changes(),
            95..98 => self.goes_now(),
            _ => self.clerk(),
        }
    }

    /// The run is over: its log, with what was found, and what it did.
    pub fn over(mut self, result: &Checked) -> (String, Tally) {
        match result {
            Ok(()) => say!(self, "all books agree"),
            Err(violation) => say!(self, "BROKEN {}: {}", violation.rule, violation.what),
        }
        (std::mem::take(&mut self.log).text(), std::mem::take(&mut self.tally))
    }

    /// The process ends between two events.
    fn goes_now(&mut self) -> Checked {
        self.crash = Some((0, if self.dice.percent(50) { Crash::Killed } else { Crash::Power }));
        self.expire()
    }

    /// The next good thing.
    pub(super) fn forward(&mut self) -> Checked {
        if self.people.wanted()
            && let Some(event) = self.people.good(&mut self.dice)
        {
            return self.person_did(event);
        }
        let soon = self.clock.now + 60_000_000;
        if self.wire.line != Line::Idle && self.wire.next_at().is_some_and(|at| at <= soon) {
            return self.arrive();
        }
        if self.master.is_none() {
            return self.load_master(true);
        }
        if self.reader != DeviceState::Ready || self.keypad != DeviceState::Ready {
            return self.devices_up();
        }
        if self.wire.down && self.outages.1 == 0 && self.dice.percent(15) {
            self.wire.down = false;
            say!(self, "network up");
        }
        if self.settings.operator_required && self.on_duty().is_none() {
            return self.supervisor_comes();
        }
        if self.clock.off_by().abs() > 300 && self.dice.percent(20) {
            return self.synchronise();
        }
        if self.active().is_some() {
            return self.time();
        }
        let waiting = (0..self.apps.orders.len()).rev().find(|n| self.state_of(*n) == Some(TransactionState::Created));
        match waiting {
            Some(place) if self.refused == Some(place) => self.give_up(place),
            Some(place) => self.start_payment(place),
            None if self.dice.percent(70) => self.create(),
            None => self.time(),
        }
    }

    /// A payment that was not let start is cancelled; the app makes another one.
    fn give_up(&mut self, place: usize) -> Checked {
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

    fn on_duty(&self) -> Option<OperatorId> {
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

    pub(super) fn active(&self) -> Option<TransactionId> {
        self.teller.as_ref()?.engine().snapshot().terminal.active
    }

    fn state_of(&self, place: usize) -> Option<TransactionState> {
        let id = self.apps.orders.get(place)?.id?;
        self.teller.as_ref()?.engine().snapshot().transactions.get(&id).map(|v| v.state)
    }

    /// Time goes on to the next arrival.
    pub(super) fn arrive(&mut self) -> Checked {
        let Some(at) = self.wire.next_at() else { return Ok(()) };
        self.clock.go_to(at);
        let right = self.master == Some(true);
        match self.wire.deliver(&mut self.acquirer, right, &mut self.dice) {
            Some(event) => {
                match &event {
                    Event::HostReplied(answer) => say!(self, "← {}", message::said(answer)),
                    Event::HostFailed(failure) => say!(self, "← {} sent {}", failure.cause, failure.sent),
                    _ => say!(self, "← the line stands"),
                }
                self.note_answer(&event);
                self.tell(event)
            }
            None => self.expire(),
        }
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

    fn create(&mut self) -> Checked {
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

    fn app(&mut self) -> Checked {
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

    fn mismatch(&mut self, place: usize, new: NewTransaction) -> Checked {
        let other = NewTransaction { reference: Some("another".to_owned()), ..new };
        self.tally.fault("key used again for something else");
        self.ask(Call::Mismatch(place), Command::Create(other))
    }

    /// Any payment on disk like this.
    fn any_view(&mut self, wanted: impl Fn(&TransactionView) -> bool) -> Option<TransactionView> {
        let views = self.views().ok()?;
        let views: Vec<_> = views.iter().filter(|v| wanted(v)).collect();
        self.dice.pick(&views).map(|v| (*v).clone())
    }

    /// All payments, by what is on disk; read again only when something was written since.
    pub(super) fn views(&self) -> Result<Rc<Vec<TransactionView>>, StoreError> {
        let Some(teller) = &self.teller else { return Ok(Rc::default()) };
        let state = (self.starts, self.disk.flushes());
        if let Some((_, views)) = self.read.borrow().as_ref().filter(|(s, _)| *s == state) {
            return Ok(Rc::clone(views));
        }
        let filter = ListFilter { uid: None, outcome: None, before: None, limit: 500 };
        let views = Rc::new(teller.store().list(&filter)?);
        *self.read.borrow_mut() = Some((state, Rc::clone(&views)));
        Ok(views)
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
                    Ok(_) => self.tally.event("calls that succeeded"),
                }
                Ok(())
            }
        }
    }

    fn learn_id(&mut self, place: usize, id: TransactionId) -> Checked {
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

    fn person(&mut self) -> Checked {
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

    pub(super) fn time(&mut self) -> Checked {
        let span = self.dice.one_of([1, 1, 5, 5, 20, 20, 61, 61, 400, 400, 3_600, 90_000]);
        self.pass(Duration::from_secs(span), 12)
    }

    /// Time passes; what falls due meanwhile happens in order, but no more than so much of it: then the core is late.
    pub(super) fn pass(&mut self, span: Duration, most: u32) -> Checked {
        let end = self.clock.now.saturating_add(u64::try_from(span.as_micros()).unwrap_or(0));
        for _ in 0..most {
            if self.down.is_some() {
                return Ok(());
            }
            let deadline = self.teller.as_ref().and_then(Teller::deadline).map(|t| self.clock.true_time(t));
            // A timer that fires early would only be set again.
            let deadline = deadline.map(|t| t.max(self.clock.now) + 1);
            let post = self.wire.next_at();
            let next = deadline.into_iter().chain(post).min().unwrap_or(end);
            if next > end {
                break;
            }
            if post == Some(next) {
                self.arrive()?;
            } else {
                self.clock.go_to(next);
                self.expire()?;
            }
            self.patience()?;
        }
        if self.down.is_some() {
            return Ok(());
        }
        self.clock.go_to(end);
        self.expire()
    }

    /// Nobody waits for ever.
    fn patience(&self) -> Checked {
        match self.calls.values().find(|w| self.clock.now > w.since + PATIENCE) {
            Some(waiting) => broken("every call is replied to", format!("{:?}", waiting.what)),
            None => Ok(()),
        }
    }

    fn operator(&mut self) -> Checked {
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
    fn supervisor(&mut self) -> Checked {
        if self.dice.percent(25) {
            return self.ask(Call::Other("drain"), Command::Drain);
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

    fn device(&mut self) -> Checked {
        let states = [DeviceState::Ready, DeviceState::Absent, DeviceState::Failed, DeviceState::Starting];
        let state = self.dice.one_of(states);
        let device = self.dice.one_of([Device::Reader, Device::Keypad]);
        self.tally.fault("device away");
        match device {
            Device::Reader => (self.reader, self.people.polling) = (state, false),
            Device::Keypad => (self.keypad, self.people.asked) = (state, None),
        }
        let cause = self.dice.one_of([None, Some(Cause::H02)]);
        self.tell(Event::DeviceChanged { device, state, cause })
    }

    pub(super) fn devices_up(&mut self) -> Checked {
        (self.reader, self.keypad) = (DeviceState::Ready, DeviceState::Ready);
        for device in [Device::Reader, Device::Keypad] {
            self.tell(Event::DeviceChanged { device, state: DeviceState::Ready, cause: None })?;
        }
        Ok(())
    }

    fn storage(&mut self) -> Checked {
        if self.disk.is_faulty() && self.dice.percent(70) {
            say!(self, "the disk works again");
            self.disk.repair();
            return Ok(());
        }
        let fault = self.dice.one_of([Fault::Full, Fault::Full, Fault::Write, Fault::Flush, Fault::Flush, Fault::Read]);
        let (good, times) = (self.dice.roll(20), self.dice.one_of([1, 1, 2, 5, 1_000]));
        say!(self, "{} after {good}, {times} times", fault.word());
        self.tally.fault(fault.word());
        self.disk.break_down(fault, u32::try_from(good).unwrap_or(0), times);
        Ok(())
    }

    /// In the middle of some later commit the power goes; or the network comes and goes.
    fn weather(&mut self) -> Checked {
        if self.dice.percent(50) {
            let changes = u32::try_from(self.dice.roll(60)).unwrap_or(0);
            say!(self, "the power will go after {changes} writes");
            self.tally.fault("cut in the middle of a commit");
            self.disk.cut_in(Some(changes));
        } else {
            self.wire.down = !self.wire.down;
            say!(self, "network {}", if self.wire.down { "down" } else { "up" });
        }
        Ok(())
    }

    fn clocks(&mut self) -> Checked {
        if self.dice.percent(50) {
            let off = self.clock.jump(&mut self.dice);
            say!(self, "the wall clock is {off} s ahead");
            self.tally.fault("wall clock jumps");
            return self.expire();
        }
        self.synchronise()
    }

    fn synchronise(&mut self) -> Checked {
        self.clock.synchronise();
        say!(self, "the wall clock is synchronised");
        self.tell(Event::ClockSynchronised)
    }

    fn ceremony(&mut self) -> Checked {
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
            self.down = Some(Crash::Power);
            self.teller = None;
            return Ok(());
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

    fn acquirer_changes(&mut self) -> Checked {
        if self.dice.percent(60) {
            say!(self, "the acquirer has lost the working keys");
            self.tally.fault("acquirer loses keys");
            self.acquirer.lose_keys();
        } else {
            self.acquirer.clock_error = self.dice.one_of([0, 0, 0, 120, -120, 4_000, -86_400]);
            say!(self, "the acquirer's clock is {} s off", self.acquirer.clock_error);
        }
        Ok(())
    }

    fn clerk(&mut self) -> Checked {
        let device = self.dice.one_of([Device::Reader, Device::Keypad]);
        let caller = self.apps.caller(0);
        let command = match self.dice.roll(4) {
            0 => Command::Inhibit { caller, device, why: "cleaning".to_owned() },
            1 | 2 => Command::InhibitEnded { device },
            _ => Command::ResetReader,
        };
        self.ask(Call::Other("clerk"), command)
    }

    /// Compares all books, if anything of them has changed.
    fn check(&mut self) -> Checked {
        self.patience()?;
        let state = (self.disk.flushes(), self.acquirer.changes);
        if self.checked != state {
            self.checked = state;
            self.audit()?;
            self.note_held();
        }
        Ok(())
    }
}
