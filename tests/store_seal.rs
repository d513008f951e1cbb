//! What it proves: card data is on disk only sealed, as long as it is needed, and opens only with this machine's key.

mod store_common;

use std::path::Path;

use smartpos::domain::host::ReversalReason;
use smartpos::domain::ids::TransactionId;
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

/// Every file of the store, under whatever name.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    entries.map(|p| (p.display().to_string(), std::fs::read(&p).unwrap())).collect()
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
    let steps: [Vec<Record>; 4] = [
        vec![create(1)],
        vec![send(1)],
        vec![change(reversing(1)), Record::ReversalDue { id: TransactionId(1), reason: ReversalReason::NoAnswer }],
        vec![close(1), change(approved(1))],
    ];
    for records in steps {
        store.commit(AT, &records).unwrap();
        for (name, bytes) in files(directory.path()) {
            for what in forbidden() {
                assert!(!contains(&bytes, &what), "{name} holds card data or a key");
            }
        }
    }
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
