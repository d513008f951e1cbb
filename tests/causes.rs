//! What it proves: no error path of the program is without a cause of the catalogue or a reason for having none, every
//! cause is named by the program itself and not only by its tests, and what the journal prints below a line is what the
//! program says.
//!
//! Reads the sources as text, as `tidy.rs` does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use smartpos::diagnose::message_catalogue;
use smartpos::domain::cause::Cause;
use smartpos::domain::prompt::Language;
use smartpos::domain::response::ResponseAction;
use smartpos::engine::answer::cause_of;
use smartpos::host::profile::{Profile, Source};

/// Errors that name no cause themselves, and why.
const WITHOUT: [(&str, &str); 25] = [
    ("app/posctl/devices/rule.rs::RuleError", "what a person typed for posctl devices mark; no fault of the terminal"),
    ("diagnose/symbols.rs::CodeError", "a short code that a person mistyped"),
    ("domain/diagnosis.rs::Fault", "what one probe saw; the decision tree weighs all of them and names the cause"),
    ("app/config.rs::ConfigError", "said on stderr before there is a terminal; `posctl config check` names the line"),
    (
        "app/config/training.rs::TrainingError",
        "said on stderr before there is a terminal, and nothing real depends on it",
    ),
    ("app/posctl/error.rs::Fault", "what a person typed, or a refusal that brings its own cause"),
    ("app/posctl/error.rs::SecretFault", "what a person typed"),
    ("app/restore.rs::RestoreError", "a command that a person runs while no daemon does"),
    (
        "bus/error.rs::ServeError",
        "without a bus there is nobody to tell; said on stderr, in the status and the journal",
    ),
    ("codec/apdu.rs::ApduError", "becomes a TapFailure, which has one"),
    ("codec/dol.rs::DolError", "becomes a TapFailure, which has one"),
    ("codec/iso8583/error.rs::DecodeErrorKind", "S06 behind a right header, else N08: host/session/failure.rs"),
    ("codec/iso8583/error.rs::EncodeError", "part of RequestError, which has one"),
    ("codec/tlv.rs::TlvErrorKind", "becomes a TapFailure, which has one"),
    (
        "driver/gpio.rs::GpioError",
        "what a reset line was to mend has its cause (H02); of the tamper input it is evidence of H09",
    ),
    ("driver/usb.rs::UsbError", "a measure that cannot be taken; what it was to mend has its cause (H02)"),
    ("engine/command.rs::RefusalKind", "the bus error; the Refusal beside it carries the cause"),
    ("host/ceremony.rs::CeremonyError", "what a custodian typed; the key that is missing is K04"),
    ("host/mac.rs::MacError", "part of RequestError, which has one"),
    ("host/track.rs::TrackError", "part of RequestError, which has one"),
    ("keypad/keymap.rs::KeymapError", "a complaint about the configuration, before there is a terminal"),
    ("reader/pn532/command.rs::AnswerError", "a bad exchange: counted for H03, and H02 when they go on"),
    ("store/backup.rs::BackupError", "a person waits for it; what concerns this disk is P02: app/core_loop/books.rs"),
    ("domain/offline.rs::OfflineRefusal", "a limit, mapped by engine/offline.rs::offline_cause"),
    ("reader/pn532/exchange.rs::Trouble", "one bad exchange: counted for H03, and H02 when they go on"),
];

/// Causes that the program does not name yet, and why.
const NOT_NAMED: [(Cause, &str); 1] = [(Cause::H08, "this version drives no display: prompts go to D-Bus")];

/// Files that only sort causes, and name none.
const SORTERS: [&str; 3] = ["domain/cause.rs", "engine/offline.rs", "bus/explain.rs"];

struct File {
    path: String,
    text: String,
}

/// The product's sources, without tests, simulators and proofs; comments left out.
fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut open, mut found) = (vec![root.clone()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if inside.ends_with(".rs") && !is_test(&inside) && !inside.starts_with("sim/") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
                let lines: Vec<_> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
                found.push(File { path: inside, text: lines.join("\n") });
            }
        }
    }
    assert!(found.len() > 100, "the sources were not found");
    found
}

fn is_test(path: &str) -> bool {
    path.starts_with("proof/") || path.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "fake.rs")
}

/// Names of what can go wrong: enums, and word lists, by their endings.
fn failures(source: &File) -> Vec<String> {
    const ENDINGS: [&str; 8] =
        ["Error", "ErrorKind", "Failure", "FailureKind", "Fault", "Refusal", "RefusalKind", "Trouble"];
    let mut names = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let word = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
        let declared = line.split_once("enum ").map(|(_, rest)| word(rest));
        // `words! {` is followed by the name and a brace.
        let listed = line
            .strip_suffix(" {")
            .filter(|_| source.text.lines().nth(at.wrapping_sub(1)).is_some_and(|l| l.ends_with("words! {")))
            .map(|name| word(name.trim()));
        names.extend(declared.or(listed).filter(|name| ENDINGS.iter().any(|e| name.ends_with(e))));
    }
    names
}

/// The body of `fn cause` in the type's own block.
fn mapping<'a>(source: &'a File, name: &str) -> Option<&'a str> {
    let head = format!("impl {name} {{");
    let own = source.text.split(head.as_str()).skip(1);
    own.filter_map(|block| {
        let block = block.split("\n}\n").next()?;
        let body = block.split("fn cause(").nth(1)?;
        body.split("\n    }").next()
    })
    .next()
}

