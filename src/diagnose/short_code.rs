//! The short code of a fault: what a hotline has to know, in 40 letters and digits that can be read out on the phone.
//!
//! Owns: the layout, which never changes once it has a version: a code written down last year must still be read. Must not
//! know: how the facts are found, or how a code is shown. How bits become letters is in `symbols`.
//!
//! Version 1, most significant bit first, 160 bits in eight groups:
//!
//! | bits | what |
//! |---|---|
//! | 4 | version of the layout, 1 |
//! | 24 | minutes since 2024-01-01 UTC |
//! | 8 | cause: letter 3, number 5; letter 7 for none |
//! | 3 | terminal: 0 not running, else its state in the order of `TERMINAL`, from 1 |
//! | 3, 8 | reader: 0 not known, else its state in the order of `DEVICE`, from 1; its cause |
//! | 3, 8 | keypad, likewise |
//! | 32 | 16 probes in the order of [`PROBES`], 2 each: 0 not made, 1 good, 2 bad, 3 could not be made |
//! | 4, 6, 6 | version of smartposd |
//! | 4, 4 | firmware of the reader |
//! | 5, 7 | version of the kernel |
//! | 8 | version of the system (Debian 12, 13 …) |
//! | 4, 4, 4 | payments waiting, payments held, reversals open: steps of `STEPS` |
//! | 1 | nothing yet |
//! | 10 | CRC-10 of all before |

use std::fmt;

use super::symbols::{self, BITS, CodeError, GROUP};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::outcome::{TerminalState, words};
use crate::domain::time::WallTime;

const VERSION: u8 = 1;
/// Groups of a code of version 1.
const GROUPS: usize = 8;
const CHECK_BITS: usize = 10;
/// 2024-01-01 in minutes since 1970.
const EPOCH: u64 = 28_401_120;
const MINUTE: u64 = 60_000_000;

/// The letters of causes, in the layout's order.
const LETTERS: [u8; 7] = *b"NHSOBKP";
/// States of the terminal, in the layout's order.
const TERMINAL: [TerminalState; 7] = [
    TerminalState::Starting,
    TerminalState::SignedOut,
    TerminalState::SigningIn,
    TerminalState::Ready,
    TerminalState::Busy,
    TerminalState::Degraded,
    TerminalState::OutOfService,
];
/// States of a device, in the layout's order.
const DEVICE: [DeviceState; 6] = [
    DeviceState::Absent,
    DeviceState::Starting,
    DeviceState::Ready,
    DeviceState::Active,
    DeviceState::Failed,
    DeviceState::Inhibited,
];
/// The probes that have a place, by the names of their rows in a diagnosis. Reader and keypad have places of their own.
pub const PROBES: [&str; 16] = [
    "link",
    "address",
    "gateway",
    "names",
    "control",
    "control-by-name",
    "portal",
    "acquirer",
    "tls",
    "host",
    "keys",
    "terminal",
    "clock",
    "storage",
    "power",
    "service",
];
/// Counts are kept as the largest of these that they reach.
pub const STEPS: [u32; 16] = [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000];

/// A cause as it stands in a code; it may be one that this program does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseCode {
    letter: u8,
    number: u8,
}

impl CauseCode {
    /// The cause, if this program knows it.
    pub fn cause(self) -> Option<Cause> {
        Cause::from_word(&self.to_string())
    }
}

impl From<Cause> for CauseCode {
    fn from(cause: Cause) -> Self {
        let word = cause.as_str();
        let letter = word.bytes().next().and_then(|l| LETTERS.iter().position(|known| *known == l));
        let number = word.get(1..).and_then(|n| n.parse().ok());
        // The test beside goes through all causes.
        Self { letter: letter.and_then(|l| u8::try_from(l).ok()).unwrap_or(0), number: number.unwrap_or(0) }
    }
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = LETTERS.get(usize::from(self.letter)).copied().map_or('?', char::from);
        write!(f, "{letter}{:02}", self.number)
    }
}

words! {
    /// What came of one probe.
    Probed {
        /// It was not made.
        NotMade = "not-made",
        /// All is well there.
        Good = "good",
        /// Something is wrong there.
        Bad = "bad",
        /// It could not be made, or made no sense any more.
        NotPossible = "not-possible",
    }
}

