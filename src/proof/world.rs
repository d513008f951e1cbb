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
use super::clock::Clock;
use super::dice::Dice;
use super::disk::Disk;
use super::log::Log;
use super::message;
use super::people::People;
use super::process::Crash;
use super::settings::settings;
use super::tally::Tally;
use super::template::Template;
use super::vfs::{Rack, Slot};
use super::wire::{Line, Wire};
use crate::domain::device::DeviceState;
use crate::domain::ids::TransactionId;
use crate::domain::outcome::TransactionState;
use crate::domain::prompt::Prompt;
use crate::engine::command::{CommandId, ListFilter};
use crate::engine::event::Event;
use crate::engine::settings::Settings;
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

/// All payments, as they were on disk after so many starts and flushes.
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
    /// Whether a sign-in found the terminal's clock right by an acquirer's that is as wrong: no age is known then.
    pub(super) misled: bool,
    /// The order whose payment was not let start last.
    pub(super) refused: Option<usize>,
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
            misled: false,
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

    pub(super) fn active(&self) -> Option<TransactionId> {
        self.teller.as_ref()?.engine().snapshot().terminal.active
    }

    pub(super) fn state_of(&self, place: usize) -> Option<TransactionState> {
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

    /// Any payment on disk like this.
    pub(super) fn any_view(&mut self, wanted: impl Fn(&TransactionView) -> bool) -> Option<TransactionView> {
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
