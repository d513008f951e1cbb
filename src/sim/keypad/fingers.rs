//! The operator's fingers: which key goes down or up when.
//!
//! Owns: the queue of motions and what is down. Must not know: sockets, the real time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{Event, Motion, SYN_DROPPED, SYN_REPORT, packet};
use super::keys::Key;
use crate::domain::time::Instant;
use crate::sim::control::ClientId;

/// A key repeats after so long, as the kernel's default is.
pub const REPEAT_DELAY: Duration = Duration::from_millis(250);
/// And then so often.
pub const REPEAT_PERIOD: Duration = Duration::from_millis(33);
/// Between press and release of a worn contact.
const BOUNCE: Duration = Duration::from_millis(2);
/// What happens when it is handed over.
const ON_TIME: Duration = Duration::ZERO;
/// A motion that comes later than this puts off all that follow.
const LATE: Duration = Duration::from_millis(1);
/// The most that may wait to be typed.
const MAX_QUEUE: usize = 10_000;

/// What comes out of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One packet of events, which happened so long ago: the kernel stamps what a worn contact does more exactly than
    /// this process is woken.
    Events(Vec<Event>, Duration),
    /// All that this client ordered has been typed.
    Done(ClientId),
}

#[derive(Clone, Copy)]
enum Step {
    Move(Key, Motion, Duration),
    Raw(Event),
    Drop,
    Done(ClientId),
}

/// Queue and clock of the fingers.
pub struct Fingers {
    /// How long a key is down.
    pub press: Duration,
    /// Between two keys.
    pub gap: Duration,
    /// Whether held keys repeat.
    pub repeats: bool,
    /// By time, then in the order of the orders.
    queue: BTreeMap<(Instant, u64), Step>,
    last: u64,
    free_at: Instant,
    down: BTreeSet<Key>,
    now: Instant,
}

impl Fingers {
    /// Fingers at rest.
    #[must_use]
    pub fn new(press: Duration, gap: Duration, repeats: bool) -> Self {
        Self {
            press,
            gap,
            repeats,
            queue: BTreeMap::new(),
            last: 0,
            free_at: Instant(0),
            down: BTreeSet::new(),
            now: Instant(0),
        }
    }

    /// Keys that are down.
    pub fn down(&self) -> impl Iterator<Item = Key> {
        self.down.iter().copied()
    }

    /// Types keys one after the other, after what is already ordered.
    pub fn type_keys(&mut self, now: Instant, keys: &[Key]) -> Result<(), String> {
        if self.queue.len() + 2 * keys.len() > MAX_QUEUE {
            return Err("too much to type; wait for what was ordered before".to_owned());
        }
        let mut at = self.free_at.max(now);
        for key in keys {
            self.plan(at, Step::Move(*key, Motion::Down, ON_TIME));
            at = at.after(self.press);
            self.plan(at, Step::Move(*key, Motion::Up, ON_TIME));
            at = at.after(self.gap);
        }
        self.free_at = at;
        Ok(())
    }

    /// Holds a key down; other keys go on meanwhile.
    pub fn hold(&mut self, now: Instant, key: Key, how_long: Duration) -> Result<(), String> {
        let repeats = how_long.saturating_sub(REPEAT_DELAY).as_millis() / REPEAT_PERIOD.as_millis();
        if self.repeats && repeats > u128::from(u16::MAX) {
            return Err("a key is held for half an hour at most".to_owned());
        }
        self.plan(now, Step::Move(key, Motion::Down, ON_TIME));
        let end = now.after(how_long);
        let mut at = now.after(REPEAT_DELAY);
        while self.repeats && at < end {
            self.plan(at, Step::Move(key, Motion::Repeat, ON_TIME));
            at = at.after(REPEAT_PERIOD);
        }
        self.plan(end, Step::Move(key, Motion::Up, ON_TIME));
        Ok(())
    }

