//! What went wrong lately: the last faults that needed a person, each with its short code, and the changes before them.
//!
//! Owns: when a fault counts as one, how many are kept. Must not know: files, the bus, where the facts come from. It is
//! told of every change and of the time, like every machine here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::short_code::{CauseCode, DevicePart, Probed, ShortCode};
use super::who::is_reportable;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::fault::{FaultNote, Moment};
use crate::domain::outcome::TerminalState;
use crate::domain::time::{Instant, Now, WallTime};

/// Faults that are kept.
pub const MAX_NOTES: usize = 16;
/// Changes that are kept.
pub const MAX_MOMENTS: usize = 64;
/// A fault that is over sooner has mended itself: what is plugged in again at once, or found late at start.
const SETTLE: Duration = Duration::from_secs(10);
/// A fault that comes back within this time is the same one once more.
const AGAIN: Duration = Duration::from_secs(3_600);

/// Versions that a code names and that do not change while the daemon runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// smartposd.
    pub program: (u8, u8, u8),
    /// The kernel.
    pub kernel: (u8, u8),
    /// The system.
    pub system: u8,
}

/// How a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenDevice {
    /// Its state.
    pub state: DeviceState,
    /// What is wrong, or was last.
    pub cause: Option<Cause>,
}

impl SeenDevice {
    fn works(self) -> bool {
        match self.state {
            DeviceState::Ready | DeviceState::Active | DeviceState::Inhibited => true,
            DeviceState::Absent | DeviceState::Starting | DeviceState::Failed => false,
        }
    }

    fn fault(self) -> Option<Cause> {
        self.cause.filter(|_| !self.works())
    }
}

/// Everything that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The terminal.
    pub terminal: TerminalState,
    /// Why it is not ready.
    pub cause: Option<Cause>,
    /// The card reader.
    pub reader: SeenDevice,
    /// The keypad.
    pub keypad: SeenDevice,
    /// The code scanner, where one is configured.
    pub scanner: Option<SeenDevice>,
    /// The reader's firmware, as it says itself.
    pub firmware: String,
    /// Whether there are working keys.
    pub keys: bool,
    /// Payments that wait to be sent.
    pub waiting: u32,
    /// Payments held.
    pub held: u32,
    /// Reversals open.
    pub reversals: u32,
}

struct Standing {
    since: Now,
    noted: bool,
}

/// The chronicle.
pub struct Chronicle {
    machine: Machine,
    seen: Option<Seen>,
    standing: BTreeMap<Cause, Standing>,
    /// When a noted fault was over.
    over: BTreeMap<Cause, Instant>,
    notes: VecDeque<FaultNote>,
    moments: VecDeque<Moment>,
    /// What is new since it was asked for: `Some` and empty when only a count has changed.
    news: Option<Vec<FaultNote>>,
}

impl Chronicle {
    /// `notes` are those kept from before.
    pub fn new(machine: Machine, notes: impl IntoIterator<Item = FaultNote>) -> Self {
        let mut kept: VecDeque<FaultNote> = notes.into_iter().map(|note| FaultNote { active: false, ..note }).collect();
        while kept.len() > MAX_NOTES {
            kept.pop_front();
        }
        Self {
            machine,
            seen: None,
            standing: BTreeMap::new(),
            over: BTreeMap::new(),
            notes: kept,
            moments: VecDeque::new(),
            news: None,
        }
    }

    /// Takes in how everything is now.
    pub fn observe(&mut self, now: Now, seen: Seen) {
        if self.seen.as_ref() == Some(&seen) {
            return;
        }
        self.note_changes(now.wall, &seen);
        let scanner = seen.scanner.and_then(SeenDevice::fault);
        let faults: BTreeSet<Cause> = [seen.cause, seen.reader.fault(), seen.keypad.fault(), scanner]
            .into_iter()
            .flatten()
            .filter(|cause| is_reportable(*cause))
            .collect();
        let ended: Vec<Cause> = self.standing.keys().copied().filter(|cause| !faults.contains(cause)).collect();
        for cause in ended {
            if self.standing.remove(&cause).is_some_and(|standing| standing.noted) {
                self.over.insert(cause, now.mono);
            }
        }
        for cause in faults {
            self.standing.entry(cause).or_insert(Standing { since: now, noted: false });
        }
        self.seen = Some(seen);
    }

    fn note_changes(&mut self, at: WallTime, seen: &Seen) {
        let Some(last) = self.seen.clone() else { return };
        // Each payment makes it busy and ready again: that is no news.
        let calm = |state| matches!(state, TerminalState::Ready | TerminalState::Busy);
        let terminal = last.terminal != seen.terminal && !(calm(last.terminal) && calm(seen.terminal));
        if terminal || last.cause != seen.cause {
            self.moment(at, "terminal", last.terminal.as_str(), seen.terminal.as_str(), seen.cause);
        }
        let scanner = last.scanner.zip(seen.scanner).map(|(old, new)| ("scanner", old, new));
        let devices = [("reader", last.reader, seen.reader), ("keypad", last.keypad, seen.keypad)];
        for (part, old, new) in devices.into_iter().chain(scanner) {
            let used = |device: SeenDevice| matches!(device.state, DeviceState::Ready | DeviceState::Active);
            if old.state != new.state && !(used(old) && used(new)) {
                self.moment(at, part, old.state.as_str(), new.state.as_str(), new.fault());
            }
        }
    }

