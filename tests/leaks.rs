//! No card number, PIN, password or key in anything that outlives its use or leaves the daemon sideways.
//!
//! Proves: after key load, wrong passwords, an approved, a declined and an unanswered sale, `kill -9` with a request in
//! flight, and recovery, none of the canaries stands in any log, file of the state directory or bus message, in any of
//! the spellings below. The searcher itself is shown to find each of them.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rig::{COMPONENTS, PAN, Process, Rig, Setup, eventually, skip};
use site::{PASSWORD, Till, unhex};
use smartpos::sim::crypto::DesKey;

/// Six digits that nothing else on the rig is likely to hold.
const PIN: &str = "839471";
const WRONG_PIN: &str = "748392";
const WRONG_PASSWORD: &str = "open-barley-5938";
const MASTER: &str = "0123456789ABCDEFFEDCBA9876543210";

/// One spelling of one secret.
struct Canary {
    name: String,
    bytes: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

/// Text as it is, and in UTF-16.
fn as_text(found: &mut Vec<Canary>, name: &str, text: &str) {
    let mut add = |how: &str, bytes: Vec<u8>| found.push(Canary { name: format!("{name}, {how}"), bytes });
    add("text", text.as_bytes().to_vec());
    add("UTF-16 LE", text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    add("UTF-16 BE", text.encode_utf16().flat_map(u16::to_be_bytes).collect());
}

/// Bytes raw, as hexadecimal text in both cases, and as a list of numbers.
fn as_bytes(found: &mut Vec<Canary>, name: &str, bytes: &[u8]) {
    found.push(Canary { name: format!("{name}, raw"), bytes: bytes.to_vec() });
    as_text(found, &format!("{name}, upper case"), &hex(bytes));
    as_text(found, &format!("{name}, lower case"), &hex(bytes).to_lowercase());
    let listed = |separator: &str| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(separator);
    as_text(found, &format!("{name}, listed"), &listed(", "));
    as_text(found, &format!("{name}, listed by dbus"), &listed(" "));
}

/// Digits packed two in a byte: padded on either side, and without the odd one out.
fn as_digits(found: &mut Vec<Canary>, name: &str, digits: &str) {
    as_text(found, name, digits);
    let packed = digits.replace('=', "D");
    let even = &packed[..packed.len() / 2 * 2];
    found.push(Canary { name: format!("{name}, packed"), bytes: unhex(even) });
    if packed.len() % 2 == 1 {
        found.push(Canary { name: format!("{name}, packed from the right"), bytes: unhex(&packed[1..]) });
    }
}

/// Clear PIN block of format 0 for the rig's card.
fn pin_block(pin: &str) -> Vec<u8> {
    let filled: String = format!("0{}{pin:F<14}", pin.len());
    let account = unhex(&format!("0000{}", &PAN[PAN.len() - 13..PAN.len() - 1]));
    unhex(&filled).iter().zip(account).map(|(a, b)| a ^ b).collect()
}

/// Every working key that the acquirer handed out: what a sign-in answer's field 62 holds under the master key.
fn working_keys(wire: &str) -> Vec<(String, Vec<u8>)> {
    let master = DesKey::new(&unhex(MASTER)).unwrap();
    let clear = |wrapped: &[u8]| -> Vec<u8> {
        wrapped.chunks(8).flat_map(|block| master.decrypt(block.try_into().unwrap())).collect()
    };
    let frames =
        wire.lines().filter_map(|line| line.strip_prefix("out ")?.split_once(' ')).map(|(_, frame)| unhex(frame));
    // Behind length, TPDU and header.
    let answers = frames.filter(|frame| frame[13..15] == [0x08, 0x10]);
    let mut keys = Vec::new();
    for (n, frame) in answers.enumerate() {
        // Field 62 is the last one: its length 0060 in BCD, then three slots of 16 bytes with a check value of 4 each.
        let (length, block) = frame.split_at(frame.len() - 60);
        assert_eq!(length[length.len() - 2..], [0x00, 0x60], "another key block than expected");
        keys.push((format!("PIN key {n}"), clear(&block[..16])));
        keys.push((format!("MAC key {n}"), clear(&block[20..28])));
        keys.push((format!("track key {n}"), clear(&block[40..56])));
    }
    keys
}

/// What every run of the rig has in common.
fn lasting() -> Vec<Canary> {
    let mut found = Vec::new();
    as_digits(&mut found, "card number", PAN);
    for pin in [PIN, WRONG_PIN] {
        as_text(&mut found, "PIN", pin);
        as_bytes(&mut found, "PIN block", &pin_block(pin));
    }
    as_text(&mut found, "password", PASSWORD);
    as_text(&mut found, "wrong password", WRONG_PASSWORD);
    for component in COMPONENTS {
        as_bytes(&mut found, "key component", &unhex(component));
    }
    as_bytes(&mut found, "master key", &unhex(MASTER));
    found
}

/// A customer's payment code, and one that means nothing here; nobody may write down either.
const PAYMENT_CODE: &str = "281739465028174653";
const STRANGE_CODE: &str = "https://pay.example/odd-one-7731-5526";

/// What was scanned, whole and in part: a code, its secret, and what stands at the end of a payment code.
fn scanned(operator_code: &str) -> Vec<Canary> {
    let mut found = Vec::new();
    as_digits(&mut found, "payment code", PAYMENT_CODE);
    as_text(&mut found, "end of the payment code", &PAYMENT_CODE[8..]);
    as_bytes(&mut found, "payment code as bytes", PAYMENT_CODE.as_bytes());
    as_text(&mut found, "strange code", STRANGE_CODE);
    let secret = &operator_code["SPO1:01:".len()..operator_code.len() - 1];
    as_text(&mut found, "operator code", operator_code);
    as_text(&mut found, "secret of the operator code", secret);
    as_bytes(&mut found, "secret of the operator code as bytes", secret.as_bytes());
    found
}

fn canaries(wire: &str) -> Vec<Canary> {
    let mut found = lasting();
    for (name, key) in working_keys(wire) {
        as_bytes(&mut found, &name, &key);
    }
    // As the reader's card has it, and as it went to the acquirer.
    let sale = wire.lines().find(|line| line.starts_with("in ") && line.contains(&format!("{PAN}D"))).unwrap();
    let at = sale.find(&format!("{PAN}D")).unwrap();
    let track = &sale[at..at + 36];
    as_digits(&mut found, "track 2", track);
    as_text(&mut found, "track 2 with =", &track.replace('D', "="));
    // Its end alone, which no masking of the card number covers.
    as_text(&mut found, "end of track 2", &track[PAN.len() - 6..]);
    found
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some(first) = wanted.first() else { return false };
    bytes.iter().enumerate().any(|(at, b)| b == first && bytes[at..].starts_with(wanted))
}

/// Every regular file below a directory, but the acquirer's own capture.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() && entry.file_name() != "wire.log" {
            found.push(entry.path());
        }
    }
}

