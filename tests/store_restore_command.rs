//! What it proves: `smartposd --restore` brings a backup back into the configured state directory, says what to do next,
//! and refuses where there is a database, without a passphrase, or with the wrong one.

mod store_common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use smartpos::domain::secret::SecretBytes;
use smartpos::store::Store;
use smartpos::store::vault::Vault;
use store_common::*;

const PASSPHRASE: &str = "a sentence that nobody guesses";

/// A machine with configuration and a backup, and no database yet.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(language: &str) -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/profiles");
        let own = machine.path("profiles");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("here.toml"), "base = \"unionpay-example\"\naddresses = [\"127.0.0.1:9\"]\n").unwrap();
        let config = format!(
            "terminal_id = \"99000001\"\nmerchant_id = \"999000000000001\"\nprofile = \"here\"\n\
             profile_dirs = [{shipped:?}, {own:?}]\nstate_dir = {:?}\nlanguage = {language:?}\n",
            machine.state()
        );
        fs::write(machine.path("smartposd.toml"), config).unwrap();
        let other = tempfile::tempdir().unwrap();
        let mut store = open(other.path());
        sale(&mut store, 1);
        sale_offline(&mut store, 2);
        let archive = fs::File::create(machine.path("backup")).unwrap();
        store.backup(&SecretBytes::new(PASSPHRASE.as_bytes().to_vec()), archive).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state/deep")
    }

    fn restore(&self, file: &str, passphrase: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_smartposd"))
            .arg("--config")
            .arg(self.path("smartposd.toml"))
            .arg("--restore")
            .arg(self.path(file))
            .args(["--passphrase-fd", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A child that refuses at once does not read it.
        let _ = writeln!(child.stdin.take().unwrap(), "{passphrase}");
        child.wait_with_output().unwrap()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_backup_is_brought_back_and_the_next_steps_are_said() {
    let machine = Machine::new("en");
    let output = machine.restore("backup", PASSPHRASE);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let key = machine.state().join("sealing.key");
    for part in ["010003", "1 unsent", "compare with the acquirer", key.to_str().unwrap(), "credential"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let store = Store::open(&database(&machine.state()), Vault::find(None, &key).unwrap()).unwrap();
    assert_eq!(store.queue_totals().unwrap().waiting, 1);
    assert_eq!(store.verify_journal().unwrap().broken, None);
    drop(store);
    // A second time it is refused, and what is there stays.
    let before = fs::read(database(&machine.state())).unwrap();
    let again = machine.restore("backup", PASSPHRASE);
    assert!(!again.status.success() && said(&again).contains("pos.db is there already"), "{}", said(&again));
    assert_eq!(fs::read(database(&machine.state())).unwrap(), before);
}

#[test]
fn a_wrong_passphrase_a_foreign_file_and_a_missing_one_each_say_so() {
    let machine = Machine::new("en");
    fs::write(machine.path("foreign"), "a letter to grandmother ".repeat(50)).unwrap();
    for (file, passphrase, part) in [
        ("backup", "not the sentence at all", "the passphrase is not the one"),
        ("backup", "", "the passphrase is not the one"),
        ("foreign", PASSPHRASE, "no backup of smartposd"),
        ("missing", PASSPHRASE, "missing: No such file"),
    ] {
        let output = machine.restore(file, passphrase);
        assert!(!output.status.success() && said(&output).contains(part), "{file}: {}", said(&output));
        assert!(!said(&output).contains("sentence that"), "the passphrase is told");
        assert!(!database(&machine.state()).exists());
    }
}

#[test]
fn it_speaks_the_configured_language() {
    let machine = Machine::new("zh");
    let output = machine.restore("backup", PASSPHRASE);
    assert!(output.status.success() && said(&output).contains("备份已恢复"), "{}", said(&output));
}
