//! Owns SQLite: payments, reversals, counters, operators, sealed keys.
//!
//! Must not know: the wire, the bus, any device. One call of [`Store::commit`] is one SQLite transaction that is on
//! disk (WAL, `synchronous=FULL`) when it returns.

mod payment;
mod reversal;
mod schema;
pub mod teller;
pub mod vault;

use std::path::Path;

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::domain::cause::Cause;
use crate::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use crate::domain::offline::QueueTotals;
use crate::domain::outcome::Role;
use crate::domain::secret::SecretBytes;
use crate::domain::time::WallTime;
use crate::engine::record::{OperatorRecord, QueueHead, Record, Recovered, Verdict};
pub use schema::OpenOptions;
use vault::Vault;

/// Why the store cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the database.
    #[error("the database is in use by another smartposd; stop that one first")]
    InUse,
    /// The database was written by a newer version.
    #[error("the database has schema {found}, this version knows up to {known}; install the newer smartposd again")]
    TooNew {
        /// What the file says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// Something in the database is not what this program wrote.
    #[error("the database holds an impossible value: {0}; keep the file and call support")]
    Impossible(String),
    /// A sealed value does not open with this machine's sealing key.
    #[error("a sealed value does not open: the sealing key is not the one it was sealed with")]
    WrongSealingKey,
    /// Sealing failed.
    #[error("sealing: {0}")]
    Vault(#[from] vault::VaultError),
    /// The file is damaged, or is no database.
    #[error("the database is damaged ({0}); keep the file and call support, nothing in it is deleted")]
    Damaged(rusqlite::Error),
    /// No space left.
    #[error("no space left for the database ({0}); free some, nothing that was committed is lost")]
    Full(rusqlite::Error),
    /// SQLite or the disk refused.
    #[error("storage: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            Some(ErrorCode::DiskFull) => Self::Full(error),
            _ => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// The cause of the catalogue it stands for, if it is one of a running terminal.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Damaged(_) | Self::Impossible(_) => Some(Cause::S02),
            Self::Full(_) | Self::Sqlite(_) => Some(Cause::P02),
            Self::InUse | Self::TooNew { .. } | Self::WrongSealingKey | Self::Vault(_) => None,
        }
    }
}

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
}

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
        Ok(Self { db: schema::open(path, options)?, vault })
    }

    /// Writes all records in one transaction. Nothing may be done about them before this returns `Ok`.
    pub fn commit(&mut self, at: WallTime, records: &[Record]) -> Result<Committed, StoreError> {
        // For the journal.
        let _ = at;
        if records.is_empty() {
            return Ok(Committed::default());
        }
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in records {
            write(&tx, &self.vault, record)?;
        }
        tx.commit()?;
        Ok(Committed::default())
    }

    /// Whether a write goes through now.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("UPDATE terminal SET next_stan = next_stan", [])?;
        tx.commit()?;
        Ok(())
    }

    /// Everything the engine needs to take up where it left off.
    pub fn load(&self) -> Result<Recovered, StoreError> {
        let row = |sql: &str| self.db.query_row(sql, [], |r| r.get::<_, Option<i64>>(0));
        let next_stan = row("SELECT next_stan FROM terminal")?.unwrap_or(1);
        let batch = row("SELECT batch FROM terminal")?.unwrap_or(1);
        let last_id = row("SELECT max(id) FROM payment")?.unwrap_or(0);
        let on_duty: Option<String> = self.db.query_row("SELECT on_duty FROM terminal", [], |r| r.get(0))?;
        Ok(Recovered {
            next_stan: narrow(next_stan).and_then(Stan::new).ok_or_else(|| impossible("next_stan"))?,
            batch: narrow(batch).and_then(Batch::new).ok_or_else(|| impossible("batch"))?,
            next_id: TransactionId(u64::try_from(last_id).unwrap_or(0).saturating_add(1)),
            open: payment::open_ones(&self.db)?,
            reversals: reversal::all(&self.db, &self.vault)?,
            scripts: Vec::new(),
            queue: QueueTotals::default(),
            clock: None,
            operators: self.operators()?,
            on_duty: on_duty
                .map(|id| OperatorId::new(&id).ok_or_else(|| impossible("terminal.on_duty")))
                .transpose()?,
            signed_in_at: row("SELECT signed_in_at FROM terminal")?.and_then(|t| u64::try_from(t).ok()).map(WallTime),
        })
    }

    /// The oldest payment to forward behind this one.
    pub fn next_queued(&self, after: Option<TransactionId>) -> Result<Option<QueueHead>, StoreError> {
        let _ = after;
        Ok(None)
    }

    /// What is unsent of payments accepted offline.
    pub fn queue_totals(&self) -> Result<QueueTotals, StoreError> {
        Ok(QueueTotals::default())
    }

    fn operators(&self) -> Result<Vec<OperatorRecord>, StoreError> {
        let mut statement = self.db.prepare("SELECT id, role, hash, failed, locked FROM operator")?;
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
            });
        }
        Ok(all)
    }

    /// The master key, if one is loaded.
    pub fn master_key(&self) -> Result<Option<SecretBytes>, StoreError> {
        self.secret(MASTER_KEY)
    }

    /// Replaces the master key; the working keys wrapped under the old one go with it.
    pub fn set_master_key(&mut self, at: WallTime, key: &SecretBytes) -> Result<(), StoreError> {
        // For the journal.
        let _ = at;
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        put_secret(&tx, &self.vault, MASTER_KEY, key.expose())?;
        tx.execute("DELETE FROM secret WHERE name = ?1", [WORKING_KEYS])?;
        tx.commit()?;
        Ok(())
    }

    /// The working keys of the last sign-in, still wrapped under the master key.
    pub fn working_keys(&self) -> Result<Option<SecretBytes>, StoreError> {
        self.secret(WORKING_KEYS)
    }

    fn secret(&self, name: &str) -> Result<Option<SecretBytes>, StoreError> {
        let sealed: Option<Vec<u8>> =
            self.db.query_row("SELECT sealed FROM secret WHERE name = ?1", [name], |r| r.get(0)).optional()?;
        sealed.map(|s| self.vault.open(name, &s).ok_or(StoreError::WrongSealingKey)).transpose()
    }
}

