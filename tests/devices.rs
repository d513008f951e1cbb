//! The devices as they are configured, in the running daemon.
//!
//! Proves: keys mean what `[keypad.keys]` says; a reset line or a power switch that cannot be used is named in the journal
//! and leaves a reader that works; without a power switch `PowerCycle` is refused; `posctl devices` needs no daemon, explains
//! what is there and refuses what is not; udev's rules know the roles that `posctl` gives.

#[path = "common/rig.rs"]
mod rig;

use rig::{PIN, Rig, Setup, eventually};

/// Waits until the daemon has written this many lines with this text.
fn wait_log(rig: &Rig, text: &str, times: usize) {
    eventually(&format!("{text:?} in the log:\n{}", rig.log()), || {
        (rig.log().matches(text).count() >= times).then_some(())
    });
}

fn wait_reader(rig: &Rig, state: &str) {
    eventually(&format!("reader {state}; log:\n{}", rig.log()), || {
        (rig.json(&["status"])["reader"]["state"] == state).then_some(())
    });
}

#[test]
fn keys_mean_what_the_configuration_says() {
    let keypad_config = "[keypad.keys]\nKEY_KPPLUS = \"ok\"\nKEY_KPENTER = \"none\"".to_owned();
    let setup = Setup { keypad_config, ..Setup::default() };
    let Some(rig) = Rig::ready("keys_mean_what_the_configuration_says", setup) else { return };
    let sale = rig.begin_sale("128.00", "order-1");
    sale.wait_prompt("present-card");
    rig.reader_order("card in");
    sale.wait_prompt("enter-pin");
    // Enter is no key any more: with it the PIN would end two digits too early.
    rig.keypad_order(&format!("type {} enter {} plus", &PIN[..4], &PIN[4..]));
    let result = sale.result();
    assert_eq!(result["outcome"], "approved", "{result}\n{}", rig.log());
}

#[test]
fn a_reset_line_that_is_not_there_is_named_and_the_reader_works_without_it() {
    let reader_config = "reset_line = \"no such line\"".to_owned();
    let setup = Setup { reader_config, ..Setup::default() };
    let test = "a_reset_line_that_is_not_there_is_named_and_the_reader_works_without_it";
    let Some(rig) = Rig::ready(test, setup) else { return };
    wait_log(&rig, "the reset line is of no use", 1);
    assert!(rig.posctl(&["reader", "reset"]).status.success());
    wait_log(&rig, "the reset line is of no use", 2);
    wait_reader(&rig, "ready");
    assert_eq!(rig.sell("128.00", "order-1").result()["outcome"], "approved", "{}", rig.log());
}

#[test]
fn without_a_power_switch_a_power_cycle_is_refused() {
    let Some(rig) = Rig::ready("without_a_power_switch_a_power_cycle_is_refused", Setup::default()) else { return };
    let refused = rig.posctl(&["reader", "power-cycle"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("reader.power_cycle = \"usb\""), "{said}");
    wait_reader(&rig, "ready");
}

#[test]
fn a_reader_whose_power_cannot_be_switched_is_reopened() {
    let reader_config = "power_cycle = \"usb\"".to_owned();
    let setup = Setup { reader_config, ..Setup::default() };
    let Some(rig) = Rig::ready("a_reader_whose_power_cannot_be_switched_is_reopened", setup) else { return };
    let done = rig.posctl(&["reader", "power-cycle"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // The rig's reader is a pty.
    wait_log(&rig, "is not on USB, its power cannot be switched", 1);
    wait_log(&rig, "serial line", 2);
    wait_reader(&rig, "ready");
    assert_eq!(rig.sell("128.00", "order-1").result()["outcome"], "approved", "{}", rig.log());
}

#[test]
fn posctl_devices_needs_no_daemon_and_explains_every_device() {
    let run = |arguments: &[&str]| std::process::Command::new(rig::POSCTL).args(arguments).output().unwrap();
    let shown = run(&["devices", "--all", "--json", "--config", "/nowhere"]);
    let told: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    for device in told["devices"].as_array().unwrap() {
        assert!(["why_zh", "why_en"].iter().all(|key| !device[key].as_str().unwrap().is_empty()), "{device}");
    }
    let refused = run(&["devices", "mark", "/dev/ttyNowhere", "reader", "--dry-run", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(told["error"]["name"], "InvalidArgument");
    assert!(told["error"]["remedy"].as_str().unwrap().contains("posctl devices --all"), "{told}");
    let unknown = run(&["devices", "mark", "/dev/ttyUSB0", "printer"]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(said.contains("reader2") && said.contains("scanner") && said.contains("keypad"), "{said}");
}

#[test]
fn udevs_rules_know_every_role_and_no_other() {
    let rules = include_str!("../udev/60-smartposd.rules");
    let known = include_str!("../udev/60-smartposd.hwdb");
    let roles = ["reader", "reader2", "scanner", "keypad", "gpio", "display", "none"];
    let asked =
        rules.split("ENV{ID_SMARTPOS_ROLE}==\"").skip(1).flat_map(|rest| rest.split('"').next().unwrap().split('|'));
    let mut asked: Vec<&str> = asked.collect();
    asked.sort_unstable();
    asked.dedup();
    let mut wanted: Vec<&str> = roles.into_iter().filter(|role| *role != "none").collect();
    wanted.sort_unstable();
    assert_eq!(asked, wanted);
    let given: Vec<&str> = known.lines().filter_map(|line| line.strip_prefix(" ID_SMARTPOS_KNOWN=")).collect();
    assert!(!given.is_empty() && given.iter().all(|role| roles.contains(role)), "{given:?}");
}
