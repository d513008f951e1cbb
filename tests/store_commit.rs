//! What it proves: what is committed is there again, whole, wherever the power goes; and it is found by key, code, page.

mod store_common;

use std::collections::BTreeMap;
use std::path::Path;

use smartpos::domain::host::{HostTime, ReversalReason};
use smartpos::domain::ids::{AuthCode, Batch, IdempotencyKey, OperatorId, TransactionId};
use smartpos::domain::outcome::{Outcome, Role};
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::WallTime;
use smartpos::engine::command::ListFilter;
use smartpos::engine::record::{OperatorRecord, Record};
use smartpos::engine::snapshot::TransactionView;
use smartpos::store::{Store, StoreError};
use store_common::*;

fn operator(failed: u32) -> OperatorRecord {
    OperatorRecord {
        id: OperatorId::new("01").unwrap(),
        role: Role::Supervisor,
        hash: "$argon2id$v=19$salt$hash".to_owned(),
        code: (failed > 1).then(|| "$argon2id$v=19$salt$code".to_owned()),
        failed,
        locked: failed > 4,
    }
}

fn signed_in(batch: u32, wrapped: &[u8]) -> Record {
    let host_time = Some(HostTime { month: 11, day: 24, hour: 12, minute: 0, second: 0 });
    Record::SignedIn {
        at: WallTime(1_795_492_801_000_000),
        batch: Batch::new(batch).unwrap(),
        wrapped: wrapped.to_vec(),
        host_time,
    }
}

fn due(id: u64, reason: ReversalReason) -> Record {
    Record::ReversalDue { id: TransactionId(id), reason }
}

/// A day in the life of a terminal, commit by commit; every kind of record is in it.
fn day() -> Vec<Vec<Record>> {
    let not_to_stand = TransactionView { auth_code: AuthCode::new("Z9"), ..reversing(3) };
    vec![
        vec![Record::OperatorStored(operator(0)), Record::OperatorOnDuty(Some(operator(0).id))],
        vec![Record::TraceTaken { next: stan(2) }],
        vec![signed_in(7, &[1, 2, 3])],
        vec![create(1)],
        vec![send(1)],
        vec![close(1), change(approved(1))],
        vec![create(2)],
        vec![create(3), Record::OperatorStored(operator(1))],
        vec![send(2)],
        vec![change(reversing(2)), due(2, ReversalReason::NoAnswer), Record::SignedOut { cause: None }],
        vec![signed_in(8, &[4, 5, 6])],
        vec![close(2), change(taken_back(2))],
        vec![send(3)],
        vec![change(not_to_stand), due(3, ReversalReason::CouldNotFinish)],
        vec![Record::OperatorStored(operator(5)), Record::OperatorOnDuty(None)],
    ]
}

#[test]
fn everything_that_is_written_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.set_master_key(AT, &SecretBytes::new(vec![9; 16])).unwrap();
    for records in day() {
        store.commit(AT, &records).unwrap();
    }
    let found = store.load().unwrap();
    assert_eq!((found.next_stan.get(), found.batch.get(), found.next_id), (4, 8, TransactionId(4)));
    assert_eq!((found.on_duty, found.signed_in_at), (None, Some(WallTime(1_795_492_801_000_000))));
    assert_eq!(found.operators, [operator(5)]);
    assert_eq!(found.open.iter().map(|v| v.id.0).collect::<Vec<_>>(), [3]);
    let reversal = &found.reversals[0].request;
    assert!(found.reversals.len() == 1 && reversal.pan.expose() == PAN);
    // The code came with an answer, after the reversal had been sealed.
    assert_eq!((reversal.reason, reversal.auth_code.clone()), (ReversalReason::CouldNotFinish, AuthCode::new("Z9")));
    assert_eq!(store.working_keys().unwrap().unwrap().expose(), [4, 5, 6]);
    assert_eq!(store.master_key().unwrap().unwrap().expose(), [9; 16]);
    let (first, fingerprint) = store.find_by_key(1000, &approved(1).key).unwrap().unwrap();
    // Who was connected then is nobody now.
    let nobody = smartpos::engine::command::Caller { uid: 1000, connection: String::new() };
    assert_eq!((first, fingerprint.as_str()), (TransactionView { owner: nobody, ..approved(1) }, "sale|1"));
    let before = contents(&store);
    drop(store);
    assert_eq!(contents(&open(directory.path())), before, "and after a restart");
}

