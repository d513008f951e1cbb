use std::collections::BTreeMap;

use super::*;
use crate::domain::ids::{Batch, OperatorId};
use crate::domain::prompt::Prompt;
use crate::domain::time::WallTime;
use crate::engine::snapshot::{Capability, DeviceView, HostView, KeysView, QueueView, TerminalView};

fn snapshot(state: TerminalState, cause: Option<Cause>) -> Snapshot {
    let device = || DeviceView {
        state: DeviceState::Ready,
        model: "PN532".to_owned(),
        firmware: "1.6".to_owned(),
        last_cause: None,
        inhibited_by: None,
    };
    let way =
        Capability { available: true, cause: None, refusal: None, until: None, amount_left: None, count_left: None };
    Snapshot {
        terminal: TerminalView {
            state,
            cause,
            evidence: cause.map_or_else(String::new, |cause| format!("seen {cause}")),
            terminal_id: "99000001".to_owned(),
            merchant_id: "990000000000001".to_owned(),
            batch: Batch::new(7).unwrap(),
            operator: None,
            supervisor_set: true,
            active: None,
            active_owner: None,
            prompt: Prompt::Idle,
            next_sign_in: None,
            signed_in_at: None,
            clock_difference: Some(-3),
        },
        reader: device(),
        keypad: device(),
        scanner: None,
        transactions: BTreeMap::new(),
        capabilities: [way.clone(), way.clone(), way.clone(), way],
        keys: KeysView { master_check: Some("82E136".to_owned()), working: true, ..KeysView::default() },
        open_reversals: 0,
        held_reversals: 0,
        queue: QueueView::default(),
        host: HostView::default(),
        habits: Vec::new(),
        notices: Default::default(),
    }
}

fn seen(state: DeviceState, cause: Option<Cause>, evidence: &str) -> Seen<'_> {
    Seen { state, cause, evidence }
}

fn quiet() -> [Option<Seen<'static>>; 3] {
    let absent = |cause| Some(seen(DeviceState::Absent, Some(cause), ""));
    [absent(Cause::H01), absent(Cause::H05), None]
}

/// What is said of a sequence of terminal states.
fn terminal(states: &[(TerminalState, Option<Cause>)]) -> Vec<String> {
    let mut news = News::default();
    let mut said = Vec::new();
    for (state, cause) in states {
        let now = snapshot(*state, *cause);
        said.extend(
            news.lines(&now, &now, quiet())
                .into_iter()
                .map(|line| format!("{} {} {}", line.level, line.message, line.cause.map_or("-", Cause::as_str))),
        );
    }
    said
}

#[test]
fn a_terminal_that_tries_again_and_again_says_so_once() {
    use TerminalState::{Busy, OutOfService, Ready, SignedOut, SigningIn};
    let said = terminal(&[
        (SignedOut, Some(Cause::K04)),
        (SigningIn, None),
        (SigningIn, Some(Cause::N05)),
        (SigningIn, None),
        (SigningIn, Some(Cause::N05)),
        (SigningIn, None),
        (SigningIn, Some(Cause::B06)),
        (Ready, None),
        (Busy, None),
        (Ready, None),
        (Ready, Some(Cause::S03)),
        (OutOfService, Some(Cause::P02)),
    ]);
    let expected = [
        "WARN terminal: signed-out K04",
        "INFO terminal: signed-out -> signing-in -",
        "WARN terminal: signing-in N05",
        "WARN terminal: signing-in B06",
        "INFO terminal: signing-in -> ready -",
        "WARN terminal: ready S03",
        "ERROR terminal: ready -> out-of-service P02",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_device_is_told_when_its_driver_has_looked_and_then_once_per_change() {
    let mut news = News::default();
    let now = snapshot(TerminalState::Ready, None);
    assert_eq!(news.lines(&now, &now, quiet()).len(), 1, "the terminal only: nobody has looked for devices yet");
    let mut said = |reader| news.lines(&now, &now, [Some(reader), Some(seen(DeviceState::Ready, None, "")), None]);
    let lines = said(seen(DeviceState::Absent, Some(Cause::H01), "no port; plug it in"));
    assert_eq!(lines[0].message, "reader: absent");
    assert_eq!((lines[0].cause, lines[0].evidence.as_str()), (Some(Cause::H01), "no port; plug it in"));
    assert_eq!(lines[0].level, Level::WARN);
    assert_eq!(lines[1].message, "keypad: ready");
    assert_eq!(said(seen(DeviceState::Absent, Some(Cause::H01), "another reason")), []);
    assert_eq!(said(seen(DeviceState::Ready, None, "stale"))[0].message, "reader: ready");
    assert_eq!(said(seen(DeviceState::Active, None, "")), [], "a payment uses it");
    let noisy = said(seen(DeviceState::Active, Some(Cause::H03), ""));
    assert_eq!((noisy.len(), noisy[0].cause, noisy[0].state), (1, Some(Cause::H03), Some("ready")));
}

#[test]
fn the_host_is_told_silent_once_per_cause_and_counted_until_it_answers() {
    let mut news = News::default();
    let failure = |cause| HostFailure { cause, sent: false, connect: None, evidence: "refused".to_owned() };
    assert!(news.host_answered().is_none());
    assert_eq!(news.host_failed(&failure(Cause::N05)).unwrap().cause, Some(Cause::N05));
    assert!((0..9).all(|_| news.host_failed(&failure(Cause::N05)).is_none()));
    assert_eq!(news.host_answered().unwrap().message, "the host answers again; last it was N05, 10 times");
    assert!(news.host_answered().is_none());
}

#[test]
fn sign_in_operator_keys_and_what_is_unsent_are_told_by_their_change() {
    let events = |change: &dyn Fn(&mut Snapshot, &mut Snapshot)| {
        let (mut old, mut new) = (snapshot(TerminalState::Ready, None), snapshot(TerminalState::Ready, None));
        change(&mut old, &mut new);
        let mut news = News::default();
        news.lines(&old, &old, quiet());
        news.lines(&old, &new, quiet()).into_iter().map(|line| line.event).collect::<Vec<_>>()
    };
    assert_eq!(events(&|_, _| {}), []);
    assert_eq!(events(&|_, new| new.terminal.signed_in_at = Some(WallTime(1))), [JournalEvent::SignedIn]);
    assert_eq!(events(&|_, new| new.terminal.operator = OperatorId::new("01")), [JournalEvent::OperatorIn]);
    assert_eq!(events(&|old, _| old.terminal.operator = OperatorId::new("01")), [JournalEvent::OperatorOut]);
    assert_eq!(events(&|_, new| new.keys.master_check = None), [JournalEvent::KeysErased]);
    assert_eq!(events(&|_, new| new.held_reversals = 1), [JournalEvent::ReversalHeld]);
    assert_eq!(events(&|old, _| old.held_reversals = 1), []);
    assert_eq!(events(&|_, new| new.queue.totals.waiting = 2), [JournalEvent::QueueWaiting]);
    assert_eq!(events(&|old, _| old.queue.totals.waiting = 2), [JournalEvent::QueueDrained]);
    let signed_out = |_: &mut Snapshot, new: &mut Snapshot| {
        new.keys.working = false;
        new.terminal.state = TerminalState::SignedOut;
    };
    assert_eq!(events(&signed_out), [JournalEvent::TerminalState, JournalEvent::SignedOut]);
}
