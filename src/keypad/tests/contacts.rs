//! Bad contacts: bounce, ghosting, stuck keys, and keys that were down before.

use super::*;

fn collecting() -> Desk {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.said();
    desk
}

#[test]
fn a_press_counts_after_the_bounce_time_and_not_at_its_release() {
    let mut desk = collecting();
    desk.press(KP[1]);
    assert!(desk.said().is_empty());
    desk.pass(5);
    assert_eq!(desk.said(), ["digits 1"]);
}

#[test]
fn autorepeat_and_unknown_keys_are_ignored() {
    let mut desk = collecting();
    desk.press(KP[1]);
    desk.pass(300);
    for _ in 0..30 {
        desk.change(KP[1], 2);
        desk.pass(30);
    }
    desk.release(KP[1]);
    desk.taps(&[69, 0, 16, 0x2ff]);
    assert_eq!(desk.said(), ["digits 1"]);
}

#[test]
fn a_chattering_press_is_one_digit_and_a_notice() {
    let mut desk = collecting();
    for _ in 0..3 {
        desk.press(KP[1]);
        desk.pass(1);
        desk.release(KP[1]);
        desk.pass(1);
    }
    desk.tap(KP[1]);
    assert_eq!(desk.said(), ["state active H07", "digits 1"]);
}

#[test]
fn a_contact_that_breaks_while_held_is_still_one_digit() {
    let mut desk = collecting();
    desk.press(KP[1]);
    desk.pass(40);
    desk.release(KP[1]);
    desk.pass(3);
    desk.press(KP[1]);
    desk.pass(40);
    desk.release(KP[1]);
    desk.pass(40);
    assert_eq!(desk.said(), ["digits 1", "state active H07"]);
    desk.tap(KP[1]);
    assert_eq!(desk.said(), ["digits 2"], "after a person's pause it is a new press");
}

#[test]
fn a_double_zero_key_is_two_digits() {
    let mut desk = collecting();
    for _ in 0..2 {
        desk.press(KP[0]);
        desk.pass(8);
        desk.release(KP[0]);
        desk.pass(8);
    }
    assert_eq!(desk.said(), ["digits 1", "digits 2"]);
}

#[test]
fn presses_read_late_and_all_at_once_count_by_their_stamps() {
    let mut desk = collecting();
    // The core loop was busy for half a second: it sees four full presses and one spark at the same moment.
    let base = WallTime(5_000_000);
    let mut at = |code, value, millis: u64| {
        desk.handle(Event::Key { code, value, stamp: WallTime(base.0 + millis * 1_000) });
    };
    for (i, code) in [KP[1], KP[2], KP[3], KP[4]].into_iter().enumerate() {
        at(code, 1, i as u64 * 100);
        at(code, 0, i as u64 * 100 + 70);
    }
    at(KP[9], 1, 450);
    at(KP[9], 0, 451);
    assert_eq!(desk.said(), ["digits 1", "digits 2", "digits 3", "digits 4", "state active H07"]);
    desk.tap(ENTER);
    assert_eq!(desk.pins(), [[1, 2, 3, 4]]);
}

#[test]
fn overlapping_presses_count_in_the_order_of_pressing() {
    let mut desk = collecting();
    let codes = [KP[1], KP[2], KP[3], KP[4], KP[1]];
    desk.press(codes[0]);
    for pair in codes.windows(2) {
        desk.pass(3);
        desk.press(pair[1]);
        desk.pass(40);
        desk.release(pair[0]);
        desk.pass(40);
    }
    desk.release(KP[1]);
    desk.pass(40);
    desk.tap(ENTER);
    assert_eq!(desk.pins(), [[1, 2, 3, 4, 1]]);
}

#[test]
fn a_wall_clock_set_back_between_press_and_release_is_no_bounce() {
    let mut desk = collecting();
    desk.handle(Event::Key { code: KP[1], value: 1, stamp: WallTime(9_000_000) });
    desk.handle(Event::Key { code: KP[1], value: 0, stamp: WallTime(1_000_000) });
    assert_eq!(desk.said(), ["digits 1"]);
}

#[test]
fn the_bounce_notice_goes_after_a_hundred_clean_presses() {
    let mut desk = Desk::open();
    desk.press(KP[1]);
    desk.release(KP[1]);
    assert_eq!(desk.said(), ["state ready H07"]);
    desk.taps(&[KP[1]; 99]);
    assert!(desk.said().is_empty());
    desk.tap(KP[1]);
    assert_eq!(desk.said(), ["state ready"]);
}

#[test]
fn a_zero_bounce_time_turns_debouncing_off() {
    let mut settings = Settings::default();
    settings.contacts.bounce = Duration::ZERO;
    let mut desk = Desk { keypad: Keypad::new(settings), ..Desk::new() };
    desk.handle(Event::Opened { name: "pad".into(), keys_down: vec![] });
    desk.start(desk.pin(false));
    desk.said();
    for code in [KP[1], KP[1], KP[2], KP[2], ENTER] {
        desk.press(code);
        desk.release(code);
    }
    assert_eq!(desk.said(), ["digits 1", "digits 2", "digits 3", "digits 4", "state ready", "pin b1"]);
}

