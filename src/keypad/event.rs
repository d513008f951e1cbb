//! What the keypad is told, and what configuration decides.

use crate::domain::time::WallTime;
use crate::keypad::contacts::ContactLimits;
use crate::keypad::entry::{Entry, TimeLimits};
use crate::keypad::keymap::Keymap;

/// What configuration decides.
#[derive(Clone, Default)]
pub struct Settings {
    /// Which key means what.
    pub keymap: Keymap,
    /// What tells a press from a fault.
    pub contacts: ContactLimits,
}

/// What the keypad is told. No `Debug`: key codes are digits.
pub enum Event {
    /// The device is open and grabbed.
    Opened {
        /// What it calls itself.
        name: String,
        /// Codes of the keys that are down.
        keys_down: Vec<u16>,
    },
    /// The device is gone or cannot be used.
    Closed,
    /// The kernel reported a key.
    Key {
        /// Linux key code.
        code: u16,
        /// 0 up, 1 down, 2 autorepeat.
        value: i32,
        /// When, by the kernel; only spans between stamps are used.
        stamp: WallTime,
    },
    /// The kernel lost events (`SYN_DROPPED`).
    SynDropped {
        /// Codes of the keys that are down now.
        keys_down: Vec<u16>,
    },
    /// Something is to be entered; it replaces an entry under way without a word about that one.
    Start {
        /// What.
        entry: Entry,
        /// In which time.
        limits: TimeLimits,
    },
    /// The entry under way is not wanted any more; it ends without a word.
    Stop,
}
