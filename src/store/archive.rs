//! A stream sealed under a passphrase: what a backup is written as.
//!
//! ```text
//! magic and version (8) | memory KiB (4) | passes (4) | lanes (4) | salt (16) | nonce (19) | check (16)
//! then portions of 64 KiB, each with its tag (16); the last is shorter, perhaps empty, and marked as the last
//! ```
//! Argon2id makes two keys of passphrase and salt: one for the portions (XChaCha20-Poly1305, STREAM construction: nonce,
//! portion number, last or not), one for the check over the head, so that a wrong passphrase is told from an altered
//! archive. Portions that are altered, missing, swapped or cut off at the end do not open. Memory stays bounded.

use std::io::{ErrorKind, Read, Write};

use argon2::{Algorithm, Argon2, Params, Version};
use blake2::Blake2sMac;
use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, Update};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::backup::BackupError;
use crate::domain::secret::SecretBytes;

/// The last byte is the version of the format.
const MAGIC: [u8; 8] = *b"SPOSBAK\x01";
const SALT: usize = 16;
const NONCE: usize = 19;
const CHECK: usize = 16;
const TAG: usize = 16;
const HEAD: usize = MAGIC.len() + 12 + SALT + NONCE;
/// Bytes of a portion before it is sealed.
const PORTION: usize = 64 << 10;
/// Memory in KiB, passes, lanes: slow for whoever guesses, bearable on a small board.
const COST: Cost = Cost { memory: 64 << 10, passes: 3, lanes: 1 };
/// An archive that asks for more was not written by this program.
const DEAREST: Cost = Cost { memory: 1 << 20, passes: 64, lanes: 16 };
/// Bytes of a passphrase.
const PASSPHRASE: std::ops::RangeInclusive<usize> = 12..=128;

#[derive(Clone, Copy)]
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// What stands before the portions, and the keys that follow from it.
struct Head {
    bytes: [u8; HEAD],
    check: [u8; CHECK],
    nonce: [u8; NONCE],
    cipher: XChaCha20Poly1305,
}

impl Head {
    fn new(cost: Cost, salt: &[u8; SALT], nonce: [u8; NONCE], passphrase: &SecretBytes) -> Result<Self, BackupError> {
        let mut bytes = [0; HEAD];
        let parts: [&[u8]; 6] =
            [&MAGIC, &cost.memory.to_be_bytes(), &cost.passes.to_be_bytes(), &cost.lanes.to_be_bytes(), salt, &nonce];
        bytes.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
        let mut keys = Zeroizing::new([0u8; 64]);
        let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(keys.len()));
        params
            .map(|p| Argon2::new(Algorithm::Argon2id, Version::V0x13, p))
            .and_then(|a| a.hash_password_into(passphrase.expose(), salt, keys.as_mut()))
            .map_err(|_| BackupError::Memory)?;
        let (portions, checks) = keys.split_at(32);
        let key = |half: &[u8]| <[u8; 32]>::try_from(half).map(Zeroizing::new).map_err(|_| BackupError::Memory);
        let check = Blake2sMac::<U16>::new((&*key(checks)?).into()).chain(bytes).finalize_fixed().into();
        Ok(Self { bytes, check, nonce, cipher: XChaCha20Poly1305::new((&*key(portions)?).into()) })
    }

    fn nonce(&self, portion: u32, is_last: bool) -> XNonce {
        let mut nonce = [0; 24];
        let parts = self.nonce.into_iter().chain(portion.to_be_bytes()).chain([u8::from(is_last)]);
        nonce.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        XNonce::from(nonce)
    }
}

/// Writes an archive.
pub struct Sealer<W> {
    head: Head,
    to: W,
    portion: u32,
    room: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    /// Writes the head.
    pub fn new(to: W, passphrase: &SecretBytes) -> Result<Self, BackupError> {
        Self::at_cost(COST, to, passphrase)
    }

    fn at_cost(cost: Cost, mut to: W, passphrase: &SecretBytes) -> Result<Self, BackupError> {
        if !PASSPHRASE.contains(&passphrase.expose().len()) {
            return Err(BackupError::Passphrase);
        }
        let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
        getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut nonce)).map_err(|_| BackupError::Random)?;
        let head = Head::new(cost, &salt, nonce, passphrase)?;
        to.write_all(&head.bytes).and_then(|()| to.write_all(&head.check)).map_err(BackupError::Write)?;
        let room = Zeroizing::new(Vec::with_capacity(PORTION + TAG));
        Ok(Self { head, to, portion: 0, room })
    }

    /// More of the content.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            if self.room.len() == PORTION {
                self.seal(false)?;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(PORTION - self.room.len()));
            self.room.extend_from_slice(now);
            bytes = rest;
        }
        Ok(())
    }

    /// The end of the content. An archive without it does not open.
    pub fn finish(mut self) -> Result<(), BackupError> {
        self.seal(true)?;
        self.to.flush().map_err(BackupError::Write)
    }

    fn seal(&mut self, is_last: bool) -> Result<(), BackupError> {
        let nonce = self.head.nonce(self.portion, is_last);
        self.head
            .cipher
            .encrypt_in_place(&nonce, &self.head.check, &mut *self.room)
            .map_err(|_| BackupError::TooLong)?;
        self.to.write_all(&self.room).map_err(BackupError::Write)?;
        self.room.clear();
        self.portion = self.portion.checked_add(1).ok_or(BackupError::TooLong)?;
        Ok(())
    }
}

/// Reads an archive.
pub struct Opener<R> {
    head: Head,
    from: R,
    portion: u32,
    ended: bool,
}

