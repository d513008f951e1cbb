//! The scanner itself: what it does with commands, and what it sends when it sees a code. Told of time and bytes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::time::Instant;

/// What it understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Family {
    /// GM65 commands.
    Gm65,
    /// Honeywell's two trigger commands.
    Honeywell,
    /// Nothing.
    Line,
}

/// What it ends a code with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tail {
    /// Carriage return.
    Cr,
    /// Line feed.
    Lf,
    /// Both.
    Crlf,
    /// Tabulator.
    Tab,
    /// Nothing.
    None,
}

impl Tail {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Cr => b"\r",
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
            Self::Tab => b"\t",
            Self::None => b"",
        }
    }
}

/// Bytes of a command that are kept; longer ones are none.
const LONGEST: usize = 64;

/// The scanner.
pub struct Device {
    family: Family,
    /// What it ends a code with.
    pub tail: Tail,
    baud: u32,
    /// Says nothing, as one that has hung.
    pub mute: bool,
    /// Bytes that one write has at most, with a pause between two; none: all at once.
    pub pieces: Option<(usize, Duration)>,
    /// The code that the next trigger finds.
    pub held: Option<String>,
    rate: Option<u32>,
    input: Vec<u8>,
    lit: bool,
    due: VecDeque<(Instant, Vec<u8>)>,
    /// Heartbeats, triggers and other commands since the start.
    pub counts: [u64; 3],
}

impl Device {
    /// One that has just been plugged in.
    pub fn new(family: Family, tail: Tail, baud: u32) -> Self {
        Self {
            family,
            tail,
            baud,
            mute: false,
            pieces: None,
            held: None,
            rate: None,
            input: Vec::new(),
            lit: false,
            due: VecDeque::new(),
            counts: [0; 3],
        }
    }

    /// The power was away.
    pub fn restart(&mut self) {
        (self.input, self.lit, self.due) = (Vec::new(), false, VecDeque::new());
    }

    /// The rate of the client.
    pub fn set_rate(&mut self, rate: Option<u32>) {
        self.rate = rate;
    }

    fn understands(&self) -> bool {
        self.rate.is_none_or(|rate| rate == self.baud)
    }

    /// Whether its light is on.
    pub fn is_lit(&self) -> bool {
        self.lit
    }

    /// Bytes from the client.
    pub fn bytes(&mut self, now: Instant, bytes: &[u8]) {
        if !self.understands() || self.mute {
            return;
        }
        self.input.extend(bytes.iter().take(LONGEST));
        loop {
            let taken = match self.family {
                Family::Gm65 => self.gm65(now),
                Family::Honeywell => self.honeywell(now),
                Family::Line => self.input.len(),
            };
            if taken == 0 {
                break;
            }
            self.input.drain(..taken.min(self.input.len()));
        }
        self.input.truncate(LONGEST);
    }

    /// How many bytes of the input are done with.
    fn gm65(&mut self, now: Instant) -> usize {
        let Some(start) = self.input.iter().position(|b| *b == 0x7E) else { return self.input.len() };
        if start > 0 {
            return start;
        }
        let (Some(second), Some(kind), Some(count)) = (self.input.get(1), self.input.get(2), self.input.get(3)) else {
            return 0;
        };
        let (second, kind, count) = (*second, *kind, usize::from(*count));
        if second != 0 {
            return 1;
        }
        // A heartbeat and a save have data too, and a read asks for so many bytes in its one byte of data.
        let length = 6 + count.max(1) + 2;
        if length > LONGEST {
            return 1;
        }
        let Some(frame) = self.input.get(..length).map(<[u8]>::to_vec) else { return 0 };
        let (body, check) = (frame.get(2..length - 2).unwrap_or_default(), frame.get(length - 2..).unwrap_or_default());
        if check != [0xAB, 0xCD] && check != xmodem(body) {
            return 1;
        }
        let address = frame.get(4..6).unwrap_or_default();
        match (kind, address) {
            (0x0A, _) => {
                self.counts[0] += 1;
                self.send(now, vec![0x03, 0, 0, 1, 0, 0x33, 0x31]);
            }
            (0x08, [0x00, 0x02]) => {
                self.counts[1] += 1;
                self.send(now, vec![0x02, 0, 0, 1, 0, 0x33, 0x31]);
                self.triggered(now);
            }
            (0x07, [0x00, 0xE2]) => {
                self.counts[2] += 1;
                self.send(now, vec![0x02, 0, 0, 1, 0x69, 0x33, 0x31]);
            }
            (0x07..=0x09, _) => {
                self.counts[2] += 1;
                self.send(now, vec![0x02, 0, 0, 1, 0, 0x33, 0x31]);
            }
            _ => {}
        }
        length
    }

    fn honeywell(&mut self, now: Instant) -> usize {
        let Some(start) = self.input.iter().position(|b| *b == 0x16) else { return self.input.len() };
        if start > 0 {
            return start;
        }
        match self.input.as_slice() {
            [_, b'T', b'\r', ..] => {
                self.counts[1] += 1;
                self.lit = true;
                self.triggered(now);
                3
            }
            [_, b'U', b'\r', ..] => {
                self.lit = false;
                3
            }
            [_] | [_, b'T' | b'U'] => 0,
            _ => 1,
        }
    }

