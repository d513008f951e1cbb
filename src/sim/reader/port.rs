//! The serial port that clients open: the slave of a pty, under a stable name.
//!
//! Owns: both ends of the pty and the symlink. Must not know: what the bytes mean.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use nix::unistd::{read, ttyname, write};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// A plugged-in port. Dropping it is unplugging it: the client sees a hang-up, the link is gone.
pub struct Port {
    master: OwnedFd,
    /// Held open so that the master does not read EIO between two clients.
    slave: OwnedFd,
    link: PathBuf,
}

impl Port {
    /// Makes a pty at 115200 baud, raw, and points the link at it.
    pub fn plug(link: &Path) -> Result<Self, String> {
        let broken = |what: &str, e: &dyn std::fmt::Display| format!("cannot {what}: {e}");
        let pty = openpty(None, None).map_err(|e| broken("make a pty", &e))?;
        let name = ttyname(&pty.slave).map_err(|e| broken("name the pty", &e))?;
        raw(&pty.slave).map_err(|e| broken("set up the pty", &e))?;
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|e| broken("set up the pty", &e))?;
        // Renamed into place, so that nobody sees the name without a port behind it.
        let fresh = link.with_extension(format!("new{}", std::process::id()));
        std::os::unix::fs::symlink(&name, &fresh)
            .and_then(|()| fs::rename(&fresh, link))
            .map_err(|e| broken(&format!("make the link {}", link.display()), &e))?;
        Ok(Self { master: pty.master, slave: pty.slave, link: link.to_owned() })
    }

    /// What to wait on.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// The rate that the client has set; none when it cannot be told.
    #[must_use]
    pub fn rate(&self) -> Option<u32> {
        tcgetattr(&self.slave).ok().map(|t| t.output_speed()).filter(|rate| *rate > 0)
    }

    /// Bytes from the client; none when there are no more for now.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = [0u8; 4_096];
        match read(&self.master, &mut buffer) {
            Ok(n) => Ok(buffer.get(..n).filter(|b| !b.is_empty()).map(<[u8]>::to_vec)),
            Err(e) => quiet(e.into()),
        }
    }

    /// Writes what fits and says how much that was.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match write(&self.master, bytes) {
            Ok(n) => Ok(n),
            Err(e) => Ok(quiet(e.into())?.unwrap_or(0)),
        }
    }

    /// Lets others open the port again after a client that held it exclusively was killed.
    pub fn unlock(&self) -> io::Result<()> {
        Ok(rustix::termios::ioctl_tiocnxcl(&self.slave)?)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // Nothing to be done if somebody has removed it already.
        let _gone = fs::remove_file(&self.link);
    }
}

fn raw(slave: &OwnedFd) -> io::Result<()> {
    let mut settings = tcgetattr(slave)?;
    settings.make_raw();
    settings.set_speed(115_200)?;
    Ok(tcsetattr(slave, OptionalActions::Now, &settings)?)
}

fn quiet<T>(e: io::Error) -> io::Result<Option<T>> {
    match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(None),
        _ => Err(e),
    }
}
