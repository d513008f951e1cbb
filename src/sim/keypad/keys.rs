//! The keys of a simulated keypad: names as people say them, codes as the kernel numbers them.
//!
//! Owns: the three layouts. Must not know: timing, sockets. Codes are those of linux/input-event-codes.h; the scan
//! codes are the HID usages that a USB keypad sends before each key.

use clap::ValueEnum;

/// Which keypad is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// A numeric USB keypad: KP0 to KP9, KPENTER, BACKSPACE, ESC.
    Numpad,
    /// The upper row of a keyboard: 0 to 9, ENTER, BACKSPACE, ESC.
    Keyboard,
    /// A pin pad with its own keys: NUMERIC_0 to NUMERIC_9, OK, CLEAR, CANCEL.
    Pinpad,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Kernel code.
    pub code: u16,
    /// Scan code.
    pub scan: i32,
}

const fn key(code: u16, scan: i32) -> Key {
    Key { code, scan }
}

/// Names in the order of the rows below.
const NAMES: [&str; 19] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "enter", "cancel", "clear", "dot", "star", "slash", "plus",
    "minus", "numlock",
];

const NUMPAD: [Key; 19] = [
    key(82, 0x7_0062),
    key(79, 0x7_0059),
    key(80, 0x7_005A),
    key(81, 0x7_005B),
    key(75, 0x7_005C),
    key(76, 0x7_005D),
    key(77, 0x7_005E),
    key(71, 0x7_005F),
    key(72, 0x7_0060),
    key(73, 0x7_0061),
    key(96, 0x7_0058),
    key(1, 0x7_0029),
    key(14, 0x7_002A),
    key(83, 0x7_0063),
    key(55, 0x7_0055),
    key(98, 0x7_0054),
    key(78, 0x7_0057),
    key(74, 0x7_0056),
    key(69, 0x7_0053),
];

const KEYBOARD: [Key; 16] = [
    key(11, 0x7_0027),
    key(2, 0x7_001E),
    key(3, 0x7_001F),
    key(4, 0x7_0020),
    key(5, 0x7_0021),
    key(6, 0x7_0022),
    key(7, 0x7_0023),
    key(8, 0x7_0024),
    key(9, 0x7_0025),
    key(10, 0x7_0026),
    key(28, 0x7_0028),
    key(1, 0x7_0029),
    key(14, 0x7_002A),
    key(52, 0x7_0037),
    key(55, 0x7_0055),
    key(53, 0x7_0038),
];

const PINPAD: [Key; 15] = [
    key(0x200, 0x00),
    key(0x201, 0x01),
    key(0x202, 0x02),
    key(0x203, 0x03),
    key(0x204, 0x04),
    key(0x205, 0x05),
    key(0x206, 0x06),
    key(0x207, 0x07),
    key(0x208, 0x08),
    key(0x209, 0x09),
    key(0x160, 0x10),
    key(223, 0x11),
    key(0x163, 0x12),
    key(83, 0x13),
    key(0x20A, 0x14),
];

impl Layout {
    /// All keys that the keypad has.
    #[must_use]
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Numpad => &NUMPAD,
            Self::Keyboard => &KEYBOARD,
            Self::Pinpad => &PINPAD,
        }
    }

    /// The key of this name.
    pub fn key(self, name: &str) -> Result<Key, String> {
        let named = NAMES.iter().zip(self.keys()).find(|(n, _)| **n == name).map(|(_, key)| *key);
        named.ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().zip(self.keys()).map(|(name, _)| *name).collect();
            format!("no key {name} here; there are {}", known.join(" "))
        })
    }

    /// The keys of a text: digits one by one, anything else as a name.
    pub fn text(self, words: &[&str]) -> Result<Vec<Key>, String> {
        let mut keys = Vec::new();
        for word in words {
            if word.bytes().all(|b| b.is_ascii_digit()) {
                for digit in word.chars() {
                    keys.push(self.key(digit.encode_utf8(&mut [0; 4]))?);
                }
            } else {
                keys.push(self.key(word)?);
            }
        }
        Ok(keys)
    }
}
