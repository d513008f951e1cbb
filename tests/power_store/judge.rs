//! Says of a database that a power cut has left whether everything that was acknowledged is there, and whole.

use std::error::Error;
use std::path::Path;

use smartpos::domain::ids::TransactionId;
use smartpos::domain::outcome::{Outcome, TransactionState};
use smartpos::domain::time::{Instant, Now, WallTime};
use smartpos::engine::machine::{Engine, Output};
use smartpos::engine::snapshot::TransactionView;
use smartpos::store::Store;
use smartpos::store::vault::Vault;

use crate::day::{Ledger, Step};
use crate::store_common::*;

const NOW: Now = Now { mono: Instant(1_000_000), wall: WallTime(1_795_500_000_000_000) };

type Finding<T> = Result<T, Box<dyn Error>>;

/// How many acknowledged commits are missing at the end; an error where what is left was never a state of the store.
pub fn judge(directory: &Path, acknowledged: usize, day: &[Step]) -> Result<usize, String> {
    let find = || -> Finding<usize> {
        // A power cut before the first commit may leave not even the directory.
        std::fs::create_dir_all(directory)?;
        let mut store = Store::open(&database(directory), Vault::new(&[7; 32]))?;
        let ledger = Ledger::read(&store)?;
        let found = state(&ledger, acknowledged, day).ok_or("this is not what any number of commits leaves")?;
        take_up(&mut store)?;
        drop(store);
        integrity(&database(directory))?;
        Ok(acknowledged.saturating_sub(found))
    };
    find().map_err(|e| e.to_string())
}

/// After which step this is the state. What was acknowledged last, and what may have been under way, come first.
fn state(found: &Ledger, acknowledged: usize, day: &[Step]) -> Option<usize> {
    let after = |steps: usize| {
        let mut ledger = Ledger::new();
        day[..steps].iter().for_each(|step| ledger.apply(step));
        ledger
    };
    let likely = acknowledged..day.len().min(acknowledged + 1) + 1;
    likely.chain(0..acknowledged).find(|steps| after(*steps) == *found)
}

/// The engine takes up what was under way, and the terminal sells again.
fn take_up(store: &mut Store) -> Finding<()> {
    let stored = store.load()?;
    let ids = |views: &[TransactionView], sent: bool| -> Vec<TransactionId> {
        views.iter().filter(|v| (v.state != TransactionState::Created) == sent).map(|v| v.id).collect()
    };
    let (sent, unsent) = (ids(&stored.open, true), ids(&stored.open, false));
    let on_file: Vec<_> = stored.reversals.iter().map(|r| r.id).collect();
    let next = stored.next_id.0;
    if sent != on_file {
        return Err(format!("sent without an answer: {sent:?}, reversals on file: {on_file:?}").into());
    }

    let mut engine = Engine::recover(settings(), stored, 1, NOW);
    let mut records = Vec::new();
    while let Some(output) = engine.poll() {
        if let Output::Record(record) = output {
            records.push(record);
        }
    }
    store.commit(NOW.wall, &records).map(drop)?;
    let after = store.load()?;
    let reversing = |v: &TransactionView| (v.state, v.outcome) == (TransactionState::Reversing, Some(Outcome::Unknown));
    if ids(&after.open, true) != sent || !after.open.iter().all(reversing) || after.reversals.len() != sent.len() {
        return Err("not everything that was sent is reversed".into());
    }
    let cancelled = |v: &TransactionView| v.outcome == Some(Outcome::Cancelled) && !v.reversed;
    let all = store.list(&EVERYTHING)?;
    if !unsent.iter().all(|id| all.iter().any(|v| v.id == *id && cancelled(v))) {
        return Err("a payment that was not sent is not cancelled".into());
    }

    for records in [vec![create(next)], vec![send(next)], vec![close(next), change(approved(next))]] {
        store.commit(NOW.wall, &records).map(drop)?;
    }
    Ok(())
}

fn integrity(file: &Path) -> Finding<()> {
    let db = rusqlite::Connection::open(file)?;
    let said: String = db.query_row("PRAGMA integrity_check", [], |r| r.get(0))?;
    if said != "ok" {
        return Err(said.into());
    }
    if db.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err("a reversal without its payment".into());
    }
    Ok(())
}
