//! DES and two-key triple DES on single blocks, and the check value of a key.
//!
//! Owns: key material in memory, wiped on drop. Must not know: what a key is for. DES is not chosen, it is what the
//! terminal protocol speaks; the cipher itself is the crate `des`.

use ::des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use ::des::{Des, TdesEde2};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::domain::secret::DoubleKey;

/// One cipher block.
pub type Block = [u8; 8];

/// A clear DES key of either length. Not printable.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub enum DesKey {
    /// Eight bytes: DES.
    Single(Block),
    /// Sixteen bytes: triple DES, encrypt-decrypt-encrypt.
    Double([u8; 16]),
}

impl DesKey {
    /// Takes 8 or 16 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            8 => bytes.try_into().ok().map(Self::Single),
            16 => bytes.try_into().ok().map(Self::Double),
            _ => None,
        }
    }

    /// The cipher with this key scheduled, for more than one block.
    pub fn cipher(&self) -> Cipher {
        match self {
            Self::Single(key) => Cipher::Single(Des::new(key.into())),
            Self::Double(key) => Cipher::Double(TdesEde2::new(key.into())),
        }
    }

    /// The left half of a double key, the whole of a single one.
    pub(super) fn left(&self) -> Cipher {
        match self {
            Self::Single(_) => self.cipher(),
            Self::Double(key) => match key.first_chunk() {
                Some(left) => Cipher::Single(Des::new(left.into())),
                None => self.cipher(),
            },
        }
    }

    /// Eight zero bytes enciphered under the key; its first three or four bytes are published as the check value.
    pub fn check_value(&self) -> Block {
        self.cipher().encrypt([0; 8])
    }
}

impl From<&DoubleKey> for DesKey {
    fn from(key: &DoubleKey) -> Self {
        Self::Double(key.0)
    }
}

/// A scheduled key. The schedule is wiped on drop by the cipher crate.
pub enum Cipher {
    /// DES.
    Single(Des),
    /// Two-key triple DES.
    Double(TdesEde2),
}

impl Cipher {
    /// Enciphers one block.
    pub fn encrypt(&self, block: Block) -> Block {
        let mut block = block.into();
        match self {
            Self::Single(des) => des.encrypt_block(&mut block),
            Self::Double(des) => des.encrypt_block(&mut block),
        }
        block.into()
    }

    /// Deciphers one block.
    pub fn decrypt(&self, block: Block) -> Block {
        let mut block = block.into();
        match self {
            Self::Single(des) => des.decrypt_block(&mut block),
            Self::Double(des) => des.decrypt_block(&mut block),
        }
        block.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_eight_or_sixteen_bytes() {
        for length in 0..40 {
            assert_eq!(DesKey::new(&vec![1; length]).is_some(), length == 8 || length == 16);
        }
    }

    #[test]
    fn a_double_key_of_equal_halves_is_single_des() {
        let single = DesKey::new(&[0x0E, 0x1F, 0x2C, 0x3D, 0x4A, 0x5B, 0x68, 0x79]).unwrap();
        let half = [0x0E, 0x1F, 0x2C, 0x3D, 0x4A, 0x5B, 0x68, 0x79];
        let double = DesKey::new(&[half, half].concat()).unwrap();
        assert_eq!(single.check_value(), double.check_value());
        assert_eq!(single.cipher().decrypt(double.cipher().encrypt(*b"a block.")), *b"a block.");
    }
}