#[test]
fn a_copy_of_the_files_after_each_commit_holds_exactly_what_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for records in day() {
        store.commit(AT, &records).unwrap();
        let cut = tempfile::tempdir().unwrap();
        copy_files(directory.path(), cut.path());
        assert_eq!(contents(&open(cut.path())), contents(&store));
    }
}

/// Where two versions of the log differ.
fn changed_bytes(before: &[u8], after: &[u8]) -> Vec<usize> {
    let longer = before.len().max(after.len());
    (0..longer).filter(|i| before.get(*i) != after.get(*i)).collect()
}

fn contents_of(database_bytes: &[u8], log_bytes: &[u8]) -> String {
    let cut = tempfile::tempdir().unwrap();
    std::fs::write(database(cut.path()), database_bytes).unwrap();
    std::fs::write(log(cut.path()), log_bytes).unwrap();
    contents(&open(cut.path()))
}

#[test]
fn a_commit_that_is_torn_by_a_power_cut_is_there_wholly_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let files = |d: &Path| (std::fs::read(database(d)).unwrap(), std::fs::read(log(d)).unwrap());
    let mut torn_seen = 0;
    for records in day() {
        let was = contents(&store);
        let (base, before) = files(directory.path());
        store.commit(AT, &records).unwrap();
        let is = contents(&store);
        let (base_after, after) = files(directory.path());
        assert_eq!(base, base_after, "a commit is in the log only");
        let changed = changed_bytes(&before, &after);
        let (first, last) = (changed[0], changed[changed.len() - 1]);
        // Sectors reach the disk in any order: a prefix, and a suffix, of what was written.
        for part in 0..=4 {
            let at = first + (last + 1 - first) * part / 4;
            let prefix: Vec<u8> = [&after[..at], &before[at..]].concat();
            let suffix: Vec<u8> = [&before[..at], &after[at..]].concat();
            for torn in [prefix, suffix] {
                let found = contents_of(&base, &torn);
                let whole = torn == after;
                torn_seen += usize::from(!whole);
                assert!(if whole { found == is } else { found == was }, "a torn commit left something between");
            }
        }
    }
    assert!(torn_seen > 50);
}

#[test]
fn a_refused_record_leaves_nothing_of_its_commit() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.commit(AT, &[create(1)]).unwrap();
    let before = contents(&store);
    let refused: [Vec<Record>; 5] = [
        vec![create(2), create(2)],
        vec![create(2), change(approved(9))],
        vec![create(2), close(1)],
        vec![create(2), due(1, ReversalReason::NoAnswer)],
        vec![send(1), send(1)],
    ];
    for records in refused {
        store.commit(AT, &records).unwrap_err();
        assert_eq!(contents(&store), before);
    }
    // Another payment under a key that is taken.
    let mut same_key = created(2);
    same_key.key = created(1).key;
    let record = Record::Created { view: Box::new(same_key), fingerprint: String::new() };
    assert!(matches!(store.commit(AT, &[record]), Err(StoreError::Sqlite(_))));
    store.commit(AT, &[create(2)]).unwrap();
}

#[test]
fn a_code_once_given_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.commit(AT, &[create(1)]).unwrap();
    store.commit(AT, &[send(1)]).unwrap();
    let other = TransactionView { stan: sent(2).stan, code: sent(2).code, ..approved(1) };
    store.commit(AT, &[close(1), change(other)]).unwrap();
    let (view, _) = store.find_by_code(&sent(1).code.unwrap()).unwrap().unwrap();
    assert_eq!(view.stan, sent(1).stan);
}

