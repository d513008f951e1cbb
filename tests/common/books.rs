//! The daemon's books held against the acquirer's: what apps were told, and what cardholders were charged.

#![allow(dead_code, reason = "each test file uses its own part of the books")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::rig::{Rig, eventually};

/// Batch and trace: which payment, for both sides.
type Number = (u64, u64);

/// Waits until no payment is open, then compares both books payment by payment. Gives count and sum of the charges.
pub fn agree(rig: &Rig) -> (u64, u64) {
    eventually("every payment to have an end", || {
        let open = |row: &Value| row["state"] != "finished" && row["state"] != "created";
        (!rows(rig).iter().any(open)).then_some(())
    });
    let mut charges = charges(rig);
    let mut keys = BTreeSet::new();
    let mut sum = 0;
    let rows = rows(rig);
    for row in &rows {
        let number = (row["batch"].as_u64().unwrap_or(0), row["trace"].as_u64().unwrap_or(0));
        let charge = charges.remove(&number);
        match (row["outcome"].as_str().unwrap_or_default(), charge) {
            ("approved", Some(charge)) => {
                assert!(keys.insert(row["key"].to_string()), "charged twice: {row}");
                for (ours, theirs) in [("amount", "amount"), ("auth-code", "auth"), ("rrn", "rrn"), ("card", "pan")] {
                    assert_eq!(row[ours], charge[theirs], "{ours}: {row} but {charge}");
                }
                sum += charge["amount"].as_u64().unwrap();
            }
            ("approved", None) => panic!("approved here, not charged there: {row}\n{}", rig.log()),
            (_, Some(charge)) => panic!("charged there: {charge}; but here {row}\n{}", rig.log()),
            (_, None) => {}
        }
    }
    assert!(charges.is_empty(), "charged there, unknown here: {charges:?}");
    let totals = rig.ledger();
    let count = u64::try_from(keys.len()).unwrap();
    assert_eq!((totals["charged"].as_u64(), totals["charged_sum"].as_u64()), (Some(count), Some(sum)), "{totals}");
    (count, sum)
}

/// Every payment the daemon knows, newest first.
pub fn rows(rig: &Rig) -> Vec<Value> {
    let listed = rig.json(&["transactions", "--all", "--limit", "500"]);
    let rows = listed["transactions"].as_array().unwrap().clone();
    assert!(rows.len() < 500, "more payments than one page: the comparison would be incomplete");
    rows
}

/// The acquirer's charges that stand.
fn charges(rig: &Rig) -> BTreeMap<Number, Value> {
    let mut standing = BTreeMap::new();
    for line in std::fs::read_to_string(rig.path("ledger.jsonl")).unwrap().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let number = (entry["batch"].as_u64().unwrap(), entry["trace"].as_u64().unwrap());
        match entry["status"].as_str().unwrap() {
            "charged" => assert!(standing.insert(number, entry).is_none(), "one number, two charges"),
            "reversed" => drop(standing.remove(&number).expect("only a charge can be reversed")),
            _ => {}
        }
    }
    standing
}
