//! A serial line between the daemon and the simulated reader that notes when what passed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

/// Codes of the chip's frames.
pub const LISTED: [u8; 2] = [0xD5, 0x4B];
pub const EXCHANGED: [u8; 2] = [0xD5, 0x41];

/// What passed.
#[derive(Clone, Copy)]
pub enum Mark {
    /// The reader's frame of this code, just before the daemon could have it.
    Answer([u8; 2], Instant),
    /// A command of the daemon, when it was there.
    Command(Instant),
}

/// Notes of one payment.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<Mark>>>);

impl Notes {
    /// Everything since the last time, in order.
    pub fn take(&self) -> Vec<Mark> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn add(&self, mark: Mark) {
        self.0.lock().unwrap().push(mark);
    }
}

/// Puts a pty under `link` and carries what is written there to the reader's port, and back, until that is gone.
pub fn start(reader: &Path, link: &Path) -> Result<Notes, Box<dyn std::error::Error>> {
    let mut chip = OpenOptions::new().read(true).write(true).custom_flags(O_NOCTTY | O_NONBLOCK).open(reader)?;
    let (mut daemon, slave) = raw_pty(link)?;
    let notes = Notes::default();
    let noted = notes.clone();
    std::thread::spawn(move || {
        // Held open, so that the line does not hang up between two daemons.
        let _slave = slave;
        let mut buffer = [0u8; 4096];
        loop {
            let mut ready =
                [PollFd::new(chip.as_fd(), PollFlags::POLLIN), PollFd::new(daemon.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::NONE).is_err() {
                return;
            }
            let [from_chip, from_daemon] = ready.map(|r| r.any().unwrap_or(true));
            if from_daemon {
                let Ok(count) = daemon.read(&mut buffer) else { return };
                // The wake-up bytes and ACKs are no commands.
                if buffer[..count].windows(2).any(|w| w[0] == 0xD4) {
                    noted.add(Mark::Command(Instant::now()));
                }
                if chip.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            if from_chip {
                let Ok(count) = chip.read(&mut buffer) else { return };
                let code = [LISTED, EXCHANGED].into_iter().find(|c| buffer[..count].windows(2).any(|w| w == c));
                if let Some(code) = code {
                    noted.add(Mark::Answer(code, Instant::now()));
                }
                if daemon.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
        }
    });
    Ok(notes)
}

/// A raw pty with its far end under this name: the near end, and the far end held open.
pub fn raw_pty(link: &Path) -> Result<(File, File), Box<dyn std::error::Error>> {
    let pty = openpty(None, None)?;
    let mut settings = tcgetattr(pty.slave.as_fd())?;
    cfmakeraw(&mut settings);
    tcsetattr(pty.slave.as_fd(), SetArg::TCSANOW, &settings)?;
    std::os::unix::fs::symlink(nix::unistd::ttyname(pty.slave.as_fd())?, link)?;
    Ok((pty.master.into(), pty.slave.into()))
}
