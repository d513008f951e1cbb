//! Everything that is asked of the daemon and the machine, with a note of what could not be had.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::app::faults;
use crate::app::posctl::cli::ReportArguments;
use crate::app::posctl::output::{snake_keys, text};
use crate::app::posctl::report::configuration;
use crate::bus::BusAddress;
use crate::bus::client::{Client, ClientError, Row};
use crate::domain::prompt::Language;

/// Rows of the journal of decisions that go in.
const DECISIONS: usize = 200;
/// Rows that the daemon gives at once.
const PAGE: u32 = 1_000;
/// Pages of it that are read to find the last rows: reports must not take for ever.
const MAX_PAGES: u32 = 50;
/// Rows of the ledger of self-healing that go in.
const MENDED: u32 = 50;
/// What of a decision goes in: no amounts, no notes of people, no operators.
const OPEN: [&str; 15] = [
    "what",
    "id",
    "kind",
    "code",
    "state",
    "outcome",
    "response",
    "cause",
    "mode",
    "forwarding",
    "reversed",
    "reason",
    "refusal",
    "attempts",
    "batch",
];
/// What of the terminal goes in.
const SYMPTOM: [&str; 10] = [
    "state",
    "cause",
    "evidence",
    "terminal_id",
    "merchant_id",
    "batch",
    "supervisor_set",
    "next_sign_in_at",
    "signed_in_at",
    "prompt",
];

/// What was found.
#[derive(Default)]
pub struct Facts {
    pub manager: Row,
    pub terminal: Row,
    pub reader: Row,
    pub keypad: Row,
    /// Of the code scanner, where one is configured.
    pub scanner: Option<Row>,
    pub queue: Row,
    pub keys: Row,
    pub probes: Vec<Row>,
    pub faults: Vec<Row>,
    pub timeline: Vec<Row>,
    pub mended: Vec<Row>,
    pub decisions: Vec<Value>,
    pub configuration: Value,
    pub missing: Vec<String>,
    pub config: PathBuf,
    reached: bool,
}

impl Facts {
    /// Whether the daemon answered.
    pub fn running(&self) -> bool {
        self.reached
    }

    /// What is wrong: the terminal's own cause, or what the diagnosis has found.
    pub fn cause(&self) -> &str {
        let verdict = self.probes.iter().find(|row| text(row, "component") == "verdict");
        let found = verdict.map_or("", |row| text(row, "cause"));
        [text(&self.terminal, "cause"), found].into_iter().find(|cause| !cause.is_empty()).unwrap_or_default()
    }

    /// What is wrong, in the terminal's own words.
    pub fn symptom(&self) -> Value {
        let shown = self.terminal.iter().filter(|(key, _)| SYMPTOM.contains(&key.as_str()));
        let terminal: Map<String, Value> = shown.map(|(key, value)| (key.clone(), value.clone())).collect();
        json!({
            "health": self.manager.get("health"),
            "components": self.manager.get("components"),
            "terminal": terminal,
            "keys": self.keys,
        })
    }

    /// What a device is and how it is.
    pub fn device(&self, row: &Row) -> Value {
        json!({"state": text(row, "state"), "model": text(row, "model"), "firmware": text(row, "firmware"),
            "cause": text(row, "last_cause")})
    }

    fn note(&mut self, what: &str, why: &ClientError) {
        self.missing.push(format!("{what}: {why}"));
    }
}

/// Asks everybody.
pub async fn gather(address: &BusAddress, arguments: &ReportArguments) -> Facts {
    let mut facts = Facts { config: arguments.config.clone(), ..Facts::default() };
    let (shown, state_dir) = configuration::read(&arguments.config);
    facts.configuration = shown;
    match Client::connect(address).await {
        Ok(client) => ask(&mut facts, &client, arguments).await,
        Err(why) => facts.note("smartposd", &why),
    }
    if !facts.reached {
        kept(&mut facts, &state_dir);
    }
    facts
}

async fn ask(facts: &mut Facts, client: &Client, arguments: &ReportArguments) {
    match client.manager().await {
        Ok(row) => {
            facts.reached = true;
            facts.manager = snake_keys(&row);
        }
        Err(why) => return facts.note("smartposd", &why),
    }
    macro_rules! take {
        ($into:ident, $call:ident, $what:literal, $read:expr) => {
            match client.$call().await {
                Ok(found) => facts.$into = $read(found),
                Err(why) => facts.note($what, &why),
            }
        };
    }
    take!(terminal, terminal, "terminal", |row: Row| snake_keys(&row));
    take!(reader, reader, "reader", |row: Row| snake_keys(&row));
    take!(keypad, keypad, "keypad", |row: Row| snake_keys(&row));
    facts.scanner = client.scanner().await.map(|row| snake_keys(&row));
    take!(queue, queue, "queue", |row: Row| snake_keys(&row));
    take!(keys, keys, "keys", |row: Row| snake_keys(&row));
    take!(faults, last_faults, "faults", |rows| rows);
    take!(timeline, timeline, "timeline", |rows| rows);
    match client.heal_log(MENDED).await {
        Ok(rows) => facts.mended = rows,
        Err(why) => facts.note("what mended itself", &why),
    }
    take!(probes, run_diagnosis, "probes", |rows| rows);
    if !arguments.code {
        match decisions(client).await {
            Ok(rows) => facts.decisions = rows,
            Err(why) => facts.note("decisions", &why),
        }
    }
}

/// The last rows of the journal of decisions, without anything of persons.
async fn decisions(client: &Client) -> Result<Vec<Value>, ClientError> {
    let mut last: Vec<Value> = Vec::new();
    let mut after = 0;
    for _ in 0..MAX_PAGES {
        let rows = client.export_journal(after, PAGE).await?;
        let Some(number) = rows.last().map(|row| row.number) else { break };
        let full = u32::try_from(rows.len()).is_ok_and(|n| n == PAGE);
        last.extend(rows.iter().map(|row| json!({"at": row.at, "entry": opened(&row.entry)})));
        last.drain(..last.len().saturating_sub(DECISIONS));
        if !full {
            break;
        }
        after = number;
    }
    Ok(last)
}

fn opened(entry: &str) -> Vec<Map<String, Value>> {
    let lines: Vec<Map<String, Value>> = serde_json::from_str(entry).unwrap_or_default();
    lines.into_iter().map(|line| line.into_iter().filter(|(key, _)| OPEN.contains(&key.as_str())).collect()).collect()
}

/// What the daemon left on disk.
fn kept(facts: &mut Facts, state_dir: &Path) {
    let file = state_dir.join(faults::FILE);
    match faults::read(&file) {
        Ok(notes) => {
            facts.faults = notes
                .iter()
                .filter_map(|note| {
                    let row = json!({"at": note.at.0, "cause": note.cause.as_str(), "code": note.code,
                        "times": note.times, "active": false});
                    row.as_object().cloned()
                })
                .collect();
        }
        Err(why) => facts.missing.push(format!("{}: {why}", file.display())),
    }
}

/// The words for what a part of the report is about; nothing else is translated in it.
pub fn heading(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::Zh => ("探测", "结果"),
        Language::En => ("probe", "result"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_decision_only_what_concerns_no_person_goes_in() {
        let entry = r#"[{"what":"created","id":1,"uid":1000,"amount":12800,"operator":"01","note":"called Mr Li","cause":"N05"}]"#;
        let text = serde_json::to_string(&opened(entry)).unwrap();
        assert_eq!(text, r#"[{"cause":"N05","id":1,"what":"created"}]"#);
        assert!(opened("no JSON").is_empty());
    }
}
