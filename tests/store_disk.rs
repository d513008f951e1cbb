//! What it proves: a disk that fails, is read-only or damaged, and a file that is moved, deleted or replaced under the
//! running daemon, each end in an error that names the file and says what to do; nothing is deleted, nothing that was
//! refused comes back, and all goes on once the fault is gone.

mod store_common;

use std::path::Path;

use smartpos::domain::cause::Cause;
use smartpos::domain::offline::OfflineMode;
use smartpos::domain::outcome::TransactionKind;
use smartpos::domain::time::Now;
use smartpos::engine::command::{Caller, Command, CommandId, NewTransaction};
use smartpos::engine::event::Event;
use smartpos::store::teller::{Settled, Teller};
use smartpos::store::vault::Vault;
use smartpos::store::{Store, StoreError};
use store_common::*;

/// The error names this file and the cause of a storage fault.
fn names(error: &StoreError, file: &Path) {
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert_eq!(error.cause(), Some(Cause::P02), "{error}");
}

#[test]
fn a_file_that_is_moved_under_the_running_daemon_stops_commits_until_it_is_back() {
    for file in [database, log] {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path());
        sale(&mut store, 1);
        let before = contents(&store);
        let (here, away) = (file(directory.path()), directory.path().join("away"));
        std::fs::rename(&here, &away).unwrap();
        for error in [store.commit(AT, &[create(2)]).unwrap_err(), store.probe().unwrap_err()] {
            assert!(matches!(error, StoreError::Gone { .. }), "{error}");
            names(&error, &here);
        }
        // Another file of the same name is not the same file.
        std::fs::copy(&away, &here).unwrap();
        assert!(matches!(store.commit(AT, &[create(2)]), Err(StoreError::Gone { .. })));
        assert_eq!(contents(&store), before, "what is known stays known");
        std::fs::rename(&away, &here).unwrap();
        store.probe().unwrap();
        sale(&mut store, 2);
        drop(store);
        assert_eq!(open(directory.path()).load().unwrap().next_id.0, 3);
    }
}

fn ask_to_create(teller: &mut Teller, now: Now) -> Settled {
    let new = NewTransaction {
        caller: Caller { uid: 1000, connection: ":1.5".to_owned() },
        kind: TransactionKind::Sale,
        key: created(1).key,
        money: created(1).money,
        confirm_amount: None,
        detached: false,
        reference: None,
        mode: OfflineMode::OnlineOnly,
    };
    let asked = Event::Asked { id: CommandId(1), command: Command::Create(new), stored: None };
    teller.handle(now, asked);
    teller.settle(now).unwrap()
}

#[test]
fn the_teller_names_the_file_that_is_gone_and_goes_on_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let (here, away) = (database(directory.path()), directory.path().join("away"));
    let mut teller = Teller::new(settings(), open(directory.path()), 1, NOW).unwrap();
    while !matches!(teller.settle(NOW).unwrap(), Settled::Idle) {}
    std::fs::rename(&here, &away).unwrap();
    let Settled::Refused(evidence) = ask_to_create(&mut teller, NOW) else { panic!("nothing was refused") };
    assert!(
        evidence.contains(here.to_str().unwrap()) && evidence.contains("put the very same file back"),
        "{evidence}"
    );
    let later = |seconds: u64| Now { mono: NOW.mono.after(std::time::Duration::from_secs(seconds)), ..NOW };
    assert!(!teller.retry(later(11)), "it is still gone");
    std::fs::rename(&away, &here).unwrap();
    assert!(!teller.retry(later(12)), "it is not time yet");
    assert!(teller.retry(later(22)));
    while !matches!(teller.settle(later(22)).unwrap(), Settled::Idle) {}
    assert!(matches!(ask_to_create(&mut teller, later(23)), Settled::Done(_)));
    assert!(teller.store().find_by_key(1000, &created(1).key).unwrap().is_some());
}

#[test]
fn a_deleted_database_can_be_had_back_as_the_error_says() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale(&mut store, 1);
    let before = contents(&store);
    for file in [database, log] {
        std::fs::remove_file(file(directory.path())).unwrap();
    }
    let error = store.commit(AT, &[create(2)]).unwrap_err().to_string();
    assert!(error.contains(&format!("/proc/{}/fd", std::process::id())), "{error}");
    // As a person would: every open file that was deleted, by its old name.
    let saved = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let link = entry.unwrap().path();
        let Ok(target) = std::fs::read_link(&link) else { continue };
        let target = target.to_string_lossy().into_owned();
        let old = target.strip_suffix(" (deleted)").map(Path::new);
        if let Some(old) = old.filter(|o| o.parent() == Some(directory.path())) {
            std::fs::copy(&link, saved.path().join(old.file_name().unwrap())).unwrap();
        }
    }
    assert_eq!(contents(&open(saved.path())), before);
    drop(store);
}

