//! Sealing at rest: XChaCha20-Poly1305 under a key that lives outside the database.
//!
//! The sealing key comes from systemd's credential store (`LoadCredentialEncrypted=`); rigs without one use a file that
//! only the daemon's user can read. A stolen database file alone opens nothing.
//!
//! Keyed hashes (of card numbers, of the journal) are made under keys derived from it, one for each purpose, so that
//! nobody can try out the few card numbers there are, nor write a journal, without it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use blake2::Blake2sMac;
use blake2::digest::consts::{U16, U32};
use blake2::digest::{FixedOutput, Update};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::domain::cause::Cause;
use crate::domain::secret::SecretBytes;

/// Name of the credential in the unit file.
pub const CREDENTIAL: &str = "smartposd.sealing-key";
/// Name of the file for rigs without one.
pub const KEY_FILE: &str = "sealing.key";
/// Name of the file of a training store.
pub const TRAINING_KEY_FILE: &str = "training.key";
/// Bytes of a sealing key.
pub(super) const KEY: usize = 32;
const NONCE: usize = 24;

/// Why there is no sealing key.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file has another length than a key.
    #[error("{0}: a sealing key has 32 bytes; restore the right file")]
    Length(PathBuf),
    /// The file can be read by others.
    #[error("{0}: others can read the sealing key; chmod 0600 it")]
    Open(PathBuf),
    /// The file cannot be read or made.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A value is longer than the cipher takes.
    #[error("a value is too long to be sealed")]
    TooLong,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

impl VaultError {
    /// The cause of the catalogue: without its sealing key the database is as good as damaged.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Length(_) | Self::Open(_) | Self::Io { .. } => Some(Cause::S02),
            // One commit that fails and is undone; the next one works.
            Self::TooLong | Self::Random => None,
        }
    }
}

/// A keyed hash.
pub type Tag = [u8; 16];

/// What a keyed hash is for; each has its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Knows a card again without its number.
    CardMark,
    /// Chains the rows of the journal.
    JournalRow,
    /// Seals the journal's last number.
    JournalHead,
    /// Knows the sealing key again.
    KeyCheck,
}

impl Purpose {
    const ALL: [Self; 4] = [Self::CardMark, Self::JournalRow, Self::JournalHead, Self::KeyCheck];

    fn label(self) -> &'static [u8] {
        match self {
            Self::CardMark => b"smartposd card mark",
            Self::JournalRow => b"smartposd journal row",
            Self::JournalHead => b"smartposd journal head",
            Self::KeyCheck => b"smartposd key check",
        }
    }
}

/// Seals and opens; the key is wiped on drop.
pub struct Vault {
    cipher: XChaCha20Poly1305,
    /// One for each purpose, in the order of [`Purpose::ALL`], keyed and ready.
    hashes: [Blake2sMac<U16>; 4],
    /// For a backup, which is worth nothing without it.
    key: Zeroizing<[u8; KEY]>,
    purpose: Use,
}

/// What a sealing key is for. What was sealed for the one cannot be opened for the other, not even with the same key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Real payments.
    Live,
    /// Training.
    Training,
}

impl Vault {
    /// From 32 bytes, for real payments.
    pub fn new(key: &[u8; KEY]) -> Self {
        Self::keyed(key, key, Use::Live)
    }

    /// From 32 bytes, for training: nothing is ever sealed with the key itself, only with one derived from it.
    pub fn training(key: &[u8; KEY]) -> Self {
        let derived = Blake2sMac::<U32>::new(key.into()).chain(b"smartposd training").finalize_fixed();
        let derived = Zeroizing::new(<[u8; KEY]>::from(derived));
        Self::keyed(&derived, key, Use::Training)
    }

    fn keyed(key: &[u8; KEY], file: &[u8; KEY], purpose: Use) -> Self {
        let hashes = Purpose::ALL.map(|purpose| {
            let derived = Zeroizing::new(<[u8; KEY]>::from(
                Blake2sMac::<U32>::new(key.into()).chain(purpose.label()).finalize_fixed(),
            ));
            Blake2sMac::<U16>::new((&*derived).into())
        });
        Self { cipher: XChaCha20Poly1305::new(key.into()), hashes, key: Zeroizing::new(*file), purpose }
    }

