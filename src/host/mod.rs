//! The acquirer's side, sans-IO: profile, message building, session, keys, MAC, PIN block. Must not know: reader, keypad, any fd.

pub mod des;
pub mod key_block;
pub mod mac;
pub mod pin_block;
pub mod track;
