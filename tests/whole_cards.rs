//! Every kind of card through the whole daemon: what the customer is told, what the app gets, what the acquirer sees.
//!
//! Proves, with the shipped daemon and simulated cards: UnionPay, Visa and Mastercard pay with and without PIN and with
//! genuine cryptograms; every card that cannot pay has its own prompt, outcome and reason, and where another try may
//! help the same sale goes on. What is shown of a card is masked.

#[path = "common/books.rs"]
mod books;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use rig::{PIN, Rig, Sale, Setup, eventually};
use serde_json::Value;

/// A shop whose acquirer refuses a cryptogram that is not genuine. Below 1000.00 cards decide about the PIN.
fn shop(test: &str) -> Option<Rig> {
    let mut rig = site::rig(test, Setup { acquirer: vec!["--check-arqc".into()], ..Setup::default() })?;
    site::edit_profile(&rig, "pin_above = 0", "pin_above = 100000");
    rig.start_daemon();
    site::Till::new(&rig.bus_address).provision();
    Some(rig)
}

/// A sale in which the customer shows a card with these settings, and types the PIN if asked.
fn sell(rig: &Rig, amount: &str, card: &str, pin: &str) -> (Sale, bool) {
    rig.reader_order("card set kind unionpay pin no flaw none expiry 3012 ctq 0000");
    rig.reader_order(&format!("card set {card}"));
    let key = format!("{amount}-{}-{pin}", card.replace(' ', "-"));
    let sale = rig.begin_sale(amount, &key);
    sale.wait_prompt("present-card");
    rig.reader_order("card in");
    let asked = eventually(&format!("PIN or end with {card}"), || {
        if sale.is_over() { Some(false) } else { (!sale.prompts("enter-pin").is_empty()).then_some(true) }
    });
    if asked {
        rig.keypad_order(&format!("type {pin} enter"));
    }
    rig.reader_order("card out");
    (sale, asked)
}

#[test]
fn every_accepted_scheme_pays_with_and_without_pin() {
    let Some(rig) = shop("every_accepted_scheme_pays_with_and_without_pin") else { return };
    let mut sales = 0;
    for (kind, masked, wants) in [
        ("unionpay", "620000******0018", "ctq 8000"),
        ("visa", "400000******0002", "ctq 8000"),
        // Below the terminal's limit this scheme asks for nothing.
        ("mastercard", "540000******0005", ""),
    ] {
        for (amount, more, asks) in [("12.34", "", false), ("12.35", wants, !wants.is_empty()), ("1000.00", "", true)] {
            let (sale, asked) = sell(&rig, amount, format!("kind {kind} {more}").trim(), PIN);
            let result = sale.result();
            assert_eq!(asked, asks, "PIN at {amount} with {kind} {more}");
            assert_eq!(result["outcome"], "approved", "{kind} {amount}: {result}\n{}", rig.log());
            assert_eq!((&result["scheme"], &result["card"]), (&kind.into(), &masked.into()), "{result}");
            sales += 1;
        }
        let (sale, _) = sell(&rig, "1000.00", &format!("kind {kind}"), "654321");
        let result = sale.result();
        assert_eq!((&result["outcome"], &result["response-code"]), (&"declined".into(), &"55".into()), "{result}");
        assert_eq!(result["response-text-en"], "Wrong PIN");
    }
    assert_eq!(books::agree(&rig).0, sales);
    assert!(!rig.log().contains(rig::PAN), "a card number in the journal");
}

