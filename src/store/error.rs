//! Why the store cannot do its work, and what to do about it.
//!
//! Owns: the sentences. Nothing here ever advises to delete anything. The file that is meant is filled in where it is
//! known: at the doors of the store.

use std::path::{Path, PathBuf};

use rusqlite::ffi::ErrorCode;

use crate::domain::cause::Cause;
use crate::store::vault::VaultError;

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
    /// A database of training where real payments belong.
    #[error(
        "{}: this is a training database; it is never used for real payments, and nothing in it is ever sent. Put the \
         live database back, or move this file to the directory \"training\" below",
        path.display()
    )]
    OfTraining {
        /// Which file.
        path: PathBuf,
    },
    /// A database of real payments where training belongs.
    #[error(
        "{}: this database is not one of training, and training does not touch it; move it back to where it came from",
        path.display()
    )]
    NotOfTraining {
        /// Which file.
        path: PathBuf,
    },
    /// Something in the database is not what this program wrote.
    #[error("the database holds an impossible value: {0}; keep the file and call support")]
    Impossible(String),
    /// What is sealed does not open with this machine's sealing key.
    #[error(
        "a sealed value does not open: the sealing key is not the one the database was sealed with; put the right key \
         back, or restore a backup"
    )]
    WrongSealingKey,
    /// Sealing failed.
    #[error("sealing: {0}")]
    Vault(#[from] VaultError),
    /// The file is damaged, or is no database.
    #[error(
        "{}: the database is damaged ({source}); keep the file and its -wal and call support, nothing in it is deleted",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite found.
        source: rusqlite::Error,
    },
    /// The check of the whole file found something.
    #[error(
        "{}: the database is damaged ({what}); keep the file and its -wal and call support, nothing in it is deleted",
        path.display()
    )]
    Unsound {
        /// Which file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// No space left.
    #[error("{}: no space left for the database ({source}); free some, nothing that was committed is lost", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
        /// What SQLite met.
        source: rusqlite::Error,
    },
    /// The file, or the file system it is on, cannot be written.
    #[error(
        "{}: the database is read-only ({source}); a disk that fails is mounted so by the system: see `dmesg`, then \
         remount it or correct the file's mode; nothing that was committed is lost",
        path.display()
    )]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// What SQLite met.
        source: rusqlite::Error,
    },
    /// The disk gave an error.
    #[error(
        "{}: the disk failed ({source}); see `dmesg`, make a backup and replace the disk; nothing that was committed \
         is deleted",
        path.display()
    )]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What SQLite met.
        source: rusqlite::Error,
    },
    /// The file is no longer where it was opened: what would be written now would vanish with the process.
    #[error(
        "{}: the file was moved, deleted or replaced while smartposd runs; put the very same file back. If it was \
         deleted, do not stop smartposd: copy it, and its -wal, back from /proc/{}/fd first, then restart",
        path.display(), std::process::id()
    )]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// The write-ahead log is there, its database is not. A new database would make the log worthless.
    #[error(
        "{} is missing, but its log {} is there; put the database back or restore a backup. To start anew, move the \
         log away",
        path.display(), log.display()
    )]
    OnlyTheLog {
        /// The database.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// The file cannot be opened or made.
    #[error("{}: cannot be opened ({source}); its directory must exist and belong to the daemon's user", path.display())]
    CannotOpen {
        /// Which file.
        path: PathBuf,
        /// What SQLite met.
        source: rusqlite::Error,
    },
    /// SQLite refused.
    #[error("storage: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        let path = PathBuf::new();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, source },
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path, source },
            Some(ErrorCode::SystemIoFailure) => Self::Disk { path, source },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::CannotOpen { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            _ => Self::Sqlite(source),
        }
    }
}

impl StoreError {
    /// The cause of the catalogue it stands for, if it is one of a running terminal.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Damaged { .. }
            | Self::Unsound { .. }
            | Self::Impossible(_)
            | Self::OnlyTheLog { .. }
            | Self::WrongSealingKey => Some(Cause::S02),
            Self::OfTraining { .. } | Self::NotOfTraining { .. } => Some(Cause::S07),
            Self::TooNew { .. } => Some(Cause::S03),
            Self::Vault(error) => error.cause(),
            Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::Disk { .. }
            | Self::Gone { .. }
            | Self::CannotOpen { .. }
            | Self::Sqlite(_) => Some(Cause::P02),
            // Another smartposd serves: nothing is wrong with that one.
            Self::InUse => None,
        }
    }

    /// Whether the disk refused, not the database.
    pub(super) fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::ReadOnly { .. } | Self::Disk { .. })
    }

    /// The same with the file it is about. SQLite calls a disk that has become read-only an I/O error: told apart here.
    pub(super) fn at(mut self, file: &Path) -> Self {
        match &mut self {
            Self::Damaged { path, .. }
            | Self::Full { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::Disk { path, .. }
            | Self::OfTraining { path }
            | Self::NotOfTraining { path }
            | Self::CannotOpen { path, .. } => file.clone_into(path),
            Self::InUse
            | Self::TooNew { .. }
            | Self::Impossible(_)
            | Self::WrongSealingKey
            | Self::Vault(_)
            | Self::Unsound { .. }
            | Self::Gone { .. }
            | Self::OnlyTheLog { .. }
            | Self::Sqlite(_) => {}
        }
        match self {
            Self::Disk { path, source } if super::disk::is_read_only(&path) => Self::ReadOnly { path, source },
            other => other,
        }
    }
}

/// Something in the database, or asked of it, is not what this program does.
pub(super) fn impossible(what: &str) -> StoreError {
    StoreError::Impossible(what.to_owned())
}
