//! A file that a caller has opened for a backup.
//!
//! The file is the caller's, so nothing about it is trusted: it may lie on a stick that stalls or a share that hangs. Here
//! it is only looked at; whoever writes to it does that on a thread that nobody but the caller waits for.

use std::fmt::Display;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};

use crate::bus::error::{Error, Result};

/// Takes an empty regular file that is open for writing, and nothing else.
pub(super) fn take_target(fd: OwnedFd) -> Result<OwnedFd> {
    let status = fstat(&fd).map_err(unusable)?;
    let regular = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
    let flags = fcntl(&fd, FcntlArg::F_GETFL).map(OFlag::from_bits_truncate).map_err(unusable)?;
    let access = flags & OFlag::O_ACCMODE;
    if !regular || status.st_size != 0 || !(access == OFlag::O_WRONLY || access == OFlag::O_RDWR) {
        return Err(Error::invalid("a backup goes to an empty regular file that is open for writing"));
    }
    Ok(fd)
}

fn unusable(why: impl Display) -> Error {
    Error::invalid(format!("the file descriptor for the backup cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_an_empty_regular_file_open_for_writing_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        assert!(take_target(File::create(&path).unwrap().into()).is_ok());
        assert!(take_target(File::open(&path).unwrap().into()).is_err(), "not open for writing");
        std::fs::write(&path, "something").unwrap();
        let not_empty = File::options().write(true).open(&path).unwrap();
        assert!(take_target(not_empty.into()).is_err());
        let device = File::options().write(true).open("/dev/null").unwrap();
        assert!(take_target(device.into()).is_err());
        let (_reader, writer) = std::io::pipe().unwrap();
        assert!(take_target(writer.into()).is_err());
    }
}
