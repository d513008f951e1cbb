//! Bytes of the scanner's line as codes and replies, in whatever pieces they come.
//!
//! Owns: where a code ends: CR, LF, CRLF or TAB, or silence with a scanner that sends none of them. Must not know: what a
//! code means. Bounded: a code that is too long, or holds a byte that is no printable ASCII, is thrown away up to its end.
//!
//! A part of a code must never pass for a whole one, since a shorter payment code may be somebody else's. So once a
//! scanner has ended a code by a terminator, one that ends in silence is a broken one, until it happens again and again; and a
//! reply that begins inside a code ends it only if it proves to be a reply.

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::domain::scan::LONGEST_CODE;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::scanner::gm65::{self, Parsed, Reply};

/// Silence that ends a code of a scanner without a terminator.
pub const SILENCE: Duration = Duration::from_millis(80);
/// Silence after which the rest of a code will not come any more.
pub const BROKEN_OFF: Duration = Duration::from_millis(500);
/// So many codes without a terminator in a row, and the scanner is one that sends none.
const WITHOUT: u8 = 3;

/// What came. No `Debug`: a code is a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    /// A whole code.
    Code(SecretBytes),
    /// A reply to a command.
    Reply(Reply),
    /// Something that is neither, once for each.
    Rejected,
}

enum State {
    /// Collecting a code, or waiting for one.
    Code,
    /// A reply has begun.
    Reply(Vec<u8>),
    /// Throwing away up to the end.
    Skipping,
}

/// How this scanner ends its codes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    Unknown,
    /// By a terminator; so many codes in a row came without one.
    Terminates(u8),
}

/// The line.
pub struct Stream {
    replies: bool,
    state: State,
    code: Zeroizing<Vec<u8>>,
    habit: Habit,
    last: Option<Instant>,
    pieces: VecDeque<Piece>,
}

impl Stream {
    /// A line of which nothing has come yet. `replies`: the device knows commands.
    pub fn new(replies: bool) -> Self {
        let code = Zeroizing::new(Vec::with_capacity(LONGEST_CODE));
        Self { replies, state: State::Code, code, habit: Habit::Unknown, last: None, pieces: VecDeque::new() }
    }

    /// Takes bytes. How late they are brought here says nothing about gaps on the line; only [`Stream::expire`] sees those.
    pub fn feed(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
        let idle = self.code.is_empty() && matches!(self.state, State::Code);
        self.last = (!idle).then_some(now);
    }

    /// Lets silence pass.
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|t| t <= now) {
            self.last = None;
            self.fell_silent();
        }
    }

    /// When silence means something.
    pub fn deadline(&self) -> Option<Instant> {
        let span = match (&self.state, self.habit) {
            (State::Code, Habit::Terminates(_)) | (State::Reply(_), _) => BROKEN_OFF,
            (State::Code, Habit::Unknown) | (State::Skipping, _) => SILENCE,
        };
        self.last.map(|t| t.after(span))
    }

    /// The next piece.
    pub fn poll(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    fn byte(&mut self, byte: u8) {
        match &mut self.state {
            State::Code => self.code_byte(byte),
            State::Skipping => {
                if is_terminator(byte) {
                    self.state = State::Code;
                }
            }
            State::Reply(bytes) => {
                bytes.push(byte);
                match gm65::parse(bytes) {
                    Parsed::Unfinished => {}
                    Parsed::Whole(reply) => {
                        self.state = State::Code;
                        // A device sends nothing in between: what stood before a reply was whole.
                        self.finish();
                        self.pieces.push_back(Piece::Reply(reply));
                    }
                    Parsed::Broken => self.reject(),
                }
            }
        }
    }

    fn code_byte(&mut self, byte: u8) {
        match byte {
            b' '..=b'~' if self.code.len() < LONGEST_CODE => self.code.push(byte),
            _ if is_terminator(byte) => {
                if !self.code.is_empty() {
                    self.habit = Habit::Terminates(0);
                    self.finish();
                }
            }
            _ if self.replies && gm65::begins(byte) => self.state = State::Reply(vec![byte]),
            _ => self.reject(),
        }
    }

    fn fell_silent(&mut self) {
        match (&self.state, self.habit) {
            (State::Skipping, _) => self.state = State::Code,
            (State::Reply(_), _) => {
                self.reject();
                self.state = State::Code;
            }
            (State::Code, Habit::Unknown) => self.finish(),
            (State::Code, Habit::Terminates(without)) => {
                let without = without.saturating_add(1);
                self.habit = if without >= WITHOUT { Habit::Unknown } else { Habit::Terminates(without) };
                self.wipe();
                self.pieces.push_back(Piece::Rejected);
            }
        }
    }

    fn finish(&mut self) {
        if !self.code.is_empty() {
            self.pieces.push_back(Piece::Code(SecretBytes::new(self.code.to_vec())));
            self.wipe();
        }
    }

    fn reject(&mut self) {
        self.wipe();
        self.state = State::Skipping;
        self.pieces.push_back(Piece::Rejected);
    }

    fn wipe(&mut self) {
        self.code = Zeroizing::new(Vec::with_capacity(LONGEST_CODE));
    }
}

fn is_terminator(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b'\t')
}

#[cfg(test)]
mod tests;
