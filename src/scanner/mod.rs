//! The code scanner, sans-IO: its line as codes and replies, GM65 commands, and [`Scanner`], the one machine that the
//! core loop drives.
//!
//! Owns: where a code begins and ends, which device answers, whether it still lives, what a code is. Must not know: serial
//! ports, clocks, reader, keypad, engine. Nothing here that holds a code has a `Debug`: with one money can be taken, or an
//! operator signed in.

pub mod gm65;
mod machine;
pub mod stream;

pub use machine::{Event, Kind, Output, Scanner, Settings, Statistics, Trigger};
