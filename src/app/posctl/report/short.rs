//! The short code of a report, and its picture.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::app::machine;
use crate::app::posctl::output::{number, text};
use crate::app::posctl::report::facts::Facts;
use crate::bus::client::Row;
use crate::diagnose::chronicle::{Machine, firmware};
use crate::diagnose::short_code::{CauseCode, DevicePart, Probed, ShortCode};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::outcome::TerminalState;
use crate::domain::time::WallTime;

/// What was found, as a code.
pub fn of(facts: &Facts, at: WallTime) -> ShortCode {
    let Machine { program, kernel, system } = machine::versions();
    let count = |key: &str| u32::try_from(number(&facts.queue, key)).unwrap_or(u32::MAX);
    let mut code = ShortCode {
        at,
        cause: cause(facts.cause()),
        terminal: TerminalState::from_word(text(&facts.terminal, "state")),
        reader: device(&facts.reader),
        keypad: device(&facts.keypad),
        program: version(text(&facts.manager, "version")).unwrap_or(program),
        firmware: firmware(text(&facts.reader, "firmware")),
        kernel,
        system,
        waiting: count("depth"),
        held: count("held"),
        reversals: count("reversals"),
        ..ShortCode::default()
    };
    for row in &facts.probes {
        code.probe(text(row, "component"), probed(row));
    }
    code
}

fn cause(word: &str) -> Option<CauseCode> {
    Cause::from_word(word).map(CauseCode::from)
}

fn device(row: &Row) -> DevicePart {
    DevicePart { state: DeviceState::from_word(text(row, "state")), cause: cause(text(row, "last_cause")) }
}

fn probed(row: &Row) -> Probed {
    // Older daemons say no finding, only the part's state.
    match [text(row, "finding"), text(row, "state")].into_iter().find(|word| !word.is_empty()) {
        None | Some("not-needed") => Probed::NotMade,
        Some("not-tried" | "not-run" | "timed-out") => Probed::NotPossible,
        Some("failed") => Probed::Bad,
        // The cause beside it is the part's last one, which the probe has just refuted.
        Some("worked") => Probed::Good,
        Some(_) if text(row, "cause").is_empty() => Probed::Good,
        Some(_) => Probed::Bad,
    }
}

fn version(text: &str) -> Option<(u8, u8, u8)> {
    let mut parts = text.split('.').map(str::parse);
    let mut next = || parts.next().and_then(Result::ok);
    Some((next()?, next()?, next()?))
}

/// The code as a QR code of block characters, with the quiet margin that scanners want. Nothing if it does not fit.
pub fn qr(code: &str) -> String {
    let picture = QrCode::with_error_correction_level(code, EcLevel::M);
    // Light on dark terminals: full blocks are the light modules.
    let drawn = picture.map(|qr| {
        qr.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build()
    });
    drawn.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnose::short_code::PROBES;
    use crate::domain::diagnosis::Step;

    #[test]
    fn a_row_of_the_diagnosis_becomes_a_verdict() {
        let verdict = |row: serde_json::Value| probed(row.as_object().unwrap());
        assert_eq!(verdict(json!({"component": "host", "state": "answered", "milliseconds": 3})), Probed::Good);
        assert_eq!(verdict(json!({"component": "host", "state": "failed", "cause": "N05"})), Probed::Bad);
        assert_eq!(verdict(json!({"component": "host", "state": "not-tried"})), Probed::NotPossible);
        assert_eq!(verdict(json!({"component": "keys", "state": "missing", "cause": "K04"})), Probed::Bad);
        let of = |finding: &str| verdict(json!({"component": "reader", "state": "starting", "finding": finding}));
        assert_eq!(of("worked"), Probed::Good);
        assert_eq!(of("failed"), Probed::Bad);
        assert_eq!(of("not-needed"), Probed::NotMade);
        assert_eq!([of("not-run"), of("timed-out")], [Probed::NotPossible; 2]);
        let mended = json!({"component": "host", "state": "answered", "finding": "worked", "cause": "N05"});
        assert_eq!(verdict(mended), Probed::Good, "the cause of before");
    }

    #[test]
    fn every_step_of_a_diagnosis_has_its_place() {
        let placed = |step: &Step| PROBES.contains(&step.as_str());
        let without: Vec<Step> = Step::ALL.iter().copied().filter(|step| !placed(step)).collect();
        // Reader and keypad have places of their own; no card payment misses a scanner; who is signed in is no fault.
        assert_eq!(without, [Step::Reader, Step::Keypad, Step::Scanner, Step::Operator]);
    }

    #[test]
    fn the_picture_is_square_and_has_a_margin() {
        let picture = qr("1ABCD-2ABCD-3ABCD-4ABCD-5ABCD-6ABCD-7ABCD-8ABCD");
        let wide = picture.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(picture.lines().count() * 2 >= wide && wide <= 45, "{picture}");
        assert!(picture.lines().next().unwrap().chars().all(|c| c == '█'), "{picture}");
    }
}
