//! The snapshot as words for the bus: health and parts.

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::outcome::TerminalState;
use crate::engine::snapshot::{DeviceView, Snapshot};

/// A cause as a word; "" for none.
pub(super) fn cause(cause: Option<Cause>) -> &'static str {
    cause.map_or("", Cause::as_str)
}

/// One part of the daemon.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) state: &'static str,
    pub(super) cause: &'static str,
    pub(super) evidence: String,
}

/// Every part, in fixed order.
pub(super) fn parts(snapshot: &Snapshot) -> Vec<Part> {
    let terminal = &snapshot.terminal;
    let device = |name, view: &DeviceView| Part {
        name,
        state: view.state.as_str(),
        cause: cause(view.last_cause),
        evidence: match &view.inhibited_by {
            Some(by) => format!("inhibited by {by}"),
            None => format!("{} {}", view.model, view.firmware).trim().to_owned(),
        },
    };
    let keys = &snapshot.keys;
    let (state, why) = match (&keys.master_check, keys.working) {
        (None, _) => ("missing", Some(Cause::K04)),
        (Some(_), false) => ("no-working-keys", None),
        (Some(_), true) => ("ready", None),
    };
    let check = keys.master_check.as_ref().map_or_else(String::new, |c| format!("master key check value {c}"));
    let mut all = vec![
        Part {
            name: "terminal",
            state: terminal.state.as_str(),
            cause: cause(terminal.cause),
            evidence: terminal.evidence.clone(),
        },
        device("reader", &snapshot.reader),
        device("keypad", &snapshot.keypad),
        Part { name: "keys", state, cause: cause(why), evidence: check },
    ];
    all.extend(snapshot.scanner.as_ref().map(|view| device("scanner", view)));
    all
}

/// ok, degraded or failed.
pub(super) fn health(snapshot: &Snapshot) -> &'static str {
    let works = |view: &DeviceView| matches!(view.state, DeviceState::Ready | DeviceState::Active);
    let devices = [Some(&snapshot.reader), Some(&snapshot.keypad), snapshot.scanner.as_ref()];
    let all_work = devices.into_iter().flatten().all(works);
    match snapshot.terminal.state {
        TerminalState::OutOfService => "failed",
        TerminalState::Ready | TerminalState::Busy if all_work => "ok",
        TerminalState::Ready
        | TerminalState::Busy
        | TerminalState::Starting
        | TerminalState::SignedOut
        | TerminalState::SigningIn
        | TerminalState::Degraded => "degraded",
    }
}
