//! Reversals: sent before the next payment, kept until the host acknowledges, never dropped.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, MacCheck, ProcessingRequest};
use crate::domain::ids::TransactionId;
use crate::domain::offline::{Resolution, ReversalStanding};
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::engine::command::{Command, Refusal, RefusalKind, Reply};

#[test]
fn a_reversal_precedes_the_next_sale() {
    let mut bench = Bench::ready();
    let open = bench.reversing("1");
    bench.fail(Cause::N05, false);
    bench.take_did();
    let next = bench.create(1000, "2", 500);
    bench.start(next).unwrap();
    assert_eq!(bench.wire, Wire::Reaching, "tried at once, back-off or not");
    bench.reach();
    assert!(matches!(bench.take_asked()[..], [Asked::Reversal { .. }]));
    assert_eq!(bench.state(next), TransactionState::Connecting);
    bench.answer_reversal("00");
    assert!(bench.view(open).reversed);
    assert_eq!(bench.state(next), TransactionState::AwaitingCard);
}

#[test]
fn a_sale_does_not_pass_a_reversal_that_is_not_acknowledged() {
    for answer in [Some("96"), Some("05"), None] {
        let mut bench = Bench::ready();
        let open = bench.reversing("1");
        bench.reach();
        let next = bench.create(1000, "2", 500);
        bench.start(next).unwrap();
        match answer {
            Some(code) => bench.answer_reversal(code),
            None => bench.fail(Cause::B06, true),
        }
        assert_eq!(bench.state(open), TransactionState::Reversing);
        assert_eq!((bench.state(next), bench.outcome(next)), (TransactionState::Finished, Some(Outcome::Cancelled)));
        assert!(bench.view(next).evidence.contains("reversal"), "{}", bench.view(next).evidence);
        assert_eq!(bench.view(next).code, None, "nothing of it was sent");
    }
}

#[test]
fn each_code_that_ends_a_reversal_ends_it() {
    for code in ["00", "12", "22", "25", "94"] {
        let mut bench = Bench::ready();
        let id = bench.reversing("1");
        bench.reach();
        bench.answer_reversal(code);
        assert_eq!((bench.state(id), bench.outcome(id)), (TransactionState::Finished, Some(Outcome::Cancelled)));
        assert!(bench.view(id).reversed && bench.disk.reversals.is_empty(), "{code}");
        bench.presenting("next");
    }
}

#[test]
fn any_other_code_and_silence_keep_it_and_the_waits_grow() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    let mut last = Duration::ZERO;
    for code in [Some("96"), None, Some("05")] {
        bench.reach();
        match code {
            Some(code) => bench.answer_reversal(code),
            None => bench.fail(Cause::B06, true),
        }
        assert_eq!(bench.wire, Wire::Idle);
        let next = bench.engine.reversals.deadline().unwrap().since(bench.now.mono);
        assert!(next > last, "{next:?} after {last:?}");
        last = next;
        bench.pass(next);
    }
    assert_eq!(bench.state(id), TransactionState::Reversing);
    let snapshot = bench.engine.snapshot();
    assert_eq!((snapshot.open_reversals, snapshot.terminal.state), (1, TerminalState::Degraded));
    assert!(snapshot.capabilities[0].available, "a payment may start: the reversal is tried first");
    assert_eq!(snapshot.held_reversals, 0);
}

/// Uses up the tries of the open reversal.
fn used_up(bench: &mut Bench) {
    for _ in 0..4 {
        bench.reach();
        bench.answer_reversal("96");
        let next = bench.engine.reversals.deadline().unwrap().since(bench.now.mono);
        bench.pass(next);
    }
}

#[test]
fn when_its_tries_are_used_up_it_is_held_and_never_dropped_and_nothing_new_is_taken() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    used_up(&mut bench);
    let snapshot = bench.engine.snapshot();
    assert_eq!((snapshot.open_reversals, snapshot.held_reversals), (1, 1));
    assert!(!snapshot.capabilities[0].available && snapshot.terminal.evidence.contains("supervisor"));
    let on_disk = bench.disk.reversals[&id].clone();
    assert_eq!((on_disk.attempts, on_disk.standing), (4, ReversalStanding::Held));
    assert_eq!(bench.wire, Wire::Reaching, "it is tried on");
    let next = bench.create(1000, "2", 500);
    bench.start(next).unwrap();
    bench.reach();
    bench.answer_reversal("96");
    assert_eq!((bench.state(next), bench.outcome(next)), (TransactionState::Finished, Some(Outcome::Cancelled)));
    bench.restart();
    assert_eq!(bench.engine.snapshot().held_reversals, 1, "a restart does not make it young again");
}

#[test]
fn tries_that_never_reached_the_host_do_not_count() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    for _ in 0..10 {
        bench.reach_fails();
        let next = bench.engine.reversals.deadline().unwrap().since(bench.now.mono);
        bench.pass(next);
    }
    assert_eq!(bench.disk.reversals[&id].attempts, 0);
    assert_eq!(bench.engine.snapshot().held_reversals, 0);
}

fn decide(bench: &mut Bench, id: TransactionId, decision: Resolution) -> Result<Reply, Refusal> {
    let code = bench.view(id).code.unwrap();
    bench.ask(Command::Resolve { caller: caller(5), code, decision, note: "asked the bank".to_owned() })
}

