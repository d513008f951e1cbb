//! The shipped `smartpos-sim reader` on a real pty, with clients that nobody here wrote.
//!
//! Proves: Debian's `nfc-list` and PyPI's `nfcpy` take it for a PN532 and find the card; unplug and plug look like the
//! real thing; cards come and go by order or by themselves. A missing client is said out loud: `skipped: …`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];
const PATIENCE: Duration = Duration::from_secs(20);

/// A running simulator; dropping it stops it.
struct Sim {
    child: Child,
    control: BufReader<UnixStream>,
    link: PathBuf,
    _dir: tempfile::TempDir,
}

impl Sim {
    fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (link, control) = (dir.path().join("reader"), dir.path().join("control"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_smartpos-sim"))
            .arg("reader")
            .args(["--link".as_ref(), link.as_os_str(), "--control".as_ref(), control.as_os_str()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ready = first_line(child.stdout.take().unwrap());
        assert_eq!(ready, format!("ready {}", link.display()));
        let control = UnixStream::connect(&control).unwrap();
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { child, control: BufReader::new(control), link, _dir: dir }
    }

    fn order(&mut self, line: &str) -> String {
        self.control.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.control.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Opens the port as the simulator has set it up: raw, 115200.
    fn open(&self) -> File {
        OpenOptions::new().read(true).write(true).open(&self.link).unwrap()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The first line that a child prints, or a failure after a while.
fn first_line(stdout: impl Read + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let _late = sender.send(read.map(|_| line.trim_end().to_owned()));
    });
    receiver.recv_timeout(PATIENCE).expect("the simulator says that it is ready").unwrap()
}

/// Reads exactly so many bytes, or fails after a while. Gives the file back.
fn read_exactly(mut port: File, count: usize) -> (File, Vec<u8>) {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = vec![0; count];
        let read = port.read_exact(&mut bytes);
        let _late = sender.send(read.map(|()| (port, bytes)));
    });
    receiver.recv_timeout(PATIENCE).expect("the reader answers").unwrap()
}

fn wake_and_configure(mut port: File) -> File {
    let sam = [0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD4, 0x14, 0x01, 0x17, 0x00];
    port.write_all(&[&[0x55, 0x55][..], &[0; 14], &sam].concat()).unwrap();
    let (port, said) = read_exactly(port, 15);
    assert_eq!(said, [&ACK[..], &[0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD5, 0x15, 0x16, 0x00]].concat());
    port
}

/// Runs a client, at most a minute; none if it is not installed.
fn client(program: &str, arguments: &[&str], environment: &[(&str, &OsStr)]) -> Option<Output> {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status().unwrap();
    if !found.success() {
        return None;
    }
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).args(arguments).stdin(Stdio::null()).envs(environment.iter().copied());
    Some(command.output().unwrap())
}

fn skipped(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn nfc_list(sim: &Sim) -> Option<String> {
    let device = format!("pn532_uart:{}", sim.link.display());
    let output = client("nfc-list", &[], &[("LIBNFC_DEVICE", device.as_ref())])?;
    assert!(output.status.success(), "{}", text(&output));
    Some(text(&output))
}

#[test]
fn nfc_list_lists_the_simulated_card() {
    let mut sim = Sim::start(&["--card-in", "--card-set", "uid=08A1B2C3", "--card-set", "ats=0678807002AB"]);
    let Some(listed) = nfc_list(&sim) else {
        return skipped("nfc_list_lists_the_simulated_card", "no nfc-list here; apt-get install libnfc-bin");
    };
    assert!(listed.contains("1 ISO14443A passive target(s) found"), "{listed}");
    assert!(listed.contains("UID (NFCID3): 08  a1  b2  c3"), "{listed}");
    assert!(listed.contains("SAK (SEL_RES): 20"), "{listed}");
    assert!(listed.contains("ATS: 78  80  70  02  ab"), "{listed}");
    assert_eq!(sim.order("card out"), "ok");
    let listed = nfc_list(&sim).unwrap();
    assert!(listed.contains("device opened") && !listed.contains("1 ISO14443A"), "{listed}");
}

#[test]
fn nfc_list_lists_both_of_two_cards() {
    let mut sim = Sim::start(&[]);
    assert_eq!(sim.order("card two"), "ok");
    let Some(listed) = nfc_list(&sim) else {
        return skipped("nfc_list_lists_both_of_two_cards", "no nfc-list here; apt-get install libnfc-bin");
    };
    assert!(listed.contains("2 ISO14443A passive target(s) found"), "{listed}");
    assert!(listed.contains("08  11  22  33") && listed.contains("f7  ee  dd  cc"), "{listed}");
}

/// nfcpy from PyPI, kept under the build directory.
fn nfcpy() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nfcpy-1.0.4");
    if home.join("nfc/clf/pn532.py").exists() {
        return Ok(home);
    }
    let place = home.to_str().unwrap();
    let arguments = ["-m", "pip", "install", "--quiet", "--retries", "1", "--target", place, "nfcpy==1.0.4"];
    let output = client("python3", &arguments, &[]).ok_or("no python3 here; apt-get install python3-pip")?;
    match output.status.success() {
        true => Ok(home),
        false => Err(format!("pip cannot install nfcpy: {}", text(&output).lines().next_back().unwrap_or_default())),
    }
}

fn read_with_nfcpy(home: &Path, sim: &Sim) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/nfcpy_card.py");
    // nfcpy calls stty on the port, which wants the real name.
    let port = fs::canonicalize(&sim.link).unwrap();
    let arguments = [script.to_str().unwrap(), port.to_str().unwrap()];
    let output = client("python3", &arguments, &[("PYTHONPATH", home.as_os_str())]).unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nfcpy_reads_the_simulated_cards_over_raw_blocks() {
    let home = match nfcpy() {
        Ok(home) => home,
        Err(reason) => return skipped("nfcpy_reads_the_simulated_cards_over_raw_blocks", &reason),
    };
    let mut sim = Sim::start(&["--card-in"]);
    let read = read_with_nfcpy(&home, &sim);
    let options = "57 5F34 82 94 9F10 9F26 9F27 9F36 9F5D 9F6C";
    let expected = [
        "reader PN532v1.6",
        "uid 08112233",
        "tag Type4Tag",
        "aid A000000333010101",
        &format!("options {options}"),
        "record 1 1 33 5F20 9F1F",
        "record 2 1 74 5A 5F24 5F25 5F28 8E 9F07 9F08 9F63",
        "record 2 2 254 90",
    ];
    assert_eq!(read.lines().collect::<Vec<_>>(), expected);
    assert!(sim.order("status").contains("apdus=6 rate=115200"), "SELECT twice, options, three records");
    assert_eq!(sim.order("card set kind mastercard"), "ok");
    assert_eq!(sim.order("card in"), "ok");
    let read = read_with_nfcpy(&home, &sim);
    assert!(read.contains("aid A0000000041010\noptions 82 94\nrecord 2 1 "), "{read}");
    assert_eq!(sim.order("card set kind mifare"), "ok");
    assert_eq!(sim.order("card in"), "ok");
    assert!(!read_with_nfcpy(&home, &sim).contains("Type4Tag"));
    assert_eq!(sim.order("card out"), "ok");
    assert!(read_with_nfcpy(&home, &sim).ends_with("no card\n"));
}

#[test]
fn unplugging_hangs_up_and_plugging_in_brings_a_working_port_under_the_same_name() {
    let mut sim = Sim::start(&[]);
    let port = wake_and_configure(sim.open());
    let first = fs::read_link(&sim.link).unwrap();
    assert_eq!(sim.order("unplug"), "ok");
    assert!(!sim.link.exists());
    let (mut port, mut rest) = (port, [0u8; 1]);
    assert!(matches!(port.read(&mut rest), Ok(0) | Err(_)), "hung up");
    assert_eq!(sim.order("plug"), "ok");
    // The old port is still open here, so the new one has another name behind the link.
    assert_ne!(fs::read_link(&sim.link).unwrap(), first);
    wake_and_configure(sim.open());
}

#[test]
fn a_hand_with_a_delay_taps_when_the_reader_polls_and_leaves_when_it_lets_go() {
    let mut sim = Sim::start(&["--tap-delay-ms", "20"]);
    assert!(sim.order("status").contains("cards=0"));
    let mut port = wake_and_configure(sim.open());
    port.write_all(&[0x00, 0x00, 0xFF, 0x04, 0xFC, 0xD4, 0x4A, 0x01, 0x00, 0xE1, 0x00]).unwrap();
    let (mut port, said) = read_exactly(port, 6 + 24);
    assert_eq!(said[6 + 5..][..8], [0xD5, 0x4B, 0x01, 0x01, 0x00, 0x04, 0x20, 0x04]);
    assert!(sim.order("status").contains("cards=1"));
    port.write_all(&[0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD4, 0x52, 0x00, 0xDA, 0x00]).unwrap();
    let (_port, said) = read_exactly(port, 6 + 10);
    assert_eq!(said[6 + 5..][..3], [0xD5, 0x53, 0x00]);
    assert!(sim.order("status").contains("cards=0"));
}

#[test]
fn wrong_orders_are_explained_and_quit_cleans_up() {
    let mut sim = Sim::start(&[]);
    assert!(sim.order("card sideways").starts_with("error: not understood: card sideways"));
    assert!(sim.order("delay soon").starts_with("error: soon is no number"));
    assert!(sim.order("card set colour red").starts_with("error: no card setting colour"));
    let second = Command::new(env!("CARGO_BIN_EXE_smartpos-sim"))
        .args(["reader", "--send", sim.control.get_ref().peer_addr().unwrap().as_pathname().unwrap().to_str().unwrap()])
        .args(["status", "quit"])
        .output()
        .unwrap();
    assert!(second.status.success() && second.stdout.starts_with(b"ok plugged=yes cards=0"), "{}", text(&second));
    assert!(sim.child.wait().unwrap().success());
    assert!(fs::symlink_metadata(&sim.link).is_err());
}
