//! Two clocks as plain numbers. Reading them is the driver's work; machines are told the time.

use std::fmt;
use std::time::Duration;

/// Microseconds of the boot clock: never jumps, counts suspend. For deadlines and ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// This instant plus a span, saturating.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The same in whole milliseconds.
    pub fn milliseconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }
}

/// Microseconds since the Unix epoch (UTC). For records and people; may jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The boot clock.
    pub mono: Instant,
    /// The wall clock.
    pub wall: WallTime,
}

/// A moment at which the time was known for sure, on both clocks. Ages are measured from it by the boot clock, so that a
/// jump of the wall clock changes none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockAnchor {
    /// Which boot the boot clock belongs to (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The boot clock then.
    pub mono: Instant,
    /// The true time then.
    pub wall: WallTime,
}

/// A calendar date and time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// Full year.
    pub year: u16,
    /// 1 ..= 12.
    pub month: u8,
    /// 1 ..= 31.
    pub day: u8,
    /// 0 ..= 23.
    pub hour: u8,
    /// 0 ..= 59.
    pub minute: u8,
    /// 0 ..= 59.
    pub second: u8,
}

impl WallTime {
    /// The calendar in a fixed offset from UTC (acquirers write local time; China is +480 minutes).
    ///
    /// Days-to-civil by Howard Hinnant's era method, valid for all years a terminal meets.
    pub fn civil(self, offset_minutes: i16) -> Civil {
        let seconds = i64::try_from(self.0 / 1_000_000).unwrap_or(i64::MAX / 2) + i64::from(offset_minutes) * 60;
        let days = seconds.div_euclid(86_400);
        let rest = seconds.rem_euclid(86_400);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        let narrow = |v: i64| u8::try_from(v).unwrap_or(0);
        Civil {
            year: u16::try_from(year).unwrap_or(u16::MAX),
            month: narrow(month),
            day: narrow(day),
            hour: narrow(rest / 3_600),
            minute: narrow(rest / 60 % 60),
            second: narrow(rest % 60),
        }
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_time_matches_known_dates() {
        let at = |s: u64, offset| WallTime(s * 1_000_000).civil(offset).to_string();
        assert_eq!(at(0, 0), "1970-01-01 00:00:00");
        assert_eq!(at(951_782_400, 0), "2000-02-29 00:00:00");
        assert_eq!(at(1_795_492_800, 480), "2026-11-24 00:00:00".replace("00:00:00", "12:00:00"));
    }
}
