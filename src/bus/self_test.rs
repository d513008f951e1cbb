//! `SelfTest`: hands the wish to whoever makes self-tests, and gives the rows.

use std::time::Duration;

use tokio::sync::oneshot;
use zbus::Variant;

use crate::bus::Trial;
use crate::bus::error::{Error, Result};
use crate::bus::gate::Gate;
use crate::bus::options::{Given, Options};
use crate::bus::result::{Row, put_text};
use crate::domain::self_test::{Checked, Guided, Level};
use crate::engine::command::RefusalKind;

/// Longer than any level takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// One row per check.
pub(super) async fn run(gate: &Gate, level: &str, options: Given) -> Result<Vec<Row>> {
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
    let (reply, rows) = oneshot::channel();
    gate.try_out(Trial { level, guided, reply })?;
    match tokio::time::timeout(PATIENCE, rows).await {
        Ok(Ok(rows)) => Ok(rows.iter().map(row).collect()),
        Ok(Err(_)) => Err(Error::internal("the daemon is stopping; try again when it is back")),
        Err(_) => Err(Error::internal("the self-test did not end in time; see the journal")),
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
