//! The five entries, from the first key to the end.

use super::*;

const SECONDS: u64 = 1_000;

#[test]
fn a_pin_becomes_a_block_and_only_its_length_is_told() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.taps(&[KP[1], KP[2], KP[3], KP[4], ENTER]);
    assert_eq!(desk.said(), ["state active", "digits 1", "digits 2", "digits 3", "digits 4", "state ready", "pin b1"]);
    assert_eq!(desk.pins(), [[1, 2, 3, 4]]);
}

#[test]
fn backspace_and_clear_take_digits_back() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.taps(&[KP[9], KP[1], CLEAR, KP[1], KP[2], KP[7], BACKSPACE, KP[3], KP[4]]);
    desk.said();
    desk.tap(ENTER);
    assert_eq!(desk.said(), ["state ready", "pin b1"]);
    assert_eq!(desk.pins(), [[1, 2, 3, 4]]);
}

#[test]
fn ok_before_the_shortest_pin_is_not_heard_and_digits_beyond_the_longest_are_not_taken() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.taps(&[ENTER, KP[1], KP[2], KP[3], ENTER]);
    assert_eq!(desk.said(), ["state active", "digits 1", "digits 2", "digits 3"]);
    desk.taps(&[KP[4], KP[5], KP[6], KP[7], KP[8], ENTER]);
    assert_eq!(desk.said(), ["digits 4", "digits 5", "digits 6", "state ready", "pin b1"]);
    assert_eq!(desk.pins(), [[1, 2, 3, 4, 5, 6]]);
}

#[test]
fn a_pin_rule_outside_the_standard_is_forced_into_it() {
    let mut desk = Desk::open();
    let cipher = Box::new(desk.ciphered.clone());
    desk.start(Entry::Pin { cipher, min: 0, max: 200, bypass: false });
    desk.taps(&[KP[1], KP[2], KP[3], ENTER]);
    desk.taps(&[KP[5]; 12]);
    desk.tap(ENTER);
    assert_eq!(desk.pins(), [[1, 2, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5]]);
}

#[test]
fn a_pin_is_bypassed_only_where_that_is_allowed_and_nothing_was_typed() {
    let mut desk = Desk::open();
    desk.start(desk.pin(true));
    desk.taps(&[KP[1], ENTER, BACKSPACE, ENTER]);
    assert_eq!(desk.said(), ["state active", "digits 1", "digits 0", "state ready", "pin-bypassed"]);
    desk.start(desk.pin(false));
    desk.tap(ENTER);
    assert_eq!(desk.said(), ["state active"]);
    assert!(desk.pins().is_empty());
}

#[test]
fn cancel_ends_every_entry() {
    for entry in 0..5 {
        let mut desk = Desk::open();
        let entry = [desk.pin(true), Entry::ConfirmAmount, Entry::Number { max: 4 }, Entry::Password, Entry::Component]
            .into_iter()
            .nth(entry)
            .unwrap();
        desk.start(entry);
        desk.tap(ESC);
        assert_eq!(desk.said(), ["state active", "state ready", "cancelled"]);
    }
}

#[test]
fn an_amount_is_confirmed_by_ok_and_digits_mean_nothing() {
    let mut desk = Desk::open();
    desk.start(Entry::ConfirmAmount);
    desk.taps(&[KP[5], BACKSPACE, CLEAR, DOT, ENTER]);
    assert_eq!(desk.said(), ["state active", "state ready", "confirmed"]);
}

#[test]
fn keys_do_not_keep_an_amount_confirmation_open() {
    let mut desk = Desk::open();
    desk.start(Entry::ConfirmAmount);
    for _ in 0..6 {
        desk.pass(9 * SECONDS);
        desk.tap(KP[1]);
    }
    assert_eq!(desk.said(), ["state active"]);
    desk.pass(6 * SECONDS);
    assert_eq!(desk.said(), ["state ready", "timed-out"]);
}

#[test]
fn an_operator_number_is_handed_over_as_text() {
    let mut desk = Desk::open();
    desk.start(Entry::Number { max: 3 });
    desk.taps(&[ENTER, KP[0], KP[1], KP[9], KP[9], ENTER]);
    assert_eq!(desk.said(), ["state active", "digits 1", "digits 2", "digits 3", "state ready", "number 019"]);
}

#[test]
fn a_password_is_handed_over_as_ascii_digits() {
    let mut desk = Desk::open();
    desk.start(Entry::Password);
    desk.taps(&[ENTER, KP[0], KP[8], KEY_A, DOT, ENTER]);
    assert_eq!(desk.said(), ["state active", "digits 1", "digits 2", "state ready", "password 08"]);
}

