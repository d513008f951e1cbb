//! Owns SQLite: payments, reversals, what was accepted offline, counters, operators, sealed keys, the journal.
//!
//! Must not know: the wire, the bus, any device. One call of [`Store::commit`] is one SQLite transaction that is on
//! disk (WAL, `synchronous=FULL`) when it returns.

mod archive;
pub mod backup;
mod disk;
mod entry;
mod error;
pub mod heal;
mod journal;
pub mod life;
mod offline;
mod payment;
mod queue;
pub mod restore;
mod reversal;
mod schema;
mod script;
mod sealed;
pub mod teller;
pub mod unsent;
mod upkeep;
pub mod vault;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use crate::domain::outcome::Role;
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::domain::tamper::Tampered;
use crate::domain::time::{ClockAnchor, Instant, WallTime};
use crate::engine::record::{OperatorRecord, Record, Recovered, Verdict};
use disk::Files;
pub use error::StoreError;
use error::impossible;
use journal::Journal;
pub use journal::Walk;
pub use schema::OpenOptions;
use vault::Vault;

/// What came of a commit besides being on disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The word on a payment that was to be accepted offline, if one was among the records.
    pub verdict: Option<Verdict>,
}

/// The open database.
pub struct Store {
    db: Connection,
    vault: Vault,
    journal: Journal,
    path: PathBuf,
    files: Files,
    /// Whether the log was begun anew; nothing is written before it was.
    anew: bool,
    free_bytes: fn(&Path) -> Option<u64>,
}

/// Name of the database in the state directory.
pub const DATABASE: &str = "pos.db";

/// Version of SQLite inside this program.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// Steps of SQLite's machine between two looks at the clock; about a millisecond.
const STEPS: i32 = 10_000;
/// Names of the sealed secrets.
const MASTER_KEY: &str = "master-key";
const WORKING_KEYS: &str = "working-keys";

impl Store {
    /// Opens or makes the database and brings its schema up to date.
    pub fn open(path: &Path, vault: Vault) -> Result<Self, StoreError> {
        Self::open_on(path, vault, &OpenOptions::default())
    }

    /// The same with everything that a test bench may want otherwise.
    pub fn open_on(path: &Path, vault: Vault, options: &OpenOptions) -> Result<Self, StoreError> {
        let open = || {
            let db = schema::open_for(path, options, vault.purpose())?;
            let anew = match schema::begin_log_anew(&db) {
                Ok(()) => true,
                // What is on file has to be reached on a disk that takes nothing, too.
                Err(error) if error.is_of_the_disk() => false,
                Err(error) => return Err(error),
            };
            let journal = Journal::open(&db, &vault)?;
            Ok((db, anew, journal))
        };
        let (db, anew, journal) = open().map_err(|e: StoreError| e.at(path))?;
        let files = if options.vfs.is_none() { Files::watch(path)? } else { Files::unwatched() };
        Ok(Self { db, vault, journal, path: path.to_owned(), files, anew, free_bytes: options.free_bytes })
    }

