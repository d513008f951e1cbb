//! The simulated reader on a real pty: bytes, time and orders brought to the chip.
//!
//! Owns: the port, the control socket, the one loop that waits for them. Must not know: commands or cards.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags};

use super::chip::{Chip, Event};
use super::hand::Hand;
use super::port::Port;
use super::trace::Trace;
use crate::sim::clock::Clock;
use crate::sim::control::Control;
use crate::sim::wait::{Ending, readable, wait};

/// Bytes that wait for a client that does not read; what comes above is lost, as on a real line.
const MAX_BACKLOG: usize = 65_536;

/// The simulated reader.
pub struct Server {
    pub(super) chip: Chip,
    pub(super) hand: Hand,
    pub(super) clock: Clock,
    pub(super) trace: Option<Trace>,
    pub(super) quit: bool,
    link: PathBuf,
    port: Option<Port>,
    control: Control,
    backlog: VecDeque<u8>,
}

impl Server {
    /// Plugs the reader in and listens for orders.
    pub fn start(chip: Chip, hand: Hand, link: &Path, control: &Path) -> Result<Self, String> {
        let control = Control::bind(control)?;
        let port = Some(Port::plug(link)?);
        Ok(Self {
            chip,
            hand,
            clock: Clock::start(),
            trace: None,
            quit: false,
            link: link.to_owned(),
            port,
            control,
            backlog: VecDeque::new(),
        })
    }

    /// Serves until told to quit or signalled.
    pub fn run(&mut self) -> Result<(), String> {
        let ending = Ending::watch()?;
        while !self.quit && !ending.has_come() {
            self.wait(&ending)?;
            self.turn();
        }
        Ok(())
    }

    pub(super) fn is_plugged(&self) -> bool {
        self.port.is_some()
    }

    pub(super) fn unplug(&mut self) {
        self.remark("unplugged");
        self.port = None;
        self.backlog.clear();
        self.chip.handle(self.clock.now(), Event::Reset);
    }

    pub(super) fn plug(&mut self) -> Result<(), String> {
        if self.port.is_none() {
            self.port = Some(Port::plug(&self.link)?);
            self.remark("plugged in");
        }
        Ok(())
    }

    pub(super) fn unlock(&mut self) -> Result<(), String> {
        let port = self.port.as_ref().ok_or("the reader is unplugged; plug it in first")?;
        port.unlock().map_err(|e| format!("cannot unlock the port: {e}"))
    }

    fn remark(&mut self, text: &str) {
        if let Some(trace) = &mut self.trace {
            trace.remark(self.clock.now(), text);
        }
    }

    fn wait(&self, ending: &Ending) -> Result<(), String> {
        let mut fds: Vec<PollFd<'_>> = self.control.fds().map(readable).collect();
        fds.push(readable(ending.fd()));
        if let Some(port) = &self.port {
            let out = if self.backlog.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            fds.push(PollFd::new(port.fd(), PollFlags::POLLIN | out));
        }
        let deadline = [self.chip.deadline(), self.hand.deadline()].into_iter().flatten().min();
        wait(&mut fds, deadline.map(|at| at.since(self.clock.now())))
    }

    fn turn(&mut self) {
        self.bring_bytes();
        // Before the orders, so that an order sees the hand where the client's last answer has left it.
        self.catch_up();
        for (client, line) in self.control.take() {
            let answer = self.order(&line);
            self.control.answer(client, &answer);
            self.carry_out();
        }
        self.catch_up();
    }

    /// Lets everything happen that is due by now.
    fn catch_up(&mut self) {
        let now = self.clock.now();
        self.chip.expire(now);
        self.hand.expire(now, &mut self.chip);
        self.chip.expire(now);
        self.carry_out();
    }

    fn bring_bytes(&mut self) {
        while let Some(port) = &self.port {
            let read = port.read();
            let now = self.clock.now();
            self.chip.handle(now, Event::LineRate(port.rate()));
            match read {
                Ok(Some(bytes)) => {
                    if let Some(trace) = &mut self.trace {
                        trace.bytes(now, "->raw", &bytes);
                    }
                    self.chip.handle(now, Event::Bytes(&bytes));
                    self.carry_out();
                }
                Ok(None) => return,
                Err(_) => {
                    // The pty broke under us: as good as unplugged.
                    self.unplug();
                    return;
                }
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(bytes) = self.chip.poll() {
            if let Some(trace) = &mut self.trace {
                trace.bytes(self.clock.now(), "<-", &bytes);
            }
            let room = MAX_BACKLOG.saturating_sub(self.backlog.len());
            self.backlog.extend(bytes.into_iter().take(room));
        }
        let Some(port) = &self.port else {
            self.backlog.clear();
            return;
        };
        if self.backlog.is_empty() {
            return;
        }
        match port.write(self.backlog.make_contiguous()) {
            Ok(written) => drop(self.backlog.drain(..written)),
            Err(_) => self.unplug(),
        }
    }
}
