//! The forwarder: everything accepted offline reaches the host exactly once, or waits for a person.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, MacCheck, ProcessingRequest};
use crate::domain::ids::TransactionId;
use crate::domain::offline::{Forwarding, Resolution};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::engine::command::{Command, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::settings::Settings;
use crate::engine::signal::Signal;

/// Lets time pass until the forwarder wants the line.
fn until_reaching(bench: &mut Bench) {
    for _ in 0..1000 {
        if bench.wire == Wire::Reaching {
            return;
        }
        bench.pass(Duration::from_secs(1));
    }
    panic!("the forwarder does not go on");
}

fn uploads(bench: &mut Bench) -> Vec<(TransactionId, bool)> {
    let asked = bench.take_asked();
    let of = |stan| bench.disk.payments.values().find(|(v, _)| v.stan == Some(stan)).unwrap().0.id;
    asked
        .iter()
        .filter_map(|a| match a {
            Asked::OfflineSale { stan, repeat, .. } => Some((of(*stan), *repeat)),
            _ => None,
        })
        .collect()
}

#[test]
fn they_go_oldest_first_and_their_card_data_are_wiped() {
    let (mut bench, ids) = queued(offline_settings(), 3);
    for id in &ids {
        until_reaching(&mut bench);
        bench.reach();
        assert_eq!(uploads(&mut bench), [(*id, false)]);
        bench.answer_upload("00");
        assert_eq!(forwarding(&bench, *id), Forwarding::Accepted);
        assert!(!bench.disk.queue.contains_key(id));
        assert_eq!(bench.outcome(*id), Some(Outcome::ApprovedOffline), "what was told stays");
    }
    let queue = bench.engine.snapshot().queue;
    assert_eq!((queue.totals.count(), queue.totals.sum, queue.draining), (0, 0, false));
    assert!(bench.signals.iter().any(|s| matches!(s, Signal::QueueProgress { left: 0, .. })));
}

#[test]
fn no_answer_means_the_same_again_with_the_same_trace() {
    let (mut bench, ids) = queued(offline_settings(), 2);
    until_reaching(&mut bench);
    bench.reach();
    bench.take_asked();
    bench.fail(Cause::B06, true);
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::InFlight);
    until_reaching(&mut bench);
    bench.reach();
    assert_eq!(uploads(&mut bench), [(ids[0], true)], "marked as a repeat");
    bench.answer_upload("94");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Accepted, "already there");
}

#[test]
fn after_a_restart_in_flight_means_repeat() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    until_reaching(&mut bench);
    bench.die_before_act(Event::HostReached);
    bench.devices_up();
    bench.load_master_key();
    bench.sign_in_well();
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::InFlight);
    bench.reach();
    assert!(matches!(bench.take_asked()[..], [.., Asked::OfflineSale { repeat: true, .. }]));
    bench.answer_upload("00");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Accepted);
}

#[test]
fn one_that_is_refused_is_held_and_blocks_nobody() {
    let (mut bench, ids) = queued(offline_settings(), 2);
    until_reaching(&mut bench);
    bench.reach();
    bench.answer_upload("51");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Held);
    assert!(bench.disk.denied.iter().any(|p| p.expose() == PANS[0]), "not accepted offline again");
    assert!(bench.disk.queue.contains_key(&ids[0]), "a person may want to send it again");
    until_reaching(&mut bench);
    bench.reach();
    bench.answer_upload("00");
    assert_eq!(forwarding(&bench, ids[1]), Forwarding::Accepted);
    let totals = bench.engine.snapshot().queue.totals;
    assert_eq!((totals.waiting, totals.held, totals.sum), (0, 1, 1000), "it still counts against the limits");
}

#[test]
fn one_that_is_refused_for_the_moment_lets_the_next_go_and_is_held_in_the_end() {
    let (mut bench, ids) = queued(offline_settings(), 2);
    until_reaching(&mut bench);
    bench.reach();
    bench.answer_upload("91");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Waiting);
    until_reaching(&mut bench);
    bench.reach();
    bench.answer_upload("00");
    assert_eq!(forwarding(&bench, ids[1]), Forwarding::Accepted);
    for _ in 0..3 {
        until_reaching(&mut bench);
        bench.reach();
        bench.answer_upload("91");
    }
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Held);
    assert_eq!(bench.disk.payments[&ids[0]].0.cause, Some(Cause::B01));
}

