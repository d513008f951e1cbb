//! The one keypad machine that the core loop drives: device events and entries in, outputs out.

use std::collections::VecDeque;

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::time::{Instant, WallTime};
use crate::keypad::contacts::{ContactEvent, ContactLimits, ContactReport, Contacts};
use crate::keypad::entry::{ActiveEntry, Entry, EntryEvent, TimeLimits};
use crate::keypad::event::{Event, Settings};
use crate::keypad::keymap::Key;
use crate::keypad::output::Output;

/// So many presses without bounce take the notice H07 back.
const CLEAN_PRESSES: u16 = 100;

enum State {
    /// Nothing is known of the device yet.
    Starting,
    /// No device.
    Absent,
    /// Nothing is asked.
    Ready,
    /// Something is being entered.
    Collecting(Box<Collecting>),
}

struct Collecting {
    entry: ActiveEntry,
    secret: bool,
    /// Until then keys that were down at the start must be up.
    grace: Option<Instant>,
}

/// Counted since the machine was made. Nothing here says which keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Presses that counted.
    pub presses: u64,
    /// Presses and gaps too short to be a person's (evidence of H07).
    pub bounces: u64,
    /// Keys that stayed down (evidence of H06).
    pub stuck: u64,
}

/// The keypad.
pub struct Keypad {
    statistics: Statistics,

    limits: ContactLimits,
    contacts: Contacts,
    state: State,
    name: Option<String>,
    /// Presses still to go until the bounce notice is taken back; zero without notice.
    bounce_notice: u16,
    announced: (DeviceState, Option<Cause>),
    /// How the entry ended; said after the state, so that whoever hears it already knows whether the keypad is free.
    ended: Option<Output>,
    /// Cancel was pressed outside any entry.
    cancel_pressed: bool,
    outputs: VecDeque<Output>,
}

