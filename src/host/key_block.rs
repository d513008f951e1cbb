//! The working keys of a sign-in answer (field 62): unwrapped, checked, all or none (protocol reference §2 and §3.1).
//!
//! Owns: the three layouts, the MAC key's two lengths, check values. Must not know: how keys are kept or when they are
//! installed. Errors name keys, never values.

use std::fmt;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::domain::cause::Cause;
use crate::domain::outcome::words;
use crate::domain::secret::DoubleKey;
use crate::host::des::{Block, DesKey};

words! {
    /// How long the MAC key in its 16-byte slot is.
    MakRule {
        /// Second half of the slot all zero: eight bytes; otherwise sixteen.
        ByBlock = "by-block",
        /// Always the first eight bytes.
        Single = "single",
        /// Always all sixteen.
        Double = "double",
    }
}

words! {
    /// How many bytes of a check value the acquirer fills in.
    CheckLength {
        /// Three; the fourth is not looked at.
        Three = "3",
        /// All four.
        Four = "4",
    }
}

/// The acquirer's way of filling the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyBlockRule {
    /// Length of the MAC key.
    pub mak: MakRule,
    /// Length of the check values.
    pub check: CheckLength,
}

impl Default for KeyBlockRule {
    fn default() -> Self {
        Self { mak: MakRule::ByBlock, check: CheckLength::Four }
    }
}

/// The clear working keys of one sign-in. Wiped on drop, not printable.
#[derive(Clone, PartialEq, Eq)]
pub struct WorkingKeys {
    /// Enciphers PIN blocks.
    pub pik: DesKey,
    /// Makes MACs.
    pub mak: DesKey,
    /// Enciphers tracks, if the acquirer hands one out.
    pub tdk: Option<DesKey>,
}

/// Which keys did not match their check values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedKeys {
    /// The PIN key.
    pub pik: bool,
    /// The MAC key.
    pub mak: bool,
    /// The track key.
    pub tdk: bool,
}

impl fmt::Display for FailedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.pik, "PIN key"), (self.mak, "MAC key"), (self.tdk, "track key")];
        let names: Vec<_> = named.into_iter().filter_map(|(failed, name)| failed.then_some(name)).collect();
        f.write_str(&names.join(", "))
    }
}

/// Why no key can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyBlockError {
    /// Not one of the known layouts.
    #[error("key block of {length} bytes; 24, 40 or 60 are known: check the network code of field 60 in the profile")]
    UnknownLength {
        /// As received.
        length: usize,
    },
    /// The MAC key alone does not match: its length is set wrong, or the acquirer has another rule.
    #[error("check value of the MAC key does not match, the others do: check the MAC key's length in the profile")]
    MacKeyOnly,
    /// Check values do not match: the master key is not the acquirer's.
    #[error("check value of {failed} does not match: check the master key and its index")]
    CheckValue {
        /// Which.
        failed: FailedKeys,
    },
}

impl KeyBlockError {
    /// The cause to show: a wrong setting, or a wrong master key.
    pub fn cause(&self) -> Cause {
        match self {
            Self::UnknownLength { .. } | Self::MacKeyOnly => Cause::K05,
            Self::CheckValue { .. } => Cause::K03,
        }
    }
}

/// Bytes of a check value in the block, whatever part of it is filled in.
const CHECK_BYTES: usize = 4;