fn impossible(what: &str) -> StoreError {
    StoreError::Impossible(what.to_owned())
}

fn narrow(n: i64) -> Option<u32> {
    u32::try_from(n).ok()
}

fn put_secret(tx: &Transaction<'_>, vault: &Vault, name: &str, clear: &[u8]) -> Result<(), StoreError> {
    let sealed = vault.seal(name, clear)?;
    tx.prepare_cached(
        "INSERT INTO secret (name, sealed) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET sealed = ?2",
    )?
    .execute(params![name, sealed])?;
    Ok(())
}

fn write(tx: &Transaction<'_>, vault: &Vault, record: &Record) -> Result<(), StoreError> {
    match record {
        Record::Created { view, fingerprint } => payment::insert(tx, view, fingerprint)?,
        Record::Sent { view, next, reversal } => {
            payment::update(tx, view)?;
            reversal::insert(tx, vault, view.id, reversal)?;
            take_trace(tx, *next)?;
        }
        Record::Changed { view } => payment::update(tx, view)?,
        Record::ReversalDue { id, reason } => reversal::set_reason(tx, *id, *reason)?,
        Record::ReversalClosed { id, .. } => reversal::delete(tx, *id)?,
        Record::ReversalTried { .. }
        | Record::Queued { .. }
        | Record::CardDataWiped { .. }
        | Record::CardDenied { .. }
        | Record::ScriptDue { .. }
        | Record::ScriptSent { .. }
        | Record::ClockTrusted(_) => return Err(impossible("not stored yet")),
        Record::TraceTaken { next } => take_trace(tx, *next)?,
        Record::SignedIn { at, batch, wrapped, .. } => {
            tx.prepare_cached("UPDATE terminal SET batch = ?1, signed_in_at = ?2")?
                .execute(params![batch.get(), signed(at.0)])?;
            put_secret(tx, vault, WORKING_KEYS, wrapped)?;
        }
        Record::SignedOut { .. } => {
            tx.execute("DELETE FROM secret WHERE name = ?1", [WORKING_KEYS])?;
        }
        Record::OperatorStored(o) => {
            tx.execute(
                "INSERT INTO operator (id, role, hash, failed, locked) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET role = ?2, hash = ?3, failed = ?4, locked = ?5",
                params![o.id.as_str(), o.role.as_str(), o.hash, o.failed, o.locked],
            )?;
        }
        Record::OperatorOnDuty(operator) => {
            tx.execute("UPDATE terminal SET on_duty = ?1", [operator.as_ref().map(OperatorId::as_str)])?;
        }
    }
    Ok(())
}

fn take_trace(tx: &Transaction<'_>, next: Stan) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE terminal SET next_stan = ?1")?.execute([next.get()])?;
    Ok(())
}

/// SQLite integers are signed; times and amounts stay far below the limit.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
