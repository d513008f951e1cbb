//! What is remembered of faults and of the changes that led to them: plain values for bus and report.

use crate::domain::cause::Cause;
use crate::domain::time::WallTime;

/// One fault that needed a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultNote {
    /// When it began.
    pub at: WallTime,
    /// What was wrong.
    pub cause: Cause,
    /// The short code of that moment.
    pub code: String,
    /// How often it has come back since without a long time between.
    pub times: u32,
    /// Whether it stands now.
    pub active: bool,
}

/// One change of a part's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: WallTime,
    /// Which part: terminal, reader, keypad.
    pub part: &'static str,
    /// Its state before.
    pub old: &'static str,
    /// Its state after.
    pub new: &'static str,
    /// Why.
    pub cause: Option<Cause>,
}
