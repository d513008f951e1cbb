//! The payment from `Start` to its outcome: every way it can end, and what each leaves behind.

use std::time::Duration;

use super::bench::*;
use crate::domain::card::TapFailure;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::{HostAnswer, KeyCheck, MacCheck, ProcessingRequest, ReversalReason};
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::domain::prompt::Prompt;
use crate::engine::command::{Command, Device, RefusalKind};
use crate::engine::event::Event;

use Outcome::{Approved, Cancelled, Declined, Unknown};
use TransactionState::{Authorising, AwaitingCard, AwaitingConfirmation, AwaitingPin, Connecting, Finished, Reversing};

fn confirming() -> (Bench, crate::domain::ids::TransactionId) {
    let mut bench = Bench::ready();
    let new = crate::engine::command::NewTransaction { confirm_amount: Some(true), ..new_sale(1000, "1", 1234) };
    let id = bench.create_as(new);
    bench.start(id).unwrap();
    assert_eq!(bench.state(id), AwaitingConfirmation);
    (bench, id)
}

fn entering_pin() -> (Bench, crate::domain::ids::TransactionId) {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.event(Event::CardRead(card(true)));
    assert_eq!(bench.state(id), AwaitingPin);
    (bench, id)
}

#[test]
fn a_sale_with_confirmation_card_and_pin_is_approved_in_three_commits() {
    let mut bench = Bench::ready();
    let before = bench.commits;
    let new = crate::engine::command::NewTransaction { confirm_amount: Some(true), ..new_sale(1000, "1", 1234) };
    let id = bench.create_as(new);
    bench.start(id).unwrap();
    bench.event(Event::AmountConfirmed);
    bench.event(Event::CardRead(card(true)));
    bench.event(Event::EntryProgressed { digits: 4 });
    bench.pin();
    assert_eq!(bench.state(id), Connecting);
    bench.reach();
    assert_eq!(bench.state(id), Authorising);
    bench.answer_sale("00");
    assert_eq!(bench.ended(id), (Finished, Some(Approved), None));
    let view = bench.view(id);
    assert_eq!(view.code.unwrap().as_str().get(..20), Some("99000001000007000002"));
    assert_eq!(view.masked_pan.as_deref(), Some("620000******0018"));
    assert_eq!((view.rrn.unwrap().as_str(), view.auth_code.unwrap().as_str()), ("000000000042", "A1B2C3"));
    assert_eq!(view.response_code.as_deref(), Some("00"));
    assert!(bench.disk.reversals.is_empty());
    assert_eq!(bench.commits - before, 3, "created, sent, answered");
    assert_eq!(bench.told_ends(id), [Approved]);
    assert_eq!(bench.engine.snapshot().terminal.state, TerminalState::Ready);
}

#[test]
fn a_result_leaves_the_display_after_a_while() {
    let mut bench = Bench::ready();
    bench.authorising("1");
    bench.answer_sale("00");
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Approved(money(1234)));
    bench.pass(Duration::from_secs(15));
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Idle);
}

#[test]
fn a_declined_sale_carries_the_acquirers_words_and_needs_no_reversal() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.answer_sale("51");
    assert_eq!(bench.ended(id), (Finished, Some(Declined), None));
    let words = bench.view(id).response_text.unwrap();
    assert_eq!(words, ("应答51".to_owned(), "answer 51".to_owned()));
    assert!(bench.disk.reversals.is_empty());
}

#[test]
fn refusals_that_stand_for_a_cause_name_it() {
    for (code, cause) in [("91", Cause::B01), ("30", Cause::S06), ("03", Cause::B03), ("97", Cause::B02)] {
        let mut bench = Bench::ready();
        let id = bench.authorising("1");
        bench.answer_sale(code);
        assert_eq!(bench.ended(id), (Finished, Some(Declined), Some(cause)), "{code}");
    }
}

