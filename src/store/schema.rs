//! Opening the database file: safety pragmas, and migrations in place.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, FileControl, OpenFlags, TransactionBehavior};

use super::vault::Use;
use super::{StoreError, disk, impossible, signed};
use crate::domain::training::STAMP;

/// What differs between a terminal and a test bench that puts its own files under SQLite.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// SQLite's name of the file system to use; `None`: the real one.
    pub vfs: Option<String>,
    /// Whether the log is made long at once, so that commits overwrite it instead of extending it. Without it the log
    /// grows as it goes, and nothing is durable later or less.
    pub long_log: bool,
    /// Bytes of a page in a database that is made anew; one that is there keeps its own.
    pub page_size: u32,
    /// How much room there is where the database is; `None` if nobody knows, and then nothing is accepted offline.
    pub free_bytes: fn(&Path) -> Option<u64>,
}

impl Default for OpenOptions {
    /// As on a terminal.
    fn default() -> Self {
        Self { vfs: None, long_log: true, page_size: PAGE_SIZE, free_bytes: disk::free_bytes }
    }
}

/// Each page that a commit touches is written whole: small ones spare the disk. Measured in `benches`.
const PAGE_SIZE: u32 = 1024;

/// Each step brings the schema from its index to the next; never edited once released.
const MIGRATIONS: [&str; 7] = [
    include_str!("sql/001_first.sql"),
    include_str!("sql/002_offline.sql"),
    include_str!("sql/003_lists.sql"),
    include_str!("sql/004_heal.sql"),
    include_str!("sql/005_upkeep.sql"),
    include_str!("sql/006_operator_code.sql"),
    include_str!("sql/007_tamper.sql"),
];

/// Bytes of pages after which the log is copied into the database; the next commit then starts at its beginning again.
const CHECKPOINT_BYTES: u64 = 4_000 << 10;
/// The log is made this long once and kept, so that commits overwrite it instead of extending it (half the flushes).
/// Longer than a checkpoint's due by more than any one commit needs.
const LOG_BYTES: u64 = 4_400 << 10;
/// What each page has before it in the log.
const FRAME_HEADER: u64 = 24;

/// The size of a page, and what follows from it.
#[derive(Clone, Copy)]
struct Pages(u64);

impl Pages {
    fn of(db: &Connection) -> Result<Self, StoreError> {
        let size: i64 = db.query_row("PRAGMA page_size", [], |r| r.get(0))?;
        u64::try_from(size).map(Self).map_err(|_| impossible("the size of a page"))
    }

    fn checkpoint_frames(self) -> u64 {
        CHECKPOINT_BYTES / self.0
    }

    fn log_frames(self) -> u64 {
        LOG_BYTES / self.0
    }

    fn log_length(self) -> u64 {
        self.log_frames() * (self.0 + FRAME_HEADER)
    }
}

/// Opens the file for real payments.
#[cfg(test)]
pub fn open(path: &Path, options: &OpenOptions) -> Result<Connection, StoreError> {
    open_for(path, options, Use::Live)
}

