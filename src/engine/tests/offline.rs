//! Payments without the host: who may, up to what, and what is on disk when it is told.

use std::time::Duration;

use super::bench::*;
use crate::domain::card::CardRead;
use crate::domain::cause::Cause;
use crate::domain::host::{HostTime, KeyCheck, ProcessingRequest};
use crate::domain::offline::{Forwarding, OfflineLimits, OfflineMode, OfflineRefusal};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::secret::SecretBytes;
use crate::domain::time::WallTime;
use crate::engine::command::RefusalKind;
use crate::engine::event::Event;
use crate::engine::settings::Settings;

use OfflineMode::{OfflineOnly, OnlineOnly, PreferOnline};

fn bench() -> Bench {
    Bench::ready_with(offline_settings())
}

/// Signed in, and then the line is gone for good.
fn cut_off() -> Bench {
    let mut bench = bench();
    bench.event(Event::HostFailed(failure(Cause::N05, false)));
    bench
}

/// The evidence of a payment that was read and refused offline.
fn refused_with(bench: &mut Bench, key: &str, card: Box<CardRead>) -> String {
    let id = bench.create_offline(key, 1000, OfflineOnly);
    bench.start(id).unwrap();
    bench.event(Event::CardRead(card));
    assert_eq!(bench.outcome(id), Some(Outcome::Cancelled));
    assert!(bench.view(id).forwarding.is_none() && bench.view(id).code.is_none());
    bench.view(id).evidence
}

#[test]
fn an_offline_payment_takes_two_commits_and_is_on_disk_before_it_is_told() {
    let mut bench = bench();
    let before = bench.commits;
    let id = bench.create_offline("1", 1234, OfflineOnly);
    bench.start(id).unwrap();
    bench.event(Event::CardRead(card(false)));
    assert_eq!(bench.commits - before, 2, "created, stored");
    assert_eq!(bench.told_ends(id), [Outcome::ApprovedOffline]);
    let view = bench.disk.payments[&id].0.clone();
    assert_eq!((view.state, view.forwarding), (TransactionState::Finished, Some(Forwarding::Waiting)));
    assert!(view.code.is_some() && view.stan.is_some());
    assert_eq!(bench.disk.queue[&id].0.pan.expose(), PANS[0]);
    assert_eq!(bench.engine.snapshot().queue.totals.waiting, 1);
}

#[test]
fn nothing_goes_offline_that_its_app_did_not_allow() {
    let mut bench = cut_off();
    bench.event(Event::HostFailed(failure(Cause::N05, false)));
    let id = bench.create_offline("1", 1000, OnlineOnly);
    bench.start(id).unwrap();
    bench.event(Event::CardRead(card(false)));
    bench.reach_fails();
    assert_eq!((bench.outcome(id), bench.view(id).cause), (Some(Outcome::Cancelled), Some(Cause::N05)));
}

#[test]
fn nothing_goes_offline_where_the_profile_does_not_allow_it() {
    let mut bench = Bench::ready();
    let id = bench.create_offline("1", 1000, OfflineOnly);
    let refused = bench.start(id).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::WrongState);
    assert!(refused.text.contains("offline-disabled"), "{}", refused.text);
    let id = bench.create_offline("2", 1000, PreferOnline);
    bench.start(id).unwrap();
    bench.event(Event::CardRead(card(false)));
    bench.reach_fails();
    assert_eq!(bench.outcome(id), Some(Outcome::Cancelled));
}

#[test]
fn a_payment_that_prefers_online_goes_online_where_it_can() {
    let mut bench = bench();
    let id = bench.create_offline("1", 1000, PreferOnline);
    bench.start(id).unwrap();
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    bench.answer_sale("00");
    assert_eq!((bench.outcome(id), bench.view(id).forwarding), (Some(Outcome::Approved), None));
}

#[test]
fn a_payment_whose_request_has_left_never_goes_offline() {
    let mut bench = bench();
    let id = bench.create_offline("1", 1000, PreferOnline);
    bench.start(id).unwrap();
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    bench.fail(Cause::B06, true);
    assert_eq!((bench.state(id), bench.outcome(id)), (TransactionState::Reversing, Some(Outcome::Unknown)));
    assert_eq!(bench.engine.snapshot().queue.totals.waiting, 0, "that would charge twice");
}

