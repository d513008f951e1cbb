//! Restore: a backup is brought back into a directory that has no database. All of it, or nothing.
//!
//! What happened after the backup is not in it. So traces and payment numbers jump ahead, since those used meanwhile must
//! never be used again; everything unsent counts as perhaps sent; and the journal says so.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::params;
use zeroize::Zeroizing;

use super::archive::Opener;
use super::backup::BackupError;
use super::vault::{self, KEY, Vault};
use super::{DATABASE, Store, StoreError, disk, entry, impossible, schema, signed};
use crate::domain::ids::Stan;
use crate::domain::secret::SecretBytes;
use crate::domain::time::WallTime;

/// Traces and payment numbers that may have been used after the backup.
const NUMBERS_AHEAD: u64 = 10_000;

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
    refuse_if_there(directory)?;
    let mut opener = Opener::new(archive, passphrase)?;
    let workshop = directory.join("restoring");
    if workshop.exists() {
        std::fs::remove_dir_all(&workshop).map_err(BackupError::io(&workshop))?;
    }
    DirBuilder::new().mode(0o700).create(&workshop).map_err(BackupError::io(&workshop))?;
    let result = bring_back(&mut opener, &workshop, &database, at);
    // Only what was made here; the directory above keeps everything.
    let cleared = std::fs::remove_dir_all(&workshop).map_err(BackupError::io(&workshop));
    result.and_then(|restored| cleared.map(|()| restored))
}

/// Refuses a directory that has a database, or the log of one.
pub fn refuse_if_there(directory: &Path) -> Result<(), BackupError> {
    let database = directory.join(DATABASE);
    match [database.clone(), disk::log_of(&database)].into_iter().find(|p| p.symlink_metadata().is_ok()) {
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
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&work).map_err(BackupError::io(&work))?;
    let first = opener.next()?.ok_or(BackupError::Altered)?;
    let (key, rest) = first.expose().split_first_chunk::<KEY>().ok_or(BackupError::Altered)?;
    let key = Zeroizing::new(*key);
    let key_file = database.with_file_name(vault::KEY_FILE);
    match std::fs::read(&key_file).map(Zeroizing::new) {
        Ok(there) if there.as_slice() == key.as_slice() => {}
        Ok(_) => return Err(BackupError::OtherKey(key_file)),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(BackupError::io(&key_file)(e)),
    }
    file.write_all(rest).map_err(BackupError::io(&work))?;
    while let Some(portion) = opener.next()? {
        file.write_all(portion.expose()).map_err(BackupError::io(&work))?;
    }
    drop(file);
    let restored = after_the_backup(&work, &key, &key_file, at)?;
    File::open(&work).and_then(|f| f.sync_all()).map_err(BackupError::io(&work))?;
    // The key first: a database without its key would be worth nothing.
    vault::write(&key_file, &key).map_err(StoreError::from)?;
    let directory = database.parent().unwrap_or(Path::new("."));
    refuse_if_there(directory)?;
    give_to_owner(directory, &[&key_file, &work])?;
    std::fs::rename(&work, database).map_err(BackupError::io(database))?;
    File::open(directory).and_then(|d| d.sync_all()).map_err(BackupError::io(directory))?;
    Ok(restored)
}

/// Restored by root, the files still belong to whom the directory belongs: the daemon.
fn give_to_owner(directory: &Path, files: &[&Path]) -> Result<(), BackupError> {
    let owner = std::fs::metadata(directory).map_err(BackupError::io(directory))?;
    for file in files {
        let now = std::fs::metadata(file).map_err(BackupError::io(file))?;
        if (now.uid(), now.gid()) != (owner.uid(), owner.gid()) {
            std::os::unix::fs::chown(file, Some(owner.uid()), Some(owner.gid())).map_err(BackupError::io(file))?;
        }
    }
    Ok(())
}

/// Opens the restored database, checks it, and makes it safe to go on with.
fn after_the_backup(work: &Path, key: &[u8; KEY], key_file: &Path, at: WallTime) -> Result<Restored, BackupError> {
    let options = schema::OpenOptions { long_log: false, ..schema::OpenOptions::default() };
    let mut store = Store::open_on(work, Vault::new(key), &options)?;
    store.integrity()?;
    let found = store.load()?;
    let next_stan = ahead(found.next_stan);
    let unsent = store.transact(at, |tx, _| {
        tx.execute(
            "UPDATE terminal SET next_stan = ?1, first_id = ?2",
            params![next_stan.get(), signed(found.next_id.0.saturating_add(NUMBERS_AHEAD))],
        )?;
        // An upload that was tried goes out as a repeat; a held one too, should a person have it sent again.
        tx.execute(
            "UPDATE payment SET attempts = max(attempts, 1) WHERE id IN (SELECT id FROM offline WHERE held IS NOT NULL)",
            [],
        )?;
        let unsent = found.queue.count();
        Ok((unsent, entry::restored(next_stan, unsent)))
    })?;
    store.settle_log()?;
    Ok(Restored { next_stan, unsent, reversals: found.reversals.len(), key: key_file.to_owned() })
}

/// As many traces further, over the end of the range if need be.
fn ahead(stan: Stan) -> Stan {
    (0..NUMBERS_AHEAD).fold(stan, |stan, _| stan.next())
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
