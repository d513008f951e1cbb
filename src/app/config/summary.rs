//! A configuration in a few lines, for whoever checks it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Config, ReaderConfig, TamperConfig};
use crate::domain::link::{Endpoint, Trust};

/// What `posctl config check` shows of a good one.
pub(super) fn summary(config: &Config) -> String {
    let profile = &config.profile;
    let tls = match &profile.trust {
        Trust::Plain => "without TLS",
        Trust::TrainingHost => "training host",
        Trust::PinnedCa { .. } => "TLS, pinned authority",
        Trust::PinnedCertificate { .. } => "TLS, pinned certificate",
    };
    let path = |path: &Option<PathBuf>| path.as_ref().map_or("auto".to_owned(), |path| path.display().to_string());
    let addresses = profile.addresses.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(", ");
    let files = config.profile_files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" + ");
    let mut text = String::new();
    let rows = [
        ("terminal", format!("{} of merchant {}", config.terminal_id, config.merchant_id)),
        ("profile", format!("{} ({files})", config.profile_name)),
        ("host", format!("{addresses} ({tls})")),
        ("keys", format!("sign-in {}, MAC {}", profile.forms.sign_in.digits(), profile.mac.rule.method)),
        ("reader", reader_summary(&config.reader, path(&config.reader.path))),
        ("keypad", path(&config.keypad.path) + if config.keypad.keyboards { ", keyboards too" } else { "" }),
        ("tamper", config.tamper.as_ref().map_or("no input".to_owned(), tamper_summary)),
        (
            "scanner",
            config.scanner.as_ref().map_or("none".to_owned(), |s| format!("{}, {} baud", path(&s.path), s.baud)),
        ),
        ("state", config.state_dir.display().to_string()),
    ];
    for (name, value) in rows {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name:<9} {value}");
    }
    text
}

fn tamper_summary(tamper: &TamperConfig) -> String {
    format!("{}, open when {}", tamper.line, if tamper.active_high { "high" } else { "low" })
}

fn reader_summary(reader: &ReaderConfig, path: String) -> String {
    let mut text = format!("{path}, up to {} baud", reader.baud_max);
    if let Some(line) = &reader.reset_line {
        text += &format!(", reset line {line}");
    }
    text + if reader.usb_power { ", power cycle by USB" } else { "" }
}
