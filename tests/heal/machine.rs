//! The disk and what is on it.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::desk::{AMOUNT, Row, measures, seconds, sells, terminal_is, until};
use crate::devices::all_ready;
use crate::rig::{Setup, skip};
use crate::site::{self, TERMINAL, Till};

/// A small disk in memory, as long as this lives.
struct Disk(std::path::PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

pub fn disk_full(name: &str) -> Option<Row> {
    let mut rig = site::rig(name, Setup::default())?;
    let state = rig.path("state");
    fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "heal"]).arg(&state).output();
    if !mounted.is_ok_and(|o| o.status.success()) {
        skip(name, "no file system can be mounted");
        return None;
    }
    let disk = Disk(state.clone());
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    // The log has room of its own; it ends, too.
    let filler = state.join("filler");
    let start = Instant::now();
    let mut number = 0;
    let _ = fs::write(&filler, vec![7u8; 16 << 20]);
    let noticed = until("the disk to refuse", start, || {
        number += 1;
        if let Ok(sale) = till.create(AMOUNT, &format!("fill-{number}")) {
            let _ = till.cancel(&sale);
            // It may be the very one that the disk refuses; then it is not on the bus any more.
            let _ = till.try_acknowledge(&sale);
        }
        terminal_is(&till, "out-of-service")
    });
    let cause = till.property(TERMINAL, "Terminal", "Cause");
    assert_eq!(cause.as_deref(), Some("P02"));
    fs::remove_file(&filler).unwrap();
    let start = Instant::now();
    let healed = until("the terminal to be ready", start, || terminal_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "storage");
    drop((rig, disk));
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(25)), measures })
}

/// The daemon finds a damaged database at its start: it says so on the bus, keeps the file, and works again as soon as a
/// good one is there.
pub fn database_damaged(name: &str) -> Option<Row> {
    let (mut rig, till) = site::started(name, Setup::default())?;
    sells(&rig, &till, "before");
    rig.stop_daemon();
    let database = rig.path("state/pos.db");
    let log = rig.path("state/pos.db-wal");
    let (good, good_log) = (fs::read(&database).unwrap(), fs::read(&log).unwrap());
    // What the log still holds SQLite brings back by itself: so that is gone, too.
    fs::write(&log, "").unwrap();
    let mut bad = good.clone();
    bad[..4096].fill(0xA5);
    fs::write(&database, &bad).unwrap();
    let start = Instant::now();
    rig.start_daemon();
    let noticed = until("the damage to be named", start, || {
        till.property(TERMINAL, "Terminal", "Cause").as_deref() == Some("S02")
    });
    assert!(till.create(AMOUNT, "refused").is_err_and(|e| e.to_string().contains("S02")));
    assert!(!rig.posctl(&["queue", "guard", "--for", "purge"]).status.success(), "nobody knows what is unsent");
    assert_eq!(fs::read(&database).unwrap(), bad, "the file is kept as it is");
    fs::write(&database, &good).unwrap();
    fs::write(&log, &good_log).unwrap();
    let start = Instant::now();
    assert_eq!(rig.wait_daemon(), Some(75));
    rig.start_daemon();
    let healed = until("the terminal to be ready", start, || terminal_is(&till, "ready") && all_ready(&rig, &till));
    assert_eq!(till.outcome(&till.find("before")).as_deref(), Some("approved"));
    sells(&rig, &till, "after");
    let measures = "S02: refused everything, retried".to_owned();
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(20)), measures })
}

/// logind as far as the daemon knows it: it counts how often it is asked for a restart of the machine.
struct Logind(std::sync::mpsc::Sender<bool>);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn reboot(&self, interactive: bool) {
        self.0.send(interactive).unwrap();
    }
}

/// Takes logind's place on the rig's bus.
fn logind(address: &str) -> std::sync::mpsc::Receiver<bool> {
    let (told, asked) = std::sync::mpsc::channel();
    let (address, (ready, up)) = (address.to_owned(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let builder = zbus::connection::Builder::address(address.as_str());
            let served = builder.serve_at("/org/freedesktop/login1", Logind(told)).build().await.unwrap();
            served.request_name("org.freedesktop.login1").await.unwrap();
            ready.send(()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    up.recv().unwrap();
    asked
}

/// A reader that has been dead for twenty minutes, whatever was done; the ledger says so. The machine is restarted once, by
/// logind, after that is on disk; where it is not allowed, or not a second time within the day, it is not.
pub fn reader_dead_for_long(name: &str) -> Option<Row> {
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()?;
    if uptime < 3_700.0 {
        skip(name, "this machine has been up for less than an hour, and is not restarted then");
        return None;
    }
    let heal_config = Some("reboot = true\nsafe_mode_after = 0".to_owned());
    let (mut rig, till) = site::started(name, Setup { heal_config, ..Setup::default() })?;
    rig.stop_daemon();
    rig.reader_order("silence on");
    let database = rig.path("state/pos.db");
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() - 1_200_000_000;
    let db = rusqlite::Connection::open(&database).unwrap();
    db.execute_batch(&format!(
        "INSERT INTO heal VALUES (1, 'reader', 'H02', {began}, NULL);
         INSERT INTO heal_measure VALUES (1, 0, 'restart-component', {began}, 'not-helped'),
             (1, 1, 'restart-component', {began}, 'not-helped'), (1, 2, 'restart-service', {began}, 'open');"
    ))
    .unwrap();
    drop(db);
    let asked = logind(&rig.bus_address);
    let start = Instant::now();
    rig.start_daemon();
    assert_eq!(asked.recv_timeout(crate::rig::PATIENCE), Ok(false), "{}", rig.log());
    let noticed = start.elapsed();
    // As the machine goes down without asking again.
    rig.kill_daemon();
    let db = rusqlite::Connection::open(&database).unwrap();
    let sql = "SELECT count(*) FROM heal_measure WHERE rung = 'reboot' AND effect = 'open'";
    let written: i64 = db.query_row(sql, [], |r| r.get(0)).unwrap();
    assert_eq!(written, 1, "the ledger knew of it before it was asked for");
    drop(db);
    // Still dead after it: once is enough.
    rig.start_daemon();
    let refused = || rig.log().contains("reboot is put off") || rig.log().matches("reader: reboot").count() > 1;
    let end = Instant::now() + seconds(14);
    crate::rig::eventually("some time", || (Instant::now() > end).then_some(()));
    assert!(asked.try_recv().is_err(), "restarted twice ({}):\n{}", refused(), rig.log());
    let start = Instant::now();
    rig.reader_order("silence off");
    let healed = until("the terminal to be ready", start, || terminal_is(&till, "ready") && all_ready(&rig, &till));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "reader");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(34)), measures })
}
