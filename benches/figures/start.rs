//! From `exec` to `READY=1`, and the size of what is executed.

use std::fs;
use std::time::Instant;

use crate::Figure;
use crate::minimal::Minimal;
use crate::rig::{Rig, SMARTPOSD, Setup};
use crate::stats::{Pair, Row, Times};

const STARTS: u32 = 21;
const FIRST_STARTS: u32 = 7;

pub fn measure() -> Figure {
    let Some(mut rig) = Rig::new("benches/start", Setup::default()) else { return Err("no dbus-daemon".into()) };
    rig.start_daemon();
    let again = compare(&mut rig, STARTS, false)?;
    let first = compare(&mut rig, FIRST_STARTS, true)?;
    let size = fs::metadata(SMARTPOSD)?.len() as f64 / 1e6;
    let milliseconds = |t: f64| format!("{:.1} ms", t / 1e3);
    Ok(vec![
        again.row_in(
            "start → READY=1 after kill -9, empty journal; least program of its kind",
            "≤ 20 ms",
            milliseconds,
        ),
        first.row_in("the very first start: database made, its log filled", "–", milliseconds),
        Row::new("binary", format!("{size:.1} MB"), "–", "≤ 8 MB"),
    ])
}

fn compare(rig: &mut Rig, starts: u32, first: bool) -> Result<Pair, Box<dyn std::error::Error>> {
    let mut pair = Pair::default();
    for _ in 0..starts {
        rig.kill_daemon();
        if first {
            fs::remove_dir_all(rig.path("state"))?;
        }
        let (mut product, mut floor) = (Times::default(), Times::default());
        let begin = Instant::now();
        rig.start_daemon();
        product.add(begin.elapsed());
        let begin = Instant::now();
        let minimal = Minimal::start(&rig.bus_address, rig.dir.path())?;
        floor.add(begin.elapsed());
        drop(minimal);
        if first {
            for name in ["minimal.db", "minimal.db-wal", "minimal.db-shm"] {
                // Where the killed one left it.
                let _ = fs::remove_file(rig.path(name));
            }
        }
        pair.round(&product, &floor);
    }
    Ok(pair)
}
