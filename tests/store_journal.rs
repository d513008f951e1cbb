//! What it proves: every commit is one row of the journal, and whoever alters, removes, moves or adds rows without the
//! sealing key is found out, with the number of the first row that is not to be trusted.

mod store_common;

use std::path::Path;

use smartpos::domain::ids::TransactionId;
use smartpos::domain::offline::Forwarding;
use smartpos::domain::secret::SecretBytes;
use smartpos::engine::record::Record;
use smartpos::engine::snapshot::TransactionView;
use smartpos::store::Store;
use smartpos::store::vault::{Purpose, Vault};
use store_common::*;

/// A database with some life in it: 1 + 3 + 2 + 1 rows.
fn lived(directory: &Path) -> u64 {
    let mut store = open(directory);
    sale(&mut store, 1);
    sale_offline(&mut store, 2);
    store.set_master_key(AT, &SecretBytes::new(vec![9; 16])).unwrap();
    let check = store.verify_journal().unwrap();
    assert_eq!((check.rows, check.broken), (7, None));
    check.rows
}

/// Somebody at the file, with all the rights there are but the sealing key.
fn tamper(directory: &Path, sql: &str) {
    let db = rusqlite::Connection::open(database(directory)).unwrap();
    db.execute_batch("DROP TRIGGER journal_unchanged; DROP TRIGGER journal_kept; DROP TRIGGER journal_in_order;")
        .unwrap();
    db.execute_batch(sql).unwrap();
}

fn broken(directory: &Path) -> (u64, String) {
    open(directory).verify_journal().unwrap().broken.expect("the journal was tampered with")
}

#[test]
fn whatever_is_done_to_the_rows_is_found_with_the_number_of_the_row() {
    let cases = [
        (
            "an amount altered",
            "UPDATE journal SET entry = replace(entry, '1001', '1002') WHERE number = 2",
            2,
            "altered",
        ),
        ("a time altered", "UPDATE journal SET at = at + 1 WHERE number = 4", 4, "altered"),
        ("a chain value altered", "UPDATE journal SET chain = zeroblob(16) WHERE number = 5", 5, "altered"),
        ("a row taken out", "DELETE FROM journal WHERE number = 3", 3, "missing"),
        ("the first row taken out", "DELETE FROM journal WHERE number = 1", 1, "missing"),
        (
            "a row taken out and the rest moved up",
            "DELETE FROM journal WHERE number = 3; UPDATE journal SET number = number - 1 WHERE number > 3",
            3,
            "altered",
        ),
        (
            "two rows exchanged",
            "UPDATE journal SET number = -3 WHERE number = 3; UPDATE journal SET number = 3 WHERE number = 4;
             UPDATE journal SET number = 4 WHERE number = -3",
            3,
            "altered",
        ),
        ("the last rows cut off", "DELETE FROM journal WHERE number > 5", 6, "missing"),
        ("all rows cut off", "DELETE FROM journal", 1, "missing"),
        (
            "the last rows cut off, and the head set back",
            "DELETE FROM journal WHERE number > 5; UPDATE terminal SET journal_last = 5",
            5,
            "head",
        ),
        ("the head's seal removed", "UPDATE terminal SET journal_seal = NULL", 7, "head"),
        ("a row added", "INSERT INTO journal SELECT 8, at, entry, chain FROM journal WHERE number = 7", 8, "altered"),
    ];
    for (what, sql, row, word) in cases {
        let directory = tempfile::tempdir().unwrap();
        lived(directory.path());
        tamper(directory.path(), sql);
        let (number, text) = broken(directory.path());
        assert!(number == row && text.contains(word), "{what}: row {number}, {text}");
        // It stays found when the terminal goes on.
        let mut store = open(directory.path());
        sale(&mut store, 3);
        let (after, text) = store.verify_journal().unwrap().broken.unwrap_or_else(|| panic!("{what}: covered up"));
        assert!(after <= row + 1, "{what}: row {after}, {text}");
        // The sale went through all the same: what is wrong with the past must not stop the present.
        assert!(store.find_by_key(1000, &created(3).key).unwrap().is_some());
    }
}

