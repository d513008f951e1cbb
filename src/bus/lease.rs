//! `Inhibit`: a hold in the shape of a file descriptor, so that it ends with its holder, however that ends.
//!
//! The caller gets the read end of a pipe, the daemon keeps the write end and waits for the last reader to go. Nothing
//! ever travels through it, so a holder can neither flood the daemon nor block it, and sees by end of file when the
//! daemon has gone.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::Interest;
use tokio::net::unix::pipe;

use crate::bus::error::{Error, Result};
use crate::engine::command::{Device, RefusalKind};

/// Which devices are held. At most one lease each, so that the end of one cannot free what another holds.
#[derive(Clone, Default)]
pub(super) struct Leases(Arc<Mutex<Vec<Device>>>);

/// The place of one lease; free again when dropped.
pub(super) struct Held {
    leases: Leases,
    device: Device,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leases.lock().retain(|d| *d != self.device);
    }
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, Vec<Device>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the device's one place.
    pub(super) fn take(&self, device: Device) -> Result<Held> {
        let mut held = self.lock();
        if held.contains(&device) {
            return Err(Error::new(RefusalKind::Busy, "the device is already inhibited; see RunDiagnosis for by whom"));
        }
        held.push(device);
        Ok(Held { leases: self.clone(), device })
    }
}

/// The daemon's end of a lease.
pub(super) struct DaemonEnd(pipe::Sender);

/// Both ends: the daemon's and the holder's.
pub(super) fn pair() -> Result<(DaemonEnd, OwnedFd)> {
    let failed = |why: &dyn std::fmt::Display| Error::internal(format!("no lease can be made: {why}"));
    let (holder, daemon) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(|e| failed(&e))?;
    let daemon = pipe::Sender::from_owned_fd(daemon).map_err(|e| failed(&e))?;
    Ok((DaemonEnd(daemon), holder))
}

impl DaemonEnd {
    /// Ends when no copy of the holder's end is left.
    pub(super) async fn released(self) {
        // An error of the write end is the one thing that can happen here: its last reader has gone. Where waiting
        // itself fails, the reactor has gone, and the daemon with it.
        let _ = self.0.ready(Interest::ERROR).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_lives_until_its_last_copy_is_closed() {
        let (daemon, holder) = pair().unwrap();
        let copy = holder.try_clone().unwrap();
        let released = tokio::spawn(daemon.released());
        drop(holder);
        tokio::task::yield_now().await;
        assert!(!released.is_finished());
        drop(copy);
        tokio::time::timeout(std::time::Duration::from_secs(5), released).await.unwrap().unwrap();
    }

    #[test]
    fn a_device_has_one_lease_at_a_time() {
        let leases = Leases::default();
        let held = leases.take(Device::Reader).unwrap();
        assert!(leases.take(Device::Reader).is_err());
        assert!(leases.take(Device::Keypad).is_ok());
        drop(held);
        assert!(leases.take(Device::Reader).is_ok());
    }
}
