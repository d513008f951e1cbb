//! What it proves: a backup brings everything back (queue, reversals, keys, a journal that still verifies) under its
//! passphrase only, never over something that is there, and never lets a trace be used twice.

mod store_common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use smartpos::domain::host::ReversalReason;
use smartpos::domain::ids::TransactionId;
use smartpos::domain::offline::Forwarding;
use smartpos::domain::secret::SecretBytes;
use smartpos::engine::command::QueueFilter;
use smartpos::engine::record::Record;
use smartpos::store::backup::BackupError;
use smartpos::store::restore::{self, Restored};
use smartpos::store::vault::Vault;
use smartpos::store::{OpenOptions, Store};
use store_common::*;

fn passphrase(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

const RIGHT: &str = "a sentence that nobody guesses";

/// A terminal in the middle of its day.
fn busy(directory: &Path) -> Store {
    let mut store = open(directory);
    store.set_master_key(AT, &SecretBytes::new(vec![9; 16])).unwrap();
    let batch = smartpos::domain::ids::Batch::new(7).unwrap();
    store.commit(AT, &[Record::SignedIn { at: AT, batch, wrapped: vec![4, 5, 6], host_time: None }]).unwrap();
    sale(&mut store, 1);
    store.commit(AT, &[create(2)]).unwrap();
    store.commit(AT, &[send(2)]).unwrap();
    let due = Record::ReversalDue { id: TransactionId(2), reason: ReversalReason::NoAnswer };
    store.commit(AT, &[change(reversing(2)), due]).unwrap();
    for id in 3..=6 {
        sale_offline(&mut store, id);
    }
    store.commit(AT, &[forwarded(4, Forwarding::InFlight)]).unwrap();
    store.commit(AT, &[forwarded(5, Forwarding::Held)]).unwrap();
    store.deny_card(AT, &card(77), "lost").unwrap();
    store
}

fn archive(store: &Store) -> Vec<u8> {
    let mut archive = Vec::new();
    store.backup(&passphrase(RIGHT), &mut archive).unwrap();
    archive
}

fn bring_back(archive: &[u8], directory: &Path) -> Result<Restored, BackupError> {
    restore::restore(archive, &passphrase(RIGHT), directory, AT)
}

/// With the sealing key that the restore wrote.
fn open_restored(directory: &Path) -> Store {
    let vault = Vault::find(None, &directory.join("sealing.key")).unwrap();
    Store::open(&database(directory), vault).unwrap()
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn everything_comes_back_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = busy(directory.path());
    let archive = archive(&store);
    assert_eq!(names(directory.path()), ["pos.db", "pos.db-wal"], "the copy is gone");
    // Life goes on, and is lost.
    sale(&mut store, 7);

    let other = tempfile::tempdir().unwrap();
    let restored = bring_back(&archive, other.path()).unwrap();
    let key = other.path().join("sealing.key");
    assert_eq!(restored, Restored { next_stan: stan(10_007), unsent: 4, reversals: 1, key: key.clone() });
    assert_eq!(names(other.path()), ["pos.db", "sealing.key"]);
    for file in [database(other.path()), key] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let mut back = open_restored(other.path());
    let found = back.load().unwrap();
    assert_eq!((found.next_stan, found.next_id.0), (stan(10_007), 10_007), "nothing of before is used again");
    assert_eq!((found.queue.waiting, found.queue.held), (3, 1));
    assert!(found.reversals.len() == 1 && found.reversals[0].request.pan.expose() == PAN);
    assert_eq!(back.master_key().unwrap().unwrap().expose(), [9; 16]);
    assert_eq!(back.working_keys().unwrap().unwrap().expose(), [4, 5, 6]);
    let all = back.list(&EVERYTHING).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(all.last().unwrap().auth_code, approved(1).auth_code);
    // What is unsent may have been sent since: it goes out as a repeat, with the same content.
    for (id, tries) in [(3, 1), (4, 1), (6, 1)] {
        let head = back.next_queued(Some(TransactionId(id - 1)).filter(|_| id > 3)).unwrap().unwrap();
        assert_eq!((head.view.id.0, head.view.attempts), (id, tries));
        assert!(head.sale == offline_sale(id));
    }
    let held = QueueFilter { held: true, after: None, limit: 10 };
    let again: Vec<_> = back.list_queue(&held).unwrap().iter().map(|v| (v.id.0, v.attempts > 0)).collect();
    assert_eq!(again, [(5, true)], "should a person have it sent again, it is a repeat too");
    // The deny list counts on.
    back.commit(AT, &[create(10_007)]).unwrap();
    let mut sale = offline_sale(10_007);
    sale.pan = card(77);
    let Record::Queued { view, next, limits, moment, .. } = queue(10_007) else { unreachable!() };
    let denied = Record::Queued { view, next, limits, moment, sale: Box::new(sale) };
    assert!(back.commit(AT, &[denied]).unwrap().verdict.unwrap().result.is_err());
    // The journal verifies, and tells of the restore.
    let check = back.verify_journal().unwrap();
    assert_eq!(check.broken, None);
    let rows = back.export_journal(0, 1000).unwrap();
    let told = rows.iter().filter(|r| r.entry.contains(r#""what":"restored","next":10007"#)).count();
    assert_eq!((told, rows.len() as u64), (1, check.rows));
    back.integrity().unwrap();
}

#[test]
fn a_backup_holds_no_secret_in_the_clear_and_differs_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = busy(directory.path());
    let [one, two] = [archive(&store), archive(&store)];
    assert_ne!(one[100..], two[100..]);
    for what in [PAN.as_bytes(), &[7; 32], b"order-1", b"SQLite format 3"] {
        assert!(!one.windows(what.len()).any(|w| w == what));
    }
}

#[test]
fn a_wrong_passphrase_or_a_damaged_backup_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(&busy(directory.path()));
    let other = tempfile::tempdir().unwrap();
    let error = restore::restore(archive.as_slice(), &passphrase("another sentence"), other.path(), AT).unwrap_err();
    assert!(matches!(error, BackupError::WrongPassphrase), "{error}");
    let mut damaged = archive.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for bytes in [damaged.as_slice(), &archive[..archive.len() - 1], &archive[..archive.len() / 2]] {
        let error = bring_back(bytes, other.path()).unwrap_err();
        assert!(matches!(error, BackupError::Altered), "{error}");
    }
    assert!(matches!(bring_back(b"something else", other.path()), Err(BackupError::NotAnArchive)));
    assert!(names(other.path()).is_empty());
    // What an earlier try left when the power went is no obstacle.
    std::fs::create_dir(other.path().join("restoring")).unwrap();
    std::fs::write(other.path().join("restoring/pos.db"), "half").unwrap();
    bring_back(&archive, other.path()).unwrap();
    assert_eq!(names(other.path()), ["pos.db", "sealing.key"]);
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(&busy(directory.path()));
    for (file, mode) in [("pos.db", "Exists"), ("pos.db-wal", "Exists"), ("sealing.key", "OtherKey")] {
        let other = tempfile::tempdir().unwrap();
        let there = other.path().join(file);
        std::fs::write(&there, "precious").unwrap();
        let error = bring_back(&archive, other.path()).unwrap_err();
        assert!(format!("{error:?}").starts_with(mode), "{error:?}");
        assert!(error.to_string().contains(file) && error.to_string().contains("move it away"), "{error}");
        assert_eq!(std::fs::read(&there).unwrap(), b"precious");
        assert_eq!(names(other.path()), [file]);
    }
    // The very same key is none of these: an earlier try may have written it.
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("sealing.key"), [7; 32]).unwrap();
    bring_back(&archive, other.path()).unwrap();
}

