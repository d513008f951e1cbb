//! The inventory as a technician meets it: taken by the shipped `posctl`, with and without a daemon.
//!
//! Proves: versions of program, daemon, SQLite, kernel, reader and keypad are there, and are those of the rig; what is not
//! known is said; an issue is shown with its source in both languages, in the doctor and in the fault report too; none is
//! shown for what this build has inside.

#[path = "common/command.rs"]
mod command;
#[path = "common/rig.rs"]
mod rig;

use std::process::Command;

use command::{EN, ZH, run_in};
use rig::{Rig, Setup};
use serde_json::Value;

fn config(rig: &Rig) -> String {
    rig.path("smartposd.toml").to_str().unwrap().to_owned()
}

fn named(issues: &Value) -> Vec<String> {
    issues.as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn versions_are_those_of_the_rig_and_no_part_inside_has_an_issue() {
    let Some(mut rig) = Rig::ready("versions_are_those_of_the_rig_and_no_part_inside_has_an_issue", Setup::default())
    else {
        return;
    };
    let config = config(&rig);
    let told = rig.json(&["inventory", "--config", &config]);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(told["smartposd"], env!("CARGO_PKG_VERSION"), "{told}");
    assert_eq!(told["kernel"], kernel.trim(), "{told}");
    assert_eq!((&told["reader"]["model"], &told["reader"]["firmware"]), (&"PN532".into(), &"1.6".into()), "{told}");
    assert!(told["sqlite"].as_str().unwrap().starts_with("3.") && told["tls"].as_str().unwrap().starts_with("rustls "));
    // The rig's reader hangs on a pseudo terminal: the kernel's name behind the configured path.
    assert!(!told["reader_port"].as_str().unwrap().is_empty(), "{told}");
    let inside = ["sqlite-wal-reset", "pn532-before-1-6"];
    assert!(named(&told["known_issues"]).iter().all(|name| !inside.contains(&name.as_str())), "{told}");

    // The report carries the same.
    let file = rig.path("report.tar.gz");
    rig.json(&["report", file.to_str().unwrap(), "--config", &config]);
    let json = Command::new("tar").arg("xzOf").arg(&file).arg("smartposd-report/report.json").output().unwrap();
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["inventory"]["reader"], told["reader"], "{report}");
    assert_eq!(report["inventory"]["sqlite"], told["sqlite"]);

    // Without a daemon the machine is still there, and it is said what is not.
    rig.stop_daemon();
    let alone = rig.json(&["inventory", "--config", &config]);
    assert_eq!((&alone["smartposd"], &alone["reader"]["firmware"]), (&"".into(), &"".into()), "{alone}");
    assert_eq!(alone["kernel"], told["kernel"]);
    assert!(alone["missing"][0].as_str().unwrap().contains("smartposd"), "{alone}");
    let zh = run_in(&rig, ZH, &["inventory", "--config", &config], "");
    assert!(zh.code == 0 && zh.out.contains("读卡器") && zh.out.contains("未知"), "{}", zh.out);
}

#[test]
fn a_reader_with_firmware_that_others_had_trouble_with_is_named_with_the_source() {
    let setup = Setup { reader: vec!["--firmware".to_owned(), "1.4".to_owned()], ..Setup::default() };
    let Some(rig) = Rig::ready("a_reader_with_firmware_that_others_had_trouble_with_is_named_with_the_source", setup)
    else {
        return;
    };
    let config = config(&rig);
    let en = run_in(&rig, EN, &["inventory", "--config", &config], "");
    assert!(en.out.contains("- pn532-before-1-6 (possible)\n"), "{}", en.out);
    assert!(en.out.contains("https://github.com/nfc-tools/libnfc/issues/557"), "{}", en.out);
    let doctor = rig.json(&["doctor"]);
    assert!(named(&doctor["known_issues"]).contains(&"pn532-before-1-6".to_owned()), "{doctor}");
    assert_eq!(doctor["verdict"]["state"], "well", "an issue is no fault: {doctor}");
}