#[test]
fn payments_are_found_by_key_of_their_uid_and_by_code() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale(&mut store, 1);
    let key = created(1).key;
    assert_eq!(store.find_by_key(1000, &key).unwrap().unwrap().0.id, TransactionId(1));
    assert!(store.find_by_key(1001, &key).unwrap().is_none());
    assert!(store.find_by_key(1000, &IdempotencyKey::new("order-2").unwrap()).unwrap().is_none());
    assert_eq!(store.find_by_code(&sent(1).code.unwrap()).unwrap().unwrap().0.id, TransactionId(1));
    assert!(store.find_by_code(&sent(2).code.unwrap()).unwrap().is_none());
    // Trace and batch have come round: the code finds the newer one.
    store.commit(AT, &[create(5)]).unwrap();
    let again = |view: TransactionView| change(TransactionView { stan: sent(1).stan, code: sent(1).code, ..view });
    store.commit(AT, &[again(sent(5))]).unwrap();
    store.commit(AT, &[again(approved(5))]).unwrap();
    assert_eq!(store.find_by_code(&sent(1).code.unwrap()).unwrap().unwrap().0.id, TransactionId(5));
}

fn ids(store: &Store, filter: &ListFilter) -> Vec<u64> {
    store.list(filter).unwrap().iter().map(|v| v.id.0).collect()
}

#[test]
fn lists_come_newest_first_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for id in 1..=10 {
        let mut view = created(id);
        view.owner.uid = if id % 2 == 0 { 2000 } else { 1000 };
        store.commit(AT, &[Record::Created { view: Box::new(view), fingerprint: String::new() }]).unwrap();
    }
    store.commit(AT, &[change(sent(4))]).unwrap();
    store.commit(AT, &[change(approved(4))]).unwrap();
    assert_eq!(ids(&store, &EVERYTHING), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let mut page = ListFilter { uid: Some(2000), limit: 2, ..EVERYTHING };
    let mut pages = Vec::new();
    loop {
        let found = ids(&store, &page);
        let Some(last) = found.last() else { break };
        page.before = Some(TransactionId(*last));
        pages.push(found);
    }
    assert_eq!(pages, [vec![10, 8], vec![6, 4], vec![2]]);
    let approved = ListFilter { outcome: Some(Outcome::Approved), ..EVERYTHING };
    assert_eq!(ids(&store, &approved), [4]);
    assert_eq!(ids(&store, &ListFilter { limit: 0, ..EVERYTHING }), [10], "a page has at least one");
}

#[test]
fn an_empty_commit_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let before = std::fs::read(log(directory.path())).unwrap();
    store.commit(AT, &[]).unwrap();
    assert_eq!(std::fs::read(log(directory.path())).unwrap(), before);
}

#[test]
fn another_master_key_takes_the_working_keys_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.set_master_key(AT, &SecretBytes::new(vec![1; 16])).unwrap();
    store.commit(AT, &[signed_in(7, &[1])]).unwrap();
    store.set_master_key(AT, &SecretBytes::new(vec![2; 16])).unwrap();
    assert!(store.working_keys().unwrap().is_none());
    store.commit(AT, &[signed_in(7, &[1])]).unwrap();
    store.commit(AT, &[Record::SignedOut { cause: None }]).unwrap();
    assert!(store.working_keys().unwrap().is_none());
}

#[test]
fn numbers_go_on_where_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = BTreeMap::new();
    for round in 1..=3u64 {
        let mut store = open(directory.path());
        let found = store.load().unwrap();
        assert!(seen.insert(found.next_id, round).is_none(), "a number is given twice");
        assert_eq!(u64::from(found.next_stan.get()), round);
        sale(&mut store, found.next_id.0);
    }
}