#[test]
fn a_payment_that_waits_for_a_sign_in_goes_offline_when_that_fails() {
    let mut bench = Bench::new(offline_settings());
    bench.devices_up();
    bench.load_master_key();
    bench.sign_in_well();
    bench.restart();
    bench.devices_up();
    bench.load_master_key();
    bench.reach_fails();
    let id = bench.create_offline("1", 1000, PreferOnline);
    bench.start(id).unwrap();
    assert_eq!((bench.state(id), &bench.wire), (TransactionState::Connecting, &Wire::Reaching), "tried at once");
    bench.reach_fails();
    assert_eq!(bench.state(id), TransactionState::AwaitingCard);
    bench.event(Event::CardRead(card(false)));
    assert_eq!(bench.outcome(id), Some(Outcome::ApprovedOffline));
    assert_eq!(bench.view(id).cause, Some(Cause::N05), "why it was not asked for online");
}

#[test]
fn an_open_reversal_does_not_keep_offline_payments_away_until_its_tries_are_used_up() {
    let mut bench = bench();
    bench.reversing("1");
    bench.reach_fails();
    let id = bench.create_offline("2", 1000, PreferOnline);
    bench.start(id).unwrap();
    bench.reach_fails();
    bench.event(Event::CardRead(card(false)));
    assert_eq!(bench.outcome(id), Some(Outcome::ApprovedOffline));
    for _ in 0..4 {
        let next = bench.engine.reversals.deadline().unwrap().since(bench.now.mono);
        bench.pass(next);
        bench.reach();
        bench.answer_reversal("96");
    }
    let id = bench.create_offline("3", 1000, OfflineOnly);
    assert!(bench.start(id).unwrap_err().text.contains("offline-stopped"));
}

#[test]
fn cards_that_must_not_go_offline_are_refused_each_with_its_word() {
    let mut bench = bench();
    let expired = CardRead { expiry: Some("2610".to_owned()), ..*card(false) };
    let undated = CardRead { expiry: None, ..*card(false) };
    let bare = CardRead { request_tags: SecretBytes::new(Vec::new()), ..*card(false) };
    for (key, card, word) in [
        ("1", *card(true), OfflineRefusal::OnlinePin),
        ("2", expired, OfflineRefusal::Expired),
        ("3", undated, OfflineRefusal::Incomplete),
        ("4", bare, OfflineRefusal::Incomplete),
    ] {
        let evidence = refused_with(&mut bench, key, Box::new(card));
        assert!(evidence.starts_with(word.as_str()), "{evidence}");
    }
    let this_month = CardRead { expiry: Some("2611".to_owned()), ..*card(false) };
    let id = bench.create_offline("5", 1000, OfflineOnly);
    bench.start(id).unwrap();
    bench.event(Event::CardRead(Box::new(this_month)));
    assert_eq!(bench.outcome(id), Some(Outcome::ApprovedOffline), "valid to the end of its month");
}

#[test]
fn the_store_has_the_last_word_and_its_refusal_ends_the_payment() {
    let mut bench = bench();
    bench.accepted_offline("1", 1000, PANS[0]);
    let evidence = refused_with(&mut bench, "2", card(false));
    assert!(evidence.starts_with("offline-card"), "one a day of the same card: {evidence}");
    assert_eq!(bench.engine.snapshot().queue.totals.waiting, 1);
    let trace = bench.disk.next_stan;
    bench.accepted_offline("3", 1000, PANS[1]);
    assert_ne!(bench.disk.next_stan, trace);
}

#[test]
fn every_limit_stops_a_payment_before_the_card_is_asked_for() {
    let limits = OfflineLimits { enabled: true, per_sale: 2_000, sum: 3_000, count: 2, ..OfflineLimits::default() };
    let mut bench = Bench::ready_with(Settings { offline: limits, ..settings() });
    let too_large = bench.create_offline("a", 2_001, OfflineOnly);
    let refused = bench.start(too_large).unwrap_err();
    assert!(refused.kind == RefusalKind::LimitExceeded && refused.text.contains("offline-amount"), "{}", refused.text);
    bench.accepted_offline("b", 2_000, PANS[0]);
    let too_much = bench.create_offline("c", 1_001, OfflineOnly);
    assert!(bench.start(too_much).unwrap_err().text.contains("offline-sum"));
    bench.accepted_offline("d", 1, PANS[1]);
    let too_many = bench.create_offline("e", 1, OfflineOnly);
    assert!(bench.start(too_many).unwrap_err().text.contains("offline-count"));
}