    /// From systemd's credential directory if it holds the key, else from `fallback`, which is made on the first run.
    pub fn find(credentials: Option<&Path>, fallback: &Path) -> Result<Self, VaultError> {
        match credentials.map(|d| d.join(CREDENTIAL)).filter(|p| p.exists()) {
            Some(path) => Self::read(&path),
            None if fallback.exists() => {
                let io = |source| VaultError::Io { path: fallback.to_owned(), source };
                let mode = fallback.metadata().map_err(io)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(VaultError::Open(fallback.to_owned()));
                }
                Self::read(fallback)
            }
            None => Self::make(fallback),
        }
    }

    /// The training key at `path`, which is made on the first run. No credential is looked at.
    pub fn find_training(path: &Path) -> Result<Self, VaultError> {
        Self::find(None, path).map(|live| Self::training(live.key()))
    }

    /// What it is for.
    pub fn purpose(&self) -> Use {
        self.purpose
    }

    fn read(path: &Path) -> Result<Self, VaultError> {
        let io = |source| VaultError::Io { path: path.to_owned(), source };
        let mut key = Zeroizing::new([0u8; KEY]);
        let mut file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() != KEY as u64 {
            return Err(VaultError::Length(path.to_owned()));
        }
        file.read_exact(key.as_mut()).map_err(io)?;
        Ok(Self::new(&key))
    }

    fn make(path: &Path) -> Result<Self, VaultError> {
        let mut key = Zeroizing::new([0u8; KEY]);
        getrandom::fill(key.as_mut()).map_err(|_| VaultError::Random)?;
        write(path, &key)?;
        Ok(Self::new(&key))
    }

    /// A keyed hash of these parts for a purpose. Parts of varying length but the last have to be told apart by the caller.
    pub fn tag(&self, purpose: Purpose, parts: &[&[u8]]) -> Tag {
        let [card, row, head, check] = &self.hashes;
        let mut hash = match purpose {
            Purpose::CardMark => card,
            Purpose::JournalRow => row,
            Purpose::JournalHead => head,
            Purpose::KeyCheck => check,
        }
        .clone();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize_fixed().into()
    }

    /// The key itself, for the backup that seals it.
    pub(super) fn key(&self) -> &[u8; KEY] {
        &self.key
    }

    /// Seals for a context; the same context opens it, so that sealed values cannot be swapped.
    pub fn seal(&self, context: &str, clear: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::Random)?;
        let payload = Payload { msg: clear, aad: context.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::TooLong)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The clear value, or `None` if key or context is another or the bytes were altered.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<SecretBytes> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok().map(SecretBytes::new)
    }
}

/// Writes a key to its file, for its owner alone.
pub(super) fn write(path: &Path, key: &[u8; KEY]) -> Result<(), VaultError> {
    let io = |source| VaultError::Io { path: path.to_owned(), source };
    // Written whole under another name first: a power cut must not leave half a key.
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(io)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
    file.write_all(key).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&new, path).map_err(io)?;
    if let Some(directory) = path.parent() {
        File::open(directory).and_then(|d| d.sync_all()).map_err(io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_unaltered_in_its_own_context() {
        let vault = Vault::new(&[7; KEY]);
        let mut sealed = vault.seal("a", b"secret").unwrap();
        assert_eq!(vault.open("a", &sealed).unwrap().expose(), b"secret");
        assert!(vault.open("b", &sealed).is_none());
        assert!(Vault::new(&[8; KEY]).open("a", &sealed).is_none());
        *sealed.last_mut().unwrap() ^= 1;
        assert!(vault.open("a", &sealed).is_none());
        assert!(vault.open("a", b"short").is_none());
    }

    #[test]
    fn a_keyed_hash_depends_on_key_purpose_and_content() {
        let vault = Vault::new(&[7; KEY]);
        let tag = vault.tag(Purpose::CardMark, &[b"62", b"00"]);
        assert_eq!(Vault::new(&[7; KEY]).tag(Purpose::CardMark, &[b"6200"]), tag);
        assert_ne!(Vault::new(&[8; KEY]).tag(Purpose::CardMark, &[b"6200"]), tag);
        assert_ne!(vault.tag(Purpose::CardMark, &[b"6201"]), tag);
        let all = Purpose::ALL.map(|purpose| vault.tag(purpose, &[b"6200"]));
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one), "two purposes share a key");
        }
    }

    #[test]
    fn the_fallback_key_is_made_once_and_must_stay_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealing.key");
        let sealed = Vault::find(None, &path).unwrap().seal("x", b"y").unwrap();
        assert!(Vault::find(None, &path).unwrap().open("x", &sealed).is_some());
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Vault::find(None, &path), Err(VaultError::Open(_))));
    }

    #[test]
    fn what_is_sealed_for_training_does_not_open_for_real_payments_with_the_same_key_file() {
        let (live, training) = (Vault::new(&[7; KEY]), Vault::training(&[7; KEY]));
        assert!(live.open("x", &training.seal("x", b"y").unwrap()).is_none());
        assert!(training.open("x", &live.seal("x", b"y").unwrap()).is_none());
        assert_eq!((live.purpose(), training.purpose()), (Use::Live, Use::Training));
        for purpose in Purpose::ALL {
            assert_ne!(live.tag(purpose, &[b"6200"]), training.tag(purpose, &[b"6200"]));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TRAINING_KEY_FILE);
        let sealed = Vault::find_training(&path).unwrap().seal("x", b"y").unwrap();
        assert!(Vault::find_training(&path).unwrap().open("x", &sealed).is_some());
        assert!(Vault::find(None, &path).unwrap().open("x", &sealed).is_none());
    }

    #[test]
    fn the_credential_is_preferred() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CREDENTIAL), [1u8; KEY]).unwrap();
        let fallback = dir.path().join("sealing.key");
        let vault = Vault::find(Some(dir.path()), &fallback).unwrap();
        assert!(!fallback.exists());
        assert!(Vault::new(&[1; KEY]).open("x", &vault.seal("x", b"y").unwrap()).is_some());
        std::fs::write(dir.path().join(CREDENTIAL), [1u8; 31]).unwrap();
        assert!(matches!(Vault::find(Some(dir.path()), &fallback), Err(VaultError::Length(_))));
    }
}
