//! A message as a value: its type and its fields, all in one buffer.
//!
//! Owns: the values and their checks on the way in. Must not know: how they look on the wire (see `encode`, `decode`).
//! Digits are kept as ASCII, so that a field is read by borrowing.

use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

use super::bitmap::Bitmap;
use super::error::EncodeError;
use super::mti::Mti;
use super::spec::{Align, FieldSpec, Format, Length, Spec};

/// Room for the values of any usual message, so that building one allocates once; all of it is wiped in the end.
const USUAL_SIZE: usize = 384;

/// One field's value, borrowed. Has no `Debug`: it may be a card number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// `n` and `z`.
    Digits(&'a str),
    /// `an` and `ans`.
    Text(&'a str),
    /// `b`, and an `ans` that is not ASCII.
    Bytes(&'a [u8]),
}

#[derive(Clone, Copy, Default)]
pub(super) struct Span {
    start: u16,
    length: u16,
}

impl Span {
    fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.start) + usize::from(self.length)
    }
}

/// One ISO 8583 message. Wiped when dropped; prints only its type and bitmap.
#[derive(Clone)]
pub struct Message {
    mti: Mti,
    bitmap: Bitmap,
    spans: [Span; 64],
    values: Zeroizing<Vec<u8>>,
}

impl Message {
    /// An empty message of this type.
    pub fn new(mti: Mti) -> Self {
        Self::with_room(mti, USUAL_SIZE)
    }

    pub(super) fn with_room(mti: Mti, room: usize) -> Self {
        Self {
            mti,
            bitmap: Bitmap::default(),
            spans: [Span::default(); 64],
            values: Zeroizing::new(Vec::with_capacity(room)),
        }
    }

    /// The message type.
    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// Changes the type and keeps the fields: an answer made from its request, a reversal from its original.
    pub fn set_mti(&mut self, mti: Mti) {
        self.mti = mti;
    }

    /// Which fields are there.
    pub fn bitmap(&self) -> Bitmap {
        self.bitmap
    }

    /// Whether the field is there.
    pub fn has(&self, field: u8) -> bool {
        self.bitmap.has(field)
    }

    /// Digits of an `n` or `z` field, text of an `an` or `ans` field if it is ASCII.
    pub fn text(&self, field: u8) -> Option<&str> {
        match self.value(field)? {
            Value::Digits(text) | Value::Text(text) => Some(text),
            Value::Bytes(_) => None,
        }
    }

    /// The bytes of a `b` field, or of an `an` or `ans` field as they came.
    pub fn bytes(&self, field: u8) -> Option<&[u8]> {
        let spec = Spec::field(field)?;
        self.raw(field).filter(|_| !spec.is_digits())
    }

