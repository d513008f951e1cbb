//! The daemon's lines in the real journal.
//!
//! Proves: a real `systemd-journald` keeps the fields POS_COMPONENT, POS_TXN, POS_STATE, POS_CAUSE and POS_EVIDENCE of what the
//! daemon says, so that `journalctl POS_TXN=…` shows one payment; and neither card number nor key stands in its files.
//!
//! journald runs in a mount namespace of its own, with /run and /var/log of its own, and so does the daemon.

#[path = "common/rig.rs"]
mod rig;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rig::{COMPONENTS, PAN, Process, Rig, Setup, eventually, skip};
use serde_json::Value;

const JOURNALD: [&str; 2] = ["/lib/systemd/systemd-journald", "/usr/lib/systemd/systemd-journald"];

/// What the namespace's first shell does. Storage in its own /run; the machine's kernel log is not read, its audit left as
/// it is (that is what the empty setting means).
const INSIDE: &str = "set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /var/lib/systemd/catalog
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\nAudit=\\nReadKMsg=no\\nRateLimitIntervalSec=0\\n' >/run/systemd/journald.conf.d/rig.conf
exec \"$0\"";

/// A journald that only this test talks to.
struct Journald(Process);

impl Journald {
    /// `None`, loudly, where there can be none.
    fn start(test: &str) -> Option<Self> {
        let Some(program) = JOURNALD.iter().find(|p| Path::new(p).exists()) else {
            skip(test, "no systemd-journald; apt-get install systemd");
            return None;
        };
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", INSIDE, program]);
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = match started {
            Ok(child) => Process(child),
            Err(why) => {
                skip(test, &format!("no unshare: {why}; apt-get install util-linux"));
                return None;
            }
        };
        let socket = root_of(&child.0).join("run/systemd/journal/socket");
        let up = eventually("systemd-journald", || match child.0.try_wait().unwrap() {
            Some(_) => Some(false),
            // Before it has its own /run this would be the machine's.
            None => (own_run(&child.0) && socket.exists()).then_some(true),
        });
        if !up {
            let mut why = String::new();
            child.0.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            skip(test, &format!("no namespace with a systemd-journald: {}", why.trim()));
            return None;
        }
        Some(Self(child))
    }

    /// A command that is run where this journald is the journal.
    fn through(&self) -> Vec<String> {
        let pid = self.0.0.id().to_string();
        ["nsenter", "--target", &pid, "--mount", "--"].map(str::to_owned).to_vec()
    }

    fn directory(&self) -> PathBuf {
        root_of(&self.0.0).join("run/log/journal")
    }

    /// All entries with these fields, the oldest first.
    fn entries(&self, fields: &[&str]) -> Vec<Value> {
        let mut command = Command::new("journalctl");
        command.arg("--directory").arg(self.directory()).args(["--output", "json", "--no-pager"]).args(fields);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for an entry with these fields.
    fn wait(&self, fields: &[&str]) -> Value {
        eventually(&format!("an entry with {fields:?}"), || self.entries(fields).pop())
    }

    /// The bytes of its files.
    fn raw(&self) -> Vec<u8> {
        let machines = fs::read_dir(self.directory()).unwrap().map(|entry| entry.unwrap().path());
        let files = machines.flat_map(|machine| fs::read_dir(machine).unwrap()).map(|file| file.unwrap().path());
        files.flat_map(|file| fs::read(file).unwrap()).collect()
    }
}

fn root_of(child: &Child) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root", child.id()))
}

