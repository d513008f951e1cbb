//! Frames on the chip's serial line: find them in a stream of bytes, and build them.
//!
//! Owns: start code, lengths, checksums, resynchronisation. Must not know: what a body means.
//! Follows: UM0701-02 §6.2.1 (normal, extended, ACK, NACK and error frame).
//!
//! Bodies carry card data, so they live in memory that is wiped on release and have no `Debug`.

use crate::domain::cause::Cause;
use zeroize::{Zeroize, Zeroizing};

use crate::domain::secret::SecretBytes;

/// Says "received"; from the host while the chip works it means "stop".
pub const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];
/// Asks for the last answer once more.
pub const NACK: [u8; 6] = [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00];
/// Rising edges that wake the chip's serial port, then idle bytes to pass its oscillator's start.
pub const WAKE_UP: [u8; 16] = [0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The longest body: TFI, command code and 263 bytes.
pub const MAX_BODY: usize = 265;

/// The single body byte of the error frame.
const ERROR_TFI: u8 = 0x7F;
const START: [u8; 2] = [0x00, 0xFF];
/// Start code, extended head, body, checksum, postamble.
const MAX_FRAME: usize = 2 + 5 + MAX_BODY + 2;

/// One whole frame from the line.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// Received.
    Ack,
    /// Not received: send again.
    Nack,
    /// The chip did not understand the command.
    Error,
    /// TFI, code and parameters of a normal or extended frame, both checksums right.
    Body(SecretBytes),
}

impl Frame {
    /// The frame's kind, which is all that may be printed.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Nack => "nack",
            Self::Error => "error",
            Self::Body(_) => "body",
        }
    }
}

/// Why some bytes were not a frame. Reading goes on behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Bytes that belong to no frame stood before a start code.
    #[error("bytes outside any frame: check wiring and baud rate")]
    Noise,
    /// The length and its checksum contradict each other.
    #[error("frame length damaged: check wiring and baud rate")]
    Length,
    /// More than the chip may send.
    #[error("frame longer than the chip's limit")]
    TooLong,
    /// The body's checksum or the byte behind it is wrong.
    #[error("frame body damaged: check wiring and baud rate")]
    Checksum,
    /// The line fell silent within a frame.
    #[error("frame cut short")]
    Truncated,
}

impl FrameError {
    /// The cause of the catalogue, once there are too many of them.
    pub fn cause(self) -> Cause {
        match self {
            Self::Noise | Self::Length | Self::TooLong | Self::Checksum | Self::Truncated => Cause::H03,
        }
    }
}

/// Finds frames in a stream that may start anywhere and hold anything. Holds at most one frame's worth of bytes.
pub struct Decoder {
    held: Zeroizing<Vec<u8>>,
    /// Noise has been reported and no start code has been seen since: do not report each byte of it.
    in_noise: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        // Room for everything at once: a growing vector would leave unwiped copies behind.
        Self { held: Zeroizing::new(Vec::with_capacity(MAX_FRAME)), in_noise: false }
    }
}

/// What the first bytes of the buffer are.
enum Head {
    /// More bytes are needed to tell.
    Partial,
    /// A frame of this many bytes.
    Whole(Frame, usize),
    /// Not a frame: this many bytes are to be skipped before hunting on.
    Bad(FrameError, usize),
}

