//! `RunDiagnosis`: what every part says of itself, and a live echo test to the host.

use std::time::Duration;

use zbus::Variant;

use crate::bus::error::{Result, error_name};
use crate::bus::gate::{Gate, Visit};
use crate::bus::result::{Row, put_text};
use crate::bus::view;
use crate::engine::command::{Command, RefusalKind, Reply};

/// Leaves the whole well under 20 s.
const ECHO: Duration = Duration::from_secs(15);

/// One row per part, the host last.
pub(super) async fn run(gate: &Gate, visit: &Visit) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = view::parts(&gate.snapshot()).into_iter().map(row).collect();
    rows.push(host(gate, visit).await);
    Ok(rows)
}

fn row(part: view::Part) -> Row {
    let mut row = Row::from([("component", Variant::from(part.name)), ("state", Variant::from(part.state))]);
    put_text(&mut row, "cause", Some(part.cause));
    put_text(&mut row, "evidence", Some(part.evidence));
    row
}

async fn host(gate: &Gate, visit: &Visit) -> Row {
    let mut row = Row::from([("component", Variant::from("host"))]);
    match gate.ask(visit, Command::Echo, ECHO).await {
        Ok(Reply::Echo { milliseconds }) => {
            row.insert("state", Variant::from("answered"));
            row.insert("milliseconds", Variant::from(milliseconds));
        }
        Ok(_) => {
            row.insert("state", Variant::from("failed"));
            put_text(&mut row, "evidence", Some("the core gave another answer than an echo"));
        }
        Err(why) => {
            let tried = !matches!(why.kind(), RefusalKind::Busy | RefusalKind::WrongState | RefusalKind::NotSignedIn);
            row.insert("state", Variant::from(if tried { "failed" } else { "not-tried" }));
            put_text(&mut row, "cause", why.cause());
            put_text(&mut row, "evidence", Some(format!("{}: {}", error_name(why.kind()), why.text())));
        }
    }
    row
}
