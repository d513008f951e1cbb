//! Which key code means what. Pads differ, so every row can be overridden by configuration.
//!
//! Codes are those of Linux `input-event-codes.h`. NumLock does not change them: `KP1` stays `KP1`. Keys that are not
//! in the map do not exist for the machines, not even for ghosting (pads with "NumLock sync" send NUMLOCK around keys).

/// What a key means to an entry. No `Debug`: it may be a digit of a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 0 ..= 9.
    Digit(u8),
    /// A ..= F as 10 ..= 15, for key components.
    Letter(u8),
    /// On numeric pads: `.` then 1 ..= 6 means A ..= F.
    Dot,
    /// Confirms.
    Ok,
    /// Ends the entry.
    Cancel,
    /// Takes the last digit back.
    Backspace,
    /// Takes all digits back.
    Clear,
}

impl Key {
    /// The configuration word of this key.
    pub const fn name(self) -> &'static str {
        const HEX: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];
        match self {
            // Both have four bits; others are made nowhere.
            Self::Digit(value) | Self::Letter(value) => HEX[(value & 0xF) as usize],
            Self::Dot => "dot",
            Self::Ok => "ok",
            Self::Cancel => "cancel",
            Self::Backspace => "backspace",
            Self::Clear => "clear",
        }
    }

    /// The key of a configuration word: `0` ..= `9`, `a` ..= `f`, `dot`, `ok`, `cancel`, `backspace`, `clear`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "dot" => return Some(Self::Dot),
            "ok" => return Some(Self::Ok),
            "cancel" => return Some(Self::Cancel),
            "backspace" => return Some(Self::Backspace),
            "clear" => return Some(Self::Clear),
            _ => {}
        }
        let mut characters = word.chars();
        let (only, None) = (characters.next()?, characters.next()) else { return None };
        match (only, only.to_digit(16).and_then(|v| u8::try_from(v).ok())?) {
            ('A'..='F', _) => None,
            (_, value @ 0..=9) => Some(Self::Digit(value)),
            (_, value) => Some(Self::Letter(value)),
        }
    }
}

/// Why a keymap cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    /// An override names an action that does not exist.
    #[error("unknown key action; write 0-9, a-f, dot, ok, cancel, backspace, clear or none")]
    UnknownAction,
    /// No key is left for a digit.
    #[error("no key is left for the digit {0}; remove the override that takes it away")]
    DigitUnreachable(u8),
    /// No key is left to confirm with.
    #[error("no key is left for ok; remove the override that takes it away")]
    OkUnreachable,
    /// No key is left to cancel with.
    #[error("no key is left for cancel; remove the override that takes it away")]
    CancelUnreachable,
}

/// Rows that hold for keyboards, numeric pads, phone-style pads and PIN pads alike.
const CONTROLS: [(u16, Key); 20] = [
    (1, Key::Cancel),         // ESC
    (14, Key::Backspace),     // BACKSPACE
    (28, Key::Ok),            // ENTER
    (52, Key::Dot),           // DOT
    (55, Key::Cancel),        // KPASTERISK: a 17-key pad has no ESC
    (74, Key::Backspace),     // KPMINUS: nor always a BACKSPACE
    (83, Key::Dot),           // KPDOT
    (96, Key::Ok),            // KPENTER
    (98, Key::Clear),         // KPSLASH
    (111, Key::Clear),        // DELETE
    (121, Key::Dot),          // KPCOMMA
    (223, Key::Cancel),       // CANCEL
    (0x160, Key::Ok),         // OK
    (0x161, Key::Ok),         // SELECT
    (0x163, Key::Clear),      // CLEAR
    (0x20a, Key::Cancel),     // NUMERIC_STAR: phone-style pads have only * and #
    (0x20b, Key::Ok),         // NUMERIC_POUND
    (0x20c, Key::Letter(10)), // NUMERIC_A
    (0x20d, Key::Letter(11)), // NUMERIC_B
    (0x20e, Key::Letter(12)), // NUMERIC_C
];

/// A, B, C, D, E, F of a keyboard, and NUMERIC_D.
const LETTERS: [(u16, Key); 7] = [
    (30, Key::Letter(10)),
    (48, Key::Letter(11)),
    (46, Key::Letter(12)),
    (32, Key::Letter(13)),
    (18, Key::Letter(14)),
    (33, Key::Letter(15)),
    (0x20f, Key::Letter(13)),
];

