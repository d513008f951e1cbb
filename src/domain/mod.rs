//! The words of the trade: money, cards, identifiers, outcomes, causes.
//!
//! Owns: plain values that every other room speaks in. Must not know: any I/O, codec, clock, bus or database.

pub mod amount;
pub mod attached;
pub mod card;
pub mod cause;
pub mod device;
pub mod diagnosis;
pub mod fault;
pub mod habit;
pub mod heal;
pub mod host;
pub mod ids;
pub mod inventory;
pub mod link;
pub mod offline;
pub mod outcome;
pub mod pan;
pub mod prompt;
pub mod readings;
pub mod response;
pub mod scan;
pub mod secret;
pub mod self_test;
pub mod support;
pub mod tamper;
pub mod time;
pub mod training;
pub mod upkeep;
