//! The tables `[reader]` and `[keypad]` of the configuration.
//!
//! Owns: what may be written there and what is said about anything else. Must not know: how devices are driven.

use std::fmt;
use std::path::PathBuf;

use super::absolute;
use crate::driver::evdev::{MOST_CODE, key_code, key_names};
use crate::driver::gpio::LONGEST_NAME;
use crate::host::settings::{At, Place, Section, near};
use crate::keypad::{Key, Keymap, KeymapError};

/// The card reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderConfig {
    /// Its serial port; `None` finds it through udev.
    pub path: Option<PathBuf>,
    /// The highest rate to raise the line to.
    pub baud_max: u32,
    /// The name of the GPIO line that resets it; `None` where no such line is wired.
    pub reset_line: Option<String>,
    /// Whether its power may be switched by USB.
    pub usb_power: bool,
}

/// The keypad.
#[derive(Clone, PartialEq, Eq)]
pub struct KeypadConfig {
    /// Its event device; `None` finds it through udev.
    pub path: Option<PathBuf>,
    /// Whether a keyboard with letters may be taken when it is found through udev.
    pub keyboards: bool,
    /// Which key means what.
    pub keymap: Keymap,
}

/// Nothing that is made of keys can be printed.
impl fmt::Debug for KeypadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, keyboards, keymap: _ } = self;
        f.debug_struct("KeypadConfig").field("path", path).field("keyboards", keyboards).finish_non_exhaustive()
    }
}

/// The tamper input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TamperConfig {
    /// The name of its GPIO line.
    pub line: String,
    /// Whether a high level means that the terminal is open.
    pub active_high: bool,
}

/// "auto" or a path.
pub(super) fn device_path(section: &Section<'_>) -> Option<PathBuf> {
    let read = |text: &str| if text == "auto" { Some(None) } else { absolute(text).map(Some) };
    section.parsed("path", "\"auto\" or a path that begins with /dev/", read).and_then(|at| at.value)
}

pub(super) fn reader(section: Section<'_>) -> ReaderConfig {
    const RATES: [i64; 6] = [9_600, 57_600, 115_200, 230_400, 460_800, 921_600];
    let path = device_path(&section);
    let rate = section.number("baud_max", 9_600..=921_600, "baud");
    if let Some(At { value, place }) = &rate
        && !RATES.contains(value)
    {
        let known = RATES.map(|rate| rate.to_string()).join(", ");
        section.refuse(place, format!("`reader.baud_max` is {value}; write one of: {known}"));
    }
    let wanted = "the name of a GPIO line as gpioinfo shows it, such as \"GPIO20\"";
    let reset_line = section.parsed("reset_line", wanted, line_name).map(|at| at.value);
    let usb_power = section.choice("power_cycle", &[("none", false), ("usb", true)]).is_some_and(|at| at.value);
    section.finish();
    let baud_max = rate.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(460_800);
    ReaderConfig { path, baud_max, reset_line, usb_power }
}

pub(super) fn tamper(section: Section<'_>) -> Option<TamperConfig> {
    let wanted = "the name of a GPIO line as gpioinfo shows it, such as \"GPIO21\"";
    let line = section.parsed("line", wanted, line_name);
    let active = section.choice("active", &[("high", true), ("low", false)]);
    let config = line.map(|line| {
        if active.is_none() {
            section.refuse(
                &line.place,
                "`tamper.active` is missing: say which level means that the terminal is open, \"high\" or \"low\""
                    .to_owned(),
            );
        }
        TamperConfig { line: line.value, active_high: active.as_ref().is_some_and(|at| at.value) }
    });
    if let (None, Some(active)) = (&config, &active) {
        section.refuse(&active.place, "`tamper.line` is missing: the GPIO line of the tamper switch".to_owned());
    }
    section.finish();
    config
}

fn line_name(text: &str) -> Option<String> {
    let good = (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    good.then(|| text.to_owned())
}

pub(super) fn keypad(section: Section<'_>) -> KeypadConfig {
    let path = device_path(&section);
    let keyboards = section.truth("keyboards").is_some_and(|at| at.value);
    let keymap = keymap(&section.section("keys"));
    section.finish();
    KeypadConfig { path, keyboards, keymap }
}

/// The standard map with the overrides laid over it. After a complaint the map does not matter.
fn keymap(keys: &Section<'_>) -> Keymap {
    let mut rows: Vec<(u16, String, Place)> = Vec::new();
    for (name, At { value: word, place }) in keys.named_texts() {
        let Some(code) = code(&name) else {
            keys.refuse(&place, format!("`{}` is no key; {}", keys.name(&name), key_advice(&name)));
            continue;
        };
        if let Some((_, _, first)) = rows.iter().find(|row| row.0 == code) {
            let text = format!("`{}` is the same key as on line {}; remove one", keys.name(&name), first.line);
            keys.refuse(&place, text);
        } else if word != "none" && Key::from_word(&word).is_none() {
            keys.refuse(&place, format!("`{}` is \"{word}\": {}", keys.name(&name), KeymapError::UnknownAction));
        } else {
            rows.push((code, word, place));
        }
    }
    let map = Keymap::with_overrides(rows.iter().map(|(code, word, _)| (*code, word.as_str())));
    map.unwrap_or_else(|error| {
        keys.refuse(keys.place(), format!("`keypad.keys`: {error}"));
        Keymap::default()
    })
}

/// The key of this kernel name or number.
fn code(name: &str) -> Option<u16> {
    key_code(name).or_else(|| name.parse().ok()).filter(|code| (1..=MOST_CODE).contains(code))
}

fn key_advice(name: &str) -> String {
    let all = key_names();
    let known: Vec<&str> = all.iter().map(String::as_str).collect();
    let prefixed = format!("KEY_{name}");
    match near(name, &known).or_else(|| near(&prefixed, &known)) {
        // Of a number only its range can be wrong.
        Some(meant) if name.parse::<i64>().is_err() => format!("did you mean `{meant}`?"),
        _ => format!("write a kernel name such as KEY_KPSLASH or a code of 1 to {MOST_CODE}; evtest shows both"),
    }
}