fn own_run(child: &Child) -> bool {
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", child.id())).unwrap_or_default();
    mounts.contains("tmpfs /var/log ")
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn the_journal_keeps_the_fields_and_no_secret() {
    let test = "the_journal_keeps_the_fields_and_no_secret";
    let Some(journald) = Journald::start(test) else { return };
    let config = "journal = \"journald\"".to_owned();
    let Some(rig) = Rig::ready(test, Setup { config, through: journald.through(), ..Setup::default() }) else { return };
    let result = rig.sell("128.00", "order-1").result();
    assert_eq!(result["outcome"], "approved", "{result}");
    let code = result["code"].as_str().unwrap();
    rig.reader_order("card out");
    rig.reader_order("unplug");
    rig.json(&["maintenance", "done", "cleaning", "--note", "wiped"]);
    journald.wait(&["POS_EVENT=maintenance", "POS_STATE=cleaning"]);

    let gone = journald.wait(&["POS_COMPONENT=reader", "POS_CAUSE=H01", "PRIORITY=4"]);
    assert_eq!(gone["SYSLOG_IDENTIFIER"], "smartposd", "{gone}");
    assert_eq!(gone["_PID"], rig.daemon_pid().to_string(), "{gone}");
    assert!(gone["POS_EVIDENCE"].as_str().unwrap().contains("plug the device in"), "{gone}");
    let without_key = journald.wait(&["POS_COMPONENT=terminal", "POS_STATE=signed-out"]);
    assert_eq!(without_key["POS_CAUSE"], "K04", "{without_key}");

    // One payment, by the code that is on the receipt.
    journald.wait(&[&format!("POS_TXN={code}"), "POS_STATE=approved"]);
    let states: Vec<_> =
        journald.entries(&[&format!("POS_TXN={code}")]).into_iter().map(|e| e["POS_STATE"].clone()).collect();
    assert_eq!(states, ["authorising", "approved"]);
    let catalogue = include_str!("../systemd/smartposd.catalog");
    for entry in journald.entries(&[&format!("_PID={}", rig.daemon_pid())]) {
        assert!(entry["POS_COMPONENT"].is_string(), "no component: {entry}");
        assert!(entry["POS_EVENT"].is_string(), "no event: {entry}");
        let id = entry["MESSAGE_ID"].as_str().unwrap_or_default();
        assert!(catalogue.contains(&format!("-- {id}\n")), "{id} is not in the catalogue: {entry}");
    }

    every_query_of_the_manual_finds_lines(&journald, code);
    the_catalogue_prints_what_to_do(&journald);

    let said = journald.entries(&[]).iter().map(Value::to_string).collect::<String>();
    let raw = journald.raw();
    assert!(said.contains(code) && holds(&raw, code.as_bytes()), "what was searched is not the journal");
    for secret in [PAN, COMPONENTS[0], COMPONENTS[1]] {
        assert!(!said.contains(secret) && !holds(&raw, secret.as_bytes()), "{secret} stands in the journal");
        // Whole bytes only: eight of nine bytes of this card number read like a number of the journal's own.
        let packings = if secret.len() % 2 == 0 {
            vec![secret.to_owned()]
        } else {
            vec![format!("0{secret}"), format!("{secret}0"), format!("{secret}f")]
        };
        for packed in packings {
            assert!(!holds(&raw, &unhex(&packed)), "{secret} stands in the journal, packed");
        }
    }
}

/// The queries stand in the manual page; each is run as it is printed there.
fn every_query_of_the_manual_finds_lines(journald: &Journald, code: &str) {
    let page = include_str!("../debian/smartposd.8");
    let queries: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".Dl journalctl ")).collect();
    assert!(queries.len() >= 6, "the manual was not read");
    for query in queries {
        let mut command = Command::new("journalctl");
        command.arg("--directory").arg(journald.directory()).args(["--no-pager", "--quiet"]);
        let output = command.args(query.replace("CODE", code).split(' ')).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "journalctl {query}: no line");
    }
}

/// The catalogue as the package installs it, built and read by systemd's own tools. Chinese needs its locale.
fn the_catalogue_prints_what_to_do(journald: &Journald) {
    let root = tempfile::tempdir().unwrap();
    let there = root.path().join("usr/lib/systemd/catalog");
    fs::create_dir_all(&there).unwrap();
    fs::create_dir_all(root.path().join("var/lib/systemd/catalog")).unwrap();
    for name in ["smartposd.catalog", "smartposd.zh_CN.catalog"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name), there.join(name)).unwrap();
    }
    let built = Command::new("journalctl").args(["--update-catalog", "--root"]).arg(root.path()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let database = root_of(&journald.0.0).join("var/lib/systemd/catalog/database");
    fs::copy(root.path().join("var/lib/systemd/catalog/database"), database).unwrap();
    journald.wait(&["POS_CAUSE=H01"]);
    let locales = root.path().join("locales");
    fs::create_dir(&locales).unwrap();
    let made = Command::new("localedef").args(["-i", "zh_CN", "-f", "UTF-8"]).arg(locales.join("zh_CN.UTF-8")).output();
    let chinese = made.is_ok_and(|made| made.status.success());
    for (language, remedy) in
        [("C.UTF-8", "What to do: plug the card reader in"), ("zh_CN.UTF-8", "插紧读卡器的数据线")]
    {
        if language != "C.UTF-8" && !chinese {
            skip("the_catalogue_prints_what_to_do", "no zh_CN locale; apt-get install locales");
            continue;
        }
        // As a technician types it, on a line that the daemon has just written.
        let words = [&journald.through()[..], &["journalctl", "-x", "--no-pager", "POS_CAUSE=H01"].map(str::to_owned)];
        let words = words.concat();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("LC_ALL", language);
        if language != "C.UTF-8" {
            command.env("LOCPATH", &locales);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(remedy), "{language}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
}
