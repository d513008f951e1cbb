//! The acquirer's framing: a two-byte length, TPDU and header in front of every message.
//!
//! Owns: cutting a byte stream into frames, the twelve header digits. Must not know: what is inside, sockets, time.

use crate::domain::cause::Cause;
use thiserror::Error;
use zeroize::Zeroizing;

/// Addresses and terminal state in front of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `60`, destination (2), source (2).
    pub tpdu: [u8; 5],
    /// Twelve digits: application type 2, software major 2, terminal state 1, processing request 1, software minor 6.
    pub header: [u8; 6],
}

impl Header {
    /// The header of an answer: destination and source change places.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let [id, d1, d2, s1, s2] = self.tpdu;
        Self { tpdu: [id, s1, s2, d1, d2], header: self.header }
    }

    /// The digit by which the host asks for something (3 is "sign in again"); 0 in requests.
    pub fn processing_request(&self) -> u8 {
        let [_, _, digits, ..] = self.header;
        digits & 0x0F
    }

    /// The same header with another processing request, for the host's side.
    #[must_use]
    pub fn with_processing_request(&self, digit: u8) -> Self {
        let [kind, major, digits, m1, m2, m3] = self.header;
        Self { tpdu: self.tpdu, header: [kind, major, (digits & 0xF0) | (digit & 0x0F), m1, m2, m3] }
    }
}

/// Why a stream cannot be cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The announced length is out of bounds: this is not the acquirer's framing. Close the connection.
    #[error("frame of {declared} bytes announced, at most {max} allowed; is something else listening at this address?")]
    Oversize {
        /// As announced.
        declared: usize,
        /// As allowed.
        max: usize,
    },
    /// The given bytes are not one whole frame.
    #[error("{declared} bytes announced, {found} follow")]
    WrongLength {
        /// As announced.
        declared: usize,
        /// As found.
        found: usize,
    },
}

impl FrameError {
    /// The cause of the catalogue: whatever answers there, it is not the acquirer's host.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Oversize { .. } | Self::WrongLength { .. } => Cause::N08,
        }
    }

    /// Whether the first two bytes were `HT`, as in `HTTP/1.1`: a captive portal or proxy answers for the host.
    pub fn looks_like_http(&self) -> bool {
        match self {
            Self::Oversize { declared, .. } | Self::WrongLength { declared, .. } => *declared == 0x4854,
        }
    }
}

/// Bytes of LEN.
const LENGTH_BYTES: usize = 2;

/// Cuts a byte stream into frames. Never holds more than one frame.
pub struct Framer {
    max: usize,
    length: [u8; LENGTH_BYTES],
    length_read: usize,
    body: Zeroizing<Vec<u8>>,
    failed: Option<FrameError>,
}

impl Framer {
    /// Longer than any message of this protocol, key and parameter downloads included.
    pub const USUAL_MAX: usize = 4096;

    /// Accepts bodies of up to `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { max, length: [0; 2], length_read: 0, body: Zeroizing::new(Vec::new()), failed: None }
    }

    /// Takes bytes from the front of `input` until one frame is whole, and yields it without its LEN.
    ///
    /// Call it until it yields `None`: then all of `input` has been taken. After an error the stream has no known frame
    /// boundary any more, so the same error comes back until [`Framer::reset`].
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while self.length_read < LENGTH_BYTES {
            let Some((first, rest)) = input.split_first() else { return Ok(None) };
            if let Some(place) = self.length.get_mut(self.length_read) {
                *place = *first;
            }
            self.length_read += 1;
            *input = rest;
            if self.length_read == LENGTH_BYTES {
                self.start_body()?;
            }
        }
        let missing = self.declared().saturating_sub(self.body.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.body.extend_from_slice(taken);
        *input = rest;
        if taken.len() < missing {
            return Ok(None);
        }
        self.length_read = 0;
        Ok(Some(std::mem::replace(&mut self.body, Zeroizing::new(Vec::new()))))
    }

    /// Whether a frame has begun and is not whole yet: a connection lost now has lost part of an answer.
    pub fn is_mid_frame(&self) -> bool {
        self.length_read > 0
    }

    /// Forgets everything, for a new connection.
    pub fn reset(&mut self) {
        *self = Self::new(self.max);
    }

    fn declared(&self) -> usize {
        usize::from(u16::from_be_bytes(self.length))
    }

    fn start_body(&mut self) -> Result<(), FrameError> {
        let declared = self.declared();
        if declared > self.max {
            let error = FrameError::Oversize { declared, max: self.max };
            self.failed = Some(error);
            return Err(error);
        }
        // Whole at once: a growing buffer would leave copies of card data behind.
        self.body = Zeroizing::new(Vec::with_capacity(declared));
        Ok(())
    }
}

