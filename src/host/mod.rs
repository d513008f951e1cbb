//! The acquirer's side, sans-IO: profile, message building, session, keys, MAC, PIN block. Must not know: reader, keypad, any fd.

pub mod ceremony;
pub mod des;
pub mod key_block;
pub mod keys;
pub mod mac;
pub mod message;
pub mod pin_block;
pub mod profile;
pub mod session;
pub mod settings;
pub mod track;