#[test]
fn a_password_ends_at_its_longest() {
    let mut desk = Desk::open();
    desk.start(Entry::Password);
    desk.taps(&[KP[1]; 20]);
    desk.said();
    desk.tap(ENTER);
    assert_eq!(desk.said(), ["state ready".into(), format!("password {}", "1".repeat(16))]);
}

#[test]
fn a_component_is_typed_with_letters_or_with_dot_and_one_to_six() {
    let mut desk = Desk::open();
    desk.start(Entry::Component);
    for _ in 0..7 {
        desk.taps(&[KP[0], KEY_A, DOT, KP[6], KP[1]]);
    }
    desk.tap(ENTER);
    assert_eq!(desk.said().last().unwrap(), "digits 28", "28 digits are no component");
    desk.taps(&[KP[2], KP[3], DOT, KP[2], DOT, KP[3], KP[9], ENTER]);
    let said = desk.said();
    assert_eq!(said[said.len() - 1], format!("component {}23bc", "0af1".repeat(7)));
}

#[test]
fn a_shift_that_leads_nowhere_is_taken_back() {
    let mut desk = Desk::open();
    desk.start(Entry::Component);
    desk.taps(&[DOT, KP[7], DOT, BACKSPACE, DOT, DOT, KP[1], DOT, KEY_A]);
    assert_eq!(desk.said(), ["state active", "digits 1", "digits 2"]);
}

#[test]
fn cancel_is_told_also_while_nothing_is_asked_and_other_keys_are_not() {
    let mut desk = Desk::open();
    desk.taps(&[KP[1], ENTER, BACKSPACE, CLEAR, DOT]);
    assert_eq!(desk.said(), Vec::<String>::new());
    desk.tap(ESC);
    assert_eq!(desk.said(), ["cancel-pressed"]);
}

#[test]
fn an_entry_times_out_as_a_whole_and_between_keys() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.pass(59 * SECONDS);
    assert_eq!(desk.said(), ["state active"], "before the first key only the whole counts");
    desk.pass(SECONDS);
    assert_eq!(desk.said(), ["state ready", "timed-out"]);

    desk.start(desk.pin(false));
    desk.tap(KP[1]);
    desk.pass(19 * SECONDS);
    assert_eq!(desk.said(), ["state active", "digits 1"]);
    desk.pass(SECONDS);
    assert_eq!(desk.said(), ["state ready", "timed-out"]);
    assert_eq!(desk.keypad.deadline(), None, "an idle keypad asks for no wake-up");
}

#[test]
fn a_key_that_comes_after_the_deadline_is_too_late_even_if_nobody_woke_the_machine() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.taps(&[KP[1], KP[2], KP[3], KP[4]]);
    desk.now = desk.now.after(Duration::from_secs(30));
    desk.tap(ENTER);
    assert_eq!(desk.said().last().unwrap(), "timed-out");
    assert!(desk.pins().is_empty());
}

#[test]
fn lost_events_wipe_what_was_typed_and_the_entry_starts_again() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.taps(&[KP[9], KP[9]]);
    desk.handle(Event::SynDropped { keys_down: vec![] });
    assert_eq!(desk.said(), ["state active", "digits 1", "digits 2", "cleared events-lost"]);
    desk.taps(&[KP[1], KP[2], KP[3], KP[4], ENTER]);
    assert_eq!(desk.pins(), [[1, 2, 3, 4]]);
}

#[test]
fn lost_events_do_not_prolong_an_entry_as_a_whole() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    for _ in 0..6 {
        desk.pass(10 * SECONDS);
        desk.handle(Event::SynDropped { keys_down: vec![] });
    }
    assert!(desk.said().contains(&"timed-out".into()));
}

#[test]
fn unplugging_fails_the_entry_and_replugging_makes_the_pad_ready() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.taps(&[KP[1], KP[2]]);
    desk.said();
    desk.handle(Event::Closed);
    assert_eq!(desk.said(), ["state absent H05", "failed H05"]);
    assert_eq!(desk.keypad.name(), None);
    desk.start(Entry::ConfirmAmount);
    assert_eq!(desk.said(), ["failed H05"]);
    desk.handle(Event::Opened { name: "other".into(), keys_down: vec![] });
    assert_eq!(desk.said(), ["state ready"]);
    assert_eq!(desk.keypad.name(), Some("other"));
}

#[test]
fn a_new_entry_replaces_the_old_one_and_stop_ends_it_without_a_word() {
    let mut desk = Desk::open();
    desk.start(desk.pin(false));
    desk.taps(&[KP[9], KP[9], KP[9]]);
    desk.said();
    desk.start(desk.pin(false));
    desk.taps(&[KP[1], KP[2], KP[3], KP[4]]);
    desk.said();
    desk.handle(Event::Stop);
    desk.tap(ENTER);
    assert_eq!(desk.said(), ["state ready"]);
    assert!(desk.pins().is_empty());
}
