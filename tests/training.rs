//! What it proves: training is a terminal of its own that can never reach a live host, and nobody can take it for real.
//!
//! Each bar is attacked by itself, with the shipped programs: a training daemon that is told to use a live host, one whose
//! host is none of training, databases and keys in the wrong place, apps that do not know of training, two daemons at once.

#[path = "common/command.rs"]
mod command;
#[path = "common/lesson.rs"]
mod lesson;
#[path = "common/rig.rs"]
mod rig;
mod store_common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use command::{ZH, json_of, run, run_in};
use lesson::Lesson;
use rig::{PAN, PIN, Rig, SMARTPOSD, Setup, eventually};
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::training::MASTER_KEY;
use smartpos::store::Store;
use smartpos::store::vault::Vault;
use store_common::sale_offline;

const KEY: [u8; 32] = [0x5A; 32];

/// Runs the daemon to its end, which has to come by itself.
fn daemon_ends(rig: &Rig, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["30", SMARTPOSD, "--config"]).arg(rig.path("smartposd.toml"));
    command.arg("--bus").arg(&rig.bus_address).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_ne!(output.status.code(), Some(124), "the daemon went on");
    output
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "it was not refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether nobody has knocked.
fn untouched(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    listener.accept().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
}

/// How often anybody connected to the rig's live host.
fn visits(rig: &Rig) -> u64 {
    rig.ledger()["connections"].as_u64().expect("the live host counts its connections")
}

/// What answers like a host that waits for a request: connections so far, and bytes that came on all of them.
fn host_that_waits() -> (String, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let seen = Arc::clone(&counts);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut bytes = Vec::new();
            // To the end of the connection: whatever is sent is counted.
            let _ = stream.unwrap().read_to_end(&mut bytes);
            seen[1].fetch_add(bytes.len(), Ordering::SeqCst);
            seen[0].fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, counts)
}

#[test]
fn a_training_daemon_that_is_told_to_use_a_live_host_does_not_start_and_nobody_is_connected_to() {
    let test = "a_training_daemon_that_is_told_to_use_a_live_host_does_not_start_and_nobody_is_connected_to";
    let Some(lesson) = Lesson::prepared(test, Setup::default()) else { return };
    let elsewhere = TcpListener::bind("127.0.0.2:0").unwrap();
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    let (there, port) = (elsewhere.local_addr().unwrap(), here.local_addr().unwrap().port());
    let live = lesson.rig.acquirer_address.clone();
    for (address, why) in [
        (live.clone(), "has the port of the live host"),
        (live.replace("127.0.0.1", "[::1]"), "has the port of the live host"),
        (there.to_string(), "not on this machine"),
        (format!("localhost:{port}"), "not on this machine"),
    ] {
        lesson.write_profile(&address, "");
        let said = complaint(&daemon_ends(&lesson.rig, &["--training"]));
        assert!(said.contains(why) && said.contains("training"), "{address}: {said}");
    }
    assert!(untouched(&elsewhere) && untouched(&here));
    assert_eq!(visits(&lesson.rig), 0);
    // A live profile that cannot be read is not known, and so nothing can be kept away from it.
    lesson.write_profile(&lesson.host_address, "");
    fs::write(lesson.rig.path("profiles/rig.toml"), "addresses = [").unwrap();
    complaint(&daemon_ends(&lesson.rig, &["--training"]));
}

#[test]
fn what_is_no_training_host_gets_not_one_byte() {
    let Some(mut lesson) = Lesson::prepared("what_is_no_training_host_gets_not_one_byte", Setup::default()) else {
        return;
    };
    // A tunnel to the acquirer, say, that nobody has written into the live profile.
    let (address, counts) = host_that_waits();
    lesson.write_profile(&address, "");
    lesson.rig.start_daemon();
    eventually("a second try to connect", || (counts[0].load(Ordering::SeqCst) >= 2).then_some(()));
    assert_eq!(counts[1].load(Ordering::SeqCst), 0, "bytes were sent to a host that is none of training");
    let terminal = lesson.rig.json(&["status"])["terminal"].clone();
    assert!(terminal["evidence"].as_str().unwrap().contains("training host"), "{terminal}");
    // Nor does the doctor send it anything.
    let before = counts[0].load(Ordering::SeqCst);
    lesson.rig.posctl(&["doctor"]);
    eventually("one more connection", || (counts[0].load(Ordering::SeqCst) > before).then_some(()));
    assert_eq!(counts[1].load(Ordering::SeqCst), 0);
    assert_eq!(visits(&lesson.rig), 0);
}

