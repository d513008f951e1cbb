//! Causes, evidence and remedies as data, pure.
//!
//! Owns: [`catalogue`], the one place where a cause has its words; what a fault report says and hides.

pub mod catalogue;
pub mod chronicle;
pub mod redact;
pub mod short_code;
mod symbols;
pub mod text;
pub mod who;

pub use symbols::CodeError;
