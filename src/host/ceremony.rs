//! The key ceremony: two people each bring half a secret, and only together they make the master key.
//!
//! Owns: order, custodians, combining, refusing components that are no secret. Must not know: who types where, how the
//! key is kept. Components are combined by exclusive or, so each alone says nothing about the key. Parity bits are not
//! looked at: DES ignores them, and not every acquirer sets them.

use thiserror::Error;

use crate::domain::secret::{DoubleKey, SecretBytes};
use crate::host::keys::check_text;

/// Why a component is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CeremonyError {
    /// Not 16 bytes.
    #[error("a component has 32 hexadecimal digits; type it again")]
    Length,
    /// Only 1 and 2 exist.
    #[error("components are numbered 1 and 2")]
    Index,
    /// The second came first.
    #[error("component 1 comes first")]
    FirstMissing,
    /// The first came twice.
    #[error("component 1 of {custodian} is in already; go on with component 2, or abandon the key load")]
    FirstWaiting {
        /// Who entered it.
        custodian: String,
    },
    /// No name.
    #[error("name the custodian of this component")]
    NoCustodian,
    /// One person would know the whole key.
    #[error("{custodian} entered component 1; component 2 must come from another person")]
    SameCustodian {
        /// Who.
        custodian: String,
    },
    /// All bytes the same: a typing exercise, not a secret.
    #[error("this component is no secret (all bytes are the same); type the component as it was issued")]
    Trivial,
    /// Both components are equal, so the key would be zero.
    #[error("component 2 equals component 1; they must be two different halves")]
    Equal,
    /// The result is a key DES is known to be weak with, or both halves are the same.
    #[error("the two components make a weak key; check them, or ask the acquirer for new ones")]
    WeakKey,
}

/// How far the ceremony is.
pub enum Progress {
    /// The first component is in.
    FirstIn {
        /// Its check value.
        check: String,
    },
    /// Both are in.
    Complete {
        /// The second component's check value.
        check: String,
        /// The key's check value.
        key_check: String,
        /// The key.
        key: DoubleKey,
    },
}

/// One ceremony at a time.
#[derive(Default)]
pub struct Ceremony {
    first: Option<(String, DoubleKey)>,
}

impl Ceremony {
    /// Takes a component from the person who holds it. A refused second component leaves the first one waiting.
    pub fn enter(&mut self, index: u8, custodian: &str, component: &SecretBytes) -> Result<Progress, CeremonyError> {
        let custodian = custodian.trim();
        if custodian.is_empty() {
            return Err(CeremonyError::NoCustodian);
        }
        match (index, &self.first) {
            (1, None) => {
                let component = read(component)?;
                let check = check_text(&component);
                self.first = Some((custodian.to_owned(), component));
                Ok(Progress::FirstIn { check })
            }
            (1, Some((custodian, _))) => Err(CeremonyError::FirstWaiting { custodian: custodian.clone() }),
            (2, None) => Err(CeremonyError::FirstMissing),
            (2, Some((other, _))) if other.to_lowercase() == custodian.to_lowercase() => {
                Err(CeremonyError::SameCustodian { custodian: other.clone() })
            }
            (2, Some((_, first))) => {
                let second = read(component)?;
                let key = combine(first, &second)?;
                self.first = None;
                Ok(Progress::Complete { check: check_text(&second), key_check: check_text(&key), key })
            }
            (_, _) => Err(CeremonyError::Index),
        }
    }

    /// Check value of a first component that waits for the second.
    pub fn waiting(&self) -> Option<String> {
        self.first.as_ref().map(|(_, component)| check_text(component))
    }

    /// Forgets a first component.
    pub fn abandon(&mut self) {
        self.first = None;
    }
}

fn read(component: &SecretBytes) -> Result<DoubleKey, CeremonyError> {
    let bytes: [u8; 16] = component.expose().try_into().map_err(|_| CeremonyError::Length)?;
    let key = DoubleKey(bytes);
    if key.0.iter().all(|byte| Some(byte) == key.0.first()) {
        return Err(CeremonyError::Trivial);
    }
    Ok(key)
}

fn combine(first: &DoubleKey, second: &DoubleKey) -> Result<DoubleKey, CeremonyError> {
    let mut key = DoubleKey([0; 16]);
    for ((out, a), b) in key.0.iter_mut().zip(&first.0).zip(&second.0) {
        *out = a ^ b;
    }
    if key.0.iter().all(|byte| *byte == 0) {
        return Err(CeremonyError::Equal);
    }
    let (left, right) = key.0.split_at(8);
    // Equal halves make triple DES a slow single DES.
    if without_parity(left) == without_parity(right) || is_weak(left) || is_weak(right) {
        return Err(CeremonyError::WeakKey);
    }
    Ok(key)
}

