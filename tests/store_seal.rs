//! What it proves: card data is on disk only sealed, as long as it is needed, and opens only with this machine's key.

mod store_common;

use std::path::Path;

use smartpos::domain::host::ReversalReason;
use smartpos::domain::ids::TransactionId;
use smartpos::domain::offline::{Forwarding, ScriptReport};
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::SecretBytes;
use smartpos::engine::record::Record;
use smartpos::store::vault::Vault;
use smartpos::store::{Store, StoreError};
use store_common::*;

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|w| w == what)
}

/// Digits as they travel: two in a byte.
fn bcd(digits: &str) -> Vec<u8> {
    let even = format!("{digits}{}", if digits.len().is_multiple_of(2) { "" } else { "F" });
    (0..even.len()).step_by(2).map(|i| u8::from_str_radix(&even[i..i + 2], 16).unwrap()).collect()
}

/// Every file of the store, under whatever name. Stretches of nothing but zeros are left out: the long log is full of them.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    let written = |bytes: Vec<u8>| bytes.chunks(64).filter(|c| *c != &[0; 64][..c.len()]).flatten().copied().collect();
    entries.map(|p| (p.display().to_string(), written(std::fs::read(&p).unwrap()))).collect()
}

/// What must be nowhere: the number whole, without its ends, packed both ways, as track 2, and the tags.
fn forbidden() -> Vec<Vec<u8>> {
    let tags = reversal(1).tags.expose().to_vec();
    let json = tags.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    vec![
        PAN.as_bytes().to_vec(),
        PAN.as_bytes()[6..15].to_vec(),
        bcd(PAN),
        bcd(&PAN[1..]),
        format!("{PAN}D3012").into_bytes(),
        format!("{PAN}=3012").into_bytes(),
        tags,
        json.into_bytes(),
        vec![0x5C; 16],
    ]
}

#[test]
fn no_card_number_and_no_key_is_in_the_clear_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.set_master_key(AT, &SecretBytes::new(vec![0x5C; 16])).unwrap();
    let id = TransactionId(2);
    let Record::Queued { view, next, limits, moment, mut sale } = queue(2) else { unreachable!() };
    sale.pan = Pan::new(PAN).unwrap();
    let queued = Record::Queued { view, next, limits, moment, sale };
    let report = ScriptReport {
        original: (stan(1), offline_sale(1).batch, "1124".to_owned()),
        money: offline_sale(1).money,
        pan: Pan::new(PAN).unwrap(),
        sequence_number: None,
        pin_sent: false,
        acquirer: None,
        rrn: None,
        auth_code: None,
        tags: reversal(1).tags,
    };
    let steps: [Vec<Record>; 10] = [
        vec![create(1)],
        vec![send(1)],
        vec![change(reversing(1)), Record::ReversalDue { id: TransactionId(1), reason: ReversalReason::NoAnswer }],
        vec![close(1), change(taken_back(1))],
        vec![create(2), queued],
        vec![forwarded(2, Forwarding::InFlight)],
        vec![forwarded(2, Forwarding::Held), Record::CardDenied { id }],
        vec![forwarded(2, Forwarding::Abandoned), Record::CardDataWiped { id }],
        vec![Record::ScriptDue { id: TransactionId(1), report: Box::new(report) }],
        vec![Record::ScriptSent { id: TransactionId(1), next: stan(9) }],
    ];
    let search = || {
        for (name, bytes) in files(directory.path()) {
            for what in forbidden() {
                assert!(!contains(&bytes, &what), "{name} holds card data or a key");
            }
        }
    };
    for records in steps {
        let committed = store.commit(AT, &records).unwrap();
        assert!(committed.verdict.is_none_or(|v| v.result.is_ok()));
        search();
    }
    store.deny_card(AT, &Pan::new(PAN).unwrap(), &format!("number {PAN}")).unwrap();
    search();
    // The search finds what is there: the masked number and the app's key are not secret.
    let all: Vec<u8> = files(directory.path()).into_iter().flat_map(|f| f.1).collect();
    assert!(contains(&all, b"622588******8765") && contains(&all, b"order-1"));
}