#[test]
fn a_terminal_the_acquirer_has_closed_takes_no_further_payment() {
    let mut bench = Bench::ready();
    bench.authorising("1");
    bench.answer_sale("97");
    let id = bench.create(1000, "2", 1);
    let refusal = bench.start(id).unwrap_err();
    assert_eq!((refusal.kind, refusal.cause), (RefusalKind::NotSignedIn, Some(Cause::B02)));
}

#[test]
fn each_way_a_card_can_fail_has_its_end() {
    let retry = [TapFailure::TwoCards, TapFailure::RemovedEarly, TapFailure::WrongCard, TapFailure::CardFaulty];
    for failure in TapFailure::ALL.iter().copied() {
        let mut bench = Bench::ready();
        let id = bench.presenting("1");
        bench.take_did();
        bench.fail_card(failure);
        if retry.contains(&failure) {
            assert_eq!(bench.state(id), AwaitingCard, "{failure}");
            assert_eq!(bench.take_did(), [Did::Show(Prompt::PresentAgain(failure))]);
            for _ in 0..4 {
                bench.fail_card(failure);
            }
        }
        let outcome = match failure {
            TapFailure::CardDeclined | TapFailure::Expired => Declined,
            _ => Cancelled,
        };
        assert_eq!((bench.state(id), bench.outcome(id)), (Finished, Some(outcome)), "{failure}");
        assert!(bench.did.contains(&Did::StopPolling), "{failure}");
        assert_eq!(bench.view(id).evidence, failure.as_str());
    }
}

#[test]
fn a_card_read_after_a_wrong_one_is_taken() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.fail_card(TapFailure::TwoCards);
    bench.event(Event::CardRead(card(false)));
    assert_eq!(bench.state(id), Connecting);
}

#[test]
fn nobody_presents_a_card() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), None));
    assert!(bench.did.contains(&Did::StopPolling));
}

#[test]
fn cancel_time_out_and_a_lost_keypad_end_the_entry_of_the_pin() {
    type Case = (fn() -> Event, Option<Cause>);
    let cases: [Case; 4] = [
        (|| Event::EntryCancelled, None),
        (|| Event::EntryTimedOut, None),
        (|| Event::EntryFailed(Cause::H05), Some(Cause::H05)),
        (
            || Event::DeviceChanged { device: Device::Keypad, state: DeviceState::Absent, cause: Some(Cause::H05) },
            Some(Cause::H05),
        ),
    ];
    for (event, cause) in cases {
        for (mut bench, id) in [confirming(), entering_pin()] {
            bench.take_did();
            bench.event(event());
            assert_eq!(bench.ended(id), (Finished, Some(Cancelled), cause));
            assert!(bench.take_did().contains(&Did::StopEntry));
        }
    }
}

#[test]
fn an_entry_that_the_keypad_forgets_ends_all_the_same() {
    for (mut bench, id) in [confirming(), entering_pin()] {
        bench.pass(Duration::from_secs(150));
        assert_eq!(bench.ended(id), (Finished, Some(Cancelled), None));
        assert!(bench.did.contains(&Did::StopEntry));
    }
}

#[test]
fn cancel_on_the_keypad_counts_while_a_card_is_waited_for() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.event(Event::EntryCancelled);
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), None));
    assert!(bench.did.contains(&Did::StopPolling));
}

#[test]
fn a_card_that_needs_a_pin_ends_the_sale_where_there_is_no_keypad() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.device(Device::Keypad, DeviceState::Absent, Some(Cause::H05));
    assert_eq!(bench.state(id), AwaitingCard, "a card without PIN would still do");
    bench.event(Event::CardRead(card(true)));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::H05)));
}

#[test]
fn a_card_without_pin_needs_no_keypad() {
    let mut bench = Bench::ready();
    bench.device(Device::Keypad, DeviceState::Absent, Some(Cause::H05));
    let id = bench.authorising("1");
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Approved));
}