/// `file: canary` for each canary that some file holds.
fn search(directory: &Path, canaries: &[Canary]) -> Vec<String> {
    let mut all = Vec::new();
    files(directory, &mut all);
    let mut leaks = Vec::new();
    for file in all {
        let bytes = fs::read(&file).unwrap();
        let hits = canaries.iter().filter(|canary| holds(&bytes, &canary.bytes));
        leaks.extend(hits.map(|canary| format!("{}: {}", file.display(), canary.name)));
    }
    leaks
}

/// Records every message on the bus, byte by byte, into a file of the rig.
fn watch_bus(rig: &mut Rig, till: &Till) {
    let record = rig.path("bus.record");
    let mut monitor = Command::new("dbus-monitor");
    monitor.arg("--binary").arg("--address").arg(&rig.bus_address).stdout(File::create(&record).unwrap());
    rig.monitor = Some(Process(monitor.stderr(Stdio::null()).spawn().unwrap()));
    eventually("the bus monitor", || {
        let _ = till.property(site::TERMINAL, "Terminal", "Prompt");
        holds(&fs::read(&record).unwrap(), b"Prompt").then_some(())
    });
}

#[test]
fn no_secret_is_left_behind_or_said_aloud() {
    let test = "no_secret_is_left_behind_or_said_aloud";
    if Command::new("dbus-monitor").arg("--help").stderr(Stdio::null()).stdout(Stdio::null()).status().is_err() {
        return skip(test, "no dbus-monitor; apt-get install dbus-bin");
    }
    let scanner_config = Some("kind = \"gm65\"".to_owned());
    let setup = Setup { acquirer: vec!["--pin".into(), PIN.into()], scanner_config, ..Setup::default() };
    let Some(mut rig) = site::rig(test, setup) else { return };
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    watch_bus(&mut rig, &till);
    till.provision();
    let operator_code = rig.json(&["operator", "code", "new", "01"])["code"].as_str().unwrap().to_owned();
    for (code, said) in [
        (PAYMENT_CODE, "(payment): no-payment-waits"),
        (STRANGE_CODE, "(unknown): meaningless"),
        (&operator_code, "(operator): signed-in"),
    ] {
        rig.scanner_order(&format!("scan {code}"));
        eventually(said, || rig.log().contains(said).then_some(()));
    }
    // Cut short by the port: what came of it is not kept either.
    rig.scanner_order("pieces 4 400");
    rig.scanner_order(&format!("scan {PAYMENT_CODE}"));
    rig.scanner_order("unplug");
    eventually("the scanner to be gone", || rig.log().contains("scanner: absent").then_some(()));
    rig.scanner_order("pieces off");
    rig.scanner_order("plug");
    till.sign_operator_in(WRONG_PASSWORD).unwrap_err();
    let capture = rig.path("wires.capture");
    let mut recording = rig.posctl_command(&["record", capture.to_str().unwrap(), "--seconds", "600"]);
    let recording = Process(recording.stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap());
    eventually("the reader to be brought up anew", || {
        fs::read_to_string(&capture).ok().filter(|text| text.contains("reader open"))
    });
    till.wait_ready();
    till.sell(&rig, 12_800, "order-1", PIN, "approved");
    let code = operator_code.as_str();
    for code in [PAYMENT_CODE, STRANGE_CODE, code] {
        rig.scanner_order(&format!("scan {code}"));
    }
    till.sell(&rig, 12_900, "order-2", WRONG_PIN, "declined");
    let unanswered = till.begin(902_002, "order-3");
    till.customer(&rig, PIN);
    till.wait_outcome(&unanswered, "cancelled");
    // The answer never comes, and neither does the end: the daemon is killed with the request in flight.
    let in_flight = till.begin(902_002, "order-4");
    till.customer(&rig, PIN);
    eventually("the request to be in flight", || (till.state(&in_flight)? == "authorising").then_some(()));
    drop(recording);
    let wires = fs::read_to_string(&capture).unwrap();
    for what in ["reader <- ", "key 79 1", "\"mti\":\"0200\"", "\"mti\":\"0210\"", "app finished approved"] {
        assert!(wires.contains(what), "no {what} in the capture:\n{wires}");
    }
    rig.kill_daemon();
    rig.start_daemon();
    till.wait_outcome(&till.find("order-4"), "cancelled");
    till.sign_operator_in(WRONG_PASSWORD).unwrap_err();

    // What a hotline is sent: the archive unpacked, and what was printed.
    let archive = rig.path("report.tar.gz");
    let config = rig.path("smartposd.toml");
    let made = rig.posctl(&["report", archive.to_str().unwrap(), "--qr", "--config", config.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::write(rig.path("report.said"), &made.stdout).unwrap();
    let unpacked = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(rig.dir.path()).status().unwrap();
    assert!(unpacked.success());
    let report = fs::read_to_string(rig.path("smartposd-report/report.json")).unwrap();
    assert!(report.contains("authorising") || report.contains("declined"), "the run is not in the report: {report}");

    let mut canaries = canaries(&fs::read_to_string(rig.path("wire.log")).unwrap());
    canaries.extend(scanned(&operator_code));
    // With the daemon still there, so that the write-ahead log is as it is in daily use; then once more at rest.
    assert_eq!(search(rig.dir.path(), &canaries), Vec::<String>::new(), "while the daemon runs");
    rig.stop_daemon();
    assert_eq!(search(rig.dir.path(), &canaries), Vec::<String>::new(), "after its end");

    // What was searched is what should be: the run is in each of them.
    let record = fs::read(rig.path("bus.record")).unwrap();
    for said in
        ["OperatorSignIn", "LoadComponent", "Scanned", "SetOperatorCode", "Finished", "order-4", "620000******0018"]
    {
        assert!(
            holds(&record, said.as_bytes())
                || holds(&fs::read(rig.path("state/pos.db")).unwrap_or_default(), said.as_bytes())
                || holds(&fs::read(rig.path("state/pos.db-wal")).unwrap_or_default(), said.as_bytes()),
            "nothing recorded of {said}"
        );
    }
    assert!(rig.log().contains("payment finished: approved"), "{}", rig.log());
    assert!(rig.log().contains("payment finished: declined"), "{}", rig.log());

    // And each canary is found where there is one.
    let planted = tempfile::tempdir().unwrap();
    for canary in &canaries {
        let text = [b"before".as_slice(), &canary.bytes, b"after"].concat();
        fs::write(planted.path().join("scratch"), text).unwrap();
        let found = search(planted.path(), std::slice::from_ref(canary));
        assert_eq!(found.len(), 1, "the searcher does not find: {}", canary.name);
    }
}

/// The fields of a message that a capture may only show the length of: number, expiry, tracks, PIN block, keys, MAC.
const HIDDEN: [&str; 8] = ["2", "14", "35", "36", "45", "52", "62", "64"];

#[test]
fn no_secret_is_in_a_capture_that_is_kept() {
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    assert_eq!(search(&transcripts, &lasting()), Vec::<String>::new());
    let mut all = Vec::new();
    files(&transcripts, &mut all);
    all.retain(|file| file.extension().is_some_and(|ext| ext == "capture"));
    assert!(!all.is_empty());
    let mut hidden = 0;
    for file in all {
        for line in fs::read_to_string(&file).unwrap().lines() {
            if let Some((_, key)) = line.split_once(" key ") {
                // Digits on the keypad and on the upper row; every one that was typed is a 1.
                let code: u16 = key.split(' ').next().unwrap().parse().unwrap();
                let digit = matches!(code, 71..=73 | 75..=77 | 80..=82 | 3..=11);
                assert!(!digit, "{}: {line}", file.display());
            }
            let Some((_, message)) = line.split_once(" host ").filter(|(_, what)| what.contains('{')) else { continue };
            let message: serde_json::Value = serde_json::from_str(&message[3..]).unwrap();
            for value in HIDDEN.iter().filter_map(|field| message["fields"].get(field)) {
                assert!(value.as_str().unwrap().starts_with('*'), "{}: {line}", file.display());
                hidden += 1;
            }
        }
    }
    assert!(hidden > 0, "nothing was looked at");
}