#[test]
fn the_sealed_reversal_goes_when_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.commit(AT, &[create(1)]).unwrap();
    store.commit(AT, &[send(1)]).unwrap();
    drop(store);
    let sealed: Vec<u8> = {
        let db = rusqlite::Connection::open(database(directory.path())).unwrap();
        db.query_row("SELECT sealed FROM reversal", [], |r| r.get(0)).unwrap()
    };
    let in_database = || contains(&std::fs::read(database(directory.path())).unwrap(), &sealed[..40]);
    assert!(in_database());
    let mut store = open(directory.path());
    store.commit(AT, &[close(1), change(approved(1))]).unwrap();
    assert!(store.load().unwrap().reversals.is_empty());
    drop(store);
    assert!(!in_database(), "its place is overwritten, not merely free");
}

/// Whether any file holds these bytes, after everything in the log was brought into the database.
fn sealed_remains(directory: &Path, sealed: &[u8]) -> bool {
    let db = rusqlite::Connection::open(database(directory)).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    files(directory).iter().any(|(_, bytes)| contains(bytes, &sealed[..40]))
}

#[test]
fn the_sealed_card_data_of_an_offline_payment_go_when_they_are_wiped() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale_offline(&mut store, 1);
    drop(store);
    let db = rusqlite::Connection::open(database(directory.path())).unwrap();
    let sealed: Vec<u8> = db.query_row("SELECT sealed FROM offline", [], |r| r.get(0)).unwrap();
    drop(db);
    assert!(sealed_remains(directory.path(), &sealed));
    let mut store = open(directory.path());
    let wiped = Record::CardDataWiped { id: TransactionId(1) };
    store.commit(AT, &[forwarded(1, Forwarding::Accepted), wiped]).unwrap();
    drop(store);
    assert!(!sealed_remains(directory.path(), &sealed), "its place is overwritten, not merely free");
}

#[test]
fn a_card_is_marked_differently_by_every_machine() {
    let mark = |key: u8| {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(&database(directory.path()), Vault::new(&[key; 32])).unwrap();
        sale_offline(&mut store, 1);
        drop(store);
        let db = rusqlite::Connection::open(database(directory.path())).unwrap();
        db.query_row("SELECT card FROM offline", [], |r| r.get::<_, Vec<u8>>(0)).unwrap()
    };
    assert_eq!(mark(1), mark(1));
    assert_ne!(mark(1), mark(2));
}

#[test]
fn another_machines_key_gives_a_clear_error_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.set_master_key(AT, &SecretBytes::new(vec![1; 16])).unwrap();
    store.commit(AT, &[create(1)]).unwrap();
    store.commit(AT, &[send(1)]).unwrap();
    let before = contents(&store);
    drop(store);
    let error = Store::open(&database(directory.path()), Vault::new(&[8; 32])).err().unwrap();
    assert!(matches!(error, StoreError::WrongSealingKey));
    assert!(error.to_string().contains("sealing key"), "{error}");
    assert_eq!(contents(&open(directory.path())), before);
}

#[test]
fn the_files_are_the_daemons_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale(&mut store, 1);
    for file in [database(directory.path()), log(directory.path())] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.display());
    }
}

#[test]
fn sealed_values_cannot_be_swapped_between_payments() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for id in [1, 2] {
        store.commit(AT, &[create(id)]).unwrap();
        store.commit(AT, &[send(id)]).unwrap();
    }
    drop(store);
    let db = rusqlite::Connection::open(database(directory.path())).unwrap();
    db.execute("UPDATE reversal SET sealed = (SELECT sealed FROM reversal WHERE id = 2) WHERE id = 1", []).unwrap();
    drop(db);
    assert!(matches!(open(directory.path()).load().err(), Some(StoreError::WrongSealingKey)));
}

#[test]
fn sealed_offline_sales_cannot_be_swapped_between_payments() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale_offline(&mut store, 1);
    sale_offline(&mut store, 2);
    drop(store);
    let db = rusqlite::Connection::open(database(directory.path())).unwrap();
    db.execute("UPDATE offline SET sealed = (SELECT sealed FROM offline WHERE id = 2) WHERE id = 1", []).unwrap();
    drop(db);
    assert!(matches!(open(directory.path()).next_queued(None).err(), Some(StoreError::WrongSealingKey)));
}