#[test]
fn a_reader_that_goes_ends_only_the_step_that_needs_it() {
    let gone = |bench: &mut Bench| bench.device(Device::Reader, DeviceState::Absent, Some(Cause::H01));

    let (mut bench, id) = confirming();
    gone(&mut bench);
    assert_eq!(bench.state(id), AwaitingConfirmation, "it may be back by then");
    bench.event(Event::AmountConfirmed);
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::H01)));

    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    gone(&mut bench);
    bench.device(Device::Reader, DeviceState::Starting, None);
    assert_eq!(bench.state(id), AwaitingCard, "the reader machine waits for it, and says when that is over");
    bench.event(Event::CardFailed(TapFailure::ReaderFailed));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::H01)));

    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.device(Device::Reader, DeviceState::Failed, Some(Cause::H02));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::H02)));

    let (mut bench, id) = entering_pin();
    gone(&mut bench);
    bench.pin();
    gone(&mut bench);
    bench.reach();
    gone(&mut bench);
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Approved));
}

#[test]
fn a_reader_that_is_woken_while_a_card_is_waited_for_keeps_the_payment() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.device(Device::Reader, DeviceState::Starting, None);
    assert_eq!(bench.state(id), AwaitingCard, "the reader machine waits for it, and says when that is in vain");
    bench.device(Device::Reader, DeviceState::Active, None);
    bench.event(Event::CardRead(card(true)));
    assert_eq!(bench.state(id), AwaitingPin);

    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.device(Device::Reader, DeviceState::Starting, None);
    bench.event(Event::CardFailed(TapFailure::ReaderFailed));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::H02)));
}

#[test]
fn start_needs_a_reader_and_for_confirmation_a_keypad() {
    let mut bench = Bench::ready();
    bench.device(Device::Reader, DeviceState::Failed, Some(Cause::H02));
    let id = bench.create(1000, "1", 1);
    let refusal = bench.start(id).unwrap_err();
    assert_eq!((refusal.kind, refusal.cause), (RefusalKind::ReaderUnavailable, Some(Cause::H02)));
    bench.devices_up();
    bench.device(Device::Keypad, DeviceState::Absent, Some(Cause::H05));
    let new = crate::engine::command::NewTransaction { confirm_amount: Some(true), ..new_sale(1000, "2", 1) };
    let id = bench.create_as(new);
    assert_eq!(bench.start(id).unwrap_err().cause, Some(Cause::H05));
}

/// A payment at each step before anything is sent.
fn unsent_steps() -> Vec<(Bench, crate::domain::ids::TransactionId)> {
    let mut steps = vec![confirming(), entering_pin()];
    let mut bench = Bench::ready();
    let id = bench.create(1000, "1", 1234);
    steps.push((bench, id));
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    steps.push((bench, id));
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.event(Event::CardRead(card(false)));
    assert_eq!(bench.wire, Wire::Reaching);
    steps.push((bench, id));
    let mut bench = Bench::ready();
    bench.send(Command::SignIn);
    let id = bench.create(1000, "1", 1234);
    bench.start(id).unwrap();
    assert_eq!(bench.state(id), Connecting);
    steps.push((bench, id));
    steps
}

#[test]
fn cancel_works_at_every_step_before_the_request_has_left_and_frees_everything() {
    for (mut bench, id) in unsent_steps() {
        let before = bench.state(id);
        bench.cancel(id).unwrap();
        assert_eq!(bench.ended(id), (Finished, Some(Cancelled), None), "{before}");
        assert!(bench.disk.reversals.is_empty());
        bench.cancel(id).unwrap();
        assert_eq!(bench.told_ends(id), [Cancelled]);
        if bench.wire == Wire::Reaching {
            bench.sign_in_well();
        }
        bench.presenting("next");
    }
}

#[test]
fn cancel_is_refused_once_the_request_has_left() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    assert_eq!(bench.cancel(id).unwrap_err().kind, RefusalKind::WrongState);
    bench.fail(Cause::B06, true);
    assert_eq!(bench.cancel(id).unwrap_err().kind, RefusalKind::WrongState);
}

#[test]
fn a_client_that_goes_before_the_request_has_left_takes_its_payment_with_it() {
    for (mut bench, id) in unsent_steps() {
        let before = bench.state(id);
        bench.ask(Command::ClientGone { connection: ":1.1000".to_owned() }).unwrap();
        assert_eq!(bench.ended(id), (Finished, Some(Cancelled), None), "{before}");
    }
}

