//! `posctl report`: one file with everything a hotline needs and nothing it must not have, and a short code to read out.
//!
//! Owns: what goes in. Must not know: card data, keys, PINs: none of its sources has any, and every text passes
//! [`crate::diagnose::redact`] all the same. Works while the host is away, and as far as possible without the daemon.

mod archive;
mod configuration;
mod decode;
mod facts;
mod journal;
mod short;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::app::machine;
use crate::app::posctl::cli::ReportArguments;
use crate::app::posctl::error::Fault;
use crate::app::posctl::inventory;
use crate::app::posctl::output::Voice;
use crate::app::posctl::support;
use crate::app::posctl::transactions::time;
use crate::bus::BusAddress;
use crate::diagnose::redact::mask;
use crate::driver::clock;

pub use decode::decode;
use facts::Facts;
pub use short::qr as picture;

/// Makes the report.
pub async fn make(address: &BusAddress, arguments: &ReportArguments, voice: Voice) -> Result<(), Fault> {
    let now = clock::now().wall;
    let facts = facts::gather(address, arguments).await;
    let code = short::of(&facts, now).encode();
    let mut told = json!({
        "code": code,
        "running": facts.running(),
        "cause": facts.cause(),
        "support": support::of(&facts.manager, facts.cause()),
        "missing": facts.missing,
    });
    let file = if arguments.code { None } else { Some(write(&facts, &code, now.0, arguments)?) };
    if let Some(file) = &file {
        put(&mut told, "file", file.display().to_string());
    }
    voice.tell(&told, || lines(&facts, &code, file.as_deref(), voice).join("\n"));
    if arguments.qr {
        voice.line(&short::qr(&code));
    }
    Ok(())
}

/// Shown on the terminal: the code first, since that is what is read out.
fn lines(facts: &Facts, code: &str, file: Option<&Path>, voice: Voice) -> Vec<String> {
    let mut lines = vec![format!("{}{code}", voice.pick("短码：", "Short code: "))];
    if let Some(file) = file {
        lines.push(format!("{}{}", voice.pick("报告文件：", "Report: "), file.display()));
    }
    for what in &facts.missing {
        lines.push(format!("{}{what}", voice.pick("缺少：", "Left out: ")));
    }
    let cause = facts.cause();
    if !cause.is_empty() {
        let (what, remedy) = crate::app::posctl::cause::explain(cause, voice.language);
        lines.push(format!("{}{what}", voice.pick("原因：", "Cause: ")));
        lines.push(format!("{}{remedy}", voice.pick("怎么办：", "What to do: ")));
    }
    lines.extend(support::lines(&facts.manager, cause, voice));
    lines
}

fn write(facts: &Facts, code: &str, at: u64, arguments: &ReportArguments) -> Result<PathBuf, Fault> {
    let file = arguments.file.clone().unwrap_or_else(|| {
        let stamp: String = time(at).chars().filter(char::is_ascii_digit).collect();
        PathBuf::from(format!("smartposd-report-{stamp}.tar.gz"))
    });
    let (lines, seen) = journal::excerpt();
    let report = clean(report(facts, code, at, &seen));
    let pretty = serde_json::to_string_pretty(&report).unwrap_or_default();
    let parts = [
        ("report.json", pretty),
        ("journal.jsonl", lines.into_iter().map(|line| clean(line).to_string() + "\n").collect()),
        ("code.txt", format!("{code}\n")),
    ];
    archive::write(&file, at / 1_000_000, &parts)
        .map_err(|source| Fault::Machine { doing: file.display().to_string(), source })?;
    Ok(file)
}

fn report(facts: &Facts, code: &str, at: u64, journal: &str) -> Value {
    json!({
        "form": 1,
        "made-at": at,
        "made-at-utc": time(at),
        "code": code,
        "daemon": if facts.running() { "running" } else { "not reached" },
        "left-out": facts.missing,
        "symptom": facts.symptom(),
        "timeline": facts.timeline,
        "decisions": facts.decisions,
        "faults": facts.faults,
        "mended": facts.mended,
        "hints": facts.manager.get("hints"),
        "notices": facts.manager.get("notices"),
        "training": facts.manager.get("training"),
        "probes": facts.probes,
        "queue": facts.queue,
        "capabilities": facts.manager.get("capabilities"),
        "support": facts.manager.get("support_contacts"),
        "versions": {
            "posctl": env!("CARGO_PKG_VERSION"),
            "smartposd": facts.manager.get("version"),
            "kernel": machine::kernel(),
            "system": machine::system("PRETTY_NAME"),
            "reader": facts.device(&facts.reader),
            "keypad": facts.device(&facts.keypad),
            "scanner": facts.scanner.as_ref().map(|row| facts.device(row)),
            "libraries": libraries(),
        },
        "inventory": inventory::value(&inventory::take(&facts.manager, &facts.reader, &facts.keypad, &facts.config)),
        "configuration": facts.configuration,
        "journal": journal,
    })
}

/// Every text once more under the glass; numbers stay, since nothing counts cards.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text)),
        Value::Array(all) => all.into_iter().map(clean).collect(),
        Value::Object(all) => {
            all.into_iter().map(|(key, value)| (mask(&key), clean(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

fn put(object: &mut Value, key: &str, value: String) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
}

/// Name and version of every library that the program was built with.
fn libraries() -> Value {
    let lock = include_str!("../../../../Cargo.lock");
    let mut found = Map::new();
    let mut name = None;
    for line in lock.lines() {
        let quoted = |key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
        if let Some(text) = quoted("name") {
            name = Some(text.to_owned());
        } else if let (Some(version), Some(name)) = (quoted("version"), name.take()) {
            found.insert(name, version.into());
        }
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_card_number_passes_wherever_it_stands() {
        let dirty =
            json!({"a": ["card 6200000000000000018", {"4000000000000002": 1}], "n": 6_200_000_000_000_000_018u64});
        let clean = clean(dirty).to_string();
        assert!(!clean.contains("card 6200000000000000018") && !clean.contains("\"4000000000000002"), "{clean}");
    }

    #[test]
    fn the_libraries_are_named_with_their_versions() {
        let all = libraries();
        assert!(all["rusqlite"].as_str().unwrap().starts_with("0."), "{all}");
    }
}
