//! The host messages under a second opinion: PyPI's pyiso8583 and pyDes, neither of which shares code with the daemon.
//!
//! Proves: pyiso8583 decodes what the daemon sends in sign-in, sale and reversal, and packs it to the same bytes again;
//! the daemon signs in to, and sells with, an acquirer made of pyiso8583 and pyDes: keys, PIN block, both MACs; and the
//! daemon's host machine uploads, repeats and reports a script there, with what pyiso8583 packs and unpacks.

mod host_support;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use host_support::{Rig as Machine, hex, sale, script_report, sign_in, the_answer, upload};
use rig::{PIN, Process, Setup, eventually, skip};
use site::{Till, edit_profile, python_packages};
use smartpos::domain::host::{HostAnswer, HostRequest, KeyCheck, MacCheck, SaleAnswer};

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

/// The acquirer made of pyiso8583 and pyDes: its process, the lines it prints, and where it listens.
fn other_acquirer(packages: &Path, more: &[&str]) -> (Process, impl Iterator<Item = String> + use<>, String) {
    let mut host = python(packages).args(["serve", PIN]).args(more).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines().map_while(Result::ok);
    let host = Process(host);
    let address = lines.next().and_then(|l| l.strip_prefix("ready ").map(str::to_owned)).expect("the host listens");
    (host, lines, address)
}

/// The daemon's host machine on a socket, with everything that went over it.
struct Line {
    machine: Machine,
    stream: TcpStream,
    capture: String,
}

impl Line {
    fn ask(&mut self, request: HostRequest) -> HostAnswer {
        let (connection, sent) = self.machine.send(request);
        self.stream.write_all(&sent).unwrap();
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut answer).unwrap();
        let answer = [&length[..], &answer].concat();
        self.capture += &format!("in 1 {}\nout 1 {}\n", hex(&sent), hex(&answer));
        the_answer(self.machine.receive(connection, &answer))
    }

    fn sale_answer(&mut self, request: HostRequest) -> SaleAnswer {
        match self.ask(request) {
            HostAnswer::Sale(answer) | HostAnswer::OfflineSale(answer) => answer,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_host_machine_uploads_and_reports_scripts_to_an_acquirer_made_of_pyiso8583() {
    let test = "the_host_machine_uploads_and_reports_scripts_to_an_acquirer_made_of_pyiso8583";
    let Some(packages) = packages(test) else { return };
    let (_host, mut lines, address) = other_acquirer(&packages, &["script"]);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let machine = Machine::new("[offline]\nrepeat = \"0221\"\n");
    let mut line = Line { machine, stream, capture: String::new() };
    let HostAnswer::SignIn(signed_in) = line.ask(sign_in()) else { panic!("no sign-in") };
    assert!(matches!(signed_in.keys, KeyCheck::Good { .. }) && line.machine.host.install_pending());
    let sold = line.sale_answer(sale());
    assert!(sold.response.approved() && sold.mac == MacCheck::Good && sold.issuer_script);
    for (request, code) in [(upload(false), "00"), (upload(false), "94"), (upload(true), "94")] {
        let answer = line.sale_answer(request);
        assert_eq!((answer.response.code.as_str(), answer.mac, answer.issuer_script), (code, MacCheck::Good, false));
    }
    let HostAnswer::ScriptReport(told) = line.ask(script_report()) else { panic!("no script report") };
    assert!(told.approved());
    for expected in [
        "0800 answered",
        "0200 mac right pin without code 00",
        "0220 mac right pin without code 00",
        "0220 mac right pin without code 94",
        "0221 mac right pin without code 94",
        "0620 mac right 60 0000000295160 61 0000020000030601",
    ] {
        assert_eq!(lines.next().as_deref(), Some(expected));
    }
    let captured = tempfile::NamedTempFile::new().unwrap();
    fs::write(captured.path(), &line.capture).unwrap();
    let output = python(&packages).arg("check").arg(captured.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let upload = "2 3 4 11 14 22 23 25 41 42 49 55 60 61 63 64";
    for seen in [
        format!("in 0220 same {upload}"),
        format!("in 0221 same {upload}"),
        "in 0620 same 2 3 4 11 22 23 32 37 38 41 42 49 55 60 61 64".to_owned(),
        "out 0630 same 3 4 11 12 13 32 37 39 41 42".to_owned(),
    ] {
        assert!(said.lines().any(|line| line.starts_with(&seen)), "no {seen} in\n{said}");
    }
}

#[test]
fn the_daemon_sells_with_an_acquirer_made_of_pyiso8583_and_py_des() {
    let test = "the_daemon_sells_with_an_acquirer_made_of_pyiso8583_and_py_des";
    let Some(packages) = packages(test) else { return };
    let Some(mut rig) = site::rig(test, Setup::default()) else { return };
    let (_host, mut lines, address) = other_acquirer(&packages, &[]);
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
