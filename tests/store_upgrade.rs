//! What it proves: a database of the first version, with everything it can hold, is brought up to date in place, loses
//! nothing, and is a full member afterwards.

mod store_common;

use std::path::Path;

use smartpos::domain::host::ReversalReason;
use smartpos::domain::offline::{OfflineMode, ReversalStanding};
use smartpos::domain::time::WallTime;
use smartpos::store::vault::Vault;
use store_common::*;

/// As the first version sealed a reversal: tags as a list of numbers.
fn sealed_reversal(id: u64) -> Vec<u8> {
    let tags = reversal(id).tags.expose().iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let clear = format!(
        r#"{{"stan":{id},"batch":7,"amount":{},"currency":"CNY","pan":"{PAN}","expiry":"3012","sequence_number":1,"pin_sent":true,"tags":[{tags}],"auth_code":null}}"#,
        1000 + id
    );
    Vault::new(&[7; 32]).seal(&format!("reversal {id}"), clear.as_bytes()).unwrap()
}

/// A database of the first version: one payment over, one under way, one whose reversal is due; operator and keys.
fn first_version(directory: &Path) {
    let db = rusqlite::Connection::open(database(directory)).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch(include_str!("../src/store/sql/001_first.sql")).unwrap();
    db.execute_batch(
        "PRAGMA user_version = 1;
         UPDATE terminal SET next_stan = 77, batch = 9, on_duty = '01', signed_in_at = 5;
         INSERT INTO operator VALUES ('01', 'supervisor', 'h', 2, 0);
         INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, reference, state, outcome, evidence, code,
                              stan, batch, masked_pan, scheme, rrn, auth_code, response_code, response_zh, response_en,
                              created_at, finished_at)
         VALUES (12, 1000, 'order-12', 'f', 'sale', 1012, 'CNY', 'table 12', 'finished', 'approved', '',
                 NULL, 12, 7, '622588******8765', 'unionpay', '000000000042', 'A1B2C3', '00', '交易成功',
                 'Approved', 1, 2),
                (13, 1000, 'order-13', 'f', 'sale', 1013, 'CNY', NULL, 'reversing', 'unknown', 'no answer', NULL, 13, 7,
                 NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3, NULL),
                (14, 1001, 'order-14', 'f', 'sale', 1014, 'CNY', NULL, 'created', NULL, '', NULL, NULL, NULL, NULL, NULL,
                 NULL, NULL, NULL, NULL, NULL, 4, NULL);",
    )
    .unwrap();
    db.execute("UPDATE payment SET code = ?1 WHERE id = 12", [sent(12).code.unwrap().as_str()]).unwrap();
    let vault = Vault::new(&[7; 32]);
    db.execute("INSERT INTO reversal VALUES (13, '98', ?1)", [sealed_reversal(13)]).unwrap();
    for (name, clear) in [("master-key", [9u8; 16]), ("working-keys", [4; 16])] {
        db.execute("INSERT INTO secret VALUES (?1, ?2)", rusqlite::params![name, vault.seal(name, &clear).unwrap()])
            .unwrap();
    }
}

#[test]
fn a_database_of_the_first_version_keeps_all_it_holds_and_takes_offline_payments() {
    let directory = tempfile::tempdir().unwrap();
    first_version(directory.path());
    let mut store = open(directory.path());
    let found = store.load().unwrap();
    assert_eq!((found.next_stan.get(), found.batch.get(), found.next_id.0), (77, 9, 15));
    assert_eq!((found.operators.len(), found.on_duty.unwrap().as_str()), (1, "01"));
    assert_eq!(found.signed_in_at, Some(WallTime(5)));
    assert_eq!(found.open.iter().map(|v| v.id.0).collect::<Vec<_>>(), [13, 14]);
    let open_reversal = &found.reversals[0];
    assert_eq!((open_reversal.id.0, open_reversal.attempts, open_reversal.standing), (13, 0, ReversalStanding::Due));
    let expected = smartpos::domain::host::ReversalRequest { reason: ReversalReason::NoAnswer, ..reversal(13) };
    assert!(open_reversal.request == expected, "a reversal sealed by the first version");
    assert_eq!((found.queue.count(), found.clock, found.scripts.len()), (0, None, 0));
    assert_eq!(store.master_key().unwrap().unwrap().expose(), [9; 16]);
    assert_eq!(store.working_keys().unwrap().unwrap().expose(), [4; 16]);
    let all = store.list(&EVERYTHING).unwrap();
    assert_eq!(all.len(), 3);
    let old = &all[2];
    assert_eq!((old.mode, old.forwarding, old.attempts), (OfflineMode::OnlineOnly, None, 0));
    assert_eq!((old.money.amount.minor(), old.auth_code.as_ref().unwrap().as_str()), (1012, "A1B2C3"));
    // And a full member of the new one.
    store.commit(AT, &[close(13), change(taken_back(13))]).unwrap();
    sale(&mut store, 15);
    sale_offline(&mut store, 16);
    assert_eq!(store.queue_totals().unwrap().waiting, 1);
    let before = contents(&store);
    drop(store);
    let store = open(directory.path());
    assert_eq!(contents(&store), before);
    let check = store.verify_journal().unwrap();
    assert_eq!((check.rows, check.broken), (7, None));
    let first = &store.export_journal(0, 1).unwrap()[0].entry;
    assert!(first.contains("payments made before this are not in the journal"), "{first}");
}

#[test]
fn a_million_payments_are_upgraded_without_being_rewritten() {
    let directory = tempfile::tempdir().unwrap();
    first_version(directory.path());
    let db = rusqlite::Connection::open(database(directory.path())).unwrap();
    // Some tens of thousands show as well as a million that nothing is done row by row.
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 40099)
         INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, state, outcome, evidence, created_at)
         SELECT i, 1000, 'k' || i, 'f', 'sale', 1000, 'CNY', 'finished', 'approved', 'some evidence', 0 FROM n",
    )
    .unwrap();
    drop(db);
    let size = std::fs::metadata(database(directory.path())).unwrap().len();
    let written = || {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|l| l.strip_prefix("wchar: ")).unwrap().parse::<u64>().unwrap()
    };
    let options = smartpos::store::OpenOptions { long_log: false, ..smartpos::store::OpenOptions::default() };
    let before = written();
    let store = smartpos::store::Store::open_on(&database(directory.path()), Vault::new(&[7; 32]), &options).unwrap();
    let cost = written() - before;
    assert!(size > 3 << 20 && cost < 300_000, "{cost} bytes were written to upgrade {size}");
    assert_eq!(store.load().unwrap().next_id.0, 40_100);
}
