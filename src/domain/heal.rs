//! What can be mended, by which measure, and how that went: closed lists of words, and the record of one fault.

use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::outcome::words;
use crate::domain::time::WallTime;

words! {
    /// One measure of the repair ladder, mildest first.
    Rung {
        /// Wake the device and set it up anew, over the port that is open.
        SoftReset = "soft-reset",
        /// Close the port or device and open it again.
        Reopen = "reopen",
        /// Pulse the device's reset line.
        ResetLine = "reset-line",
        /// Switch its power off and on, or take it off the bus and set it up anew.
        PowerCycle = "power-cycle",
        /// End the part of this program that drives it, and begin that anew.
        RestartComponent = "restart-component",
        /// End this program in order; the service manager starts it again.
        RestartService = "restart-service",
        /// Restart the machine.
        Reboot = "reboot",
    }
}

words! {
    /// What is watched and mended.
    Part {
        /// The card reader and its line.
        Reader = "reader",
        /// The keypad.
        Keypad = "keypad",
        /// The way to the acquirer's host.
        Host = "host",
        /// The database and the disk under it.
        Storage = "storage",
        /// The code scanner and its line.
        Scanner = "scanner",
    }
}

words! {
    /// What came of a measure.
    Effect {
        /// Not known yet.
        Open = "open",
        /// The part worked afterwards.
        Helped = "helped",
        /// It did not.
        NotHelped = "not-helped",
    }
}

/// One measure that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Which.
    pub rung: Rung,
    /// When.
    pub at: WallTime,
    /// What came of it.
    pub effect: Effect,
}

/// One fault from the moment it was noticed until the part worked again, with everything that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number in the ledger; `None` as long as it is not there.
    pub number: Option<u64>,
    /// What was broken.
    pub part: Part,
    /// Why, as far as known when it was noticed.
    pub cause: Cause,
    /// When it was noticed.
    pub began: WallTime,
    /// How long it took until the part worked again; `None` while it does not.
    pub lasted: Option<Duration>,
    /// What was done, in order.
    pub measures: Vec<Measure>,
}
