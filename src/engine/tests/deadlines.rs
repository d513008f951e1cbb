//! Time: no deadline is missed, none lies in the past for ever, and a late wake-up changes nothing but the hour.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::outcome::{Outcome, TransactionState};
use crate::engine::command::Command;
use crate::engine::event::Event;

#[test]
fn an_idle_terminal_is_woken_only_to_renew_its_keys() {
    let mut bench = Bench::ready();
    bench.pass(Duration::from_secs(60));
    let wait = bench.engine.deadline().unwrap().since(bench.now.mono);
    assert_eq!(wait, Duration::from_secs(86_400 - 60));
}

#[test]
fn a_terminal_without_keys_is_never_woken() {
    let mut bench = Bench::new(settings());
    bench.devices_up();
    assert_eq!(bench.engine.deadline(), None);
}

#[test]
fn an_expiry_is_not_missed_when_another_event_comes_first() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    // The core was slow: the event is handled after the deadline, before anybody called `expire`.
    bench.set(bench.now.mono.after(Duration::from_secs(61)));
    bench.event(Event::EntryProgressed { digits: 1 });
    assert_eq!(bench.outcome(id), Some(Outcome::Cancelled));
    let unstarted = bench.create(1000, "2", 1);
    bench.set(bench.now.mono.after(Duration::from_secs(301)));
    bench.event(Event::EntryProgressed { digits: 1 });
    assert_eq!(bench.outcome(unstarted), Some(Outcome::Cancelled));
}

#[test]
fn an_answer_that_comes_with_its_deadline_counts() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.set(bench.now.mono.after(Duration::from_secs(151)));
    bench.answer_sale("00");
    assert_eq!((bench.state(id), bench.outcome(id)), (TransactionState::Finished, Some(Outcome::Approved)));
}

#[test]
fn a_reversal_that_is_due_while_signed_out_does_not_wake_for_ever() {
    let mut bench = Bench::ready();
    bench.reversing("1");
    bench.fail(Cause::N05, false);
    bench.master_key(None);
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(bench.engine.deadline(), None);
}

#[test]
fn a_sign_in_that_is_due_during_a_storage_fault_does_not_wake_for_ever() {
    let mut bench = Bench::ready();
    bench.send(Command::SignIn);
    bench.fail(Cause::N05, false);
    bench.event(Event::StorageChanged { fault: Some("full".to_owned()) });
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(bench.engine.deadline(), None);
    bench.event(Event::StorageChanged { fault: None });
    assert_eq!(bench.wire, Wire::Reaching);
}
