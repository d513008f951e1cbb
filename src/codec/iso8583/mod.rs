//! ISO 8583 as UnionPay-style POS terminals speak it: MTI, 64-bit bitmap, fields of BCD, ASCII or raw bytes.
//!
//! Owns: the field table (data, in [`spec`]), the message value, its encoding and decoding. Must not know: what a field
//! means to a payment, keys, time, the wire. Follows Q/CUP 009.1 as far as public terminals agree on it.
//!
//! Decoding is strict on purpose: whatever is accepted encodes to the very same bytes again, so a MAC may be computed
//! from a decoded message, and nothing in a message is skipped unseen.

mod bcd;
mod bitmap;
mod decode;
mod encode;
mod error;
mod message;
mod mti;
pub mod spec;

pub use bitmap::Bitmap;
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use message::{Message, Value};
pub use mti::Mti;
pub use spec::{Align, FieldSpec, Format, Length, Spec};
