//! Card reader machines, sans-IO: PN532 link and the EMV contactless sequence. Must not know: the host, the keypad, any fd.

pub mod pn532;
