//! Causes, evidence and remedies as data, pure.
//!
//! Owns: [`catalogue`], the one place where a cause has its words; [`events`], what else stands in the journal;
//! [`hints`], what people could do better; [`attached`], what a device on this machine is to the daemon; [`upkeep`], what wears and what is due;
//! [`message_catalogue`], both as the file that `journalctl -x` reads; [`next_step`], what to do now; [`short_code`],
//! [`redact`] and [`chronicle`], what a fault report says and hides; [`known_issues`], faults of parts and programs that others
//! have found.

pub mod attached;
pub mod catalogue;
pub mod chronicle;
pub mod drill;
pub mod events;
pub mod hints;
pub mod known_issues;
pub mod message_catalogue;
pub mod next_step;
pub mod redact;
pub mod short_code;
mod symbols;
pub mod text;
pub mod tree;
#[cfg(test)]
mod tree_tests;
pub mod upkeep;
#[cfg(test)]
mod upkeep_tests;
pub mod upkeep_words;
pub mod who;

pub use symbols::CodeError;