#[test]
fn three_keys_at_once_count_for_nothing_until_all_are_up() {
    let mut desk = collecting();
    desk.press(KP[1]);
    desk.pass(60);
    assert_eq!(desk.said(), ["digits 1"]);
    desk.press(KP[2]);
    desk.press(KP[4]);
    desk.press(KP[5]);
    desk.pass(60);
    desk.release(KP[2]);
    desk.release(KP[4]);
    desk.release(KP[5]);
    desk.pass(60);
    desk.tap(KP[7]);
    assert!(desk.said().is_empty(), "the first key is still down");
    desk.release(KP[1]);
    desk.pass(60);
    desk.tap(KP[7]);
    assert_eq!(desk.said(), ["digits 2"]);
}

#[test]
fn a_key_down_for_ten_seconds_fails_a_pin_and_is_named_until_it_comes_up() {
    let mut desk = collecting();
    desk.press(KP[1]);
    desk.pass(9_999);
    assert_eq!(desk.said(), ["digits 1"]);
    desk.pass(1);
    assert_eq!(desk.said(), ["state failed H06", "failed H06"]);
    desk.start(desk.pin(false));
    assert_eq!(desk.said(), ["failed H06"], "no PIN while a key is stuck");
    assert_eq!(desk.keypad.deadline(), None, "a stuck key asks for no wake-ups");
    desk.release(KP[1]);
    assert_eq!(desk.said(), ["state ready"]);
}

#[test]
fn a_stuck_key_is_ignored_where_nothing_secret_is_typed() {
    let mut desk = Desk::open();
    desk.press(KP[5]);
    desk.pass(10_000);
    assert_eq!(desk.said(), ["state failed H06"]);
    desk.start(Entry::Number { max: 4 });
    desk.press(KP[1]);
    desk.pass(20);
    desk.tap(KP[2]);
    desk.release(KP[1]);
    desk.tap(ENTER);
    assert_eq!(desk.said(), ["digits 1", "digits 2", "number 12"]);
}

#[test]
fn the_ok_that_ended_the_last_entry_may_still_be_coming_up() {
    let mut desk = Desk::open();
    desk.start(Entry::Number { max: 4 });
    desk.tap(KP[7]);
    desk.press(ENTER);
    desk.pass(10);
    desk.start(Entry::Password);
    desk.press(KP[1]);
    desk.pass(30);
    desk.release(ENTER);
    desk.pass(30);
    desk.release(KP[1]);
    desk.pass(2_000);
    desk.said();
    desk.tap(ENTER);
    assert_eq!(desk.said(), ["state ready", "password 1"]);
}

#[test]
fn a_key_down_at_the_start_that_stays_down_fails_a_secret_entry() {
    let mut desk = Desk::open();
    desk.press(KP[3]);
    desk.pass(100);
    desk.start(desk.pin(false));
    assert_eq!(desk.said(), ["state active"]);
    desk.pass(1_000);
    assert_eq!(desk.said(), ["state failed H06", "failed H06"]);
}

#[test]
fn no_pin_is_finished_while_a_key_of_before_is_down() {
    let mut desk = Desk::open();
    desk.press(KP[3]);
    desk.pass(100);
    desk.start(desk.pin(false));
    for code in [KP[1], KP[2], KP[3], KP[4], KP[5], ENTER] {
        desk.press(code);
        desk.pass(10);
        if code != KP[3] {
            desk.release(code);
        }
        desk.pass(10);
    }
    let said = desk.said();
    assert!(said.ends_with(&["state failed H06".into(), "failed H06".into()]), "{said:?}");
    assert!(desk.pins().is_empty());
}

#[test]
fn a_key_down_when_the_pad_is_opened_is_stuck_after_ten_seconds() {
    let mut desk = Desk::new();
    desk.handle(Event::Opened { name: "pad".into(), keys_down: vec![KP[2], 69] });
    assert_eq!(desk.said(), ["state ready"]);
    desk.pass(10_000);
    assert_eq!(desk.said(), ["state failed H06"]);
    desk.handle(Event::Closed);
    desk.handle(Event::Opened { name: "pad".into(), keys_down: vec![] });
    assert_eq!(desk.said(), ["state absent H05", "state ready"]);
}

#[test]
fn after_lost_events_a_key_still_down_counts_for_nothing_and_must_come_up() {
    let mut desk = collecting();
    desk.press(KP[1]);
    desk.pass(20);
    desk.handle(Event::SynDropped { keys_down: vec![KP[1], KP[2]] });
    desk.pass(20);
    assert_eq!(desk.said(), ["digits 1", "cleared events-lost"]);
    desk.release(KP[1]);
    desk.pass(900);
    assert!(desk.said().is_empty());
    desk.pass(100);
    assert_eq!(desk.said(), ["state failed H06", "failed H06"]);
    desk.handle(Event::SynDropped { keys_down: vec![] });
    assert_eq!(desk.said(), ["state ready"], "the key came up among the lost events");
}

#[test]
fn a_grace_that_ends_in_one_entry_does_not_fail_the_next() {
    let mut desk = Desk::open();
    desk.press(KP[3]);
    desk.pass(100);
    desk.start(desk.pin(false));
    desk.pass(1_000);
    desk.release(KP[3]);
    desk.said();
    desk.start(desk.pin(false));
    desk.taps(&[KP[1], KP[2], KP[3], KP[4], ENTER]);
    assert_eq!(desk.pins(), [[1, 2, 3, 4]]);
}