#[test]
fn a_client_that_goes_after_the_request_has_left_finds_its_result_later() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.ask(Command::ClientGone { connection: ":1.1000".to_owned() }).unwrap();
    assert_eq!(bench.state(id), Authorising);
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Approved));
    assert!(bench.engine.snapshot().transactions.contains_key(&id), "the result waits for Acknowledge");
    let again = crate::engine::command::Caller { uid: 1000, connection: ":1.77".to_owned() };
    let key = crate::domain::ids::IdempotencyKey::new("1").unwrap();
    bench.ask(Command::FindByKey { caller: again.clone(), key }).unwrap();
    assert_eq!(bench.view(id).owner, again);
    bench.ask(Command::Acknowledge { caller: again, id }).unwrap();
    assert!(!bench.engine.snapshot().transactions.contains_key(&id));
}

#[test]
fn an_unanswered_sale_is_unknown_and_then_reversed_and_told_both_times() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.fail(Cause::B06, true);
    assert_eq!(bench.ended(id), (Reversing, Some(Unknown), Some(Cause::B06)));
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Unknown);
    bench.reach();
    bench.answer_reversal("00");
    assert_eq!((bench.state(id), bench.outcome(id), bench.view(id).reversed), (Finished, Some(Cancelled), true));
    assert_eq!(bench.told_ends(id), [Unknown, Cancelled]);
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Cancelled);
}

#[test]
fn a_request_that_certainly_did_not_leave_needs_no_reversal() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    assert_eq!(bench.disk.reversals.len(), 1);
    bench.fail(Cause::N09, false);
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::N09)));
    assert!(bench.disk.reversals.is_empty());
    assert!(bench.view(id).code.is_some(), "its trace is used");
}

#[test]
fn a_host_that_is_not_reached_costs_no_trace() {
    let mut bench = Bench::ready();
    let next = bench.disk.next_stan;
    let id = bench.presenting("1");
    bench.event(Event::CardRead(card(false)));
    bench.fail(Cause::N05, false);
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::N05)));
    assert_eq!((bench.view(id).code, bench.disk.next_stan), (None, next));
}

#[test]
fn a_wrong_mac_is_not_believed_and_nothing_of_the_answer_is_taken_over() {
    for (code, mac) in [("00", MacCheck::Bad), ("51", MacCheck::Bad), ("00", MacCheck::NotDue)] {
        let mut bench = Bench::ready();
        let id = bench.authorising("1");
        bench.reply(sale_answer(code, mac, ProcessingRequest::None));
        assert_eq!(bench.ended(id), (Reversing, Some(Unknown), Some(Cause::K01)), "{code} {mac}");
        let view = bench.view(id);
        assert_eq!((view.rrn, view.auth_code, view.response_code), (None, None, None));
        bench.take_did();
        bench.sign_in_well();
        bench.reach();
        let asked = bench.take_asked();
        let Some(Asked::Reversal { reason, batch, auth_code, .. }) = asked.last() else { panic!("{asked:?}") };
        assert_eq!((*reason, batch.get(), auth_code), (ReversalReason::WrongMac, 7, &None));
    }
}

#[test]
fn an_answer_that_is_not_to_stand_is_reversed_with_its_authorisation_code() {
    for (code, mac, reason) in
        [("10", MacCheck::Good, ReversalReason::CouldNotFinish), ("68", MacCheck::NotDue, ReversalReason::NoAnswer)]
    {
        let mut bench = Bench::ready();
        let id = bench.authorising("1");
        bench.reply(sale_answer(code, mac, ProcessingRequest::None));
        assert_eq!(bench.ended(id), (Reversing, Some(Unknown), Some(Cause::B06)));
        bench.take_did();
        bench.reach();
        let asked = bench.take_asked();
        let Some(Asked::Reversal { reason: found, auth_code, .. }) = asked.last() else { panic!("{asked:?}") };
        assert_eq!((*found, auth_code.as_ref().map(|c| c.as_str())), (reason, Some("A1B2C3")));
        assert!(bench.disk.payments[&id].0.auth_code.is_some(), "kept with the payment for a restart");
    }
}