/// Opens the file, exclusively, durable, migrated, for real payments or for training. A file of the other kind is refused
/// before anything in it is changed.
pub fn open_for(path: &Path, options: &OpenOptions, purpose: Use) -> Result<Connection, StoreError> {
    let mut db = match &options.vfs {
        None => {
            if let Some(log) = disk::orphaned_log(path) {
                return Err(StoreError::OnlyTheLog { path: path.to_owned(), log });
            }
            // Made here so that nobody else can read it; the log takes over its mode. What stands in the way SQLite names.
            let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Connection::open(path)?
        }
        Some(vfs) => Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs.as_str())?,
    };
    db.busy_timeout(Duration::from_secs(2))?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Exclusive: a second daemon on the same money must not start. Also spares the shared-memory file.
    let locked = db.pragma_update(None, "locking_mode", "EXCLUSIVE").and_then(|()| {
        // Has an effect only as long as nothing is in the file.
        db.pragma_update(None, "page_size", options.page_size)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // NORMAL may lose acknowledged commits on a power cut.
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update(None, "secure_delete", true)?;
        // No limit: a checkpoint must not cut the log short.
        db.pragma_update(None, "journal_size_limit", -1)
    });
    locked.map_err(|e| match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse,
        _ => e.into(),
    })?;
    stamp(&db, purpose)?;
    // The log survives a restart, so that the first commits after it do not grow it anew.
    let mut keep = 1;
    db.file_control(None::<&str>, FileControl::PersistWal(&mut keep))?;
    let pages = Pages::of(&db)?;
    db.pragma_update(None, "wal_autocheckpoint", signed(pages.checkpoint_frames()))?;
    migrate(&mut db)?;
    if options.long_log {
        match lengthen_log(&db, path, pages) {
            // What is on file has to be reached on a full disk too; then the log grows as it goes.
            Ok(()) | Err(StoreError::Full { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

/// A database of training bears a stamp from its first byte on. Whoever is not of its kind does not go on.
fn stamp(db: &Connection, purpose: Use) -> Result<(), StoreError> {
    let found: i32 = db.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    let empty = || db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |r| r.get(0));
    match purpose {
        Use::Live if found == STAMP => Err(StoreError::OfTraining { path: PathBuf::new() }),
        Use::Live => Ok(()),
        Use::Training if found == STAMP => Ok(()),
        Use::Training if found == 0 && empty()? => Ok(db.pragma_update(None, "application_id", STAMP)?),
        Use::Training => Err(StoreError::NotOfTraining { path: PathBuf::new() }),
    }
}

/// Copies the log into the database, so that the next commit starts at its beginning.
///
/// A flush that failed leaves pages in the log that every program sees, but that are not on the medium, and that the system
/// takes for written. A process that starts then finds a commit there that its predecessor reported as refused, and writes
/// its own behind it: durable, but worthless once a power cut has taken away what they are chained to.
pub fn begin_log_anew(db: &Connection) -> Result<(), StoreError> {
    Ok(db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// Writes the log full once by a transaction that is larger than the page cache, and rolls it back: what spilled into
/// the log stays there as worthless frames to be overwritten, and the database itself does not grow.
fn lengthen_log(db: &Connection, path: &Path, pages: Pages) -> Result<(), StoreError> {
    let length = || std::fs::metadata(disk::log_of(path)).map_or(0, |m| m.len());
    if length() >= pages.log_length() {
        return Ok(());
    }
    let cache: i64 = db.query_row("PRAGMA cache_size", [], |r| r.get(0))?;
    db.pragma_update(None, "cache_size", 10)?;
    let written = fill(db, pages);
    db.pragma_update(None, "cache_size", cache)?;
    written
}

fn fill(db: &Connection, pages: Pages) -> Result<(), StoreError> {
    let filler = signed((pages.log_frames() + 50) * pages.0);
    let tx = db.unchecked_transaction()?;
    tx.execute_batch("CREATE TABLE filler (bytes BLOB) STRICT")?;
    tx.execute("INSERT INTO filler (bytes) VALUES (zeroblob(?1))", [filler])?;
    tx.rollback()?;
    Ok(())
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
    fn the_log_is_made_long_at_once_and_the_database_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        let db = open(&path, &OpenOptions::default()).unwrap();
        let log = std::fs::metadata(disk::log_of(&path)).unwrap().len();
        assert!(log >= Pages::of(&db).unwrap().log_length(), "{log}");
        let pages: i64 = db.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
        assert!(pages < 50, "{pages} pages");
        assert!(log < LOG_BYTES * 11 / 10, "{log}");
        let fillers = "SELECT count(*) FROM sqlite_schema WHERE name = 'filler'";
        assert_eq!(db.query_row(fillers, [], |r| r.get::<_, i64>(0)).unwrap(), 0);
    }

    #[test]
    fn a_second_opener_is_told_that_the_database_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        let first = open(&path, &OpenOptions::default()).unwrap();
        assert!(matches!(open(&path, &OpenOptions::default()), Err(StoreError::InUse)));
        drop(first);
        open(&path, &OpenOptions::default()).unwrap();
    }

    #[test]
    fn a_newer_database_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        open(&path, &OpenOptions::default()).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(&path, &OpenOptions::default()), Err(StoreError::TooNew { found: 99, .. })));
    }

    #[test]
    fn a_database_of_the_other_kind_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { long_log: false, ..OpenOptions::default() };
        let older = i64::try_from(MIGRATIONS.len()).unwrap() - 1;
        for (own, other) in [(Use::Live, Use::Training), (Use::Training, Use::Live)] {
            let path = dir.path().join(format!("{own:?}.db"));
            drop(open_for(&path, &options, own).unwrap());
            // Older by a version: it must not be brought up to date by the wrong one.
            open_for(&path, &options, own).unwrap().pragma_update(None, "user_version", older).unwrap();
            let refused = open_for(&path, &options, other).unwrap_err();
            let right = matches!(
                (other, &refused),
                (Use::Live, StoreError::OfTraining { .. }) | (Use::Training, StoreError::NotOfTraining { .. })
            );
            assert!(right, "{own:?} opened as {other:?}: {refused}");
            let db = Connection::open(&path).unwrap();
            let version: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
            assert_eq!(version, older);
        }
    }

    #[test]
    fn commits_are_durable() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir.path().join("pos.db"), &OpenOptions::default()).unwrap();
        let pragma =
            |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, rusqlite::types::Value>(0));
        assert_eq!(pragma("synchronous").unwrap(), rusqlite::types::Value::Integer(2));
        assert_eq!(pragma("journal_mode").unwrap(), rusqlite::types::Value::Text("wal".into()));
        assert_eq!(pragma("foreign_keys").unwrap(), rusqlite::types::Value::Integer(1));
    }
}
