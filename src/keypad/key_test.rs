//! The guided test of the keys: each is pressed once, and what is missing, bounces or sticks is named.
//!
//! Owns: what was seen of each key since the test began. It keeps no order and no count of good presses: whoever reads the
//! result learns which keys do not work, and nothing of what was typed. Must not know: that this is no payment; whoever
//! starts it sees to that.

use std::time::Duration;

use crate::domain::time::{Instant, WallTime};
use crate::keypad::contacts::ContactLimits;
use crate::keypad::keymap::Key;

/// What has to be there on every pad. A, F, dot, backspace and clear are not on all.
const NEEDED: [Key; 12] = [
    Key::Digit(0),
    Key::Digit(1),
    Key::Digit(2),
    Key::Digit(3),
    Key::Digit(4),
    Key::Digit(5),
    Key::Digit(6),
    Key::Digit(7),
    Key::Digit(8),
    Key::Digit(9),
    Key::Ok,
    Key::Cancel,
];

/// One key, by its code: two keys of a pad may mean the same.
struct Watched {
    code: u16,
    key: Key,
    pressed: bool,
    bounces: u32,
    down: Option<(Instant, WallTime)>,
    up: Option<WallTime>,
    stuck: bool,
}

/// What came of the test. Names of keys, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// Keys that work.
    pub good: usize,
    /// Keys that never were pressed.
    pub missing: Vec<&'static str>,
    /// Keys whose presses or gaps were too short.
    pub bouncing: Vec<&'static str>,
    /// Keys that stayed down for too long.
    pub stuck: Vec<&'static str>,
}

/// The test under way.
pub struct KeyTest {
    limits: ContactLimits,
    keys: Vec<Watched>,
}

impl KeyTest {
    /// A test that has seen nothing yet.
    pub fn new(limits: ContactLimits) -> Self {
        Self { limits, keys: Vec::new() }
    }

    /// A key of the keymap went down or up.
    pub fn changed(&mut self, now: Instant, code: u16, key: Key, down: bool, stamp: WallTime) {
        let bounce = self.limits.bounce;
        let watched = match self.keys.iter().position(|watched| watched.code == code) {
            Some(index) => self.keys.get_mut(index),
            None => {
                self.keys.push(Watched { code, key, pressed: false, bounces: 0, down: None, up: None, stuck: false });
                self.keys.last_mut()
            }
        };
        let Some(watched) = watched else { return };
        let brief = |since: WallTime| Duration::from_micros(stamp.0.saturating_sub(since.0)) < bounce;
        if down {
            watched.bounces += u32::from(watched.up.is_some_and(brief));
            watched.down = Some((now, stamp));
        } else if let Some((_, since)) = watched.down.take() {
            if brief(since) {
                watched.bounces += 1
            } else {
                watched.pressed = true
            }
            watched.up = Some(stamp);
        }
    }

    /// Marks keys that have been down for too long.
    pub fn expire(&mut self, now: Instant) {
        let limit = self.limits.stuck;
        for watched in &mut self.keys {
            watched.stuck |= watched.down.is_some_and(|(since, _)| since.after(limit) <= now);
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let waits = |watched: &&Watched| !watched.stuck;
        self.keys.iter().filter(waits).filter_map(|w| w.down).map(|(since, _)| since.after(self.limits.stuck)).min()
    }

    /// Whether all there is to see was seen: every needed key, and none down but for stuck ones.
    pub fn is_complete(&self) -> bool {
        let seen =
            |key: &Key| self.keys.iter().any(|watched| watched.key == *key && (watched.pressed || watched.stuck));
        NEEDED.iter().all(seen) && self.keys.iter().all(|watched| watched.down.is_none() || watched.stuck)
    }

    /// What came of it.
    pub fn report(&self) -> KeyReport {
        let mut report = KeyReport::default();
        let pressed = |key: &Key| self.keys.iter().any(|watched| watched.key == *key && watched.pressed);
        let stuck = |key: &Key| self.keys.iter().any(|watched| watched.key == *key && watched.stuck);
        report.missing = NEEDED.iter().filter(|key| !pressed(key) && !stuck(key)).map(|key| key.name()).collect();
        for watched in &self.keys {
            let name = watched.key.name();
            match (watched.stuck, watched.bounces > 0) {
                (true, _) => put(&mut report.stuck, name),
                (false, true) => put(&mut report.bouncing, name),
                (false, false) => report.good += usize::from(watched.pressed),
            }
        }
        report.bouncing.sort_unstable();
        report.stuck.sort_unstable();
        report
    }
}

fn put(names: &mut Vec<&'static str>, name: &'static str) {
    if !names.contains(&name) {
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pad {
        test: KeyTest,
        at: u64,
    }

    impl Pad {
        fn new() -> Self {
            Self { test: KeyTest::new(ContactLimits::default()), at: 1_000_000 }
        }

        fn edge(&mut self, key: Key, down: bool, after_ms: u64) {
            self.at += after_ms * 1_000;
            let code = u16::try_from(NEEDED.iter().position(|k| *k == key).unwrap_or(99)).unwrap();
            self.test.changed(Instant(self.at), code, key, down, WallTime(self.at));
        }

        fn press(&mut self, key: Key) {
            self.edge(key, true, 100);
            self.edge(key, false, 60);
        }
    }

    #[test]
    fn a_pad_whose_keys_all_work_is_good() {
        let mut pad = Pad::new();
        NEEDED.into_iter().for_each(|key| pad.press(key));
        assert!(pad.test.is_complete());
        assert_eq!(pad.test.report(), KeyReport { good: 12, ..KeyReport::default() });
    }

    #[test]
    fn a_key_that_was_never_pressed_is_missing() {
        let mut pad = Pad::new();
        NEEDED.into_iter().filter(|key| *key != Key::Digit(7)).for_each(|key| pad.press(key));
        assert!(!pad.test.is_complete());
        assert_eq!(pad.test.report().missing, ["7"]);
    }

    #[test]
    fn a_key_that_bounces_is_named_once_and_not_missing() {
        let mut pad = Pad::new();
        NEEDED.into_iter().for_each(|key| pad.press(key));
        for _ in 0..3 {
            pad.edge(Key::Ok, true, 1);
            pad.edge(Key::Ok, false, 1);
        }
        let report = pad.test.report();
        assert_eq!((report.bouncing, report.missing.len(), report.good), (vec!["ok"], 0, 11));
    }

    #[test]
    fn a_key_that_stays_down_is_stuck_and_does_not_hold_up_the_end() {
        let mut pad = Pad::new();
        pad.edge(Key::Digit(3), true, 0);
        NEEDED.into_iter().filter(|key| *key != Key::Digit(3)).for_each(|key| pad.press(key));
        assert!(!pad.test.is_complete());
        let due = pad.test.deadline().unwrap();
        pad.test.expire(Instant(due.0 - 1));
        assert!(!pad.test.is_complete());
        pad.test.expire(due);
        assert!(pad.test.is_complete() && pad.test.deadline().is_none());
        let report = pad.test.report();
        assert_eq!((report.stuck, report.missing.len()), (vec!["3"], 0));
    }
}