#[test]
fn an_answer_to_something_else_counts_as_none() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.reply(HostAnswer::Echo(response("00")));
    assert_eq!((bench.state(id), bench.outcome(id)), (Reversing, Some(Unknown)));
}

#[test]
fn an_exchange_that_the_host_machine_forgets_ends_as_unanswered() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.take_did();
    bench.pass(Duration::from_secs(150));
    assert_eq!((bench.state(id), bench.outcome(id)), (Reversing, Some(Unknown)));
    assert!(bench.take_did().contains(&Did::LeaveHost));
}

#[test]
fn a_line_that_does_not_become_free_ends_the_payment_unsent() {
    let mut bench = Bench::ready();
    bench.send(Command::Echo);
    bench.reach();
    let id = bench.presenting("1");
    bench.event(Event::CardRead(card(false)));
    assert_eq!(bench.state(id), Connecting);
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::B06)));
}

#[test]
fn a_payment_started_while_signed_out_waits_for_the_sign_in_it_triggers() {
    let mut bench = Bench::ready();
    bench.send(Command::SignOut);
    bench.fail(Cause::N05, false);
    let id = bench.create(1000, "1", 1234);
    bench.start(id).unwrap();
    assert_eq!(bench.state(id), Connecting);
    assert_eq!(bench.engine.snapshot().terminal.active, Some(id));
    bench.sign_in_well();
    assert_eq!(bench.state(id), AwaitingCard);
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Approved));
}

#[test]
fn a_payment_that_waits_for_sign_in_waits_through_failures_but_not_for_ever() {
    let mut bench = Bench::ready();
    bench.send(Command::SignIn);
    bench.fail(Cause::N05, false);
    let id = bench.create(1000, "1", 1234);
    bench.start(id).unwrap();
    assert_eq!(bench.wire, Wire::Reaching, "the sign-in is tried at once");
    bench.fail(Cause::N05, false);
    assert_eq!(bench.state(id), Connecting);
    bench.pass(Duration::from_secs(29));
    assert_eq!(bench.state(id), Connecting);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.state(id), bench.outcome(id)), (Finished, Some(Cancelled)));
    assert!(bench.view(id).evidence.contains("signed in"), "{}", bench.view(id).evidence);
}

#[test]
fn a_payment_that_waits_for_sign_in_ends_when_the_loop_stops() {
    let mut bench = Bench::ready();
    bench.send(Command::SignIn);
    let id = bench.create(1000, "1", 1234);
    bench.start(id).unwrap();
    bench.reach();
    bench.reply(sign_in_answer("97", KeyCheck::NotSent, ProcessingRequest::None));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::B02)));
}

#[test]
fn a_payment_started_during_sign_out_signs_in_again() {
    let mut bench = Bench::ready();
    bench.send(Command::SignOut);
    bench.reach();
    let id = bench.create(1000, "1", 1234);
    bench.start(id).unwrap();
    bench.reply(HostAnswer::SignOut(response("00")));
    bench.sign_in_well();
    assert_eq!(bench.state(id), AwaitingCard);
}

#[test]
fn keys_do_not_change_between_card_and_request() {
    let mut bench = Bench::ready();
    let open = bench.reversing("1");
    // The reversal is on the line when the next payment starts; its card is asked for only after that.
    bench.reach();
    let id = bench.create(1000, "2", 1234);
    bench.start(id).unwrap();
    assert_eq!(bench.state(id), Connecting);
    bench.answer_reversal("A0");
    bench.sign_in_well();
    assert_eq!(bench.state(id), Connecting);
    bench.reach();
    bench.answer_reversal("00");
    assert!(bench.view(open).reversed);
    assert_eq!(bench.state(id), AwaitingCard);
    bench.event(Event::CardRead(card(true)));
    assert_eq!(bench.refused(Command::SignIn), RefusalKind::Busy);
    assert_eq!(bench.refused(Command::SignOut), RefusalKind::Busy);
    bench.take_did();
    bench.pin();
    bench.reach();
    let asked = bench.take_asked();
    assert!(matches!(asked[..], [Asked::Sale { pin: true, .. }]), "{asked:?}");
}

