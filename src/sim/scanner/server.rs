//! The simulated scanner on a real pty: bytes, time and orders brought to the device.
//!
//! Owns: the port, the control socket, the one loop that waits for them. Must not know: commands.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};

use super::device::{Device, Tail};
use crate::sim::clock::Clock;
use crate::sim::control::Control;
use crate::sim::reader::port::Port;
use crate::sim::wait::{Ending, readable, wait};

/// Bytes that wait for a client that does not read; what comes above is lost, as on a real line.
const MAX_BACKLOG: usize = 1 << 20;

/// All words, for the error message and `help`.
const WORDS: &str = "scan TEXT | raw HEX | hold TEXT | tail cr|lf|crlf|tab|none | pieces BYTES MS | pieces off | noise N | \
                     flood N | mute on|off | unplug | plug | unlock | status | help | quit";

/// The simulated scanner.
pub struct Server {
    device: Device,
    clock: Clock,
    link: PathBuf,
    port: Option<Port>,
    control: Control,
    backlog: VecDeque<u8>,
    quit: bool,
}

impl Server {
    /// Plugs the scanner in and listens for orders.
    pub fn start(device: Device, link: &Path, control: &Path) -> Result<Self, String> {
        let control = Control::bind(control)?;
        let port = Some(Port::plug(link)?);
        let link = link.to_owned();
        Ok(Self { device, clock: Clock::start(), link, port, control, backlog: VecDeque::new(), quit: false })
    }

    /// Serves until told to quit or signalled.
    pub fn run(&mut self) -> Result<(), String> {
        let ending = Ending::watch()?;
        while !self.quit && !ending.has_come() {
            self.wait(&ending)?;
            self.bring_bytes();
            for (client, line) in self.control.take() {
                let answer = self.order(&line);
                self.control.answer(client, &answer);
            }
            self.carry_out();
        }
        Ok(())
    }

    fn wait(&self, ending: &Ending) -> Result<(), String> {
        let mut fds: Vec<PollFd<'_>> = self.control.fds().map(readable).collect();
        fds.push(readable(ending.fd()));
        if let Some(port) = &self.port {
            let out = if self.backlog.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            fds.push(PollFd::new(port.fd(), PollFlags::POLLIN | out));
        }
        wait(&mut fds, self.device.deadline().map(|at| at.since(self.clock.now())))
    }

    fn bring_bytes(&mut self) {
        while let Some(port) = &self.port {
            let read = port.read();
            self.device.set_rate(port.rate());
            match read {
                Ok(Some(bytes)) => self.device.bytes(self.clock.now(), &bytes),
                Ok(None) => return,
                // The pty broke under us: as good as unplugged.
                Err(_) => return self.unplug(),
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(bytes) = self.device.poll(self.clock.now()) {
            let room = MAX_BACKLOG.saturating_sub(self.backlog.len());
            self.backlog.extend(bytes.into_iter().take(room));
        }
        let Some(port) = &self.port else { return self.backlog.clear() };
        if self.backlog.is_empty() {
            return;
        }
        match port.write(self.backlog.make_contiguous()) {
            Ok(written) => drop(self.backlog.drain(..written)),
            Err(_) => self.unplug(),
        }
    }

    fn unplug(&mut self) {
        self.port = None;
        self.backlog.clear();
        self.device.restart();
    }

    /// Carries out one line.
    fn order(&mut self, line: &str) -> Result<String, String> {
        let now = self.clock.now();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest) {
            ("scan", text) if !text.is_empty() => self.device.scan(now, text.as_bytes()),
            ("raw", text) => self.device.send(now, unhex(text)?),
            ("hold", text) => self.device.held = Some(text.to_owned()),
            ("tail", text) => {
                self.device.tail = <Tail as clap::ValueEnum>::from_str(text, true)?;
            }
            ("pieces", "off") => self.device.pieces = None,
            ("pieces", text) => {
                let (bytes, pause) = text.split_once(' ').ok_or("pieces takes BYTES and MS")?;
                self.device.pieces = Some((number(bytes)?, Duration::from_millis(number(pause)?)));
            }
            ("noise", n) => {
                let bytes = (0..number::<usize>(n)?).map(|k| u8::try_from(k * 89 % 251).unwrap_or(0) | 0x80).collect();
                self.device.send(now, bytes);
            }
            ("flood", n) => {
                for k in 0..number::<u64>(n)? {
                    self.device.scan(now, format!("FLOOD{k}").as_bytes());
                }
            }
            ("mute", "on") => self.device.mute = true,
            ("mute", "off") => self.device.mute = false,
            ("unplug", "") => self.unplug(),
            ("plug", "") if self.port.is_none() => self.port = Some(Port::plug(&self.link)?),
            ("plug", "") => {}
            ("unlock", "") => {
                let port = self.port.as_ref().ok_or("the scanner is unplugged; plug it in first")?;
                port.unlock().map_err(|e| format!("cannot unlock the port: {e}"))?;
            }
            ("status", "") => return Ok(self.status()),
            ("help", "") => return Ok(WORDS.to_owned()),
            ("quit", "") => self.quit = true,
            _ => return Err(format!("not understood: {line}; there are: {WORDS}")),
        }
        Ok(String::new())
    }

    fn status(&self) -> String {
        let yes = |b: bool| if b { "yes" } else { "no" };
        let [heartbeats, triggers, others] = self.device.counts;
        format!(
            "plugged={} lit={} waiting={} heartbeats={heartbeats} triggers={triggers} others={others}",
            yes(self.port.is_some()),
            yes(self.device.is_lit()),
            self.backlog.len(),
        )
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    let byte = |pair: &[u8]| {
        std::str::from_utf8(pair).ok().filter(|p| p.len() == 2).and_then(|p| u8::from_str_radix(p, 16).ok())
    };
    digits.chunks(2).map(|pair| byte(pair).ok_or_else(|| "raw takes pairs of hex digits".to_owned())).collect()
}
