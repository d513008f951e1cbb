//! What a whole sale of the shipped daemon costs the card it writes to: commits (rows of the journal: one a commit) and
//! bytes, beside the least that could be flushed, 4 KiB a commit.

use std::error::Error;

use zbus::Connection;

use crate::Figure;
use crate::owner::Owner;
use crate::rig::{Rig, Setup};
use crate::scene::edit;
use crate::stats::Row;

/// Enough for a checkpoint to have its share; below what one card may do offline in a day.
const SALES: u32 = 90;
const MINOR: u64 = 500;

/// Limits that a bench does not come to.
const OFFLINE: &str = "[offline]\nenabled = true\nsum = 999999999\ncount = 1000000\nper_card_per_day = 100\n\
                           hold_after_days = 365\n";

/// Signed in, a card in the field that needs no PIN.
pub fn shop(name: &str) -> Result<Rig, Box<dyn Error>> {
    let setup = Setup { profile: OFFLINE.into(), ..Setup::default() };
    let mut rig = Rig::new(name, setup).ok_or("no dbus-daemon")?;
    edit(&rig, "profiles/rig.toml", "pin_above = 0", "pin_above = 5000000")?;
    rig.reader_order("card in");
    rig.start_daemon();
    rig.provision();
    rig.wait_terminal("ready");
    Ok(rig)
}

pub fn measure() -> Figure {
    let mut rig = shop("benches/wear")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut owner = Owner::on(&rig.bus_address).await?;
        let online = wear(&rig, &mut owner, "online-only", "approved").await?;
        rig.stop_acquirer();
        let offline = wear(&rig, &mut owner, "offline-only", "approved-offline").await?;
        let mut rows = online.rows("online", 3.0, "≤ 60 KiB");
        rows.extend(offline.rows("offline", 2.0, "≤ 40 KiB"));
        Ok(rows)
    })
}

struct Wear {
    commits: f64,
    kib: f64,
}

impl Wear {
    fn rows(&self, kind: &str, least: f64, kib: &str) -> Vec<Row> {
        let commits = format!("commits of an {kind} sale, whole daemon");
        let written = format!("KiB written for an {kind} sale, log lines and checkpoints included; 4 KiB a commit");
        vec![
            Row::new(&commits, format!("{:.2}", self.commits), format!("{least:.0}"), &format!("≤ {least:.0}"))
                .ratio(self.commits / least),
            Row::new(&written, format!("{:.0} KiB", self.kib), format!("{:.0} KiB", 4.0 * least), kib)
                .ratio(self.kib / 4.0 / least),
        ]
    }
}

async fn wear(rig: &Rig, owner: &mut Owner, mode: &str, outcome: &str) -> Result<Wear, Box<dyn Error>> {
    // The first one opens what stays open.
    sell(owner, mode, outcome).await?;
    let last = last_row(&owner.connection, 0).await?;
    let before = written(rig)?;
    for _ in 0..SALES {
        sell(owner, mode, outcome).await?;
    }
    let bytes = written(rig)? - before;
    let commits = last_row(&owner.connection, last).await? - last;
    let each = |n: u64| n as f64 / f64::from(SALES);
    Ok(Wear { commits: each(commits), kib: each(bytes) / 1024.0 })
}

async fn sell(owner: &mut Owner, mode: &str, outcome: &str) -> Result<(), Box<dyn Error>> {
    let sale = owner.create(MINOR, mode).await?;
    owner.start(&sale).await?;
    owner.until("finished").await?;
    let found = owner.outcome(&sale).await?;
    if found != outcome {
        return Err(format!("a sale that was to be {outcome} is {found}").into());
    }
    owner.acknowledge(&sale).await
}

/// Number of the journal's last row, from this one on.
async fn last_row(connection: &Connection, mut after: u64) -> Result<u64, Box<dyn Error>> {
    let face = Some("org.smartposd.Pos1.Manager");
    loop {
        let (service, path) = (Some("org.smartposd.Pos1"), "/org/smartposd/Pos1");
        let answer = connection.call_method(service, path, face, "ExportJournal", &(after, 1000u32)).await?;
        let rows: Vec<(u64, u64, String, String)> = answer.body().deserialize()?;
        let Some((number, ..)) = rows.last() else { return Ok(after) };
        after = *number;
    }
}

/// Bytes the daemon has sent towards the disk.
fn written(rig: &Rig) -> Result<u64, Box<dyn Error>> {
    let io = std::fs::read_to_string(format!("/proc/{}/io", rig.daemon_pid()))?;
    let line = io.lines().find_map(|l| l.strip_prefix("write_bytes: ")).ok_or("no write_bytes in /proc/PID/io")?;
    Ok(line.trim().parse()?)
}
