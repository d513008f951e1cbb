//! Terminal sign-in: when it is tried, what each refusal does, and when the loop stops.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::host::{KeyCheck, MacCheck, ProcessingRequest};
use crate::domain::ids::Batch;
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::engine::command::{Command, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::sign_in::State;

fn asking() -> Bench {
    let mut bench = Bench::new(settings());
    bench.devices_up();
    bench.load_master_key();
    bench.reach();
    bench
}

fn terminal(bench: &Bench) -> (TerminalState, Option<Cause>) {
    let view = bench.engine.snapshot().terminal;
    (view.state, view.cause)
}

fn wait(bench: &Bench) -> Duration {
    match bench.engine.sign_in.state {
        State::Wanted { at, .. } => at.since(bench.now.mono),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_loaded_master_key_makes_the_terminal_sign_in_by_itself() {
    let mut bench = Bench::new(settings());
    bench.devices_up();
    assert_eq!(terminal(&bench), (TerminalState::SignedOut, Some(Cause::K04)));
    assert_eq!(bench.refused(Command::SignIn), RefusalKind::WrongState);
    bench.load_master_key();
    assert_eq!(terminal(&bench).0, TerminalState::SigningIn);
    bench.sign_in_well();
    assert_eq!(terminal(&bench), (TerminalState::Ready, None));
    assert!(bench.did.contains(&Did::InstallKeys) && bench.disk.working_keys);
}

#[test]
fn the_hosts_batch_is_adopted_and_its_clock_compared() {
    let mut bench = asking();
    assert_eq!(bench.take_asked(), [Asked::SignIn { stan: 1.into_stan(), batch: Batch::new(1).unwrap() }]);
    bench.reply(sign_in_answer("00", good_keys(), ProcessingRequest::None));
    let terminal = bench.engine.snapshot().terminal;
    assert_eq!((terminal.batch.get(), terminal.clock_difference), (7, Some(0)));
    assert_eq!(bench.disk.batch.get(), 7);
}

trait IntoStan {
    fn into_stan(self) -> crate::domain::ids::Stan;
}
impl IntoStan for u32 {
    fn into_stan(self) -> crate::domain::ids::Stan {
        crate::domain::ids::Stan::new(self).unwrap()
    }
}

#[test]
fn a_clock_far_from_the_hosts_is_shown_but_does_not_stop_trade() {
    let mut bench = Bench::new(settings());
    bench.devices_up();
    bench.now.wall.0 += 3_600_000_000;
    bench.load_master_key();
    bench.sign_in_well();
    assert_eq!(terminal(&bench), (TerminalState::Ready, Some(Cause::P01)));
    assert_eq!(bench.engine.snapshot().terminal.clock_difference, Some(-3600));
}

#[test]
fn permanent_refusals_stop_the_loop_until_a_person_asks() {
    for (code, cause) in [("97", Cause::B02), ("03", Cause::B03), ("30", Cause::S06), ("58", Cause::B02)] {
        let mut bench = asking();
        let caller = bench.send(Command::SignIn);
        bench.reply(sign_in_answer(code, KeyCheck::NotSent, ProcessingRequest::None));
        assert_eq!(terminal(&bench), (TerminalState::OutOfService, Some(cause)), "{code}");
        let refusal = bench.reply_to(caller).unwrap().clone().unwrap_err();
        assert_eq!((refusal.kind, refusal.cause), (RefusalKind::WrongState, Some(cause)));
        assert!(refusal.text.contains(code), "{}", refusal.text);
        bench.take_did();
        bench.pass(Duration::from_secs(86_400));
        assert_eq!(bench.take_did(), [], "{code} must not be tried again");
        bench.send(Command::SignIn);
        bench.sign_in_well();
        assert_eq!(terminal(&bench).0, TerminalState::Ready);
    }
}

#[test]
fn temporary_refusals_are_tried_again_after_growing_waits() {
    for code in ["91", "96", "68", "98", "90", "77", "94"] {
        let mut bench = asking();
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            bench.reply(sign_in_answer(code, KeyCheck::NotSent, ProcessingRequest::None));
            assert_eq!(terminal(&bench).0, TerminalState::SigningIn, "{code}");
            assert!(wait(&bench) > last, "{code}: {:?} after {last:?}", wait(&bench));
            last = wait(&bench);
            bench.pass(last);
            bench.reach();
        }
        assert!(last > Duration::from_secs(60));
    }
}

#[test]
fn an_unreachable_host_is_tried_after_growing_waits_up_to_a_minute_and_a_quarter() {
    let mut bench = asking();
    let mut waits = Vec::new();
    for _ in 0..12 {
        bench.fail(Cause::N05, false);
        assert_eq!(terminal(&bench), (TerminalState::SigningIn, Some(Cause::N05)));
        waits.push(wait(&bench));
        assert!(bench.engine.snapshot().terminal.next_sign_in.is_some());
        bench.pass(wait(&bench));
        bench.reach();
    }
    assert!(waits[0] < Duration::from_secs(3) && waits[4] > Duration::from_secs(20), "{waits:?}");
    assert!(waits.iter().all(|w| *w <= Duration::from_secs(75)), "{waits:?}");
}

#[test]
fn a_wrong_check_value_installs_nothing_and_the_second_one_stops() {
    let mut bench = asking();
    bench.reply(sign_in_answer("00", bad_keys(Cause::K03), ProcessingRequest::None));
    assert_eq!(terminal(&bench), (TerminalState::SigningIn, Some(Cause::K03)));
    bench.pass(Duration::from_secs(5));
    bench.reach();
    bench.reply(sign_in_answer("00", bad_keys(Cause::K03), ProcessingRequest::None));
    assert_eq!(terminal(&bench), (TerminalState::OutOfService, Some(Cause::K03)));
    assert!(!bench.did.contains(&Did::InstallKeys) && !bench.disk.working_keys);
    assert!(bench.engine.snapshot().terminal.evidence.contains("PIK"));
    // Another master key is a person's act.
    bench.master_key(Some("112233"));
    bench.sign_in_well();
    assert_eq!(terminal(&bench).0, TerminalState::Ready);
}

#[test]
fn a_key_block_that_cannot_be_read_or_is_missing_stops_at_once() {
    for keys in [bad_keys(Cause::K05), KeyCheck::NotSent] {
        let mut bench = asking();
        bench.reply(sign_in_answer("00", keys, ProcessingRequest::None));
        assert_eq!(terminal(&bench), (TerminalState::OutOfService, Some(Cause::K05)));
    }
}

#[test]
fn keys_that_fail_their_check_on_renewal_put_the_old_ones_out_of_use() {
    let mut bench = Bench::ready();
    bench.send(Command::SignIn);
    bench.reach();
    bench.reply(sign_in_answer("00", bad_keys(Cause::K03), ProcessingRequest::None));
    assert!(bench.did.contains(&Did::DiscardKeys));
    assert!(!bench.disk.working_keys && !bench.engine.snapshot().keys.working);
}

#[test]
fn a_second_refusal_right_after_a_good_sign_in_stops_and_names_the_setting() {
    for (code, cause, setting) in
        [("A0", Cause::K05, "mac.method"), ("99", Cause::K05, "pin.format"), ("77", Cause::B04, "batch")]
    {
        let mut bench = Bench::ready();
        let first = bench.authorising("1");
        bench.answer_sale(code);
        assert_eq!(bench.outcome(first), Some(Outcome::Declined));
        assert!(!bench.engine.snapshot().keys.working);
        bench.sign_in_well();
        bench.authorising("2");
        bench.answer_sale(code);
        assert_eq!(terminal(&bench), (TerminalState::OutOfService, Some(cause)), "{code}");
        let evidence = bench.engine.snapshot().terminal.evidence;
        assert!(evidence.contains(setting), "{code}: {evidence}");
        bench.pass(Duration::from_secs(3_600));
        assert_eq!(bench.wire, Wire::Idle, "nothing is tried any more");
    }
}

#[test]
fn a_wrong_answer_mac_twice_stops_and_keeps_both_payments_to_be_reversed() {
    let mut bench = Bench::ready();
    let first = bench.authorising("1");
    bench.reply(sale_answer("00", MacCheck::Bad, ProcessingRequest::None));
    bench.sign_in_well();
    // The reversal's answer is wrong too: the same setting must be at fault.
    bench.reach();
    bench.reply(crate::domain::host::HostAnswer::Reversal {
        response: response("00"),
        mac: MacCheck::Bad,
        asks: ProcessingRequest::None,
    });
    assert_eq!(terminal(&bench), (TerminalState::OutOfService, Some(Cause::K05)));
    assert_eq!(bench.state(first), TransactionState::Reversing);
    // Once a person has put it right, the reversal goes first.
    bench.send(Command::SignIn);
    bench.sign_in_well();
    bench.reach();
    bench.answer_reversal("00");
    assert!(bench.view(first).reversed);
}

#[test]
fn a_refusal_long_after_an_accepted_message_is_a_first_one_again() {
    let mut bench = Bench::ready();
    bench.authorising("1");
    bench.answer_sale("A0");
    bench.sign_in_well();
    // The host checked the MAC before it looked at the card.
    bench.authorising("2");
    bench.answer_sale("51");
    bench.authorising("3");
    bench.answer_sale("A0");
    assert_eq!(terminal(&bench), (TerminalState::SigningIn, Some(Cause::K01)));
}

#[test]
fn the_hosts_wish_to_sign_in_again_is_granted_after_the_payment() {
    let mut bench = Bench::ready();
    let id = bench.authorising("1");
    bench.take_did();
    bench.reply(sale_answer("00", MacCheck::Good, ProcessingRequest::SignIn));
    assert_eq!(bench.outcome(id), Some(Outcome::Approved));
    bench.sign_in_well();
    assert_eq!(terminal(&bench), (TerminalState::Ready, None));
}

#[test]
fn the_hosts_wish_does_not_restart_a_loop_that_has_stopped() {
    let mut bench = Bench::ready();
    bench.authorising("1");
    bench.reply(sale_answer("97", MacCheck::NotDue, ProcessingRequest::SignIn));
    assert_eq!(terminal(&bench), (TerminalState::OutOfService, Some(Cause::B02)));
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(bench.wire, Wire::Idle);
}

#[test]
fn a_sign_in_answer_that_asks_for_sign_in_does_not_loop() {
    let mut bench = asking();
    bench.reply(sign_in_answer("00", good_keys(), ProcessingRequest::SignIn));
    assert_eq!(terminal(&bench).0, TerminalState::Ready);
    assert_eq!(bench.wire, Wire::Idle);
}

#[test]
fn wishes_for_parameters_or_software_are_shown() {
    for (asks, cause) in
        [(ProcessingRequest::DownloadParameters, Cause::S04), (ProcessingRequest::UpdateSoftware, Cause::S03)]
    {
        let mut bench = asking();
        bench.reply(sign_in_answer("00", good_keys(), asks));
        assert_eq!(terminal(&bench), (TerminalState::Ready, Some(cause)));
    }
}

#[test]
fn old_keys_are_renewed_at_the_next_idle_moment_and_not_during_a_payment() {
    let mut bench = Bench::ready();
    let id = bench.presenting("1");
    bench.take_did();
    bench.set(bench.now.mono.after(Duration::from_secs(86_400 * 2)));
    // Late, but the card is there.
    bench.event(Event::CardRead(card(false)));
    assert_eq!(bench.state(id), TransactionState::Connecting);
    bench.reach();
    bench.answer_sale("00");
    assert_eq!(bench.outcome(id), Some(Outcome::Approved));
    assert_eq!(terminal(&bench), (TerminalState::SigningIn, Some(Cause::K06)));
    bench.sign_in_well();
}

#[test]
fn old_keys_of_an_idle_terminal_are_renewed_on_time() {
    let mut bench = Bench::ready();
    bench.pass(Duration::from_secs(86_399));
    assert_eq!(bench.wire, Wire::Idle);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.wire, Wire::Reaching);
}

#[test]
fn every_caller_of_sign_in_is_told_within_twenty_seconds() {
    let mut bench = asking();
    let callers: Vec<_> = (0..3).map(|_| bench.send(Command::SignIn)).collect();
    bench.pass(Duration::from_secs(20));
    for id in callers {
        assert_eq!(bench.reply_to(id).unwrap().clone().unwrap_err().kind, RefusalKind::HostTimeout);
    }
    // It goes on in the background.
    bench.reply(sign_in_answer("00", good_keys(), ProcessingRequest::None));
    assert_eq!(terminal(&bench).0, TerminalState::Ready);
}

#[test]
fn callers_share_one_sign_in_and_too_many_are_turned_away() {
    let mut bench = asking();
    let callers: Vec<_> = (0..32).map(|_| bench.send(Command::SignIn)).collect();
    assert_eq!(bench.refused(Command::SignIn), RefusalKind::Busy);
    bench.reply(sign_in_answer("00", good_keys(), ProcessingRequest::None));
    for id in callers {
        assert_eq!(bench.reply_to(id), Some(&Ok(Reply::SignedIn { batch: 7, clock_difference: Some(0) })));
    }
    assert_eq!(bench.take_asked().len(), 1);
}

#[test]
fn a_caller_learns_whether_the_host_was_reached() {
    for (sent, kind) in [(false, RefusalKind::HostUnreachable), (true, RefusalKind::HostTimeout)] {
        let mut bench = asking();
        let id = bench.send(Command::SignIn);
        bench.fail(Cause::N10, sent);
        let refusal = bench.reply_to(id).unwrap().clone().unwrap_err();
        assert_eq!((refusal.kind, refusal.cause), (kind, Some(Cause::N10)));
    }
}

#[test]
fn a_master_key_that_is_removed_ends_trade() {
    let mut bench = Bench::ready();
    bench.master_key(None);
    assert_eq!(terminal(&bench), (TerminalState::SignedOut, Some(Cause::K04)));
    assert!(bench.did.contains(&Did::DiscardKeys) && !bench.disk.working_keys);
    let id = bench.create(1000, "1", 1);
    assert_eq!(bench.start(id).unwrap_err().kind, RefusalKind::NotSignedIn);
}

#[test]
fn a_sign_in_whose_master_key_goes_meanwhile_installs_nothing() {
    let mut bench = asking();
    let id = bench.send(Command::SignIn);
    bench.master_key(None);
    assert_eq!(bench.reply_to(id).unwrap().clone().unwrap_err().cause, Some(Cause::K04));
    bench.reply(sign_in_answer("00", good_keys(), ProcessingRequest::None));
    assert!(!bench.did.contains(&Did::InstallKeys));
}

#[test]
fn sign_out_tells_the_host_and_discards_the_keys() {
    let mut bench = Bench::ready();
    bench.take_did();
    let id = bench.send(Command::SignOut);
    bench.reach();
    bench.reply(crate::domain::host::HostAnswer::SignOut(response("00")));
    assert_eq!(bench.reply_to(id), Some(&Ok(Reply::Done)));
    assert_eq!(terminal(&bench), (TerminalState::SignedOut, None));
    assert!(bench.did.contains(&Did::DiscardKeys) && !bench.disk.working_keys);
    bench.take_did();
    bench.pass(Duration::from_secs(86_400 * 2));
    assert_eq!(bench.take_did(), [], "a person signed out; nothing signs in by itself");
    assert_eq!(bench.refused(Command::SignOut), RefusalKind::NotSignedIn);
}

#[test]
fn sign_out_works_also_when_the_host_does_not_hear_it() {
    let mut bench = Bench::ready();
    let id = bench.send(Command::SignOut);
    bench.fail(Cause::N05, false);
    assert_eq!(bench.reply_to(id), Some(&Ok(Reply::Done)));
    assert_eq!(terminal(&bench).0, TerminalState::SignedOut);
}

#[test]
fn sign_out_waits_for_open_reversals() {
    let mut bench = Bench::ready();
    bench.reversing("1");
    assert_eq!(bench.refused(Command::SignOut), RefusalKind::WrongState);
}

#[test]
fn the_last_word_between_sign_out_and_sign_in_counts() {
    let mut bench = Bench::ready();
    // The sign-out is already on its way when the sign-in is asked for.
    let out = bench.send(Command::SignOut);
    bench.reach();
    let back = bench.send(Command::SignIn);
    bench.reply(crate::domain::host::HostAnswer::SignOut(response("00")));
    assert_eq!(bench.reply_to(out), Some(&Ok(Reply::Done)));
    bench.sign_in_well();
    assert!(bench.reply_to(back).unwrap().is_ok());
    // It still waits for the line when the sign-in is asked for: it is taken back.
    bench.send(Command::Echo);
    let out = bench.send(Command::SignOut);
    let back = bench.send(Command::SignIn);
    assert_eq!(bench.reply_to(out).unwrap().clone().unwrap_err().kind, RefusalKind::WrongState);
    bench.fail(Cause::N05, false);
    bench.sign_in_well();
    assert!(bench.reply_to(back).unwrap().is_ok());
    assert_eq!(terminal(&bench).0, TerminalState::Ready);
}

#[test]
fn echo_measures_the_round_trip_and_its_caller_never_waits_for_long() {
    let mut bench = Bench::ready();
    let id = bench.send(Command::Echo);
    bench.reach();
    bench.pass(Duration::from_millis(120));
    bench.reply(crate::domain::host::HostAnswer::Echo(response("00")));
    assert_eq!(bench.reply_to(id), Some(&Ok(Reply::Echo { milliseconds: 120 })));
    let first = bench.send(Command::Echo);
    let second = bench.send(Command::Echo);
    bench.reach();
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.reply_to(first).unwrap().clone().unwrap_err().kind, RefusalKind::HostTimeout);
    assert_eq!(bench.reply_to(second).unwrap().clone().unwrap_err().kind, RefusalKind::Busy);
    // The late answer disturbs nobody.
    bench.reply(crate::domain::host::HostAnswer::Echo(response("00")));
    assert_eq!(bench.wire, Wire::Idle);
}

#[test]
fn errands_are_bounded() {
    let mut bench = Bench::ready();
    for _ in 0..16 {
        bench.send(Command::Echo);
    }
    assert_eq!(bench.refused(Command::Echo), RefusalKind::Busy);
    assert_eq!(bench.refused(Command::SignOut), RefusalKind::Busy);
}