/// Puts LEN in front of a body of up to 65 535 bytes.
pub fn encode_frame(body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = u16::try_from(body.len())
        .map_err(|_| FrameError::Oversize { declared: body.len(), max: usize::from(u16::MAX) })?;
    let mut out = Vec::with_capacity(LENGTH_BYTES + body.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
    Ok(out)
}

/// Takes LEN off exactly one whole frame, for captured messages.
pub fn strip_length(frame: &[u8]) -> Result<&[u8], FrameError> {
    let Some((length, body)) = frame.split_first_chunk() else {
        return Err(FrameError::WrongLength { declared: 0, found: 0 });
    };
    let declared = usize::from(u16::from_be_bytes(*length));
    if declared != body.len() {
        return Err(FrameError::WrongLength { declared, found: body.len() });
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { tpdu: [0x60, 0, 3, 0, 1], header: [0x60, 0x31, 0x03, 0x31, 0, 0] };

    #[test]
    fn an_answer_goes_back_to_where_the_request_came_from() {
        assert_eq!(HEADER.swapped().tpdu, [0x60, 0, 1, 0, 3]);
        assert_eq!(HEADER.swapped().swapped(), HEADER);
    }

    #[test]
    fn the_host_asks_through_one_digit_of_the_header() {
        assert_eq!(HEADER.processing_request(), 3);
        assert_eq!(HEADER.with_processing_request(0).header, [0x60, 0x31, 0x00, 0x31, 0, 0]);
        assert_eq!(HEADER.with_processing_request(6).processing_request(), 6);
    }

    #[test]
    fn bytes_of_the_next_frame_are_left_for_the_next_call() {
        let mut framer = Framer::new(8);
        let mut input: &[u8] = &[0, 2, 1, 2, 0, 1, 3, 0];
        assert_eq!(framer.push(&mut input).unwrap().unwrap().as_slice(), [1, 2]);
        assert_eq!(framer.push(&mut input).unwrap().unwrap().as_slice(), [3]);
        assert!(framer.push(&mut input).unwrap().is_none());
        assert!(framer.is_mid_frame() && input.is_empty());
    }

    #[test]
    fn an_empty_frame_is_a_frame() {
        let mut input: &[u8] = &[0, 0];
        assert_eq!(Framer::new(8).push(&mut input).unwrap().map(|frame| frame.len()), Some(0));
    }

    #[test]
    fn a_length_out_of_bounds_stops_the_stream_for_good() {
        let mut framer = Framer::new(8);
        let error = FrameError::Oversize { declared: 9, max: 8 };
        assert_eq!(framer.push(&mut &[0, 9][..]), Err(error));
        assert_eq!(framer.push(&mut &[0, 1, 7][..]), Err(error));
        framer.reset();
        assert_eq!(framer.push(&mut &[0, 1, 7][..]).unwrap().unwrap().as_slice(), [7]);
    }

    #[test]
    fn a_web_page_is_recognised_by_its_first_two_bytes() {
        let error = Framer::new(Framer::USUAL_MAX).push(&mut &b"HTTP/1.1 302 Found"[..]).unwrap_err();
        assert!(error.looks_like_http());
        assert!(!FrameError::Oversize { declared: 0xFFFF, max: 8 }.looks_like_http());
    }

    #[test]
    fn a_captured_frame_must_be_whole() {
        assert_eq!(strip_length(&encode_frame(&[1, 2, 3]).unwrap()), Ok(&[1, 2, 3][..]));
        assert_eq!(strip_length(&[0, 3, 1]), Err(FrameError::WrongLength { declared: 3, found: 1 }));
        assert_eq!(strip_length(&[0]), Err(FrameError::WrongLength { declared: 0, found: 0 }));
        assert!(encode_frame(&vec![0; 0x1_0000]).is_err());
    }
}