impl Keypad {
    /// A keypad of which nothing is known yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            statistics: Statistics::default(),
            limits: settings.contacts,
            contacts: Contacts::new(settings.keymap, settings.contacts),
            state: State::Starting,
            name: None,
            bounce_notice: 0,
            announced: (DeviceState::Starting, None),
            ended: None,
            cancel_pressed: false,
            outputs: VecDeque::new(),
        }
    }

    /// What a key code means; `None` where it means nothing.
    pub fn meaning(&self, code: u16) -> Option<Key> {
        self.contacts.meaning(code)
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened { name, keys_down } => self.opened(now, name, keys_down),
            Event::Closed => self.closed(now),
            Event::Key { code, value, stamp } => self.key(now, code, value, stamp),
            Event::SynDropped { keys_down } => self.events_lost(now, keys_down),
            Event::Start { entry, limits } => self.start(now, entry, limits),
            Event::Stop => self.stop(),
        }
        self.announce();
    }

    /// Does what has become due.
    pub fn expire(&mut self, now: Instant) {
        self.contacts.expire(now);
        self.heed_contacts(now);
        if let State::Collecting(collecting) = &self.state
            && collecting.grace.is_some_and(|grace| grace <= now)
        {
            self.contacts.end_grace();
            self.heed_contacts(now);
        }
        self.expire_entry(now);
        self.announce();
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let entry = match &self.state {
            State::Starting | State::Absent | State::Ready => [None, None],
            State::Collecting(collecting) => [collecting.entry.deadline(), collecting.grace],
        };
        entry.into_iter().chain([self.contacts.deadline()]).flatten().min()
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// State and fault, as shown on the bus.
    pub fn state(&self) -> (DeviceState, Option<Cause>) {
        let notice = (self.bounce_notice > 0).then_some(Cause::H07);
        match self.state {
            State::Starting => (DeviceState::Starting, None),
            State::Absent => (DeviceState::Absent, Some(Cause::H05)),
            State::Ready | State::Collecting(_) if self.contacts.stuck() => (DeviceState::Failed, Some(Cause::H06)),
            State::Ready => (DeviceState::Ready, notice),
            State::Collecting(_) => (DeviceState::Active, notice),
        }
    }

    /// The counts so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// What the device calls itself; `None` while there is none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn opened(&mut self, now: Instant, name: String, keys_down: Vec<u16>) {
        // Another device than the one the entry was begun on.
        self.closed(now);
        self.contacts.handle(now, ContactEvent::Resynced { keys_down });
        self.name = Some(name);
        self.bounce_notice = 0;
        self.state = State::Ready;
    }

    fn closed(&mut self, now: Instant) {
        self.fail(Cause::H05);
        self.contacts.handle(now, ContactEvent::Resynced { keys_down: Vec::new() });
        self.heed_contacts(now);
        self.name = None;
        self.state = State::Absent;
    }

    fn key(&mut self, now: Instant, code: u16, value: i32, stamp: WallTime) {
        let down = match value {
            0 => false,
            1 => true,
            // Autorepeat (2) is the kernel's, not the person's.
            _ => return,
        };
        match self.state {
            State::Starting | State::Absent => {}
            State::Ready | State::Collecting(_) => {
                self.expire_entry(now);
                self.contacts.handle(now, ContactEvent::Changed { code, down, stamp });
                self.heed_contacts(now);
            }
        }
    }

    fn events_lost(&mut self, now: Instant, keys_down: Vec<u16>) {
        if let State::Starting | State::Absent = self.state {
            return;
        }
        self.expire_entry(now);
        self.contacts.handle(now, ContactEvent::Resynced { keys_down });
        self.heed_contacts(now);
        let grace = self.grace(now);
        if let State::Collecting(collecting) = &mut self.state {
            collecting.grace = grace.filter(|_| collecting.secret);
            collecting.entry.handle(now, EntryEvent::EventsLost);
        }
        self.heed_entry();
    }

    fn start(&mut self, now: Instant, entry: Entry, limits: TimeLimits) {
        match self.state {
            State::Starting | State::Absent => self.ended = Some(Output::Failed(Cause::H05)),
            State::Ready | State::Collecting(_) => {
                self.contacts.hold_over();
                let secret = entry.is_secret();
                if secret && self.contacts.stuck() {
                    self.state = State::Ready;
                    self.ended = Some(Output::Failed(Cause::H06));
                    return;
                }
                let grace = self.grace(now).filter(|_| secret);
                let entry = ActiveEntry::start(now, entry, limits);
                self.state = State::Collecting(Box::new(Collecting { entry, secret, grace }));
            }
        }
    }

    fn stop(&mut self) {
        match self.state {
            State::Starting | State::Absent | State::Ready => {}
            State::Collecting(_) => self.state = State::Ready,
        }
    }

    /// Passes on what the contacts report.
    fn heed_contacts(&mut self, now: Instant) {
        while let Some(report) = self.contacts.poll() {
            match report {
                ContactReport::Pressed(key) => {
                    self.statistics.presses += 1;
                    self.pressed(now, key);
                }
                ContactReport::Bounced => {
                    self.statistics.bounces += 1;
                    self.bounce_notice = CLEAN_PRESSES;
                }
                ContactReport::Stuck => {
                    self.statistics.stuck += 1;
                    self.fail_secret();
                }
                ContactReport::Freed => {}
            }
        }
    }

    fn pressed(&mut self, now: Instant, key: Key) {
        self.bounce_notice = self.bounce_notice.saturating_sub(1);
        let State::Collecting(collecting) = &mut self.state else {
            // Nothing is asked here, but a payment may be waiting for a card: whoever stands there wants out of it.
            self.cancel_pressed |= key == Key::Cancel;
            return;
        };
        // No secret is finished while a key is down that was down before it began.
        if collecting.secret && key == Key::Ok && (self.contacts.held_over() || self.contacts.stuck()) {
            return self.contacts.end_grace();
        }
        collecting.entry.handle(now, EntryEvent::Pressed(key));
        self.heed_entry();
    }

    fn grace(&self, now: Instant) -> Option<Instant> {
        self.contacts.held_over().then(|| now.after(self.limits.grace))
    }

    fn expire_entry(&mut self, now: Instant) {
        if let State::Collecting(collecting) = &mut self.state {
            collecting.entry.expire(now);
        }
        self.heed_entry();
    }

    /// Passes on what the entry says, and drops it once it is over.
    fn heed_entry(&mut self) {
        let State::Collecting(collecting) = &mut self.state else { return };
        let mut ended = None;
        while let Some(output) = collecting.entry.poll() {
            if output.ends_entry() { ended = Some(output) } else { self.outputs.push_back(output) }
        }
        if ended.is_some() {
            self.state = State::Ready;
            self.ended = ended;
        }
    }

    fn fail_secret(&mut self) {
        if let State::Collecting(collecting) = &self.state
            && collecting.secret
        {
            self.fail(Cause::H06);
        }
    }

    fn fail(&mut self, cause: Cause) {
        match self.state {
            State::Starting | State::Absent | State::Ready => {}
            State::Collecting(_) => {
                self.state = State::Ready;
                self.ended = Some(Output::Failed(cause));
            }
        }
    }

    fn announce(&mut self) {
        if let State::Collecting(collecting) = &mut self.state
            && !self.contacts.held_over()
        {
            collecting.grace = None;
        }
        let state = self.state();
        if state != self.announced {
            self.announced = state;
            self.outputs.push_back(Output::StateChanged(state.0, state.1));
        }
        self.outputs.extend(self.ended.take());
        self.outputs.extend(std::mem::take(&mut self.cancel_pressed).then_some(Output::CancelPressed));
    }
}
