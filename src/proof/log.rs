//! What happened, line by line: the same bytes for the same seed. Nothing in it depends on a real clock, on memory, or on
//! the random numbers of sealing.

use std::fmt::Write as _;

/// The log of one run, or nothing where nobody reads it.
#[derive(Default)]
pub struct Log(Option<String>);

impl Log {
    /// Keeps what is written.
    pub fn kept() -> Self {
        Self(Some(String::new()))
    }

    /// One line: the step, seconds since the beginning, what happened.
    pub fn line(&mut self, step: u32, micros: u64, what: std::fmt::Arguments<'_>) {
        if let Some(text) = &mut self.0 {
            // Writing to memory does not fail.
            let _ = writeln!(text, "{step:>4} {:>8}.{:06} {what}", micros / 1_000_000, micros % 1_000_000);
        }
    }

    /// All of it.
    pub fn text(self) -> String {
        self.0.unwrap_or_default()
    }
}
