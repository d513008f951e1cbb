//! What the keypad says to the core loop.

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::outcome::words;
use crate::domain::secret::{PinBlock, SecretBytes};

words! {
    /// Why an entry starts again from nothing.
    Clearing {
        /// The person pressed clear.
        Key = "key",
        /// The kernel lost key events, so what was typed is not known any more.
        EventsLost = "events-lost",
    }
}

/// One output. No `Debug`: some carry what was typed; [`word`](Self::word) is for logs.
pub enum Output {
    /// The keypad is in another state, or has another fault to show.
    StateChanged(DeviceState, Option<Cause>),
    /// So many digits are in.
    Progress {
        /// Digits entered so far.
        digits: u8,
    },
    /// All digits were taken back; the entry goes on.
    Cleared {
        /// By whom.
        why: Clearing,
    },
    /// The amount was confirmed.
    Confirmed,
    /// The PIN, enciphered.
    PinEntered(PinBlock),
    /// The cardholder confirmed without typing a PIN, where that is allowed.
    PinBypassed,
    /// An operator number.
    NumberEntered(String),
    /// A password, as ASCII digits.
    PasswordEntered(SecretBytes),
    /// A key component of 16 bytes.
    ComponentEntered(SecretBytes),
    /// The person cancelled; the entry is over.
    Cancelled,
    /// Cancel was pressed while nothing was asked.
    CancelPressed,
    /// Nobody finished in time; the entry is over.
    TimedOut,
    /// The keypad cannot do it; the entry is over.
    Failed(Cause),
}

impl Output {
    /// The word for the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Self::StateChanged(..) => "state-changed",
            Self::Progress { .. } => "progress",
            Self::Cleared { .. } => "cleared",
            Self::Confirmed => "confirmed",
            Self::PinEntered(_) => "pin-entered",
            Self::PinBypassed => "pin-bypassed",
            Self::NumberEntered(_) => "number-entered",
            Self::PasswordEntered(_) => "password-entered",
            Self::ComponentEntered(_) => "component-entered",
            Self::Cancelled => "cancelled",
            Self::CancelPressed => "cancel-pressed",
            Self::TimedOut => "timed-out",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether the entry is over with this.
    pub fn ends_entry(&self) -> bool {
        match self {
            Self::StateChanged(..) | Self::Progress { .. } | Self::Cleared { .. } | Self::CancelPressed => false,
            Self::Confirmed
            | Self::PinEntered(_)
            | Self::PinBypassed
            | Self::NumberEntered(_)
            | Self::PasswordEntered(_)
            | Self::ComponentEntered(_)
            | Self::Cancelled
            | Self::TimedOut
            | Self::Failed(_) => true,
        }
    }
}
