//! Which input device is the keypad.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ::evdev::KeyCode;
use ::evdev::raw_stream::RawDevice;

use super::{Choice, EvdevError, Settings};
use crate::domain::attached::Pad;
use crate::driver::udev;

/// An open device, not yet grabbed.
pub(super) struct Found {
    pub(super) device: RawDevice,
    pub(super) path: PathBuf,
}

/// Digits of a keyboard's main row and of a numeric pad, 0 first.
///
/// `NUMERIC_0` … do not count here: the remote controls that a Raspberry Pi sees behind its HDMI sockets have them.
const DIGITS: [[KeyCode; 10]; 2] = [
    [
        KeyCode::KEY_0,
        KeyCode::KEY_1,
        KeyCode::KEY_2,
        KeyCode::KEY_3,
        KeyCode::KEY_4,
        KeyCode::KEY_5,
        KeyCode::KEY_6,
        KeyCode::KEY_7,
        KeyCode::KEY_8,
        KeyCode::KEY_9,
    ],
    [
        KeyCode::KEY_KP0,
        KeyCode::KEY_KP1,
        KeyCode::KEY_KP2,
        KeyCode::KEY_KP3,
        KeyCode::KEY_KP4,
        KeyCode::KEY_KP5,
        KeyCode::KEY_KP6,
        KeyCode::KEY_KP7,
        KeyCode::KEY_KP8,
        KeyCode::KEY_KP9,
    ],
];
const OK_KEYS: [KeyCode; 3] = [KeyCode::KEY_KPENTER, KeyCode::KEY_ENTER, KeyCode::KEY_OK];
/// Letters that no key component needs: who has them is a keyboard.
const KEYBOARD_KEYS: [KeyCode; 3] = [KeyCode::KEY_Q, KeyCode::KEY_P, KeyCode::KEY_SPACE];

/// `KEY_MAX` of the kernel.
pub const MOST_CODE: u16 = 0x2ff;

/// The best fit first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Tagged,
    NumericPad,
    Keyboard,
}

/// Opens the configured device, or the one that fits best; among equals the one named first.
pub(super) fn find(settings: &Settings) -> Result<Found, EvdevError> {
    match &settings.choice {
        Choice::Path(path) => {
            let device = RawDevice::open(path).map_err(|source| EvdevError::new(path, source))?;
            if device.supported_keys().is_none() {
                return Err(EvdevError::NotAKeypad(path.clone()));
            }
            Ok(Found { device, path: path.clone() })
        }
        Choice::Auto { keyboards } => search(settings, *keyboards),
    }
}

fn search(settings: &Settings, keyboards: bool) -> Result<Found, EvdevError> {
    let mut best: Option<((Fit, bool), Found)> = None;
    let mut refused = None;
    for path in event_nodes(&settings.devices) {
        let device = match RawDevice::open(&path) {
            Ok(device) => device,
            Err(source) => {
                let why = EvdevError::new(&path, source);
                if matches!(why, EvdevError::Denied(_)) {
                    refused = Some(why);
                }
                continue;
            }
        };
        let Some((fit, pad)) = fit(&device, &path, &settings.udev) else { continue };
        let rank = (fit, pad == Pad::No);
        if fit == Fit::Keyboard && !keyboards {
            refused = Some(EvdevError::OnlyKeyboard(path));
        } else if best.as_ref().is_none_or(|(so_far, _)| rank < *so_far) {
            best = Some((rank, Found { device, path }));
        }
    }
    match best {
        Some((_, found)) => Ok(Found { path: stable_name(&settings.devices, &found.path), ..found }),
        None => Err(refused.unwrap_or_else(|| EvdevError::NoneFound(settings.devices.clone()))),
    }
}

/// `event0`, `event1` … in this order.
fn event_nodes(directory: &Path) -> Vec<PathBuf> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("event")?.parse::<u32>().ok();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut nodes: Vec<_> = entries.filter_map(|path| Some((number(&path)?, path))).collect();
    nodes.sort();
    nodes.into_iter().map(|(_, path)| path).collect()
}

/// How well it fits; a device that udev names as the keypad and that has its keys before one that only has the name.
fn fit(device: &RawDevice, path: &Path, records: &Path) -> Option<(Fit, Pad)> {
    let keys = device.supported_keys()?;
    let pad = pad(|key| keys.contains(key));
    let property = |name| udev::property(records, path, name);
    match property(udev::ROLE).as_deref() {
        Some("keypad") => return Some((Fit::Tagged, pad)),
        Some(_) => return None,
        None => {}
    }
    // Where udev does not run (no properties at all) the keys alone decide.
    let known_to_udev = property("ID_INPUT").is_some();
    if known_to_udev && property("ID_INPUT_KEY").is_none() {
        return None;
    }
    match pad {
        Pad::Numeric => Some((Fit::NumericPad, pad)),
        Pad::Keyboard => Some((Fit::Keyboard, pad)),
        Pad::No => None,
    }
}

/// What a device with these keys is.
pub(in crate::driver) fn pad(has: impl Fn(KeyCode) -> bool) -> Pad {
    let digits = DIGITS.iter().any(|row| row.iter().all(|key| has(*key)));
    let ok = OK_KEYS.iter().any(|key| has(*key));
    match (digits && ok, KEYBOARD_KEYS.iter().any(|key| has(*key))) {
        (false, _) => Pad::No,
        (true, false) => Pad::Numeric,
        (true, true) => Pad::Keyboard,
    }
}

/// The by-id or by-path name of a node, for the journal; the node itself where there is none.
fn stable_name(devices: &Path, node: &Path) -> PathBuf {
    let links =
        ["by-id", "by-path"].into_iter().flat_map(|kind| fs::read_dir(devices.join(kind)).into_iter().flatten());
    let target = fs::canonicalize(node).ok();
    let mut names: Vec<_> = links
        .flatten()
        .map(|entry| entry.path())
        .filter(|link| target.is_some() && fs::canonicalize(link).ok() == target)
        .collect();
    names.sort();
    names.into_iter().next().unwrap_or_else(|| node.to_owned())
}

/// The code of a key by its kernel name, such as `KEY_KPSLASH`, for the keymap in the configuration.
pub fn key_code(name: &str) -> Option<u16> {
    KeyCode::from_str(name).ok().map(|key| key.code())
}

/// The kernel names of all keys there are.
pub fn key_names() -> Vec<String> {
    let names = (0..=MOST_CODE).map(|code| format!("{:?}", KeyCode::new(code)));
    names.filter(|name| key_code(name).is_some()).collect()
}
