//! Start, memory and look-ups with many payments on file, against an almost empty store in turn.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::{Connection as Database, params};
use serde::Serialize;
use smartpos::domain::ids::{Batch, Stan, TerminalId, TransactionCode};
use smartpos::store::vault::{KEY_FILE, Purpose, Vault};
use smartpos::store::{DATABASE, Store};
use zbus::connection::Builder;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, Variant};

use crate::Figure;
use crate::commit::sell;
use crate::rig::{Rig, Setup};
use crate::scene::edit;
use crate::stats::{Pair, Row, Times};

/// What a page holds.
const PAGE: u32 = 50;
const STARTS: u32 = 11;
const ROUNDS: u32 = 15;
const CALLS: u32 = 20;

pub fn measure(is_big: bool) -> Figure {
    // The big one takes a minute to make and a gigabyte to keep.
    let sizes: &[u32] = if is_big { &[10_000, 1_000_000] } else { &[10_000, 100_000] };
    let mut small = daemon_on(PAGE)?;
    let mut rows = Vec::new();
    for size in sizes {
        eprintln!("figures: volume {size}");
        rows.extend(compare(&mut small, &mut daemon_on(*size)?, *size)?);
    }
    Ok(rows)
}

fn compare(small: &mut Rig, big: &mut Rig, size: u32) -> Figure {
    let mut starts = Pair::default();
    for _ in 0..STARTS {
        starts.round(&start(big), &start(small));
    }
    let fresh = [resident(big)?, resident(small)?];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (finds, pages, rare) = runtime.block_on(async {
        let big = Builder::address(big.bus_address.as_str()).build().await?;
        let small = Builder::address(small.bus_address.as_str()).build().await?;
        let (mut finds, mut pages, mut rare) = (Pair::default(), Pair::default(), Pair::default());
        for round in 0..ROUNDS {
            finds.round(&find(&big, round, size).await?, &find(&small, round, PAGE).await?);
            pages.round(&list(&big, None).await?, &list(&small, None).await?);
            rare.round(&list(&big, Some("unknown")).await?, &list(&small, Some("unknown")).await?);
        }
        Ok::<_, Box<dyn Error>>((finds, pages, rare))
    })?;
    let used = [resident(big)?, resident(small)?];
    let milliseconds = |t: f64| format!("{:.1} ms", t / 1e3);
    let memory = |figure: &str, [big, small]: [f64; 2]| {
        Row::new(figure, format!("{big:.1} MiB"), format!("{small:.1} MiB"), "≤ 1.2: bounded").ratio(big / small)
    };
    Ok(vec![
        starts.row_in(&format!("start → READY=1 with {size} payments on file; with {PAGE}"), "≤ 50 ms", milliseconds),
        finds.row(&format!("find by key among {size} payments; among {PAGE}"), "≤ 2"),
        pages.row(&format!("a page of {PAGE} out of {size} payments; out of {PAGE}"), "≤ 2"),
        rare.row(&format!("an empty page: an outcome that none of {size} payments has; none of {PAGE}"), "≤ 2"),
        memory(&format!("resident memory at READY=1 with {size} payments on file; with {PAGE}"), fresh),
        memory("the same after these questions", used),
    ])
}

fn start(rig: &mut Rig) -> Times {
    rig.kill_daemon();
    let mut times = Times::default();
    let begin = Instant::now();
    rig.start_daemon();
    times.add(begin.elapsed());
    times
}

fn resident(rig: &Rig) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{}/status", rig.daemon_pid()))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse::<f64>()? / 1024.0)
}

async fn find(at: &Connection, round: u32, size: u32) -> Result<Times, Box<dyn Error>> {
    let mut times = Times::default();
    for call in 0..CALLS {
        // All over the table.
        let id = (round * CALLS + call).wrapping_mul(7_919) % size + 1;
        let begin = Instant::now();
        let found = ask(at, "FindTransaction", &key(u64::from(id))).await?;
        times.add(begin.elapsed());
        // Few may stay on the bus.
        let path: OwnedObjectPath = found.body().deserialize()?;
        let (service, face) = (Some("org.smartposd.Pos1"), Some("org.smartposd.Pos1.Transaction"));
        at.call_method(service, path.as_str(), face, "Acknowledge", &()).await?;
    }
    Ok(times)
}

async fn list(at: &Connection, outcome: Option<&str>) -> Result<Times, Box<dyn Error>> {
    let mut times = Times::default();
    for _ in 0..CALLS {
        let mut options = HashMap::from([("all", Variant::from(true)), ("limit", Variant::from(PAGE))]);
        if let Some(outcome) = outcome {
            options.insert("outcome", Variant::from(outcome.to_owned()));
        }
        let begin = Instant::now();
        let answer = ask(at, "ListTransactions", &(options,)).await?;
        times.add(begin.elapsed());
        let rows: Vec<HashMap<String, OwnedVariant>> = answer.body().deserialize()?;
        let wanted = if outcome.is_some() { 0 } else { PAGE as usize };
        if rows.len() != wanted {
            return Err(format!("{} rows instead of {wanted}", rows.len()).into());
        }
    }
    Ok(times)
}

