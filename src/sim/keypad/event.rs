//! Input events as the kernel writes them.
//!
//! Owns: `struct input_event`. Spec: linux/input.h, Documentation/input/event-codes.rst.

use std::time::Duration;

use super::keys::Key;

/// Type, code and value; the time is added on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// EV_SYN, EV_KEY or EV_MSC.
    pub kind: u16,
    /// What within the type.
    pub code: u16,
    /// For keys: 0 up, 1 down, 2 repeat.
    pub value: i32,
}

/// End of a packet.
pub const SYN_REPORT: Event = Event { kind: 0, code: 0, value: 0 };
/// The reader was too slow: events before the next SYN_REPORT are lost.
pub const SYN_DROPPED: Event = Event { kind: 0, code: 3, value: 0 };
/// Type of key events.
pub const EV_KEY: u16 = 1;
const EV_MSC: u16 = 4;
const MSC_SCAN: u16 = 4;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Released.
    Up,
    /// Pressed.
    Down,
    /// Held long enough to repeat.
    Repeat,
}

/// The packet for one motion of one key, as a USB keypad sends it.
#[must_use]
pub fn packet(key: Key, motion: Motion) -> Vec<Event> {
    let value = match motion {
        Motion::Up => 0,
        Motion::Down => 1,
        Motion::Repeat => 2,
    };
    let scan = Event { kind: EV_MSC, code: MSC_SCAN, value: key.scan };
    let change = Event { kind: EV_KEY, code: key.code, value };
    match motion {
        // The kernel makes repeats itself, without a scan code.
        Motion::Repeat => vec![change, SYN_REPORT],
        Motion::Up | Motion::Down => vec![scan, change, SYN_REPORT],
    }
}

/// `struct input_event` of this machine: the seconds and microseconds are as wide as a pointer.
#[must_use]
pub fn encode(event: Event, since_epoch: Duration) -> Vec<u8> {
    let (seconds, micros) = (since_epoch.as_secs(), since_epoch.subsec_micros());
    let mut out = Vec::with_capacity(24);
    if cfg!(target_pointer_width = "64") {
        out.extend(seconds.to_ne_bytes());
        out.extend(u64::from(micros).to_ne_bytes());
    } else {
        // The kernel's field is 32 bits wide there, and unsigned: good until 2106.
        out.extend(u32::try_from(seconds).unwrap_or(u32::MAX).to_ne_bytes());
        out.extend(micros.to_ne_bytes());
    }
    out.extend(event.kind.to_ne_bytes());
    out.extend(event.code.to_ne_bytes());
    out.extend(event.value.to_ne_bytes());
    out
}