impl<R: Read> Opener<R> {
    /// Reads the head and tries the passphrase.
    pub fn new(mut from: R, passphrase: &SecretBytes) -> Result<Self, BackupError> {
        let mut bytes = [0; HEAD + CHECK];
        from.read_exact(&mut bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => BackupError::NotAnArchive,
            _ => BackupError::Read(e),
        })?;
        let mut rest = bytes.as_slice();
        let magic: [u8; 8] = take(&mut rest)?;
        if magic != MAGIC {
            let newer = magic.starts_with(MAGIC.split_last().map_or(&[], |(_, name)| name));
            return Err(if newer { BackupError::TooNew } else { BackupError::NotAnArchive });
        }
        let [memory, passes, lanes] = [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?].map(u32::from_be_bytes);
        if memory > DEAREST.memory || passes > DEAREST.passes || lanes > DEAREST.lanes {
            return Err(BackupError::NotAnArchive);
        }
        let (salt, nonce) = (take(&mut rest)?, take(&mut rest)?);
        let head = Head::new(Cost { memory, passes, lanes }, &salt, nonce, passphrase)?;
        if !bool::from(head.check.as_slice().ct_eq(rest)) {
            return Err(BackupError::WrongPassphrase);
        }
        Ok(Self { head, from, portion: 0, ended: false })
    }

    /// The next portion of the content; `None` behind the last. Nothing is whole before that `None`.
    pub fn next(&mut self) -> Result<Option<SecretBytes>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        let mut room = Vec::with_capacity(PORTION + TAG);
        (&mut self.from).take((PORTION + TAG) as u64).read_to_end(&mut room).map_err(BackupError::Read)?;
        // A full portion is the last one too when nothing follows; the seal says which it is.
        for is_last in [room.len() < PORTION + TAG, true] {
            let nonce = self.head.nonce(self.portion, is_last);
            let mut clear = room.clone();
            if self.head.cipher.decrypt_in_place(&nonce, &self.head.check, &mut clear).is_ok() {
                self.ended = is_last;
                self.portion = self.portion.checked_add(1).ok_or(BackupError::TooLong)?;
                if is_last && self.from.read(&mut [0]).map_err(BackupError::Read)? > 0 {
                    return Err(BackupError::Altered);
                }
                return Ok(Some(SecretBytes::new(clear)));
            }
        }
        Err(BackupError::Altered)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BackupError> {
    let (first, others) = rest.split_first_chunk::<N>().ok_or(BackupError::NotAnArchive)?;
    *rest = others;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> SecretBytes {
        SecretBytes::new(text.as_bytes().to_vec())
    }

    /// At the least cost there is: these tests open dozens.
    fn sealed(content: &[u8]) -> Vec<u8> {
        let cheap = Cost { memory: 8, passes: 1, lanes: 1 };
        let mut archive = Vec::new();
        let mut sealer = Sealer::at_cost(cheap, &mut archive, &passphrase("correct horse battery")).unwrap();
        content.chunks(10_007).for_each(|part| sealer.push(part).unwrap());
        sealer.finish().unwrap();
        archive
    }

    fn opened(archive: &[u8]) -> Result<Vec<u8>, BackupError> {
        let mut opener = Opener::new(archive, &passphrase("correct horse battery"))?;
        let mut content = Vec::new();
        while let Some(portion) = opener.next()? {
            content.extend_from_slice(portion.expose());
        }
        Ok(content)
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn content_of_any_length_comes_back() {
        for length in [0, 1, PORTION - 1, PORTION, PORTION + 1, 3 * PORTION, 3 * PORTION + 9] {
            let archive = sealed(&content(length));
            assert_eq!(opened(&archive).unwrap(), content(length), "{length}");
            let beginning: Vec<u8> = content(length).into_iter().take(50).collect();
            assert!(length < 50 || !archive.windows(50).any(|w| w == beginning), "{length}: in the clear");
        }
    }

    #[test]
    fn an_archive_that_was_altered_cut_off_or_lengthened_does_not_open() {
        let archive = sealed(&content(2 * PORTION + 100));
        let head = HEAD + CHECK;
        let whole = PORTION + TAG;
        for cut in [0, 5, head - 1, head, head + 1, head + whole, head + 2 * whole, archive.len() - 1] {
            assert!(opened(&archive[..cut]).is_err(), "cut at {cut}");
        }
        for at in [0, 9, 30, head - 1, head, head + whole, archive.len() - 1] {
            let mut altered = archive.clone();
            altered[at] ^= 1;
            assert!(opened(&altered).is_err(), "altered at {at}");
        }
        assert!(matches!(opened(&[archive.as_slice(), b"x"].concat()), Err(BackupError::Altered)));
        let swapped =
            [&archive[..head], &archive[head + whole..head + 2 * whole], &archive[head..head + whole]].concat();
        assert!(matches!(opened(&swapped), Err(BackupError::Altered)));
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_a_foreign_file_and_from_a_newer_archive() {
        let archive = sealed(b"content");
        let wrong = Opener::new(archive.as_slice(), &passphrase("incorrect horse battery")).err();
        assert!(matches!(wrong, Some(BackupError::WrongPassphrase)));
        assert!(matches!(opened(&[7; 200]), Err(BackupError::NotAnArchive)));
        assert!(matches!(opened(b""), Err(BackupError::NotAnArchive)));
        let newer = [b"SPOSBAK\x02".as_slice(), &archive[8..]].concat();
        assert!(matches!(opened(&newer), Err(BackupError::TooNew)));
    }

    #[test]
    fn a_short_passphrase_and_a_cost_without_bound_are_refused() {
        for text in ["eleven char", &"x".repeat(129)] {
            assert!(matches!(Sealer::new(Vec::new(), &passphrase(text)), Err(BackupError::Passphrase)));
        }
        let mut dear = sealed(b"content");
        dear[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(opened(&dear), Err(BackupError::NotAnArchive)));
    }
}