#[test]
fn a_backup_is_refused_where_it_could_fill_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions { free_bytes: |_| Some(33 << 20), ..OpenOptions::default() };
    let mut store = Store::open_on(&database(directory.path()), Vault::new(&[7; 32]), &options).unwrap();
    store.backup(&passphrase(RIGHT), Vec::new()).unwrap();
    for id in 1..=20 {
        let mut view = created(id);
        view.evidence = "x".repeat(60_000);
        store.commit(AT, &[Record::Created { view: Box::new(view), fingerprint: String::new() }]).unwrap();
    }
    let error = store.backup(&passphrase(RIGHT), Vec::new()).unwrap_err();
    assert!(matches!(error, BackupError::NoRoom { .. }), "{error}");
    assert_eq!(names(directory.path()), ["pos.db", "pos.db-wal"]);
}

/// A place that takes so many bytes and no more.
struct Narrow(usize);

impl std::io::Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_place_that_takes_no_more_is_an_error_and_the_store_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = busy(directory.path());
    for room in [0, 50, 5_000] {
        let error = store.backup(&passphrase(RIGHT), Narrow(room)).unwrap_err();
        assert!(matches!(error, BackupError::Write(_)), "{error}");
    }
    assert!(matches!(store.backup(&passphrase("short"), Vec::new()), Err(BackupError::Passphrase)));
    assert_eq!(names(directory.path()), ["pos.db", "pos.db-wal"]);
    sale(&mut store, 7);
}

#[test]
fn the_copy_can_be_sealed_while_the_store_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = busy(directory.path());
    let copy = store.copy().unwrap();
    let sealing = std::thread::spawn(move || {
        let mut archive = Vec::new();
        copy.seal(&passphrase(RIGHT), &mut archive).map(|()| archive)
    });
    sale(&mut store, 7);
    let archive = sealing.join().unwrap().unwrap();
    let other = tempfile::tempdir().unwrap();
    bring_back(&archive, other.path()).unwrap();
    assert_eq!(open_restored(other.path()).list(&EVERYTHING).unwrap().len(), 6, "as it was when it was copied");
}

#[test]
fn the_second_daemon_stays_out_after_a_backup() {
    // Whoever opens and closes the file again in the same process would let go of SQLite's lock.
    let directory = tempfile::tempdir().unwrap();
    let store = busy(directory.path());
    archive(&store);
    let script = format!(
        "import fcntl; f = open({:?}, 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)",
        database(directory.path())
    );
    let Ok(python) = std::process::Command::new("python3").args(["-c", &script]).output() else {
        eprintln!("skipped: python3 is not here");
        return;
    };
    let erred = String::from_utf8_lossy(&python.stderr);
    assert!(!python.status.success() && erred.contains("BlockingIOError"), "the database is not locked: {erred}");
}
