//! What the daemon knows of itself already, as findings. Pure.

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::diagnosis::{Class, Fault, Finding, Found, Step};
use crate::domain::outcome::TerminalState;
use crate::domain::time::WallTime;
use crate::engine::snapshot::{DeviceView, Snapshot};

/// No clock that was ever set shows a time before this program was written.
const UNSET: WallTime = WallTime(1_735_689_600_000_000);
/// Larger differences to the host's clock are named.
const TOLERANCE: i64 = 600;

/// Keys, terminal, devices, clock, operator, and storage or service where they are known to fail. `answers`: the host does,
/// now.
pub(super) fn findings(snapshot: &Snapshot, answers: bool, now: WallTime) -> Vec<Finding> {
    let evidence = &snapshot.terminal.evidence;
    if let Some(cause @ (Cause::S01 | Cause::S02 | Cause::H09)) = snapshot.terminal.cause {
        let why = if cause == Cause::H09 { "nothing else counts before that" } else { "not looked at in safe mode" };
        let idle = [Step::Keys, Step::Terminal, Step::Reader, Step::Keypad, Step::Operator];
        let mut found: Vec<_> = idle.into_iter().map(|step| Finding::new(step, Found::NotRun, why)).collect();
        found.extend([clock(snapshot, now), failed(Step::Service, cause, evidence)]);
        return found;
    }
    let mut found = vec![
        keys(snapshot),
        terminal(snapshot, answers),
        device(Step::Reader, &snapshot.reader),
        device(Step::Keypad, &snapshot.keypad),
        clock(snapshot, now),
        operator(snapshot),
    ];
    found.extend(snapshot.scanner.as_ref().map(|scanner| device(Step::Scanner, scanner)));
    match snapshot.terminal.cause {
        Some(cause @ Cause::P02) => found.push(failed(Step::Storage, cause, evidence)),
        _ => found.push(Finding::new(Step::Service, Found::Worked, "the daemon runs")),
    }
    found
}

fn failed(step: Step, cause: Cause, evidence: impl Into<String>) -> Finding {
    Finding::new(step, Found::Failed(Fault::Known(cause)), evidence)
}

fn keys(snapshot: &Snapshot) -> Finding {
    let terminal = &snapshot.terminal;
    if snapshot.keys.master_check.is_none() {
        return failed(Step::Keys, Cause::K04, "no master key is loaded");
    }
    match terminal.cause {
        Some(cause) if Class::of(Some(cause)) == Class::Keys => failed(Step::Keys, cause, &terminal.evidence),
        _ if snapshot.keys.working => Finding::new(Step::Keys, Found::Worked, "working keys are installed"),
        _ => Finding::new(Step::Keys, Found::NotRun, "no working keys; they come with the sign-in"),
    }
}

/// What the host says to this terminal. A cause of the line is none of its words.
fn terminal(snapshot: &Snapshot, answers: bool) -> Finding {
    let terminal = &snapshot.terminal;
    let at_work = matches!(terminal.state, TerminalState::Ready | TerminalState::Busy | TerminalState::Degraded);
    match terminal.cause {
        Some(cause @ (Cause::B01 | Cause::B02 | Cause::B03 | Cause::B04 | Cause::S03 | Cause::S04 | Cause::S06)) => {
            failed(Step::Terminal, cause, &terminal.evidence)
        }
        // Signed in, and a reversal is not acknowledged.
        Some(cause @ (Cause::B06 | Cause::N10)) if at_work => failed(Step::Terminal, cause, &terminal.evidence),
        _ if at_work => Finding::new(Step::Terminal, Found::Worked, "signed in"),
        Some(_) if answers => Finding::new(Step::Terminal, Found::NotRun, "the host answers again; sign-in is due"),
        _ => Finding::new(Step::Terminal, Found::NotRun, "not signed in"),
    }
}

fn device(step: Step, view: &DeviceView) -> Finding {
    let name = format!("{} {}", view.model, view.firmware);
    let name = name.trim();
    if let Some(holder) = &view.inhibited_by {
        return Finding::new(step, Found::NotRun, format!("held by {holder}"));
    }
    match (view.state, view.last_cause) {
        (DeviceState::Ready | DeviceState::Active, None) => Finding::new(step, Found::Worked, name),
        (DeviceState::Starting, None) => Finding::new(step, Found::NotRun, "being brought up"),
        (_, Some(cause)) => failed(step, cause, format!("{name} is {}", view.state).trim_start()),
        (DeviceState::Absent | DeviceState::Failed | DeviceState::Inhibited, None) => {
            let cause = match step {
                Step::Reader => Cause::H01,
                Step::Scanner => Cause::H10,
                _ => Cause::H05,
            };
            failed(step, cause, format!("it is {}", view.state))
        }
    }
}

/// What is wrong with the clock, if anything is: by itself, or beside the host's, which is so many seconds ahead.
pub(in crate::app) fn clock_fault(now: WallTime, difference: Option<i64>) -> Option<String> {
    match difference {
        _ if now < UNSET => Some(format!("the clock says {} UTC", now.civil(0))),
        Some(seconds) if seconds.abs() > TOLERANCE => {
            Some(format!("the host's clock is {seconds} s ahead of this one"))
        }
        _ => None,
    }
}

fn clock(snapshot: &Snapshot, now: WallTime) -> Finding {
    let terminal = &snapshot.terminal;
    if let Some(fault) = clock_fault(now, terminal.clock_difference) {
        return failed(Step::Clock, Cause::P01, fault);
    }
    match terminal.clock_difference {
        _ if terminal.cause == Some(Cause::P01) => failed(Step::Clock, Cause::P01, &terminal.evidence),
        Some(seconds) => Finding::new(Step::Clock, Found::Worked, format!("{seconds} s from the host's clock")),
        None => Finding::new(Step::Clock, Found::NotRun, "not compared with the host's clock yet"),
    }
}

fn operator(snapshot: &Snapshot) -> Finding {
    let terminal = &snapshot.terminal;
    match (terminal.cause, &terminal.operator) {
        (Some(cause), _) if Class::of(Some(cause)) == Class::Operator => {
            failed(Step::Operator, cause, &terminal.evidence)
        }
        (_, Some(operator)) => Finding::new(Step::Operator, Found::Worked, format!("{operator} is signed in")),
        (_, None) => Finding::new(Step::Operator, Found::NotRun, "nobody is signed in"),
    }
}
