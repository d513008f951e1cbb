//! What it proves: on a disk that is full or refuses writes the shipped daemon takes no payment that it could not account
//! for, loses and deletes nothing, says so (P02), and goes on by itself when the disk does.
//!
//! Run by `tests/rig/disk-faults.sh` in User Mode Linux, on ext4 on a device of the device mapper that can be told to fail.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use rig::{PIN, Rig, Setup, eventually};
use site::{TERMINAL, Till};
use zbus::{OwnedObjectPath, Variant};

const AMOUNT: u64 = 12_800;
const DEVICE: &str = "/dev/dm-0";
/// What a sale ends with whose payment left the bus, because the disk refuses.
const STOPPED: &str = "stopped";
/// Room for a few commits.
const LITTLE: u64 = 300 << 10;

fn command(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The disk under the daemon's state.
struct Disk {
    at: PathBuf,
}

impl Disk {
    fn new(at: PathBuf) -> Self {
        fs::create_dir_all(&at).unwrap();
        command(&["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-J", "size=4", DEVICE]);
        let disk = Self { at };
        disk.mount();
        disk
    }

    /// The file system's own journal is not written by the clock, so that it is met by a fault only where that is meant.
    fn mount(&self) {
        command(&["mount", "-t", "ext4", "-o", "commit=300", DEVICE, self.at.to_str().unwrap()]);
    }

    fn unmount(&self) {
        command(&["umount", self.at.to_str().unwrap()]);
    }

    fn become_device(&self, table: &str) {
        let sectors = std::env::var("DISK_SECTORS").expect("run by tests/rig/disk-faults.sh");
        command(&["dmsetup", "suspend", "--nolockfs", "--noudevsync", "flaky"]);
        command(&["dmsetup", "load", "flaky", "--table", &format!("0 {sectors} {table}")]);
        command(&["dmsetup", "resume", "--noudevsync", "flaky"]);
    }

    fn refuse_writes(&self) {
        self.become_device("flakey /dev/ubda 0 0 1 1 error_writes");
    }

    fn mend(&self) {
        self.become_device("linear /dev/ubda 0");
    }

    /// Fills it up but for a little.
    fn fill(&self) {
        let mut ballast = File::create(self.at.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
        ballast.set_len(ballast.metadata().unwrap().len() - LITTLE).unwrap();
        ballast.sync_all().unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where a test failed, the next one needs the device all the same.
        let _ = std::panic::catch_unwind(|| {
            self.mend();
            self.unmount();
        });
    }
}

/// A shop with this disk. The daemon has to be gone before the disk is.
struct Shop {
    till: Till,
    rig: Rig,
    disk: Disk,
    keys: Vec<String>,
}

impl Shop {
    fn open(test: &str) -> Self {
        // Slow fingers: where the machine stands still for a moment, a short press would pass for a bounce.
        let keypad = ["--press-ms", "150", "--gap-ms", "50"].map(str::to_owned).to_vec();
        let mut rig = Rig::new(test, Setup { keypad, ..Setup::default() }).unwrap();
        site::edit_profile(&rig, "answer = 5", "answer = 15");
        let disk = Disk::new(rig.path("state"));
        rig.start_daemon();
        let till = Till::new(&rig.bus_address);
        till.provision();
        Self { till, rig, disk, keys: Vec::new() }
    }

    /// A sale with its customer: its outcome, or the error that it could not be begun with, or `STOPPED`. `at` is told each
    /// prompt and each state of the sale, before anybody does anything about it.
    fn sell(&mut self, key: &str, at: impl Fn(&Disk, &str)) -> Result<String, String> {
        let none = HashMap::<&str, Variant<'_>>::new();
        let wanted = ("sale", key, AMOUNT, "CNY", none);
        let created = self.till.call(TERMINAL, "Terminal", "CreateTransaction", &wanted).map_err(|e| e.to_string())?;
        self.keys.push(key.to_owned());
        let path: OwnedObjectPath = created.body().deserialize().unwrap();
        self.till.call(path.as_str(), "Transaction", "Start", &()).map_err(|e| e.to_string())?;
        let mut seen = (String::new(), String::new());
        let outcome = eventually("the end of the sale", || {
            let Some(state) = self.till.state(path.as_str()) else {
                // Nothing is told of a payment that cannot be written. Its end stands when the disk does.
                return (self.cause()? == "P02").then(|| STOPPED.to_owned());
            };
            if state != seen.0 {
                at(&self.disk, &state);
                seen.0 = state;
            }
            let prompt = self.till.property(TERMINAL, "Terminal", "Prompt")?;
            if prompt != seen.1 {
                at(&self.disk, &prompt);
                match prompt.as_str() {
                    "present-card" => drop(self.rig.reader_order("card in")),
                    "enter-pin" => drop(self.rig.keypad_order(&format!("type {PIN} enter"))),
                    _ => {}
                }
                seen.1 = prompt;
            }
            self.till.property(path.as_str(), "Transaction", "Outcome").filter(|o| !o.is_empty())
        });
        self.rig.reader_order("card out");
        Ok(outcome)
    }

    /// A sale that is approved. On a machine that stands still now and then a card or a key may be missed: then again.
    fn sell_well(&mut self, key: &str) {
        let mut outcomes = Vec::new();
        for n in 1..=3 {
            let outcome = self.sell(&format!("{key}-{n}"), |_, _| {});
            if outcome.as_deref() == Ok("approved") {
                return;
            }
            outcomes.push(outcome);
            assert!(matches!(outcomes.last().unwrap().as_deref(), Ok("declined" | "cancelled")), "{outcomes:?}");
        }
        panic!("nothing sells: {outcomes:?}\n{}", self.rig.log());
    }

    fn cause(&self) -> Option<String> {
        self.till.property(TERMINAL, "Terminal", "Cause")
    }

    /// The terminal says that storage fails, and takes no payment.
    fn expect_refusal(&mut self) {
        eventually("the cause P02", || (self.cause()? == "P02").then_some(()));
        let refused = self.sell("refused", |_, _| {}).unwrap_err();
        assert!(refused.contains("P02"), "{refused}");
    }

    /// Every payment has an outcome that stands, what is approved here is what is charged there, and sales go on.
    fn expect_all_well(&mut self) {
        self.till.wait_ready();
        let count = self.keys.len();
        self.sell_well(&format!("after-{count}"));
        let mut approved = 0;
        for key in &self.keys {
            let sale = self.till.find(key);
            let outcome = eventually("an outcome that stands", || {
                self.till.property(&sale, "Transaction", "Outcome").filter(|o| !["", "unknown"].contains(&o.as_str()))
            });
            approved += u64::from(outcome == "approved");
        }
        assert_eq!(self.charged(), (approved, approved * AMOUNT), "{}", self.rig.log());
    }

    /// Nothing in the file was hurt.
    fn close(mut self) {
        self.rig.stop_daemon();
        let database = rusqlite::Connection::open(self.disk.at.join("pos.db")).unwrap();
        let said: String = database.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(said, "ok");
    }

    /// The acquirer's count and sum of charges that stand.
    fn charged(&self) -> (u64, u64) {
        let ledger = self.rig.ledger();
        (ledger["charged"].as_u64().unwrap(), ledger["charged_sum"].as_u64().unwrap())
    }
}

#[test]
#[ignore = "run by tests/rig/disk-faults.sh"]
fn a_full_disk_stops_sales_and_room_brings_them_back() {
    let mut shop = Shop::open("a_full_disk_stops_sales_and_room_brings_them_back");
    shop.sell_well("roomy");
    shop.rig.stop_daemon();
    // As if there had never been room for the log, which else is long enough for many sales.
    let database = rusqlite::Connection::open(shop.disk.at.join("pos.db")).unwrap();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(database);
    shop.disk.fill();
    shop.rig.start_daemon();
    shop.till.wait_ready();
    let daemon = shop.rig.daemon_pid();
    let mut sold = 0;
    loop {
        match shop.sell(&format!("full-{sold}"), |_, _| {}).as_deref() {
            Ok("approved" | "declined") => sold += 1,
            stopped => break println!("after {sold} sales: {stopped:?}"),
        }
        assert!(sold < 100, "the disk is not full");
    }
    shop.expect_refusal();
    shop.disk.make_room();
    shop.expect_all_well();
    assert_eq!(shop.rig.daemon_pid(), daemon);
    shop.close();
}

/// What is seen just before each of the three commits of a sale.
const STEPS: [&str; 3] = ["idle", "enter-pin", "authorising"];

#[test]
#[ignore = "run by tests/rig/disk-faults.sh"]
fn writes_that_fail_at_any_step_of_a_sale_cost_nobody_money() {
    let mut shop = Shop::open("writes_that_fail_at_any_step_of_a_sale_cost_nobody_money");
    for killed in [false, true] {
        for step in STEPS {
            let key = format!("{step}-{}", if killed { "killed" } else { "healed" });
            match step {
                "idle" => shop.disk.refuse_writes(),
                // The answer comes, an approval, when the disk is broken already.
                "authorising" => drop(shop.rig.acquirer_order("fault 0200 delay 4000 x1")),
                _ => {}
            }
            let outcome = shop.sell(&key, |disk, seen| {
                if seen == step {
                    disk.refuse_writes();
                }
            });
            println!("writes fail, {key}: {outcome:?}");
            assert_ne!(outcome.as_deref(), Ok("approved"));
            shop.expect_refusal();
            if killed {
                shop.rig.kill_daemon();
            }
            shop.disk.mend();
            if killed {
                shop.rig.start_daemon();
            }
            shop.expect_all_well();
        }
    }
    shop.close();
}

#[test]
#[ignore = "run by tests/rig/disk-faults.sh"]
fn a_file_system_that_turned_read_only_is_reported_until_it_is_mended() {
    let mut shop = Shop::open("a_file_system_that_turned_read_only_is_reported_until_it_is_mended");
    shop.sell_well("healthy");
    shop.disk.refuse_writes();
    fs::write(shop.disk.at.join("note"), "to have the journal fail").unwrap();
    File::open(&shop.disk.at).unwrap().sync_all().unwrap_err();
    shop.sell("read-only", |_, _| {}).unwrap_err();
    shop.expect_refusal();
    // The device is well again, but the file system does not trust it until somebody has looked.
    shop.disk.mend();
    shop.expect_refusal();
    shop.rig.stop_daemon();
    shop.disk.unmount();
    // Its status says 1 when it has mended something.
    let mended = Command::new("e2fsck").args(["-p", "-f", DEVICE]).output().unwrap();
    assert!(mended.status.code().is_some_and(|code| code <= 1), "{mended:?}");
    shop.disk.mount();
    shop.rig.start_daemon();
    shop.expect_all_well();
    shop.close();
}
