//! What a training daemon has of its own: its sealing key and its master key; and that only one daemon runs at a time.
//!
//! Owns: which key file is opened, which master key is taken. The live key file and systemd's credential are not looked at
//! in training, and each side refuses the other's master key.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::app::config::{Config, Purpose};
use crate::app::service::ServiceError;
use crate::domain::secret::{DoubleKey, SecretBytes};
use crate::domain::time::WallTime;
use crate::domain::training::MASTER_KEY;
use crate::store::Store;
use crate::store::vault::{KEY_FILE, TRAINING_KEY_FILE, Vault, VaultError};

/// Whoever holds it has the terminal's devices. Ends with the process, however that ends.
pub struct Claim(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] Option<Flock<File>>);

/// Takes the terminal, or says that somebody else has it.
///
/// A lock on the directory itself: that works on a disk that takes nothing, and leaves nothing behind.
pub fn claim(home: &Path) -> Result<Claim, ServiceError> {
    let directory = OpenOptions::new().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(home);
    let directory = directory.map_err(|source| ServiceError::StateDirectory { path: home.to_owned(), source })?;
    match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Claim(Some(lock))),
        Err((_, Errno::EWOULDBLOCK)) => Err(ServiceError::Another),
        // A file system without locks: the bus name and the reader's own lock still let one in only.
        Err(_) => Ok(Claim(None)),
    }
}

/// The sealing key of this daemon's own store.
pub fn vault(config: &Config, credentials: Option<&Path>) -> Result<Vault, VaultError> {
    match config.purpose {
        Purpose::Live => Vault::find(credentials, &config.state_dir.join(KEY_FILE)),
        Purpose::Training => Vault::find_training(&config.state_dir.join(TRAINING_KEY_FILE)),
    }
}

/// The master key from the store. Training has the one that everybody knows, from its first start on.
pub fn master_key(config: &Config, store: &mut Store, at: WallTime) -> Result<Option<DoubleKey>, ServiceError> {
    if config.training() && store.master_key()?.is_none() {
        store.set_master_key(at, &SecretBytes::new(MASTER_KEY.to_vec()))?;
    }
    let Some(key) = store.master_key()? else { return Ok(None) };
    let key = <[u8; 16]>::try_from(key.expose()).map_err(|_| ServiceError::MasterKey)?;
    if config.training() != (key == MASTER_KEY) {
        return Err(ServiceError::WrongMasterKey);
    }
    Ok(Some(DoubleKey(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_terminal_and_a_dead_one_does_not_hold_it() {
        let home = tempfile::tempdir().unwrap();
        let first = claim(home.path()).unwrap();
        assert!(matches!(claim(home.path()), Err(ServiceError::Another)));
        drop(first);
        claim(home.path()).unwrap();
        assert!(matches!(claim(&home.path().join("none")), Err(ServiceError::StateDirectory { .. })));
    }
}
