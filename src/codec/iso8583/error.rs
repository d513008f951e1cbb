//! What can be wrong with a message, in either direction. Names fields and places, never values.

use thiserror::Error;

use super::bitmap::Bitmap;

/// Why a value was not accepted or a message not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The table has no such field.
    #[error("field {field} is not in the field table")]
    UnknownField {
        /// The field.
        field: u8,
    },
    /// Digits offered to a text field, text to a binary one and so on.
    #[error("field {field} takes {takes}")]
    WrongKind {
        /// The field.
        field: u8,
        /// What it takes instead.
        takes: &'static str,
    },
    /// Longer than the field.
    #[error("field {field}: {length} given, at most {max} fit")]
    TooLong {
        /// The field.
        field: u8,
        /// What was given.
        length: usize,
        /// What fits.
        max: usize,
    },
    /// Shorter than a field that cannot be filled up.
    #[error("field {field}: {length} given, exactly {needed} are needed")]
    TooShort {
        /// The field.
        field: u8,
        /// What was given.
        length: usize,
        /// What is needed.
        needed: usize,
    },
    /// A character outside the field's alphabet.
    #[error("field {field}: the character at position {position} is not allowed there")]
    BadCharacter {
        /// The field.
        field: u8,
        /// Counted from 0.
        position: usize,
    },
}

/// Where and why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}{}: {kind}", .field.map(|n| format!(", field {n}")).unwrap_or_default())]
pub struct DecodeError {
    /// Bytes into what was given to the decoder.
    pub offset: usize,
    /// The field being read, if the fields had been reached.
    pub field: Option<u8>,
    /// What was wrong.
    pub kind: DecodeErrorKind,
}

/// What was wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeErrorKind {
    /// The bytes end too early.
    #[error("{needed} bytes needed, {left} left")]
    Truncated {
        /// Bytes that should follow.
        needed: usize,
        /// Bytes that do.
        left: usize,
    },
    /// The message type is not four decimal digits.
    #[error("message type is not four decimal digits")]
    BadMti,
    /// A length byte is not two decimal digits.
    #[error("length is not decimal")]
    BadLength,
    /// The announced length is more than the field may have.
    #[error("length {length} is more than the field's {max}")]
    TooLong {
        /// As announced.
        length: usize,
        /// As allowed.
        max: usize,
    },
    /// A nibble is not a decimal digit.
    #[error("not a decimal digit")]
    BadDigit,
    /// The nibble that fills up an odd number of digits is not zero.
    #[error("filling nibble is not zero")]
    BadFilling,
    /// A character outside the field's alphabet.
    #[error("character not allowed in this field")]
    BadCharacter,
    /// The bitmap names a field the table does not have; its length is unknown, so nothing after it can be read.
    #[error("bitmap {bitmap} names a field that is not in the field table")]
    UnknownField {
        /// The whole bitmap, for the log.
        bitmap: Bitmap,
    },
    /// Bytes are left over behind the last field.
    #[error("{count} bytes left over behind the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}
