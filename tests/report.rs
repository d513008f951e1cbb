//! Fault reports as a technician meets them: made by the shipped `posctl`, decoded at the other end of the telephone.
//!
//! Proves: a fault that needs a person is noted with a short code and its contact, and is still known after a restart and
//! without a daemon; a report is made while the host is away and while the daemon does not run, and says what is missing;
//! a code says cause, probes and versions, and a misread one names the group.

#[path = "common/rig.rs"]
mod rig;

use std::path::Path;
use std::process::{Command, Output};

use rig::{Rig, Setup, eventually};
use serde_json::Value;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn setup() -> Setup {
    let keypad_config =
        "[support.shop]\nname = \"Till service\"\nphone = \"021 5555\"\n[support.acquirer]\nphone = \"95516\"\n";
    Setup { keypad_config: keypad_config.to_owned(), ..Setup::default() }
}

/// Makes a report and gives what was printed, and its `report.json`.
fn report(rig: &Rig, name: &str) -> (Value, Value) {
    let file = rig.path(&format!("{name}.tar.gz"));
    let config = rig.path("smartposd.toml");
    let told = rig.json(&["report", file.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    let into = rig.path(name);
    std::fs::create_dir(&into).unwrap();
    assert!(Command::new("tar").arg("xzf").arg(&file).arg("-C").arg(&into).status().unwrap().success());
    let text = std::fs::read_to_string(into.join("smartposd-report/report.json")).unwrap();
    assert!(Path::new(told["file"].as_str().unwrap()).exists());
    (told, serde_json::from_str(&text).unwrap())
}

fn decoded(rig: &Rig, code: &Value) -> Value {
    rig.json(&["decode-report", code.as_str().unwrap()])
}

#[test]
fn a_fault_is_noted_reported_and_decoded_with_and_without_the_daemon() {
    let Some(mut rig) = Rig::ready("a_fault_is_noted_reported_and_decoded_with_and_without_the_daemon", setup()) else {
        return;
    };
    let (well, _) = report(&rig, "well");
    let read = decoded(&rig, &well["code"]);
    assert_eq!((&read["terminal"], &read["cause"]), (&"ready".into(), &Value::Null), "{read}");
    assert_eq!(read["probes"]["host"], "good", "{read}");
    assert_eq!(read["versions"]["reader-firmware"], "1.6");
    assert_eq!(read["versions"]["smartposd"], env!("CARGO_PKG_VERSION"));

    // The reader is pulled, and nobody plugs it in again.
    rig.reader_order("unplug");
    let noted = eventually("the fault to be noted", || {
        let text = std::fs::read_to_string(rig.path("state/faults")).ok()?;
        text.lines().find(|line| line.contains(" H01 ")).map(str::to_owned)
    });
    let kept = noted.split(' ').nth(2).unwrap();
    let read = decoded(&rig, &kept.into());
    assert_eq!((&read["cause"], &read["reader"]["state"]), (&"H01".into(), &"absent".into()), "{read}");
    assert_eq!(read["texts"]["support"], "shop");
    let status = said(&rig.posctl(&["status"]));
    assert!(status.contains("Call: Till service, 021 5555"), "{status}");

    // With the host away too.
    rig.stop_acquirer();
    let (told, whole) = report(&rig, "cut-off");
    assert!(told["code"].as_str().unwrap().len() <= 60);
    let read = decoded(&rig, &told["code"]);
    assert_eq!(read["reader"]["cause"], "H01", "{read}");
    assert_ne!(read["probes"]["host"], "good", "{read}");
    assert_eq!(whole["faults"][0]["cause"], "H01", "{whole}");
    assert_eq!(whole["configuration"]["settings"]["terminal_id"], "99000001");
    assert!(whole["timeline"].as_array().unwrap().iter().any(|row| row["part"] == "reader"), "{whole}");
    assert!(!whole["decisions"].as_array().unwrap().is_empty(), "{whole}");
    assert!(whole["versions"]["libraries"]["zbus"].is_string());
    // What the doctor found, what mended itself, and what is to be seen to.
    let verdict = whole["probes"].as_array().unwrap().iter().find(|row| row["component"] == "verdict").unwrap();
    assert_eq!(verdict["cause"], "N05", "{whole}");
    for part in ["mended", "hints", "notices"] {
        assert!(whole[part].is_array(), "{part}: {whole}");
    }
    assert_eq!((&whole["training"], &whole["inventory"].is_object()), (&Value::Bool(false), &true), "{whole}");

    // The night is over, the daemon has gone: the code of last night's fault is still there.
    rig.stop_daemon();
    let (told, whole) = report(&rig, "stopped");
    assert_eq!(told["running"], false);
    assert!(!told["missing"].as_array().unwrap().is_empty());
    assert_eq!(decoded(&rig, &told["code"])["terminal"], "not-running");
    assert_eq!(whole["faults"][0]["code"], kept);
    rig.start_daemon();
    let (_, whole) = report(&rig, "again");
    assert_eq!((&whole["faults"][0]["code"], &whole["faults"][0]["support"]), (&kept.into(), &"shop".into()));
    let again = rig.posctl(&["report", rig.path("again.tar.gz").to_str().unwrap()]);
    assert!(!again.status.success(), "a report is never written over");
}

#[test]
fn a_misread_code_names_the_group_and_qr_and_words_come_in_both_languages() {
    // Needs no daemon, no bus and no rig.
    let posctl = |arguments: &[&str], locale: &str| {
        Command::new(rig::POSCTL).args(arguments).env("LC_ALL", locale).output().unwrap()
    };
    let made = posctl(&["--bus", "unix:path=/nowhere", "report", "--code", "--qr", "--config", "/nowhere"], "C.UTF-8");
    assert!(made.status.success(), "{}", said(&made));
    let text = said(&made);
    assert!(text.contains('█'), "{text}");
    let code = text.lines().next().unwrap().strip_prefix("Short code: ").unwrap().to_owned();
    let groups: Vec<&str> = code.split('-').collect();
    let spoken = groups.join(" ").to_lowercase();
    let read = posctl(&["decode-report", &spoken], "C.UTF-8");
    assert!(said(&read).contains("smartposd was not running"), "{}", said(&read));
    let read = posctl(&["decode-report", &code], "zh_CN.UTF-8");
    assert!(said(&read).contains("守护程序未运行"), "{}", said(&read));
    let last = groups[2].chars().last().unwrap();
    let other = if last == '7' { '8' } else { '7' };
    let wrong = code.replacen(groups[2], &format!("{}{other}", &groups[2][..4]), 1);
    let refused = posctl(&["decode-report", &wrong], "C.UTF-8");
    assert!(!refused.status.success() && said(&refused).contains("misread: group 3"), "{}", said(&refused));
    let refused = posctl(&["decode-report", &code[..code.len() - 6]], "C.UTF-8");
    assert!(said(&refused).contains("group 8 is left out"), "{}", said(&refused));
}

/// Whoever records and is killed leaves no capture behind, and a daemon that hangs is named, not waited for.
#[test]
fn a_capture_ends_with_its_caller_and_a_hanging_daemon_is_named() {
    use std::process::Stdio;
    let Some(rig) = Rig::ready("a_capture_ends_with_its_caller_and_a_hanging_daemon_is_named", setup()) else { return };
    let place = |name: &str| rig.path(name).display().to_string();
    let mut command = rig.posctl_command(&["record", &place("first"), "--seconds", "600", "--no-reset"]);
    let mut recording = rig::Process(command.stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap());
    let text = |name: &str| std::fs::read_to_string(rig.path(name)).unwrap_or_default();
    eventually("the capture to begin", || text("first").starts_with("smartpos capture").then_some(()));
    let busy = rig.posctl(&["record", &place("second"), "--seconds", "1"]);
    assert!(String::from_utf8_lossy(&busy.stderr).contains("Busy"));
    recording.0.kill().unwrap();
    eventually("the end of the capture", || text("first").contains(" end done").then_some(()));
    assert!(rig.posctl(&["record", &place("third"), "--seconds", "1", "--no-reset"]).status.success());

    let daemon = nix::unistd::Pid::from_raw(rig.daemon_pid().try_into().unwrap());
    nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let start = std::time::Instant::now();
    let doctor = rig.posctl(&["doctor"]);
    let took = start.elapsed();
    nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGCONT).unwrap();
    assert!(String::from_utf8_lossy(&doctor.stderr).contains("did not answer in time"), "{doctor:?}");
    assert_eq!(doctor.status.code(), Some(1));
    // Twice as long as it takes, for a busy machine.
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}
