//! What must not keep the queue, the terminal or a limit standing: one payment's trouble is nobody else's.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, HostFailure, MacCheck, ProcessingRequest};
use crate::domain::ids::{Batch, TransactionId};
use crate::domain::offline::{Forwarding, OfflineLimits, OfflineMode, OfflineRefusal, Resolution};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::engine::command::Command;
use crate::engine::event::Event;
use crate::engine::settings::Settings;
use crate::engine::sign_in::State;

/// Lets time pass until an upload leaves, signing in where that comes first.
fn next_upload(bench: &mut Bench) -> TransactionId {
    for _ in 0..1000 {
        match bench.wire.clone() {
            Wire::Reaching => bench.reach(),
            Wire::Asked(Asked::OfflineSale { stan, .. }) => {
                return bench.disk.payments.values().find(|(v, _)| v.stan == Some(stan)).unwrap().0.id;
            }
            Wire::Asked(Asked::SignIn { .. }) => {
                bench.reply(sign_in_answer("00", good_keys(), ProcessingRequest::None));
            }
            Wire::Asked(other) => panic!("{other:?}"),
            Wire::Idle | Wire::Up => bench.pass(Duration::from_secs(1)),
        }
    }
    panic!("the forwarder does not go on: {:?}", bench.engine.sign_in.state);
}

fn decide(bench: &mut Bench, id: TransactionId, decision: Resolution) {
    let code = bench.view(id).code.unwrap();
    bench.ask(Command::Resolve { caller: caller(5), code, decision, note: "note".to_owned() }).unwrap();
}

#[test]
fn a_queue_that_was_sent_makes_no_later_payment_too_old() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    assert_eq!(next_upload(&mut bench), ids[0]);
    bench.answer_upload("00");
    assert_eq!(bench.engine.snapshot().queue.totals.oldest, None, "nothing is unsent");
    bench.set(bench.now.mono.after(Duration::from_secs(25 * 3600)));
    bench.accepted_offline("2", 1000, PANS[1]);
}

#[test]
fn what_a_person_sends_again_goes_out_however_old_it_is() {
    let mut settings = offline_settings();
    settings.forwarding.hold_after = Duration::from_secs(3600);
    let (mut bench, ids) = queued(settings, 1);
    bench.staffed();
    bench.set(bench.now.mono.after(Duration::from_secs(3700)));
    bench.pass(Duration::from_secs(1));
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Held);
    decide(&mut bench, ids[0], Resolution::Retry);
    assert_eq!(next_upload(&mut bench), ids[0]);
    bench.answer_upload("00");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Accepted);
}

#[test]
fn an_upload_and_a_payment_refused_under_the_same_keys_are_one_refusal() {
    let (mut bench, _) = queued(offline_settings(), 1);
    let sale = bench.presenting("s");
    next_upload(&mut bench);
    bench.answer_upload("A0");
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    bench.answer_sale("A0");
    assert_eq!(bench.outcome(sale), Some(Outcome::Declined));
    assert!(matches!(bench.engine.sign_in.state, State::Wanted { .. }), "{:?}", bench.engine.sign_in.state);
    bench.sign_in_well();
    assert!(bench.engine.sign_in.is_on());
}

#[test]
fn a_payment_of_a_batch_that_is_over_is_held_and_the_terminal_goes_on() {
    let (mut bench, ids) = queued(offline_settings(), 2);
    // The host has begun another batch; the next sign-in brings it.
    bench.engine.batch = Batch::new(6).unwrap();
    for _ in 0..20 {
        let id = next_upload(&mut bench);
        assert!(!matches!(bench.engine.sign_in.state, State::Stopped { .. }));
        if id == ids[0] {
            bench.answer_upload("77");
        } else {
            bench.answer_upload("00");
        }
        if forwarding(&bench, ids[0]) == Forwarding::Held {
            break;
        }
    }
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Held);
    assert_eq!(forwarding(&bench, ids[1]), Forwarding::Accepted);
    assert_eq!(bench.disk.payments[&ids[0]].0.cause, Some(Cause::B04));
    assert!(bench.engine.sign_in.is_on() && bench.disk.denied.is_empty());
}

#[test]
fn already_there_is_not_believed_of_what_leaves_for_the_first_time() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    bench.staffed();
    next_upload(&mut bench);
    bench.answer_upload("94");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Held, "another payment has its trace");
    assert!(bench.disk.queue.contains_key(&ids[0]), "it can still be sent");
    assert!(bench.disk.denied.is_empty(), "nothing was said of the card");
    assert!(bench.view(ids[0]).evidence.contains("never sent before"));
}

