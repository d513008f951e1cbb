//! The files of an acquirer's profile: which there are, and in which order they count.

use std::path::{Path, PathBuf};

use crate::host::profile::Source;
use crate::host::settings::{At, Complaints, Place, parse};

/// How many profiles may stand on top of each other.
const DEEPEST_BASE: usize = 4;

/// All files of a profile, the most general first.
pub(super) fn gather(name: &At<String>, dirs: &[PathBuf], complaints: &Complaints) -> Option<Vec<Source>> {
    let mut gathered: Vec<Source> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut next = Some(name.clone());
    while let Some(At { value: name, place }) = next.take() {
        if seen.contains(&name) || seen.len() >= DEEPEST_BASE {
            seen.push(name);
            complaints.add(&place, format!("`base` goes round or too deep ({}); remove one", seen.join(" on ")));
            return None;
        }
        let mut found = Vec::new();
        for dir in dirs {
            found.extend(read_file(&dir.join(format!("{name}.toml")), &place, complaints)?);
        }
        if found.is_empty() {
            complaints.add(&place, not_found(&name, dirs));
            return None;
        }
        // The last directory's word counts.
        next = found.iter().rev().find_map(base_of);
        found.append(&mut gathered);
        gathered = found;
        seen.push(name);
    }
    Some(gathered)
}

fn base_of(source: &Source) -> Option<At<String>> {
    let (place, value) = parse(&source.file, &source.text).ok()?.take_text("base")?;
    Some(At { value, place })
}

/// The file, `Some(None)` if there is none, `None` if it cannot be read.
fn read_file(path: &Path, place: &Place, complaints: &Complaints) -> Option<Option<Source>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(Some(Source { file: path.display().to_string(), text })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(None),
        Err(error) => {
            complaints.add(place, format!("{}: {error}", path.display()));
            None
        }
    }
}

fn not_found(name: &str, dirs: &[PathBuf]) -> String {
    let mut known: Vec<String> = dirs
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    known.sort();
    known.dedup();
    let places = dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" or ");
    let known =
        if known.is_empty() { "no profile is there".to_owned() } else { format!("there is: {}", known.join(", ")) };
    format!("profile \"{name}\" is not in {places}; {known}")
}

pub(super) fn certificate_problem(file: &Path) -> Option<String> {
    match std::fs::read_to_string(file) {
        Err(error) => Some(format!("{}: {error}; put the acquirer's certificate there", file.display())),
        Ok(text) if !text.contains("-----BEGIN CERTIFICATE-----") => {
            Some(format!("{}: no PEM certificate in it; convert it with openssl x509", file.display()))
        }
        Ok(_) => None,
    }
}