#[test]
fn every_error_path_has_a_cause_or_a_reason_for_having_none() {
    let (mut wrong, mut seen, mut mapped) = (Vec::new(), BTreeSet::new(), 0);
    for source in &sources() {
        for name in failures(source) {
            let key = format!("{}::{name}", source.path);
            let listed = WITHOUT.iter().any(|(listed, reason)| *listed == key && !reason.is_empty());
            match mapping(source, &name) {
                Some(_) if listed => wrong.push(format!("{key} has a cause and is on the list without")),
                Some(body) if body.contains("_ =>") || !body.contains("match") => {
                    wrong.push(format!("{key}: its cause is not one exhaustive match"));
                }
                Some(_) => mapped += 1,
                None if !listed => wrong.push(format!("{key}: no fn cause, and not on the list of those without")),
                None => {}
            }
            seen.insert(key);
        }
    }
    assert!(wrong.is_empty(), "error paths without a cause:\n{}", wrong.join("\n"));
    assert!(mapped > 8, "only {mapped} errors with a cause were found");
    let stale: Vec<_> = WITHOUT.iter().filter(|(key, _)| !seen.contains(*key)).collect();
    assert!(stale.is_empty(), "on the list, but not in the sources: {stale:?}");
}

/// Whether the cause at this place is given, not asked for.
fn is_given(before: &str, after: &str) -> bool {
    let before = before.trim_end().trim_end_matches("Some(").trim_end();
    let after = after.trim_start().trim_start_matches(')').trim_start();
    let pattern = after.starts_with("=>") || after.starts_with("if ") || after.starts_with('|');
    let alternative = before.ends_with('|') && !before.ends_with("||");
    let compared = before.ends_with("==") || before.ends_with("!=");
    !(pattern || alternative || compared)
}

fn named(cause: Cause, sources: &[File]) -> bool {
    let marker = format!("Cause::{cause}");
    sources
        .iter()
        .filter(|s| !SORTERS.contains(&s.path.as_str()))
        .filter(|s| {
            !s.path.starts_with("diagnose/") || ["diagnose/tree.rs", "diagnose/upkeep.rs"].contains(&s.path.as_str())
        })
        .any(|s| s.text.match_indices(&marker).any(|(at, _)| is_given(&s.text[..at], &s.text[at + marker.len()..])))
}

#[test]
fn every_cause_is_named_by_the_program_itself() {
    let sources = sources();
    let mut wrong = Vec::new();
    for cause in Cause::ALL {
        let excused = NOT_NAMED.iter().any(|(listed, reason)| listed == cause && !reason.is_empty());
        match (named(*cause, &sources), excused) {
            (false, false) => wrong.push(format!("{cause} is never named")),
            (true, true) => wrong.push(format!("{cause} is named now: take it off the list")),
            (true, false) | (false, true) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn naming_and_asking_for_a_cause_are_told_apart() {
    assert!(is_given("Refusal::because(kind, ", ", text)"));
    assert!(is_given("State::Absent => (DeviceState::Absent, Some(", ")),\n"));
    assert!(!is_given("match cause {\n    ", " => true"));
    assert!(!is_given("Some(", ") => true"));
    assert!(!is_given("Cause::N01\n        | ", "\n        | Cause::N03 => true"));
    assert!(!is_given("if cause == ", " {"));
}

#[test]
fn every_response_that_stops_more_than_one_card_has_a_cause() {
    let text = include_str!("../src/host/profiles/unionpay-example.toml");
    let source = Source { file: "unionpay-example.toml".to_owned(), text: text.to_owned() };
    let profile = Profile::read(&[source]).unwrap();
    let mut seen = 0;
    for code in (0..=99).map(|n| format!("{n:02}")).chain(["A0".to_owned()]) {
        let response = profile.responses.resolve(&code);
        let alone = response.action == ResponseAction::None || response.approved();
        assert!(alone || cause_of(&response).is_some(), "{code}: {}", response.en);
        seen += usize::from(!alone);
    }
    assert!(seen > 10, "the table was not read");
}

fn catalogue(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

/// `UPDATE_CATALOGUE=1 cargo test --test causes` writes the files anew.
#[test]
fn the_files_for_journalctl_are_made_of_the_same_data() {
    for (name, language) in [("smartposd.catalog", Language::En), ("smartposd.zh_CN.catalog", Language::Zh)] {
        let (path, made) = (catalogue(name), message_catalogue::file(language));
        if std::env::var_os("UPDATE_CATALOGUE").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == made, "systemd/{name} is out of date: UPDATE_CATALOGUE=1 cargo test --test causes");
    }
    let installed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("debian/smartposd.install")).unwrap();
    assert!(installed.contains("systemd/*.catalog usr/lib/systemd/catalog"), "the catalogue is not installed");
}

#[test]
fn every_line_of_the_journal_names_what_has_happened() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources().iter().filter(|s| s.path != "app/journal.rs") {
        for macro_name in ["tracing::info!(", "tracing::warn!(", "tracing::error!(", "tracing::event!("] {
            for (at, _) in source.text.match_indices(macro_name) {
                let call: String = source.text[at..].chars().take(400).collect();
                let call = call.split(");").next().unwrap();
                seen += 1;
                for field in ["POS_EVENT", "POS_COMPONENT"] {
                    if !call.contains(field) {
                        let line = source.text[..at].lines().count();
                        wrong.push(format!("{} (about line {line}): no {field}", source.path));
                    }
                }
            }
        }
    }
    assert!(seen > 15, "the sources were not searched");
    assert!(
        wrong.is_empty(),
        "journal lines that name no event of diagnose/events.rs, as POS_EVENT = JournalEvent::X.as_str():\n{}",
        wrong.join("\n")
    );
}
