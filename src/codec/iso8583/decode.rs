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
        let mut message = Self::with_room(mti, 2 * frame.len());
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
        if spec.format == Format::N
            && let Some(position) = bcd::first_not_decimal(packed)
        {
            return Err(self.error(start + position, Kind::BadDigit));
        }
        let begin = out.len();
        bcd::unpack(packed, out);
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
