//! What it proves: the arrows of the floor plan hold, and the tree keeps its habits.
//!
//! Reads the sources as text; see `src/ARCHITECTURE.md` for the rules.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may know.
const ARROWS: [(&str, &[&str]); 14] = [
    ("domain", &["domain"]),
    ("codec", &["codec", "domain"]),
    ("reader", &["reader", "codec", "domain"]),
    ("host", &["host", "codec", "domain"]),
    ("keypad", &["keypad", "domain"]),
    ("scanner", &["scanner", "codec", "domain"]),
    ("engine", &["engine", "domain"]),
    ("diagnose", &["diagnose", "domain"]),
    ("store", &["store", "engine", "domain"]),
    ("driver", &["driver", "engine", "domain"]),
    ("bus", &["bus", "diagnose", "engine", "domain"]),
    ("sim", &["sim", "codec", "domain"]),
    ("proof", &["proof", "store", "engine", "domain"]),
    (
        "app",
        &[
            "app", "bus", "codec", "diagnose", "domain", "driver", "engine", "host", "keypad", "reader", "scanner",
            "store",
        ],
    ),
];

/// Crates and the only rooms that may use them.
const CRATES: [(&str, &[&str]); 8] = [
    ("tokio", &["driver", "bus", "app"]),
    ("zbus", &["bus"]),
    // The proof reads the tables as a stranger would.
    ("rusqlite", &["store", "proof"]),
    ("sqlite_vfs", &["proof"]),
    ("evdev", &["driver", "sim"]),
    ("tokio_serial", &["driver"]),
    ("linux_embedded_hal", &["driver"]),
    ("embedded_hal", &["driver"]),
];

struct Source {
    room: String,
    path: PathBuf,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let room = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
                if room != "lib.rs" && room != "bin" {
                    let text = fs::read_to_string(&path).unwrap();
                    found.push(Source { room, path: inside.to_owned(), text });
                }
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "tests.rs")
    }
}

/// The product part of a file: comments, and everything from its first test module on, left out.
fn product(source: &Source) -> String {
    if source.is_test() {
        return String::new();
    }
    let text = source.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn words_after<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = String> + 'a {
    text.match_indices(marker).map(move |(at, _)| {
        let rest = &text[at + marker.len()..];
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    })
}

#[test]
fn every_room_knows_only_the_rooms_it_may() {
    let mut wrong = Vec::new();
    for source in sources() {
        let allowed =
            ARROWS.iter().find(|a| a.0 == source.room).unwrap_or_else(|| panic!("no rule for {}", source.room)).1;
        for word in words_after(&product(&source), "crate::") {
            if ARROWS.iter().any(|a| a.0 == word) && !allowed.contains(&word.as_str()) {
                wrong.push(format!("{} uses {word}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not in the floor plan:\n{}", wrong.join("\n"));
}

#[test]
fn every_outside_library_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        let text = product(&source);
        for (name, rooms) in CRATES {
            let marker = format!("{name}::");
            let used = text.match_indices(&marker).any(|(at, _)| {
                let before = text[..at].chars().next_back();
                !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            });
            if used && !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{} uses {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "libraries outside their rooms:\n{}", wrong.join("\n"));
}

#[test]
fn clocks_are_read_in_one_place_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        let text = product(&source);
        let reads = ["Instant::now", "SystemTime::now", "clock_gettime"].iter().any(|c| text.contains(c));
        let room = source.path.ends_with("driver/clock.rs") || source.path.ends_with("sim/clock.rs");
        if reads && !room {
            wrong.push(source.path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "clocks read outside driver/clock and sim/clock:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let all = sources();
    let silent: Vec<_> = all.iter().filter(|s| !s.is_test() && !s.text.starts_with("//!")).map(|s| &s.path).collect();
    assert!(silent.is_empty(), "modules without a header: {silent:?}");
}

#[test]
fn tests_do_not_sleep() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut open = vec![root];
    let mut wrong = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("corpus") {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tidy.rs") {
                let text = fs::read_to_string(&path).unwrap();
                if text.contains("thread::sleep(") || text.contains("time::sleep(") {
                    wrong.push(path);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "wait for the condition instead of sleeping: {wrong:?}");
}

#[test]
fn the_top_level_stays_calm() {
    const KNOWN: [&str; 13] = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "systemd",
        "udev",
        "debian",
        "tests",
        "README.md",
        "benches",
        "LICENSE",
        "rustfmt.toml",
        "target",
        "clippy.toml",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let strange: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|n| !n.starts_with('.') && !KNOWN.contains(&n.as_str()))
        .collect();
    assert!(strange.is_empty(), "new things at the top level: {strange:?}");
}
