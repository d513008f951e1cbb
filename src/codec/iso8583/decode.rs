//! A message off the wire.
//!
//! Owns: reading, and saying where and why it stopped. Accepts only what encodes to the same bytes again.

use crate::codec::frame::Header;

use super::bcd;
use super::bitmap::Bitmap;
use super::error::{DecodeError, DecodeErrorKind as Kind};
use super::message::{Message, first_not_allowed};
use super::mti::Mti;
use super::spec::{Align, FieldSpec, Format, Length, Spec};

impl Message {
    /// Reads `TPDU | HEADER | MTI | BITMAP | fields`: one frame without its LEN, as the framer yields it.
    pub fn decode(frame: &[u8]) -> Result<(Header, Self), DecodeError> {
        let mut cursor = Cursor { bytes: frame, at: 0, field: None };
        let header = Header { tpdu: cursor.array()?, header: cursor.array()? };
        let start = cursor.at;
        let mti = Mti::new(u16::from_be_bytes(cursor.array()?)).ok_or_else(|| cursor.error(start, Kind::BadMti))?;
        let bitmap = Bitmap(u64::from_be_bytes(cursor.array()?));
        // Digits take twice their packed size: no value can make the buffer move.
        let mut message = Self::with_room(mti, 2 * (frame.len() - cursor.at));
        for field in bitmap.fields() {
            cursor.field = Some(field);
            let spec = Spec::field(field).ok_or_else(|| cursor.error(cursor.at, Kind::UnknownField { bitmap }))?;
            let start = message.size();
            cursor.read(spec, message.values_mut())?;
            message.claim(field, start);
        }
        cursor.field = None;
        match frame.len() - cursor.at {
            0 => Ok((header, message)),
            count => Err(cursor.error(cursor.at, Kind::TrailingBytes { count })),
        }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    field: Option<u8>,
}

impl<'a> Cursor<'a> {
    fn error(&self, offset: usize, kind: Kind) -> DecodeError {
        DecodeError { offset, field: self.field, kind }
    }

    fn take(&mut self, needed: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = rest.get(..needed) else {
            return Err(self.error(self.at, Kind::Truncated { needed, left: rest.len() }));
        };
        self.at += needed;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let at = self.at;
        let left = self.bytes.len() - at;
        self.take(N)?.try_into().map_err(|_| self.error(at, Kind::Truncated { needed: N, left }))
    }

    fn read(&mut self, spec: &FieldSpec, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let length = self.length(spec.length)?;
        if spec.is_digits() { self.digits(spec, length, out) } else { self.characters(spec, length, out) }
    }

    /// The field's length in its own unit.
    fn length(&mut self, length: Length) -> Result<usize, DecodeError> {
        let (start, count, max) = match length {
            Length::Fixed(n) => return Ok(usize::from(n)),
            Length::LlVar(max) => (self.at, 1, usize::from(max)),
            Length::LllVar(max) => (self.at, 2, usize::from(max)),
        };
        let mut length = 0;
        for byte in self.take(count)? {
            length = length * 100 + bcd::number(*byte).ok_or_else(|| self.error(start, Kind::BadLength))?;
        }
        if length > max {
            return Err(self.error(start, Kind::TooLong { length, max }));
        }
        Ok(length)
    }

    fn characters(&mut self, spec: &FieldSpec, length: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let start = self.at;
        let taken = self.take(length)?;
        if let Some(position) = first_not_allowed(spec.format, taken) {
            return Err(self.error(start + position, Kind::BadCharacter));
        }
        out.extend_from_slice(taken);
        Ok(())
    }

