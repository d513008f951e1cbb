//! A tick every so often that wakes the process once; a sleep of the runtime would wake it three times on the way.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Ticks of the monotonic clock; those that nobody waited for count as one.
pub struct Ticks(AsyncFd<Descriptor>);

impl Ticks {
    /// The first tick comes after one period.
    pub fn every(period: Duration) -> std::io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        timer.set(Expiration::Interval(TimeSpec::from_duration(period)), TimerSetTimeFlags::empty())?;
        #[expect(
            deprecated,
            reason = "the replacement is unsafe; this descriptor is owned, never closed or swapped before"
        )]
        AsyncFd::with_interest(Descriptor(timer), Interest::READABLE).map(Self)
    }

    /// Until the next tick.
    pub async fn next(&self) -> std::io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|timer| timer.get_ref().0.wait().map_err(|e: Errno| e.into())) {
                Ok(ticked) => return ticked,
                Err(_) => continue,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn ticks_come_again_and_again_and_not_before_their_time() {
        assert!(Ticks::every(Duration::from_secs(3600)).unwrap().next().now_or_never().is_none());
        let ticks = Ticks::every(Duration::from_millis(1)).unwrap();
        for _ in 0..3 {
            tokio::time::timeout(Duration::from_secs(10), ticks.next()).await.unwrap().unwrap();
        }
    }
}
