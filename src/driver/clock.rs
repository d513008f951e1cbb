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

/// This boot's id: the boot clock of another boot says nothing about this one. Empty where the kernel does not tell.
pub fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Whether a time server has set the system's clock in this boot (systemd-timesyncd's mark).
pub fn synchronised() -> bool {
    std::path::Path::new("/run/systemd/timesync/synchronized").exists()
}
