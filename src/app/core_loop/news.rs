//! What has changed since the journal was last told: one line per change, and none twice.
//!
//! Owns: what was said last of terminal, devices, operator, keys, reversals, queue and host. Must not know: how it is
//! written. Payments are told by their signals, in `orders`.

use tracing::Level;

use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::HostFailure;
use crate::domain::outcome::TerminalState;
use crate::engine::snapshot::Snapshot;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) event: JournalEvent,
    pub(super) component: &'static str,
    /// Which payment.
    pub(super) txn: Option<String>,
    pub(super) state: Option<&'static str>,
    pub(super) cause: Option<Cause>,
    pub(super) evidence: String,
    pub(super) message: String,
}

impl Line {
    pub(super) fn new(event: JournalEvent, component: &'static str, message: String) -> Self {
        Self {
            level: Level::INFO,
            event,
            component,
            txn: None,
            state: None,
            cause: None,
            evidence: String::new(),
            message,
        }
    }

    /// Writes it.
    pub(super) fn say(&self) {
        macro_rules! emit {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    POS_EVENT = self.event.as_str(),
                    POS_COMPONENT = self.component,
                    POS_TXN = self.txn,
                    POS_STATE = self.state,
                    POS_CAUSE = self.cause.map(Cause::as_str),
                    POS_EVIDENCE = Some(self.evidence.as_str()).filter(|seen| !seen.is_empty()),
                    "{}",
                    self.message
                )
            };
        }
        match self.level {
            Level::ERROR => emit!(Level::ERROR),
            Level::WARN => emit!(Level::WARN),
            _ => emit!(Level::INFO),
        }
    }
}

/// A device, as its machine has it now.
pub(super) struct Seen<'a> {
    pub(super) state: DeviceState,
    pub(super) cause: Option<Cause>,
    /// Why its driver has none.
    pub(super) evidence: &'a str,
}

/// A device's state and cause.
type Told = Option<(DeviceState, Option<Cause>)>;

/// What was said last.
#[derive(Default)]
pub(super) struct News {
    terminal: Option<(TerminalState, Option<Cause>)>,
    devices: [Told; 3],
    host: Option<(Cause, u64)>,
}

const DEVICES: [&str; 3] = ["reader", "keypad", "scanner"];

impl News {
    /// What is new, terminal and devices first.
    pub(super) fn lines(&mut self, old: &Snapshot, new: &Snapshot, devices: [Option<Seen<'_>>; 3]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (n, seen) in devices.iter().enumerate() {
            let (Some(seen), Some(told), Some(name)) = (seen, self.devices.get_mut(n), DEVICES.get(n)) else {
                continue;
            };
            lines.extend(device(told, name, seen));
        }
        lines.extend(self.terminal(new));
        if !std::ptr::eq(old, new) {
            lines.extend(sign_in(old, new));
            lines.extend(operator(old, new));
            lines.extend(keys(old, new));
            lines.extend(unsent(old, new));
        }
        lines
    }

    fn terminal(&mut self, new: &Snapshot) -> Option<Line> {
        let (state, cause) = (new.terminal.state, new.terminal.cause);
        let told = self.terminal;
        // A payment says itself that it goes on; a try that has only begun says nothing yet.
        let silent = match state {
            TerminalState::Busy => true,
            TerminalState::SigningIn => cause.is_none() && told.is_some_and(|(said, _)| said == state),
            TerminalState::Starting
            | TerminalState::SignedOut
            | TerminalState::Ready
            | TerminalState::Degraded
            | TerminalState::OutOfService => false,
        };
        if silent || told == Some((state, cause)) {
            return None;
        }
        self.terminal = Some((state, cause));
        let message = match told {
            Some((old, _)) if old != state => format!("terminal: {old} -> {state}"),
            Some(_) | None => format!("terminal: {state}"),
        };
        let mut line = Line::new(JournalEvent::TerminalState, "terminal", message);
        line.level = match state {
            TerminalState::OutOfService => Level::ERROR,
            _ if cause.is_some() => Level::WARN,
            _ => Level::INFO,
        };
        (line.state, line.cause) = (Some(state.as_str()), cause);
        line.evidence.clone_from(&new.terminal.evidence);
        Some(line)
    }