    /// The same with the file named in an error.
    fn at<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.map_err(|error| error.at(&self.path))
    }

    /// Writes all records in one transaction. Nothing may be done about them before this returns `Ok`.
    pub fn commit(&mut self, at: WallTime, records: &[Record]) -> Result<Committed, StoreError> {
        if records.is_empty() {
            return Ok(Committed::default());
        }
        let (path, free_bytes) = (self.path.clone(), self.free_bytes);
        self.transact(at, |tx, vault| {
            let mut writer = write::Writer::new(tx, vault, at, || free_bytes(&path));
            records.iter().try_for_each(|record| writer.write(record))?;
            let verdict = writer.finish()?;
            let entry = entry::of(records, verdict.as_ref());
            Ok((Committed { verdict }, entry))
        })
    }

    /// One transaction with its entry in the journal.
    fn transact<T>(
        &mut self,
        at: WallTime,
        work: impl FnOnce(&rusqlite::Transaction<'_>, &Vault) -> Result<(T, String), StoreError>,
    ) -> Result<T, StoreError> {
        self.ready_to_write()?;
        let (vault, journal) = (&self.vault, &self.journal);
        let run = || -> Result<(T, Journal), StoreError> {
            let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (result, entry) = work(&tx, vault)?;
            let journal = journal.append(&tx, vault, at, &entry)?;
            tx.commit()?;
            Ok((result, journal))
        };
        let (result, journal) = match run() {
            Ok(done) => done,
            Err(error) => {
                if error.is_of_the_disk() {
                    self.overwrite_refused();
                }
                return Err(error.at(&self.path));
            }
        };
        self.journal = journal;
        Ok(result)
    }

    /// A commit whose flush failed may lie complete in the log all the same, and a power cut now would bring it back,
    /// though everybody was told that it was refused. What is written next takes its place. A disk that takes nothing
    /// leaves it at that.
    fn overwrite_refused(&mut self) {
        let _ = self.touch();
    }

    fn touch(&mut self) -> Result<(), StoreError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // A value that stays the same would not be written.
        tx.execute("UPDATE terminal SET touched = 1 - touched", [])?;
        Ok(tx.commit()?)
    }

    /// The file is the one that everybody else sees, and its log was begun anew in this process.
    fn ready_to_write(&mut self) -> Result<(), StoreError> {
        self.files.check()?;
        if !self.anew {
            schema::begin_log_anew(&self.db).map_err(|error| error.at(&self.path))?;
            self.anew = true;
        }
        Ok(())
    }

    /// Whether a write goes through now, to the file that everybody else sees.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.ready_to_write()?;
        self.touch().map_err(|error| error.at(&self.path))
    }

    /// Whether the file is whole: every page of it is read. Takes as long as reading the file does.
    pub fn integrity(&self) -> Result<(), StoreError> {
        let found = self.db.query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0));
        match self.at(found.map_err(StoreError::from))? {
            fine if fine == "ok" => Ok(()),
            what => Err(StoreError::Unsound { path: self.path.clone(), what }),
        }
    }

    /// The same for as long as `go_on` says so; `false`: it was stopped before the end.
    pub fn integrity_while(&mut self, mut go_on: impl FnMut() -> bool + Send + 'static) -> Result<bool, StoreError> {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        let handler = move || {
            let stop = !go_on();
            seen.fetch_or(stop, Relaxed);
            stop
        };
        let whole = self.watched(STEPS, handler, Self::integrity)?;
        if stopped.load(Relaxed) { Ok(false) } else { whole.map(|()| true) }
    }

    /// Does something while `stop` is asked after every so many steps of SQLite's machine; `true` ends what SQLite does.
    fn watched<T>(
        &mut self,
        steps: i32,
        stop: impl FnMut() -> bool + Send + 'static,
        work: impl FnOnce(&Self) -> T,
    ) -> Result<T, StoreError> {
        self.db.progress_handler(steps, Some(stop))?;
        let done = work(self);
        self.db.progress_handler(0, None::<fn() -> bool>)?;
        Ok(done)
    }

    /// Everything the engine needs to take up where it left off.
    pub fn load(&self) -> Result<Recovered, StoreError> {
        self.at(self.recovered())
    }

    fn recovered(&self) -> Result<Recovered, StoreError> {
        let last_id: Option<i64> = self.db.query_row("SELECT max(id) FROM payment", [], |r| r.get(0))?;
        let sql = "SELECT next_stan, batch, on_duty, signed_in_at, clock_boot, clock_mono, clock_wall, first_id,
                   tampered_at, tampered FROM terminal";
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        let terminal = rows.next()?.ok_or_else(|| impossible("the terminal's row is not there"))?;
        let number = |i: usize| Ok::<_, StoreError>(u32::try_from(terminal.get::<_, i64>(i)?).ok());
        let time =
            |i: usize| Ok::<_, StoreError>(terminal.get::<_, Option<i64>>(i)?.and_then(|t| u64::try_from(t).ok()));
        let on_duty: Option<String> = terminal.get(2)?;
        let last_id = last_id.and_then(|id| u64::try_from(id).ok()).unwrap_or(0);
        let first_id = time(7)?.ok_or_else(|| impossible("terminal.first_id"))?;
        let clock = match (terminal.get(4)?, time(5)?, time(6)?) {
            (Some(boot), Some(mono), Some(wall)) => {
                Some(ClockAnchor { boot, mono: Instant(mono), wall: WallTime(wall) })
            }
            _ => None,
        };
        Ok(Recovered {
            next_stan: number(0)?.and_then(Stan::new).ok_or_else(|| impossible("terminal.next_stan"))?,
            batch: number(1)?.and_then(Batch::new).ok_or_else(|| impossible("terminal.batch"))?,
            next_id: TransactionId(last_id.saturating_add(1).max(first_id)),
            open: payment::open_ones(&self.db)?,
            reversals: reversal::all(&self.db, &self.vault)?,
            scripts: script::all(&self.db, &self.vault)?,
            queue: queue::totals(&self.db)?,
            clock,
            operators: self.operators()?,
            on_duty: on_duty
                .map(|id| OperatorId::new(&id).ok_or_else(|| impossible("terminal.on_duty")))
                .transpose()?,
            signed_in_at: time(3)?.map(WallTime),
            tampered: match (time(8)?, terminal.get(9)?) {
                (Some(at), Some(evidence)) => Some(Tampered { at: WallTime(at), evidence }),
                _ => None,
            },
        })
    }

    fn operators(&self) -> Result<Vec<OperatorRecord>, StoreError> {
        let mut statement = self.db.prepare("SELECT id, role, hash, failed, locked, code FROM operator")?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            let role: String = row.get(1)?;
            all.push(OperatorRecord {
                id: OperatorId::new(&id).ok_or_else(|| impossible("operator.id"))?,
                role: Role::from_word(&role).ok_or_else(|| impossible("operator.role"))?,
                hash: row.get(2)?,
                failed: row.get(3)?,
                locked: row.get(4)?,
                code: row.get(5)?,
            });
        }
        Ok(all)
    }

    /// The master key, if one is loaded.
    pub fn master_key(&self) -> Result<Option<SecretBytes>, StoreError> {
        self.at(self.secret(MASTER_KEY))
    }

    /// Replaces the master key; the working keys wrapped under the old one go with it. A terminal that was opened has been
    /// seen to with it.
    pub fn set_master_key(&mut self, at: WallTime, key: &SecretBytes) -> Result<(), StoreError> {
        self.transact(at, |tx, vault| {
            write::put_secret(tx, vault, MASTER_KEY, key.expose())?;
            tx.execute("DELETE FROM secret WHERE name = ?1", [WORKING_KEYS])?;
            tx.execute("UPDATE terminal SET tampered_at = NULL, tampered = NULL", [])?;
            Ok(((), entry::master_key()))
        })
    }

    /// The working keys of the last sign-in, still wrapped under the master key.
    pub fn working_keys(&self) -> Result<Option<SecretBytes>, StoreError> {
        self.at(self.secret(WORKING_KEYS))
    }

    /// Puts a card on the deny list of offline payments.
    pub fn deny_card(&mut self, at: WallTime, pan: &Pan, note: &str) -> Result<(), StoreError> {
        self.transact(at, |tx, vault| {
            let note = entry::without_card_numbers(note);
            offline::deny_card(tx, vault, at, pan, &note)?;
            Ok(((), entry::card_listed(&note)))
        })
    }

    fn secret(&self, name: &str) -> Result<Option<SecretBytes>, StoreError> {
        let sealed: Option<Vec<u8>> =
            self.db.query_row("SELECT sealed FROM secret WHERE name = ?1", [name], |r| r.get(0)).optional()?;
        sealed.map(|s| self.vault.open(name, &s).ok_or(StoreError::WrongSealingKey)).transpose()
    }
}

/// SQLite integers are signed; times and amounts stay far below the limit.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
