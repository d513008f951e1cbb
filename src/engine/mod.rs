//! The transaction engine, pure: events in, records and actions out.
//!
//! Owns: the terminal's state, sign-in policy, the life of each payment, reversals, operators, and the answer to
//! "what can be paid now". Must not know: codec, clock, tokio, zbus, rusqlite. Follows the rule *commit before act*:
//! every decision comes out as [`record::Record`]s and [`action::Action`]s; the core loop commits the records first.

pub mod action;
pub mod answer;
mod authorise;
pub mod book;
mod capability;
pub mod clock;
pub mod command;
mod devices;
pub mod event;
mod finish;
pub mod forward;
pub mod habits;
pub mod heal;
pub mod host_history;
pub mod jitter;
mod keys;
pub mod line;
mod link;
pub mod machine;
mod objects;
pub mod offline;
pub mod operator;
mod operator_set;
pub mod record;
mod resolve;
pub mod reversal;
pub mod sale;
mod scan;
pub mod script;
pub mod settings;
pub mod sign_in;
pub mod signal;
pub mod snapshot;
mod tamper;
mod tell;

#[cfg(test)]
mod tests;
