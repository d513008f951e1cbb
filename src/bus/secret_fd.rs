//! Reads a password or key component from a caller's file descriptor, so that it never stands in a bus message.
//!
//! The descriptor is the caller's, so nothing about it is trusted: only pipes and memory files are taken (they cannot
//! block on a device or a network), no read can block, the size is bounded and the whole has a deadline. A pipe is
//! emptied by `splice` into a pipe of our own, since `O_NONBLOCK` on the caller's could be switched off behind our back.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::uio::pread;
use nix::unistd::{pipe2, read};
use tokio::net::unix::pipe;
use zeroize::Zeroizing;

use crate::bus::error::{Error, Result};
use crate::domain::secret::SecretBytes;

/// The longest secret; more is refused.
const MAX_BYTES: usize = 256;
/// How long the caller may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The whole content without one line end behind it.
pub(super) async fn read_secret(fd: OwnedFd) -> Result<SecretBytes> {
    let kind = fstat(&fd).map(|s| SFlag::from_bits_truncate(s.st_mode) & SFlag::S_IFMT).map_err(unreadable)?;
    let mut bytes = if kind == SFlag::S_IFIFO {
        let read = tokio::time::timeout(PATIENCE, read_pipe(fd)).await;
        read.map_err(|_| Error::invalid("the secret did not come in time; close the pipe's other end after writing"))??
    } else if fcntl(&fd, FcntlArg::F_GET_SEALS).is_ok() {
        read_memory(&fd)?
    } else {
        return Err(Error::invalid("pass the secret as the read end of a pipe, or as a memfd"));
    };
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(Error::invalid("the secret is empty"));
    }
    Ok(SecretBytes::new(std::mem::take(&mut bytes)))
}

async fn read_pipe(fd: OwnedFd) -> Result<Zeroizing<Vec<u8>>> {
    let source = pipe::Receiver::from_owned_fd(fd)
        .map_err(|e| Error::invalid(format!("the pipe with the secret cannot be read: {e}")))?;
    let (own_end, entry) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    loop {
        source.readable().await.map_err(|e| Error::internal(format!("waiting for a pipe: {e}")))?;
        let room = MAX_BYTES + 1 - bytes.len();
        let moved =
            source.try_io(|| Ok(splice(source.as_fd(), None, &entry, None, room, SpliceFFlags::SPLICE_F_NONBLOCK)?));
        match moved {
            Ok(0) => return Ok(bytes),
            Ok(moved) => take_out(&own_end, moved, &mut bytes)?,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => return Err(unreadable(e)),
        }
        bounded(&bytes)?;
    }
}

fn take_out(own_end: &OwnedFd, moved: usize, bytes: &mut Zeroizing<Vec<u8>>) -> Result<()> {
    let mut part = Zeroizing::new([0u8; MAX_BYTES + 1]);
    let mut left = moved;
    while left > 0 {
        let span = part.get_mut(..left.min(MAX_BYTES + 1)).unwrap_or_default();
        let got = read(own_end, span).map_err(unreadable)?;
        bytes.extend_from_slice(part.get(..got).unwrap_or_default());
        left = if got == 0 { 0 } else { left.saturating_sub(got) };
    }
    Ok(())
}

fn read_memory(fd: &OwnedFd) -> Result<Zeroizing<Vec<u8>>> {
    let mut part = Zeroizing::new([0u8; MAX_BYTES + 1]);
    // From its beginning, since whoever has just written it usually shares the position at its end.
    let got = pread(fd, part.as_mut_slice(), 0).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    bytes.extend_from_slice(part.get(..got).unwrap_or_default());
    bounded(&bytes)?;
    Ok(bytes)
}

fn bounded(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::invalid(format!("the secret is longer than {MAX_BYTES} bytes")));
    }
    Ok(())
}

fn unreadable(why: impl Display) -> Error {
    Error::invalid(format!("the file descriptor with the secret cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    fn pipe_with(bytes: &[u8]) -> (OwnedFd, OwnedFd) {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        File::from(writer.try_clone().unwrap()).write_all(bytes).unwrap();
        (reader, writer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_gives_its_content_without_the_line_end() {
        let (reader, writer) = pipe_with(b"open sesame\n");
        drop(writer);
        assert!(read_secret(reader).await.unwrap().expose() == b"open sesame");
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_keeps_the_pipe_open_runs_into_the_deadline() {
        let (reader, _writer) = pipe_with(b"half");
        assert!(read_secret(reader).await.is_err_and(|e| e.text().contains("in time")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_memory_file_is_read_from_its_beginning() {
        let memory = memfd_create(c"secret", MFdFlags::MFD_CLOEXEC).unwrap();
        File::from(memory.try_clone().unwrap()).write_all(b"0123456789abcdef").unwrap();
        assert!(read_secret(memory).await.unwrap().expose() == b"0123456789abcdef");
    }

    #[tokio::test(start_paused = true)]
    async fn endless_and_foreign_descriptors_are_refused() {
        let (reader, _writer) = pipe_with(&[b'x'; 4096]);
        assert!(read_secret(reader).await.is_err_and(|e| e.text().contains("longer")));
        let device = OwnedFd::from(File::open("/dev/zero").unwrap());
        assert!(read_secret(device).await.is_err_and(|e| e.text().contains("pipe")));
        let (reader, writer) = pipe_with(b"");
        drop(writer);
        assert!(read_secret(reader).await.is_err_and(|e| e.text().contains("empty")));
    }
}