/// A device in a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DevicePart {
    /// How it is; `None`: nobody could say.
    pub state: Option<DeviceState>,
    /// What is wrong with it.
    pub cause: Option<CauseCode>,
}

/// Everything a code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortCode {
    /// When; whole minutes from 2024 to 2055.
    pub at: WallTime,
    /// What is wrong.
    pub cause: Option<CauseCode>,
    /// What the terminal was doing; `None`: the daemon did not run.
    pub terminal: Option<TerminalState>,
    /// The card reader.
    pub reader: DevicePart,
    /// The keypad.
    pub keypad: DevicePart,
    /// In the order of [`PROBES`].
    pub probes: [Probed; 16],
    /// smartposd: up to 15.63.63.
    pub program: (u8, u8, u8),
    /// The reader's firmware, up to 15.15; zeros: not known.
    pub firmware: (u8, u8),
    /// The kernel, up to 31.127; zeros: not known.
    pub kernel: (u8, u8),
    /// The system's version; 0: not known.
    pub system: u8,
    /// Payments accepted offline that wait to be sent: at least so many.
    pub waiting: u32,
    /// Of them held for a person.
    pub held: u32,
    /// Reversals that the host has not acknowledged.
    pub reversals: u32,
}

impl Default for ShortCode {
    fn default() -> Self {
        Self {
            at: WallTime(EPOCH * MINUTE),
            cause: None,
            terminal: None,
            reader: DevicePart::default(),
            keypad: DevicePart::default(),
            probes: [Probed::NotMade; 16],
            program: (0, 0, 0),
            firmware: (0, 0),
            kernel: (0, 0),
            system: 0,
            waiting: 0,
            held: 0,
            reversals: 0,
        }
    }
}

impl ShortCode {
    /// Notes what came of a probe; one without a place is left out.
    pub fn probe(&mut self, name: &str, result: Probed) {
        let place = PROBES.iter().position(|known| *known == name).and_then(|at| self.probes.get_mut(at));
        if let Some(place) = place {
            *place = result;
        }
    }

    /// The probes that were made, by name.
    pub fn made(&self) -> impl Iterator<Item = (&'static str, Probed)> {
        PROBES.into_iter().zip(self.probes).filter(|(_, result)| *result != Probed::NotMade)
    }

    /// The code as it is written. What is beyond its bounds is cut to them.
    pub fn encode(&self) -> String {
        let mut out = Writer(Vec::with_capacity(GROUPS * BITS));
        out.put(4, VERSION);
        out.put(24, (self.at.0 / MINUTE).saturating_sub(EPOCH));
        out.put(8, cause_bits(self.cause));
        out.put(3, place(&TERMINAL, self.terminal));
        for device in [self.reader, self.keypad] {
            out.put(3, place(&DEVICE, device.state));
            out.put(8, cause_bits(device.cause));
        }
        for result in self.probes {
            out.put(2, place(Probed::ALL, Some(result)).saturating_sub(1));
        }
        let (major, minor, patch) = self.program;
        [(4, major), (6, minor), (6, patch)].into_iter().for_each(|(width, value)| out.put(width, value));
        [(4, self.firmware.0), (4, self.firmware.1)].into_iter().for_each(|(width, value)| out.put(width, value));
        [(5, self.kernel.0), (7, self.kernel.1)].into_iter().for_each(|(width, value)| out.put(width, value));
        out.put(8, self.system);
        for count in [self.waiting, self.held, self.reversals] {
            out.put(4, step(count));
        }
        out.put(1, 0u8);
        let check = crc(&out.0);
        out.put(CHECK_BITS, check);
        symbols::write(&out.0)
    }