/// Codes of the digits 0 ..= 9: main row, numeric pad, phone pad.
const DIGITS: [[u16; 10]; 3] = [
    [11, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    [82, 79, 80, 81, 75, 76, 77, 71, 72, 73],
    [0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209],
];

/// The meaning of every key code that counts.
#[derive(Clone, PartialEq, Eq)]
pub struct Keymap(Vec<(u16, Key)>);

impl Default for Keymap {
    fn default() -> Self {
        let digits = DIGITS.iter().flat_map(|codes| (0u8..).zip(codes).map(|(digit, code)| (*code, Key::Digit(digit))));
        let mut rows: Vec<_> = CONTROLS.into_iter().chain(LETTERS).chain(digits).collect();
        rows.sort_by_key(|row| row.0);
        Self(rows)
    }
}

impl Keymap {
    /// The standard map with rows replaced: `(98, "cancel")`; the word `none` takes a key out.
    pub fn with_overrides<'a>(overrides: impl IntoIterator<Item = (u16, &'a str)>) -> Result<Self, KeymapError> {
        let mut map = Self::default();
        for (code, word) in overrides {
            map.0.retain(|row| row.0 != code);
            if word != "none" {
                map.0.push((code, Key::from_word(word).ok_or(KeymapError::UnknownAction)?));
            }
        }
        map.0.sort_by_key(|row| row.0);
        map.complete()
    }

    /// What a key code means; `None` for keys that do not count.
    pub fn key(&self, code: u16) -> Option<Key> {
        let row = self.0.binary_search_by_key(&code, |row| row.0).ok()?;
        self.0.get(row).map(|row| row.1)
    }

    fn complete(self) -> Result<Self, KeymapError> {
        let has = |wanted: Key| self.0.iter().any(|row| row.1 == wanted);
        if let Some(missing) = (0..=9).find(|digit| !has(Key::Digit(*digit))) {
            return Err(KeymapError::DigitUnreachable(missing));
        }
        if !has(Key::Ok) {
            return Err(KeymapError::OkUnreachable);
        }
        if !has(Key::Cancel) {
            return Err(KeymapError::CancelUnreachable);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_on_three_kinds_of_pad() {
        let map = Keymap::default();
        for codes in DIGITS {
            for (digit, code) in (0u8..).zip(codes) {
                assert!(map.key(code) == Some(Key::Digit(digit)), "code {code}");
            }
        }
        assert!(map.key(69).is_none(), "NumLock does not count");
    }

    #[test]
    fn no_code_stands_twice_in_the_map() {
        let map = Keymap::default();
        assert!(map.0.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(map.0.len(), CONTROLS.len() + LETTERS.len() + 30);
    }

    #[test]
    fn words_of_the_configuration_name_every_key() {
        assert!(Key::from_word("7") == Some(Key::Digit(7)));
        assert!(Key::from_word("f") == Some(Key::Letter(15)));
        assert!(Key::from_word("clear") == Some(Key::Clear));
        for unknown in ["", "F", "10", "g", "Ok", "٣"] {
            assert!(Key::from_word(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn an_override_replaces_adds_and_removes_keys() {
        let map = Keymap::with_overrides([(98, "cancel"), (78, "clear"), (55, "none")]).ok().unwrap();
        assert!(map.key(98) == Some(Key::Cancel));
        assert!(map.key(78) == Some(Key::Clear));
        assert!(map.key(55).is_none());
    }

    #[test]
    fn a_map_without_a_digit_ok_or_cancel_is_refused() {
        let none = |codes: &[u16]| Keymap::with_overrides(codes.iter().map(|code| (*code, "none"))).err();
        assert_eq!(none(&[6, 76, 0x205]), Some(KeymapError::DigitUnreachable(5)));
        assert_eq!(none(&[28, 96, 0x160, 0x161, 0x20b]), Some(KeymapError::OkUnreachable));
        assert_eq!(none(&[1, 55, 223, 0x20a]), Some(KeymapError::CancelUnreachable));
        assert_eq!(Keymap::with_overrides([(1, "quit")]).err(), Some(KeymapError::UnknownAction));
    }
}
