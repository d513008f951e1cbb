//! What it proves: on a disk that loses and tears what was not flushed, the store keeps every acknowledged commit.
//!
//! `tests/rig/power-cuts.sh` runs the ignored tests here: `work` on a recording block device in User Mode Linux, then
//! `cut_and_check` on what was recorded. The others show on this machine's own disk that the judge sees what is wrong.

mod cuts;
mod day;
mod judge;
mod recording;
#[path = "../store_common/mod.rs"]
mod store_common;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuts::{Cut, Disk, cuts};
use day::{Step, day};
use judge::judge;
use recording::Recording;
use store_common::{database, log, open};

fn given(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("run by tests/rig/power-cuts.sh: {name} is not set")))
}

fn number(name: &str) -> usize {
    given(name).to_str().unwrap().parse().unwrap()
}

/// Works through the day from a step on: says `ack N` when N steps are committed, and goes on when told `go`. Told
/// anything else it closes the store in good order; often enough it is killed instead.
#[test]
#[ignore = "run by tests/rig/power-cuts.sh"]
fn work() {
    let directory = given("POWER_DIRECTORY");
    let mut store = open(&directory);
    let mut told = std::io::stdin().lock().lines();
    for (at, step) in day().iter().enumerate().skip(number("POWER_FROM")) {
        step.run(&mut store);
        println!("\nack {}", at + 1);
        if told.next().unwrap().unwrap() != "go" {
            break;
        }
    }
}

/// So many images that show something are kept.
const KEPT: usize = 3;

/// A place where images are mounted.
struct Bench {
    image: PathBuf,
    mount: PathBuf,
}

impl Bench {
    fn check(&self, acknowledged: usize, day: &[Step]) -> Result<usize, String> {
        let (image, mount) = (self.image.to_str().unwrap(), self.mount.to_str().unwrap());
        command(&["mount", "-o", "loop", image, mount]).map_err(|e| format!("no mount: {e}"))?;
        let verdict = judge(&self.mount.join("pos"), acknowledged, day);
        command(&["umount", mount]).expect("the image is in use");
        verdict
    }
}

fn command(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Cuts the power at as many points of the recording as were asked for, and counts what is wrong afterwards.
#[test]
#[ignore = "run by tests/rig/power-cuts.sh"]
fn cut_and_check() {
    let recording = Recording::read(&given("POWER_RECORDING")).unwrap();
    let mut disk = Disk::new(&std::fs::read(given("POWER_BASE")).unwrap());
    let bench = Bench { image: given("POWER_IMAGE"), mount: given("POWER_MOUNT") };
    let day = day();
    assert_eq!(recording.entries.last().unwrap().acknowledged, day.len(), "the day was not worked through");
    let points = cuts(&recording, number("POWER_POINTS"));
    let (mut lost, mut damaged, mut kept) = (0, 0, 0);
    let mut applied = 0;
    for cut in &points {
        let upto = cut.position();
        while applied < upto {
            disk.apply(&recording, applied).unwrap();
            applied += 1;
        }
        disk.write_image(&recording, cut, &bench.image).unwrap();
        match bench.check(recording.entries[upto].acknowledged, &day) {
            Ok(0) => continue,
            Ok(missing) => {
                lost += missing;
                println!("\n{cut}: {missing} acknowledged commits lost");
            }
            Err(why) => {
                damaged += 1;
                println!("\n{cut}: damaged: {why}");
            }
        }
        if kept < KEPT {
            keep(&bench.image, cut);
            kept += 1;
        }
    }
    let writes = recording.entries.iter().filter(|e| e.writes()).count();
    println!(
        "\nrecording: {writes} writes, {} flushes, {} acknowledged commits",
        recording.entries.iter().filter(|e| e.flushes()).count(),
        day.len()
    );
    println!("result: {} {lost} {damaged}", points.len());
}

/// Puts aside the image that showed something, where somebody asked for it.
fn keep(image: &Path, cut: &Cut) {
    if let Some(directory) = std::env::var_os("POWER_KEEP") {
        std::fs::copy(image, Path::new(&directory).join(format!("{cut}.img").replace(' ', "-"))).unwrap();
    }
}

/// A database with the first steps of the day in it.
fn worked(steps: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    day().iter().take(steps).for_each(|step| step.run(&mut store));
    directory
}

#[test]
fn a_store_with_all_that_was_acknowledged_passes_also_with_one_commit_more() {
    for steps in [0, 1, 5, 60] {
        assert_eq!(judge(worked(steps).path(), steps, &day()), Ok(0));
        assert_eq!(judge(worked(steps + 1).path(), steps, &day()), Ok(0), "committed, not yet acknowledged");
    }
}

#[test]
fn a_lost_commit_is_counted() {
    assert_eq!(judge(worked(59).path(), 60, &day()), Ok(1));
    assert_eq!(judge(worked(40).path(), 60, &day()), Ok(20));
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(judge(nothing.path(), 60, &day()), Ok(60), "not even a database is there");
}

#[test]
fn a_commit_that_is_there_in_part_is_damage() {
    let halves = [
        "DELETE FROM reversal",
        "DROP TRIGGER payment_life; UPDATE payment SET state = 'authorising' WHERE id = 2",
        "UPDATE payment SET rrn = NULL WHERE id = 2",
        "UPDATE terminal SET next_stan = next_stan + 1",
        "UPDATE operator SET failed = 3",
        "DELETE FROM secret WHERE name = 'working-keys'",
    ];
    let sent = day().iter().position(|s| s.sends(3)).unwrap() + 1;
    for half in halves {
        let directory = worked(sent);
        let db = rusqlite::Connection::open(database(directory.path())).unwrap();
        db.execute_batch(half).unwrap();
        drop(db);
        let verdict = judge(directory.path(), sent, &day());
        assert!(verdict.is_err(), "{half}: {verdict:?}");
    }
}

#[test]
fn a_damaged_file_is_damage() {
    let directory = worked(60);
    let mut bytes = std::fs::read(database(directory.path())).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x55);
    std::fs::write(database(directory.path()), bytes).unwrap();
    // It holds the page in a second copy.
    std::fs::remove_file(log(directory.path())).unwrap();
    assert!(judge(directory.path(), 60, &day()).is_err());
}

#[test]
fn every_step_of_the_day_leaves_a_mark() {
    let mut ledger = day::Ledger::new();
    for (at, step) in day().iter().enumerate() {
        let before = format!("{ledger:?}");
        ledger.apply(step);
        assert_ne!(before, format!("{ledger:?}"), "step {at} cannot be missed");
    }
}
