//! Faults are injected into the shipped daemon between simulators, and it mends itself.
//!
//! Proves for each fault: it is noticed, the daemon works again within a bounded time, and a payment afterwards is approved
//! and charged once. Prints a table of times and of the measures that the daemon's own ledger names; the last line is
//! `faults N, healed N`. What only a real kernel shows (a keypad on uinput, USB power, systemd's own watchdog) is in
//! `tests/rig`.

#[path = "../common/rig.rs"]
mod rig;
#[path = "../common/site.rs"]
mod site;

mod desk;
mod devices;
mod host;
mod idle;
mod machine;
mod process;

use std::panic::{AssertUnwindSafe, catch_unwind};

use desk::Row;

/// A fault: what it is called, and what injects it; `None` where this machine lacks what it needs.
type Injection = (&'static str, fn(&str) -> Option<Row>);

const FAULTS: [Injection; 19] = [
    ("reader unplugged and plugged in", devices::reader_unplugged),
    ("keypad unplugged and plugged in", devices::keypad_unplugged),
    ("reader hangs, reset", devices::reader_hangs),
    ("reader silent for a while", devices::reader_silent),
    ("reader's line is noisy", devices::reader_noisy),
    ("reader hangs within a sale", devices::reader_hangs_within_a_sale),
    ("reader dead, machine restarted", machine::reader_dead_for_long),
    ("host down and back", host::down_and_back),
    ("host restarted between sales", host::restarted_between_sales),
    ("host dies within a sale", host::dies_within_a_sale),
    ("host silent at sign-in", host::silent_at_sign_in),
    ("link down and up", host::link_down_and_up),
    ("daemon killed", process::killed),
    ("daemon hangs, watchdog", process::hangs),
    ("bus restarted within a sale", process::bus_restarted_within_a_sale),
    ("restart loop, safe mode, left", process::restart_loop),
    ("restart loop, safe mode, quiet", process::safe_mode_is_quiet),
    ("disk full and room again", machine::disk_full),
    ("database damaged, brought back", machine::database_damaged),
];

/// All of them, by `tests/heal.sh`, which is a part of the whole run of its own: `HEAL_ONLY` is a part of names.
#[test]
fn every_fault_heals() {
    let Ok(only) = std::env::var("HEAL_ONLY") else { return };
    let (mut rows, mut broken, mut skipped) = (Vec::new(), Vec::new(), 0);
    for (name, inject) in FAULTS.iter().filter(|f| f.0.contains(&only)) {
        match catch_unwind(AssertUnwindSafe(|| inject(name))) {
            Ok(Some(row)) => rows.push((*name, row)),
            Ok(None) => skipped += 1,
            Err(_) => broken.push(*name),
        }
    }
    println!("{:<34} {:>10} {:>10}  measures", "fault", "noticed", "healed");
    for (name, row) in &rows {
        println!("{name:<34} {:>10} {:>10}  {}", desk::shown(row.noticed), desk::shown(row.healed), row.measures);
    }
    for name in &broken {
        println!("{name:<34} {:>10} {:>10}", "-", "not healed");
    }
    println!("faults {}, healed {}", rows.len() + broken.len(), rows.len());
    assert!(broken.is_empty(), "not healed: {broken:?}");
    let late: Vec<_> = rows.iter().filter(|(_, row)| row.healed > row.within).map(|(name, _)| *name).collect();
    assert!(late.is_empty(), "healed too late: {late:?}");
    assert!(rows.len() + skipped > 0, "no fault of this name");
}
