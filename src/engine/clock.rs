//! Trusted time: what the age limits of offline payments are measured by.
//!
//! The wall clock of a terminal jumps, has no battery or is simply wrong. So ages are measured from the last moment the
//! time was known for sure (the host's clock agreed with ours, or a time server had set it), by the boot clock. After a
//! reboot the boot clock says nothing of the time before, so nothing is trusted until the next such moment: fail closed.

use crate::domain::cause::Cause;
use crate::domain::host::HostTime;
use crate::domain::time::{ClockAnchor, Now, WallTime};
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::sign_in::clock_difference;

/// 2026-01-01: no clock that is right shows less. The host sends no year, so a clock without a battery that begins in
/// 1970 must not be believed on the one day of the year on which it seems to agree.
const EARLIEST: WallTime = WallTime(1_767_225_600_000_000);

/// What is known of the time.
pub struct Clock {
    boot: String,
    anchor: Option<ClockAnchor>,
}

impl Clock {
    /// As the store has it.
    pub fn new(boot: String, anchor: Option<ClockAnchor>) -> Self {
        Self { boot, anchor }
    }

    /// The true time now, if it is known.
    pub fn trusted(&self, now: Now) -> Option<WallTime> {
        let anchor = self.anchor.as_ref().filter(|a| !a.boot.is_empty() && a.boot == self.boot)?;
        let since = now.mono.0.checked_sub(anchor.mono.0)?;
        Some(WallTime(anchor.wall.0.saturating_add(since)))
    }
}

impl Engine {
    /// The host sent its clock. Where it agrees with ours the time is known from now on; where it does not, no longer.
    pub(super) fn host_clock(&mut self, theirs: Option<HostTime>) {
        let Some(theirs) = theirs else { return };
        let ours = self.clock.trusted(self.now).unwrap_or(self.now.wall);
        let tolerance = i64::try_from(self.settings.clock_tolerance.as_secs()).unwrap_or(i64::MAX);
        let ahead = clock_difference(theirs, ours.civil(self.settings.utc_offset_minutes));
        let year_known = ours >= EARLIEST && self.clock.anchor.as_ref().is_none_or(|a| ours.0 >= a.wall.0);
        match ahead.filter(|d| d.abs() <= tolerance && year_known) {
            Some(ahead) => self.trust(WallTime(ours.0.saturating_add_signed(ahead.saturating_mul(1_000_000)))),
            None => self.distrust(),
        }
    }

    /// A time server has set the wall clock. It is believed unless it lies before what was known already.
    pub(super) fn clock_synchronised(&mut self) {
        let tolerance = u64::try_from(self.settings.clock_tolerance.as_micros()).unwrap_or(u64::MAX);
        let wall = self.now.wall;
        match (self.clock.trusted(self.now), &self.clock.anchor) {
            (Some(known), _) if known.0.abs_diff(wall.0) <= tolerance => {}
            (None, Some(anchor)) if wall < anchor.wall => {}
            (_, _) if wall < EARLIEST => {}
            (Some(_) | None, _) => self.trust(wall),
        }
    }

    fn trust(&mut self, wall: WallTime) {
        let anchor = ClockAnchor { boot: self.clock.boot.clone(), mono: self.now.mono, wall };
        self.clock.anchor = Some(anchor.clone());
        self.record(Record::ClockTrusted(anchor));
    }

    fn distrust(&mut self) {
        if let Some(anchor) = self.clock.anchor.as_mut().filter(|a| !a.boot.is_empty()) {
            anchor.boot.clear();
            let anchor = anchor.clone();
            self.record(Record::ClockTrusted(anchor));
        }
    }

    /// The wall clock has left the known time: records then bear a wrong date, ages do not.
    pub(super) fn clock_trouble(&self) -> Option<Cause> {
        let tolerance = u64::try_from(self.settings.clock_tolerance.as_micros()).unwrap_or(u64::MAX);
        let jumped = self.clock.trusted(self.now).is_some_and(|known| known.0.abs_diff(self.now.wall.0) > tolerance);
        jumped.then_some(Cause::P01)
    }

    /// The best time there is, for records.
    pub(super) fn wall(&self) -> WallTime {
        self.clock.trusted(self.now).unwrap_or(self.now.wall)
    }
}
