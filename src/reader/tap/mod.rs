//! The EMV contactless sequence.
mod conversation;
mod directory;
mod facts;
pub mod settings;
