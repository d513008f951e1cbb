//! The tamper input: a switch that tells when the terminal is opened.

use crate::domain::time::WallTime;

/// What the input says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TamperReading {
    /// The terminal is closed.
    Quiet,
    /// The terminal is open.
    Active,
    /// Nobody knows; the sentence says why, and what to do.
    Unreadable(String),
}

/// That the terminal was opened. It stands until a new master key is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tampered {
    /// When it was seen first.
    pub at: WallTime,
    /// What was seen.
    pub evidence: String,
}
