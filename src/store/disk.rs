//! The files themselves: whether they are still where they were opened, and how much room there is.
//!
//! SQLite goes on writing to a file that was deleted or replaced under it, and everything written so is gone with the
//! process. So both files are looked at before each commit: two calls of some microseconds.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::store::error::StoreError;

/// Device and inode.
type Identity = (u64, u64);

/// The database and its log as they were when they were opened.
pub struct Files {
    /// Nothing is watched under a file system that SQLite alone knows.
    watched: Vec<(PathBuf, Identity)>,
}

impl Files {
    /// Looks at both, right after they were opened.
    pub fn watch(path: &Path) -> Result<Self, StoreError> {
        let look = |file: PathBuf| identity(&file).map(|i| (file.clone(), i)).ok_or(StoreError::Gone { path: file });
        Ok(Self { watched: vec![look(path.to_owned())?, look(log_of(path))?] })
    }

    /// Watches nothing.
    pub fn unwatched() -> Self {
        Self { watched: Vec::new() }
    }

    /// Whether both are where they were.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.watched.iter().find(|(path, was)| identity(path) != Some(*was)) {
            Some((path, _)) => Err(StoreError::Gone { path: path.clone() }),
            None => Ok(()),
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// The log's file.
pub fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// A log with something in it that has lost its database.
pub fn orphaned_log(path: &Path) -> Option<PathBuf> {
    let log = log_of(path);
    let orphaned = !path.exists() && std::fs::metadata(&log).is_ok_and(|m| m.len() > 0);
    orphaned.then_some(log)
}

/// Bytes that this user may still write where the database is; `None` if the system does not say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = statvfs(directory_of(path)).ok()?;
    // Both are narrower on some 32-bit systems.
    (found.blocks_available() as u64).checked_mul(found.fragment_size() as u64)
}

/// Whether the file system is mounted read-only.
pub fn is_read_only(path: &Path) -> bool {
    statvfs(directory_of(path)).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_goes_or_is_replaced_is_noticed_and_so_is_its_return() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        for file in [path.clone(), log_of(&path)] {
            std::fs::write(&path, "database").unwrap();
            std::fs::write(log_of(&path), "log").unwrap();
            let files = Files::watch(&path).unwrap();
            files.check().unwrap();
            let aside = dir.path().join("aside");
            std::fs::rename(&file, &aside).unwrap();
            assert!(matches!(files.check(), Err(StoreError::Gone { path }) if path == file));
            std::fs::write(&file, "another").unwrap();
            assert!(matches!(files.check(), Err(StoreError::Gone { .. })), "another file of the same name");
            std::fs::rename(&aside, &file).unwrap();
            files.check().unwrap();
        }
    }

    #[test]
    fn a_log_without_its_database_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.db");
        assert_eq!(orphaned_log(&path), None);
        std::fs::write(log_of(&path), "").unwrap();
        assert_eq!(orphaned_log(&path), None, "an empty one holds nothing");
        std::fs::write(log_of(&path), "frames").unwrap();
        assert_eq!(orphaned_log(&path), Some(log_of(&path)));
        std::fs::write(&path, "database").unwrap();
        assert_eq!(orphaned_log(&path), None);
    }

    #[test]
    fn free_space_is_known_where_there_is_a_disk() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("pos.db")).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_bytes(Path::new("/nowhere/at/all/pos.db")), None);
        assert!(!is_read_only(&dir.path().join("pos.db")));
    }
}
