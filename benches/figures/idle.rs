//! What the daemon costs when it is signed in and nothing happens.

use std::fs;
use std::time::{Duration, Instant};

use crate::Figure;
use crate::rig::Rig;
use crate::stats::Row;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(30);

pub fn measure(rig: &Rig) -> Figure {
    let pid = rig.daemon_pid();
    let before = switches(pid)?;
    let end = Instant::now() + WATCHED;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
        std::thread::park_timeout(left);
    }
    let wakes = switches(pid)? - before;
    let rss = field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:");
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.count();
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    Ok(vec![
        Row::new("resident memory, signed in and idle", mib(rss), "–", "≤ 12 MiB"),
        Row::new(
            "of it proportional / anonymous",
            format!("{} / {}", mib(field(&rollup, "Pss:")), mib(field(&rollup, "Anonymous:"))),
            "–",
            "–",
        ),
        Row::new("threads", threads.to_string(), "–", "≤ 4"),
        Row::new(
            "wake-ups in 30 s idle (context switches of all threads)",
            wakes.to_string(),
            "–",
            "reader's health check only",
        ),
    ])
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn switches(pid: u32) -> std::io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        sum += field(&status, "voluntary_ctxt_switches:") + field(&status, "nonvoluntary_ctxt_switches:");
    }
    Ok(sum)
}
