//! Backup: a consistent copy of the database and the sealing key, sealed together under a passphrase.
//!
//! Must not know: the form of the archive (`archive`), how it comes back (`restore`).

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::archive::Sealer;
use super::vault::KEY;
use super::{Store, StoreError, impossible};
use crate::domain::secret::SecretBytes;

/// Steps of SQLite between two signs of life; some hundred rows.
const STEPS: i32 = 1000;
/// Room to be left on the disk beside the copy.
const ROOM_LEFT: u64 = 32 << 20;

/// Why there is no backup, or why it does not come back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Too short to keep anybody out, or too long.
    #[error("a passphrase has 12 to 128 bytes")]
    Passphrase,
    /// The file is something else.
    #[error("this is no backup of smartposd")]
    NotAnArchive,
    /// Written by a later version.
    #[error("the backup was written by a newer smartposd; install that version and restore with it")]
    TooNew,
    /// The passphrase does not open it.
    #[error("the passphrase is not the one of this backup; nothing was written")]
    WrongPassphrase,
    /// Not as it was written.
    #[error("the backup is damaged or cut off; nothing was restored, use another copy of it")]
    Altered,
    /// No memory for the passphrase's key.
    #[error("there is not enough memory to open or seal a backup (64 MiB)")]
    Memory,
    /// No random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// More than the format can hold.
    #[error("the database is too large for a backup")]
    TooLong,
    /// No room for the copy that a backup is made from.
    #[error("{}: the copy for the backup needs {needed} bytes of free disk", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// How much.
        needed: u64,
    },
    /// The archive cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(std::io::Error),
    /// The archive cannot be read.
    #[error("the backup cannot be read: {0}")]
    Read(std::io::Error),
    /// There is a database already.
    #[error("{} is there already; a backup is restored only where there is no database: move it away first", .0.display())]
    Exists(PathBuf),
    /// There is another sealing key.
    #[error("{} holds another sealing key than the backup; move it away first", .0.display())]
    OtherKey(PathBuf),
    /// A file of the state directory.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database in the backup, or its copy.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl BackupError {
    /// With the file it happened to.
    pub(super) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

/// A consistent copy of everything that must survive. It has no name in the file system any more, and can be sealed by
/// another thread while the store goes on.
pub struct Copy {
    database: File,
    key: Zeroizing<[u8; KEY]>,
}

impl Copy {
    /// Seals it under a passphrase.
    pub fn seal(mut self, passphrase: &SecretBytes, to: impl Write) -> Result<(), BackupError> {
        let mut sealer = Sealer::new(to, passphrase)?;
        sealer.push(self.key.as_slice())?;
        let mut room = [0; 16 << 10];
        loop {
            match self.database.read(&mut room).map_err(BackupError::Read)? {
                0 => return sealer.finish(),
                n => sealer.push(room.get(..n).unwrap_or_default())?,
            }
        }
    }
}

impl Store {
    /// Writes a backup.
    pub fn backup(&self, passphrase: &SecretBytes, to: impl Write) -> Result<(), BackupError> {
        self.copy()?.seal(passphrase, to)
    }

    /// The same, with `alive` called again and again meanwhile, so that a long copy is not taken for a standstill.
    pub fn copy_alive(&mut self, mut alive: impl FnMut() + Send + 'static) -> Result<Copy, BackupError> {
        let goes_on = move || {
            alive();
            false
        };
        self.watched(STEPS, goes_on, Self::copy)?
    }

    /// The copy a backup is made from. Commits have to wait as long as this takes.
    pub fn copy(&self) -> Result<Copy, BackupError> {
        let mut name = self.path.clone().into_os_string();
        name.push("-copy");
        let path = PathBuf::from(name);
        let io = BackupError::io(&path);
        let pages =
            self.db.query_row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], |r| {
                r.get::<_, i64>(0)
            });
        let size = u64::try_from(self.at(pages.map_err(StoreError::from))?).unwrap_or(u64::MAX);
        let needed = size.saturating_add(ROOM_LEFT);
        if (self.free_bytes)(&self.path).is_none_or(|free| free < needed) {
            return Err(BackupError::NoRoom { path, needed });
        }
        // What a power cut left of an earlier one.
        remove(&path).map_err(&io)?;
        // Made here so that nobody else can read it.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(&io)?;
        let name = path.to_str().ok_or_else(|| impossible("the path of the database is no text"))?;
        let copied = self.db.execute("VACUUM INTO ?1", [name]).map_err(|e| StoreError::from(e).at(&path));
        let opened = File::open(&path);
        remove(&path).map_err(&io)?;
        copied?;
        Ok(Copy { database: opened.map_err(&io)?, key: Zeroizing::new(*self.vault.key()) })
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::store::vault::Vault;

    #[test]
    fn a_long_copy_gives_signs_of_life_and_no_more_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("pos.db"), Vault::new(&[7; KEY])).unwrap();
        let payments = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                        INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, state, evidence, created_at)
                        SELECT i, 1, i, '', 'sale', 100, 'CNY', 'finished', '', 1 FROM n";
        store.db.execute_batch(payments).unwrap();
        let signs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&signs);
        store
            .copy_alive(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let during = signs.load(Ordering::Relaxed);
        assert!(during > 3, "{during}");
        store.copy().unwrap();
        assert_eq!(signs.load(Ordering::Relaxed), during);
    }
}
