//! Back-off with jitter, from a seed, so that a simulation repeats it.

use std::time::Duration;

/// A small xorshift generator; its quality only has to spread terminals in time.
pub struct Jitter(u64);

impl Jitter {
    /// A seed of zero is replaced, since xorshift would stay there.
    pub fn new(seed: u64) -> Self {
        Self(if seed == 0 { 0x9E37_79B9_7F4A_7C15 } else { seed })
    }

    fn next(&mut self) -> u64 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        x
    }

    /// `first` doubled per attempt, at most `last`, then 75 to 125 % of it.
    pub fn back_off(&mut self, attempt: u32, (first, last): (Duration, Duration)) -> Duration {
        let base = first.saturating_mul(1u32 << attempt.min(16)).min(last);
        let percent = 75 + self.next() % 51;
        base * u32::try_from(percent).unwrap_or(100) / 100
    }

    /// Four bytes for tag 9F37 of a simulation; the app replaces them with the system's random bytes.
    pub fn bytes(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.next().to_be_bytes();
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_spread() {
        let mut jitter = Jitter::new(7);
        let limits = (Duration::from_secs(2), Duration::from_secs(60));
        for attempt in 0..40 {
            let base = Duration::from_secs(2).saturating_mul(1 << attempt.min(16)).min(limits.1);
            let wait = jitter.back_off(attempt, limits);
            assert!(wait >= base * 75 / 100 && wait <= base * 125 / 100, "{attempt}: {wait:?}");
        }
        let a = jitter.back_off(9, limits);
        assert_ne!(a, jitter.back_off(9, limits));
    }
}
