//! BER-TLV as EMV uses it (Book 3, Annex B): reading without copying, writing, finding by path.
//!
//! Owns: the bounds that make a hostile card harmless: depth, length of length, nothing past the end. Must not know: what
//! a tag means. Tags, their names and the length octets come from the crate `emv`. Its tree type does not: it recurses
//! without a bound, its errors have no place, it copies every value into memory that is not wiped and prints them all.

use std::fmt;

use emv::core::tlv::{encode_length, parse_length};
use thiserror::Error;
use zeroize::Zeroizing;

pub use emv::Tag;
pub use emv::core::tags;

/// How deep objects may be nested. A select answer needs 4, an issuer script 2.
pub const MAX_DEPTH: usize = 8;

/// The longest length of a length: `82 xx xx`. Nothing a card or host sends is longer than 64 KiB.
const MAX_LENGTH_OCTETS: usize = 3;

/// Where and why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: {kind}")]
pub struct TlvError {
    /// Bytes into what was given to the reader.
    pub offset: usize,
    /// What was wrong.
    pub kind: TlvErrorKind,
}

/// What was wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlvErrorKind {
    /// The bytes end inside a tag.
    #[error("tag cut short")]
    TagCut,
    /// More than four bytes of tag.
    #[error("tag is longer than four bytes")]
    TagTooLong,
    /// The bytes end inside a length.
    #[error("length cut short")]
    LengthCut,
    /// `80`, which EMV does not allow.
    #[error("indefinite length")]
    IndefiniteLength,
    /// A length of more than two octets.
    #[error("length has more than two octets")]
    LengthTooLong,
    /// The value goes past the end of what it is in.
    #[error("value of {needed} bytes announced, {left} left")]
    ValueCut {
        /// As announced.
        needed: usize,
        /// As there.
        left: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    TooDeep,
}

/// One data object, borrowed. Its `Debug` shows tag and length, not the value: it may be a card number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Its value, undecoded.
    pub value: &'a [u8],
    /// Where the value starts, in what was given to the reader.
    offset: usize,
    depth: usize,
}

impl<'a> Object<'a> {
    /// Whether the tag says that the value is made of objects.
    pub fn is_constructed(&self) -> bool {
        self.tag.is_constructed()
    }

    /// The objects inside a constructed one; none inside a primitive one.
    pub fn children(&self) -> Objects<'a> {
        let bytes = if self.is_constructed() { self.value } else { &[] };
        Objects { bytes, offset: self.offset, depth: self.depth + 1 }
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.tag, self.value.len())
    }
}

/// Objects standing side by side. Ends after the first error.
#[derive(Clone)]
pub struct Objects<'a> {
    bytes: &'a [u8],
    offset: usize,
    depth: usize,
}

/// Reads the objects in `bytes`. Zero bytes between objects are skipped, as Annex B1 allows.
pub fn objects(bytes: &[u8]) -> Objects<'_> {
    Objects { bytes, offset: 0, depth: 1 }
}

impl<'a> Objects<'a> {
    fn read(&mut self) -> Result<Object<'a>, TlvError> {
        let start = self.offset;
        let fail = |offset, kind| TlvError { offset, kind };
        if self.depth > MAX_DEPTH {
            return Err(fail(start, TlvErrorKind::TooDeep));
        }
        let (tag, tag_length) = Tag::parse(self.bytes).map_err(|e| fail(start, tag_error(&e)))?;
        let rest = self.bytes.get(tag_length..).unwrap_or_default();
        let at = start + tag_length;
        let (length, octets) = parse_length(rest).map_err(|e| fail(at, length_error(&e)))?;
        if octets > MAX_LENGTH_OCTETS {
            return Err(fail(at, TlvErrorKind::LengthTooLong));
        }
        let rest = rest.get(octets..).unwrap_or_default();
        let at = at + octets;
        let cut = TlvErrorKind::ValueCut { needed: length, left: rest.len() };
        let (value, rest) = rest.split_at_checked(length).ok_or(fail(at, cut))?;
        self.bytes = rest;
        self.offset = at + length;
        Ok(Object { tag, value, offset: at, depth: self.depth })
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = Result<Object<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((0, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            self.offset += 1;
        }
        if self.bytes.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.bytes = &[];
        }
        Some(read)
    }
}

