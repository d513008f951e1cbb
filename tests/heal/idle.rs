//! What healing costs while nothing is wrong.

use std::fs;
use std::time::{Duration, Instant};

use crate::rig::Setup;
use crate::site;

/// How long it is watched: two of the reader's health checks.
const WATCHED: Duration = Duration::from_secs(60);

fn switches(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let switches = status.lines().filter(|l| l.starts_with("voluntary_ctxt_switches:"));
        switches.filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>()
    };
    tasks.map(|task| of(task.unwrap())).sum()
}

/// Only the reader's health check wakes the daemon, twice a minute, with a handful of switches each; a timer of the healer
/// or a link watch that polls would show as at least one a second.
#[test]
fn nothing_wakes_an_idle_daemon_for_healing() {
    if std::env::var_os("HEAL_ONLY").is_none() {
        return;
    }
    let Some((rig, _till)) = site::started("nothing_wakes_an_idle_daemon_for_healing", Setup::default()) else {
        return;
    };
    let pid = rig.daemon_pid();
    let start = Instant::now();
    let before = switches(pid);
    // Looking at the daemon does not wake it; the connection to the host is closed once in this time.
    let end = start + WATCHED;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    let after = switches(pid);
    println!("idle: {} voluntary switches of all threads in {} s", after - before, WATCHED.as_secs());
    assert!(after - before < 60, "{} in {} s", after - before, WATCHED.as_secs());
}
