//! Whatever comes from the card reader, a sale ends as it should or says why, and the reader comes back.
//!
//! Proves, with the shipped daemon and a PN532 on a pty whose line is noisy, cut, flipped, flooded, mute or pulled out,
//! and with cards whose data cannot be: passing faults cost no sale, lasting ones end it with their cause, nothing is
//! charged twice, and the next sale goes through.

#[path = "common/books.rs"]
mod books;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use rig::{Rig, Sale, Setup, eventually};
use site::Till;

const READER: &str = "/org/smartposd/Pos1/Reader0";

/// A shop where the customer's hand waits for the prompts and no PIN is asked for.
fn shop(test: &str) -> Option<(Rig, Till)> {
    let mut rig = site::rig(test, Setup::default())?;
    site::edit_profile(&rig, "pin_above = 0", "pin_above = 100000");
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    Some((rig, till))
}

fn reader_is(till: &Till, state: &str) {
    eventually(&format!("the reader to be {state}"), || {
        (till.property(READER, "Reader", "State")? == state).then_some(())
    });
}

/// The customer presents the card again as often as asked.
fn follow(rig: &Rig, sale: Sale) -> serde_json::Value {
    let mut again = 0;
    eventually("the end of the sale", || {
        let asked = sale.prompts("present-again").len();
        if !sale.is_over() && asked > again {
            again = asked;
            rig.lift_card(|| sale.is_over());
            rig.reader_order("card in");
        }
        sale.is_over().then_some(())
    });
    let result = sale.result();
    rig.reader_order("card out");
    result
}

/// A sale in which the reader's line has this fault from the moment the card is asked for.
fn sale_under(rig: &Rig, fault: &str) -> serde_json::Value {
    let sale = rig.begin_sale("12.34", &fault.replace(' ', "-"));
    sale.wait_prompt("present-card");
    rig.reader_order(fault);
    rig.reader_order("card in");
    follow(rig, sale)
}

fn heal(rig: &Rig) {
    for fault in ["corrupt", "flip", "truncate", "oversize", "nack", "drop", "error", "delay", "byte-gap"] {
        rig.reader_order(&format!("{fault} 0"));
    }
    rig.reader_order("silence off");
    rig.reader_order("plug");
}

#[test]
fn a_passing_fault_on_the_readers_line_costs_no_sale() {
    let Some((rig, till)) = shop("a_passing_fault_on_the_readers_line_costs_no_sale") else { return };
    let faults = [
        "noise 300",
        "babble 4000",
        "babble 65535",
        "corrupt 1",
        "corrupt 5",
        "flip 1",
        "flip 2",
        "truncate 1",
        "truncate 3",
        "oversize 1",
        "oversize 4",
        "nack 1",
        "drop 1",
        "error 1",
        "delay 30",
        "byte-gap 1",
    ];
    for fault in faults {
        let result = sale_under(&rig, fault);
        assert_eq!(result["outcome"], "approved", "{fault}: {result}\n{}", rig.log());
        heal(&rig);
        reader_is(&till, "ready");
    }
    assert_eq!(books::agree(&rig).0, u64::try_from(faults.len()).unwrap());
}

#[test]
fn a_lasting_fault_ends_the_sale_with_its_cause_and_the_reader_comes_back() {
    let Some((rig, till)) = shop("a_lasting_fault_ends_the_sale_with_its_cause_and_the_reader_comes_back") else {
        return;
    };
    let mut approved = 0;
    for (fault, cause) in [
        ("corrupt 100000", "H02"),
        ("flip 100000", "H02"),
        ("truncate 100000", "H02"),
        ("oversize 100000", "H02"),
        ("nack 100000", "H02"),
        ("drop 100000", "H02"),
        ("error 100000", "H02"),
        ("silence on", "H02"),
        ("hang", "H02"),
        ("unplug", "H01"),
    ] {
        let sale = rig.begin_sale("12.34", &fault.replace(' ', "-"));
        sale.wait_prompt("present-card");
        rig.reader_order(fault);
        let result = follow(&rig, sale);
        assert_eq!(result["outcome"], "cancelled", "{fault}: {result}");
        assert_eq!(result["cause"], cause, "{fault}: {result}\n{}", rig.log());
        assert_eq!(result["evidence"], "reader-failed", "{fault}");
        heal(&rig);
        if fault == "hang" {
            // Nothing on the line helps here: a person takes its power away.
            rig.reader_order("unplug");
            rig.reader_order("plug");
        }
        reader_is(&till, "ready");
        let next = sale_under(&rig, &format!("delay {approved}"));
        assert_eq!(next["outcome"], "approved", "after {fault}: {next}\n{}", rig.log());
        approved += 1;
    }
    assert_eq!(books::agree(&rig).0, approved);
}

