//! Causes, evidence and remedies as data, pure.

pub mod tree;
#[cfg(test)]
mod tree_tests;