#[test]
fn a_card_that_cannot_pay_says_why_and_nothing_is_sent() {
    let Some(rig) = shop("a_card_that_cannot_pay_says_why_and_nothing_is_sent") else { return };
    for (card, said, outcome, evidence) in [
        ("kind other-scheme", "Card not accepted, use another", "cancelled", "no-common-application"),
        ("kind unionpay flaw declines", "The card declined", "declined", "card-declined"),
        ("kind visa flaw declines", "The card declined", "declined", "card-declined"),
        ("kind mastercard flaw declines", "The card declined", "declined", "card-declined"),
        ("kind unionpay flaw use-chip", "Insert the chip", "cancelled", "use-chip"),
        ("kind visa flaw use-chip", "Insert the chip", "cancelled", "use-chip"),
        ("kind mastercard flaw use-chip", "Insert the chip", "cancelled", "use-chip"),
        ("kind unionpay expiry 2001", "Card expired", "declined", "expired"),
        ("kind visa expiry 2001", "Card expired", "declined", "expired"),
        ("kind mastercard expiry 2001", "Card expired", "declined", "expired"),
    ] {
        let (sale, _) = sell(&rig, "12.34", card, PIN);
        let prompts = said_again(&sale);
        let result = sale.result();
        assert_eq!(prompts, [said], "{card}");
        assert_eq!((&result["outcome"], &result["evidence"]), (&outcome.into(), &evidence.into()), "{card}: {result}");
    }
    assert_eq!(rig.ledger()["requests"].get("0200"), None, "a sale was sent");
    assert_eq!(books::agree(&rig), (0, 0));
}

#[test]
fn an_expired_card_that_wants_to_be_judged_online_is_refused_by_its_issuer() {
    let Some(rig) = shop("an_expired_card_that_wants_to_be_judged_online_is_refused_by_its_issuer") else { return };
    for kind in ["unionpay", "visa"] {
        let result = sell(&rig, "12.34", &format!("kind {kind} expiry 2001 ctq 0800"), PIN).0.result();
        assert_eq!((&result["outcome"], &result["response-code"]), (&"declined".into(), &"54".into()), "{result}");
    }
    assert_eq!(books::agree(&rig), (0, 0));
}

#[test]
fn two_cards_or_a_card_taken_away_too_early_get_another_try_in_the_same_sale() {
    let test = "two_cards_or_a_card_taken_away_too_early_get_another_try_in_the_same_sale";
    let Some(rig) = shop(test) else { return };
    for (order, said) in [
        ("card two", "Present one card only"),
        ("card in remove-after 2", "Card removed too early, present it again"),
        ("card set kind ticket|card in", "Not a payment card, use another"),
        ("card set kind mifare|card in", "Not a payment card, use another"),
    ] {
        let sale = rig.begin_sale("12.34", &order.replace([' ', '|'], "-"));
        sale.wait_prompt("present-card");
        order.split('|').for_each(|one| drop(rig.reader_order(one)));
        sale.wait_prompt("present-again");
        assert_eq!(said_again(&sale), [said], "{order}");
        rig.lift_card(|| sale.is_over());
        rig.reader_order("card set kind unionpay");
        rig.reader_order("card in");
        let result = sale.result();
        assert_eq!(result["outcome"], "approved", "{order}: {result}\n{}", rig.log());
        rig.reader_order("card out");
    }
    assert_eq!(books::agree(&rig).0, 4);
}

#[test]
fn a_customer_who_keeps_taking_the_card_away_is_given_up_with_the_reason() {
    let Some(rig) = shop("a_customer_who_keeps_taking_the_card_away_is_given_up_with_the_reason") else { return };
    let sale = rig.begin_sale("12.34", "restless");
    sale.wait_prompt("present-card");
    for try_ in 1..=5 {
        rig.reader_order("card out");
        rig.reader_order("card in remove-after 2");
        eventually("the prompt to present it again", || (said_again(&sale).len() >= try_).then_some(()));
    }
    let result = sale.result();
    assert_eq!((&result["outcome"], &result["cause"]), (&"cancelled".into(), &"O05".into()), "{result}");
    assert_eq!(result["evidence"], "removed-early");
    assert_eq!(books::agree(&rig), (0, 0));
}

/// What the customer was told each time the card could not be used.
fn said_again(sale: &Sale) -> Vec<String> {
    sale.prompts("present-again").iter().map(|p: &Value| p["text_en"].as_str().unwrap().to_owned()).collect()
}
