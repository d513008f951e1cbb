//! Wiring: configuration, core loop, supervision, journal.

pub mod ceremony;
pub mod config;
pub mod core_loop;
pub mod doctor;
pub mod faults;
pub mod journal;
pub mod machine;
pub mod password;
pub mod posctl;
pub mod record;
pub mod restore;
pub mod safe_mode;
mod self_test;
pub mod service;
pub mod starts;
mod supervisor;
mod training;
pub mod watchdog;
mod wiring;
