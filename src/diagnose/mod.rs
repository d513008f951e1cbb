//! Causes, evidence and remedies as data, pure.

pub mod chronicle;
pub mod redact;
pub mod short_code;
mod symbols;
pub mod who;

pub use symbols::CodeError;