impl WorkingKeys {
    /// Unwraps and checks a whole block. Every key is checked before anything is decided, so the error names all that fail.
    pub fn unwrap_block(tmk: &DoubleKey, block: &[u8], rule: KeyBlockRule) -> Result<Self, KeyBlockError> {
        let unknown = KeyBlockError::UnknownLength { length: block.len() };
        let slot_bytes = match block.len() {
            24 => 8,
            40 | 60 => 16,
            _ => return Err(unknown),
        };
        let mut slots = block.chunks_exact(slot_bytes + CHECK_BYTES).map(|slot| slot.split_at(slot_bytes));
        let (Some(pik), Some(mak), tdk) = (slots.next(), slots.next(), slots.next()) else { return Err(unknown) };
        let mut open = |(wrapped, check): (&[u8], &[u8])| {
            let key = unwrap_key(tmk, wrapped).ok_or(unknown)?;
            let matches = check_matches(&key, check, rule.check);
            Ok((key, matches))
        };
        let (pik, pik_good) = open(pik)?;
        let (mak, mak_good) = open((mak_part(mak.0, rule.mak), mak.1))?;
        let (tdk, tdk_good) = match tdk.map(&mut open).transpose()? {
            Some((key, good)) => (Some(key), good),
            None => (None, true),
        };
        match (pik_good, mak_good, tdk_good) {
            (true, true, true) => Ok(Self { pik, mak, tdk }),
            // A slot of eight bytes leaves no doubt about the length.
            (true, false, true) if slot_bytes == 16 => Err(KeyBlockError::MacKeyOnly),
            _ => {
                Err(KeyBlockError::CheckValue { failed: FailedKeys { pik: !pik_good, mak: !mak_good, tdk: !tdk_good } })
            }
        }
    }
}

/// In most acquirers' 16-byte slots the MAC key fills only half. The zeros behind it are not wrapped, so deciphering them
/// would make a key that nobody has.
fn mak_part(wrapped: &[u8], rule: MakRule) -> &[u8] {
    let Some((first, second)) = wrapped.split_at_checked(8) else { return wrapped };
    match rule {
        MakRule::Single => first,
        MakRule::ByBlock if second.iter().all(|byte| *byte == 0) => first,
        MakRule::ByBlock | MakRule::Double => wrapped,
    }
}

fn unwrap_key(tmk: &DoubleKey, wrapped: &[u8]) -> Option<DesKey> {
    let cipher = DesKey::from(tmk).cipher();
    let mut clear = Zeroizing::new([0_u8; 16]);
    let (blocks, rest) = wrapped.as_chunks::<8>();
    for (place, block) in clear.as_chunks_mut::<8>().0.iter_mut().zip(blocks) {
        *place = cipher.decrypt(*block);
    }
    if !rest.is_empty() {
        return None;
    }
    DesKey::new(clear.get(..wrapped.len())?)
}