#[test]
fn rows_chained_anew_without_the_key_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let rows = lived(directory.path());
    // The whole construction is known, the key is not.
    let forger = Vault::new(&[8; 32]);
    let db = rusqlite::Connection::open(database(directory.path())).unwrap();
    db.execute_batch("DROP TRIGGER journal_unchanged").unwrap();
    let before =
        |number: i64| db.query_row("SELECT chain FROM journal WHERE number = ?1", [number], |r| r.get(0)).unwrap();
    let mut chain: [u8; 16] = before(2);
    for number in 3..=i64::try_from(rows).unwrap() {
        let read = "SELECT at, replace(entry, '1002', '9002') FROM journal WHERE number = ?1";
        let (at, entry): (i64, String) = db.query_row(read, [number], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        let parts: [&[u8]; 4] = [&chain, &number.to_be_bytes(), &at.to_be_bytes(), entry.as_bytes()];
        chain = forger.tag(Purpose::JournalRow, &parts);
        db.execute(
            "UPDATE journal SET entry = ?2, chain = ?3 WHERE number = ?1",
            rusqlite::params![number, entry, chain],
        )
        .unwrap();
    }
    let seal = forger.tag(Purpose::JournalHead, &[&i64::try_from(rows).unwrap().to_be_bytes(), &chain]);
    db.execute("UPDATE terminal SET journal_seal = ?1", [seal]).unwrap();
    drop(db);
    let (number, text) = broken(directory.path());
    assert!(number == 3 && text.contains("altered"), "row {number}: {text}");
}

#[test]
fn the_same_construction_with_the_key_is_what_the_store_writes() {
    // Else the test above would find anything.
    let directory = tempfile::tempdir().unwrap();
    lived(directory.path());
    let rows = open(directory.path()).export_journal(0, 1000).unwrap();
    let vault = Vault::new(&[7; 32]);
    let mut chain = [0; 16];
    for row in rows {
        let (number, at) = (i64::try_from(row.number).unwrap(), i64::try_from(row.at.0).unwrap());
        chain =
            vault.tag(Purpose::JournalRow, &[&chain, &number.to_be_bytes(), &at.to_be_bytes(), row.entry.as_bytes()]);
        assert_eq!(row.chain, chain.iter().map(|b| format!("{b:02x}")).collect::<String>());
    }
}

#[test]
fn the_database_itself_refuses_changes_of_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    lived(directory.path());
    let db = rusqlite::Connection::open(database(directory.path())).unwrap();
    for sql in [
        "UPDATE journal SET entry = '' WHERE number = 2",
        "DELETE FROM journal WHERE number = 7",
        "DELETE FROM journal",
        "INSERT OR REPLACE INTO journal SELECT 7, at, '', chain FROM journal WHERE number = 7",
        "INSERT INTO journal SELECT 3, at, '', chain FROM journal WHERE number = 7",
    ] {
        let error = db.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("only ever added to"), "{sql}: {error}");
    }
}

fn entries(store: &Store) -> Vec<String> {
    store.export_journal(0, 1000).unwrap().into_iter().map(|r| r.entry).collect()
}

