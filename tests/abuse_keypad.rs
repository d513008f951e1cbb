//! Whatever comes from the keypad, only what a person meant to type counts.
//!
//! Proves, with the shipped daemon and a keypad that sends junk, loses events, bounces, sticks or is pulled out during a
//! PIN: the PIN that reaches the acquirer is the typed one or none, an entry that cannot be trusted ends with its cause,
//! and the next sale goes through.

#[path = "common/books.rs"]
mod books;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use rig::{PIN, Rig, Setup, eventually};
use site::Till;

const KEYPAD: &str = "/org/smartposd/Pos1/Keypad0";
const AMOUNT: u64 = 1_234;

fn keypad_is(till: &Till, state: &str) {
    eventually(&format!("the keypad to be {state}"), || {
        (till.property(KEYPAD, "Keypad", "State")? == state).then_some(())
    });
}

/// A sale up to the question for the PIN.
fn at_the_pin(rig: &Rig, till: &Till, key: &str) -> String {
    let sale = till.begin(AMOUNT, key);
    till.wait_prompt("present-card");
    rig.reader_order("card in");
    till.wait_prompt("enter-pin");
    rig.reader_order("card out");
    sale
}

/// The sale went through, so the acquirer deciphered exactly the right PIN.
fn pays(rig: &Rig, till: &Till, sale: &str, after: &str) {
    till.wait_outcome(sale, "approved");
    till.acknowledge(sale);
    assert!(rig.ledger()["answers"].get("55").is_none(), "a wrong PIN was sent: {after}");
}

#[test]
fn junk_that_no_keypad_sends_is_no_digit() {
    let Some((rig, till)) = site::started("junk_that_no_keypad_sends_is_no_digit", Setup::default()) else { return };
    let sale = at_the_pin(&rig, &till, "junk");
    let (first, rest) = PIN.split_at(3);
    rig.keypad_order(&format!("type {first}"));
    // Letters, media keys, codes nobody has, and types that no keypad has.
    for event in [
        "1 30 1",
        "1 30 0",
        "1 113 1",
        "1 767 1",
        "1 65535 1",
        "1 0 1",
        "2 0 5",
        "3 1 9999",
        "4 4 458756",
        "5 3 1",
        "17 0 1",
        "18 2 1",
        "20 1 1",
        "21 80 1",
        "31 0 1",
        "65535 65535 -1",
        "0 1 0",
        "0 2 7",
    ] {
        rig.keypad_order(&format!("raw {event}"));
    }
    // Known keys with values that no key has, and a repeat and a release of keys that are not down.
    for event in ["1 80 7", "1 80 -1", "1 80 2147483647", "1 81 2", "1 81 0", "1 96 2", "1 1 2", "1 1 0"] {
        rig.keypad_order(&format!("raw {event}"));
    }
    rig.keypad_order(&format!("type {rest} enter"));
    pays(&rig, &till, &sale, "junk");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn lost_events_begin_the_pin_anew() {
    let Some((rig, till)) = site::started("lost_events_begin_the_pin_anew", Setup::default()) else { return };
    let sale = at_the_pin(&rig, &till, "lost");
    rig.keypad_order("type 12");
    rig.keypad_order("syn-dropped");
    rig.keypad_order(&format!("type {PIN} enter"));
    pays(&rig, &till, &sale, "lost events");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn a_bouncing_key_is_one_digit_and_is_reported() {
    let Some((rig, till)) = site::started("a_bouncing_key_is_one_digit_and_is_reported", Setup::default()) else {
        return;
    };
    let sale = at_the_pin(&rig, &till, "bounce");
    for digit in PIN.chars() {
        rig.keypad_order(&format!("bounce {digit} 4"));
    }
    rig.keypad_order("enter");
    pays(&rig, &till, &sale, "bounce");
    assert_eq!(till.property(KEYPAD, "Keypad", "LastCause").as_deref(), Some("H07"));
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn a_keypad_pulled_out_ends_the_pin_and_the_next_one_takes_a_new_one() {
    let test = "a_keypad_pulled_out_ends_the_pin_and_the_next_one_takes_a_new_one";
    let Some((rig, till)) = site::started(test, Setup::default()) else { return };
    let sale = at_the_pin(&rig, &till, "pulled");
    rig.keypad_order("type 123");
    rig.keypad_order("unplug");
    cancelled(&till, &sale, "H05", "the keypad is gone");
    // Without a keypad a card that needs a PIN cannot pay, and says so.
    let sale = till.begin(AMOUNT, "no-keypad");
    till.wait_prompt("present-card");
    rig.reader_order("card in");
    cancelled(&till, &sale, "H05", "the card needs a PIN, but there is no keypad");
    rig.reader_order("card out");
    rig.keypad_order("plug");
    keypad_is(&till, "ready");
    let sale = at_the_pin(&rig, &till, "plugged");
    rig.keypad_order(&format!("type {PIN} enter"));
    pays(&rig, &till, &sale, "another keypad");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn a_key_that_sticks_ends_the_pin_and_is_named_until_it_is_free() {
    let test = "a_key_that_sticks_ends_the_pin_and_is_named_until_it_is_free";
    let Some((rig, till)) = site::started(test, Setup::default()) else { return };
    let sale = at_the_pin(&rig, &till, "stuck");
    rig.keypad_order("down 5");
    cancelled(&till, &sale, "H06", "the keypad failed");
    keypad_is(&till, "failed");
    rig.keypad_order("up 5");
    keypad_is(&till, "ready");
    let sale = at_the_pin(&rig, &till, "freed");
    rig.keypad_order(&format!("type {PIN} enter"));
    pays(&rig, &till, &sale, "a stuck key");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn cancel_on_the_keypad_ends_the_sale_at_every_step() {
    let Some((rig, till)) = site::started("cancel_on_the_keypad_ends_the_sale_at_every_step", Setup::default()) else {
        return;
    };
    let sale = till.begin(AMOUNT, "at-the-card");
    till.wait_prompt("present-card");
    rig.keypad_order("cancel");
    cancelled(&till, &sale, "", "cancelled at the keypad");
    let sale = at_the_pin(&rig, &till, "at-the-pin");
    rig.keypad_order("type 12");
    rig.keypad_order("cancel");
    cancelled(&till, &sale, "", "cancelled at the keypad");
    assert_eq!(books::agree(&rig), (0, 0));
}

fn cancelled(till: &Till, sale: &str, cause: &str, evidence: &str) {
    till.wait_outcome(sale, "cancelled");
    let found = (till.result(sale, "cause"), till.result(sale, "evidence"));
    assert_eq!(found, (cause.to_owned(), evidence.to_owned()));
    till.acknowledge(sale);
}