#[test]
fn one_that_is_never_answered_lets_the_next_go() {
    let (mut bench, ids) = queued(offline_settings(), 2);
    for _ in 0..20 {
        if next_upload(&mut bench) == ids[1] {
            bench.answer_upload("00");
            break;
        }
        bench.fail(Cause::B06, true);
    }
    assert_eq!(forwarding(&bench, ids[1]), Forwarding::Accepted);
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::InFlight, "nobody knows, so it is tried on");
    assert_eq!(next_upload(&mut bench), ids[0]);
}

#[test]
fn one_of_which_no_request_can_be_made_is_held() {
    let (mut bench, ids) = queued(offline_settings(), 2);
    next_upload(&mut bench);
    let evidence = "request not written: field 55 is too long".to_owned();
    bench.event(Event::HostFailed(HostFailure {
        cause: Cause::S06,
        sent: false,
        connect: None,
        evidence: evidence.clone(),
    }));
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Held);
    assert_eq!(bench.disk.payments[&ids[0]].0.evidence, evidence);
    assert_eq!(next_upload(&mut bench), ids[1]);
}

#[test]
fn a_drain_is_over_when_a_person_has_decided_about_the_last() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    bench.staffed();
    next_upload(&mut bench);
    bench.fail(Cause::B06, true);
    assert_eq!(bench.engine.snapshot().queue.cause, Some(Cause::B06));
    decide(&mut bench, ids[0], Resolution::Abandon);
    let queue = bench.engine.snapshot().queue;
    assert_eq!((queue.totals.count(), queue.draining, queue.cause), (0, false, None));

    let mut settings = offline_settings();
    settings.forwarding.hold_after = Duration::from_secs(3600);
    let (mut bench, _) = queued(settings, 1);
    bench.set(bench.now.mono.after(Duration::from_secs(3700)));
    bench.pass(Duration::from_secs(1));
    let queue = bench.engine.snapshot().queue;
    assert_eq!((queue.totals.held, queue.draining, queue.cause), (1, false, None), "too old, so nothing is being sent");
}

#[test]
fn a_payment_that_went_offline_takes_nobody_elses_failure_along() {
    let mut bench = Bench::ready_with(offline_settings());
    bench.send(Command::Echo);
    bench.reach();
    let first = bench.create_offline("1", 1000, OfflineMode::PreferOnline);
    bench.start(first).unwrap();
    bench.event(Event::CardRead(card_of(PANS[0])));
    bench.pass(Duration::from_secs(55));
    bench.reply(HostAnswer::Echo(response("00")));
    assert_eq!(bench.wire, Wire::Reaching);
    bench.take_did();
    bench.pass(Duration::from_secs(6));
    assert_eq!(bench.outcome(first), Some(Outcome::ApprovedOffline), "the line did not come in time");
    assert!(bench.take_did().contains(&Did::LeaveHost), "nobody waits for that connection any more");
    let second = bench.create_offline("2", 1000, OfflineMode::OfflineOnly);
    bench.start(second).unwrap();
    if bench.wire == Wire::Reaching {
        bench.reach_fails();
    }
    assert_eq!(bench.state(second), TransactionState::AwaitingCard, "it does not need the host");
}

#[test]
fn a_sum_that_is_used_up_to_the_last_leaves_no_way_to_pay_offline() {
    let offline = OfflineLimits { enabled: true, per_sale: 1_000, sum: 1_000, ..OfflineLimits::default() };
    let (bench, _) = queued(Settings { offline, ..settings() }, 1);
    let row = bench.engine.snapshot().capabilities[1].clone();
    assert_eq!((row.available, row.refusal, row.amount_left), (false, Some(OfflineRefusal::Sum), Some(0)));
}

#[test]
fn a_reversal_that_was_given_up_leaves_the_display() {
    let mut bench = Bench::ready();
    bench.staffed();
    let id = bench.reversing("1");
    for _ in 0..4 {
        bench.reach();
        bench.reply(HostAnswer::Reversal {
            response: response("96"),
            mac: MacCheck::NotDue,
            asks: ProcessingRequest::None,
        });
        let next = bench.engine.reversals.deadline().unwrap().since(bench.now.mono);
        bench.pass(next);
    }
    bench.reach_fails();
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Unknown);
    decide(&mut bench, id, Resolution::Abandon);
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Idle);
}
