//! Waiting in a simulator's loop: for descriptors, for a moment, for the signal to end.
//!
//! Owns: poll(2) and the signals. Must not know: what is waited for.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The longest sleep; only a safety net, all events wake the loop.
const NAP: Duration = Duration::from_secs(60);

/// SIGTERM and SIGINT as something to read, so that a simulator cleans up behind itself.
pub struct Ending(SignalFd);

impl Ending {
    /// Takes both signals over for this thread.
    pub fn watch() -> Result<Self, String> {
        let failed = |e: nix::Error| format!("cannot wait for signals: {e}");
        let mut ends = SigSet::empty();
        ends.add(Signal::SIGTERM);
        ends.add(Signal::SIGINT);
        ends.thread_block().map_err(failed)?;
        SignalFd::with_flags(&ends, SfdFlags::SFD_NONBLOCK).map(Self).map_err(failed)
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        matches!(self.0.read_signal(), Ok(Some(_)))
    }

    /// What to wait on.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A descriptor that is waited for until it can be read.
#[must_use]
pub fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// Waits for any of these, at most so long.
pub fn wait(fds: &mut [PollFd<'_>], at_most: Option<Duration>) -> Result<(), String> {
    let nap = at_most.map_or(NAP, |d| d.min(NAP));
    // Rounded up, so that the loop does not spin through the last millisecond.
    let ms = u16::try_from(nap.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
    match poll(fds, PollTimeout::from(ms)) {
        Ok(_) | Err(nix::Error::EINTR) => Ok(()),
        Err(e) => Err(format!("cannot wait: {e}")),
    }
}
