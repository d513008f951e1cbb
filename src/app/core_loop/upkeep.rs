//! Maintenance on the core thread: counters are collected at a slow pace, never inside a payment; notices come and go.
//!
//! Owns: what was counted and is not written yet. Must not know: what a number means (`diagnose::upkeep`).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Core;
use crate::diagnose::events::JournalEvent;
use crate::diagnose::upkeep::{self as rules, Policy};
use crate::domain::card::TapFailure;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::Found;
use crate::domain::readings::Readings;
use crate::domain::time::{Instant, Now};
use crate::domain::upkeep::{Counter, Day, Done, Due, Item, Notice, Notices, Reading};
use crate::driver::{certificate, probe};
use crate::keypad;
use crate::reader::pn532::statistics::Statistics;
use crate::store::Store;

/// A look that fell into a payment is put off by this.
const PUT_OFF: Duration = Duration::from_secs(10);
/// A clock before 2024 is not set: nothing is counted for such a day, and nothing is due on it.
const FIRST_DAY: Day = Day(19_723);

/// What there is to look at, and how often.
pub struct UpkeepSettings {
    /// Where sysfs is.
    pub sys: PathBuf,
    /// Where the books are.
    pub state_dir: PathBuf,
    /// The pinned certificate, where a file names it.
    pub certificate: Option<PathBuf>,
    /// Days from one time to the next, for each item that is ever due.
    pub intervals: Vec<(Item, u32)>,
    /// Between two looks.
    pub look_every: Duration,
    /// Age at which working keys renew themselves.
    pub keys_max_age: Duration,
}

/// Counters, dates and notices.
pub(super) struct Upkeep {
    settings: UpkeepSettings,
    pub(super) readings: Readings,
    /// What differs from the store.
    unwritten: BTreeSet<(Day, Counter)>,
    /// The last line of each item.
    pub(super) last: Vec<Done>,
    pub(super) notices: Notices,
    next: Instant,
    /// Taps and failed ones since the last look.
    taps: (u64, u64),
    reader: Statistics,
    keypad: keypad::Statistics,
    written_kib: Option<u64>,
}

impl Upkeep {
    /// Takes up what the store holds.
    pub(super) fn new(settings: UpkeepSettings, now: Now, store: &Store) -> Self {
        let readings = store.readings().unwrap_or_else(|error| {
            unreadable(&error);
            Readings::default()
        });
        let last = store.last_done().unwrap_or_else(|error| {
            unreadable(&error);
            Vec::new()
        });
        let next = now.mono.after(settings.look_every);
        let mut upkeep = Self {
            settings,
            readings,
            unwritten: BTreeSet::new(),
            last,
            notices: Notices::default(),
            next,
            taps: (0, 0),
            reader: Statistics::default(),
            keypad: keypad::Statistics::default(),
            written_kib: None,
        };
        upkeep.weigh(now);
        upkeep
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.next)
    }

    /// A card was read, or was not.
    pub(super) fn tapped(&mut self, failure: Option<TapFailure>) {
        let unread = match failure {
            // From outside, a field that is too weak looks like a card that left.
            Some(TapFailure::CardFaulty | TapFailure::RemovedEarly) => true,
            // Nobody tapped, or the reader itself failed: that has its own causes.
            Some(TapFailure::NoCard | TapFailure::ReaderFailed) => return,
            // Read well; what the card says is another matter.
            Some(
                TapFailure::TwoCards
                | TapFailure::WrongCard
                | TapFailure::NoCommonApplication
                | TapFailure::CardDeclined
                | TapFailure::UseChip
                | TapFailure::Expired,
            )
            | None => false,
        };
        self.taps.0 = self.taps.0.saturating_add(1);
        self.taps.1 = self.taps.1.saturating_add(u64::from(unread));
    }

    fn take(&mut self, day: Day, counter: Counter, value: u64) {
        if self.readings.take(day, counter, value) {
            self.unwritten.insert((day, counter));
        }
    }

    /// What reader and keypad have counted since the last look.
    fn take_devices(&mut self, day: Day, reader: Statistics, keypad: keypad::Statistics) {
        let (taps, unread) = std::mem::take(&mut self.taps);
        let (was, pad) = (self.reader, self.keypad);
        let resets = |s: Statistics| s.reopens + s.resets + s.power_cycles;
        let counted = [
            (Counter::Taps, taps),
            (Counter::ReadFailures, unread),
            (Counter::Frames, since(was.frames, reader.frames)),
            (Counter::FramingErrors, since(was.framing_errors, reader.framing_errors)),
            (Counter::AckTimeouts, since(was.ack_timeouts, reader.ack_timeouts)),
            (Counter::ReaderResets, since(resets(was), resets(reader))),
            (Counter::ReaderWakes, since(was.wakes, reader.wakes)),
            (Counter::KeyPresses, since(pad.presses, keypad.presses)),
            (Counter::KeyBounces, since(pad.bounces, keypad.bounces)),
            (Counter::StuckKeys, since(pad.stuck, keypad.stuck)),
        ];
        counted.into_iter().for_each(|(counter, n)| self.take(day, counter, n));
        (self.reader, self.keypad) = (reader, keypad);
    }

    /// What the machine tells: supply, disk, certificate.
    fn take_machine(&mut self, day: Day) {
        let short = matches!(probe::power(&self.settings.sys).found, Found::Failed(_));
        self.take(day, Counter::Undervoltage, u64::from(short));
        let worn = probe::wear(&self.settings.sys, &self.settings.state_dir);
        // What was written before this start is nobody's day.
        let written = self.written_kib.zip(worn.written_kib).map(|(was, is)| since(was, is));
        self.written_kib = worn.written_kib;
        let expires = self.settings.certificate.as_deref().and_then(certificate::expires);
        let left = expires.map(|at| u64::from(Day::of(at).0.saturating_sub(day.0)));
        let levels = [
            (Counter::WrittenKib, written),
            (Counter::StorageWear, worn.life_used),
            (Counter::StorageSpares, worn.spares),
            (Counter::CertificateDays, left),
        ];
        for (counter, value) in levels {
            if let Some(value) = value {
                self.take(day, counter, value);
            }
        }
    }

    pub(super) fn due(&self) -> Vec<Due> {
        let of = |item: Item| self.last.iter().find(|done| done.item == item).map(|done| done.at);
        let due = |&(item, interval): &(Item, u32)| {
            let (done, from) = (of(item), of(item).or_else(|| of(Item::Start)));
            Due { item, interval, done, on: from.map(|at| Day(Day::of(at).0.saturating_add(interval))) }
        };
        self.settings.intervals.iter().map(due).collect()
    }

    /// Weighs everything anew; a line for each notice that came or went.
    pub(super) fn weigh(&mut self, now: Now) {
        if Day::of(now.wall) < FIRST_DAY {
            return;
        }
        let policy = Policy { keys_max_age: self.settings.keys_max_age.as_secs() / 3600 };
        let new = rules::notices(&self.readings, &self.due(), policy, Day::of(now.wall));
        let lacks = |all: &[Notice], notice: &Notice| !all.iter().any(|other| other.kind == notice.kind);
        for notice in new.iter().filter(|notice| lacks(&self.notices, notice)) {
            let [_, seen] = &notice.text;
            tracing::warn!(
                POS_EVENT = JournalEvent::Maintenance.as_str(),
                POS_COMPONENT = "upkeep",
                POS_CAUSE = notice.cause.map(Cause::as_str),
                POS_STATE = notice.kind,
                POS_EVIDENCE = %seen,
                "to be seen to: {}",
                notice.kind
            );
        }
        for notice in self.notices.iter().filter(|notice| lacks(&new, notice)) {
            tracing::info!(
                POS_EVENT = JournalEvent::Maintenance.as_str(),
                POS_COMPONENT = "upkeep",
                POS_STATE = notice.kind,
                "seen to: {}",
                notice.kind
            );
        }
        if *self.notices != *new {
            self.notices = new.into();
        }
    }

    /// Brings what is new to the store, in one commit. A disk that refuses is asked again at the next look.
    fn write(&mut self, store: &mut Store, at_the_end: bool) {
        // What is written to the disk changes by this very write: on its own it is worth none before the end.
        let worth = |(_, counter): &(Day, Counter)| at_the_end || *counter != Counter::WrittenKib;
        if !self.unwritten.iter().any(worth) {
            return;
        }
        let is_new = |reading: &&Reading| self.unwritten.contains(&(reading.day, reading.counter));
        let rows: Vec<Reading> = self.readings.0.iter().filter(is_new).copied().collect();
        let written = store.note_readings(&rows).and_then(|()| store.readings());
        match written {
            Ok(kept) => {
                self.readings = kept;
                self.unwritten.clear();
            }
            Err(error) => unreadable(&error),
        }
    }
}