/// The weak and semi-weak keys of DES, FIPS 74, parity bits cleared: each byte pair is made of these four.
fn is_weak(half: &[u8]) -> bool {
    const WEAK: [u64; 16] = [
        0x0000_0000_0000_0000,
        0xFEFE_FEFE_FEFE_FEFE,
        0xE0E0_E0E0_F0F0_F0F0,
        0x1E1E_1E1E_0E0E_0E0E,
        0x001E_001E_000E_000E,
        0x1E00_1E00_0E00_0E00,
        0x00E0_00E0_00F0_00F0,
        0xE000_E000_F000_F000,
        0x00FE_00FE_00FE_00FE,
        0xFE00_FE00_FE00_FE00,
        0x1EE0_1EE0_0EF0_0EF0,
        0xE01E_E01E_F00E_F00E,
        0x1EFE_1EFE_0EFE_0EFE,
        0xFE1E_FE1E_FE0E_FE0E,
        0xE0FE_E0FE_F0FE_F0FE,
        0xFEE0_FEE0_FEF0_FEF0,
    ];
    WEAK.contains(&without_parity(half))
}

fn without_parity(half: &[u8]) -> u64 {
    half.iter().fold(0, |bits, byte| (bits << 8) | u64::from(byte & 0xFE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u128 = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210;
    const MASK: u128 = 0xA5B6_C7D8_E9F0_0112_2334_4556_6778_899A;

    fn component(value: u128) -> SecretBytes {
        SecretBytes::new(value.to_be_bytes().to_vec())
    }

    #[track_caller]
    fn error(result: Result<Progress, CeremonyError>) -> CeremonyError {
        match result {
            Ok(_) => panic!("the component was accepted"),
            Err(error) => error,
        }
    }

    fn after_first(value: u128) -> Ceremony {
        let mut ceremony = Ceremony::default();
        assert!(ceremony.enter(1, "Li", &component(value)).is_ok());
        ceremony
    }

    #[test]
    fn two_components_of_two_people_make_the_key() {
        let mut ceremony = Ceremony::default();
        let Ok(Progress::FirstIn { check }) = ceremony.enter(1, "Li", &component(MASK)) else { panic!() };
        assert_eq!(ceremony.waiting(), Some(check));
        let second = ceremony.enter(2, "Wang", &component(KEY ^ MASK));
        let Ok(Progress::Complete { key, key_check, .. }) = second else { panic!() };
        assert!(key == DoubleKey(KEY.to_be_bytes()));
        // Computed with another DES: openssl enc -des-ede of eight zero bytes.
        assert_eq!(key_check, "08D7B4FB");
        assert_eq!(ceremony.waiting(), None);
    }

    #[test]
    fn order_and_people_are_checked() {
        assert_eq!(error(Ceremony::default().enter(2, "Li", &component(KEY))), CeremonyError::FirstMissing);
        assert_eq!(error(Ceremony::default().enter(3, "Li", &component(KEY))), CeremonyError::Index);
        assert_eq!(error(Ceremony::default().enter(1, "  ", &component(KEY))), CeremonyError::NoCustodian);
        let mut ceremony = after_first(MASK);
        assert_eq!(
            error(ceremony.enter(1, "Wang", &component(KEY))),
            CeremonyError::FirstWaiting { custodian: "Li".into() }
        );
        assert_eq!(
            error(ceremony.enter(2, " LI ", &component(KEY))),
            CeremonyError::SameCustodian { custodian: "Li".into() }
        );
        ceremony.abandon();
        assert_eq!(error(ceremony.enter(2, "Wang", &component(KEY))), CeremonyError::FirstMissing);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let mut ceremony = Ceremony::default();
        for bytes in [vec![], vec![1; 8], vec![1; 17]] {
            assert_eq!(error(ceremony.enter(1, "Li", &SecretBytes::new(bytes))), CeremonyError::Length);
        }
        for trivial in [0, u128::MAX, u128::from_be_bytes([0x11; 16])] {
            assert_eq!(error(ceremony.enter(1, "Li", &component(trivial))), CeremonyError::Trivial);
        }
        assert_eq!(error(after_first(MASK).enter(2, "Wang", &component(MASK))), CeremonyError::Equal);
    }

    #[test]
    fn a_weak_result_is_refused_and_the_second_component_may_be_typed_again() {
        let weak_left = 0x1F1F_1F1F_0E0E_0E0E_FEDC_BA98_7654_3210;
        let semi_weak_right = 0x0123_4567_89AB_CDEF_E0FE_E0FE_F1FE_F1FE;
        let equal_halves = 0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEE;
        for key in [weak_left, semi_weak_right, equal_halves] {
            let mut ceremony = after_first(MASK);
            assert_eq!(error(ceremony.enter(2, "Wang", &component(key ^ MASK))), CeremonyError::WeakKey);
            assert!(ceremony.enter(2, "Wang", &component(KEY ^ MASK)).is_ok());
        }
    }
}