fn tag_error(error: &emv::Error) -> TlvErrorKind {
    match error {
        emv::Error::UnexpectedEof => TlvErrorKind::TagCut,
        // The only other one that reading a tag gives.
        _ => TlvErrorKind::TagTooLong,
    }
}

fn length_error(error: &emv::Error) -> TlvErrorKind {
    match error {
        emv::Error::UnexpectedEof => TlvErrorKind::LengthCut,
        emv::Error::IndefiniteLength => TlvErrorKind::IndefiniteLength,
        // The only other one that reading a length gives.
        _ => TlvErrorKind::LengthTooLong,
    }
}

/// Reads everything to the bottom, so that later look-ups cannot meet an error. Returns how many objects there are.
pub fn check(bytes: &[u8]) -> Result<usize, TlvError> {
    count(objects(bytes))
}

fn count(objects: Objects<'_>) -> Result<usize, TlvError> {
    let mut found = 0;
    for object in objects {
        found += 1 + count(object?.children())?;
    }
    Ok(found)
}

/// The value at the end of a path of tags, each inside the one before; the first where a tag occurs twice.
pub fn find<'a>(bytes: &'a [u8], path: &[Tag]) -> Result<Option<&'a [u8]>, TlvError> {
    let Some((first, rest)) = path.split_first() else { return Ok(None) };
    let mut level = objects(bytes);
    let mut wanted = *first;
    let mut rest = rest.iter();
    while let Some(object) = level.next().transpose()? {
        if object.tag != wanted {
            continue;
        }
        let Some(next) = rest.next() else { return Ok(Some(object.value)) };
        wanted = *next;
        level = object.children();
    }
    Ok(None)
}

/// The value of a tag at whatever depth, the first in reading order.
pub fn find_anywhere(bytes: &[u8], tag: Tag) -> Result<Option<&[u8]>, TlvError> {
    search(objects(bytes), tag)
}

