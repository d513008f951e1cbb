//! A self-test as plain values: how deep it goes, what is looked at, what came of it.

use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::outcome::words;

words! {
    /// How deep a self-test goes.
    Level {
        /// What needs nothing outside: store, journal, ciphers, keys, clock, space.
        Internal = "internal",
        /// Devices and host, without anybody's help.
        External = "external",
        /// With a person at the terminal.
        Interactive = "interactive",
    }
}

words! {
    /// A test that a person helps with.
    Guided {
        /// Every key once.
        Keys = "keys",
        /// Yes or no, by the keys ok and cancel.
        Answer = "answer",
        /// A card, read as far as the choice of its application.
        Card = "card",
    }
}

words! {
    /// What only the core can look at.
    CoreCheck {
        /// The database file, page by page.
        Storage = "storage",
        /// Check values of the master key and the working keys.
        Keys = "keys",
        /// Bytes to the reader's chip and back.
        ReaderLine = "reader-line",
        /// Every key of the keypad, pressed once.
        KeyPress = "key-press",
        /// A person's yes or no at the keypad.
        Answer = "answer",
        /// A card, read as far as the choice of its application.
        Card = "card",
    }
}

impl CoreCheck {
    /// The longest it takes.
    pub const fn within(self) -> Duration {
        Duration::from_secs(match self {
            Self::Storage => 2,
            Self::Keys | Self::ReaderLine => 3,
            Self::KeyPress => 60,
            Self::Answer | Self::Card => 30,
        })
    }
}

words! {
    /// What came of one check.
    Outcome {
        /// It works.
        Worked = "worked",
        /// It does not.
        Failed = "failed",
        /// It could not be looked at, or there is nothing to look at; the evidence says why.
        NotRun = "not-run",
        /// The time was over before it was known.
        TimedOut = "timed-out",
    }
}

/// One check with what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was looked at.
    pub component: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// The cause of the catalogue, where one applies.
    pub cause: Option<Cause>,
    /// What was seen; no card data, no key.
    pub evidence: String,
    /// How long it took.
    pub milliseconds: u64,
}

impl Checked {
    /// A check that took no time worth telling.
    pub fn new(component: &'static str, outcome: Outcome, evidence: impl Into<String>) -> Self {
        Self { component, outcome, cause: None, evidence: evidence.into(), milliseconds: 0 }
    }

    /// One that failed for this cause.
    pub fn failed(component: &'static str, cause: Cause, evidence: impl Into<String>) -> Self {
        Self { cause: Some(cause), ..Self::new(component, Outcome::Failed, evidence) }
    }

    /// The same with its time.
    #[must_use]
    pub fn took(self, milliseconds: u64) -> Self {
        Self { milliseconds, ..self }
    }
}
