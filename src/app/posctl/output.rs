//! What is printed, and where: results on standard output, complaints on standard error.

use std::io::{IsTerminal, Write};

use serde_json::{Map, Value, json};

use crate::app::posctl::error::Fault;
use crate::app::posctl::text::pick;
use crate::domain::prompt::Language;

/// How to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// For people.
    pub language: Language,
    /// For programs instead.
    pub json: bool,
}

impl Voice {
    /// One of two texts.
    pub fn pick<T>(self, zh: T, en: T) -> T {
        pick(self.language, zh, en)
    }

    /// A line for people; nothing when a program listens.
    pub fn line(self, text: &str) {
        if !self.json {
            print(text);
        }
    }

    /// A line for programs; nothing when a person reads.
    pub fn object(self, value: &Value) {
        if self.json {
            print(&value.to_string());
        }
    }

    /// The one or the other.
    pub fn tell(self, value: &Value, text: impl FnOnce() -> String) {
        if self.json { self.object(value) } else { self.line(&text()) }
    }

    /// What went wrong: name, sentence, what to do.
    pub fn complain(self, fault: &Fault) {
        let (sentence, remedy) = (fault.sentence(self.language), fault.remedy(self.language));
        self.object(&json!({
            "event": "error",
            "error": {
                "name": fault.name(),
                "message": fault.sentence(Language::En),
                "remedy": fault.remedy(Language::En),
            },
        }));
        let arrow = self.pick("怎么办：", "What to do: ");
        complain(&format!("posctl: {}: {sentence}\n{arrow}{remedy}", fault.name()));
    }
}

/// Standard output that has gone (`posctl … | head`) is no reason to fail.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A line that is written over as it changes, where there is a terminal; elsewhere only its beginnings are printed.
#[derive(Default)]
pub struct LiveLine {
    open: Option<String>,
}

impl LiveLine {
    /// Shows `text`; a line of the same `topic` is replaced.
    pub fn show(&mut self, topic: &str, text: &str) {
        let again = self.open.as_deref() == Some(topic);
        let mut out = std::io::stdout().lock();
        if out.is_terminal() {
            let lead = match (again, self.open.is_some()) {
                (true, _) => "\r\x1b[K",
                (false, true) => "\n",
                (false, false) => "",
            };
            let _ = write!(out, "{lead}{text}");
        } else if !again {
            let _ = writeln!(out, "{text}");
        }
        let _ = out.flush();
        self.open = Some(topic.to_owned());
    }

    /// Ends the line.
    pub fn end(&mut self) {
        if self.open.take().is_some() && std::io::stdout().is_terminal() {
            print("");
        }
    }
}

/// Columns under each other. Chinese characters take two places on a terminal.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{FFEF}') { 2 } else { 1 }).sum()
}

/// The text of a key; "" if there is none.
pub fn text<'a>(row: &'a Map<String, Value>, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The number of a key; 0 if there is none.
pub fn number(row: &Map<String, Value>, key: &str) -> u64 {
    row.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// The truth of a key; false if there is none.
pub fn truth(row: &Map<String, Value>, key: &str) -> bool {
    row.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// Properties with their names as programs like them: `NextSignInAt` becomes `next_sign_in_at`.
pub fn snake_keys(row: &Map<String, Value>) -> Map<String, Value> {
    row.iter().map(|(name, value)| (snake(name), value.clone())).collect()
}

fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (i, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_names_become_snake_case() {
        assert_eq!(snake("NextSignInAt"), "next_sign_in_at");
        assert_eq!(snake("State"), "state");
    }

    #[test]
    fn columns_stand_under_each_other_in_chinese_too() {
        let rows = vec![vec!["读卡器".to_owned(), "正常".to_owned()], vec!["keypad".to_owned(), "ready".to_owned()]];
        assert_eq!(table(&rows), "读卡器  正常\nkeypad  ready");
        let rows = vec![vec!["a".to_owned(), "b".to_owned()], vec!["ccc".to_owned(), String::new()]];
        assert_eq!(table(&rows), "a    b\nccc");
    }
}
