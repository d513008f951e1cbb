//! What the daemon costs when it is signed in and nothing happens, with the watchdog as shipped.

use std::fs;
use std::time::{Duration, Instant};

use crate::Figure;
use crate::minimal::Minimal;
use crate::scene::Scene;
use crate::stats::Row;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(30);

pub fn measure(scene: &Scene) -> Figure {
    let floor = Minimal::start(&scene.rig.bus_address, scene.rig.dir.path())?;
    let pids = [scene.rig.daemon_pid(), floor.pid()];
    let before = [switches(pids[0])?, switches(pids[1])?];
    let end = Instant::now() + WATCHED;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
        std::thread::park_timeout(left);
    }
    let [wakes, wakes_floor] = [switches(pids[0])? - before[0], switches(pids[1])? - before[1]];
    let mut rows = memory("signed in and idle", pids, true)?;
    let threads = |pid| fs::read_dir(format!("/proc/{pid}/task")).map(Iterator::count);
    let threads = [threads(pids[0])?, threads(pids[1])?];
    rows.push(counts("threads", threads.map(|n| n as u64), "≤ 4"));
    let figure = "wake-ups in 30 s idle (context switches of all threads)";
    rows.push(counts(figure, [wakes, wakes_floor], "watchdog and reader's health check only"));
    Ok(rows)
}

/// What it holds after all the payments of the other figures.
pub fn after_work(scene: &Scene) -> Figure {
    let floor = Minimal::start(&scene.rig.bus_address, scene.rig.dir.path())?;
    memory("after all payments above", [scene.rig.daemon_pid(), floor.pid()], false)
}

/// Memory of the daemon and of the least program.
fn memory(when: &str, pids: [u32; 2], in_full: bool) -> Figure {
    let mut found = Vec::new();
    for pid in pids {
        found.push((
            fs::read_to_string(format!("/proc/{pid}/status"))?,
            fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?,
        ));
    }
    let row = |figure: &str, name: &str, goal: &str| {
        let [product, floor] = [0, 1].map(|i| field(&found[i].0, name).max(field(&found[i].1, name)) as f64 / 1024.0);
        let mib = |m: f64| format!("{m:.1} MiB");
        Row::new(figure, mib(product), mib(floor), goal).ratio(product / floor)
    };
    let resident = row(&format!("resident memory, {when}; least program of its kind"), "VmRSS:", "≤ 12 MiB");
    let anonymous = row("of it anonymous", "Anonymous:", "≤ 3");
    Ok(if in_full {
        vec![resident, row("of it proportional", "Pss:", "–"), anonymous]
    } else {
        vec![resident, anonymous]
    })
}

fn counts(figure: &str, [product, floor]: [u64; 2], goal: &str) -> Row {
    let row = Row::new(figure, product.to_string(), floor.to_string(), goal);
    if floor == 0 { row } else { row.ratio(product as f64 / floor as f64) }
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
