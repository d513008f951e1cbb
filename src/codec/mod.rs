//! Bytes to values and back: ISO 8583, TLV, APDU, host framing. Must not know: keys, time, any I/O.

pub mod apdu;
pub mod dol;
pub mod frame;
pub mod iso8583;
pub mod tlv;
