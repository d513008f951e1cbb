//! How an attached device is doing.

use crate::domain::outcome::words;

words! {
    /// The state every device shows on the bus.
    DeviceState {
        /// Not there; it is being waited for.
        Absent = "absent",
        /// There, being brought up.
        Starting = "starting",
        /// Usable, idle.
        Ready = "ready",
        /// In use by a payment.
        Active = "active",
        /// There, but does not work; being brought back.
        Failed = "failed",
        /// Held by `Inhibit`.
        Inhibited = "inhibited",
    }
}