    /// Presses or releases a key and leaves it so.
    pub fn set(&mut self, now: Instant, key: Key, motion: Motion) {
        self.plan(now, Step::Move(key, motion, ON_TIME));
    }

    /// A worn contact: so many short pairs, then the press that was meant.
    pub fn bounce(&mut self, now: Instant, key: Key, times: u8) {
        let pairs = BOUNCE * 2 * u32::from(times);
        let mut at = self.free_at.max(now).after(pairs);
        for n in 0..u32::from(times) {
            // All handed over at once, each with its own time.
            let ago = pairs.saturating_sub(BOUNCE * 2 * n);
            self.plan(at, Step::Move(key, Motion::Down, ago));
            self.plan(at, Step::Move(key, Motion::Up, ago.saturating_sub(BOUNCE)));
        }
        self.plan(at, Step::Move(key, Motion::Down, ON_TIME));
        at = at.after(self.press);
        self.plan(at, Step::Move(key, Motion::Up, ON_TIME));
        self.free_at = at.after(self.gap);
    }

    /// The kernel's buffer ran over: events are lost, and it says so.
    pub fn lose_events(&mut self, now: Instant) {
        let at = self.free_at.max(now);
        self.plan(at, Step::Drop);
    }

    /// Any event at all, as a broken or hostile device sends it; what is down stays as it is known.
    pub fn emit(&mut self, now: Instant, event: Event) {
        let at = self.free_at.max(now);
        self.plan(at, Step::Raw(event));
    }

    /// Tells this client when all that was ordered so far has been typed.
    pub fn report(&mut self, now: Instant, to: ClientId) {
        let at = self.free_at.max(now);
        self.plan(at, Step::Done(to));
    }

    /// The keypad was pulled out: all keys are up and nothing is to be typed; those who wait are told.
    pub fn stop(&mut self) -> Vec<ClientId> {
        self.down.clear();
        self.free_at = self.now;
        let waiting = std::mem::take(&mut self.queue);
        waiting
            .into_values()
            .filter_map(|step| match step {
                Step::Done(client) => Some(client),
                Step::Move(..) | Step::Raw(_) | Step::Drop => None,
            })
            .collect()
    }

    /// Tells the time.
    pub fn expire(&mut self, now: Instant) {
        self.now = now;
    }