fn search<'a>(objects: Objects<'a>, tag: Tag) -> Result<Option<&'a [u8]>, TlvError> {
    for object in objects {
        let object = object?;
        if object.tag == tag {
            return Ok(Some(object.value));
        }
        if let Some(found) = search(object.children(), tag)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Puts objects one behind the other. Wiped when dropped.
#[derive(Default)]
pub struct Writer {
    out: Zeroizing<Vec<u8>>,
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one object. A value beyond 64 KiB would be written, but no reader here takes it.
    pub fn put(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        self.extend(&tag.to_bytes());
        self.extend(&encode_length(value.len()));
        self.extend(value);
        self
    }

    /// Appends one object made of those that `fill` writes.
    pub fn nest(&mut self, tag: Tag, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new();
        fill(&mut inner);
        self.put(tag, inner.as_bytes())
    }

    /// What has been written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// What has been written, to keep.
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.out
    }

    /// Appends; a growing buffer must not leave an unwiped copy behind.
    fn extend(&mut self, bytes: &[u8]) {
        let needed = self.out.len() + bytes.len();
        if needed > self.out.capacity() {
            let mut wider = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.out.capacity()).max(256)));
            wider.extend_from_slice(&self.out);
            self.out = wider;
        }
        self.out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A UnionPay card's answer to SELECT PPSE.
    const PPSE: &[u8] = b"\x6F\x30\x84\x0E2PAY.SYS.DDF01\xA5\x1E\xBF\x0C\x1B\x61\x19\
        \x4F\x08\xA0\x00\x00\x03\x33\x01\x01\x01\x50\x0APBOC DEBIT\x87\x01\x01";

    fn error(bytes: &[u8]) -> TlvError {
        check(bytes).unwrap_err()
    }

    #[test]
    fn a_path_leads_to_the_application_in_a_directory() {
        let directory = [tags::FCI_TEMPLATE, Tag(0xA5), Tag(0xBF0C), tags::APPLICATION_TEMPLATE];
        let aid = find(PPSE, &[&directory[..], &[tags::APPLICATION_DEDICATED_FILE_NAME]].concat());
        assert_eq!(aid, Ok(Some(&b"\xA0\x00\x00\x03\x33\x01\x01\x01"[..])));
        assert_eq!(find_anywhere(PPSE, tags::APPLICATION_LABEL), Ok(Some(&b"PBOC DEBIT"[..])));
        assert_eq!(find(PPSE, &[tags::APPLICATION_LABEL]), Ok(None));
        assert_eq!(find(PPSE, &[]), Ok(None));
        assert_eq!(check(PPSE), Ok(8));
    }

    #[test]
    fn an_error_names_its_byte() {
        assert_eq!(error(&[0x9F]), TlvError { offset: 0, kind: TlvErrorKind::TagCut });
        assert_eq!(error(&[0x9F, 0x80, 0x80, 0x80, 1]), TlvError { offset: 0, kind: TlvErrorKind::TagTooLong });
        assert_eq!(error(&[0x5A]), TlvError { offset: 1, kind: TlvErrorKind::LengthCut });
        assert_eq!(error(&[0x5A, 0x80]), TlvError { offset: 1, kind: TlvErrorKind::IndefiniteLength });
        assert_eq!(error(&[0x5A, 0x83, 0, 0, 0]), TlvError { offset: 1, kind: TlvErrorKind::LengthTooLong });
        assert_eq!(error(&[0x5A, 0x85, 0, 0, 0, 0, 0]), TlvError { offset: 1, kind: TlvErrorKind::LengthTooLong });
    }

    #[test]
    fn a_value_never_goes_past_its_template() {
        // The inner object claims a byte that belongs to its template's neighbour.
        let bytes = [0x00, 0x70, 0x03, 0x5A, 0x02, 0x11, 0x57, 0x00];
        assert_eq!(error(&bytes), TlvError { offset: 5, kind: TlvErrorKind::ValueCut { needed: 2, left: 1 } });
    }

    #[test]
    fn nesting_stops_at_the_bound() {
        let nested = |depth: usize| {
            (0..depth).fold(Vec::new(), |inner, _| {
                let mut writer = Writer::new();
                writer.put(Tag(0x70), &inner);
                writer.finish().to_vec()
            })
        };
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(MAX_DEPTH));
        assert_eq!(error(&nested(MAX_DEPTH + 1)).kind, TlvErrorKind::TooDeep);
        assert_eq!(error(&nested(1000)).kind, TlvErrorKind::TooDeep);
    }

    #[test]
    fn reading_ends_after_the_first_error() {
        let mut objects = objects(&[0x5A, 0x05, 0x11, 0x5A, 0x00]);
        assert!(objects.next().is_some_and(|o| o.is_err()));
        assert!(objects.next().is_none());
    }

    #[test]
    fn lengths_take_as_many_octets_as_they_need() {
        for (length, octets) in [(0, 1), (0x7F, 1), (0x80, 2), (0xFF, 2), (0x100, 3), (0xFFFF, 3)] {
            let mut writer = Writer::new();
            writer.put(Tag(0x5A), &vec![7; length]);
            assert_eq!(writer.as_bytes().len(), 1 + octets + length);
            assert_eq!(find(writer.as_bytes(), &[Tag(0x5A)]).unwrap().map(<[u8]>::len), Some(length));
        }
    }

    #[test]
    fn an_object_prints_no_value() {
        let object = objects(&[0x5A, 0x02, 0x62, 0x00]).next().unwrap().unwrap();
        assert_eq!(format!("{object:?}"), "5A[2]");
    }
}
