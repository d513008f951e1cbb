//! Runs: one seed with its log, or many on all cores.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::books::{Checked, Violation};
use super::log::Log;
use super::tally::Tally;
use super::template::Template;
use super::vfs::Rack;
use super::world::World;

/// Steps of one run, before everything is put right.
pub const STEPS: u32 = 150;

thread_local! {
    /// The seed this thread is at, for a panic's message.
    static UNDER_WAY: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Has every panic name its seed: where it ends the process, nothing else would.
pub fn name_seeds_in_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(seed) = UNDER_WAY.get() {
            eprintln!("seed {seed} panics");
        }
        usual(info);
    }));
}

/// What came of one seed.
pub struct Outcome {
    /// What happened, if it was kept.
    pub log: String,
    /// What it did.
    pub tally: Tally,
    /// The rule that was broken, if one was.
    pub result: Checked,
}

/// A thread's place to run seeds in.
pub struct Runner {
    rack: Rack,
    templates: Vec<Template>,
}

impl Runner {
    /// Makes the disks that runs begin with.
    pub fn new() -> Result<Self, String> {
        let rack = Rack::new().map_err(|e| e.to_string())?;
        let templates = Template::all(&rack).map_err(|e| e.to_string())?;
        Ok(Self { rack, templates })
    }

    /// One seed.
    pub fn run(&self, seed: u64, steps: u32, log: Log) -> Outcome {
        match World::new(seed, &self.rack, &self.templates, log) {
            Ok(mut world) => {
                let result = live(&mut world, steps);
                let (log, tally) = world.over(&result);
                Outcome { log, tally, result }
            }
            Err(violation) => Outcome { log: String::new(), tally: Tally::default(), result: Err(violation) },
        }
    }

    /// The same; a panic of what is tested is a violation like others.
    pub fn run_guarded(&self, seed: u64, steps: u32) -> Outcome {
        catch_unwind(AssertUnwindSafe(|| self.run(seed, steps, Log::default()))).unwrap_or_else(|_| {
            let what = "see the message above".to_owned();
            Outcome { log: String::new(), tally: Tally::default(), result: Err(Violation { rule: "no panic", what }) }
        })
    }
}

fn live(world: &mut World<'_>, steps: u32) -> Checked {
    for _ in 0..steps {
        world.step()?;
    }
    world.settle()
}

/// What came of many seeds.
#[derive(Default)]
pub struct Summary {
    /// How many were run.
    pub seeds: u64,
    /// What they did together.
    pub tally: Tally,
    /// Seeds that broke a rule, in order.
    pub violations: Vec<(u64, Violation)>,
}

/// Runs `count` seeds from `first` on, on so many threads; with `stop` only until a rule is broken.
pub fn many(first: u64, count: u64, steps: u32, threads: usize, stop: bool) -> Result<Summary, String> {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    let work = || -> Result<(), String> {
        let runner = Runner::new()?;
        let mut own = Summary::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let seed = first.wrapping_add(number);
            UNDER_WAY.set(Some(seed));
            let outcome = runner.run_guarded(seed, steps);
            own.seeds += 1;
            own.tally.add(&outcome.tally);
            if let Err(violation) = outcome.result {
                own.violations.push((seed, violation));
                if stop {
                    next.store(count, Ordering::Relaxed);
                }
            }
        }
        let mut all = summary.lock().unwrap_or_else(PoisonError::into_inner);
        all.seeds += own.seeds;
        all.tally.add(&own.tally);
        all.violations.append(&mut own.violations);
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().map_err(|_| "a worker has died".to_owned())?)
    })?;
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.violations.sort_by_key(|(seed, _)| *seed);
    Ok(summary)
}
