//! Wiring: configuration, core loop, supervision, journal.
pub mod config;
