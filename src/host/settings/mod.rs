//! Settings files: TOML read with the place of every value, so that whatever is wrong can be named by file and line.
//!
//! Owns: parsing, laying one file over another, typed access, and the complaints. Must not know: any file system, what a
//! setting means. Every file is read to its end: all complaints come at once, not one per attempt.

mod section;
mod tree;

pub use section::{At, Complaints, Section, near};
pub use tree::{Complaint, Place, Table, parse};
