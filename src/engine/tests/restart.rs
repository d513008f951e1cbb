//! Power cuts: wherever the daemon dies, what is on disk decides, and nothing is lost or doubled.

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, MacCheck, ProcessingRequest, ReversalReason};
use crate::domain::ids::{IdempotencyKey, TransactionId};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::secret::PinBlock;
use crate::engine::command::{Command, Reply};
use crate::engine::event::Event;

/// Up and signed in again.
fn come_back(bench: &mut Bench) {
    bench.devices_up();
    bench.load_master_key();
    bench.sign_in_well();
}

fn expect_cancelled_unsent(bench: &mut Bench, id: TransactionId) {
    let state = bench.ended(id);
    assert_eq!(state, (TransactionState::Finished, Some(Outcome::Cancelled), Some(Cause::P04)));
    assert!(!bench.view(id).reversed && bench.disk.reversals.is_empty());
    come_back(bench);
    assert_eq!(bench.wire, Wire::Idle, "nothing to reverse");
}

fn expect_reversed(bench: &mut Bench, id: TransactionId, reason: ReversalReason) {
    assert_eq!((bench.state(id), bench.outcome(id)), (TransactionState::Reversing, Some(Outcome::Unknown)));
    come_back(bench);
    bench.take_did();
    bench.reach();
    let asked = bench.take_asked();
    let Some(Asked::Reversal { stan, reason: found, .. }) = asked.first() else { panic!("{asked:?}") };
    assert_eq!((Some(*stan), *found), (bench.view(id).stan, reason));
    bench.answer_reversal("00");
    assert!(bench.view(id).reversed);
    bench.presenting("next");
}

#[test]
fn before_anything_is_sent_a_restart_cancels() {
    type Step = fn(&mut Bench, TransactionId);
    let steps: [Step; 5] = [
        |_, _| {},
        |b, id| drop(b.start(id)),
        |b, id| {
            b.start(id).unwrap();
            b.event(Event::CardRead(card(true)));
        },
        |b, id| {
            b.start(id).unwrap();
            b.event(Event::CardRead(card(true)));
            b.event(Event::PinEntered(PinBlock([1; 8])));
        },
        |b, id| {
            b.send(Command::SignIn);
            b.start(id).unwrap();
        },
    ];
    for step in steps {
        let mut bench = Bench::ready();
        let id = bench.create(1000, "1", 1234);
        step(&mut bench, id);
        bench.restart();
        expect_cancelled_unsent(&mut bench, id);
    }
}

#[test]
fn dying_before_the_request_is_committed_counts_as_not_sent() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.event(Event::CardRead(card(false)));
    bench.die_before_commit(Event::HostReached);
    expect_cancelled_unsent(&mut bench, id);
}

#[test]
fn dying_between_commit_and_act_counts_as_sent() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.event(Event::CardRead(card(false)));
    bench.die_before_act(Event::HostReached);
    assert_eq!(bench.view(id).cause, Some(Cause::P04));
    expect_reversed(&mut bench, id, ReversalReason::Other);
}

#[test]
fn dying_while_the_answer_is_awaited_reverses() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.restart();
    expect_reversed(&mut bench, id, ReversalReason::Other);
}

#[test]
fn dying_on_an_approval_before_its_commit_reverses_and_after_it_stands() {
    let approval = || Event::HostReplied(sale_answer("00", MacCheck::Good, ProcessingRequest::None));
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.die_before_commit(approval());
    expect_reversed(&mut bench, id, ReversalReason::Other);

    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.die_before_act(approval());
    assert_eq!((bench.state(id), bench.outcome(id)), (TransactionState::Finished, Some(Outcome::Approved)));
    come_back(&mut bench);
    assert_eq!(bench.wire, Wire::Idle, "an approval is never reversed");
}

#[test]
fn dying_with_an_open_reversal_sends_it_with_its_reason() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.reply(sale_answer("00", MacCheck::Bad, ProcessingRequest::None));
    bench.restart();
    expect_reversed(&mut bench, id, ReversalReason::WrongMac);

    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.fail(Cause::B06, true);
    bench.reach();
    bench.restart();
    assert_eq!(bench.view(id).cause, Some(Cause::B06), "the cause is kept");
    expect_reversed(&mut bench, id, ReversalReason::NoAnswer);
}

#[test]
fn dying_on_the_end_of_a_reversal_sends_it_again_or_not_at_all() {
    let end = || {
        let (mac, asks) = (MacCheck::Good, ProcessingRequest::None);
        Event::HostReplied(HostAnswer::Reversal { response: response("00"), mac, asks })
    };
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    bench.reach();
    bench.die_before_commit(end());
    expect_reversed(&mut bench, id, ReversalReason::NoAnswer);

    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    bench.reach();
    bench.die_before_act(end());
    assert!(bench.view(id).reversed);
    come_back(&mut bench);
    assert_eq!(bench.wire, Wire::Idle);
}

#[test]
fn the_app_finds_its_payment_after_a_restart_by_the_same_call() {
    let mut bench = Bench::ready();
    let open = bench.authorising("open");
    bench.restart();
    come_back(&mut bench);
    assert_eq!(bench.ask(Command::Create(new_sale(1000, "open", 1234))), Ok(Reply::Transaction(open)));
    assert_eq!(bench.view(open).owner, caller(1000), "signals find their way again");
    bench.reach();
    bench.answer_reversal("00");
    assert_eq!(bench.told_ends(open).last(), Some(&Outcome::Cancelled));
    let key = IdempotencyKey::new("open").unwrap();
    assert_eq!(bench.ask(Command::FindByKey { caller: caller(1000), key }), Ok(Reply::Transaction(open)));
}

#[test]
fn a_payment_without_its_reversal_is_given_to_a_person() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    // No program of ours leaves this; a restored backup might.
    bench.disk.reversals.clear();
    let recovered = bench.disk.recovered();
    let engine = crate::engine::machine::Engine::recover(settings(), recovered, 9, bench.now);
    let view = engine.snapshot().transactions[&id].clone();
    assert_eq!((view.state, view.outcome), (TransactionState::Finished, Some(Outcome::Unknown)));
    assert!(view.evidence.contains("ask the acquirer"));
}

#[test]
fn a_start_with_nothing_open_writes_and_does_nothing() {
    let mut bench = Bench::ready();
    bench.authorising("1");
    bench.answer_sale("00");
    let (commits, _) = (bench.commits, bench.take_did());
    bench.restart();
    assert_eq!((bench.commits, bench.take_did()), (commits, vec![]));
}
