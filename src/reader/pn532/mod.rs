//! The PN532 contactless chip on a serial line (HSU): frames, commands, one exchange, the link that keeps it alive.
//!
//! Owns: everything between bytes of the line and typed answers of the chip. Must not know: EMV, file descriptors,
//! the clock. Follows: PN532 user manual UM0701-02 as quoted by its public drivers, and recorded exchanges of two
//! independent ones (libnfc, nfcpy), which the tests replay.

pub mod command;
pub mod exchange;
#[cfg(test)]
pub(crate) mod fake;
pub mod frame;
pub mod ladder;
pub mod link;
pub mod statistics;