#[test]
fn a_log_that_has_lost_its_database_is_not_overwritten_by_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale(&mut store, 1);
    let kept = tempfile::tempdir().unwrap();
    copy_files(directory.path(), kept.path());
    let database_bytes = std::fs::read(database(kept.path())).unwrap();
    std::fs::remove_file(database(kept.path())).unwrap();
    let log_bytes = std::fs::read(log(kept.path())).unwrap();
    let error = Store::open(&database(kept.path()), Vault::new(&[7; 32])).err().unwrap();
    assert!(matches!(error, StoreError::OnlyTheLog { .. }));
    assert!(error.to_string().contains("pos.db-wal") && error.to_string().contains("restore"), "{error}");
    assert!(!database(kept.path()).exists());
    assert_eq!(std::fs::read(log(kept.path())).unwrap(), log_bytes);
    std::fs::write(database(kept.path()), database_bytes).unwrap();
    assert_eq!(contents(&open(kept.path())), contents(&store));
}

#[test]
fn a_damaged_page_is_found_by_the_check_and_by_whoever_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for id in 1..=5 {
        sale(&mut store, id);
    }
    sale_offline(&mut store, 6);
    store.commit(AT, &[create(7)]).unwrap();
    store.integrity().unwrap();
    drop(store);
    let whole = std::fs::read(database(directory.path())).unwrap();
    let pages = whole.len() / 1024;
    let (mut found_by_check, mut found_by_start) = (0, 0);
    for page in 1..pages {
        let mut bytes = whole.clone();
        bytes[page * 1024..(page + 1) * 1024].fill(0xA5);
        let cut = tempfile::tempdir().unwrap();
        let path = database(cut.path());
        std::fs::write(&path, &bytes).unwrap();
        let damaged = |error: &StoreError| {
            assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Unsound { .. }), "{error}");
            assert_eq!(error.cause(), Some(Cause::S02));
            let text = error.to_string();
            assert!(text.contains(path.to_str().unwrap()) && text.contains("keep the file"), "{text}");
        };
        match Store::open(&path, Vault::new(&[7; 32])) {
            Ok(mut store) => {
                damaged(&store.integrity().unwrap_err());
                damaged(&store.integrity_while(|| true).unwrap_err());
                found_by_check += 1;
                if let Err(error) = store.load() {
                    damaged(&error);
                    found_by_start += 1;
                }
            }
            Err(error) => {
                damaged(&error);
                found_by_start += 1;
            }
        }
        assert!(path.exists());
    }
    assert!(pages > 20 && found_by_check > 10 && found_by_start > 3, "{pages} {found_by_check} {found_by_start}");
}

#[test]
fn a_check_that_may_take_no_longer_stops_and_leaves_the_store_usable() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for id in 1..=200 {
        sale(&mut store, id);
    }
    assert!(store.integrity_while(|| true).unwrap());
    assert!(!store.integrity_while(|| false).unwrap(), "it was stopped at its first look at the clock");
    store.integrity().unwrap();
    sale(&mut store, 201);
}

/// Runs a child whose calls on the log go wrong as told; `None` where nobody may trace.
fn with_fault(fault: &str, test: &str, directory: &Path) -> Option<std::process::Output> {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not here");
        return None;
    }
    let trace = directory.join("trace");
    let wal = log(directory);
    let call = fault.split(':').next().unwrap();
    let through = [
        "strace",
        "-f",
        "-q",
        "-o",
        trace.to_str().unwrap(),
        "-P",
        wal.to_str().unwrap(),
        "-e",
        &format!("trace={call}"),
        "-e",
        &format!("inject={fault}"),
    ];
    let output = run_child(&through, test, directory);
    let erred = String::from_utf8_lossy(&output.stderr);
    if erred.contains("Operation not permitted") || erred.contains("PTRACE") {
        eprintln!("skipped: strace may not trace here: {erred}");
        return None;
    }
    Some(output)
}

/// The child came to its end.
fn assert_done(output: &std::process::Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("child done"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn an_error_of_the_disk_refuses_the_commit_and_what_was_refused_does_not_come_back() {
    // The write of a page in the middle of a commit; the flush at its end.
    for fault in ["pwrite64:error=EIO:when=19", "fdatasync:error=EIO:when=4"] {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()));
        let Some(output) = with_fault(fault, "child_on_a_failing_disk", directory.path()) else { return };
        let said = String::from_utf8_lossy(&output.stdout);
        let erred = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("child done"), "{fault}: {said}\n{erred}");
    }
}

