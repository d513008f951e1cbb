//! The figures of the README: what the product takes beside what its floor takes, in one run.
//!
//! Ratios are of product and floor measured in turn (A B A B …) on the same machine, and the median counts. Nothing here
//! fails on a slow machine: it is a report, not a test.

#[path = "../../tests/common/rig.rs"]
mod rig;

mod calls;
mod codec;
mod commit;
mod idle;
mod start;
mod stats;

use rig::{Rig, Setup};
use stats::Row;

/// What a figure gives: its rows, or why it could not be taken here.
type Figure = Result<Vec<Row>, Box<dyn std::error::Error>>;

fn main() {
    // `cargo bench` adds --bench; anything else names the figures wanted.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let is_wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|a| a == name);
    let mut rows = Vec::new();
    let mut take = |name: &str, figure: &mut dyn FnMut() -> Figure| {
        if is_wanted(name) {
            eprintln!("figures: {name}");
            match figure() {
                Ok(some) => rows.extend(some),
                Err(why) => rows.push(Row::missing(name, &why.to_string())),
            }
        }
    };
    take("codec", &mut codec::measure);
    take("commit", &mut commit::measure);
    let scene = Rig::ready("benches", Setup::default());
    let signed_in = |figure: &dyn Fn(&Rig) -> Figure| scene.as_ref().map_or(Err("no dbus-daemon".into()), figure);
    take("calls", &mut || signed_in(&|rig| calls::measure(rig)));
    take("idle", &mut || signed_in(&|rig| idle::measure(rig)));
    drop(scene);
    take("start", &mut start::measure);
    print!("{}", stats::table(&rows));
}