#[test]
fn a_live_daemon_does_not_work_with_a_training_host() {
    let Some(lesson) = Lesson::prepared("a_live_daemon_does_not_work_with_a_training_host", Setup::default()) else {
        return;
    };
    let mut rig = lesson.rig;
    rig.restart_acquirer(&[]);
    let profile = fs::read_to_string(rig.path("profiles/rig.toml")).unwrap();
    fs::write(rig.path("profiles/rig.toml"), profile.replace(&rig.acquirer_address, &lesson.host_address)).unwrap();
    rig.set_arguments(&[]);
    rig.start_daemon();
    rig.provision();
    eventually("a failed sign-in", || {
        let terminal = rig.json(&["status"])["terminal"].clone();
        assert_ne!(terminal["state"], "ready");
        (!terminal["cause"].as_str().unwrap().is_empty()).then_some(())
    });
}

/// A network namespace with its loopback up; gone with the value.
struct Namespace(String);

impl Namespace {
    fn new() -> Option<Self> {
        let space = Self(format!("smartpos-training-{}", std::process::id()));
        let ip = |arguments: &[&str]| Command::new("ip").args(arguments).output().is_ok_and(|o| o.status.success());
        let made = ip(&["netns", "add", &space.0]) && ip(&["-n", &space.0, "link", "set", "lo", "up"]);
        made.then_some(space)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

#[test]
fn training_works_in_a_network_that_holds_its_host_and_nothing_else() {
    let test = "training_works_in_a_network_that_holds_its_host_and_nothing_else";
    let Some(space) = Namespace::new() else { return rig::skip(test, "no network namespace; root and iproute2") };
    let Some(mut lesson) = Lesson::prepared_within(test, &space.0) else { return };
    lesson.rig.start_daemon();
    let rig = &lesson.rig;
    rig.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], "271828");
    rig.posctl_with_secret(&["operator", "sign-in", "01"], "271828");
    rig.wait_terminal("ready");
    // The doctor is not misled by a machine without a network.
    let doctor = run(rig, &["doctor"]);
    assert_eq!(doctor.code, 0, "{}{}", doctor.out, doctor.err);
    let to_live = format!("/dev/tcp/{}", rig.acquirer_address.replace(':', "/"));
    let mut reach = Command::new("ip");
    reach.args(["netns", "exec", &space.0, "bash", "-c", &format!("exec 3<>{to_live}")]);
    assert!(!reach.output().unwrap().status.success(), "the live host can be reached from there");
    assert_eq!(visits(rig), 0);
}

