//! Causes, evidence and remedies as data, pure.
//!
//! Owns: [`catalogue`], the one place where a cause has its words.

pub mod catalogue;
pub mod text;
