//! A capture of the three wires with times: card reader, keypad, host; and of what apps ask for, which starts it all.
//!
//! Owns: the form of the lines, bounds, the thread that writes to the caller's file. Everything is redacted before it
//! becomes a line ([`reader`], [`host`]), so nothing secret is ever on its way to a disk. Switched off it costs one look
//! at an `Option` for each event.
//!
//! A line is `MILLISECONDS WIRE WHAT`. Digits typed on the keypad are all the same digit, spread evenly over the time they
//! took, because the rhythm of a PIN tells of it; so lines of the keypad may stand behind later ones.

pub mod host;
pub mod reader;

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use crate::codec::frame::Framer;
use crate::domain::time::Instant;
use crate::keypad::keymap::Key;
use crate::reader::pn532::frame::Decoder;

/// Lines that may wait for the disk. A capture whose disk is slower ends, and says so.
const ROOM: usize = 1_024;
/// `KEY_KP1`: what every digit is written as.
const ANY_DIGIT: u16 = 79;
/// `KEY_UNKNOWN`: what a key without a meaning is written as.
const NO_KEY: u16 = 240;
/// Digit events that are held back; more belong to no entry.
const HELD: usize = 256;

/// A capture under way.
pub struct Recorder {
    lines: SyncSender<String>,
    began: Instant,
    until: Instant,
    bytes_left: usize,
    from_reader: Decoder,
    to_reader: Decoder,
    from_host: Framer,
    held: Vec<(Instant, i32)>,
    /// The bus connection whose capture it is.
    owner: String,
}

impl Recorder {
    /// Begins one into an empty file, for so long and so many bytes at most.
    pub fn begin(to: OwnedFd, now: Instant, span: Duration, bytes: usize, title: &[String]) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel::<String>(ROOM);
        let mut file = File::from(to);
        std::thread::Builder::new().name("record".into()).spawn(move || {
            while let Ok(line) = waiting.recv() {
                // The caller's disk is the caller's affair; the daemon has nothing to lose with it.
                if file.write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
        })?;
        let mut recorder = Self {
            lines,
            began: now,
            until: now.after(span),
            bytes_left: bytes,
            from_reader: Decoder::default(),
            to_reader: Decoder::default(),
            from_host: Framer::new(Framer::USUAL_MAX),
            held: Vec::new(),
            owner: String::new(),
        };
        recorder.put("smartpos capture 1\n".to_owned());
        for line in title {
            recorder.put(format!("# {line}\n"));
        }
        Ok(recorder)
    }

    /// The same for this connection of the bus.
    #[must_use]
    pub fn wanted_by(self, connection: String) -> Self {
        Self { owner: connection, ..self }
    }

    /// Whether it is this connection's.
    pub fn is_wanted_by(&self, connection: &str) -> bool {
        self.owner == connection
    }

    /// When it ends by itself.
    pub fn deadline(&self) -> Instant {
        self.until
    }

    /// Whether its time or room is over.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until <= now || self.bytes_left == 0
    }

    fn put(&mut self, line: String) {
        let left = self.bytes_left.checked_sub(line.len());
        let sent = left.is_some() && self.lines.try_send(line).is_ok();
        // A line that is lost ends the capture: one with holes would accuse the daemon when it is replayed.
        self.bytes_left = if sent { left.unwrap_or(0) } else { 0 };
    }

    fn line(&mut self, at: Instant, wire: &str, what: &str) {
        let tenths = at.since(self.began).as_micros() / 100;
        self.put(format!("{:>8}.{} {wire} {what}\n", tenths / 10, tenths % 10));
    }

    /// Something about the reader's port that is no bytes.
    pub fn reader(&mut self, at: Instant, what: &str) {
        (self.from_reader, self.to_reader) = (Decoder::default(), Decoder::default());
        self.line(at, "reader", what);
    }

    /// Bytes to the reader, or from it.
    pub fn reader_bytes(&mut self, at: Instant, to_reader: bool, mut bytes: &[u8]) {
        let (arrow, decoder) = if to_reader { ("->", &mut self.to_reader) } else { ("<-", &mut self.from_reader) };
        let mut found = Vec::new();
        while let Some(item) = decoder.next(&mut bytes) {
            found.push(match item {
                Ok(frame) => reader::shown(&frame),
                Err(why) => format!("damaged {why}"),
            });
        }
        for frame in found {
            self.line(at, "reader", &format!("{arrow} {frame}"));
        }
    }

    /// A key, by what it means.
    pub fn key(&mut self, at: Instant, code: u16, meaning: Option<Key>, value: i32) {
        match meaning {
            Some(Key::Digit(_) | Key::Letter(_) | Key::Dot) => {
                if self.held.len() < HELD {
                    self.held.push((at, value));
                }
            }
            Some(Key::Ok | Key::Cancel | Key::Backspace | Key::Clear) => {
                self.release(at);
                self.line(at, "key", &format!("{code} {value}"));
            }
            None => self.line(at, "key", &format!("{NO_KEY} {value}")),
        }
    }

    /// Writes the digits that were held back, evenly over the time from the first to now.
    fn release(&mut self, now: Instant) {
        let held = std::mem::take(&mut self.held);
        let Some((first, _)) = held.first().copied() else { return };
        let count = u32::try_from(held.len()).unwrap_or(1).max(1);
        let step = now.since(first) / count;
        for (n, (_, value)) in (0u32..).zip(held) {
            self.line(first.after(step * n), "key", &format!("{ANY_DIGIT} {value}"));
        }
    }

    /// Something about the keypad that is no key.
    pub fn keypad(&mut self, at: Instant, what: &str) {
        self.release(at);
        self.line(at, "keypad", what);
    }

    /// Something about the connection that is no message.
    pub fn host(&mut self, at: Instant, what: &str) {
        self.from_host.reset();
        self.line(at, "host", what);
    }

    /// A whole frame to the host.
    pub fn host_request(&mut self, at: Instant, frame: &[u8]) {
        let body = frame.get(2..).unwrap_or_default();
        self.line(at, "host", &format!("-> {}", host::shown(body)));
    }

    /// Bytes from the host.
    pub fn host_bytes(&mut self, at: Instant, mut bytes: &[u8]) {
        let mut found = Vec::new();
        loop {
            match self.from_host.push(&mut bytes) {
                Ok(Some(body)) => found.push(host::shown(&body)),
                Ok(None) => break,
                Err(_) => {
                    found.push("{\"damaged\":true}".to_owned());
                    break;
                }
            }
        }
        for message in found {
            self.line(at, "host", &format!("<- {message}"));
        }
    }

    /// What an app asks for, or what came of it.
    pub fn app(&mut self, at: Instant, what: &str) {
        self.line(at, "app", what);
    }

    /// The last line.
    pub fn end(mut self, at: Instant) {
        self.release(at);
        self.line(at, "end", if self.bytes_left == 0 { "full" } else { "done" });
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

#[cfg(test)]
mod tests;
