//! Mistakes that people make at the terminal, counted. Plain values: what they mean is said in `diagnose::hints`.

use crate::domain::outcome::words;

words! {
    /// A mistake that can be made again and again.
    Habit {
        /// The card was taken away before it was read.
        RemovedEarly = "removed-early",
        /// Two cards were shown at once.
        TwoCards = "two-cards",
        /// Something was shown that is no payment card, or of no scheme that is taken.
        WrongCard = "wrong-card",
        /// The card could not be read though it was held.
        Unreadable = "unreadable",
        /// Nobody showed a card in time.
        NoCard = "no-card",
        /// The amount was not confirmed: cancelled, or nobody pressed the key.
        AmountRefused = "amount-refused",
        /// The customer cancelled at the PIN.
        PinCancelled = "pin-cancelled",
        /// Nobody finished typing the PIN in time.
        PinTimeout = "pin-timeout",
        /// The bank says that the PIN was wrong.
        PinWrong = "pin-wrong",
        /// An operator's password was wrong.
        WrongPassword = "wrong-password",
        /// Cancel was pressed while nothing was asked.
        IdleKey = "idle-key",
    }
}

/// How often one of them was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub habit: Habit,
    /// How often among the last ones.
    pub count: u32,
    /// How many of its kind (taps, PIN entries …) these are.
    pub of: u32,
    /// How often since the daemon started.
    pub total: u32,
}
