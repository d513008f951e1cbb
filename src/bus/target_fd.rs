//! Writes a backup to a file that a caller has opened.
//!
//! The file is the caller's, so nothing about it is trusted: it may lie on a stick that stalls or a share that hangs. So
//! the core never writes to it: it fills a memory file, and that is copied out by a thread of its own, which nobody but
//! the caller waits for.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{SFlag, fstat};
use tokio::sync::oneshot;

use crate::bus::error::{Error, Result};
use crate::engine::command::RefusalKind;

/// How long the caller's disk may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A file of the caller's that a backup may be written to.
#[derive(Debug)]
pub(super) struct Target {
    file: File,
}

impl Target {
    /// Takes an empty regular file that is open for writing, and nothing else.
    pub(super) fn new(fd: OwnedFd) -> Result<Self> {
        let status = fstat(&fd).map_err(unusable)?;
        let regular = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        let flags = fcntl(&fd, FcntlArg::F_GETFL).map(OFlag::from_bits_truncate).map_err(unusable)?;
        let access = flags & OFlag::O_ACCMODE;
        if !regular || status.st_size != 0 || !(access == OFlag::O_WRONLY || access == OFlag::O_RDWR) {
            return Err(Error::invalid("a backup goes to an empty regular file that is open for writing"));
        }
        Ok(Self { file: File::from(fd) })
    }

    /// Copies the memory file out, down to the disk.
    pub(super) async fn fill(self, staged: Staging) -> Result<()> {
        let (done, ended) = oneshot::channel();
        let copying = std::thread::Builder::new().name("backup".into()).spawn(move || {
            // The caller may have been told already that it took too long.
            let _ = done.send(copy(staged.0, self.file));
        });
        copying.map_err(|e| Error::internal(format!("no thread for the backup: {e}")))?;
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(why))) => {
                Err(Error::new(RefusalKind::WrongState, format!("the backup's file cannot be written: {why}")))
            }
            Ok(Err(_)) => Err(Error::internal("the backup's thread has ended")),
            Err(_) => Err(Error::new(RefusalKind::WrongState, "the backup's file is too slow; write to another disk")),
        }
    }
}

fn copy(mut from: File, mut to: File) -> io::Result<()> {
    from.rewind()?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

/// A memory file that the core fills. What it gets is sealed already.
pub(super) struct Staging(File);

impl Staging {
    /// The file, and a second end of it for the core.
    pub(super) fn new() -> Result<(Self, OwnedFd)> {
        let memory = memfd_create(c"smartposd-backup", MFdFlags::MFD_CLOEXEC)
            .map_err(|e| Error::internal(format!("no memory file for the backup: {e}")))?;
        let end = memory.try_clone().map_err(|e| Error::internal(format!("no memory file for the backup: {e}")))?;
        Ok((Self(File::from(memory)), end))
    }
}

fn unusable(why: impl Display) -> Error {
    Error::invalid(format!("the file descriptor for the backup cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[tokio::test]
    async fn what_the_core_wrote_arrives_in_the_callers_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        let target = Target::new(File::create(&path).unwrap().into()).unwrap();
        let (staging, end) = Staging::new().unwrap();
        File::from(end).write_all(b"sealed").unwrap();
        target.fill(staging).await.unwrap();
        let mut read = String::new();
        File::open(&path).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "sealed");
    }

    #[test]
    fn only_an_empty_regular_file_open_for_writing_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        std::fs::write(&path, "something").unwrap();
        let not_empty = File::options().write(true).open(&path).unwrap();
        assert!(Target::new(not_empty.into()).is_err());
        std::fs::write(&path, "").unwrap();
        assert!(Target::new(File::open(&path).unwrap().into()).is_err(), "not open for writing");
        let device = File::options().write(true).open("/dev/null").unwrap();
        assert!(Target::new(device.into()).is_err());
        let (_reader, writer) = std::io::pipe().unwrap();
        assert!(Target::new(writer.into()).is_err());
    }
}