    /// No answer from the host. The same again is only counted.
    pub(super) fn host_failed(&mut self, failure: &HostFailure) -> Option<Line> {
        if let Some((told, times)) = &mut self.host
            && *told == failure.cause
        {
            *times = times.saturating_add(1);
            return None;
        }
        self.host = Some((failure.cause, 1));
        let mut line = Line::new(JournalEvent::HostSilent, "host", "no answer from the host".to_owned());
        line.level = Level::WARN;
        line.cause = Some(failure.cause);
        line.evidence.clone_from(&failure.evidence);
        Some(line)
    }

    /// The host has answered.
    pub(super) fn host_answered(&mut self) -> Option<Line> {
        let (cause, times) = self.host.take()?;
        let message = format!("the host answers again; last it was {cause}, {times} times");
        Some(Line::new(JournalEvent::HostAnswers, "host", message))
    }
}

fn device(told: &mut Told, name: &'static str, seen: &Seen<'_>) -> Option<Line> {
    // In use or not is the payment's affair.
    let state = if seen.state == DeviceState::Active { DeviceState::Ready } else { seen.state };
    let unknown = told.is_none() && seen.evidence.is_empty() && matches!(state, DeviceState::Absent);
    if unknown || *told == Some((state, seen.cause)) {
        return None;
    }
    *told = Some((state, seen.cause));
    let mut line = Line::new(JournalEvent::DeviceState, name, format!("{name}: {state}"));
    if seen.cause.is_some() {
        line.level = Level::WARN;
    }
    (line.state, line.cause) = (Some(state.as_str()), seen.cause);
    if state == DeviceState::Absent {
        seen.evidence.clone_into(&mut line.evidence);
    }
    Some(line)
}

fn sign_in(old: &Snapshot, new: &Snapshot) -> Option<Line> {
    if new.terminal.signed_in_at != old.terminal.signed_in_at {
        let clock = match new.terminal.clock_difference {
            Some(ahead) => format!(", the host's clock is {ahead:+} s from ours"),
            None => String::new(),
        };
        let message = format!("signed in with the acquirer, batch {}{clock}", new.terminal.batch);
        return Some(Line::new(JournalEvent::SignedIn, "terminal", message));
    }
    let ended = old.keys.working && !new.keys.working && new.terminal.state == TerminalState::SignedOut;
    ended.then(|| {
        let mut line = Line::new(JournalEvent::SignedOut, "terminal", "signed out with the acquirer".to_owned());
        line.cause = new.terminal.cause;
        line
    })
}

fn operator(old: &Snapshot, new: &Snapshot) -> Option<Line> {
    match (&old.terminal.operator, &new.terminal.operator) {
        (was, is) if was == is => None,
        (_, Some(is)) => Some(Line::new(JournalEvent::OperatorIn, "operator", format!("operator {is} has signed in"))),
        (Some(was), None) => {
            Some(Line::new(JournalEvent::OperatorOut, "operator", format!("operator {was} has signed out")))
        }
        (None, None) => None,
    }
}

fn keys(old: &Snapshot, new: &Snapshot) -> Option<Line> {
    let erased = old.keys.master_check.is_some() && new.keys.master_check.is_none();
    erased.then(|| {
        let mut line = Line::new(JournalEvent::KeysErased, "keys", "the master key is gone".to_owned());
        (line.level, line.cause) = (Level::WARN, Some(Cause::K04));
        line
    })
}

fn unsent(old: &Snapshot, new: &Snapshot) -> Vec<Line> {
    let mut lines = Vec::new();
    if new.held_reversals > old.held_reversals {
        let message = format!("{} reversals have used up their tries", new.held_reversals);
        let mut line = Line::new(JournalEvent::ReversalHeld, "queue", message);
        (line.level, line.cause) = (Level::WARN, new.terminal.cause);
        lines.push(line);
    }
    let (was, is) = (&old.queue.totals, &new.queue.totals);
    if was.waiting == 0 && is.waiting > 0 {
        let message = format!("{} payments accepted offline wait to be sent", is.waiting);
        lines.push(Line::new(JournalEvent::QueueWaiting, "queue", message));
    } else if was.waiting > 0 && is.waiting == 0 {
        let message = format!("nothing waits to be sent any more, {} are held", is.held);
        lines.push(Line::new(JournalEvent::QueueDrained, "queue", message));
    }
    lines
}

#[cfg(test)]
mod tests;
