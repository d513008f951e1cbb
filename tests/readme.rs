//! The README's examples, run word for word by the programs it names, while a customer taps and types.
//!
//! Proves: the Python text and the busctl lines each end in an approved payment.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::process::{Command, Output, Stdio};

use rig::{PIN, Setup, skip};
use site::Till;

/// The text of the first fenced block after a marker.
fn example(marker: &str) -> String {
    let readme = include_str!("../README.md");
    let after = readme.split_once(marker).unwrap_or_else(|| panic!("the README has no {marker}")).1;
    let fenced = after.split("```").nth(1).expect("a block follows the marker");
    fenced.split_once('\n').expect("the fence names a language").1.to_owned()
}

/// Runs an interpreter with the example for an argument, and the customer beside it.
fn follow(test: &str, interpreter: &str, example: &str) -> Option<Output> {
    let mut rig = site::rig(test, Setup::default())?;
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    let mut command = Command::new("timeout");
    command.args(["60", interpreter, "-c", example]).env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus_address);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    till.customer(&rig, PIN);
    let output = child.wait_with_output().unwrap();
    println!("{}{}", String::from_utf8_lossy(&output.stdout), rig.log());
    Some(output)
}

fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

#[test]
fn the_python_example_sells() {
    let test = "the_python_example_sells";
    if !works("/usr/bin/python3", &["-c", "import dbus, gi.repository.GLib"]) {
        return skip(test, "no dbus and gi for /usr/bin/python3; apt-get install python3-dbus python3-gi");
    }
    let Some(output) = follow(test, "/usr/bin/python3", &example("<!-- python -->")) else { return };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("present your card"), "no prompt was shown: {said}");
    assert!(said.contains("'outcome': 'approved'"), "{said}");
}

#[test]
fn the_busctl_example_sells() {
    let test = "the_busctl_example_sells";
    if !works("busctl", &["--version"]) {
        return skip(test, "no busctl; apt-get install systemd");
    }
    let Some(output) = follow(test, "sh", &example("<!-- busctl -->")) else { return };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Its last line is Acknowledge, which a payment that is not finished refuses.
    assert!(output.status.success() && errors.is_empty(), "{said}{errors}");
    assert!(said.contains(r#""outcome" s "approved""#), "{said}");
}
