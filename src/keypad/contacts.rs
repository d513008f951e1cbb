//! Which presses are real: debouncing, ghosting, stuck keys. Turns raw key changes into pressed [`Key`]s.
//!
//! A press counts only once its contact has been closed for the bounce time, and a gap shorter than that is still the
//! same press. So a bouncing or sparking key yields one press or none, never a wrong digit. The bounce time is measured
//! on the kernel's own stamps, since the daemon may read a press and its release in one go; the timers run on the boot
//! clock. The two are never compared with each other.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::time::{Instant, WallTime};
use crate::keypad::keymap::{Key, Keymap};

/// More keys than this at once cannot be told from ghosts of a matrix without diodes.
const MOST_KEYS_DOWN: usize = 2;

/// The times that tell a press from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactLimits {
    /// A press or gap shorter than this is bounce; zero turns debouncing off.
    pub bounce: Duration,
    /// A key down for longer is stuck.
    pub stuck: Duration,
    /// How long a key that was already down when a secret entry began may stay down.
    pub grace: Duration,
}

impl Default for ContactLimits {
    fn default() -> Self {
        Self { bounce: Duration::from_millis(5), stuck: Duration::from_secs(10), grace: Duration::from_secs(1) }
    }
}

/// What happened to the contacts. No `Debug`: key codes are digits.
pub enum ContactEvent {
    /// One key went down or up.
    Changed {
        /// Which.
        code: u16,
        /// Down or up.
        down: bool,
        /// When, by the kernel.
        stamp: WallTime,
    },
    /// What is down was read anew: at opening and after lost events.
    Resynced {
        /// Every key that is down.
        keys_down: Vec<u16>,
    },
}

/// What the contacts report. No `Debug`: keys are digits.
pub enum ContactReport {
    /// A key was really pressed.
    Pressed(Key),
    /// A press or gap was too short to be a person's.
    Bounced,
    /// A key has been down for too long; it is ignored until it comes up.
    Stuck,
    /// No key is stuck any more.
    Freed,
}

enum Phase {
    /// Down, too new to count.
    Closing { pressed: WallTime, settled: Instant },
    /// Down, and counted or rejected.
    Down,
    /// Down since before anybody asked for keys; does not count.
    HeldOver,
    /// Down for too long; does not count.
    Stuck,
    /// Up; the stamp tells a broken contact from a new press.
    Up { released: WallTime },
}

struct Contact {
    code: u16,
    key: Key,
    since: Instant,
    phase: Phase,
}

/// Supervises every key of one pad.
pub struct Contacts {
    keymap: Keymap,
    limits: ContactLimits,
    /// In the order of pressing; at most one per key of the map.
    contacts: Vec<Contact>,
    /// Too many keys were down: nothing counts until all are up.
    ghosting: bool,
    reports: VecDeque<ContactReport>,
}

impl Contacts {
    /// All keys up.
    pub fn new(keymap: Keymap, limits: ContactLimits) -> Self {
        Self { keymap, limits, contacts: Vec::new(), ghosting: false, reports: VecDeque::new() }
    }

    /// What a key code means; `None` where it means nothing.
    pub fn meaning(&self, code: u16) -> Option<Key> {
        self.keymap.key(code)
    }

    /// Takes one change.
    pub fn handle(&mut self, now: Instant, event: ContactEvent) {
        match event {
            ContactEvent::Changed { code, down, stamp } => {
                let Some(key) = self.keymap.key(code) else { return };
                let bounce = self.limits.bounce;
                self.settle(|pressed, _| long(pressed, stamp, bounce));
                if down { self.close(now, code, key, stamp) } else { self.open(code, stamp) }
            }
            ContactEvent::Resynced { keys_down } => self.resync(now, &keys_down),
        }
    }

    /// Counts presses that have lasted, and finds keys that are down for too long.
    pub fn expire(&mut self, now: Instant) {
        self.settle(|_, settled| settled <= now);
        let limit = self.limits.stuck;
        self.stick(|contact| contact.since.after(limit) <= now);
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let due = |contact: &Contact| match contact.phase {
            Phase::Closing { settled, .. } => Some(settled),
            Phase::Down | Phase::HeldOver => Some(contact.since.after(self.limits.stuck)),
            Phase::Stuck | Phase::Up { .. } => None,
        };
        self.contacts.iter().filter_map(due).min()
    }

    /// The next report.
    pub fn poll(&mut self) -> Option<ContactReport> {
        self.reports.pop_front()
    }

    /// An entry begins: what is down now does not count for it.
    pub fn hold_over(&mut self) {
        for contact in &mut self.contacts {
            match contact.phase {
                Phase::Closing { .. } | Phase::Down => contact.phase = Phase::HeldOver,
                Phase::HeldOver | Phase::Stuck | Phase::Up { .. } => {}
            }
        }
    }

    /// Whether a key is still down that was down before the entry began.
    pub fn held_over(&self) -> bool {
        self.contacts.iter().any(|contact| matches!(contact.phase, Phase::HeldOver))
    }

