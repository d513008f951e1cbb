//! From `exec` to `READY=1`, and the size of what is executed.

use std::time::Instant;

use crate::Figure;
use crate::rig::{Rig, SMARTPOSD, Setup};
use crate::stats::{Row, Times};

const STARTS: u32 = 15;

pub fn measure() -> Figure {
    let Some(mut rig) = Rig::new("benches/start", Setup::default()) else { return Err("no dbus-daemon".into()) };
    rig.start_daemon();
    let mut times = Times::default();
    for _ in 0..STARTS {
        rig.kill_daemon();
        let begin = Instant::now();
        rig.start_daemon();
        times.add(begin.elapsed());
    }
    let size = std::fs::metadata(SMARTPOSD)?.len() as f64 / 1e6;
    Ok(vec![
        Row::new(
            "start → READY=1 after kill -9, empty journal",
            format!("{:.1} ms", times.median() / 1e3),
            "–",
            "≤ 20 ms",
        ),
        Row::new("binary", format!("{size:.1} MB"), "–", "≤ 8 MB"),
    ])
}
