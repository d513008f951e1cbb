//! The faults of late, the changes before them, and whom to call, as rows.

use std::collections::BTreeMap;

use zbus::Variant;

use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate, Visit};
use crate::bus::result::{Row, put_text};
use crate::bus::terminal::unexpected;
use crate::diagnose::who::party;
use crate::domain::fault::{FaultNote, Moment};
use crate::domain::support::{Contacts, Party};
use crate::engine::command::{Command, Reply};

/// What is configured, by whose support it is.
pub(super) fn contacts(contacts: &Contacts) -> BTreeMap<&'static str, BTreeMap<&'static str, String>> {
    let known = Party::ALL.iter().map(|party| (party, contacts.of(*party))).filter(|(_, contact)| !contact.is_empty());
    known
        .map(|(party, of)| (party.as_str(), of.fields().map(|(name, value)| (name, value.to_owned())).collect()))
        .collect()
}

/// Seconds and bytes of a capture at most.
const LONGEST: u64 = 600;
const LARGEST: u64 = 4 << 20;

/// The order to begin a capture, with its bounds.
pub(super) fn record(
    visit: &Visit,
    to: std::os::fd::OwnedFd,
    seconds: Option<u64>,
    bytes: Option<u64>,
) -> Result<Command> {
    let bounded = |name: &str, value: Option<u64>, most: u64| {
        let value = value.unwrap_or(most);
        if (1..=most).contains(&value) { Ok(value) } else { Err(Error::invalid(format!("{name} is 1 to {most}"))) }
    };
    let span = std::time::Duration::from_secs(bounded("seconds", seconds, LONGEST)?);
    let bytes = usize::try_from(bounded("bytes", bytes, LARGEST)?).unwrap_or(usize::MAX);
    Ok(Command::Record { connection: visit.caller.connection.clone(), to, span, bytes })
}

/// `LastFaults`.
pub(super) async fn last(gate: &Gate, visit: &Visit) -> Result<Vec<Row>> {
    match gate.ask(visit, Command::LastFaults, ANSWER).await? {
        Reply::LastFaults(notes) => Ok(notes.iter().map(note).collect()),
        other => Err(unexpected(&other)),
    }
}

fn note(note: &FaultNote) -> Row {
    Row::from([
        ("at", Variant::from(note.at.0)),
        ("cause", Variant::from(note.cause.as_str())),
        ("code", Variant::from(note.code.clone())),
        ("times", Variant::from(note.times)),
        ("active", Variant::from(note.active)),
        ("support", Variant::from(party(note.cause).as_str())),
    ])
}

/// `Timeline`.
pub(super) async fn timeline(gate: &Gate, visit: &Visit) -> Result<Vec<Row>> {
    match gate.ask(visit, Command::Timeline, ANSWER).await? {
        Reply::Timeline(moments) => Ok(moments.iter().map(moment).collect()),
        other => Err(unexpected(&other)),
    }
}

fn moment(moment: &Moment) -> Row {
    let mut row = Row::from([
        ("at", Variant::from(moment.at.0)),
        ("part", Variant::from(moment.part)),
        ("old", Variant::from(moment.old)),
        ("new", Variant::from(moment.new)),
    ]);
    put_text(&mut row, "cause", moment.cause);
    row
}