#[test]
fn age_of_the_oldest_and_of_the_sign_in_are_limits_too() {
    let mut bench = bench();
    bench.accepted_offline("1", 1000, PANS[0]);
    // Never signed in again, so never forwarded.
    bench.event(Event::HostFailed(failure(Cause::N05, false)));
    bench.set(bench.now.mono.after(Duration::from_secs(24 * 3600 + 60)));
    let id = bench.create_offline("2", 1000, OfflineOnly);
    assert!(bench.start(id).unwrap_err().text.contains("offline-age"));

    let mut bench = super::offline::bench();
    bench.set(bench.now.mono.after(Duration::from_secs(7 * 86_400 + 60)));
    let id = bench.create_offline("3", 1000, OfflineOnly);
    assert!(bench.start(id).unwrap_err().text.contains("offline-sign-in-age"));
}

#[test]
fn a_jump_of_the_wall_clock_changes_no_age() {
    for jump in [-400 * 86_400_000_000i64, 400 * 86_400_000_000] {
        let mut bench = bench();
        bench.accepted_offline("1", 1000, PANS[0]);
        bench.now.wall = WallTime(bench.now.wall.0.saturating_add_signed(jump));
        bench.accepted_offline("2", 1000, PANS[1]);
        let snapshot = bench.engine.snapshot();
        assert_eq!(snapshot.terminal.cause, Some(Cause::P01), "a person should know");
        let moments: Vec<_> = bench.disk.queue.values().map(|(_, m)| (m.at, m.day)).collect();
        assert_eq!(moments[0], moments[1], "stored with the true time");
    }
}

#[test]
fn after_a_reboot_the_time_is_not_known_until_somebody_says_so() {
    let reboot = || {
        let mut bench = bench();
        bench.settings.boot = "boot-2".to_owned();
        bench.restart();
        bench.devices_up();
        bench.load_master_key();
        bench.reach_fails();
        let id = bench.create_offline("1", 1000, OfflineOnly);
        let refused = bench.start(id).unwrap_err();
        assert!(refused.cause == Some(Cause::P01) && refused.text.contains("offline-clock"), "{}", refused.text);
        (bench, id)
    };
    let (mut bench, id) = reboot();
    bench.event(Event::ClockSynchronised);
    bench.start(id).unwrap();

    let (mut bench, id) = reboot();
    bench.now.wall = WallTime(0);
    bench.event(Event::ClockSynchronised);
    assert!(bench.start(id).is_err(), "a time before the last known one is not believed");

    let (mut bench, id) = reboot();
    bench.pass(Duration::from_secs(5));
    bench.sign_in_well();
    bench.start(id).unwrap();
}

#[test]
fn a_host_whose_clock_is_far_off_makes_the_time_unknown() {
    let mut bench = bench();
    bench.send(crate::engine::command::Command::SignIn);
    bench.reach();
    let mut answer = match sign_in_answer("00", good_keys(), ProcessingRequest::None) {
        crate::domain::host::HostAnswer::SignIn(answer) => answer,
        _ => unreachable!(),
    };
    assert!(matches!(answer.keys, KeyCheck::Good { .. }));
    answer.host_time = Some(HostTime { month: 3, day: 1, hour: 0, minute: 0, second: 0 });
    bench.reply(crate::domain::host::HostAnswer::SignIn(answer));
    let id = bench.create_offline("1", 1000, OfflineOnly);
    assert!(bench.start(id).unwrap_err().text.contains("offline-clock"));
}

#[test]
fn a_clock_of_1970_is_not_believed_even_where_day_and_hour_agree() {
    let mut bench = Bench::new(offline_settings());
    // 24 November 1970, 12:00:00 at the acquirer.
    bench.now.wall = WallTime(28_267_200_000_000);
    bench.devices_up();
    bench.load_master_key();
    bench.sign_in_well();
    let id = bench.create_offline("1", 1000, OfflineOnly);
    assert!(bench.start(id).unwrap_err().text.contains("offline-clock"));
}

#[test]
fn a_power_cut_before_the_commit_leaves_no_payment_and_after_it_a_payment_to_forward() {
    let mut bench = bench();
    let id = bench.create_offline("1", 1000, OfflineOnly);
    bench.start(id).unwrap();
    bench.die_before_commit(Event::CardRead(card(false)));
    assert_eq!(bench.disk.payments[&id].0.outcome, Some(Outcome::Cancelled));
    assert!(bench.disk.queue.is_empty());

    let mut bench = super::offline::bench();
    let id = bench.create_offline("1", 1000, OfflineOnly);
    bench.start(id).unwrap();
    bench.die_before_act(Event::CardRead(card(false)));
    assert_eq!(bench.disk.payments[&id].0.outcome, Some(Outcome::ApprovedOffline));
    assert_eq!(bench.engine.snapshot().queue.totals.waiting, 1);
}
