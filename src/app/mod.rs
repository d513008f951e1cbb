//! Wiring: configuration, core loop, supervision, journal.

pub mod ceremony;
pub mod config;
pub mod journal;
pub mod password;
pub mod watchdog;