    /// When the next motion is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// What is due by now.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            let entry = self.queue.first_entry().filter(|e| e.key().0 <= self.now)?;
            let ((due, _), step) = entry.remove_entry();
            self.put_off(self.now.since(due));
            match step {
                Step::Done(client) => return Some(Output::Done(client)),
                Step::Raw(event) => return Some(Output::Events(vec![event, SYN_REPORT], ON_TIME)),
                Step::Drop => return Some(Output::Events(vec![SYN_DROPPED, SYN_REPORT], ON_TIME)),
                Step::Move(key, motion, ago) => {
                    let changes = match motion {
                        Motion::Down => self.down.insert(key),
                        Motion::Up => self.down.remove(&key),
                        Motion::Repeat => self.down.contains(&key),
                    };
                    // As in the kernel: a key that is down cannot go down again.
                    if changes {
                        return Some(Output::Events(packet(key, motion), ago));
                    }
                }
            }
        }
    }

    /// On a busy machine a press may come late; a release that then came in time would make a bounce of it.
    fn put_off(&mut self, late: Duration) {
        if late > LATE {
            let waiting = std::mem::take(&mut self.queue);
            self.queue = waiting.into_iter().map(|((at, n), step)| ((at.after(late), n), step)).collect();
            self.free_at = self.free_at.after(late);
        }
    }

    fn plan(&mut self, at: Instant, step: Step) {
        self.last += 1;
        self.queue.insert((at, self.last), step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::keypad::event::EV_KEY;
    use crate::sim::keypad::keys::Layout;

    fn fingers() -> Fingers {
        Fingers::new(Duration::from_millis(40), Duration::from_millis(30), true)
    }

    fn ms(n: u64) -> Instant {
        Instant(n * 1_000)
    }

    /// All key events up to a moment: (time in ms, code, value).
    fn keys(fingers: &mut Fingers, end: Instant) -> Vec<(u64, u16, i32)> {
        let mut out = Vec::new();
        while let Some(at) = fingers.deadline().filter(|at| *at <= end) {
            fingers.expire(at);
            while let Some(output) = fingers.poll() {
                let Output::Events(events, ago) = output else { continue };
                let ms = at.since(Instant(0)).saturating_sub(ago).as_millis().try_into().unwrap();
                out.extend(events.iter().filter(|e| e.kind == EV_KEY).map(|e| (ms, e.code, e.value)));
            }
        }
        out
    }

    #[test]
    fn digits_and_names_are_typed_in_order_with_pauses() {
        let mut fingers = fingers();
        fingers.type_keys(ms(5), &Layout::Numpad.text(&["12", "enter"]).unwrap()).unwrap();
        let expected = [(5, 79, 1), (45, 79, 0), (75, 80, 1), (115, 80, 0), (145, 96, 1), (185, 96, 0)];
        assert_eq!(keys(&mut fingers, ms(9_999)), expected);
    }

    #[test]
    fn a_press_that_comes_late_is_as_long_as_any_other() {
        let mut fingers = fingers();
        fingers.type_keys(ms(5), &Layout::Numpad.text(&["12"]).unwrap()).unwrap();
        fingers.expire(ms(40));
        assert!(matches!(fingers.poll(), Some(Output::Events(..))));
        assert_eq!((fingers.poll(), fingers.deadline()), (None, Some(ms(80))));
        assert_eq!(keys(&mut fingers, ms(9_999)), [(80, 79, 0), (110, 80, 1), (150, 80, 0)]);
        fingers.type_keys(ms(151), &Layout::Numpad.text(&["enter"]).unwrap()).unwrap();
        assert_eq!(fingers.deadline(), Some(ms(180)), "the next order keeps its distance, too");
    }

    #[test]
    fn a_held_key_repeats_until_it_is_released_and_others_go_on() {
        let mut fingers = fingers();
        let five = Layout::Pinpad.key("5").unwrap();
        fingers.hold(ms(0), five, Duration::from_millis(300)).unwrap();
        fingers.type_keys(ms(10), &[Layout::Pinpad.key("cancel").unwrap()]).unwrap();
        let expected = [(0, 0x205, 1), (10, 223, 1), (50, 223, 0), (250, 0x205, 2), (283, 0x205, 2), (300, 0x205, 0)];
        assert_eq!(keys(&mut fingers, ms(9_999)), expected);
    }

    #[test]
    fn a_bouncing_key_gives_short_pairs_before_the_real_press() {
        let mut fingers = fingers();
        fingers.bounce(ms(0), Layout::Keyboard.key("5").unwrap(), 2);
        let expected = [(0, 6, 1), (2, 6, 0), (4, 6, 1), (6, 6, 0), (8, 6, 1), (48, 6, 0)];
        assert_eq!(keys(&mut fingers, ms(9_999)), expected);
    }

    #[test]
    fn a_key_that_is_down_cannot_go_down_again() {
        let mut fingers = fingers();
        let five = Layout::Numpad.key("5").unwrap();
        fingers.set(ms(0), five, Motion::Down);
        fingers.set(ms(1), five, Motion::Down);
        assert_eq!(keys(&mut fingers, ms(10)), [(0, 76, 1)]);
        assert_eq!(fingers.down().count(), 1);
        fingers.stop();
        assert_eq!((fingers.down().count(), fingers.deadline()), (0, None));
    }

    #[test]
    fn unknown_keys_are_refused_with_the_known_ones() {
        assert!(Layout::Pinpad.text(&["12", "numlock"]).unwrap_err().ends_with("enter cancel clear dot star"));
    }
}
