//! What leaves the chip and how it is damaged on the way.
//!
//! Owns: the outgoing bytes with their times, the faults that a test has ordered. Must not know: commands.

use std::collections::VecDeque;
use std::time::Duration;

use super::frame;
use crate::domain::time::Instant;

/// Faults that are waiting to happen; counts go down as frames leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Garbage bytes before the next answer.
    pub noise: usize,
    /// Answers still to be sent with a wrong check sum.
    pub corrupt: u32,
    /// Answers with one bit turned over, another one each time.
    pub flip: u32,
    /// Answers of which only the first half leaves.
    pub truncate: u32,
    /// Answers in whose place comes a frame that claims 65535 bytes and goes on for thousands.
    pub oversize: u32,
    /// Commands to be answered with NACK instead of ACK.
    pub nack: u32,
    /// Commands to be answered with no ACK and no answer.
    pub drop: u32,
    /// Commands to be answered with the error frame.
    pub error: u32,
    /// Nothing leaves at all.
    pub silent: bool,
    /// Commands are acknowledged and never answered, until reset.
    pub hung: bool,
    /// Added before each answer.
    pub delay: Duration,
    /// Time between two bytes; zero sends a frame at once.
    pub byte_gap: Duration,
}

/// The outgoing half of the serial line.
#[derive(Debug)]
pub struct Line {
    /// Ordered by the test.
    pub faults: Faults,
    due: VecDeque<(Instant, Vec<u8>)>,
    last_answer: Vec<u8>,
    noise: Noise,
    /// Which bit was turned over last.
    flipped: usize,
}

/// The head of an extended frame of 65535 bytes, with a right check sum.
const OVERSIZE: [u8; 8] = [0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02];
/// How many bytes follow it.
const OVERSIZE_BYTES: usize = 4_096;
/// From one turned bit to the next.
const FLIP_STRIDE: usize = 11;

impl Line {
    /// A quiet, healthy line; the seed chooses the noise.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let noise = Noise(seed | 1);
        Self { faults: Faults::default(), due: VecDeque::new(), last_answer: Vec::new(), noise, flipped: 0 }
    }

    /// Sends ACK, or NACK if that was ordered; says whether the command may go on.
    pub fn acknowledge(&mut self, now: Instant) -> bool {
        if spend(&mut self.faults.drop) {
            return false;
        }
        if spend(&mut self.faults.nack) {
            self.enqueue(now, frame::NACK.to_vec());
            return false;
        }
        self.enqueue(now, frame::ACK.to_vec());
        true
    }

    /// Sends an answer; it is kept for a NACK from the host.
    pub fn answer(&mut self, now: Instant, code_and_parameters: &[u8]) {
        self.last_answer = frame::answer(code_and_parameters);
        self.send_answer(now);
    }

    /// Sends the error frame.
    pub fn error(&mut self, now: Instant) {
        self.last_answer = frame::ERROR.to_vec();
        self.send_answer(now);
    }

    /// Sends the last answer again.
    pub fn repeat(&mut self, now: Instant) {
        if !self.last_answer.is_empty() {
            self.send_answer(now);
        }
    }

    /// Garbage now, unasked.
    pub fn babble(&mut self, now: Instant, bytes: usize) {
        let garbage = self.noise.bytes(bytes);
        self.enqueue(now, garbage);
    }

    /// The host has lost interest: what is still to come stays here.
    pub fn cancel(&mut self, now: Instant) {
        self.due.retain(|(at, _)| *at <= now);
    }

    /// Power was lost.
    pub fn reset(&mut self) {
        self.due.clear();
        self.last_answer.clear();
        self.faults.hung = false;
    }

    /// When the next bytes are due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// The next bytes, if their time has come. At a wrong rate the other end sees only garbage.
    pub fn poll(&mut self, now: Instant, rate_matches: bool) -> Option<Vec<u8>> {
        if self.deadline()? > now {
            return None;
        }
        let (_, bytes) = self.due.pop_front()?;
        Some(if rate_matches { bytes } else { self.noise.bytes(bytes.len()) })
    }

    fn send_answer(&mut self, now: Instant) {
        let at = now.after(self.faults.delay);
        let mut bytes = self.last_answer.clone();
        if spend(&mut self.faults.corrupt)
            && let Some(sum) = bytes.len().checked_sub(2).and_then(|at| bytes.get_mut(at))
        {
            *sum ^= 0x01;
        }
        if spend(&mut self.faults.flip) {
            self.flipped += FLIP_STRIDE;
            if let Some(byte) = (self.flipped / 8).checked_rem(bytes.len()).and_then(|at| bytes.get_mut(at)) {
                *byte ^= 0x80 >> (self.flipped % 8);
            }
        }
        if spend(&mut self.faults.truncate) {
            bytes.truncate(bytes.len() / 2);
        }
        if spend(&mut self.faults.oversize) {
            bytes = [&OVERSIZE[..], &self.noise.bytes(OVERSIZE_BYTES)].concat();
        }
        let noise = std::mem::take(&mut self.faults.noise);
        if noise > 0 {
            bytes = [self.noise.bytes(noise), bytes].concat();
        }
        self.enqueue(at, bytes);
    }

    fn enqueue(&mut self, at: Instant, bytes: Vec<u8>) {
        if self.faults.silent {
            return;
        }
        let mut at = self.due.back().map_or(at, |(last, _)| at.max(*last));
        if self.faults.byte_gap.is_zero() {
            self.due.push_back((at, bytes));
            return;
        }
        for byte in bytes {
            at = at.after(self.faults.byte_gap);
            self.due.push_back((at, vec![byte]));
        }
    }
}

/// Uses up one of a counted fault.
fn spend(count: &mut u32) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}

/// Garbage from a seed (xorshift64), so that a run can be repeated byte for byte.
#[derive(Debug)]
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, n: usize) -> Vec<u8> {
        std::iter::repeat_with(|| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()[3]
        })
        .take(n)
        .collect()
    }
}