    fn moment(&mut self, at: WallTime, part: &'static str, old: &'static str, new: &'static str, cause: Option<Cause>) {
        if self.moments.len() >= MAX_MOMENTS {
            self.moments.pop_front();
        }
        self.moments.push_back(Moment { at, part, old, new, cause });
    }

    /// When the next fault has stood long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.standing.values().filter(|s| !s.noted).map(|s| s.since.mono.after(SETTLE)).min()
    }

    /// Notes the faults that have stood long enough.
    pub fn expire(&mut self, now: Now) {
        let due = |standing: &Standing| !standing.noted && standing.since.mono.after(SETTLE) <= now.mono;
        let ripe: Vec<(Cause, Now)> =
            self.standing.iter().filter(|(_, s)| due(s)).map(|(cause, s)| (*cause, s.since)).collect();
        for (cause, since) in ripe {
            if let Some(standing) = self.standing.get_mut(&cause) {
                standing.noted = true;
            }
            self.note(cause, since);
        }
    }

    fn note(&mut self, cause: Cause, since: Now) {
        self.news.get_or_insert_default();
        let again = self.over.get(&cause).is_some_and(|over| since.mono.since(*over) < AGAIN);
        if again && let Some(note) = self.notes.iter_mut().rev().find(|note| note.cause == cause) {
            note.times = note.times.saturating_add(1);
            return;
        }
        let code = self.code(since.wall, Some(cause)).encode();
        if self.notes.len() >= MAX_NOTES {
            self.notes.pop_front();
        }
        let note = FaultNote { at: since.wall, cause, code, times: 1, active: true };
        self.news.get_or_insert_default().push(note.clone());
        self.notes.push_back(note);
    }

    /// The short code of how things are now, as far as that is known without asking anybody.
    pub fn code(&self, at: WallTime, cause: Option<Cause>) -> ShortCode {
        let Machine { program, kernel, system } = self.machine;
        let mut code =
            ShortCode { at, cause: cause.map(CauseCode::from), program, kernel, system, ..ShortCode::default() };
        if let Some(place) = cause.and_then(place_of) {
            code.probe(place, Probed::Bad);
        }
        let Some(seen) = &self.seen else { return code };
        let device =
            |seen: SeenDevice| DevicePart { state: Some(seen.state), cause: seen.fault().map(CauseCode::from) };
        let verdict = |good| if good { Probed::Good } else { Probed::Bad };
        code.terminal = Some(seen.terminal);
        code.reader = device(seen.reader);
        code.keypad = device(seen.keypad);
        code.firmware = firmware(&seen.firmware);
        (code.waiting, code.held, code.reversals) = (seen.waiting, seen.held, seen.reversals);
        code.probe("keys", verdict(seen.keys));
        code
    }

    /// The faults, oldest first.
    pub fn notes(&self) -> Vec<FaultNote> {
        let stands = |cause| self.standing.get(&cause).is_some_and(|s| s.noted);
        let newest = |at: usize, cause| self.notes.iter().skip(at + 1).all(|later| later.cause != cause);
        let shown = |(at, note): (usize, &FaultNote)| {
            let active = stands(note.cause) && newest(at, note.cause);
            FaultNote { active, ..note.clone() }
        };
        self.notes.iter().enumerate().map(shown).collect()
    }

    /// The changes, oldest first.
    pub fn moments(&self) -> Vec<Moment> {
        self.moments.iter().cloned().collect()
    }

    /// The faults that are new since this was asked last; `None` if nothing has changed at all.
    pub fn take_news(&mut self) -> Option<Vec<FaultNote>> {
        self.news.take()
    }
}

/// The probe that a cause speaks of. Of a device its own place in the code tells.
fn place_of(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::N01 | Cause::N07 => Some("link"),
        Cause::N02 => Some("address"),
        Cause::N03 => Some("gateway"),
        Cause::N04 => Some("names"),
        Cause::N05 => Some("acquirer"),
        Cause::N06 => Some("control"),
        Cause::N08 => Some("portal"),
        Cause::N09 => Some("tls"),
        Cause::N10 | Cause::B06 => Some("host"),
        Cause::K01 | Cause::K02 | Cause::K03 | Cause::K04 | Cause::K05 | Cause::K06 => Some("keys"),
        Cause::B01 | Cause::B02 | Cause::B03 | Cause::B04 | Cause::S03 | Cause::S04 | Cause::S06 => Some("terminal"),
        Cause::P01 => Some("clock"),
        Cause::P02 | Cause::S02 | Cause::S07 => Some("storage"),
        Cause::P03 => Some("power"),
        Cause::S01 | Cause::P04 => Some("service"),
        Cause::H01 | Cause::H02 | Cause::H03 | Cause::H04 | Cause::H05 | Cause::H06 | Cause::H07 => None,
        Cause::H08 | Cause::H09 | Cause::H10 | Cause::H11 | Cause::S05 => None,
        Cause::O01 | Cause::O02 | Cause::O03 | Cause::O04 | Cause::O05 => None,
    }
}

/// `1.6` as numbers; zeros for anything else.
pub fn firmware(text: &str) -> (u8, u8) {
    let (major, minor) = two_numbers(text);
    if major < 16 && minor < 16 { (major, minor) } else { (0, 0) }
}

/// The first two numbers of a version such as `6.12.48-amd64`; zeros where there are none.
pub fn two_numbers(version: &str) -> (u8, u8) {
    let mut parts = version.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits).and_then(|number| number.parse().ok())
    });
    let mut next = || parts.next().flatten().unwrap_or(0);
    (next(), next())
}

#[cfg(test)]
mod tests;
