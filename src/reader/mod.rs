//! Card reader machines, sans-IO: PN532 link and the EMV contactless sequence.
//!
//! Owns: everything between the bytes of the reader's serial line and a [`crate::domain::card::CardRead`]. Must not know:
//! the host, the keypad, any file descriptor, the clock.
//!
//! From the bottom up: `pn532::frame` (bytes to frames), `pn532::command` (frames to values), `pn532::exchange` (one command
//! and its answer), `pn532::link` (a chip that stays up), `tap` (what is said to a card), and [`Reader`], the one machine that the
//! core loop drives.

mod machine;
pub mod pn532;
pub mod tap;

pub use machine::{Event, Output, Reader, ReaderSettings};
