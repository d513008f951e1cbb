//! `RunDiagnosis`: hands the question to the doctor, tells each step to the caller, and gives the rows with the verdict.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use zbus::{Connection, Message, Variant};

use crate::bus::error::{Error, Result};
use crate::bus::gate::{Gate, Visit};
use crate::bus::result::{Row, put_text};
use crate::bus::{Examination, names, view};
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Finding, Found, Step, Verdict};

/// Ten seconds for the diagnosis, ten for the one that may be under way.
const PATIENCE: Duration = Duration::from_secs(22);
/// Steps that may wait to be told; there are fewer.
const STEPS: usize = 32;

/// One row per step, the verdict last.
pub(super) async fn run(gate: &Gate, connection: &Connection, visit: &Visit) -> Result<Vec<Row>> {
    let (steps, mut told) = mpsc::channel(STEPS);
    let (reply, mut verdict) = oneshot::channel();
    gate.examine(Examination { steps, reply })?;
    let end = tokio::time::sleep(PATIENCE);
    tokio::pin!(end);
    loop {
        tokio::select! {
            biased;
            Some(finding) = told.recv() => tell(gate, connection, visit, &finding).await,
            verdict = &mut verdict => {
                let verdict = verdict.map_err(|_| Error::internal("the daemon is stopping; try again when it is back"))?;
                return Ok(rows(gate, &verdict));
            }
            () = &mut end => return Err(Error::internal("the diagnosis did not end in time; see the journal")),
        }
    }
}

/// To the caller only: evidence names addresses of the shop's network.
async fn tell(gate: &Gate, connection: &Connection, visit: &Visit, finding: &Finding) {
    let signal = Message::signal(names::ROOT, names::MANAGER_INTERFACE, "DiagnosisStep");
    let signal = signal.destination(visit.caller.connection.as_str());
    if let Ok(message) = signal.build(&(row(&view::parts(&gate.snapshot()), finding, finding.known_cause()),)) {
        // A caller who has gone hears nothing; the diagnosis ends by itself.
        let _ = connection.send(&message).await;
    }
}

fn rows(gate: &Gate, verdict: &Verdict) -> Vec<Row> {
    let parts = view::parts(&gate.snapshot());
    let mut rows: Vec<Row> =
        verdict.findings.iter().map(|finding| row(&parts, finding, verdict.cause_of(finding))).collect();
    let mut last = Row::from([
        ("component", Variant::from("verdict")),
        ("state", Variant::from(if verdict.cause.is_some() { "fault" } else { "well" })),
        ("class", Variant::from(verdict.class().as_str())),
        ("sure", Variant::from(verdict.sure)),
        ("ruled-out", Variant::from(verdict.ruled_out.iter().map(|step| step.as_str()).collect::<Vec<_>>())),
        ("milliseconds", Variant::from(verdict.milliseconds)),
    ]);
    put_text(&mut last, "cause", verdict.cause);
    put_text(&mut last, "evidence", Some(&verdict.evidence));
    put_text(&mut last, "step", verdict.step);
    rows.push(last);
    rows
}

fn row(parts: &[view::Part], finding: &Finding, cause: Option<Cause>) -> Row {
    let word = finding.found.as_str();
    let mut row = Row::from([
        ("component", Variant::from(finding.step.as_str())),
        ("finding", Variant::from(word)),
        ("milliseconds", Variant::from(finding.milliseconds)),
    ]);
    put_text(&mut row, "cause", cause);
    put_text(&mut row, "evidence", Some(&finding.evidence));
    let part = parts.iter().find(|part| part.name == finding.step.as_str());
    let state = match (finding.step, finding.found) {
        (Step::Host, Found::Worked) => "answered",
        (Step::Host, Found::Failed(_) | Found::TimedOut) => "failed",
        (Step::Host, Found::NotRun | Found::NotNeeded) => "not-tried",
        _ => part.map_or(word, |part| part.state),
    };
    row.insert("state", Variant::from(state));
    if cause.is_none() {
        put_text(&mut row, "cause", part.map(|part| part.cause));
    }
    row
}