/// A systemctl that writes down what it is told and carries out what this shell text says.
fn fake_systemctl(rig: &Rig, script: &str) -> String {
    let tools = rig.path("tools");
    fs::create_dir_all(&tools).unwrap();
    let text = format!("#!/bin/sh\necho \"$@\" >> {}\n{script}\n", rig.path("orders").display());
    fs::write(tools.join("systemctl"), text).unwrap();
    fs::set_permissions(tools.join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", tools.display(), std::env::var("PATH").unwrap())
}

fn orders(rig: &Rig) -> Vec<String> {
    fs::read_to_string(rig.path("orders")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn real_payments_are_left_only_when_none_is_under_way_and_are_back_when_training_does_not_begin() {
    let test = "real_payments_are_left_only_when_none_is_under_way_and_are_back_when_training_does_not_begin";
    let Some(rig) = Rig::ready(test, Setup::default()) else { return };
    // It never gets as far as a training daemon: that unit fails here.
    let path = fake_systemctl(&rig, "case \"$*\" in *start*training*) exit 1;; esac");
    let change = |verb: &str| {
        let mut command = rig.posctl_command(&["training", verb]);
        command::said(&command.env("PATH", &path).stdin(Stdio::null()).output().unwrap())
    };
    let mut sale = rig.posctl_command(&["sale", "12.34", "--key", "a"]);
    let sale = rig::Process(sale.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    rig.wait_terminal("busy");
    let busy = change("start");
    assert!(busy.code == 1 && busy.err.contains("a payment is under way"), "{}", busy.err);
    drop(sale);
    rig.wait_terminal("ready");
    assert_eq!(orders(&rig), Vec::<String>::new());
    let failed = change("start");
    assert!(failed.code == 1 && failed.err.contains("start smartposd-training.service"), "{}", failed.err);
    let done = [
        "stop smartposd.service",
        "start smartposd-training.service",
        "stop smartposd-training.service smartposd-training-host.service",
        "start smartposd.service",
    ];
    assert_eq!(orders(&rig), done);
    assert_eq!(change("stop").code, 0);
    assert_eq!(orders(&rig)[4..], done[2..]);
}

/// A training store with a payment that was accepted offline and waits to be sent, in this directory under these names.
fn training_store(directory: &Path, key_file: &str) {
    fs::create_dir_all(directory).unwrap();
    let mut store = Store::open(&directory.join("pos.db"), Vault::training(&KEY)).unwrap();
    sale_offline(&mut store, 1);
    drop(store);
    fs::write(directory.join(key_file), KEY).unwrap();
    fs::set_permissions(directory.join(key_file), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_training_queue_in_the_live_place_is_refused_and_never_forwarded() {
    let test = "a_training_queue_in_the_live_place_is_refused_and_never_forwarded";
    let Some(mut rig) = Rig::new(test, Setup::default()) else { return };
    training_store(&rig.path("state"), "sealing.key");
    rig.start_daemon();
    let terminal = rig.json(&["status"])["terminal"].clone();
    assert!(terminal["state"] == "out-of-service" && terminal["cause"] == "S07", "{terminal}");
    assert!(terminal["evidence"].as_str().unwrap().contains("this is a training database"), "{terminal}");
    rig.stop_daemon();
    let state = Command::new(SMARTPOSD).arg("--config").arg(rig.path("smartposd.toml")).arg("--queue-state").output();
    assert!(complaint(&state.unwrap()).contains("training database"));
    // Somebody takes the stamp away: what is sealed in it still opens for nobody but training.
    let db = rusqlite::Connection::open(rig.path("state/pos.db")).unwrap();
    db.pragma_update(None, "application_id", 0).unwrap();
    drop(db);
    rig.start_daemon();
    let terminal = rig.json(&["status"])["terminal"].clone();
    assert!(terminal["state"] == "out-of-service" && terminal["cause"] == "S02", "{terminal}");
    assert_eq!(visits(&rig), 0, "a live host was connected to");
}

#[test]
fn a_backup_of_training_is_not_brought_back_for_real_payments() {
    let test = "a_backup_of_training_is_not_brought_back_for_real_payments";
    let Some(rig) = Rig::new(test, Setup::default()) else { return };
    training_store(&rig.path("lesson"), "training.key");
    let store = Store::open(&rig.path("lesson/pos.db"), Vault::training(&KEY)).unwrap();
    let passphrase = "a sentence that nobody guesses";
    let archive = fs::File::create(rig.path("backup")).unwrap();
    store.backup(&SecretBytes::new(passphrase.as_bytes().to_vec()), archive).unwrap();
    let mut command = Command::new(SMARTPOSD);
    command.arg("--config").arg(rig.path("smartposd.toml")).arg("--restore").arg(rig.path("backup"));
    command.args(["--passphrase-fd", "0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{passphrase}").unwrap();
    let said = complaint(&child.wait_with_output().unwrap());
    assert!(said.contains("training database"), "{said}");
    assert!(!rig.path("state/pos.db").exists() && !rig.path("state/sealing.key").exists());
}

#[test]
fn a_live_database_in_the_place_of_training_is_refused_and_left_alone() {
    let test = "a_live_database_in_the_place_of_training_is_refused_and_left_alone";
    let Some(mut lesson) = Lesson::prepared(test, Setup::default()) else { return };
    let place = lesson.rig.path("state/training");
    fs::create_dir_all(&place).unwrap();
    let mut store = Store::open(&place.join("pos.db"), Vault::new(&KEY)).unwrap();
    sale_offline(&mut store, 1);
    drop(store);
    lesson.rig.start_daemon();
    let status = lesson.rig.json(&["status"]);
    assert!(status["terminal"]["cause"] == "S07" && status["training"] == true, "{status}");
    lesson.rig.stop_daemon();
    // Its own kind still takes it.
    Store::open(&place.join("pos.db"), Vault::new(&KEY)).unwrap().integrity().unwrap();
}

#[test]
fn the_live_keys_are_not_opened_in_training_and_neither_side_takes_the_others() {
    let test = "the_live_keys_are_not_opened_in_training_and_neither_side_takes_the_others";
    let Some(mut lesson) = Lesson::prepared(test, Setup::default()) else { return };
    // Whoever opens one of these waits for ever, and the daemon would not get ready.
    fs::create_dir_all(lesson.rig.path("state")).unwrap();
    let credentials = lesson.rig.path("credentials");
    fs::create_dir_all(&credentials).unwrap();
    for pipe in ["state/sealing.key", "state/pos.db", "state/pos.db-wal", "credentials/smartposd.sealing-key"] {
        nix::unistd::mkfifo(&lesson.rig.path(pipe), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    lesson.rig.set_environment("CREDENTIALS_DIRECTORY", credentials.display().to_string());
    lesson.rig.start_daemon();
    assert!(lesson.rig.path("state/training/training.key").exists());
    let rig = &lesson.rig;
    rig.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], "271828");
    let load = ["keys", "load", "--component", "1", "--custodian", "Li"];
    let refused = rig.refused_with_secret(&load, "--component-fd", rig::COMPONENTS[0]);
    assert!(refused.contains("never entered here"), "{refused}");
    drop(lesson);
    // The key of training is no real one, whoever types it.
    let Some(mut rig) = Rig::new(test, Setup::default()) else { return };
    rig.start_daemon();
    rig.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], "271828");
    let one = u128::from_str_radix(rig::COMPONENTS[0], 16).unwrap();
    let other = u128::from_be_bytes(MASTER_KEY) ^ one;
    rig.with_secret(&load, "--component-fd", rig::COMPONENTS[0]);
    let load = ["keys", "load", "--component", "2", "--custodian", "Wang"];
    let refused = rig.refused_with_secret(&load, "--component-fd", &format!("{other:032X}"));
    assert!(refused.contains("the key of training"), "{refused}");
    assert_eq!(rig.json(&["keys", "status"])["master_key_check"], "");
}

#[test]
fn live_and_training_do_not_run_at_the_same_time() {
    let Some(mut lesson) = Lesson::ready("live_and_training_do_not_run_at_the_same_time", Setup::default()) else {
        return;
    };
    for arguments in [&[][..], &["--training"]] {
        let said = complaint(&daemon_ends(&lesson.rig, arguments));
        assert!(said.contains("in use by another smartposd, live or training"), "{said}");
    }
    assert_eq!(lesson.rig.json(&["training", "status"])["training"], true);
    lesson.rig.stop_daemon();
    lesson.rig.set_arguments(&[]);
    lesson.rig.start_daemon();
    assert_eq!(lesson.rig.json(&["training", "status"])["training"], false);
    complaint(&daemon_ends(&lesson.rig, &["--training"]));
    // And who asks for an exercise then is not charged.
    let refused = run(&lesson.rig, &["sale", "1.00", "--training"]);
    assert!(refused.code == 1 && refused.err.contains("would charge the card"), "{}", refused.err);
}

/// Every regular file below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

#[test]
fn every_result_of_training_is_marked_and_who_does_not_know_of_training_gets_none() {
    let test = "every_result_of_training_is_marked_and_who_does_not_know_of_training_gets_none";
    let taps = Setup { reader: vec!["--tap-delay-ms".into(), "0".into()], ..Setup::default() };
    let Some(lesson) = Lesson::ready(test, taps) else { return };
    let rig = &lesson.rig;
    let unaware = run(rig, &["sale", "12.34", "--key", "unaware"]);
    assert!(unaware.code == 1 && unaware.err.contains("WrongState"), "{}", unaware.err);
    assert!(unaware.err.contains("training mode and moves no money"), "{}", unaware.err);
    let good = run(rig, &["sale", "12.34", "--key", "good", "--training"]);
    let last = good.out.trim_end().lines().last().unwrap();
    assert!(good.code == 0 && last.starts_with("[TRAINING] approved  TRAINING"), "{}{}", good.out, good.err);
    assert!(good.out.contains("[TRAINING] CNY 12.34: present your card"), "{}", good.out);
    let zh = run_in(rig, ZH, &["sale", "12.34", "--key", "zh", "--training"], "");
    assert!(zh.out.contains("【培训】") && zh.out.trim_end().lines().last().unwrap().starts_with("【培训】交易成功"));
    let (code, lines) = json_of(rig, &["sale", "1", "--key", "json", "--training"], "");
    assert!(code == 0 && lines.last().unwrap()["training"] == true, "{lines:?}");
    for row in rig.json(&["transactions"])["transactions"].as_array().unwrap() {
        assert!(row["training"] == true && row["code"].as_str().unwrap().starts_with("TRAINING"), "{row}");
    }
    assert!(
        run(rig, &["transactions"]).out.lines().filter(|l| l.contains("approved")).all(|l| l.contains("[TRAINING]"))
    );
    assert!(run(rig, &["transaction", "show", "good"]).out.contains("[TRAINING] approved"));
    let status = rig.json(&["status"]);
    assert!(status["training"] == true && status["terminal"]["terminal_id"] == "TRAINING", "{status}");
    let shown = run(rig, &["status"]).out;
    assert!(shown.starts_with("[TRAINING]") && shown.contains("practise: posctl sale --training"), "{shown}");
    // Each line of the journal too.
    let log = rig.log();
    assert!(log.lines().count() > 10 && log.lines().all(|line| line[5..].starts_with(" [TRAINING] ")), "{log}");
    // Who asks whether real money is unsent is not told that nothing is.
    let guard = run(rig, &["queue", "guard", "--for", "upgrade"]);
    assert!(guard.code == 1 && guard.err.contains("InTraining"), "{}{}", guard.out, guard.err);
    // The money is with the training host, as far as it is anywhere.
    assert_eq!(visits(rig), 0);
    let ledger: serde_json::Value = serde_json::from_str(lesson.host_order("ledger").trim()).unwrap();
    assert_eq!(ledger["requests"]["0200"], 3, "{ledger}");
    // And secrets are as safe as with real payments.
    with_pin(&lesson);
    let mut all = Vec::new();
    files(&rig.path("state"), &mut all);
    all.push(rig.path("daemon.log"));
    assert!(all.iter().any(|file| file.ends_with("training/pos.db")), "{all:?}");
    for file in all.iter().filter(|file| file.exists()) {
        let bytes = fs::read(file).unwrap();
        let secrets: [&[u8]; 3] = [PAN.as_bytes(), PIN.as_bytes(), &MASTER_KEY];
        let found = secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == *secret));
        assert!(!found, "{}: a secret stands there", file.display());
    }
}

/// A sale that needs the PIN.
fn with_pin(lesson: &Lesson) {
    let rig = &lesson.rig;
    let mut command = rig.posctl_command(&["sale", "1200", "--key", "pin", "--training"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    eventually("the prompt for the PIN", || (rig.json(&["status"])["terminal"]["prompt"] == "enter-pin").then_some(()));
    rig.keypad_order(&format!("type {PIN} enter"));
    assert!(child.wait().unwrap().success());
}