#[test]
fn a_supervisor_lets_sales_go_on_and_the_reversal_is_tried_behind_them() {
    let mut bench = Bench::ready();
    bench.staffed();
    let id = bench.reversing("1");
    bench.reach_fails();
    assert_eq!(decide(&mut bench, id, Resolution::Proceed).unwrap_err().kind, RefusalKind::WrongState, "too early");
    let next = bench.engine.reversals.deadline().unwrap().since(bench.now.mono);
    bench.pass(next);
    used_up(&mut bench);
    bench.reach_fails();
    decide(&mut bench, id, Resolution::Proceed).unwrap();
    assert_eq!(bench.disk.reversals[&id].standing, ReversalStanding::Waived);
    assert_eq!(bench.view(id).resolution.as_deref(), Some("proceed by operator 01, uid 5: asked the bank"));
    bench.presenting("2");
    bench.restart();
    bench.devices_up();
    bench.load_master_key();
    bench.sign_in_well();
    bench.reach();
    assert!(matches!(bench.take_asked().last(), Some(Asked::Reversal { .. })), "it goes on being tried");
    bench.answer_reversal("00");
    assert!(bench.view(id).reversed);
}

#[test]
fn a_supervisor_gives_it_up_on_record_and_the_result_stays_unknown() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    used_up(&mut bench);
    bench.reach_fails();
    let refused = decide(&mut bench, id, Resolution::Abandon).unwrap_err();
    assert_eq!((refused.kind, refused.cause), (RefusalKind::NotAuthorized, Some(Cause::O03)));
    bench.staffed();
    decide(&mut bench, id, Resolution::Abandon).unwrap();
    assert_eq!((bench.state(id), bench.outcome(id)), (TransactionState::Finished, Some(Outcome::Unknown)));
    assert!(bench.disk.reversals.is_empty() && !bench.view(id).reversed);
    assert!(bench.disk.payments[&id].0.resolution.as_deref().unwrap().starts_with("abandon by operator 01"));
    bench.presenting("2");
}

#[test]
fn nobody_decides_about_a_reversal_that_is_at_the_host() {
    let mut bench = Bench::ready();
    bench.staffed();
    let id = bench.reversing("1");
    used_up(&mut bench);
    bench.reach();
    assert_eq!(decide(&mut bench, id, Resolution::Abandon).unwrap_err().kind, RefusalKind::Busy);
}

#[test]
fn it_is_tried_for_as_long_as_it_takes() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    for _ in 0..200 {
        bench.reach();
        bench.fail(Cause::B06, true);
        let next = bench.engine.reversals.deadline().unwrap().since(bench.now.mono);
        assert!(next <= Duration::from_secs(375), "{next:?}");
        bench.pass(next);
    }
    bench.reach();
    bench.answer_reversal("25");
    assert!(bench.view(id).reversed);
}

#[test]
fn a0_to_a_reversal_brings_new_keys_and_the_same_reversal() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    bench.reach();
    let first = bench.take_asked().pop().unwrap();
    bench.answer_reversal("A0");
    assert!(bench.did.contains(&Did::DiscardKeys));
    bench.sign_in_well();
    bench.take_did();
    bench.reach();
    assert_eq!(bench.take_asked(), [first], "the same trace, batch and reason");
    bench.answer_reversal("00");
    assert!(bench.view(id).reversed);
}

#[test]
fn a_reversals_answer_may_ask_for_sign_in() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    bench.reach();
    let asks = ProcessingRequest::SignIn;
    bench.reply(HostAnswer::Reversal { response: response("00"), mac: MacCheck::Good, asks });
    assert!(bench.view(id).reversed);
    bench.sign_in_well();
}

#[test]
fn it_keeps_the_batch_and_trace_of_its_payment() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    let view = bench.view(id);
    bench.fail(Cause::B06, true);
    bench.fail(Cause::N05, false);
    // The host moves on to another batch.
    bench.send(Command::SignIn);
    bench.reach();
    let HostAnswer::SignIn(mut answer) = sign_in_answer("00", good_keys(), ProcessingRequest::None) else { panic!() };
    answer.batch = crate::domain::ids::Batch::new(8);
    bench.reply(HostAnswer::SignIn(answer));
    bench.take_did();
    bench.reach();
    let asked = bench.take_asked();
    let Some(Asked::Reversal { stan, batch, .. }) = asked.first() else { panic!("{asked:?}") };
    assert_eq!((Some(*stan), Some(*batch)), (view.stan, view.batch));
    assert_eq!(bench.engine.snapshot().terminal.batch.get(), 8);
}

#[test]
fn a_payment_acknowledged_while_it_is_reversed_goes_when_that_is_through() {
    let mut bench = Bench::ready();
    let id = bench.reversing("1");
    bench.ask(Command::Acknowledge { caller: caller(1000), id }).unwrap();
    assert!(bench.engine.snapshot().transactions.contains_key(&id));
    bench.reach();
    bench.answer_reversal("00");
    assert!(!bench.engine.snapshot().transactions.contains_key(&id));
    assert_eq!(bench.told_ends(id), [Outcome::Unknown, Outcome::Cancelled]);
}

#[test]
fn it_waits_while_the_terminal_is_signed_out_and_goes_with_the_new_keys() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.fail(Cause::B06, true);
    bench.fail(Cause::N05, false);
    bench.master_key(None);
    bench.take_did();
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(bench.take_asked(), []);
    bench.load_master_key();
    bench.sign_in_well();
    bench.reach();
    bench.answer_reversal("00");
    assert!(bench.view(id).reversed);
}
