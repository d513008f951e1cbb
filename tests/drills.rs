//! What it proves: each drill runs from its first to its last stage against the shipped training daemon, with its fault made
//! outside the daemon; who does the right thing passes, who does not is told why; nothing is left broken; and where payments
//! are real there is no drill.

#[path = "common/command.rs"]
mod command;
#[path = "common/lesson.rs"]
mod lesson;
#[path = "common/rig.rs"]
mod rig;

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};

use command::{ZH, run, run_in};
use lesson::{Lesson, PASSWORD};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::{Process, Rig, Setup, eventually};
use serde_json::Value;

/// A drill under way, read line by line.
struct Drill {
    process: Process,
    out: BufReader<ChildStdout>,
}

impl Drill {
    fn begin(lesson: &Lesson, name: &str) -> Self {
        let control = lesson.rig.path("training-host.sock").display().to_string();
        let mut command = lesson.rig.posctl_command(&["--json", "drill", name, "--host-control", &control]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut drill = Self { process: Process(child), out };
        assert_eq!(drill.event()["event"], "drill");
        drill
    }

    fn event(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "the drill ended without a word");
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for the next stage, which has to be this one.
    fn stage(&mut self, said: &str) {
        let event = self.event();
        assert!(event["event"] == "stage" && event["text_en"].as_str().unwrap().contains(said), "{said}: {event}");
        assert!(event["seconds"].as_u64().unwrap() > 0 && !event["text_zh"].as_str().unwrap().is_ascii());
    }

    /// The result, and the exit code.
    fn end(&mut self) -> (String, Value, i32) {
        let event = self.event();
        assert_eq!(event["event"], "result", "{event}");
        let code = self.process.0.wait().unwrap().code().unwrap();
        (event["result"].as_str().unwrap().to_owned(), event, code)
    }
}

/// A lesson whose cards tap by themselves.
fn lesson(test: &str) -> Option<Lesson> {
    Lesson::ready(test, Setup { reader: vec!["--tap-delay-ms".into(), "0".into()], ..Setup::default() })
}

/// Somebody sells, and does not wait.
fn sell(rig: &Rig, key: &str) -> Process {
    let mut command = rig.posctl_command(&["sale", "12.34", "--training", "--key", key]);
    Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn passed(drill: &mut Drill) {
    let (result, event, code) = drill.end();
    assert_eq!((result.as_str(), code), ("passed", 0), "{event}");
}

#[test]
fn network_cut_is_passed_by_waiting_for_the_reversal() {
    let Some(lesson) = lesson("network_cut_is_passed_by_waiting_for_the_reversal") else { return };
    let mut drill = Drill::begin(&lesson, "network-cut");
    drill.stage("To begin");
    drill.stage("Make a payment");
    let _sale = sell(&lesson.rig, "a");
    drill.stage("result is not known");
    drill.stage("The network is back");
    drill.stage("Now sell again");
    let _sale = sell(&lesson.rig, "b");
    passed(&mut drill);
    assert_eq!(lesson.rig.json(&["transaction", "show", "a"])["reversed"], true);
}

#[test]
fn network_cut_is_not_passed_by_who_sells_again() {
    let Some(lesson) = lesson("network_cut_is_not_passed_by_who_sells_again") else { return };
    let mut drill = Drill::begin(&lesson, "network-cut");
    drill.stage("To begin");
    drill.stage("Make a payment");
    let _sale = sell(&lesson.rig, "a");
    drill.stage("result is not known");
    let _sale = sell(&lesson.rig, "b");
    let (result, event, code) = drill.end();
    assert_eq!((result.as_str(), &event["miss"], code), ("failed", &"sold-while-unknown".into(), 2), "{event}");
    assert!(event["why_en"].as_str().unwrap().contains("paid twice"), "{event}");
    assert_eq!(lesson.host_order("faults").trim(), "ok 0", "the line was left cut");
}

#[test]
fn host_down_is_passed_by_patience_and_not_by_trying_again_and_again() {
    let Some(lesson) = lesson("host_down_is_passed_by_patience_and_not_by_trying_again_and_again") else { return };
    for patient in [true, false] {
        let mut drill = Drill::begin(&lesson, "host-down");
        drill.stage("To begin");
        drill.stage("Make a payment");
        assert_eq!(sell(&lesson.rig, &format!("a-{patient}")).0.wait().unwrap().code(), Some(3));
        drill.stage("Nothing was charged");
        if patient {
            drill.stage("Now sell again");
            let _sale = sell(&lesson.rig, "b");
            passed(&mut drill);
        } else {
            for key in ["c", "d"] {
                assert_eq!(sell(&lesson.rig, key).0.wait().unwrap().code(), Some(3));
            }
            let (result, event, code) = drill.end();
            assert_eq!((result.as_str(), &event["miss"], code), ("failed", &"tried-too-often".into(), 2), "{event}");
        }
        assert_eq!(lesson.host_order("faults").trim(), "ok 0");
    }
}

#[test]
fn reader_gone_is_passed_by_putting_the_cable_back() {
    let Some(lesson) = lesson("reader_gone_is_passed_by_putting_the_cable_back") else { return };
    let mut drill = Drill::begin(&lesson, "reader-gone");
    drill.stage("To begin");
    drill.stage("pull the card reader");
    lesson.rig.reader_order("unplug");
    drill.stage("No card can be read");
    lesson.rig.reader_order("plug");
    drill.stage("Now sell again");
    let _sale = sell(&lesson.rig, "a");
    passed(&mut drill);
}

#[test]
fn wrong_password_is_passed_by_the_right_one() {
    let Some(lesson) = lesson("wrong_password_is_passed_by_the_right_one") else { return };
    let rig = &lesson.rig;
    let sign_in = ["operator", "sign-in", "01"];
    let mut drill = Drill::begin(&lesson, "wrong-password");
    drill.stage("To begin");
    drill.stage("Sign the operator out");
    assert_eq!(run(rig, &["operator", "sign-out"]).code, 0);
    drill.stage("Type a wrong password");
    rig.refused_with_secret(&sign_in, "--password-fd", "141421");
    drill.stage("Now sign in as it should be done");
    eventually("the right password to be looked at", || {
        rig.run_with_fd(&sign_in, "--password-fd", PASSWORD).status.success().then_some(())
    });
    passed(&mut drill);
}

#[test]
fn power_cut_is_passed_by_asking_what_became_of_the_payment() {
    let Some(mut lesson) = lesson("power_cut_is_passed_by_asking_what_became_of_the_payment") else { return };
    let mut drill = Drill::begin(&lesson, "power-cut");
    drill.stage("To begin");
    drill.stage("Make a payment");
    let _sale = sell(&lesson.rig, "a");
    drill.stage("The power is gone");
    // The service manager's part.
    lesson.rig.wait_daemon_killed();
    lesson.rig.start_daemon();
    drill.stage("The terminal is back");
    eventually("the payment to be taken back", || {
        let payment = lesson.rig.json(&["transaction", "show", "a"]);
        (payment["outcome"] == "cancelled" && payment["reversed"] == true).then_some(())
    });
    drill.stage("Now sell again");
    let _sale = sell(&lesson.rig, "b");
    passed(&mut drill);
}

#[test]
fn a_drill_is_left_with_everything_mended_and_none_begins_where_payments_are_real() {
    let test = "a_drill_is_left_with_everything_mended_and_none_begins_where_payments_are_real";
    let Some(mut lesson) = lesson(test) else { return };
    let mut drill = Drill::begin(&lesson, "host-down");
    drill.stage("To begin");
    drill.stage("Make a payment");
    kill(Pid::from_raw(drill.process.0.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let (result, _, code) = drill.end();
    assert_eq!((result.as_str(), code), ("left", 3));
    assert_eq!(lesson.host_order("faults").trim(), "ok 0");
    // Without its host there is no drill that needs one, and it is said before it begins.
    let none = run(&lesson.rig, &["drill", "host-down", "--host-control", "/nonexistent/socket"]);
    assert!(none.code == 1 && none.err.contains("TrainingHost") && !none.out.contains("Drill:"), "{}", none.err);
    lesson.rig.stop_daemon();
    lesson.rig.set_arguments(&[]);
    lesson.rig.start_daemon();
    for name in ["network-cut", "host-down", "reader-gone", "wrong-password", "power-cut"] {
        let control = lesson.rig.path("training-host.sock").display().to_string();
        let real = run(&lesson.rig, &["drill", name, "--host-control", &control]);
        assert!(real.code == 1 && real.err.contains("NotTraining"), "{name}: {}", real.err);
        let listed = run(&lesson.rig, &["drill", "list"]).out;
        assert!(listed.contains(name), "{listed}");
    }
    assert!(run_in(&lesson.rig, ZH, &["drill"], "").out.contains("付款途中断网"));
    assert_eq!(lesson.host_order("faults").trim(), "ok 0");
}
