//! Captures of the wires, played to the shipped daemon: every `tests/transcripts/*.capture` is a test by being there.
//!
//! Proves: what was recorded once happens again, and a replay notices a difference of one character. A capture is made by
//! `posctl record`, and these anew by `UPDATE_TRANSCRIPTS=1 cargo test --test replay`.

#[path = "common/rig.rs"]
mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::{Process, Rig, SIM, Setup, eventually, skip};

/// Every digit that was typed is a 1 in a capture.
const PIN_OF_CAPTURES: &str = "111111";

fn transcripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn captures() -> Vec<PathBuf> {
    let all = fs::read_dir(transcripts()).unwrap().map(|entry| entry.unwrap().path());
    let mut captures: Vec<_> = all.filter(|path| path.extension().is_some_and(|ext| ext == "capture")).collect();
    captures.sort();
    captures
}

fn setup() -> Setup {
    let acquirer = ["--pin", PIN_OF_CAPTURES].map(str::to_owned).to_vec();
    // The same on every machine, however fast: a rate that was raised once is not the first one after a replug.
    Setup { acquirer, reader_config: "baud_max = 115200".to_owned(), ..Setup::default() }
}

fn record(test: &str, name: &str, scene: impl Fn(&Rig)) {
    let Some(rig) = Rig::ready(test, setup()) else { return };
    let file = rig.path(name);
    let mut command = rig.posctl_command(&["record", file.to_str().unwrap(), "--seconds", "600"]);
    let mut recording = Process(command.stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap());
    eventually("the reader to be brought up anew", || {
        fs::read_to_string(&file).ok().filter(|text| text.contains("reader open"))
    });
    rig.wait_terminal("ready");
    scene(&rig);
    kill(Pid::from_raw(recording.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert!(recording.0.wait().unwrap().success());
    eventually("the end of the capture", || fs::read_to_string(&file).ok().filter(|text| text.contains(" end done")));
    fs::copy(file, transcripts().join(name)).unwrap();
}

#[test]
fn captures_are_made_anew_on_demand() {
    let test = "captures_are_made_anew_on_demand";
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_none() {
        return;
    }
    let pay = |rig: &Rig, amount: &str, outcome: &str| {
        let sale = rig.begin_sale(amount, "captured");
        sale.wait_prompt("present-card");
        rig.reader_order("card in");
        sale.wait_prompt("enter-pin");
        rig.keypad_order(&format!("type {PIN_OF_CAPTURES} enter"));
        assert_eq!(sale.result()["outcome"], outcome);
        rig.reader_order("card out");
    };
    record(test, "approved.capture", |rig| pay(rig, "12.80", "approved"));
    record(test, "declined.capture", |rig| pay(rig, "9000.51", "declined"));
    record(test, "no-answer-reversed.capture", |rig| {
        rig.acquirer_order("fault 0200 close x1");
        pay(rig, "34.50", "unknown");
        eventually("the reversal", || {
            let list = rig.posctl(&["--json", "transactions"]);
            String::from_utf8_lossy(&list.stdout).contains("cancelled").then_some(())
        });
    });
    record(test, "cancelled-at-keypad.capture", |rig| {
        let sale = rig.begin_sale("5.00", "captured");
        sale.wait_prompt("present-card");
        rig.keypad_order("cancel");
        assert_eq!(sale.result()["outcome"], "cancelled");
    });
    record(test, "reader-times-out.capture", |rig| {
        let sale = rig.begin_sale("7.00", "captured");
        sale.wait_prompt("present-card");
        rig.reader_order("card in remove-after 2");
        sale.wait_prompt("present-again");
        // The reader looks for a card again after a moment; a cancel that races with it would be another story each time.
        eventually("the next look for a card", || {
            let text = fs::read_to_string(rig.path("reader-times-out.capture")).ok()?;
            (text.matches("-> 0000FF04FCD44A").count() == 2).then_some(())
        });
        rig.keypad_order("cancel");
        assert_eq!(sale.result()["outcome"], "cancelled");
    });
}

/// Plays a capture to a daemon of its own.
fn replay(test: &str, capture: &Path) -> Option<Output> {
    let rig = Rig::ready(test, setup())?;
    rig.reader_order("unplug");
    eventually("the reader to be missed", || (rig.json(&["status"])["reader"]["state"] == "absent").then_some(()));
    let mut command = std::process::Command::new(SIM);
    command.arg("replay").arg(capture).args(["--bus", &rig.bus_address, "--patience", "20"]);
    for (option, place) in [("--link", "ttyReader"), ("--acquirer", "acquirer.sock"), ("--keypad", "keypad.sock")] {
        command.arg(option).arg(rig.path(place));
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    if !output.status.success() {
        println!("{}", rig.log());
    }
    Some(output)
}

#[test]
fn every_capture_happens_again() {
    let captures = captures();
    assert!(captures.len() >= 5, "{captures:?}");
    for capture in captures {
        let Some(output) = replay("every_capture_happens_again", &capture) else { return };
        let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {why}", capture.display());
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("replay: ") && last.ends_with(" events, the same"), "{last}");
        println!("{}: {last}", capture.file_name().unwrap().display());
    }
}

#[test]
fn a_difference_of_one_character_is_found() {
    let test = "a_difference_of_one_character_is_found";
    let approved = fs::read_to_string(transcripts().join("approved.capture")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // The name of the application that the terminal selects; the amount; the outcome.
    let changes = [
        (
            "reader -> 0000FF11EFD4400100A4040008A00000033301010100",
            "reader -> 0000FF11EFD4400100A4040008A00000033301010200",
        ),
        ("\"4\":\"000000001280\",\"41\"", "\"4\":\"000000001290\",\"41\""),
        ("app finished approved", "app finished declined"),
    ];
    for (n, (was, now)) in changes.into_iter().enumerate() {
        let mut changed = approved.replacen(was, now, 1);
        assert_ne!(changed, approved, "{was} is not in the capture");
        if n == 0 {
            // The frame's own checksum goes with it: D4 40 01 ... 02.
            changed = changed.replacen("A00000033301010200620", "A00000033301010200610", 1);
        }
        let file = dir.path().join(format!("{n}.capture"));
        fs::write(&file, changed).unwrap();
        let Some(output) = replay(test, &file) else { return };
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{was} was not missed");
        assert!(why.contains("line "), "{why}");
        println!("{why}");
    }
}

#[test]
fn what_is_no_capture_is_refused() {
    if !Path::new(SIM).exists() {
        return skip("what_is_no_capture_is_refused", "no smartpos-sim");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    fs::write(&file, "a letter\n").unwrap();
    let places = ["--link", "l", "--acquirer", "a", "--keypad", "k"];
    let output = std::process::Command::new(SIM).arg("replay").arg(&file).args(places).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no capture"));
}
