//! A tamper input that cannot be read, in the running daemon. What an input that can be read does is shown by the engine's own
//! tests and on a kernel with GPIO (`tests/rig/run.sh`): this machine may have none.
//!
//! Proves: no payment is taken, the reason and its remedy are named everywhere, the keys stay, and without the input in the
//! configuration everything works again; wrong settings are refused with what to write.

#[path = "common/command.rs"]
mod command;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::fs;

use command::{json_of, run};
use rig::{Rig, Setup, eventually};
use serde_json::Value;

fn terminal(rig: &Rig) -> Value {
    json_of(rig, &["status"], "").1[0]["terminal"].clone()
}

#[test]
fn an_input_that_cannot_be_read_stops_payments_and_keeps_the_keys() {
    let test = "an_input_that_cannot_be_read_stops_payments_and_keeps_the_keys";
    let Some((mut rig, till)) = site::unattended(test, Setup::default()) else { return };
    drop(till);
    rig.stop_daemon();
    let file = rig.path("smartposd.toml");
    let without = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{without}[tamper]\nline = \"NO-SUCH-LINE\"\nactive = \"high\"\n")).unwrap();
    rig.start_daemon();
    let shown = terminal(&rig);
    assert!(shown["state"] == "out-of-service" && shown["cause"] == "H09", "{shown}");
    let evidence = shown["evidence"].as_str().unwrap();
    assert!(evidence.contains("tamper.line") && evidence.contains("the keys are kept"), "{evidence}");
    let refused = run(&rig, &["sale", "1.00"]);
    assert!(refused.code == 1 && refused.err.contains("H09"), "{} {}", refused.code, refused.err);
    let doctor = run(&rig, &["doctor"]);
    assert!(doctor.code == 12 && doctor.out.contains("H09"), "{}", doctor.out);
    assert!(rig.log().contains("the tamper input cannot be read"), "{}", rig.log());
    rig.stop_daemon();

    fs::write(&file, without).unwrap();
    rig.start_daemon();
    eventually("the sign-in", || (terminal(&rig)["state"] == "ready").then_some(()));
    assert_eq!(run(&rig, &["sale", "1.00"]).code, 0, "{}", rig.log());
}

#[test]
fn half_a_setting_is_refused_with_what_to_write() {
    let Some(rig) = Rig::new("half_a_setting_is_refused_with_what_to_write", Setup::default()) else { return };
    let file = rig.path("smartposd.toml");
    let good = fs::read_to_string(&file).unwrap_or_default();
    for (lines, wanted) in [
        ("line = \"GPIO21\"", "tamper.active"),
        ("active = \"low\"", "tamper.line"),
        ("line = \"GPIO21\"\nactive = \"open\"", "tamper.active"),
        ("line = \"\"\nactive = \"low\"", "gpioinfo"),
    ] {
        fs::write(&file, format!("{good}\n[tamper]\n{lines}\n")).unwrap();
        let path = file.display().to_string();
        let said = run(&rig, &["config", "check", "--config", &path]);
        assert!(said.code != 0 && said.err.contains(wanted), "{lines}: {}", said.err);
    }
}
