//! `posctl selftest` against the shipped daemon and its simulated devices.
//!
//! Proves: each level says what works and what does not, with an exit code; keys that bounce or stick are named, and the
//! person's no is heard; a card is read up to its application, and neither number nor money moves; a test is refused
//! during a payment, and a payment during a test.

#[path = "common/command.rs"]
mod command;
#[path = "common/rig.rs"]
mod rig;

use std::process::{Child, Stdio};

use command::{EN, ZH, json_of, run, run_in, said};
use rig::{PAN, Rig, Setup, eventually};
use serde_json::Value;

fn rows(said: &[Value]) -> &[Value] {
    said.last().expect("a result")["rows"].as_array().expect("rows")
}

fn row<'a>(said: &'a [Value], component: &str) -> &'a Value {
    let found = rows(said).iter().find(|row| row["component"] == component);
    found.unwrap_or_else(|| panic!("no row {component}: {said:?}"))
}

/// Begins an interactive test and waits until it holds its device.
fn begin(rig: &Rig, part: &str, device: &str) -> Child {
    let mut command = rig.posctl_command(&["--json", "selftest", "interactive", "--test", part]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    held(rig, device);
    child
}

fn held(rig: &Rig, device: &str) {
    // A reader that looks for a card is active.
    let is_held = |state: &Value| state == "inhibited" || (device == "reader" && state == "active");
    eventually(&format!("the {device} to be held by the test"), || {
        is_held(&json_of(rig, &["status"], "").1[0][device]["state"]).then_some(())
    });
}

fn end(child: Child) -> (i32, Vec<Value>) {
    let said = said(&child.wait_with_output().unwrap());
    (said.code, said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn ready(test: &str) -> Option<Rig> {
    Rig::ready(test, Setup::default())
}

#[test]
fn the_internal_test_looks_at_store_ciphers_keys_clock_and_space() {
    let test = "the_internal_test_looks_at_store_ciphers_keys_clock_and_space";
    let Some(mut rig) = Rig::new(test, Setup::default()) else { return };
    rig.start_daemon();
    let (code, early) = json_of(&rig, &["selftest"], "");
    assert_eq!((code, &row(&early, "keys")["cause"]), (13, &Value::from("K04")), "no keys yet: {early:?}");
    rig.provision();
    rig.wait_terminal("ready");
    let (code, said) = json_of(&rig, &["selftest", "internal"], "");
    let components: Vec<_> = rows(&said).iter().map(|row| row["component"].as_str().unwrap()).collect();
    assert_eq!(components, ["storage", "journal", "crypto", "keys", "clock", "space"]);
    assert!(rows(&said).iter().all(|row| row["finding"] == "worked") && code == 0, "{code}: {said:?}");
    assert!(row(&said, "keys")["evidence"].as_str().unwrap().contains("08D7B4FB"), "{said:?}");
    let english = run(&rig, &["selftest"]);
    assert!(english.out.contains("Verdict: passed"), "{}", english.out);
    assert!(run_in(&rig, ZH, &["selftest"], "").out.contains("结论：通过"));
    rig.wait_log("self-test, internal: 0 of 6 did not pass");
    let wrong = run_in(&rig, EN, &["selftest", "deep"], "");
    assert!(wrong.code == 1 && wrong.err.contains("internal, external, interactive"), "{}", wrong.err);
}

#[test]
fn the_external_test_speaks_to_host_and_reader_and_names_a_keypad_that_is_gone() {
    let test = "the_external_test_speaks_to_host_and_reader_and_names_a_keypad_that_is_gone";
    let Some(rig) = ready(test) else { return };
    let (code, said) = json_of(&rig, &["selftest", "external"], "");
    for part in ["host", "reader", "reader-line", "keypad"] {
        assert_eq!(row(&said, part)["finding"], "worked", "{said:?}");
    }
    assert_eq!(code, 0, "{said:?}");
    rig.keypad_order("unplug");
    eventually("the keypad to be gone", || {
        (json_of(&rig, &["status"], "").1[0]["keypad"]["state"] == "absent").then_some(())
    });
    let (code, said) = json_of(&rig, &["selftest", "external"], "");
    assert_eq!((code, &row(&said, "keypad")["cause"]), (12, &Value::from("H05")), "{said:?}");
    let (code, said) = json_of(&rig, &["selftest", "interactive", "--test", "keys"], "");
    assert_eq!((code, &row(&said, "key-press")["finding"]), (4, &Value::from("not-run")), "{said:?}");
}

#[test]
fn the_guided_key_test_passes_good_keys_and_names_those_that_bounce_or_stick() {
    let test = "the_guided_key_test_passes_good_keys_and_names_those_that_bounce_or_stick";
    let Some(rig) = ready(test) else { return };
    let good = begin(&rig, "keys", "keypad");
    let sale = run(&rig, &["sale", "1.00"]);
    assert!(sale.code == 1 && sale.err.contains("Busy") && sale.err.contains("keypad"), "{}", sale.err);
    let second = run(&rig, &["selftest", "internal"]);
    assert!(second.code == 1 && second.err.contains("Busy: a self-test is under way"), "{}", second.err);
    rig.keypad_order("type 0123456789 enter cancel");
    let (code, said) = end(good);
    assert_eq!((code, &row(&said, "key-press")["finding"]), (0, &Value::from("worked")), "{said:?}");
    assert_eq!(said[0], serde_json::json!({"event": "do", "test": "keys"}));

    let worn = begin(&rig, "keys", "keypad");
    rig.keypad_order("bounce 5");
    rig.keypad_order("type 0123456789 enter cancel");
    let (code, said) = end(worn);
    let found = row(&said, "key-press");
    assert_eq!((code, &found["cause"]), (12, &Value::from("H07")), "{said:?}");
    assert!(found["evidence"].as_str().unwrap().ends_with("bouncing: 5"), "{found}");

    let gone = begin(&rig, "keys", "keypad");
    rig.keypad_order("unplug");
    let (code, said) = end(gone);
    assert_eq!((code, &row(&said, "key-press")["cause"]), (12, &Value::from("H05")), "{said:?}");
    rig.keypad_order("plug");
    eventually("the keypad to be back", || {
        (json_of(&rig, &["status"], "").1[0]["keypad"]["state"] == "ready").then_some(())
    });

    let stuck = begin(&rig, "keys", "keypad");
    rig.keypad_order("hold 3 30");
    rig.keypad_order("type 012456789 enter cancel");
    let (code, said) = end(stuck);
    let found = row(&said, "key-press");
    assert_eq!((code, &found["cause"]), (12, &Value::from("H06")), "{said:?}");
    assert!(found["evidence"].as_str().unwrap().ends_with("stuck: 3"), "{found}");
}

#[test]
fn the_persons_no_to_a_prompt_is_heard() {
    let Some(rig) = ready("the_persons_no_to_a_prompt_is_heard") else { return };
    let display = begin(&rig, "display", "keypad");
    rig.keypad_order("enter");
    // Each question is a test of its own.
    eventually("the second question", || {
        held(&rig, "keypad");
        rig.log().contains("self-test, interactive").then_some(())
    });
    held(&rig, "keypad");
    rig.keypad_order("cancel");
    let (code, said) = end(display);
    let found = row(&said, "display");
    assert_eq!((code, &found["finding"]), (12, &Value::from("failed")), "{said:?}");
    assert_eq!(found["evidence"], "approved: no");
    // Cancel was part of the test, and no mistake of an operator.
    let (_, hints) = json_of(&rig, &["hints"], "");
    assert_eq!(hints[0]["mistakes"].get("idle-key").and_then(Value::as_u64).unwrap_or(0), 0, "{hints:?}");
}

#[test]
fn a_card_is_tried_up_to_its_application_and_no_further() {
    let Some(rig) = ready("a_card_is_tried_up_to_its_application_and_no_further") else { return };
    let before = rig.ledger();
    let card = begin(&rig, "card", "reader");
    let sale = run(&rig, &["sale", "1.00"]);
    assert!(sale.code == 1 && sale.err.contains("ReaderUnavailable"), "{}", sale.err);
    rig.reader_order("card in");
    let (code, said) = end(card);
    let found = row(&said, "card");
    assert_eq!((code, &found["finding"]), (0, &Value::from("worked")), "{said:?}");
    assert!(found["evidence"].as_str().unwrap().contains("unionpay"), "{found}");
    assert!(!format!("{said:?}{}", rig.log()).contains(PAN));
    assert_eq!(rig.ledger(), before);
    rig.reader_order("card out");
    // The terminal is as before: the next payment goes through.
    rig.wait_terminal("ready");
    assert_eq!(rig.sell("2.00", "after-the-test").result()["outcome"], "approved");
}

#[test]
fn a_test_is_refused_while_a_payment_is_under_way() {
    let Some(rig) = ready("a_test_is_refused_while_a_payment_is_under_way") else { return };
    let sale = rig.begin_sale("3.00", "first");
    sale.wait_prompt("present-card");
    for level in ["internal", "external", "interactive"] {
        let refused = run(&rig, &["selftest", level]);
        assert!(refused.code == 1 && refused.err.contains("Busy: a payment is under way"), "{}", refused.err);
    }
    rig.keypad_order("cancel");
    assert_eq!(sale.result()["outcome"], "cancelled");
}

#[test]
fn a_test_that_nobody_waits_for_lets_its_device_go() {
    let Some(rig) = ready("a_test_that_nobody_waits_for_lets_its_device_go") else { return };
    let child = begin(&rig, "keys", "keypad");
    drop(rig::Process(child));
    let free = || json_of(&rig, &["status"], "").1[0]["keypad"]["state"] == "ready";
    eventually("the keypad to be free", || free().then_some(()));
}