#[test]
fn reversals_leave_first() {
    let (mut bench, _) = queued(offline_settings(), 1);
    bench.event(Event::HostFailed(failure(Cause::N05, false)));
    let sale = bench.presenting("s");
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    bench.fail(Cause::B06, true);
    assert_eq!(bench.state(sale), TransactionState::Reversing);
    bench.take_did();
    bench.reach();
    assert!(matches!(bench.take_asked()[..], [Asked::Reversal { .. }]));
    bench.answer_reversal("00");
    until_reaching(&mut bench);
    bench.reach();
    assert!(matches!(bench.take_asked()[..], [Asked::OfflineSale { .. }]));
}

#[test]
fn a_sale_starts_while_one_is_being_forwarded_and_does_not_wait_long_for_it() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    until_reaching(&mut bench);
    bench.reach();
    let sale = bench.create(1000, "s", 500);
    bench.start(sale).unwrap();
    assert_eq!(bench.state(sale), TransactionState::AwaitingCard);
    bench.event(Event::CardRead(card(false)));
    assert!(matches!(bench.wire, Wire::Asked(Asked::OfflineSale { .. })));
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.wire, Wire::Reaching, "the upload has given way");
    bench.reach();
    bench.answer_sale("00");
    assert_eq!(bench.outcome(sale), Some(Outcome::Approved));
    until_reaching(&mut bench);
    bench.reach();
    assert_eq!(uploads(&mut bench).last(), Some(&(ids[0], true)), "it may have arrived: same trace");
}

#[test]
fn uploads_go_on_while_the_customer_looks_for_a_card_but_not_under_a_pin() {
    let (mut bench, ids) = queued(offline_settings(), 3);
    bench.event(Event::HostFailed(failure(Cause::N05, false)));
    let sale = bench.presenting("s");
    until_reaching(&mut bench);
    bench.reach();
    bench.answer_upload("00");
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Accepted);
    bench.event(Event::CardRead(card(true)));
    assert_eq!(bench.state(sale), TransactionState::AwaitingPin);
    bench.reach();
    // What was on its way may end: the keys it would change stay until the payment is over.
    bench.answer_upload("A0");
    assert!(bench.engine.sign_in.is_on(), "the keys must not change under a PIN");
    bench.take_did();
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.wire, Wire::Idle, "no upload begins under a PIN");
    bench.cancel(sale).unwrap();
    assert!(!bench.engine.sign_in.is_on(), "now they do");
}

#[test]
fn an_answer_with_a_wrong_mac_is_not_believed() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    until_reaching(&mut bench);
    bench.reach();
    bench.reply(HostAnswer::OfflineSale(sale_parts("00", MacCheck::Bad, ProcessingRequest::None)));
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::InFlight);
    assert!(bench.disk.queue.contains_key(&ids[0]));
    bench.sign_in_well();
    until_reaching(&mut bench);
    bench.reach();
    assert_eq!(uploads(&mut bench).last(), Some(&(ids[0], true)));
}

#[test]
fn what_is_too_old_waits_for_a_person() {
    let mut settings: Settings = offline_settings();
    settings.forwarding.hold_after = Duration::from_secs(3600);
    let mut bench = Bench::ready_with(settings);
    let id = bench.accepted_offline("1", 1000, PANS[0]);
    bench.reach_fails();
    bench.set(bench.now.mono.after(Duration::from_secs(3700)));
    bench.pass(Duration::from_secs(1));
    assert_eq!(forwarding(&bench, id), Forwarding::Held);
    assert!(bench.view(id).evidence.contains("too old"));
    assert_eq!(bench.wire, Wire::Idle);
}

fn decide(bench: &mut Bench, id: TransactionId, decision: Resolution) -> Result<Reply, Refusal> {
    let code = bench.view(id).code.unwrap();
    bench.ask(Command::Resolve { caller: caller(5), code, decision, note: "note".to_owned() })
}

