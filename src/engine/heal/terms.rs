//! What the machine is told and what it says.

use crate::domain::heal::{Fault, Part, Rung};
use crate::domain::outcome::words;

/// Which rungs this rig has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealSettings {
    /// A reset line is wired.
    pub reset_line: bool,
    /// The reader's power can be switched.
    pub power_switch: bool,
    /// The machine may be restarted.
    pub reboot: bool,
}

/// What must not be disturbed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// A payment without an outcome is at hand.
    pub payment: bool,
    /// An exchange with the host, a key ceremony or a backup is under way.
    pub busy: bool,
    /// The disk refuses commits.
    pub storage: bool,
}

words! {
    /// Why a measure was not taken.
    Denied {
        /// This rig does not have it, or it is not allowed.
        NotConfigured = "not-configured",
        /// A payment is at hand.
        Payment = "payment-at-hand",
        /// Something else must not be disturbed.
        Busy = "busy",
        /// What is not on disk could be lost.
        Storage = "storage",
        /// It was taken too often already.
        Budget = "budget",
        /// The machine has only just started.
        JustBooted = "just-booted",
    }
}

/// What is to be done or known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A part is broken.
    Noticed(Fault),
    /// A measure is put off or left out. Told once for each reason.
    Denied {
        /// For which part.
        part: Part,
        /// Which measure.
        rung: Rung,
        /// Why.
        why: Denied,
    },
    /// Take this measure, after the ledger has taken the fault down where `on_record` says so.
    Take {
        /// Which measure.
        rung: Rung,
        /// The fault so far, this measure included.
        fault: Fault,
        /// Whether it must be on disk first.
        on_record: bool,
    },
    /// The part works again. For the ledger.
    Healed(Fault),
}