#[test]
fn a_master_key_changed_under_a_pin_ends_the_payment_unsent() {
    let (mut bench, id) = entering_pin();
    bench.master_key(Some("112233"));
    assert_eq!(bench.ended(id), (Finished, Some(Cancelled), None));
    assert!(bench.did.contains(&Did::StopEntry));
    bench.sign_in_well();
    // Once sent, the answer is what counts.
    let id = bench.authorising("2");
    bench.master_key(None);
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Approved));
}

#[test]
fn the_pin_may_be_left_out_where_the_keypad_allows_it() {
    let (mut bench, id) = entering_pin();
    bench.take_did();
    bench.event(Event::PinBypassed);
    bench.reach();
    assert!(matches!(bench.take_asked()[..], [Asked::Sale { pin: false, .. }]));
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Approved));
}

#[test]
fn a_storage_fault_stops_payments_before_money_is_at_risk() {
    for (mut bench, id) in unsent_steps() {
        let created = bench.state(id) == TransactionState::Created;
        bench.event(Event::StorageChanged { fault: Some("disk full".to_owned()) });
        if !created {
            assert_eq!(bench.ended(id), (Finished, Some(Cancelled), Some(Cause::P02)));
        }
        let terminal = bench.engine.snapshot().terminal;
        assert_eq!((terminal.state, terminal.cause), (TerminalState::OutOfService, Some(Cause::P02)));
        assert_eq!(terminal.evidence, "disk full");
        assert_eq!(bench.refused(Command::Create(new_sale(1000, "new", 1))), RefusalKind::WrongState);
        assert_eq!(bench.refused(Command::SignIn), RefusalKind::WrongState);
        bench.event(Event::StorageChanged { fault: None });
        if bench.wire == Wire::Reaching {
            bench.sign_in_well();
        }
        bench.presenting("after");
    }
}

#[test]
fn a_storage_fault_does_not_lose_the_answer_that_is_on_its_way() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.event(Event::StorageChanged { fault: Some("disk full".to_owned()) });
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Approved));
}

#[test]
fn two_apps_share_the_terminal_one_payment_at_a_time() {
    let mut bench = Bench::ready();
    let first = bench.presenting("same-key");
    let second = bench.create(2000, "same-key", 99);
    assert_ne!(first, second, "a key belongs to its uid");
    assert_eq!(bench.start(second).unwrap_err().kind, RefusalKind::Busy);
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    bench.answer_sale("00");
    bench.start(second).unwrap();
    assert_eq!(bench.state(second), AwaitingCard);
    let thief = caller(1000);
    assert_eq!(bench.refused(Command::Cancel { caller: thief.clone(), id: second }), RefusalKind::NotFound);
    assert_eq!(bench.refused(Command::Acknowledge { caller: thief, id: second }), RefusalKind::NotFound);
}

#[test]
fn what_happens_to_a_waiting_payment_does_not_disturb_the_customers_display() {
    let mut bench = Bench::ready();
    let waiting = bench.create(2000, "w", 99);
    bench.presenting("1");
    bench.take_did();
    bench.cancel(waiting).unwrap();
    assert_eq!(bench.take_did(), []);
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::PresentCard(money(1234)));
}

#[test]
fn events_out_of_place_change_nothing() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.take_did();
    let signals = bench.signals.len();
    bench.event(Event::AmountConfirmed);
    bench.pin();
    bench.event(Event::PinBypassed);
    bench.event(Event::EntryTimedOut);
    bench.event(Event::EntryFailed(Cause::H05));
    bench.event(Event::HostReached);
    bench.event(Event::EntryProgressed { digits: 3 });
    assert_eq!((bench.take_did(), bench.signals.len()), (vec![], signals));
    assert_eq!(bench.state(id), AwaitingCard);
}
