//! Waiting for a device to appear without waking up meanwhile: inotify on the directories where it would.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Most bursts of events that are read away in one go.
const MOST_READS: usize = 64;

struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Watches of the directories where a device can appear. They live only while there is none.
pub(super) struct Watch(AsyncFd<Descriptor>);

impl Watch {
    /// `None` where the system gives no watch; then only trying again from time to time is left.
    pub(super) fn over(directories: &[PathBuf]) -> Option<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        // udev removes an empty by-id directory: what is watched then is the nearest directory that is left.
        let watched = directories.iter().filter(|directory| nearest(&inotify, directory)).count();
        if watched < directories.len() {
            return None;
        }
        #[expect(
            deprecated,
            reason = "the replacement is unsafe; this descriptor is owned, never closed or swapped before"
        )]
        AsyncFd::with_interest(Descriptor(inotify), Interest::READABLE).ok().map(Self)
    }

    /// Until something in the directories was made, moved in, or given another owner or mode.
    pub(super) async fn changed(&self) {
        loop {
            let Ok(mut ready) = self.0.readable().await else { return };
            let read = ready.try_io(|inotify| {
                let mut seen = 0;
                while seen < MOST_READS && inotify.get_ref().0.read_events().is_ok_and(|events| !events.is_empty()) {
                    seen += 1;
                }
                if seen == 0 { Err(std::io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            if read.is_ok() {
                return;
            }
        }
    }
}

/// Watches the directory, or the nearest one above it that exists.
fn nearest(inotify: &Inotify, directory: &Path) -> bool {
    let changes = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR;
    directory
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty())
        .any(|path| inotify.add_watch(path, changes).is_ok())
}

/// How long udev is given after a change: it sets owner, properties and stable names one after the other.
const SETTLE: Duration = Duration::from_millis(100);

/// Until something changed and udev is through with it.
pub(super) async fn settled(watch: &Watch) {
    watch.changed().await;
    tokio::time::sleep(SETTLE).await;
}
