//! Undervoltage and heat, where the machine tells: the throttling word of a Raspberry Pi, or its voltage alarm.

use std::path::Path;

use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Fault, Finding, Found, Step};

/// The firmware's throttling word, as `vcgencmd get_throttled` shows it.
const THROTTLED: &str = "devices/platform/soc/soc:firmware/get_throttled";
/// What is so now; 16 bits higher the same since the start.
const NOW: [(u32, &str); 4] =
    [(1, "undervoltage"), (2, "clock held back"), (4, "throttled"), (8, "near the highest temperature")];

/// Looks at the sensors below `sys`.
pub fn power(sys: &Path) -> Finding {
    if let Some(word) = std::fs::read_to_string(sys.join(THROTTLED)).ok().and_then(|text| hexadecimal(&text)) {
        return throttled(word);
    }
    match alarm(sys) {
        Some(true) => failed("the voltage alarm is on"),
        Some(false) => Finding::new(Step::Power, Found::Worked, "no voltage alarm"),
        None => Finding::new(Step::Power, Found::NotRun, "this machine has no sensor for it"),
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    let text = text.trim();
    u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

fn throttled(word: u32) -> Finding {
    let named = |word: u32| NOW.iter().filter(|(bit, _)| word & bit != 0).map(|(_, name)| *name).collect::<Vec<_>>();
    let (now, before) = (named(word), named(word >> 16));
    if !now.is_empty() {
        return failed(&format!("now: {}", now.join(", ")));
    }
    let seen =
        if before.is_empty() { "never short".to_owned() } else { format!("since the start: {}", before.join(", ")) };
    Finding::new(Step::Power, Found::Worked, seen)
}

fn failed(seen: &str) -> Finding {
    Finding::new(Step::Power, Found::Failed(Fault::Known(Cause::P03)), seen)
}

/// The alarm of the driver `rpi_volt`.
fn alarm(sys: &Path) -> Option<bool> {
    for entry in std::fs::read_dir(sys.join("class/hwmon")).ok()?.flatten() {
        let name = std::fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if name.trim() == "rpi_volt" {
            let text = std::fs::read_to_string(entry.path().join("in0_lcrit_alarm")).ok()?;
            return Some(text.trim() != "0");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_the_firmware_is_read_for_now_and_before() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(power(sys.path()).found, Found::NotRun);
        let file = sys.path().join(THROTTLED);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        for (word, found) in [("0\n", Found::Worked), ("50000\n", Found::Worked), ("0x50005\n", failed("").found)] {
            std::fs::write(&file, word).unwrap();
            assert_eq!(power(sys.path()).found, found, "{word}");
        }
        assert!(power(sys.path()).evidence.contains("undervoltage, throttled"));
    }

    #[test]
    fn the_alarm_of_the_hardware_monitor_will_do() {
        let sys = tempfile::tempdir().unwrap();
        let at = sys.path().join("class/hwmon/hwmon0");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("name"), "rpi_volt\n").unwrap();
        std::fs::write(at.join("in0_lcrit_alarm"), "1\n").unwrap();
        assert_eq!(power(sys.path()).found, failed("").found);
        std::fs::write(at.join("in0_lcrit_alarm"), "0\n").unwrap();
        assert_eq!(power(sys.path()).found, Found::Worked);
    }
}
