//! Known answers: the ciphers of this program against values that others computed. Every key here is published.

use crate::domain::pan::Pan;
use crate::domain::secret::{Pin, PinCipher};
use crate::host::des::DesKey;
use crate::host::mac::MacMethod;
use crate::host::pin_block::PinSealer;

const SINGLE: [u8; 8] = [0x0E, 0x1F, 0x2C, 0x3D, 0x4A, 0x5B, 0x68, 0x79];
const DOUBLE: [u8; 16] =
    [0x0E, 0x1F, 0x2C, 0x3D, 0x4A, 0x5B, 0x68, 0x79, 0x86, 0x97, 0xA4, 0xB5, 0xC2, 0xD3, 0xE0, 0xF1];
/// The master key of every textbook, and its check value.
const MASTER: [u8; 16] =
    [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10];
const MASTER_CHECK: [u8; 4] = [0x08, 0xD7, 0xB4, 0xFB];
/// More than two blocks, so that filling up is tried too.
const COVERED: &[u8] = b"0123456789ABCDEFGH";
const X99: [u8; 8] = [0x63, 0x08, 0xEA, 0x2F, 0xF4, 0x1F, 0x2D, 0xD9];
const X919: [u8; 8] = [0x92, 0x09, 0xA7, 0x26, 0xB4, 0x37, 0xAB, 0x77];
const CBC_3DES: [u8; 8] = [0xD5, 0x67, 0x30, 0x2B, 0xCC, 0xC7, 0x29, 0x17];
/// The first half of the field in letters, as the host compares it.
const ECB_FIELD: &[u8] = b"C6C8605A";
const PIN_KEY: [u8; 16] =
    [0x1A, 0x2A, 0x3D, 0x4C, 0x5E, 0x6E, 0x70, 0x80, 0x9E, 0x8F, 0x7C, 0x6D, 0x5B, 0x4A, 0x38, 0x20];
const PIN_BLOCK: [u8; 8] = [0x3E, 0x97, 0xED, 0x72, 0x27, 0xD0, 0xDB, 0x0F];

/// The names of the answers that do not come out.
pub(super) fn wrong() -> Vec<&'static str> {
    let answers = [
        ("3DES", check_value()),
        ("MAC ECB", mac_field()),
        ("MAC X9.9", mac(MacMethod::X99, &SINGLE, X99)),
        ("MAC X9.19", mac(MacMethod::X919, &DOUBLE, X919)),
        ("MAC CBC 3DES", mac(MacMethod::Cbc3Des, &DOUBLE, CBC_3DES)),
        ("PIN block", pin_block()),
    ];
    answers.into_iter().filter(|(_, right)| *right != Some(true)).map(|(name, _)| name).collect()
}

fn check_value() -> Option<bool> {
    let key = DesKey::new(&MASTER)?;
    let back = key.cipher().decrypt(key.check_value());
    Some(key.check_value().starts_with(&MASTER_CHECK) && back == [0; 8])
}

fn mac(method: MacMethod, key: &[u8], expected: [u8; 8]) -> Option<bool> {
    let computed = method.compute(&DesKey::new(key)?, COVERED).ok()?;
    Some(computed == expected)
}

fn mac_field() -> Option<bool> {
    let rule = crate::host::mac::MacRule { method: MacMethod::Ecb, form: MacMethod::Ecb.usual_form() };
    Some(rule.field(&DesKey::new(&SINGLE)?, COVERED).ok()? == ECB_FIELD)
}

fn pin_block() -> Option<bool> {
    let sealer = PinSealer::with_pan(DesKey::new(&PIN_KEY)?, &Pan::new("6200000000000000018")?);
    Some(sealer.encipher(&Pin::new(vec![1, 2, 3, 4, 5, 6])?).0 == PIN_BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_answer_comes_out() {
        assert_eq!(wrong(), Vec::<&str>::new());
    }

    #[test]
    fn another_answer_than_the_known_one_is_noticed() {
        assert_eq!(mac(MacMethod::X99, &SINGLE, X919), Some(false));
        assert_eq!(mac(MacMethod::X99, &DOUBLE, X99), None);
    }
}
