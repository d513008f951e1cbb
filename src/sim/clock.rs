//! The simulators' own clock.
//!
//! Owns: the one place in `sim` that reads the time. The simulators' machines are told the time, so that their tests
//! run on virtual time.

use std::time::Duration;

use crate::domain::time::Instant;

/// Counts microseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The wall clock, for time stamps that clients see.
    #[must_use]
    pub fn since_epoch() -> Duration {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    }
}
