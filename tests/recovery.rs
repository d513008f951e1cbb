//! No payment is lost or doubled when the daemon dies or the host lies.
//!
//! Proves, with the shipped daemon and the acquirer's own ledger: `kill -9` at each step of a sale, a wrong answer MAC, an
//! unreachable host and two apps at once all end with what the app was told equal to what the cardholder was charged.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use rig::{PIN, Rig, Setup, eventually};
use site::{TERMINAL, Till};

const AMOUNT: u64 = 12_800;

fn started(test: &str) -> Option<(Rig, Till)> {
    let mut rig = site::rig(test, Setup::default())?;
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    Some((rig, till))
}

/// The acquirer's count and sum of charges that stand.
fn charged(rig: &Rig) -> (u64, u64) {
    let ledger = rig.ledger();
    (ledger["charged"].as_u64().unwrap(), ledger["charged_sum"].as_u64().unwrap())
}

fn wait_prompt(till: &Till, word: &str) {
    eventually(&format!("the prompt {word}"), || {
        (till.property(TERMINAL, "Terminal", "Prompt")? == word).then_some(())
    });
}

#[test]
fn killed_at_any_step_both_ledgers_agree_to_the_cent() {
    let Some((mut rig, till)) = started("killed_at_any_step_both_ledgers_agree_to_the_cent") else { return };
    let mut keys = Vec::new();
    for round in 0..10 {
        let key = format!("cut-{round}");
        match round % 5 {
            0 => drop(till.begin(AMOUNT, &key)),
            1 => {
                till.begin(AMOUNT, &key);
                wait_prompt(&till, "present-card");
                rig.reader_order("card in");
                wait_prompt(&till, "enter-pin");
            }
            2 => {
                // The host charges, but its answer is lost with the daemon.
                rig.acquirer_order("fault 0200 drop x1");
                let sale = till.begin(AMOUNT, &key);
                till.customer(&rig, PIN);
                eventually("the request in flight", || (till.state(&sale)? == "authorising").then_some(()));
                eventually("the charge", || (charged(&rig).1 > AMOUNT * approved(&till, &keys)).then_some(()));
            }
            3 => drop(till.sell(&rig, AMOUNT, &key, PIN, "approved")),
            _ => {
                till.begin(AMOUNT, &key);
                till.customer(&rig, PIN);
            }
        }
        keys.push(key);
        rig.kill_daemon();
        rig.reader_order("card out");
        rig.start_daemon();
        till.wait_ready();
    }
    for key in &keys {
        let sale = till.find(key);
        eventually("an outcome that stands", || {
            let outcome = till.property(&sale, "Transaction", "Outcome")?;
            matches!(outcome.as_str(), "approved" | "cancelled").then_some(())
        });
    }
    let known = approved(&till, &keys);
    assert_eq!(charged(&rig), (known, known * AMOUNT), "approved here, charged there:\n{}", rig.log());
    assert!(known >= 2, "the finished sales were forgotten");
}

/// How many of these payments the daemon calls approved.
fn approved(till: &Till, keys: &[String]) -> u64 {
    let outcomes = keys.iter().map(|key| till.property(&till.find(key), "Transaction", "Outcome"));
    outcomes.filter(|o| o.as_deref() == Some("approved")).count().try_into().unwrap()
}

#[test]
fn an_answer_with_a_wrong_mac_is_not_believed_but_reversed() {
    let Some((rig, till)) = started("an_answer_with_a_wrong_mac_is_not_believed_but_reversed") else { return };
    rig.acquirer_order("fault 0200 wrong-mac x1");
    let sale = till.begin(AMOUNT, "wrong-mac");
    till.customer(&rig, PIN);
    till.wait_outcome(&sale, "cancelled");
    assert_eq!(charged(&rig), (0, 0));
    till.wait_ready();
    till.sell(&rig, AMOUNT, "after", PIN, "approved");
    assert_eq!(charged(&rig), (1, AMOUNT));
}

#[test]
fn without_a_host_nothing_is_charged_and_the_cause_is_named() {
    let Some((mut rig, till)) = started("without_a_host_nothing_is_charged_and_the_cause_is_named") else { return };
    rig.stop_acquirer();
    let sale = till.begin(AMOUNT, "no-host");
    till.customer(&rig, PIN);
    till.wait_outcome(&sale, "cancelled");
    rig.wait_log("cause=N05");
}

#[test]
fn the_same_key_never_charges_twice_and_a_second_app_waits_its_turn() {
    let Some((rig, till)) = started("the_same_key_never_charges_twice_and_a_second_app_waits_its_turn") else { return };
    let other = Till::new(&rig.bus_address);
    let sale = till.begin(AMOUNT, "first");
    let busy = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| other.begin(AMOUNT, "second")));
    assert!(busy.is_err(), "two payments had the reader at once");
    till.customer(&rig, PIN);
    till.wait_outcome(&sale, "approved");
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| other.begin(AMOUNT, "first")));
    assert!(again.is_err(), "a finished payment was started again");
    assert_eq!(charged(&rig), (1, AMOUNT));
}
