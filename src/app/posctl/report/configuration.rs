//! The configuration as it goes into a report: only settings that are named here.
//!
//! A list of what is allowed, not of what is secret: a setting that somebody adds tomorrow stays out until it is put here.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::app::config::{self, STATE_DIR};

/// Settings of `smartposd.toml`, with their tables.
const OPEN: [&str; 27] = [
    "terminal_id",
    "merchant_id",
    "profile",
    "profile_dirs",
    "state_dir",
    "operator_required",
    "confirm_amount",
    "language",
    "journal",
    "reader.path",
    "reader.baud_max",
    "reader.reset_line",
    "reader.power_cycle",
    "keypad.path",
    "keypad.keyboards",
    "scanner.path",
    "scanner.baud",
    "scanner.kind",
    "scanner.trigger",
    "support.shop.name",
    "support.shop.phone",
    "support.shop.hours",
    "support.shop.url",
    "support.acquirer.name",
    "support.acquirer.phone",
    "support.acquirer.hours",
    "support.acquirer.url",
];

/// What may be shown of the file, with the check's verdict, and where the state is.
pub fn read(path: &Path) -> (Value, PathBuf) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) => return (json!({"file": path.display().to_string(), "error": why.to_string()}), STATE_DIR.into()),
    };
    let table: toml::Table = text.parse().unwrap_or_default();
    let (mut shown, mut hidden) = (Map::new(), 0);
    collect(&table, "", &mut shown, &mut hidden);
    let state_dir = table.get("state_dir").and_then(toml::Value::as_str).unwrap_or(STATE_DIR).into();
    // The check says what the whole amounts to, profile included; complaints may quote what was written, so only their
    // number goes in.
    let check = match config::check(path) {
        Ok(summary) => json!({"ok": true, "summary": summary.lines().collect::<Vec<_>>()}),
        Err(complaints) => json!({"ok": false, "complaints": complaints.len()}),
    };
    let file = path.display().to_string();
    (json!({"file": file, "settings": shown, "settings-left-out": hidden, "check": check}), state_dir)
}

fn collect(table: &toml::Table, path: &str, shown: &mut Map<String, Value>, hidden: &mut u32) {
    for (key, value) in table {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inside) => collect(inside, &name, shown, hidden),
            value if OPEN.contains(&name.as_str()) => {
                shown.insert(name, serde_json::to_value(value).unwrap_or_default());
            }
            _ => *hidden += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_on_the_list_are_shown() {
        let text = "terminal_id = \"99000001\"\npassword = \"open sesame\"\nlicence = \"0000\"\n[reader]\nbaud_max = 9600\n\
                    secret = 1\n[keypad.keys]\nKEY_A = \"clear\"\n[support.shop]\nphone = \"95516\"\n";
        let (mut shown, mut hidden) = (Map::new(), 0);
        collect(&text.parse().unwrap(), "", &mut shown, &mut hidden);
        let text = Value::from(shown).to_string();
        assert_eq!(text, r#"{"reader.baud_max":9600,"support.shop.phone":"95516","terminal_id":"99000001"}"#);
        assert_eq!(hidden, 4);
    }
}
