//! Frames of the PN532's serial line as the chip sees them.
//!
//! Owns: finding host frames in a byte stream, building chip frames. Must not know: what the commands mean.
//! Spec: UM0701-02 §6.2.1. Written for the simulator alone, so that an error in the driver's frame code is not
//! repeated here.

/// Acknowledges a host frame.
pub const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];
/// Asks for the last frame again.
pub const NACK: [u8; 6] = [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00];
/// Says that the host's command was not understood.
pub const ERROR: [u8; 8] = [0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00];

/// The longest body (TFI, code and parameters) the chip takes or gives.
pub const MAX_BODY: usize = 265;

const FROM_HOST: u8 = 0xD4;
const FROM_CHIP: u8 = 0xD5;

/// What the host sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostFrame {
    /// Ends what the chip is doing.
    Ack,
    /// Asks for the last answer again.
    Nack,
    /// A command: its code and parameters.
    Command(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Looking for `00 FF`; the flag says whether the last byte was 00.
    Hunting {
        zero: bool,
    },
    Length,
    LengthSum(u8),
    ExtendedHigh,
    ExtendedLow(u8),
    ExtendedSum(u8, u8),
    Body {
        wanted: usize,
        body: Vec<u8>,
    },
    Sum {
        body: Vec<u8>,
    },
}

/// Finds frames in the bytes from the host; any number of bytes may stand before a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deframer {
    state: State,
}

impl Default for Deframer {
    fn default() -> Self {
        Self { state: State::Hunting { zero: false } }
    }
}

impl Deframer {
    /// Takes one byte; a frame comes out when its last byte has come in. Damaged frames are dropped without a word,
    /// as the chip does.
    pub fn push(&mut self, byte: u8) -> Option<HostFrame> {
        let state = std::mem::replace(&mut self.state, State::Hunting { zero: byte == 0 });
        let next = match state {
            State::Hunting { zero: true } if byte == 0xFF => State::Length,
            State::Hunting { .. } => return None,
            State::Length => State::LengthSum(byte),
            State::LengthSum(length) => match (length, byte) {
                (0x00, 0xFF) => return self.done(HostFrame::Ack),
                (0xFF, 0x00) => return self.done(HostFrame::Nack),
                (0xFF, 0xFF) => State::ExtendedHigh,
                (0x00, _) => return None,
                (n, sum) if n.wrapping_add(sum) == 0 => State::Body { wanted: usize::from(n), body: Vec::new() },
                _ => return None,
            },
            State::ExtendedHigh => State::ExtendedLow(byte),
            State::ExtendedLow(high) => State::ExtendedSum(high, byte),
            State::ExtendedSum(high, low) => {
                let wanted = usize::from(u16::from_be_bytes([high, low]));
                let sum_is_good = high.wrapping_add(low).wrapping_add(byte) == 0;
                if !sum_is_good || wanted == 0 || wanted > MAX_BODY {
                    return None;
                }
                State::Body { wanted, body: Vec::with_capacity(wanted) }
            }
            State::Body { wanted, mut body } => {
                body.push(byte);
                if body.len() < wanted { State::Body { wanted, body } } else { State::Sum { body } }
            }
            State::Sum { body } => return self.finish(&body, byte),
        };
        self.state = next;
        None
    }

    fn finish(&mut self, body: &[u8], sum: u8) -> Option<HostFrame> {
        let total = body.iter().fold(sum, |acc, b| acc.wrapping_add(*b));
        match body {
            [FROM_HOST, command @ ..] if total == 0 && !command.is_empty() => {
                self.done(HostFrame::Command(command.to_vec()))
            }
            _ => None,
        }
    }

    fn done(&mut self, frame: HostFrame) -> Option<HostFrame> {
        self.state = State::Hunting { zero: false };
        Some(frame)
    }
}

/// Builds an answer frame around code and parameters: normal up to 255 bytes of body, extended above.
#[must_use]
pub fn answer(code_and_parameters: &[u8]) -> Vec<u8> {
    let length = code_and_parameters.len() + 1;
    let mut out = vec![0x00, 0x00, 0xFF];
    match u8::try_from(length) {
        Ok(n) => out.extend([n, 0u8.wrapping_sub(n)]),
        Err(_) => {
            let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
            out.extend([0xFF, 0xFF, high, low, 0u8.wrapping_sub(high).wrapping_sub(low)]);
        }
    }
    out.push(FROM_CHIP);
    out.extend_from_slice(code_and_parameters);
    let sum = code_and_parameters.iter().fold(FROM_CHIP, |acc, b| acc.wrapping_add(*b));
    out.extend([0u8.wrapping_sub(sum), 0x00]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8]) -> Vec<HostFrame> {
        let mut deframer = Deframer::default();
        bytes.iter().filter_map(|b| deframer.push(*b)).collect()
    }

    #[test]
    fn commands_are_found_behind_any_preamble() {
        let sam = [0x55, 0x00, 0x00, 0x55, 0x00, 0xFF, 0x03, 0xFD, 0xD4, 0x14, 0x01, 0x17, 0x00];
        assert_eq!(frames(&sam), [HostFrame::Command(vec![0x14, 0x01])]);
        assert_eq!(frames(&ACK), [HostFrame::Ack]);
        assert_eq!(frames(&[NACK, ACK].concat()), [HostFrame::Nack, HostFrame::Ack]);
    }

    #[test]
    fn damaged_frames_are_dropped_and_the_next_one_is_found() {
        let good = [0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD4, 0x02, 0x2A, 0x00];
        for at in 3..8 {
            let mut bad = good;
            bad[at] ^= 0x10;
            // A wrong length may swallow what follows; eight idle bytes of line let the chip find its feet again.
            let stream = [&bad[..], &[0x55; 32], &good].concat();
            assert_eq!(frames(&stream).last(), Some(&HostFrame::Command(vec![0x02])), "byte {at}");
            assert_eq!(frames(&bad), [], "byte {at}");
        }
    }

    #[test]
    fn bodies_above_255_bytes_travel_in_extended_frames() {
        let payload: Vec<u8> = (0..262u32).map(|i| u8::try_from(i % 256).unwrap()).collect();
        let code: Vec<u8> = [&[0x01, 0x00][..], &payload].concat();
        let frame = answer(&code);
        assert_eq!(&frame[..10], [0x00, 0x00, 0xFF, 0xFF, 0xFF, 0x01, 0x09, 0xF6, 0xD5, 0x01]);
        let mut host = frame.clone();
        host[8] = FROM_HOST;
        let sum = host.len() - 2;
        host[sum] = host[sum].wrapping_add(1);
        assert_eq!(frames(&host), [HostFrame::Command(code)]);
        assert_eq!(answer(&[0x15]), [0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD5, 0x15, 0x16, 0x00]);
    }
}
