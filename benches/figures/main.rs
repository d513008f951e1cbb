//! The figures of the README: what the product takes beside what its floor takes, in one run.
//!
//! Ratios are of product and floor measured in turn (A B A B …) on the same machine, and the median counts. Nothing here
//! fails on a slow machine: it is a report, not a test.

#[path = "../../tests/common/rig.rs"]
mod rig;

mod calls;
mod codec;
mod commit;
mod crowd;
mod drain;
mod echo;
mod idle;
mod minimal;
mod owner;
mod pace;
mod pulse;
mod rate;
mod relay;
mod scene;
mod start;
mod stats;
mod tap;
mod volume;
mod wear;

use std::path::Path;

use rig::Setup;
use scene::Scene;
use stats::Row;

/// What a figure gives: its rows, or why it could not be taken here.
type Figure = Result<Vec<Row>, Box<dyn std::error::Error>>;

fn main() {
    // `cargo bench` adds --bench; anything else names the figures wanted.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if let [word, bus, directory] = arguments.as_slice()
        && word == minimal::WORD
    {
        return minimal::run(bus, Path::new(directory)).unwrap();
    }
    let is_big = std::env::args().any(|a| a == "--big");
    let is_wanted = |names: &[&str]| arguments.is_empty() || names.iter().any(|n| arguments.iter().any(|a| a == n));
    let (before, mut rows) = (load(), Vec::new());
    let mut take = |name: &str, figure: &mut dyn FnMut() -> Figure| {
        if is_wanted(&[name]) {
            eprintln!("figures: {name}");
            match figure() {
                Ok(some) => rows.extend(some),
                Err(why) => rows.push(Row::missing(name, &why.to_string())),
            }
        }
    };
    take("codec", &mut codec::measure);
    take("commit", &mut commit::measure);
    take("wear", &mut wear::measure);
    if is_wanted(&["tap", "calls", "crowd"]) {
        let scene = begin(Setup::default());
        let on = |figure: &dyn Fn(&Scene) -> Figure| figure(scene.as_ref().map_err(String::as_str)?);
        take("tap", &mut || on(&tap::measure));
        take("calls", &mut || on(&calls::measure));
        take("crowd", &mut || on(&crowd::measure));
        take("crowd", &mut || on(&idle::after_work));
    }
    take("idle", &mut || {
        // As systemd asks for it with `WatchdogSec=30`.
        let watched = Setup { environment: vec![("WATCHDOG_USEC", "30000000".into())], ..Setup::default() };
        idle::measure(&begin(watched)?)
    });
    take("start", &mut start::measure);
    take("volume", &mut || volume::measure(is_big));
    take("rate", &mut rate::measure);
    take("drain", &mut || drain::measure(is_big));
    print!("{}", stats::table(&rows));
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    println!("\n{cores} processors ({}), load {before} at the beginning and {} at the end.", processor(), load());
}

/// How busy the machine is: processes that ran or wanted to, over the last minute.
fn load() -> String {
    let all = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    all.split(' ').next().unwrap_or_default().to_owned()
}

fn processor() -> String {
    let all = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = all.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
    name.map_or(std::env::consts::ARCH, |(_, name)| name.trim()).to_owned()
}

fn begin(setup: Setup) -> Result<Scene, String> {
    Scene::ready(setup).ok_or("no dbus-daemon")?.map_err(|e| e.to_string())
}
