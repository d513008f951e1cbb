//! The table `[scanner]` of the configuration.
//!
//! Owns: what may be written there. Must not know: how the scanner is driven.

use std::path::PathBuf;

use super::devices::device_path;
use crate::host::settings::{At, Section};
use crate::scanner::{Kind, Trigger};

/// The code scanner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannerConfig {
    /// Its serial port; `None` finds it through udev.
    pub path: Option<PathBuf>,
    /// The rate of its line.
    pub baud: u32,
    /// What it understands.
    pub kind: Kind,
    /// How it is told to read a code.
    pub trigger: Trigger,
}

/// `None`: there is no scanner.
pub(super) fn scanner(section: Section<'_>) -> Option<ScannerConfig> {
    const RATES: [i64; 5] = [9_600, 19_200, 38_400, 57_600, 115_200];
    let path = device_path(&section);
    let rate = section.number("baud", 9_600..=115_200, "baud");
    if let Some(At { value, place }) = &rate
        && !RATES.contains(value)
    {
        let known = RATES.map(|rate| rate.to_string()).join(", ");
        section.refuse(place, format!("`scanner.baud` is {value}; write one of: {known}"));
    }
    let kinds = [("none", None), ("gm65", Some(Kind::Gm65)), ("line", Some(Kind::Line))];
    let kind = section.choice("kind", &kinds);
    let triggers = [("none", Trigger::None), ("gm65", Trigger::Gm65), ("honeywell", Trigger::Honeywell)];
    let trigger = section.choice("trigger", &triggers);
    let usual = [&path.as_ref().map(|_| ()), &rate.as_ref().map(|_| ()), &trigger.as_ref().map(|_| ())];
    if kind.is_none() && usual.iter().any(|set| set.is_some()) {
        section.need("kind", None::<()>, "kind = \"gm65\", \"line\" or \"none\"");
    }
    let kind = kind.and_then(|at| at.value);
    if let (Some(Kind::Line), Some(At { value: Trigger::Gm65, place })) = (kind, &trigger) {
        section.refuse(place, "`scanner.trigger` is \"gm65\", which a scanner of kind \"line\" does not understand");
    }
    section.finish();
    let kind = kind?;
    let usual = if kind == Kind::Gm65 { Trigger::Gm65 } else { Trigger::None };
    let baud = rate.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(9_600);
    Some(ScannerConfig { path, baud, kind, trigger: trigger.map_or(usual, |at| at.value) })
}
