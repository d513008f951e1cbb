//! The only place that reads clocks.

use nix::time::{ClockId, clock_gettime};

use crate::domain::time::{Instant, Now, WallTime};

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every Linux this runs on; zero would only make deadlines early.
    let Ok(t) = clock_gettime(clock) else { return 0 };
    let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
    let nanoseconds = u64::try_from(t.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1_000)
}

/// Boot clock and wall clock.
pub fn now() -> Now {
    Now { mono: Instant(read(ClockId::CLOCK_BOOTTIME)), wall: WallTime(read(ClockId::CLOCK_REALTIME)) }
}