    fn digits(&mut self, spec: &FieldSpec, length: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let start = self.at;
        let packed = self.take(length.div_ceil(2))?;
        let begin = out.len();
        if !bcd::unpack(packed, out) && spec.format == Format::N {
            let position = bcd::first_not_decimal(packed).unwrap_or_default();
            return Err(self.error(start + position, Kind::BadDigit));
        }
        if length % 2 == 1 {
            let (place, at) = match spec.align {
                Align::Left => (out.len() - 1, start + packed.len() - 1),
                Align::Right => (begin, start),
            };
            if out.remove(place) != b'0' {
                return Err(self.error(at, Kind::BadFilling));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TPDU and HEADER, then what is given in hexadecimal.
    fn frame(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| *b != b' ').collect();
        let body = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        [0x60, 0, 3, 0, 0, 0x60, 0x31, 0, 0x31, 0, 0].into_iter().chain(body).collect()
    }

    fn error(hex: &str) -> DecodeError {
        Message::decode(&frame(hex)).unwrap_err()
    }

    fn at(offset: usize, field: impl Into<Option<u8>>, kind: Kind) -> DecodeError {
        DecodeError { offset, field: field.into(), kind }
    }

    #[test]
    fn it_says_where_a_short_message_ends() {
        assert_eq!(Message::decode(&[0x60, 0, 3]).unwrap_err(), at(0, None, Kind::Truncated { needed: 5, left: 3 }));
        assert_eq!(error(""), at(11, None, Kind::Truncated { needed: 2, left: 0 }));
        assert_eq!(error("0800 0020"), at(13, None, Kind::Truncated { needed: 8, left: 2 }));
        assert_eq!(error("0800 0020000000000000 0001"), at(21, 11, Kind::Truncated { needed: 3, left: 2 }));
        assert_eq!(error("0200 4000000000000000 19 6200"), at(22, 2, Kind::Truncated { needed: 10, left: 2 }));
    }

    #[test]
    fn it_says_which_byte_is_wrong() {
        assert_eq!(error("0A00 0000000000000000"), at(11, None, Kind::BadMti));
        assert_eq!(error("0200 4000000000000000 1A"), at(21, 2, Kind::BadLength));
        assert_eq!(error("0200 4000000000000000 20"), at(21, 2, Kind::TooLong { length: 20, max: 19 }));
        assert_eq!(error("0200 0000000000000010 9999"), at(21, 60, Kind::TooLong { length: 9999, max: 17 }));
        assert_eq!(error("0800 0020000000000000 00000F"), at(23, 11, Kind::BadDigit));
        assert_eq!(error("0200 0000000002000000 3007"), at(22, 39, Kind::BadCharacter));
    }

    #[test]
    fn it_refuses_filling_that_would_be_lost() {
        assert_eq!(error("0200 4000000000000000 03 1234"), at(23, 2, Kind::BadFilling));
        assert_eq!(error("0200 0000040000000000 0511"), at(22, 22, Kind::BadFilling));
        assert_eq!(error("0200 0000020000000000 1001"), at(21, 23, Kind::BadFilling));
    }

    #[test]
    fn it_refuses_a_field_it_cannot_measure_and_shows_the_bitmap() {
        let unknown = error("0800 0020000080000000 000001 31");
        assert_eq!(unknown, at(24, 33, Kind::UnknownField { bitmap: Bitmap(0x0020_0000_8000_0000) }));
        assert!(unknown.to_string().contains("0020000080000000"), "{unknown}");
    }

    #[test]
    fn it_refuses_a_second_bitmap() {
        assert!(matches!(error("0800 8000000000000000").kind, Kind::UnknownField { .. }));
    }

    #[test]
    fn it_refuses_what_is_left_over() {
        assert_eq!(error("0800 0020000000000000 000001 00"), at(24, None, Kind::TrailingBytes { count: 1 }));
    }

    #[test]
    fn every_beginning_of_a_message_is_refused() {
        let whole = frame("0200 4020000000000011 03 1230 000001 0003 2200 0102030405060708");
        Message::decode(&whole).unwrap();
        for length in 0..whole.len() {
            assert!(matches!(Message::decode(&whole[..length]).unwrap_err().kind, Kind::Truncated { .. }));
        }
    }

    #[test]
    fn chinese_text_passes_through_and_is_not_taken_for_ascii() {
        let (header, message) = Message::decode(&frame("0210 0000000000000002 0004 D6D0B9FA")).unwrap();
        assert_eq!((message.text(63), message.bytes(63)), (None, Some(&[0xD6, 0xD0, 0xB9, 0xFA][..])));
        assert_eq!(message.encode(&header)[2..], frame("0210 0000000000000002 0004 D6D0B9FA"));
    }
}
