//! The MAC of field 64, in the four ways acquirers ask for (protocol reference §3, 4 and 5).
//!
//! Owns: padding, chaining, what goes into the field, comparing in constant time. Must not know: which bytes of a message
//! are covered (see `codec::iso8583`), which method an acquirer uses (see the profile).

use std::str::FromStr;

use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::domain::outcome::words;
use crate::host::des::{Block, Cipher, DesKey};

words! {
    /// How the MAC is computed.
    MacMethod {
        /// UnionPay's: exclusive-or of all blocks, then two encryptions over its hexadecimal text.
        Ecb = "ecb",
        /// ANSI X9.9: DES-CBC, the last block.
        X99 = "x99",
        /// ANSI X9.19: DES-CBC with the left half, the last block under both halves.
        X919 = "x919",
        /// Triple-DES-CBC, the last block.
        Cbc3Des = "cbc3des",
    }
}

words! {
    /// How the eight bytes of field 64 are made of the MAC.
    MacForm {
        /// The first eight of the sixteen upper-case hexadecimal characters.
        Hex = "hex",
        /// The eight bytes themselves.
        Raw = "raw",
    }
}

/// A word that is not in the list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("write one of: {0}")]
pub struct UnknownWord(String);

fn unknown(words: &[&str]) -> UnknownWord {
    UnknownWord(words.join(", "))
}

impl FromStr for MacMethod {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::from_word(word).ok_or_else(|| unknown(&Self::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>()))
    }
}

impl FromStr for MacForm {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::from_word(word).ok_or_else(|| unknown(&Self::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>()))
    }
}

impl MacMethod {
    /// How the field is made unless the profile says otherwise.
    pub fn usual_form(self) -> MacForm {
        match self {
            Self::Ecb => MacForm::Hex,
            Self::X99 | Self::X919 | Self::Cbc3Des => MacForm::Raw,
        }
    }

    /// All eight bytes of the MAC over `covered`, which is filled up with zeros to whole blocks.
    pub fn compute(self, mak: &DesKey, covered: &[u8]) -> Result<Block, MacError> {
        match (self, mak) {
            (Self::Ecb, _) => Ok(unionpay_ecb(&mak.cipher(), covered)),
            (Self::X99, DesKey::Single(_)) | (Self::Cbc3Des, DesKey::Double(_)) => Ok(cbc(&mak.cipher(), covered)),
            (Self::X919, DesKey::Double(_)) => Ok(retail(mak, covered)),
            (Self::X99, DesKey::Double(_)) => Err(MacError::KeyLength { method: self, needed: 8, given: 16 }),
            (Self::X919 | Self::Cbc3Des, DesKey::Single(_)) => {
                Err(MacError::KeyLength { method: self, needed: 16, given: 8 })
            }
        }
    }
}

/// Why no MAC can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MacError {
    /// The acquirer's MAC key has a length the method cannot use.
    #[error("MAC method {method} needs a MAC key of {needed} bytes, the host sent {given}: check `mac` in the profile")]
    KeyLength {
        /// As in the profile.
        method: MacMethod,
        /// Bytes it needs.
        needed: u8,
        /// Bytes in the key.
        given: u8,
    },
}

/// Method and form together, as an acquirer uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacRule {
    /// How it is computed.
    pub method: MacMethod,
    /// How the field is made of it.
    pub form: MacForm,
}

impl From<MacMethod> for MacRule {
    fn from(method: MacMethod) -> Self {
        Self { method, form: method.usual_form() }
    }
}

impl MacRule {
    /// The value of field 64 for the covered bytes.
    pub fn field(self, mak: &DesKey, covered: &[u8]) -> Result<Block, MacError> {
        let mac = self.method.compute(mak, covered)?;
        Ok(match self.form {
            MacForm::Raw => mac,
            MacForm::Hex => hex_halves(mac).0,
        })
    }

    /// Whether field 64 is right for the covered bytes. Takes the same time wherever a wrong one differs.
    pub fn verify(self, mak: &DesKey, covered: &[u8], field: &[u8]) -> Result<bool, MacError> {
        Ok(self.field(mak, covered)?.ct_eq(field).into())
    }
}