#[test]
fn entries_say_what_happened_without_card_data() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale(&mut store, 1);
    sale_offline(&mut store, 2);
    let resolved = TransactionView {
        forwarding: Some(Forwarding::Abandoned),
        resolution: Some(format!("abandon by operator 01, uid 1000: card {} lost", card(8).expose())),
        ..offline(2)
    };
    let wiped = Record::CardDataWiped { id: TransactionId(2) };
    store.commit(AT, &[change(resolved), wiped]).unwrap();
    store.deny_card(AT, &card(8), "lost").unwrap();
    let [one, two] = [1, 2].map(|n| sent(n).code.unwrap().to_string());
    let expected = [
        r#"[{"what":"journal-begun"}]"#.to_owned(),
        r#"[{"what":"created","id":1,"kind":"sale","uid":1000,"amount":1001,"currency":"CNY"}]"#.to_owned(),
        format!(r#"[{{"what":"sent","id":1,"amount":1001,"currency":"CNY","code":"{one}","next":2}}]"#),
        r#"[{"what":"reversal-closed","id":1},{"what":"changed","id":1,"state":"finished","outcome":"approved","response":"00"}]"#
            .to_owned(),
        r#"[{"what":"created","id":2,"kind":"sale","uid":1000,"amount":1002,"currency":"CNY"}]"#.to_owned(),
        format!(
            r#"[{{"what":"queued","id":2,"amount":1002,"currency":"CNY","code":"{two}","outcome":"approved-offline","forwarding":"waiting","next":3,"at":1795492802000000}}]"#
        ),
        format!(
            r#"[{{"what":"changed","id":2,"code":"{two}","state":"finished","outcome":"approved-offline","forwarding":"abandoned","resolution":"(left out: it held a card number)"}},{{"what":"card-data-wiped","id":2}}]"#
        ),
        r#"[{"what":"card-listed","note":"lost"}]"#.to_owned(),
    ];
    assert_eq!(entries(&store), expected);
}

#[test]
fn what_a_limit_refused_is_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let Record::Queued { view, next, sale, moment, .. } = queue(1) else { unreachable!() };
    let limits = Box::default();
    store.commit(AT, &[create(1), Record::Queued { view, next, sale, limits, moment }]).unwrap();
    let expected = r#"{"what":"offline-refused","id":1,"amount":1001,"currency":"CNY","refusal":"offline-disabled"}"#;
    assert!(entries(&store)[1].ends_with(&format!("{expected}]")), "{:?}", entries(&store));
}

#[test]
fn a_refused_commit_leaves_no_row_and_no_gap() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale(&mut store, 1);
    store.commit(AT, &[create(1)]).unwrap_err();
    store.commit(AT, &[create(2), close(9)]).unwrap_err();
    store.probe().unwrap();
    store.commit(AT, &[]).unwrap();
    sale(&mut store, 2);
    let check = store.verify_journal().unwrap();
    assert_eq!((check.rows, check.broken), (7, None));
}

#[test]
fn rows_come_in_pages_oldest_first() {
    let directory = tempfile::tempdir().unwrap();
    lived(directory.path());
    let store = open(directory.path());
    let numbers =
        |after, limit| store.export_journal(after, limit).unwrap().iter().map(|r| r.number).collect::<Vec<_>>();
    assert_eq!(numbers(0, 3), [1, 2, 3]);
    assert_eq!(numbers(3, 1000), [4, 5, 6, 7]);
    assert!(numbers(7, 1000).is_empty());
    assert_eq!(numbers(0, 0), [1], "a page has at least one");
    assert_eq!(store.export_journal(1, 1).unwrap()[0].at, AT);
}

#[test]
fn the_check_can_be_taken_in_portions_while_the_store_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for n in 1..=20 {
        sale(&mut store, n);
    }
    let mut walk = smartpos::store::Walk::default();
    let mut portions = 0;
    let check = loop {
        if let Some(check) = store.verify_on(&mut walk, 10).unwrap() {
            break check;
        }
        portions += 1;
        sale(&mut store, 20 + portions);
    };
    // Each portion of ten rows adds three: 61 + 3 n <= 10 n + 9.
    assert_eq!((portions, check.rows, check.broken), (8, 85, None));
}

#[test]
fn the_head_lives_through_restarts_and_power_cuts() {
    let directory = tempfile::tempdir().unwrap();
    let mut rows = 1;
    for n in 1..=5 {
        let mut store = open(directory.path());
        sale(&mut store, n);
        rows += 3;
        let cut = tempfile::tempdir().unwrap();
        copy_files(directory.path(), cut.path());
        for check in [store.verify_journal().unwrap(), open(cut.path()).verify_journal().unwrap()] {
            assert_eq!((check.rows, check.broken), (rows, None));
        }
    }
}
