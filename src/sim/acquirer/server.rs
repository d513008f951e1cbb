//! The host on real sockets: one thread, one loop.
//!
//! Owns: the listener, connections, control socket, files. Must not know: what bytes mean.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustls::ServerConfig;

use super::connection::Connection;
use super::host::{Event, Host, LinkId, Output};
use crate::domain::time::{Now, WallTime};
use crate::sim::clock::Clock;
use crate::sim::control::Control;

/// Terminals at the same time; further ones are reset.
const MAX_CONNECTIONS: usize = 512;
/// The longest sleep; only a safety net, all events wake the loop.
const NAP: Duration = Duration::from_secs(60);

/// Where lines go.
pub struct Files {
    /// The ledger.
    pub ledger: Option<File>,
    /// Captured frames.
    pub capture: Option<File>,
}

/// The host on real sockets.
pub struct Server {
    host: Host,
    clock: Clock,
    address: SocketAddr,
    listener: Option<TcpListener>,
    tls: Option<Arc<ServerConfig>>,
    control: Option<Control>,
    files: Files,
    connections: BTreeMap<LinkId, Connection>,
    last_link: u64,
    quit: bool,
}

impl Server {
    /// Listens.
    pub fn start(
        host: Host,
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        control: Option<Control>,
        files: Files,
    ) -> Result<Self, String> {
        let listener = listen(address)?;
        let address = listener.local_addr().map_err(|e| format!("no local address: {e}"))?;
        Ok(Self {
            host,
            clock: Clock::start(),
            address,
            listener: Some(listener),
            tls,
            control,
            files,
            connections: BTreeMap::new(),
            last_link: 0,
            quit: false,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to quit or signalled.
    pub fn run(&mut self) -> Result<(), String> {
        let failed = |e: nix::Error| format!("cannot wait for signals: {e}");
        let mut ends = SigSet::empty();
        ends.add(Signal::SIGTERM);
        ends.add(Signal::SIGINT);
        ends.thread_block().map_err(failed)?;
        let signals = SignalFd::with_flags(&ends, SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        while !self.quit {
            self.wait(&signals)?;
            if signals.read_signal().map_err(failed)?.is_some() {
                break;
            }
            self.turn()?;
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let wall = u64::try_from(Clock::since_epoch().as_micros()).unwrap_or(u64::MAX);
        Now { mono: self.clock.now(), wall: WallTime(wall) }
    }

    fn wait(&self, signals: &SignalFd) -> Result<(), String> {
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.listener.iter().map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)));
        let control = self.control.iter().flat_map(Control::fds);
        fds.extend(control.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        fds.extend(self.connections.values().map(|one| PollFd::new(one.as_fd(), one.interest())));
        let lingering = self.connections.values().filter_map(Connection::deadline);
        let deadline = self.host.deadline().into_iter().chain(lingering).min();
        let nap = deadline.map_or(NAP, |at| at.since(self.clock.now()).min(NAP));
        // Rounded up, so that the loop does not spin through the last millisecond.
        let ms = u16::try_from(nap.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(ms)) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(e) => Err(format!("cannot wait: {e}")),
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        // Orders first: a fault that was armed before a terminal connected is in force for it.
        self.take_orders()?;
        self.accept();
        let links: Vec<LinkId> = self.connections.keys().copied().collect();
        for link in links {
            self.read(link);
        }
        self.host.expire(self.now());
        self.carry_out()?;
        let now = self.clock.now();
        for connection in self.connections.values_mut() {
            connection.flush(now);
        }
        self.connections.retain(|_, connection| !connection.is_gone(now));
        Ok(())
    }

    fn take_orders(&mut self) -> Result<(), String> {
        let lines = self.control.as_mut().map(Control::take).unwrap_or_default();
        for (client, line) in lines {
            let answer = if line == "quit" {
                self.quit = true;
                Ok(String::new())
            } else {
                self.host.order(&line)
            };
            // Carried out before it is answered, so that who has the answer may rely on it.
            self.carry_out()?;
            if let Some(control) = &mut self.control {
                control.answer(client, &answer);
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        while let Some(Ok((stream, _))) = self.listener.as_ref().map(TcpListener::accept) {
            match Connection::new(stream, self.tls.as_ref()) {
                Ok(mut connection) if self.connections.len() >= MAX_CONNECTIONS => {
                    connection.reset();
                    remark("too many connections");
                }
                Ok(connection) => {
                    self.last_link += 1;
                    let link = LinkId(self.last_link);
                    self.connections.insert(link, connection);
                    self.host.handle(self.now(), Event::Connected { link });
                }
                Err(why) => remark(&format!("a connection could not be set up: {why}")),
            }
        }
    }

    fn read(&mut self, link: LinkId) {
        let now = self.now();
        match self.connections.get_mut(&link).map(Connection::read) {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(Ok(bytes)) => self.host.handle(now, Event::Received { link, bytes: &bytes }),
            Some(Err(why)) => {
                remark(&format!("connection {}: {why}", link.0));
                self.host.handle(now, Event::Closed { link });
            }
            None => {}
        }
    }

    fn carry_out(&mut self) -> Result<(), String> {
        while let Some(output) = self.host.poll() {
            match output {
                Output::Send { link, bytes } => self.with(link, |connection| connection.send(&bytes)),
                Output::SendBare { link, bytes } => self.with(link, |connection| connection.send_bare(&bytes)),
                Output::Close { link } => self.with(link, Connection::close),
                Output::Reset { link } => self.with(link, Connection::reset),
                Output::Listen(true) => self.listener = Some(listen(&self.address.to_string())?),
                Output::Listen(false) => self.listener = None,
                Output::Record(line) => append(self.files.ledger.as_mut(), &line, "ledger")?,
                Output::Captured { inward, link, frame } => {
                    let direction = if inward { "in" } else { "out" };
                    let hex = frame.iter().fold(String::new(), |text, byte| format!("{text}{byte:02X}"));
                    append(self.files.capture.as_mut(), &format!("{direction} {} {hex}", link.0), "capture")?;
                }
                Output::Remark(line) => remark(&line),
            }
        }
        Ok(())
    }

    fn with(&mut self, link: LinkId, act: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(&link) {
            act(connection);
        }
    }
}

fn listen(address: &str) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).map_err(|e| format!("cannot listen at {address}: {e}"))?;
    listener.set_nonblocking(true).map_err(|e| format!("cannot set up {address}: {e}"))?;
    Ok(listener)
}

/// One write per line, so that a kill leaves whole lines.
fn append(file: Option<&mut File>, line: &str, what: &str) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    file.write_all(format!("{line}\n").as_bytes()).map_err(|e| format!("the {what} cannot be written: {e}"))
}

/// For a person; if nobody listens any more, that is no reason to stop.
fn remark(line: &str) {
    let _nobody_listens = writeln!(std::io::stderr(), "acquirer: {line}");
}
