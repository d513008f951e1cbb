//! Simulators that stand outside the daemon: acquirer, card reader with card, keypad, code scanner.
//!
//! Must not know: the machines under test. Only `domain` and `codec` are shared.

pub mod acquirer;
pub mod cli;
pub mod clock;
pub mod control;
pub mod crypto;
pub mod decode;
pub mod keypad;
pub mod reader;
pub mod replay;
pub mod scanner;
pub mod wait;
