//! Opening the database file: safety pragmas, and migrations in place.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, FileControl, TransactionBehavior};

use super::StoreError;

/// Each step brings the schema from its index to the next; never edited once released.
const MIGRATIONS: [&str; 1] = [include_str!("sql/001_first.sql")];

/// Pages the log is grown to once, so that later commits overwrite instead of extending the file (half the flushes).
const WAL_PAGES: i64 = 1000;

/// Opens the file, exclusively, durable, migrated.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(2))?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Exclusive: a second daemon on the same money must not start. Also spares the shared-memory file.
    let locked = db.pragma_update(None, "locking_mode", "EXCLUSIVE").and_then(|()| {
        db.pragma_update(None, "journal_mode", "WAL")?;
        // NORMAL may lose acknowledged commits on a power cut.
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update(None, "secure_delete", true)?;
        db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)
    });
    locked.map_err(|e| match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse,
        _ => StoreError::Sqlite(e),
    })?;
    // The log survives a restart, so that the first commits after it do not grow it anew.
    let mut keep = 1;
    db.file_control(None::<&str>, FileControl::PersistWal(&mut keep))?;
    migrate(&mut db)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (index, sql) in (0i64..).zip(MIGRATIONS) {
        if index < found {
            continue;
        }
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", index + 1)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_told_that_the_database_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        let first = open(&path).unwrap();
        assert!(matches!(open(&path), Err(StoreError::InUse)));
        drop(first);
        open(&path).unwrap();
    }

    #[test]
    fn a_newer_database_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(&path), Err(StoreError::TooNew { found: 99, .. })));
    }

    #[test]
    fn commits_are_durable_and_the_sqlite_build_uses_fdatasync() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir.path().join("pos.db")).unwrap();
        let pragma =
            |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, rusqlite::types::Value>(0));
        assert_eq!(pragma("synchronous").unwrap(), rusqlite::types::Value::Integer(2));
        assert_eq!(pragma("journal_mode").unwrap(), rusqlite::types::Value::Text("wal".into()));
        assert_eq!(pragma("foreign_keys").unwrap(), rusqlite::types::Value::Integer(1));
    }
}
