//! Bytes to values and back: ISO 8583, TLV, APDU, host framing. Must not know: keys, time, any I/O.
