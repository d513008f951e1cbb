//! One accepted connection: plain or TLS, never blocking.
//!
//! Owns: the socket, TLS, bytes that wait to be written. Must not know: messages.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::libc::linger;
use nix::poll::PollFlags;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::{ServerConfig, ServerConnection};

use crate::domain::time::Instant;

/// Bytes that may wait for a terminal that does not read; then the connection is reset.
const MAX_BACKLOG: usize = 1 << 20;
/// How long a closed connection waits for the other side to close too. Without this the kernel answers late bytes with
/// a reset, which can overtake what was sent last.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Closed once everything is written.
    Closing,
    /// Closed from this side, until then.
    Lingering(Instant),
    Gone,
}

/// A connection with a terminal.
pub struct Connection {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// Bytes for the socket itself: everything without TLS, with TLS only what goes past it.
    bare: Vec<u8>,
    state: State,
}

impl Connection {
    /// Takes a socket over.
    pub fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Result<Self, String> {
        stream.set_nonblocking(true).map_err(|e| e.to_string())?;
        // Answers are small and must leave at once.
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let tls = tls.map(|config| ServerConnection::new(Arc::clone(config)).map(Box::new)).transpose();
        Ok(Self { stream, tls: tls.map_err(|e| e.to_string())?, bare: Vec::new(), state: State::Open })
    }

    /// What to wait for.
    pub fn interest(&self) -> PollFlags {
        let writes = !self.bare.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        if writes { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN }
    }

    /// When a lingering connection is given up.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Lingering(until) => Some(until),
            State::Open | State::Closing | State::Gone => None,
        }
    }

    /// Whether nothing is left to be done with it.
    pub fn is_gone(&self, now: Instant) -> bool {
        self.state == State::Gone || self.deadline().is_some_and(|until| until <= now)
    }

    /// Bytes that have come; the error names why there will be no more.
    pub fn read(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let ended = self.fill(&mut bytes);
        match (ended, bytes.is_empty()) {
            (Err(why), true) => {
                self.state = State::Gone;
                Err(why)
            }
            // What has come before the end comes first; the end is seen again next time.
            (Err(_) | Ok(()), _) => Ok(bytes),
        }
    }

    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let mut chunk = [0; 4_096];
        // Bounded, so that one terminal cannot keep the host to itself.
        for _ in 0..16 {
            let read = match &mut self.tls {
                None => self.stream.read(&mut chunk),
                Some(tls) => tls.read_tls(&mut self.stream),
            };
            match read {
                Ok(0) => return Err("closed by the terminal".to_owned()),
                Ok(count) => match &mut self.tls {
                    None => bytes.extend(chunk.iter().take(count)),
                    Some(tls) => open_records(tls, bytes).inspect_err(|_| drop(tls.write_tls(&mut self.stream)))?,
                },
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        Ok(())
    }

    /// Bytes for the terminal.
    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            None => self.bare.extend_from_slice(bytes),
            // Fails only beyond rustls's own buffer bound, where the connection is as good as gone.
            Some(tls) => drop(tls.writer().write_all(bytes)),
        }
    }

    /// Bytes past TLS.
    pub fn send_bare(&mut self, bytes: &[u8]) {
        self.tls = None;
        self.bare.extend_from_slice(bytes);
    }

    /// Ends it once everything is written.
    pub fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        if self.state == State::Open {
            self.state = State::Closing;
        }
    }

    /// Ends it at once with a reset.
    pub fn reset(&mut self) {
        // Without the option it is an ordinary end, which a terminal must survive as well.
        let _ordinary_end = setsockopt(&self.stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 });
        self.state = State::Gone;
    }

    /// Writes as much as goes.
    pub fn flush(&mut self, now: Instant) {
        if let Err(e) = self.write_out()
            && e.kind() != ErrorKind::WouldBlock
        {
            self.state = State::Gone;
        }
        let empty = self.bare.is_empty() && !self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        if empty && self.state == State::Closing {
            let shut = self.stream.shutdown(Shutdown::Write);
            self.state = if shut.is_ok() { State::Lingering(now.after(LINGER)) } else { State::Gone };
        }
        if self.bare.len() > MAX_BACKLOG {
            self.reset();
        }
    }

    fn write_out(&mut self) -> std::io::Result<()> {
        while !self.bare.is_empty() {
            let written = self.stream.write(&self.bare)?;
            self.bare.drain(..written);
        }
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn open_records(tls: &mut ServerConnection, bytes: &mut Vec<u8>) -> Result<(), String> {
    let state = tls.process_new_packets().map_err(|e| format!("TLS: {e}"))?;
    let start = bytes.len();
    bytes.resize(start + state.plaintext_bytes_to_read(), 0);
    let Some(room) = bytes.get_mut(start..) else { return Ok(()) };
    match tls.reader().read_exact(room) {
        Ok(()) => Ok(()),
        Err(e) => Err(e.to_string()),
    }
}
