//! `smartpos-sim run`.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::log::Log;
use super::run::{Runner, STEPS, many, name_seeds_in_panics};

/// Runs the whole terminal under a seed: real engine and store on a simulated disk, in a simulated world.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// One seed; its log goes to standard output.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// So many seeds, on all cores; only counts are printed.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// End with the first seed that breaks a rule.
    #[arg(long)]
    stop: bool,
    /// Steps of one run.
    #[arg(long, default_value_t = STEPS)]
    steps: u32,
    /// Where the log of one seed goes instead.
    #[arg(long, requires = "seed")]
    log: Option<PathBuf>,
}

/// Runs what was asked for; an error if a rule was broken.
pub fn run(args: &Args) -> Result<(), String> {
    match args.seed {
        Some(seed) => one(seed, args.steps, args.log.as_ref()),
        None => several(args),
    }
}

fn one(seed: u64, steps: u32, log: Option<&PathBuf>) -> Result<(), String> {
    let outcome = Runner::new()?.run(seed, steps, Log::kept());
    match log {
        Some(path) => fs::write(path, &outcome.log).map_err(|e| format!("{}: {e}", path.display()))?,
        None => std::io::stdout().write_all(outcome.log.as_bytes()).map_err(|e| e.to_string())?,
    }
    outcome.result.map_err(|v| format!("seed {seed}: {}: {}", v.rule, v.what))
}

fn several(args: &Args) -> Result<(), String> {
    name_seeds_in_panics();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let summary = many(args.from, args.seeds, args.steps, threads, args.stop)?;
    print!("{}", summary.tally.table());
    println!("findings");
    for (seed, violation) in summary.violations.iter().take(20) {
        println!("  seed {seed}: {}: {}", violation.rule, violation.what);
    }
    let (faults, violations) = (summary.tally.all_faults(), summary.violations.len());
    println!("seeds {}, faults {faults}, violations {violations}", summary.seeds);
    match summary.violations.first() {
        Some((seed, _)) => Err(format!("to see it: smartpos-sim run --seed {seed} --steps {}", args.steps)),
        None => Ok(()),
    }
}