#[test]
#[ignore = "run by an_error_of_the_disk_refuses_the_commit_and_what_was_refused_does_not_come_back"]
fn child_on_a_failing_disk() {
    let directory = child_directory();
    let mut store = open(&directory);
    for id in 1.. {
        let before = contents(&store);
        let Err(error) = store.commit(AT, &[create(id)]) else {
            assert!(id < 50, "nothing went wrong");
            continue;
        };
        assert!(matches!(error, StoreError::Disk { .. }), "{error}");
        names(&error, &database(&directory));
        assert!(error.to_string().contains("dmesg"), "{error}");
        assert_eq!(contents(&store), before);
        // The power goes before anything else is written.
        let cut = tempfile::tempdir().unwrap();
        copy_files(&directory, cut.path());
        assert_eq!(contents(&open(cut.path())), before, "a refused commit came back");
        store.probe().unwrap();
        store.commit(AT, &[create(id)]).unwrap();
        assert_eq!(store.verify_journal().unwrap().broken, None);
        println!("child done");
        return;
    }
}

#[test]
fn a_probe_tells_the_truth_about_a_disk_that_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let Some(output) = with_fault("fdatasync:error=EIO:when=8+", "child_on_a_dead_disk", directory.path()) else {
        return;
    };
    assert_done(&output);
}

#[test]
#[ignore = "run by a_probe_tells_the_truth_about_a_disk_that_takes_nothing"]
fn child_on_a_dead_disk() {
    let directory = child_directory();
    let mut store = open(&directory);
    let refused = (1..50).find(|id| store.commit(AT, &[create(*id)]).is_err());
    assert!(refused.is_some_and(|id| id > 1), "{refused:?}");
    let error = store.probe().unwrap_err();
    assert!(matches!(error, StoreError::Disk { .. }), "{error}");
    names(&error, &database(&directory));
    println!("child done");
}

#[test]
fn a_start_on_a_failing_disk_reads_all_and_writes_nothing_on_top_of_what_is_doubtful() {
    let (directory, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(directory.path());
    sale(&mut store, 1);
    copy_files(directory.path(), cut.path());
    // The log cannot be brought into the database at start, nor before the first commit; then it can.
    let Some(output) = with_fault("fdatasync:error=EIO:when=1..2", "child_that_starts_on_it", cut.path()) else {
        return;
    };
    assert_done(&output);
}

#[test]
#[ignore = "run by a_start_on_a_failing_disk_reads_all_and_writes_nothing_on_top_of_what_is_doubtful"]
fn child_that_starts_on_it() {
    let directory = child_directory();
    let mut store = open(&directory);
    let before = contents(&store);
    assert_eq!(store.load().unwrap().next_id.0, 2);
    let log_before = std::fs::read(log(&directory)).unwrap();
    assert!(matches!(store.commit(AT, &[create(2)]), Err(StoreError::Disk { .. })));
    assert_eq!(std::fs::read(log(&directory)).unwrap(), log_before, "nothing was written");
    assert_eq!(contents(&store), before);
    store.probe().unwrap();
    sale(&mut store, 2);
    println!("child done");
}

#[test]
fn a_disk_that_was_remounted_read_only_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=32m none "$STORE_TEST_DIRECTORY" || { echo "no tmpfs here"; exit 0; }; exec "$0" "$@""#;
    let output = run_child(&["unshare", "-rm", "bash", "-c", script], "child_on_a_read_only_disk", directory.path());
    let (said, erred) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.contains("no tmpfs here") || erred.contains("unshare") {
        eprintln!("skipped: a tmpfs of our own cannot be mounted here: {erred}");
        return;
    }
    assert!(output.status.success() && said.contains("child done"), "{said}\n{erred}");
}

#[test]
#[ignore = "run by a_disk_that_was_remounted_read_only_is_told_as_such"]
fn child_on_a_read_only_disk() {
    let directory = child_directory();
    let mut store = open(&directory);
    sale(&mut store, 1);
    drop(store);
    let remount = |how: &str| {
        let done = std::process::Command::new("mount").args(["-o", how]).arg(&directory).status().unwrap();
        assert!(done.success());
    };
    remount("remount,ro");
    // What is on file can be read, nothing can be written.
    let read_only = |error: StoreError| {
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        names(&error, &database(&directory));
        assert!(error.to_string().contains("remount"), "{error}");
    };
    match Store::open(&database(&directory), Vault::new(&[7; 32])) {
        Ok(mut store) => {
            assert_eq!(store.load().unwrap().next_id.0, 2);
            read_only(store.commit(AT, &[create(2)]).unwrap_err());
            read_only(store.probe().unwrap_err());
        }
        Err(error) => read_only(error),
    }
    remount("remount,rw");
    sale(&mut open(&directory), 2);
    println!("child done");
}
