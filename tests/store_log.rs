//! What it proves: the write-ahead log is made long once and keeps its length, and each commit is one flush that does
//! not touch the file's metadata, as the figures of durable commits demand.

mod store_common;

use std::path::Path;

use store_common::*;

fn log_length(directory: &Path) -> u64 {
    std::fs::metadata(log(directory)).unwrap().len()
}

#[test]
fn the_log_keeps_its_length_over_commits_checkpoints_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let length = log_length(directory.path());
    assert!(length > 4 << 20, "{length}");
    for id in 1..=200 {
        sale(&mut store, id);
        assert_eq!(log_length(directory.path()), length, "after sale {id}");
    }
    drop(store);
    assert_eq!(log_length(directory.path()), length, "after closing");
    let mut store = open(directory.path());
    for id in 201..=400 {
        sale(&mut store, id);
        assert_eq!(log_length(directory.path()), length, "after sale {id}");
    }
    let grown = std::fs::metadata(database(directory.path())).unwrap().len();
    assert!(grown > 100_000, "checkpoints took place: {grown}");
}

#[test]
fn a_log_that_was_lost_is_made_long_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale(&mut store, 1);
    let before = contents(&store);
    drop(store);
    // Closed in order: all is in the database, so that the log may go, as with a backup.
    std::fs::remove_file(log(directory.path())).unwrap();
    let store = open(directory.path());
    assert_eq!(contents(&store), before);
    assert!(log_length(directory.path()) > 4 << 20);
}

/// Names of the flushing calls in a trace, in order.
fn flushes(trace: &str) -> Vec<&str> {
    let calls = trace.lines().filter_map(|l| l.split(['(', ' ']).find(|w| w.ends_with("sync") || *w == "write"));
    calls.collect()
}

#[test]
fn a_commit_is_one_fdatasync_and_no_fsync() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let name = trace.to_str().unwrap();
    // The writes to standard output mark where the commits begin and end.
    let through = ["strace", "-f", "-q", "-o", name, "-e", "trace=fsync,fdatasync,write", "-e", "signal=none"];
    let output = run_child(&through, "child_that_commits", directory.path());
    let erred = String::from_utf8_lossy(&output.stderr);
    if erred.contains("Operation not permitted") || erred.contains("PTRACE") {
        eprintln!("skipped: strace may not trace here: {erred}");
        return;
    }
    assert!(output.status.success(), "{erred}");
    let trace = std::fs::read_to_string(&trace).unwrap();
    let within = trace.split("commits begin").nth(1).unwrap().split("commits end").next().unwrap();
    let seen = flushes(within);
    let count = |what: &str| seen.iter().filter(|w| **w == what).count();
    assert_eq!((count("fdatasync"), count("fsync")), (COMMITS, 0), "{within}");
}

const COMMITS: usize = 30;

#[test]
#[ignore = "run by a_commit_is_one_fdatasync_and_no_fsync"]
fn child_that_commits() {
    let mut store = open(&child_directory());
    // The first flush also writes out the log that was just made long.
    sale(&mut store, 1);
    println!("commits begin");
    for id in 2..=11 {
        sale(&mut store, id);
    }
    println!("commits end");
}
