//! Wiring: configuration, core loop, supervision, journal.

pub mod ceremony;
pub mod config;
pub mod core_loop;
pub mod faults;
pub mod journal;
pub mod machine;
pub mod password;
pub mod posctl;
pub mod record;
pub mod restore;
pub mod service;
pub mod watchdog;