/// What came on top; a machine that was made anew counts from nothing.
fn since(was: u64, is: u64) -> u64 {
    is.checked_sub(was).unwrap_or(is)
}

fn unreadable(error: &crate::store::StoreError) {
    tracing::warn!(
        POS_EVENT = JournalEvent::StorageTrouble.as_str(),
        POS_COMPONENT = "upkeep",
        POS_EVIDENCE = %error,
        "wear counters and inspection log are not to be had now"
    );
}

impl Core {
    /// Looks at the counters, when it is time and no payment is at hand.
    pub(super) fn keep_up(&mut self, now: Now) {
        if self.upkeep.next > now.mono {
            return;
        }
        let looked = self.look_at_counters(now, false);
        let wait = if looked { self.upkeep.settings.look_every } else { self.upkeep.settings.look_every.min(PUT_OFF) };
        self.upkeep.next = now.mono.after(wait);
    }

    /// Counts, writes and weighs; not in a payment, and not while the disk refuses. Says whether it did.
    pub(super) fn look_at_counters(&mut self, now: Now, at_the_end: bool) -> bool {
        let guards = self.guards();
        if guards.payment || guards.storage {
            return false;
        }
        let day = Day::of(now.wall);
        if day < FIRST_DAY {
            // Nothing is lost: devices are counted on, and told apart once the day is known.
            return true;
        }
        self.upkeep.take_devices(day, *self.reader.statistics(), self.keypad.statistics());
        self.upkeep.take_machine(day);
        let terminal = &self.published.terminal;
        if let Some(difference) = terminal.clock_difference {
            self.upkeep.take(day, Counter::ClockDifference, difference.unsigned_abs());
        }
        if let Some(at) = terminal.signed_in_at {
            // Without keys there is nothing that could be too old.
            let age = now.wall.0.saturating_sub(at.0) / 3_600_000_000;
            self.upkeep.take(day, Counter::KeyAge, if self.published.keys.working { age } else { 0 });
        }
        self.upkeep.write(self.teller.store_mut(), at_the_end);
        self.note_start(now);
        self.upkeep.weigh(now);
        true
    }

    /// Dates are counted from the first look that this store has seen.
    fn note_start(&mut self, now: Now) {
        if self.upkeep.last.iter().any(|done| done.item == Item::Start) {
            return;
        }
        let start = Done { at: now.wall, item: Item::Start, operator: None, uid: 0, note: String::new() };
        match self.teller.store_mut().note_done(&start) {
            Ok(()) => self.upkeep.last.push(start),
            Err(error) => unreadable(&error),
        }
    }
}
