//! What it proves: in a simulated world, with faults of disk, host, devices, apps and power, under many seeds, nobody is
//! charged without a record or recorded without a charge; and the same seed does the same, byte for byte.
//!
//! `tests/sim.sh` runs many more seeds, optimised; `tests/mutants.sh` shows that the rules would be seen broken.

use smartpos::proof::log::Log;
use smartpos::proof::run::{Runner, STEPS, many};

/// In the debug build.
const SEEDS: u64 = 300;

#[test]
fn whatever_happens_both_ledgers_agree_in_the_end() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let summary = many(1, SEEDS, STEPS, threads, false).unwrap();
    let broken: Vec<_> =
        summary.violations.iter().map(|(seed, v)| format!("seed {seed}: {}: {}", v.rule, v.what)).collect();
    assert!(broken.is_empty(), "to see one: smartpos-sim run --seed N\n{}", broken.join("\n"));
    assert_eq!(summary.seeds, SEEDS);
    // The runs must have come far enough for this to mean something.
    let tally = &summary.tally;
    let ended = |how: &str| tally.payments.get(how).copied().unwrap_or(0);
    for (how, at_least) in [
        ("approved", 300),
        ("cancelled, reversed", 100),
        ("approved-offline, accepted", 50),
        ("approved-offline, abandoned", 5),
        ("declined", 30),
    ] {
        assert!(ended(how) >= at_least, "{how}: {}\n{}", ended(how), tally.table());
    }
    for fault in ["power cut", "process killed", "cut in the middle of a commit", "disk full", "I/O error on sync"] {
        assert!(tally.faults.get(fault).is_some_and(|n| *n > 50), "{fault}\n{}", tally.table());
    }
}

#[test]
fn the_same_seed_writes_the_same_log_byte_for_byte() {
    let (one, other) = (Runner::new().unwrap(), Runner::new().unwrap());
    for seed in [1, 2, 3, 77, 4711] {
        let first = one.run(seed, STEPS, Log::kept());
        // On another bench, and on one that has run other seeds in between.
        let second = other.run(seed, STEPS, Log::kept());
        one.run(seed + 1, STEPS, Log::default());
        let third = one.run(seed, STEPS, Log::kept());
        assert!(first.log.lines().count() > 50, "{}", first.log);
        assert!(first.log == second.log && second.log == third.log, "seed {seed} wrote different logs");
        assert_eq!(first.tally, second.tally);
    }
    assert_ne!(one.run(1, STEPS, Log::kept()).log, one.run(2, STEPS, Log::kept()).log);
}