impl Decoder {
    /// The next frame or error, eating `input` as far as needed. `None` once all input is eaten.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<Frame, FrameError>> {
        loop {
            if let Some(item) = self.scan() {
                return Some(item);
            }
            if input.is_empty() {
                return None;
            }
            let room = MAX_FRAME.saturating_sub(self.held.len());
            let (taken, rest) = input.split_at_checked(room).unwrap_or((input, &[]));
            self.held.extend_from_slice(taken);
            *input = rest;
        }
    }

    /// Whether a start code has been seen and its frame is not complete.
    pub fn mid_frame(&self) -> bool {
        self.held.starts_with(&START)
    }

    /// The line fell silent: the frame that is held will not be completed. `None` if none is.
    ///
    /// What is held is hunted through again by [`Decoder::next`], since a lost byte makes a frame swallow the head of
    /// the one behind it.
    pub fn cut(&mut self) -> Option<FrameError> {
        let mid_frame = self.mid_frame();
        self.skip(1);
        self.in_noise = true;
        mid_frame.then_some(FrameError::Truncated)
    }

    /// Forgets everything held.
    pub fn reset(&mut self) {
        self.held.zeroize();
        self.in_noise = false;
    }

    fn scan(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.hunt() {
            return Some(Err(FrameError::Noise));
        }
        if !self.mid_frame() {
            return None;
        }
        self.in_noise = false;
        match head(&self.held) {
            Head::Partial => None,
            Head::Whole(frame, length) => {
                self.skip(length);
                Some(Ok(frame))
            }
            Head::Bad(error, length) => {
                self.skip(length);
                self.in_noise = true;
                Some(Err(error))
            }
        }
    }

    /// Drops bytes up to a start code, or up to a last `00` that may begin one. True if noise is to be reported.
    fn hunt(&mut self) -> bool {
        let start = self.held.windows(2).position(|pair| pair == START);
        let last_may_begin = self.held.last() == Some(&0x00);
        let end = start.unwrap_or(self.held.len() - usize::from(last_may_begin));
        // 00 is preamble and postamble, 55 is what some chips and drivers put before a frame.
        let noise = self.held.iter().take(end).any(|b| !matches!(b, 0x00 | 0x55));
        self.skip(end);
        let first = noise && !self.in_noise;
        self.in_noise |= noise;
        first
    }

    fn skip(&mut self, count: usize) {
        let count = count.min(self.held.len());
        let kept = self.held.len() - count;
        self.held.copy_within(count.., 0);
        if let Some(tail) = self.held.get_mut(kept..) {
            tail.zeroize();
        }
        self.held.truncate(kept);
    }
}

/// Reads the frame at the start of `held`, which begins with the start code.
fn head(held: &[u8]) -> Head {
    let (Some(&length), Some(&check)) = (held.get(2), held.get(3)) else {
        return Head::Partial;
    };
    match (length, check) {
        (0x00, 0xFF) => Head::Whole(Frame::Ack, 4),
        (0xFF, 0x00) => Head::Whole(Frame::Nack, 4),
        (0xFF, 0xFF) => {
            let (Some(&high), Some(&low), Some(&check)) = (held.get(4), held.get(5), held.get(6)) else {
                return Head::Partial;
            };
            body(held, 7, usize::from(high) << 8 | usize::from(low), high.wrapping_add(low).wrapping_add(check))
        }
        (length, check) => body(held, 4, usize::from(length), length.wrapping_add(check)),
    }
}

/// Reads a body of `length` bytes at `at`; `sum` is the sum of length and length checksum, zero when right.
fn body(held: &[u8], at: usize, length: usize, sum: u8) -> Head {
    // After an error only one byte is skipped: a real start code may stand anywhere behind it.
    if sum != 0 || length == 0 {
        return Head::Bad(FrameError::Length, 1);
    }
    if length > MAX_BODY {
        return Head::Bad(FrameError::TooLong, 1);
    }
    let end = at + length;
    // The byte behind the checksum is waited for: without it, a lost 00 in the body would make the checksum the last
    // byte of the body and the postamble a checksum that fits.
    let (Some(body), Some(check), Some(postamble)) = (held.get(at..end), held.get(end), held.get(end + 1)) else {
        return Head::Partial;
    };
    if sum_of(body).wrapping_add(*check) != 0 || *postamble != 0 {
        return Head::Bad(FrameError::Checksum, 1);
    }
    let frame = if body == [ERROR_TFI] { Frame::Error } else { Frame::Body(SecretBytes::new(body.to_vec())) };
    Head::Whole(frame, end + 2)
}

fn sum_of(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
}

/// A body that no frame can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame carries 1 to {MAX_BODY} bytes, not {0}: split the command")]
pub struct BodyLength(pub usize);

/// Builds the frame around a body (TFI, code, parameters): normal up to 255 bytes, extended above.
///
/// # Errors
/// [`BodyLength`] when the body is empty or too long.
pub fn encode(body: &[u8]) -> Result<SecretBytes, BodyLength> {
    let refused = BodyLength(body.len());
    if body.is_empty() || body.len() > MAX_BODY {
        return Err(refused);
    }
    let mut out = Vec::with_capacity(body.len() + 11);
    out.extend_from_slice(&[0x00, 0x00, 0xFF]);
    match u8::try_from(body.len()) {
        Ok(length) => out.extend_from_slice(&[length, length.wrapping_neg()]),
        Err(_) => {
            let [high, low] = u16::try_from(body.len()).map_err(|_| refused)?.to_be_bytes();
            out.extend_from_slice(&[0xFF, 0xFF, high, low, high.wrapping_add(low).wrapping_neg()]);
        }
    }
    out.extend_from_slice(body);
    out.push(sum_of(body).wrapping_neg());
    out.push(0x00);
    Ok(SecretBytes::new(out))
}

#[cfg(test)]
mod tests;