#[test]
fn a_supervisor_holds_sends_again_or_gives_up_on_record() {
    let (mut bench, ids) = queued(offline_settings(), 2);
    assert_eq!(decide(&mut bench, ids[0], Resolution::Abandon).unwrap_err().kind, RefusalKind::NotAuthorized);
    bench.staffed();
    let code = bench.view(ids[0]).code.unwrap();
    bench.ask(Command::Hold { caller: caller(5), code, note: "customer came back".to_owned() }).unwrap();
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Held);
    until_reaching(&mut bench);
    bench.reach();
    assert_eq!(uploads(&mut bench), [(ids[1], false)]);
    assert_eq!(decide(&mut bench, ids[1], Resolution::Abandon).unwrap_err().kind, RefusalKind::Busy, "at the host");
    bench.answer_upload("00");
    assert_eq!(decide(&mut bench, ids[1], Resolution::Retry).unwrap_err().kind, RefusalKind::WrongState, "it is there");
    assert_eq!(decide(&mut bench, ids[0], Resolution::Proceed).unwrap_err().kind, RefusalKind::InvalidArgument);
    decide(&mut bench, ids[0], Resolution::Retry).unwrap();
    until_reaching(&mut bench);
    bench.reach();
    assert_eq!(uploads(&mut bench), [(ids[0], false)]);
    bench.answer_upload("51");
    decide(&mut bench, ids[0], Resolution::Abandon).unwrap();
    assert_eq!(forwarding(&bench, ids[0]), Forwarding::Abandoned);
    assert!(bench.disk.queue.is_empty(), "card data wiped");
    let resolution = bench.disk.payments[&ids[0]].0.resolution.clone();
    assert_eq!(resolution.as_deref(), Some("abandon by operator 01, uid 5: note"));
    assert_eq!(bench.engine.snapshot().queue.totals.count(), 0);
}

#[test]
fn sign_out_is_refused_while_anything_is_unsent() {
    let (mut bench, ids) = queued(offline_settings(), 1);
    bench.staffed();
    assert_eq!(bench.refused(Command::SignOut), RefusalKind::WrongState);
    let code = bench.view(ids[0]).code.unwrap();
    bench.ask(Command::Hold { caller: caller(5), code, note: "n".to_owned() }).unwrap();
    assert_eq!(bench.refused(Command::SignOut), RefusalKind::WrongState, "held is unsent");
    decide(&mut bench, ids[0], Resolution::Abandon).unwrap();
    bench.send(Command::SignOut);
    bench.reach();
    assert!(matches!(bench.wire, Wire::Asked(Asked::SignOut { .. })));
}

#[test]
fn drain_does_not_wait_for_the_back_off_and_signs_in_first() {
    let (mut bench, _) = queued(offline_settings(), 2);
    assert_eq!(bench.wire, Wire::Idle, "backing off");
    assert_eq!(bench.ask(Command::Drain).unwrap(), Reply::Draining { waiting: 2 });
    assert_eq!(bench.wire, Wire::Reaching);
    bench.reach();
    bench.answer_upload("97");
    assert_eq!(bench.refused(Command::Drain), RefusalKind::NotSignedIn, "the terminal was closed by the acquirer");
}

#[test]
fn a_script_for_a_card_that_is_gone_is_reported_before_anything_else_once() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    let mut answer = sale_parts("00", MacCheck::Good, ProcessingRequest::None);
    answer.issuer_script = true;
    bench.take_did();
    bench.reply(HostAnswer::Sale(answer));
    assert_eq!(bench.outcome(id), Some(Outcome::Approved));
    assert_eq!(bench.disk.scripts.len(), 1);
    bench.reach_fails();
    bench.restart();
    bench.devices_up();
    bench.load_master_key();
    bench.sign_in_well();
    let next = bench.create(1000, "2", 500);
    bench.start(next).unwrap();
    assert_eq!(bench.state(next), TransactionState::Connecting, "the report goes first");
    bench.take_did();
    bench.reach();
    assert!(matches!(bench.take_asked()[..], [Asked::ScriptReport { .. }]));
    assert!(bench.disk.scripts.is_empty());
    bench.fail(Cause::B06, true);
    assert_eq!(bench.state(next), TransactionState::AwaitingCard, "answered or not");
}
