//! The host messages under a second opinion: PyPI's pyiso8583 and pyDes, neither of which shares code with the daemon.
//!
//! Proves: pyiso8583 decodes what the daemon sends in sign-in, sale and reversal, and packs it to the same bytes again;
//! and the daemon signs in to, and sells with, an acquirer made of pyiso8583 and pyDes: keys, PIN block, both MACs.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rig::{PIN, Process, Setup, eventually, skip};
use site::{Till, edit_profile, python_packages};

const HOST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/iso8583_host.py");

fn packages(test: &str) -> Option<PathBuf> {
    python_packages("pyiso8583-4.0.1", &["pyiso8583==4.0.1", "pyDes==2.0.1"]).map_err(|why| skip(test, &why)).ok()
}

fn python(packages: &Path) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).arg(HOST);
    command
}

#[test]
fn pyiso8583_packs_every_message_of_the_daemon_to_the_same_bytes() {
    let test = "pyiso8583_packs_every_message_of_the_daemon_to_the_same_bytes";
    let Some(packages) = packages(test) else { return };
    let Some(mut rig) = site::rig(test, Setup::default()) else { return };
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    till.sell(&rig, 12_800, "order-1", PIN, "approved");
    // 9020.02: neither charged nor answered, so it has to be reversed.
    let unanswered = till.begin(902_002, "order-2");
    till.customer(&rig, PIN);
    till.wait_outcome(&unanswered, "cancelled");
    let output = python(&packages).arg("check").arg(rig.path("wire.log")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let captured = fs::read_to_string(rig.path("wire.log")).unwrap().lines().count();
    assert_eq!(said.lines().filter(|l| l.contains(" same ")).count(), captured, "{said}");
    for seen in
        ["in 0800 same 11 41 42 60 63", "in 0200 same 2 3 4 11 14 22", "in 0400 same 2 3 4 11 14 22", "out 0410"]
    {
        assert!(said.lines().any(|line| line.starts_with(seen)), "no {seen} in\n{said}");
    }
}

#[test]
fn the_daemon_sells_with_an_acquirer_made_of_pyiso8583_and_py_des() {
    let test = "the_daemon_sells_with_an_acquirer_made_of_pyiso8583_and_py_des";
    let Some(packages) = packages(test) else { return };
    let Some(mut rig) = site::rig(test, Setup::default()) else { return };
    let mut host = python(&packages).args(["serve", PIN]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines().map_while(Result::ok);
    let _host = Process(host);
    let address = lines.next().and_then(|l| l.strip_prefix("ready ").map(str::to_owned)).expect("the host listens");
    edit_profile(&rig, &rig.acquirer_address, &address);
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    till.sell(&rig, 12_800, "order-1", PIN, "approved");
    // A host that takes any PIN would approve this one too.
    till.sell(&rig, 12_900, "order-2", "4321", "declined");
    assert_eq!(lines.next().as_deref(), Some("0800 answered"));
    assert_eq!(lines.next().as_deref(), Some("0200 mac right pin right code 00"));
    assert_eq!(lines.next().as_deref(), Some("0200 mac right pin wrong code 55"));
    eventually("the ledger of the other acquirer to stay empty", || (rig.ledger()["charged"] != 1).then_some(()));
}