    /// The grace is over: keys held over count as stuck.
    pub fn end_grace(&mut self) {
        self.stick(|contact| matches!(contact.phase, Phase::HeldOver));
    }

    /// Whether a key is stuck.
    pub fn stuck(&self) -> bool {
        self.contacts.iter().any(|contact| matches!(contact.phase, Phase::Stuck))
    }

    fn close(&mut self, now: Instant, code: u16, key: Key, stamp: WallTime) {
        let mut since = now;
        if let Some(index) = self.contacts.iter().position(|contact| contact.code == code) {
            let Some(contact) = self.contacts.get_mut(index) else { return };
            match contact.phase {
                Phase::Up { released } if !long(released, stamp, self.limits.bounce) => {
                    contact.phase = Phase::Down;
                    return self.reports.push_back(ContactReport::Bounced);
                }
                // Moved to the end, so that the order stays that of pressing.
                Phase::Up { .. } => since = self.contacts.remove(index).since.max(now),
                Phase::Closing { .. } | Phase::Down | Phase::HeldOver | Phase::Stuck => return,
            }
        }
        let phase = Phase::Closing { pressed: stamp, settled: now.after(self.limits.bounce) };
        self.contacts.push(Contact { code, key, since, phase });
        self.ghosting |= self.down() > MOST_KEYS_DOWN;
        if self.ghosting {
            self.reject_closing();
        } else if self.limits.bounce.is_zero() {
            self.settle(|_, settled| settled <= now);
        }
    }

    fn open(&mut self, code: u16, stamp: WallTime) {
        let Some(index) = self.contacts.iter().position(|contact| contact.code == code) else { return };
        let Some(contact) = self.contacts.get_mut(index) else { return };
        match contact.phase {
            Phase::Closing { .. } => {
                self.contacts.remove(index);
                self.reports.push_back(ContactReport::Bounced);
            }
            Phase::Down | Phase::HeldOver => contact.phase = Phase::Up { released: stamp },
            Phase::Stuck => {
                contact.phase = Phase::Up { released: stamp };
                self.freed(true);
            }
            Phase::Up { .. } => {}
        }
        self.ghosting &= self.down() > 0;
    }

    fn resync(&mut self, now: Instant, keys_down: &[u16]) {
        let had_stuck = self.stuck();
        let old = std::mem::take(&mut self.contacts);
        for code in keys_down {
            let known = self.contacts.iter().any(|contact| contact.code == *code);
            let Some(key) = self.keymap.key(*code).filter(|_| !known) else { continue };
            let before = old.iter().find(|c| c.code == *code && !matches!(c.phase, Phase::Up { .. }));
            let phase = match before.map(|contact| &contact.phase) {
                Some(Phase::Stuck) => Phase::Stuck,
                Some(Phase::Closing { .. } | Phase::Down | Phase::HeldOver | Phase::Up { .. }) | None => {
                    Phase::HeldOver
                }
            };
            let since = before.map_or(now, |contact| contact.since);
            self.contacts.push(Contact { code: *code, key, since, phase });
        }
        self.ghosting = self.down() > MOST_KEYS_DOWN;
        self.freed(had_stuck);
    }

    /// Keys down, without those that are stuck: one broken key must not lock the whole pad.
    fn down(&self) -> usize {
        let is_down = |contact: &&Contact| match contact.phase {
            Phase::Closing { .. } | Phase::Down | Phase::HeldOver => true,
            Phase::Stuck | Phase::Up { .. } => false,
        };
        self.contacts.iter().filter(is_down).count()
    }

    fn settle(&mut self, lasted: impl Fn(WallTime, Instant) -> bool) {
        for contact in &mut self.contacts {
            if let Phase::Closing { pressed, settled } = contact.phase
                && lasted(pressed, settled)
            {
                contact.phase = Phase::Down;
                self.reports.push_back(ContactReport::Pressed(contact.key));
            }
        }
    }

    fn stick(&mut self, too_long: impl Fn(&Contact) -> bool) {
        for contact in &mut self.contacts {
            match contact.phase {
                Phase::Closing { .. } | Phase::Down | Phase::HeldOver if too_long(contact) => {
                    contact.phase = Phase::Stuck;
                    self.reports.push_back(ContactReport::Stuck);
                }
                Phase::Closing { .. } | Phase::Down | Phase::HeldOver | Phase::Stuck | Phase::Up { .. } => {}
            }
        }
        self.ghosting &= self.down() > 0;
    }

    fn reject_closing(&mut self) {
        for contact in &mut self.contacts {
            if let Phase::Closing { .. } = contact.phase {
                contact.phase = Phase::Down;
            }
        }
    }

    fn freed(&mut self, had_stuck: bool) {
        if had_stuck && !self.stuck() {
            self.reports.push_back(ContactReport::Freed);
        }
    }
}

/// Whether the span between two stamps is a person's. A clock set back in between is no bounce.
fn long(from: WallTime, to: WallTime, bounce: Duration) -> bool {
    to.0.checked_sub(from.0).is_none_or(|micros| Duration::from_micros(micros) >= bounce)
}
