//! The keypad, sans-IO: what keys mean, which presses are real, and the five kinds of entry.
//!
//! Owns: the keymap, contact supervision (bounce, ghosting, stuck keys), amount confirmation, PIN, number, password
//! and key-component entry, and [`Keypad`], the one machine that the core loop drives. Must not know: evdev, clocks,
//! reader, host, engine.
//!
//! Follows: ISO 9564 for PIN length (4 to 12 digits) and for "only the number of digits may be shown"; key codes are
//! those of Linux `input-event-codes.h`. The clear PIN exists only inside [`pin::PinEntry`]: what leaves it is a
//! [`PinBlock`](crate::domain::secret::PinBlock). Nothing that carries digits has a `Debug`.

pub mod amount;
pub mod component;
pub mod contacts;
pub mod digits;
pub mod entry;
mod event;
mod form;
pub mod key_test;
pub mod keymap;
mod machine;
pub mod number;
pub mod output;
pub mod password;
pub mod pin;

pub use contacts::ContactLimits;
pub use entry::{Entry, TimeLimits};
pub use event::{Event, Settings};
pub use keymap::{Key, Keymap, KeymapError};
pub use machine::{Keypad, Statistics};
pub use output::{Clearing, Output};

#[cfg(test)]
mod tests;
