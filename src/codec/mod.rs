//! Bytes to values and back: ISO 8583, TLV, APDU, host framing. Must not know: keys, time, any I/O.

pub mod frame;
pub mod iso8583;
