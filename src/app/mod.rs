//! Wiring: configuration, core loop, supervision, journal.

pub mod journal;
pub mod password;
