//! A terminal that was opened: its keys go in the same commit as the record of it, nothing is taken or sent until it has new
//! ones, and no money is lost on the way.

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::offline::Forwarding;
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::domain::tamper::TamperReading;
use crate::engine::command::Command;
use crate::engine::event::Event;

const OPEN: Event = Event::TamperRead(TamperReading::Active);
const CLOSED: Event = Event::TamperRead(TamperReading::Quiet);

/// As the core does it: the keys are gone from memory, too.
fn opened(bench: &mut Bench) {
    bench.event(OPEN);
    bench.master_key(None);
}

fn state(bench: &Bench) -> (TerminalState, Option<Cause>) {
    let terminal = bench.engine.snapshot().terminal;
    (terminal.state, terminal.cause)
}

const STOPPED: (TerminalState, Option<Cause>) = (TerminalState::OutOfService, Some(Cause::H09));

#[test]
fn an_opened_terminal_stands_still_until_it_has_new_keys() {
    let mut bench = Bench::ready();
    opened(&mut bench);
    assert!(!bench.disk.working_keys && bench.disk.tampered.is_some());
    assert_eq!(state(&bench), STOPPED);
    for command in [Command::SignIn, Command::Echo, Command::Create(new_sale(1000, "order-1", 100))] {
        assert_eq!(bench.ask(command).unwrap_err().cause, Some(Cause::H09));
    }
    // Closing it again mends nothing.
    assert!(bench.engine.tamper_refusal().is_some());
    bench.event(CLOSED);
    assert!(bench.engine.tamper_refusal().is_none());
    assert_eq!(state(&bench), STOPPED);
    bench.take_asked();
    bench.pass(std::time::Duration::from_secs(100_000));
    assert_eq!(bench.take_asked().len(), 0);
    bench.load_master_key();
    bench.sign_in_well();
    assert_eq!(state(&bench).0, TerminalState::Ready);
    assert!(bench.create(1000, "order-2", 100).0 > 0);
}

#[test]
fn a_restart_changes_nothing_and_open_at_the_start_counts() {
    let mut bench = Bench::ready();
    opened(&mut bench);
    bench.restart();
    assert_eq!(state(&bench), STOPPED);
    assert!(bench.engine.snapshot().terminal.evidence.contains("was opened at"));

    let mut bench = Bench::ready();
    bench.restart();
    opened(&mut bench);
    assert!(bench.disk.tampered.is_some());
    assert_eq!(state(&bench), STOPPED);
}

#[test]
fn a_crash_at_the_moment_of_opening_leaves_the_keys_or_the_record_never_neither() {
    let mut bench = Bench::ready();
    bench.die_before_commit(OPEN);
    assert!(bench.disk.working_keys && bench.disk.tampered.is_none());
    opened(&mut bench);
    assert!(!bench.disk.working_keys && bench.disk.tampered.is_some());

    let mut bench = Bench::ready();
    bench.die_before_act(OPEN);
    assert!(!bench.disk.working_keys && bench.disk.tampered.is_some());
    assert_eq!(state(&bench), STOPPED);
}

#[test]
fn a_payment_that_has_not_left_is_cancelled_and_one_that_has_is_taken_back_later() {
    let mut bench = Bench::ready();
    let id = bench.presenting("order-1");
    opened(&mut bench);
    assert_eq!(bench.ended(id), (TransactionState::Finished, Some(Outcome::Cancelled), Some(Cause::H09)));

    let mut bench = Bench::ready();
    let id = bench.authorising("order-1");
    opened(&mut bench);
    bench.fail(Cause::K01, true);
    assert_eq!(bench.outcome(id), Some(Outcome::Unknown));
    assert_eq!(bench.engine.snapshot().open_reversals, 1);
    bench.event(CLOSED);
    bench.load_master_key();
    bench.sign_in_well();
    bench.reach();
    bench.answer_reversal("00");
    assert_eq!(bench.engine.snapshot().open_reversals, 0);
}

#[test]
fn what_is_unsent_is_kept_and_sent_with_the_new_keys() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    opened(&mut bench);
    assert_eq!(bench.engine.snapshot().queue.totals.waiting, 1);
    bench.restart();
    bench.devices_up();
    bench.event(CLOSED);
    assert_eq!((bench.engine.snapshot().queue.totals.waiting, state(&bench)), (1, STOPPED));
    bench.load_master_key();
    bench.sign_in_well();
    bench.pass(std::time::Duration::from_secs(60));
    bench.reach();
    bench.answer_upload("00");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Accepted);
}

#[test]
fn an_input_that_cannot_be_read_stops_payments_and_keeps_the_keys() {
    let mut bench = Bench::ready();
    bench.event(Event::TamperRead(TamperReading::Unreadable("no GPIO chip in /dev".to_owned())));
    assert!(bench.disk.working_keys && bench.disk.tampered.is_none());
    assert_eq!(state(&bench), STOPPED);
    assert!(bench.engine.snapshot().terminal.evidence.contains("no GPIO chip in /dev"));
    let refused = bench.ask(Command::Create(new_sale(1000, "order-1", 100))).unwrap_err();
    assert_eq!(refused.cause, Some(Cause::H09));
    bench.event(CLOSED);
    assert_eq!(state(&bench), (TerminalState::Ready, None));
}

#[test]
fn new_keys_do_not_make_an_open_terminal_a_closed_one() {
    let mut bench = Bench::ready();
    opened(&mut bench);
    bench.load_master_key();
    assert_eq!(state(&bench), STOPPED);
}

#[test]
fn a_disk_that_refuses_the_record_is_asked_again_when_it_works() {
    let mut bench = Bench::ready();
    bench.event(Event::StorageChanged { fault: Some("disk full".to_owned()) });
    opened(&mut bench);
    assert!(bench.disk.tampered.is_none());
    assert_eq!(state(&bench), STOPPED);
    bench.event(Event::StorageChanged { fault: None });
    // The core tells again what is outside.
    bench.event(OPEN);
    assert!(bench.disk.tampered.is_some());
}
