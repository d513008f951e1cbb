//! What is unsent, read from the file of a daemon that does not run: for the package's own guards.
//!
//! Owns: three sums. Must not know: any secret; it needs no sealing key, changes nothing and brings no schema up to date.
//! A running daemon holds the file for itself, so that its queue can only be asked of itself.

use std::path::Path;

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, disk};

/// The newest schema that is understood here.
const KNOWN: i64 = 2;
/// The first schema with a queue.
const WITH_QUEUE: i64 = 2;

/// What the host does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Payments accepted offline that are to be sent.
    pub waiting: u32,
    /// Those that wait for a person.
    pub held: u32,
    /// Reversals that stand ready: not acknowledged, or of a request that may have left.
    pub reversals: u32,
}

impl Unsent {
    /// Whether there is nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Reads it. No file: nothing was ever sent or kept.
pub fn look(path: &Path) -> Result<Unsent, StoreError> {
    if let Some(log) = disk::orphaned_log(path) {
        return Err(StoreError::OnlyTheLog { path: path.to_owned(), log });
    }
    if !path.exists() {
        return Ok(Unsent::default());
    }
    read(path).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse,
        _ => StoreError::from(error).at(path),
    })?
}

fn read(path: &Path) -> rusqlite::Result<Result<Unsent, StoreError>> {
    // Not written to: not even what a power cut left in the log is brought into the database.
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if found > KNOWN {
        return Ok(Err(StoreError::TooNew { found, known: KNOWN }));
    }
    let (waiting, held) = if found >= WITH_QUEUE {
        let sql = "SELECT coalesce(sum(waiting), 0), coalesce(sum(held), 0) FROM queue";
        db.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?)))?
    } else {
        (0, 0)
    };
    // A file that never got its first schema holds nothing either.
    let reversals = if found > 0 { db.query_row("SELECT count(*) FROM reversal", [], |r| r.get(0))? } else { 0 };
    Ok(Ok(Unsent { waiting, held, reversals }))
}