    /// The field in the form its format calls for.
    pub fn value(&self, field: u8) -> Option<Value<'_>> {
        let spec = Spec::field(field)?;
        let raw = self.raw(field)?;
        let text = || std::str::from_utf8(raw).ok().filter(|text| text.is_ascii());
        match spec.format {
            Format::N | Format::Z => text().map(Value::Digits),
            Format::An | Format::Ans => Some(text().map_or(Value::Bytes(raw), Value::Text)),
            Format::B => Some(Value::Bytes(raw)),
        }
    }

    /// All fields in ascending order.
    pub fn fields(&self) -> impl Iterator<Item = (u8, Value<'_>)> {
        self.bitmap.fields().filter_map(|field| Some((field, self.value(field)?)))
    }

    /// Sets an `n` or `z` field. A fixed `n` shorter than the field gets zeros in front, as the protocol has it;
    /// `=` in a track becomes `D`.
    pub fn set_digits(&mut self, field: u8, digits: &str) -> Result<(), EncodeError> {
        let spec = spec_of(field)?;
        if !spec.is_digits() {
            return Err(wrong_kind(spec));
        }
        check_length(spec, digits.len())?;
        let missing = missing(spec, digits.len());
        if missing > 0 && spec.align == Align::Left {
            return Err(EncodeError::TooShort { field, length: digits.len(), needed: spec.length.max() });
        }
        let is_track = spec.format == Format::Z;
        let allowed = |b: u8| b.is_ascii_digit() || (is_track && matches!(b, b'A'..=b'F' | b'='));
        if let Some(position) = digits.bytes().position(|b| !allowed(b)) {
            return Err(EncodeError::BadCharacter { field, position });
        }
        self.begin(field, missing + digits.len());
        self.values.extend(std::iter::repeat_n(b'0', missing));
        if is_track {
            self.values.extend(digits.bytes().map(|b| if b == b'=' { b'D' } else { b }));
        } else {
            self.values.extend_from_slice(digits.as_bytes());
        }
        self.end(field, missing + digits.len());
        Ok(())
    }

    /// Sets an `an` or `ans` field. A fixed one that is too short gets blanks behind.
    pub fn set_text(&mut self, field: u8, text: &str) -> Result<(), EncodeError> {
        let spec = spec_of(field)?;
        if !matches!(spec.format, Format::An | Format::Ans) {
            return Err(wrong_kind(spec));
        }
        // Other characters would have to be converted to the host's GBK first.
        if let Some(position) = text.bytes().position(|b| !b.is_ascii()) {
            return Err(EncodeError::BadCharacter { field, position });
        }
        self.set_raw(spec, text.as_bytes())
    }

    /// Sets a `b` field, or an `ans` field with text that is not ASCII.
    pub fn set_bytes(&mut self, field: u8, bytes: &[u8]) -> Result<(), EncodeError> {
        let spec = spec_of(field)?;
        if !matches!(spec.format, Format::B | Format::Ans) {
            return Err(wrong_kind(spec));
        }
        self.set_raw(spec, bytes)
    }

    /// Takes the field out, if it is there.
    pub fn remove(&mut self, field: u8) {
        if !self.bitmap.has(field) {
            return;
        }
        let Some(gone) = self.span(field) else { return };
        self.bitmap = self.bitmap.without(field);
        self.values.drain(gone.range());
        for span in self.spans.iter_mut().filter(|span| span.start >= gone.start + gone.length) {
            span.start -= gone.length;
        }
    }

    fn set_raw(&mut self, spec: &FieldSpec, bytes: &[u8]) -> Result<(), EncodeError> {
        check_length(spec, bytes.len())?;
        let missing = missing(spec, bytes.len());
        if missing > 0 && spec.format == Format::B {
            return Err(EncodeError::TooShort { field: spec.number, length: bytes.len(), needed: spec.length.max() });
        }
        if let Some(position) = first_not_allowed(spec.format, bytes) {
            return Err(EncodeError::BadCharacter { field: spec.number, position });
        }
        self.begin(spec.number, bytes.len() + missing);
        self.values.extend_from_slice(bytes);
        self.values.extend(std::iter::repeat_n(b' ', missing));
        self.end(spec.number, bytes.len() + missing);
        Ok(())
    }

    /// Makes room for a value that is about to be appended; a growing buffer must not leave an unwiped copy behind.
    fn begin(&mut self, field: u8, length: usize) {
        self.remove(field);
        let needed = self.values.len() + length;
        if needed > self.values.capacity() {
            let mut wider = Zeroizing::new(Vec::with_capacity(needed.max(self.values.capacity() * 2)));
            wider.extend_from_slice(&self.values);
            self.values = wider;
        }
    }

    /// Declares the last `length` bytes of the buffer to be the field.
    fn end(&mut self, field: u8, length: usize) {
        self.claim(field, self.values.len() - length);
    }

    /// Declares everything from `start` on to be the field. Fits `u16`: all fields at their longest are below 4 KiB.
    pub(super) fn claim(&mut self, field: u8, start: usize) {
        let length = self.values.len() - start;
        if let Some(span) = self.spans.get_mut(usize::from(field).wrapping_sub(1)) {
            *span = Span { start: start as u16, length: length as u16 };
            self.bitmap = self.bitmap.with(field);
        }
    }

    /// The buffer, for the decoder, which has sized it beforehand.
    pub(super) fn values_mut(&mut self) -> &mut Vec<u8> {
        &mut self.values
    }

    fn span(&self, field: u8) -> Option<Span> {
        self.spans.get(usize::from(field).wrapping_sub(1)).copied()
    }

    /// Digits as ASCII, anything else as it is on the wire.
    pub(super) fn raw(&self, field: u8) -> Option<&[u8]> {
        if !self.bitmap.has(field) {
            return None;
        }
        self.values.get(self.span(field)?.range())
    }

    pub(super) fn size(&self) -> usize {
        self.values.len()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.mti == other.mti && self.bitmap == other.bitmap && self.fields().eq(other.fields())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bitmap {})", self.mti, self.bitmap)
    }
}

/// Index of the first byte the format does not allow. Control characters never: texts end up on displays and in logs.
pub(super) fn first_not_allowed(format: Format, bytes: &[u8]) -> Option<usize> {
    match format {
        Format::An => bytes.iter().position(|b| !matches!(b, 0x20..=0x7E)),
        Format::Ans => bytes.iter().position(|b| matches!(b, 0x00..=0x1F | 0x7F)),
        Format::N | Format::Z | Format::B => None,
    }
}

fn spec_of(field: u8) -> Result<&'static FieldSpec, EncodeError> {
    Spec::field(field).ok_or(EncodeError::UnknownField { field })
}

fn wrong_kind(spec: &FieldSpec) -> EncodeError {
    let takes = match spec.format {
        Format::N | Format::Z => "digits",
        Format::An | Format::Ans => "text",
        Format::B => "bytes",
    };
    EncodeError::WrongKind { field: spec.number, takes }
}