    /// It reads what is held in front of it.
    fn triggered(&mut self, now: Instant) {
        if let Some(code) = self.held.take() {
            self.scan(now, code.as_bytes());
        }
    }

    /// Somebody holds a code in front of it.
    pub fn scan(&mut self, now: Instant, code: &[u8]) {
        let mut bytes = code.to_vec();
        bytes.extend(self.tail.bytes());
        self.send(now, bytes);
    }

    /// Bytes onto the line, as they are.
    pub fn send(&mut self, now: Instant, bytes: Vec<u8>) {
        if self.mute {
            return;
        }
        let bytes = match self.understands() {
            true => bytes,
            // What another rate makes of it.
            false => bytes.iter().map(|b| b.rotate_left(3) | 0x80).collect(),
        };
        let mut at = self.due.back().map_or(now, |(last, _)| (*last).max(now));
        match self.pieces {
            None => self.due.push_back((at, bytes)),
            Some((most, pause)) => {
                for part in bytes.chunks(most.max(1)) {
                    at = at.after(pause);
                    self.due.push_back((at, part.to_vec()));
                }
            }
        }
    }

    /// When the next bytes are due.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// The next bytes, if they are due.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        let (_, bytes) = self.due.pop_front_if(|(at, _)| *at <= now)?;
        Some(bytes)
    }
}

/// CRC-16/XMODEM by long division over bits.
fn xmodem(bytes: &[u8]) -> [u8; 2] {
    let mut rest = 0u32;
    let bits = bytes.iter().chain(&[0, 0]).flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    for bit in bits {
        rest = rest << 1 | bit;
        if rest & 0x1_0000 != 0 {
            rest ^= 0x1_1021;
        }
    }
    [u8::try_from(rest >> 8 & 0xFF).unwrap_or(0), u8::try_from(rest & 0xFF).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant(ms * 1_000)
    }

    fn said(device: &mut Device, ms: u64) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| device.poll(at(ms))).collect()
    }

    #[test]
    fn every_published_command_is_answered() {
        let ok = vec![0x02, 0, 0, 1, 0, 0x33, 0x31];
        let published: [(&[u8], Vec<u8>); 7] = [
            (&[0x7E, 0, 0x08, 0x01, 0, 0x02, 0x01, 0x02, 0xDA], ok.clone()),
            (&[0x7E, 0, 0x09, 0x01, 0, 0, 0, 0xDE, 0xC8], ok.clone()),
            (&[0x7E, 0, 0x08, 0x02, 0, 0x2A, 0x1A, 0, 0xAB, 0xCD], ok.clone()),
            (&[0x7E, 0, 0x08, 0x02, 0, 0x2A, 0x39, 0x01, 0xA7, 0xEA], ok.clone()),
            (&[0x7E, 0, 0x09, 0x01, 0, 0, 0x02, 0xFE, 0x8A], ok.clone()),
            (&[0x7E, 0, 0x0A, 0x01, 0, 0, 0, 0x30, 0x1A], vec![0x03, 0, 0, 1, 0, 0x33, 0x31]),
            (&[0x7E, 0, 0x07, 0x01, 0, 0xE2, 0x01, 0xAB, 0xCD], vec![0x02, 0, 0, 1, 0x69, 0x33, 0x31]),
        ];
        let mut device = Device::new(Family::Gm65, Tail::Cr, 9_600);
        for (command, answer) in published {
            for byte in command {
                assert!(said(&mut device, 0).is_empty());
                device.bytes(at(0), &[*byte]);
            }
            assert_eq!(said(&mut device, 0), [answer], "{command:02X?}");
        }
    }

    #[test]
    fn a_wrong_check_or_rate_is_not_answered() {
        let mut device = Device::new(Family::Gm65, Tail::Cr, 9_600);
        device.bytes(at(0), &[0x7E, 0, 0x0A, 0x01, 0, 0, 0, 0x30, 0x1B]);
        assert!(said(&mut device, 0).is_empty());
        device.set_rate(Some(115_200));
        device.bytes(at(0), &[0x7E, 0, 0x0A, 0x01, 0, 0, 0, 0x30, 0x1A]);
        assert!(said(&mut device, 0).is_empty());
    }

    #[test]
    fn a_trigger_reads_what_is_held_there_and_a_code_may_come_in_pieces() {
        let mut device = Device::new(Family::Honeywell, Tail::Crlf, 9_600);
        device.held = Some("ABCD".to_owned());
        device.pieces = Some((2, Duration::from_millis(10)));
        device.bytes(at(0), &[0x16, b'T', b'\r']);
        assert!(device.is_lit());
        assert_eq!(said(&mut device, 20), [b"AB", b"CD"]);
        assert_eq!(device.deadline(), Some(at(30)));
        assert_eq!(said(&mut device, 30), [b"\r\n"]);
    }
}
