//! What is unsent, read from the file of a daemon that does not run: for the package's own guards.
//!
//! Owns: three sums. Must not know: any secret; it needs no sealing key, changes nothing and brings no schema up to date.
//! A running daemon holds the file for itself, so that its queue can only be asked of itself.

use std::path::Path;

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, disk};
use crate::domain::training::STAMP;

/// The newest schema that is understood here.
const KNOWN: i64 = 7;
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
    if db.query_row("PRAGMA application_id", [], |r| r.get::<_, i32>(0))? == STAMP {
        return Ok(Err(StoreError::OfTraining { path: path.to_owned() }));
    }
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::{disk, schema};

    /// A database with one payment each that waits, is held, and is being reversed.
    fn database() -> (tempfile::TempDir, PathBuf, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        let db = schema::open(&path, &schema::OpenOptions::default()).unwrap();
        let payments =
            "INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, state, evidence, created_at)
                        SELECT value, 1, value, '', 'sale', 100, 'CNY', 'finished', '', 1 FROM json_each('[1, 2, 3]');
                        INSERT INTO offline (id, accepted_at, day, card) VALUES (1, 1, 1, x''), (2, 1, 1, x'');
                        UPDATE payment SET forwarding = 'waiting' WHERE id = 1;
                        UPDATE payment SET forwarding = 'held' WHERE id = 2;
                        INSERT INTO reversal (id, reason, sealed) VALUES (3, '98', x'')";
        db.execute_batch(payments).unwrap();
        (dir, path, db)
    }

    #[test]
    fn what_is_unsent_is_counted_and_nothing_is_changed() {
        let (_dir, path, db) = database();
        drop(db);
        let bytes = || [path.clone(), disk::log_of(&path)].map(|file| std::fs::read(file).unwrap_or_default());
        let before = bytes();
        assert_eq!(look(&path).unwrap(), Unsent { waiting: 1, held: 1, reversals: 1 });
        assert!(bytes() == before, "looking changed the database");
        let db = schema::open(&path, &schema::OpenOptions::default()).unwrap();
        db.execute_batch("UPDATE payment SET forwarding = 'accepted' WHERE id < 3; DELETE FROM reversal").unwrap();
        drop(db);
        assert!(look(&path).unwrap().is_nothing());
    }

    #[test]
    fn a_database_in_use_is_not_taken_for_an_empty_one() {
        let (_dir, path, _db) = database();
        assert!(matches!(look(&path), Err(StoreError::InUse)));
    }

    #[test]
    fn what_a_power_cut_left_in_the_log_counts() {
        let (_dir, path, db) = database();
        // The files as they lie there while the database is open: nothing has been brought over from the log.
        let after = tempfile::tempdir().unwrap();
        let copy = after.path().join("pos.db");
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(disk::log_of(&path), disk::log_of(&copy)).unwrap();
        drop(db);
        assert_eq!(look(&copy).unwrap(), Unsent { waiting: 1, held: 1, reversals: 1 });
        // And the daemon finds it as it was.
        let db = schema::open(&copy, &schema::OpenOptions::default()).unwrap();
        assert_eq!(db.query_row("SELECT count(*) FROM reversal", [], |r| r.get::<_, u32>(0)).unwrap(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_no_file_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        assert!(look(&path).unwrap().is_nothing());
        std::fs::write(disk::log_of(&path), "frames").unwrap();
        assert!(matches!(look(&path), Err(StoreError::OnlyTheLog { .. })));
        std::fs::write(&path, "no database, but long enough to be looked at as one: ".repeat(100)).unwrap();
        assert!(look(&path).is_err());
        let (_dir, path, db) = database();
        db.pragma_update(None, "user_version", 99).unwrap();
        drop(db);
        assert!(matches!(look(&path), Err(StoreError::TooNew { found: 99, .. })));
    }
}
