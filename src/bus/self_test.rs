//! `SelfTest`: hands the wish to whoever makes self-tests, and gives the rows.

use std::time::Duration;

use tokio::sync::oneshot;
use zbus::Variant;

use crate::bus::Trial;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{Gate, Visit};
use crate::bus::options::{Given, Options};
use crate::bus::result::{Row, put_text};
use crate::domain::self_test::{Checked, Guided, Level};
use crate::engine::command::RefusalKind;

/// Longer than any level takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether the caller is still there.
const LOOK: Duration = Duration::from_millis(500);

/// One row per check.
pub(super) async fn run(gate: &Gate, visit: &Visit, level: &str, options: Given) -> Result<Vec<Row>> {
    let level = Level::from_word(level).ok_or_else(|| Error::invalid(list("a level", Level::ALL, Level::as_str)))?;
    let mut options = Options::new(options);
    let test = match level {
        Level::Interactive => options.text("test")?,
        Level::Internal | Level::External => None,
    };
    options.finish()?;
    let guided = match test {
        None => vec![Guided::Keys, Guided::Card],
        Some(word) => {
            let known = Guided::from_word(&word);
            vec![known.ok_or_else(|| Error::invalid(list("a test", Guided::ALL, Guided::as_str)))?]
        }
    };
    if gate.snapshot().terminal.active.is_some() {
        let text = "a payment is under way, and a self-test would disturb it; try again when it is over";
        return Err(Error::new(RefusalKind::Busy, text));
    }
    let (reply, mut rows) = oneshot::channel();
    let _place = gate.try_out(Trial { level, guided, reply })?;
    let end = tokio::time::sleep(PATIENCE);
    tokio::pin!(end);
    loop {
        tokio::select! {
            rows = &mut rows => {
                let rows = rows.map_err(|_| Error::internal("the daemon is stopping; try again when it is back"))?;
                return Ok(rows.iter().map(row).collect());
            }
            () = &mut end => return Err(Error::internal("the self-test did not end in time; see the journal")),
            // Nobody is held up by a test whose caller has gone.
            () = tokio::time::sleep(LOOK) => if gate.callers.uid_of(&visit.caller.connection).is_none() {
                return Err(Error::internal("the caller has gone"));
            },
        }
    }
}

fn list<T: Copy>(what: &str, all: &[T], word: fn(T) -> &'static str) -> String {
    format!("{what} is one of: {}", all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(", "))
}

fn row(checked: &Checked) -> Row {
    let mut row = Row::from([
        ("component", Variant::from(checked.component)),
        ("finding", Variant::from(checked.outcome.as_str())),
        ("milliseconds", Variant::from(checked.milliseconds)),
    ]);
    put_text(&mut row, "cause", checked.cause);
    put_text(&mut row, "evidence", Some(&checked.evidence));
    row
}