#[test]
fn without_a_reader_a_sale_is_refused_by_name() {
    let Some((rig, till)) = shop("without_a_reader_a_sale_is_refused_by_name") else { return };
    rig.reader_order("unplug");
    reader_is(&till, "absent");
    let sale = till.create(1_234, "no-reader").unwrap();
    let refused = till.start(&sale).unwrap_err().to_string();
    assert!(refused.contains("ReaderUnavailable") && refused.contains("H01"), "{refused}");
    rig.reader_order("plug");
    reader_is(&till, "ready");
    till.start(&sale).unwrap();
    rig.reader_order("card in");
    till.wait_outcome(&sale, "approved");
    books::agree(&rig);
}

#[test]
fn a_reader_pulled_out_and_put_back_goes_on_with_the_same_sale() {
    let Some((rig, till)) = shop("a_reader_pulled_out_and_put_back_goes_on_with_the_same_sale") else { return };
    let sale = till.begin(1_234, "replugged");
    till.wait_prompt("present-card");
    rig.reader_order("unplug");
    reader_is(&till, "absent");
    rig.reader_order("plug");
    reader_is(&till, "active");
    rig.reader_order("card in");
    till.wait_outcome(&sale, "approved");
    assert_eq!(books::agree(&rig), (1, 1_234));
}

#[test]
fn a_reader_that_babbles_without_end_stops_neither_the_bus_nor_the_sale() {
    let Some((rig, till)) = shop("a_reader_that_babbles_without_end_stops_neither_the_bus_nor_the_sale") else {
        return;
    };
    let sale = till.begin(1_234, "flooded");
    till.wait_prompt("present-card");
    for _ in 0..200 {
        rig.reader_order("babble 65535");
        assert_eq!(till.state(&sale).as_deref(), Some("awaiting-card"));
    }
    rig.reader_order("card in");
    till.wait_outcome(&sale, "approved");
    assert_eq!(books::agree(&rig), (1, 1_234));
}

#[test]
fn a_card_whose_data_cannot_be_is_refused_and_another_one_pays() {
    let Some((rig, _till)) = shop("a_card_whose_data_cannot_be_is_refused_and_another_one_pays") else { return };
    let flaws = ["bad-tlv", "huge-length", "no-pan", "two-pans", "no-cryptogram"];
    for flaw in flaws {
        rig.reader_order(&format!("card set flaw {flaw}"));
        let sale = rig.begin_sale("12.34", flaw);
        sale.wait_prompt("present-card");
        rig.reader_order("card in");
        sale.wait_prompt("present-again");
        let said = sale.prompts("present-again");
        assert_eq!(said[0]["text_en"], "Card not readable, try again or use another", "{flaw}");
        rig.lift_card(|| sale.is_over());
        rig.reader_order("card set flaw none");
        rig.reader_order("card in");
        let result = follow(&rig, sale);
        assert_eq!(result["outcome"], "approved", "{flaw}: {result}");
    }
    // And nobody taps for ever.
    rig.reader_order("card set flaw bad-tlv");
    let sale = rig.begin_sale("12.34", "stubborn");
    sale.wait_prompt("present-card");
    rig.reader_order("card in");
    let result = follow(&rig, sale);
    assert_eq!((&result["outcome"], &result["evidence"]), (&"cancelled".into(), &"card-faulty".into()), "{result}");
    assert_eq!(books::agree(&rig).0, u64::try_from(flaws.len()).unwrap());
}