async fn ask<B: Serialize + DynamicType>(at: &Connection, method: &str, body: &B) -> zbus::Result<zbus::Message> {
    let (service, path) = (Some("org.smartposd.Pos1"), "/org/smartposd/Pos1/Terminal0");
    at.call_method(service, path, Some("org.smartposd.Pos1.Terminal"), method, body).await
}

/// A running daemon on a store of so many payments.
fn daemon_on(payments: u32) -> Result<Rig, Box<dyn Error>> {
    let state = made(payments)?;
    let mut rig = Rig::new("benches/volume", Setup::default()).ok_or("no dbus-daemon")?;
    let own = format!("state_dir = {:?}", rig.path("state"));
    edit(&rig, "smartposd.toml", &own, &format!("state_dir = {state:?}"))?;
    rig.start_daemon();
    Ok(rig)
}

/// A state directory with so many payments and their journal; kept for the next time.
fn made(payments: u32) -> Result<PathBuf, Box<dyn Error>> {
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("volume-{payments}"));
    let complete = state.join("complete");
    if !complete.exists() {
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state)?;
        let vault = || Vault::find(None, &state.join(KEY_FILE));
        let open = || Ok::<_, Box<dyn Error>>(Store::open(&state.join(DATABASE), vault()?)?);
        // One real payment, and then its likes.
        sell(&mut open()?, &mut 0, &mut Times::default())?;
        multiply(&state.join(DATABASE), &vault()?, payments)?;
        let check = open()?.verify_journal()?;
        if check.broken.is_some() || check.rows != 1 + 3 * u64::from(payments) {
            return Err("the journal of many payments is not whole".into());
        }
        fs::write(&complete, "")?;
    }
    Ok(state)
}

fn key(id: u64) -> String {
    // As random as a UUID, so that the index is filled at random places as in life.
    format!("{:016x}-{id}", id.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn multiply(path: &Path, vault: &Vault, payments: u32) -> Result<(), Box<dyn Error>> {
    let mut db = Database::open(path)?;
    db.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")?;
    let tx = db.transaction()?;
    let uid = nix::unistd::geteuid().as_raw();
    tx.execute("UPDATE payment SET uid = ?1, key = ?2", params![uid, key(1)])?;
    tx.execute_batch("CREATE TEMP TABLE one AS SELECT * FROM payment")?;
    let code: String = tx.query_row("SELECT code FROM one", [], |r| r.get(0))?;
    let (terminal, batch) = (TerminalId::new("99000001").ok_or("terminal")?, Batch::new(1).ok_or("batch")?);
    let entries: Vec<(i64, String)> = {
        let mut statement = tx.prepare("SELECT at, entry FROM journal WHERE number > 1 ORDER BY number")?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    let (mut number, mut chain): (i64, [u8; 16]) =
        tx.query_row("SELECT number, chain FROM journal ORDER BY number DESC LIMIT 1", [], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })?;
    {
        let mut change =
            tx.prepare("UPDATE one SET id = ?1, key = ?2, code = ?3, stan = ?4, created_at = created_at + 1000000")?;
        let mut insert = tx.prepare("INSERT INTO payment SELECT * FROM one")?;
        let mut journal = tx.prepare("INSERT INTO journal (number, at, entry, chain) VALUES (?1, ?2, ?3, ?4)")?;
        for id in 2..=i64::from(payments) {
            let stan = Stan::new(u32::try_from(id % 999_999)? + 1).ok_or("stan")?;
            let new = TransactionCode::new(&terminal, batch, stan);
            change.execute(params![id, key(u64::try_from(id)?), new.as_str(), stan.get()])?;
            insert.execute([])?;
            for (at, entry) in &entries {
                number += 1;
                let entry = entry.replace("\"id\":1,", &format!("\"id\":{id},")).replace(&code, new.as_str());
                let parts: [&[u8]; 4] = [&chain, &number.to_be_bytes(), &at.to_be_bytes(), entry.as_bytes()];
                chain = vault.tag(Purpose::JournalRow, &parts);
                journal.execute(params![number, at, entry, chain])?;
            }
        }
    }
    let seal = vault.tag(Purpose::JournalHead, &[&number.to_be_bytes(), &chain]);
    tx.execute("UPDATE terminal SET journal_last = ?1, journal_seal = ?2", params![number, seal])?;
    tx.execute_batch("DROP TABLE temp.one")?;
    Ok(tx.commit()?)
}
