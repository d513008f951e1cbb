//! Time in the simulated world: the true time, the boot clock, and a wall clock that may be wrong.

use std::time::Duration;

use super::dice::Dice;
use crate::domain::time::{Instant, Now, WallTime};

/// 2026-11-24 12:00:00 at the acquirer, in microseconds UTC.
const BEGIN: u64 = 1_795_492_800_000_000;
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

/// All clocks of one machine. Microseconds.
pub struct Clock {
    /// The true time.
    pub now: u64,
    booted: u64,
    /// What the wall clock shows when the true time is `since`.
    wall: u64,
    since: u64,
    /// Whether the wall clock goes on without power.
    battery: bool,
    boots: u32,
}

impl Clock {
    /// The machine has been on for a while, its clock right.
    pub fn new(dice: &mut Dice) -> Self {
        let booted = BEGIN - dice.between(10, 100_000) * SECOND;
        Self { now: BEGIN, booted, wall: BEGIN, since: BEGIN, battery: dice.percent(50), boots: 1 }
    }

    /// Both clocks as the machine reads them.
    pub fn read(&self) -> Now {
        let wall = self.wall.saturating_add(self.now - self.since);
        Now { mono: Instant(self.now - self.booted), wall: WallTime(wall) }
    }

    /// Which boot this is.
    pub fn boot(&self) -> String {
        format!("boot-{}", self.boots)
    }

    /// The true time of a moment of the boot clock.
    pub fn true_time(&self, mono: Instant) -> u64 {
        self.booted.saturating_add(mono.0)
    }

    /// Time goes on to this true time, never back.
    pub fn go_to(&mut self, to: u64) {
        self.now = self.now.max(to);
    }

    /// Time goes on.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now.saturating_add(u64::try_from(span.as_micros()).unwrap_or(0));
    }

    /// Somebody, or a broken time server, sets the wall clock. Says by how much it is off now, in seconds.
    pub fn jump(&mut self, dice: &mut Dice) -> i64 {
        let by = dice.one_of([SECOND, 600 * SECOND, HOUR, 24 * HOUR, 24 * 40 * HOUR]);
        let shown = self.read().wall.0;
        self.wall = if dice.percent(50) { shown.saturating_add(by) } else { shown.saturating_sub(by) };
        self.since = self.now;
        self.off_by()
    }

    /// A time server sets the wall clock right.
    pub fn synchronise(&mut self) {
        (self.wall, self.since) = (self.now, self.now);
    }

    /// Seconds by which the wall clock is ahead.
    pub fn off_by(&self) -> i64 {
        let ahead = i128::from(self.read().wall.0) - i128::from(self.now);
        i64::try_from(ahead / i128::from(SECOND)).unwrap_or(i64::MAX)
    }

    /// The power was away for a while.
    pub fn reboot(&mut self, dice: &mut Dice) {
        let away = dice.one_of([5, 60, 3600, 86_400]) * SECOND + dice.roll(SECOND);
        let shown = self.read().wall.0;
        self.now = self.now.saturating_add(away);
        self.booted = self.now.saturating_sub(dice.between(5, 40) * SECOND);
        self.boots += 1;
        if !self.battery {
            // It begins where it stopped, or at the epoch.
            self.wall = if dice.percent(70) { shown } else { dice.roll(60 * SECOND) };
            self.since = self.now;
        }
    }
}