    /// Reads a code that was typed, with or without dashes, in capitals or not.
    pub fn decode(text: &str) -> Result<Self, CodeError> {
        let given = symbols::symbols(text)?;
        let wanted = GROUPS * GROUP;
        // The version is in the first group, which says of itself whether it was read rightly.
        let first = given.get(..GROUP).filter(|group| symbols::misread(group).is_empty());
        let version = first.map(|group| Reader::of(symbols::bits(group)).take(4)).map(narrow);
        if let Some(version) = version.filter(|v| *v != VERSION) {
            return Err(CodeError::Newer { version });
        }
        if given.len() != wanted {
            let whole = given.len() % GROUP == 0 && given.len() + GROUP == wanted;
            let missing = if whole { symbols::left_out(&given) } else { None };
            return Err(CodeError::Length { found: given.len(), wanted, missing });
        }
        let misread = symbols::misread(&given);
        if !misread.is_empty() {
            return Err(CodeError::Groups(misread));
        }
        let bits = symbols::bits(&given);
        let (said, check) = bits.split_at_checked(bits.len().saturating_sub(CHECK_BITS)).unwrap_or((&bits, &[]));
        if u64::from(crc(said)) != Reader::of(check.to_vec()).take(CHECK_BITS) {
            return Err(CodeError::Mixed);
        }
        Ok(Self::read(Reader::of(said.to_vec())))
    }

    fn read(mut bits: Reader) -> Self {
        bits.take(4);
        let at = WallTime((bits.take(24) + EPOCH) * MINUTE);
        let cause = cause_of(bits.take(8));
        let terminal = at_place(&TERMINAL, bits.take(3));
        let reader = DevicePart { state: at_place(&DEVICE, bits.take(3)), cause: cause_of(bits.take(8)) };
        let keypad = DevicePart { state: at_place(&DEVICE, bits.take(3)), cause: cause_of(bits.take(8)) };
        let probes = [(); 16].map(|()| at_place(Probed::ALL, bits.take(2) + 1).unwrap_or(Probed::NotMade));
        Self {
            at,
            cause,
            terminal,
            reader,
            keypad,
            probes,
            program: (narrow(bits.take(4)), narrow(bits.take(6)), narrow(bits.take(6))),
            firmware: (narrow(bits.take(4)), narrow(bits.take(4))),
            kernel: (narrow(bits.take(5)), narrow(bits.take(7))),
            system: narrow(bits.take(8)),
            waiting: count_of(bits.take(4)),
            held: count_of(bits.take(4)),
            reversals: count_of(bits.take(4)),
        }
    }
}

fn narrow(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// 0 for none, else its place from 1.
fn place<T: PartialEq + Copy>(all: &[T], value: Option<T>) -> u8 {
    let at = value.and_then(|value| all.iter().position(|known| *known == value));
    at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
}

fn at_place<T: Copy>(all: &[T], place: u64) -> Option<T> {
    let at = usize::try_from(place).ok()?.checked_sub(1)?;
    all.get(at).copied()
}

fn cause_bits(cause: Option<CauseCode>) -> u8 {
    cause.map_or(7 << 5, |cause| cause.letter << 5 | cause.number & 31)
}

fn cause_of(bits: u64) -> Option<CauseCode> {
    let (letter, number) = (narrow(bits >> 5), narrow(bits & 31));
    (usize::from(letter) < LETTERS.len()).then_some(CauseCode { letter, number })
}

fn step(count: u32) -> u8 {
    let reached = STEPS.iter().filter(|step| **step <= count).count();
    u8::try_from(reached.saturating_sub(1)).unwrap_or(0)
}

fn count_of(bits: u64) -> u32 {
    usize::try_from(bits).ok().and_then(|at| STEPS.get(at).copied()).unwrap_or(0)
}

/// CRC-10 of ATM: x¹⁰ + x⁹ + x⁵ + x⁴ + x + 1.
fn crc(bits: &[bool]) -> u16 {
    bits.iter().fold(0, |crc: u16, bit| {
        let out = (crc >> 9 & 1 == 1) != *bit;
        (crc << 1 & 0x3FF) ^ if out { 0x233 } else { 0 }
    })
}

struct Writer(Vec<bool>);

impl Writer {
    /// What is too large for its place becomes the largest that fits.
    fn put(&mut self, width: usize, value: impl Into<u64>) {
        let largest = (1u64 << width) - 1;
        let value = value.into().min(largest);
        self.0.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
    }
}

struct Reader(std::vec::IntoIter<bool>);

impl Reader {
    fn of(bits: Vec<bool>) -> Self {
        Self(bits.into_iter())
    }

    fn take(&mut self, width: usize) -> u64 {
        (0..width).fold(0, |value, _| value << 1 | u64::from(self.0.next().unwrap_or(false)))
    }
}

#[cfg(test)]
mod tests;
