//! Backup and restore: a consistent copy of the database and the sealing key, sealed together under a passphrase.
//!
//! What happened after a backup is not in it. So a restore lets the traces jump ahead, since those used meanwhile must
//! never be used again, marks everything unsent as perhaps sent, and says so in the journal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::archive::{Opener, Sealer};
use super::vault::{self, KEY, Vault};
use super::{DATABASE, Store, StoreError, disk, entry, impossible};
use crate::domain::ids::Stan;
use crate::domain::secret::SecretBytes;
use crate::domain::time::WallTime;

/// Traces that may have been used after the backup.
const TRACES_AHEAD: u32 = 10_000;
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

    /// The copy a backup is made from. Commits have to wait as long as this takes.
    pub fn copy(&self) -> Result<Copy, BackupError> {
        let mut name = self.path.clone().into_os_string();
        name.push("-copy");
        let path = PathBuf::from(name);
        let io = |source| BackupError::Io { path: path.clone(), source };
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
        remove(&path).map_err(io)?;
        // Made here so that nobody else can read it.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        let name = path.to_str().ok_or_else(|| impossible("the path of the database is no text"))?;
        let copied = self.db.execute("VACUUM INTO ?1", [name]).map_err(|e| StoreError::from(e).at(&path));
        let opened = File::open(&path);
        remove(&path).map_err(io)?;
        copied?;
        Ok(Copy { database: opened.map_err(io)?, key: Zeroizing::new(*self.vault.key()) })
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// The trace that is used next.
    pub next_stan: Stan,
    /// Payments accepted offline that may have been sent since the backup; they go out as repeats.
    pub unsent: u32,
    /// Reversals that may have been sent since; they go out again.
    pub reversals: usize,
    /// Where the sealing key was written.
    pub key: PathBuf,
}

/// Brings a backup back into a directory that has no database. Either everything is there afterwards, or nothing is.
pub fn restore(
    archive: impl Read,
    passphrase: &SecretBytes,
    directory: &Path,
    at: WallTime,
) -> Result<Restored, BackupError> {
    let database = directory.join(DATABASE);
    refuse_if_there(&database)?;
    let mut opener = Opener::new(archive, passphrase)?;
    let workshop = directory.join("restoring");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    if workshop.exists() {
        std::fs::remove_dir_all(&workshop).map_err(io(&workshop))?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(&workshop).map_err(io(&workshop))?;
    let result = bring_back(&mut opener, &workshop, &database, at);
    // Only what was made here; the directory above keeps everything.
    let cleared = std::fs::remove_dir_all(&workshop).map_err(io(&workshop));
    result.and_then(|restored| cleared.map(|()| restored))
}

fn refuse_if_there(database: &Path) -> Result<(), BackupError> {
    match [database.to_owned(), disk::log_of(database)].into_iter().find(|p| p.symlink_metadata().is_ok()) {
        Some(path) => Err(BackupError::Exists(path)),
        None => Ok(()),
    }
}

fn bring_back<R: Read>(
    opener: &mut Opener<R>,
    workshop: &Path,
    database: &Path,
    at: WallTime,
) -> Result<Restored, BackupError> {
    let work = workshop.join(DATABASE);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&work).map_err(io(&work))?;
    let first = opener.next()?.ok_or(BackupError::Altered)?;
    let (key, rest) = first.expose().split_first_chunk::<KEY>().ok_or(BackupError::Altered)?;
    let key = Zeroizing::new(*key);
    let key_file = database.with_file_name(vault::KEY_FILE);
    match std::fs::read(&key_file).map(Zeroizing::new) {
        Ok(there) if there.as_slice() != key.as_slice() => return Err(BackupError::OtherKey(key_file)),
        Ok(_) | Err(_) => {}
    }
    file.write_all(rest).map_err(io(&work))?;
    while let Some(portion) = opener.next()? {
        file.write_all(portion.expose()).map_err(io(&work))?;
    }
    drop(file);
    let restored = after_the_backup(&work, &key, &key_file, at)?;
    File::open(&work).and_then(|f| f.sync_all()).map_err(io(&work))?;
    // The key first: a database without its key would be worth nothing.
    vault::write(&key_file, &key).map_err(StoreError::from)?;
    refuse_if_there(database)?;
    let directory = database.parent().unwrap_or(Path::new("."));
    give_to_owner(directory, &[&key_file, &work])?;
    std::fs::rename(&work, database).map_err(io(database))?;
    File::open(directory).and_then(|d| d.sync_all()).map_err(io(directory))?;
    Ok(restored)
}

/// Restored by root, the files still belong to whom the directory belongs: the daemon.
fn give_to_owner(directory: &Path, files: &[&Path]) -> Result<(), BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    let owner = std::fs::metadata(directory).map_err(io(directory))?;
    for file in files {
        let now = std::fs::metadata(file).map_err(io(file))?;
        if (now.uid(), now.gid()) != (owner.uid(), owner.gid()) {
            std::os::unix::fs::chown(file, Some(owner.uid()), Some(owner.gid())).map_err(io(file))?;
        }
    }
    Ok(())
}

/// Opens the restored database, checks it, and makes it safe to go on with.
fn after_the_backup(work: &Path, key: &[u8; KEY], key_file: &Path, at: WallTime) -> Result<Restored, BackupError> {
    let options = super::OpenOptions { long_log: false, ..super::OpenOptions::default() };
    let mut store = Store::open_on(work, Vault::new(key), &options)?;
    store.integrity()?;
    let found = store.load()?;
    let next_stan = ahead(found.next_stan);
    let unsent = store.transact(at, |tx, _| {
        tx.execute("UPDATE terminal SET next_stan = ?1", [next_stan.get()])?;
        let sql = "UPDATE payment SET forwarding = 'in-flight'
                   WHERE id IN (SELECT id FROM offline WHERE held = 0) AND forwarding = 'waiting'";
        tx.execute(sql, [])?;
        let unsent = found.queue.count();
        Ok((unsent, entry::restored(next_stan, unsent)))
    })?;
    store.settle_log()?;
    Ok(Restored { next_stan, unsent, reversals: found.reversals.len(), key: key_file.to_owned() })
}

/// As many traces further, over the end of the range if need be.
fn ahead(stan: Stan) -> Stan {
    (0..TRACES_AHEAD).fold(stan, |stan, _| stan.next())
}

impl Store {
    /// Everything into the database's own file, nothing left in the log.
    fn settle_log(&self) -> Result<(), StoreError> {
        let settled = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, i64>(0));
        match self.at(settled.map_err(StoreError::from))? {
            0 => Ok(()),
            _ => Err(impossible("the log of the restored database is in use")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traces_jump_over_the_end_of_their_range() {
        let ahead = |n| ahead(Stan::new(n).unwrap()).get();
        assert_eq!((ahead(1), ahead(989_999), ahead(990_000), ahead(999_999)), (10_001, 999_999, 1, 10_000));
    }
}