fn check_matches(key: &DesKey, given: &[u8], length: CheckLength) -> bool {
    let bytes = match length {
        CheckLength::Three => 3,
        CheckLength::Four => 4,
    };
    let value: Block = key.check_value();
    match (value.get(..bytes), given.get(..bytes)) {
        (Some(computed), Some(given)) => computed.ct_eq(given).into(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TMK: DoubleKey =
        DoubleKey([0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10]);

    /// Wraps a key into a slot of this width, zeros behind it if it is shorter, its check value behind that.
    fn slot(key: &[u8], width: usize) -> Vec<u8> {
        let cipher = DesKey::from(&TMK).cipher();
        let mut slot: Vec<u8> = key.as_chunks::<8>().0.iter().flat_map(|block| cipher.encrypt(*block)).collect();
        slot.resize(width, 0);
        slot.extend_from_slice(&DesKey::new(key).unwrap().check_value()[..4]);
        slot
    }

    fn open(block: &[u8], rule: KeyBlockRule) -> Result<WorkingKeys, KeyBlockError> {
        WorkingKeys::unwrap_block(&TMK, block, rule)
    }

    fn failure(result: Result<WorkingKeys, KeyBlockError>) -> KeyBlockError {
        match result {
            Ok(_) => panic!("the block was accepted"),
            Err(error) => error,
        }
    }

    #[test]
    fn the_length_tells_the_layout() {
        let single = [slot(&[0x11; 8], 8), slot(&[0x22; 8], 8)].concat();
        let keys = open(&single, KeyBlockRule::default()).unwrap_or_else(|e| panic!("{e}"));
        assert!(keys.pik == DesKey::Single([0x11; 8]) && keys.mak == DesKey::Single([0x22; 8]) && keys.tdk.is_none());

        let double = [slot(&[0x11; 16], 16), slot(&[0x22; 8], 16), slot(&[0x33; 16], 16)].concat();
        let keys = open(&double, KeyBlockRule::default()).unwrap_or_else(|e| panic!("{e}"));
        assert!(keys.pik == DesKey::Double([0x11; 16]) && keys.mak == DesKey::Single([0x22; 8]));
        assert!(keys.tdk == Some(DesKey::Double([0x33; 16])));
    }

    #[test]
    fn every_other_length_is_refused() {
        for length in (0..200).filter(|length| ![24, 40, 60].contains(length)) {
            let error = failure(open(&vec![0; length], KeyBlockRule::default()));
            assert_eq!((error, error.cause()), (KeyBlockError::UnknownLength { length }, Cause::K05));
        }
    }

    #[test]
    fn the_profile_may_force_the_mac_keys_length() {
        let block = |mak: &[u8]| [slot(&[0x11; 16], 16), slot(mak, 16)].concat();
        let rule = |mak| KeyBlockRule { mak, ..KeyBlockRule::default() };
        let accepts = |mak: &[u8], by| open(&block(mak), rule(by)).is_ok();
        assert!(accepts(&[0x22; 8], MakRule::ByBlock) && accepts(&[0x22; 8], MakRule::Single));
        assert!(accepts(&[0x24; 16], MakRule::ByBlock) && accepts(&[0x24; 16], MakRule::Double));
        let unequal = [[0x22; 8], [0x44; 8]].concat();
        assert_eq!(failure(open(&block(&unequal), rule(MakRule::Single))), KeyBlockError::MacKeyOnly);
        assert_eq!(failure(open(&block(&[0x22; 8]), rule(MakRule::Double))), KeyBlockError::MacKeyOnly);
    }

    #[test]
    fn the_error_names_every_key_that_fails_and_installs_none() {
        let good = [slot(&[0x11; 16], 16), slot(&[0x22; 8], 16), slot(&[0x33; 16], 16)].concat();
        let with_wrong = |places: &[usize]| {
            let mut block = good.clone();
            places.iter().for_each(|at| block[*at] ^= 1);
            failure(open(&block, KeyBlockRule::default()))
        };
        let failed = |pik, mak, tdk| KeyBlockError::CheckValue { failed: FailedKeys { pik, mak, tdk } };
        assert_eq!(with_wrong(&[16]), failed(true, false, false));
        assert_eq!(with_wrong(&[39]), KeyBlockError::MacKeyOnly);
        assert_eq!(with_wrong(&[59]), failed(false, false, true));
        assert_eq!(with_wrong(&[0, 20, 40]), failed(true, true, true));
        assert!(with_wrong(&[0, 20, 40]).to_string().contains("PIN key, MAC key, track key"));
        let mut single = [slot(&[0x11; 8], 8), slot(&[0x22; 8], 8)].concat();
        single[23] ^= 1;
        assert_eq!(failure(open(&single, KeyBlockRule::default())), failed(false, true, false));
        let other_master = WorkingKeys::unwrap_block(&DoubleKey([9; 16]), &good, KeyBlockRule::default());
        assert_eq!(failure(other_master).cause(), Cause::K03);
    }

    #[test]
    fn three_bytes_of_check_value_are_enough_where_the_profile_says_so() {
        let mut block = [slot(&[0x11; 16], 16), slot(&[0x22; 8], 16)].concat();
        block[19] = 0;
        block[39] = 0;
        assert!(open(&block, KeyBlockRule::default()).is_err());
        let three = KeyBlockRule { check: CheckLength::Three, ..KeyBlockRule::default() };
        assert!(open(&block, three).is_ok());
        block[18] ^= 1;
        assert!(open(&block, three).is_err());
    }
}