fn check_length(spec: &FieldSpec, length: usize) -> Result<(), EncodeError> {
    let max = spec.length.max();
    if length > max { Err(EncodeError::TooLong { field: spec.number, length, max }) } else { Ok(()) }
}

fn missing(spec: &FieldSpec, length: usize) -> usize {
    match spec.length {
        Length::Fixed(n) => usize::from(n).saturating_sub(length),
        Length::LlVar(_) | Length::LllVar(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale() -> Message {
        let mut message = Message::new(Mti::FINANCIAL);
        message.set_digits(2, "6200000000000000018").unwrap();
        message.set_digits(4, "100").unwrap();
        message.set_text(41, "99000001").unwrap();
        message
    }

    #[test]
    fn fixed_fields_fill_up_as_the_protocol_has_it() {
        let mut message = sale();
        message.set_digits(23, "1").unwrap();
        message.set_text(42, "9990").unwrap();
        message.set_digits(35, "6200000000000000018=3012").unwrap();
        assert_eq!(message.text(4), Some("000000000100"));
        assert_eq!(message.text(23), Some("001"));
        assert_eq!(message.text(42), Some("9990           "));
        assert_eq!(message.text(35), Some("6200000000000000018D3012"));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_and_the_old_one_stays() {
        let mut message = sale();
        let too_long = EncodeError::TooLong { field: 2, length: 20, max: 19 };
        assert_eq!(message.set_digits(2, "62000000000000000180"), Err(too_long));
        assert_eq!(message.set_digits(2, "62 0"), Err(EncodeError::BadCharacter { field: 2, position: 2 }));
        assert_eq!(message.set_digits(2, "62D0"), Err(EncodeError::BadCharacter { field: 2, position: 2 }));
        assert_eq!(message.text(2), Some("6200000000000000018"));
        assert_eq!(message.set_digits(22, "51"), Err(EncodeError::TooShort { field: 22, length: 2, needed: 3 }));
        assert_eq!(message.set_bytes(52, &[0; 7]), Err(EncodeError::TooShort { field: 52, length: 7, needed: 8 }));
        assert_eq!(message.set_text(63, "中"), Err(EncodeError::BadCharacter { field: 63, position: 0 }));
        assert_eq!(message.set_text(41, "a\nb"), Err(EncodeError::BadCharacter { field: 41, position: 1 }));
    }

    #[test]
    fn a_field_takes_only_its_own_kind() {
        let mut message = sale();
        assert_eq!(message.set_text(4, "1"), Err(EncodeError::WrongKind { field: 4, takes: "digits" }));
        assert_eq!(message.set_digits(41, "1"), Err(EncodeError::WrongKind { field: 41, takes: "text" }));
        assert_eq!(message.set_digits(55, "1"), Err(EncodeError::WrongKind { field: 55, takes: "bytes" }));
        for field in [0, 1, 5, 65, 255] {
            assert_eq!(message.set_digits(field, "1"), Err(EncodeError::UnknownField { field }));
            assert!(message.value(field).is_none());
        }
    }

    #[test]
    fn replacing_and_removing_leave_the_other_fields_alone() {
        let mut message = sale();
        message.set_digits(2, "62000000").unwrap();
        assert_eq!((message.text(2), message.text(4)), (Some("62000000"), Some("000000000100")));
        message.remove(4);
        message.remove(4);
        assert_eq!((message.text(2), message.text(4), message.text(41)), (Some("62000000"), None, Some("99000001")));
        assert_eq!(message.fields().map(|(field, _)| field).collect::<Vec<_>>(), [2, 41]);
    }

    #[test]
    fn the_order_of_setting_does_not_matter() {
        let mut other = Message::new(Mti::FINANCIAL);
        other.set_text(41, "99000001").unwrap();
        other.set_digits(4, "000000000100").unwrap();
        other.set_digits(2, "6200000000000000018").unwrap();
        assert!(other == sale());
        other.set_mti(Mti::REVERSAL);
        assert!(other != sale());
    }

    #[test]
    fn all_fields_at_their_longest_fit_one_message() {
        let mut message = Message::new(Mti::FINANCIAL);
        for spec in Spec::rows() {
            let length = spec.length.max();
            match spec.format {
                Format::N | Format::Z => message.set_digits(spec.number, &"9".repeat(length)).unwrap(),
                Format::An | Format::Ans => message.set_text(spec.number, &"x".repeat(length)).unwrap(),
                Format::B => message.set_bytes(spec.number, &vec![0xFF; length]).unwrap(),
            }
        }
        assert_eq!(message.fields().count(), Spec::rows().len());
        assert!(message.size() < 4096);
    }

    #[test]
    fn a_message_prints_its_type_and_bitmap_only() {
        assert_eq!(format!("{:?}", sale()), "Message(0200 bitmap 5000000000800000)");
    }
}