/// The blocks of the covered bytes, the last filled up with zeros; none is added when it is whole.
fn blocks(covered: &[u8]) -> impl Iterator<Item = Block> {
    covered.chunks(8).map(|chunk| {
        let mut block = [0; 8];
        for (place, byte) in block.iter_mut().zip(chunk) {
            *place = *byte;
        }
        block
    })
}

fn xor(left: Block, right: Block) -> Block {
    (u64::from_ne_bytes(left) ^ u64::from_ne_bytes(right)).to_ne_bytes()
}

/// The sixteen upper-case hexadecimal characters of a block.
fn hex_halves(block: Block) -> (Block, Block) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    let text = |half: &[u8]| {
        let mut out = [0; 8];
        for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(half) {
            *pair = [digit(byte >> 4), digit(byte & 0xF)];
        }
        out
    };
    let (left, right) = block.split_at(4);
    (text(left), text(right))
}

fn unionpay_ecb(cipher: &Cipher, covered: &[u8]) -> Block {
    let (left, right) = hex_halves(blocks(covered).fold([0; 8], xor));
    cipher.encrypt(xor(cipher.encrypt(left), right))
}

fn cbc(cipher: &Cipher, covered: &[u8]) -> Block {
    blocks(covered).fold([0; 8], |chain, block| cipher.encrypt(xor(chain, block)))
}

/// The last step of X9.19, D under the right half and E under the left, turns the last block's single DES into triple DES.
fn retail(mak: &DesKey, covered: &[u8]) -> Block {
    let left = mak.left();
    let last = cbc(&left, covered);
    mak.cipher().encrypt(left.decrypt(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(length: usize) -> DesKey {
        let bytes = [0x0E, 0x1F, 0x2C, 0x3D, 0x4A, 0x5B, 0x68, 0x79, 0x86, 0x97, 0xA4, 0xB5, 0xC2, 0xD3, 0xE0, 0xF1];
        DesKey::new(&bytes[..length]).unwrap()
    }

    #[test]
    fn a_method_refuses_a_key_of_the_wrong_length_and_says_which_it_needs() {
        let wrong = [(MacMethod::X99, 16), (MacMethod::X919, 8), (MacMethod::Cbc3Des, 8)];
        for (method, length) in wrong {
            let error = method.compute(&key(length), b"covered").unwrap_err();
            let MacError::KeyLength { needed, given, .. } = error;
            assert_eq!((usize::from(given), usize::from(needed)), (length, 24 - length));
        }
    }

    #[test]
    fn a_whole_block_gets_no_padding_and_a_short_one_zeros() {
        for method in [MacMethod::Ecb, MacMethod::X919, MacMethod::Cbc3Des] {
            let mac = |covered: &[u8]| method.compute(&key(16), covered).unwrap();
            assert_eq!(mac(b"12345"), mac(b"12345\0\0\0"));
            assert_ne!(mac(b"12345678"), mac(b"1234567\0"));
        }
        let chained = |covered: &[u8]| MacMethod::X919.compute(&key(16), covered).unwrap();
        assert_ne!(chained(b"12345678"), chained(b"12345678\0"));
    }

    #[test]
    fn one_wrong_bit_anywhere_in_the_field_is_noticed() {
        let rule = MacRule::from(MacMethod::Ecb);
        let right = rule.field(&key(8), b"covered").unwrap();
        assert_eq!(rule.verify(&key(8), b"covered", &right), Ok(true));
        for bit in 0..64 {
            let wrong = u64::from_be_bytes(right) ^ 1 << bit;
            assert_eq!(rule.verify(&key(8), b"covered", &wrong.to_be_bytes()), Ok(false));
        }
        assert_eq!(rule.verify(&key(8), b"covered", &right[..7]), Ok(false));
        assert_eq!(rule.verify(&key(8), b"covered", &[]), Ok(false));
    }

    #[test]
    fn the_profiles_words_name_every_method() {
        for method in MacMethod::ALL {
            assert_eq!(method.as_str().parse(), Ok(*method));
        }
        let error = "aes".parse::<MacMethod>().unwrap_err();
        assert_eq!(error.to_string(), "write one of: ecb, x99, x919, cbc3des");
        assert_eq!("raw".parse(), Ok(MacForm::Raw));
    }
}
