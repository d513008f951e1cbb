//! Working keys: made at sign-in, handed out under the master key.
//!
//! Owns: their generation and the layout of field 62. Must not know: messages, randomness's source.

use super::settings::{KeyForm, MakLength};
use crate::sim::crypto::DesKey;

/// Where random bytes come from: the kernel, or a counter in tests.
pub type Entropy = Box<dyn FnMut(&mut [u8])>;

/// Which check value is to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyName {
    /// PIN key.
    Pik,
    /// MAC key.
    Mak,
    /// Track key.
    Tdk,
}

/// What is wrong with the key block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFlaw {
    /// The check value of one key does not match.
    CheckValue(KeyName),
    /// A length that no form has.
    Layout,
}

/// The keys of one terminal between two sign-ins.
pub struct WorkingKeys {
    /// PIN key.
    pub pik: DesKey,
    /// MAC key.
    pub mak: DesKey,
    /// Track key.
    pub tdk: Option<DesKey>,
    form: KeyForm,
}

impl WorkingKeys {
    /// Fresh random keys.
    pub fn generate(form: KeyForm, mak: MakLength, entropy: &mut Entropy) -> Self {
        let mut single = || {
            let mut bytes = [0; 8];
            entropy(&mut bytes);
            bytes
        };
        let double = |left: [u8; 8], right: [u8; 8]| {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(left.into_iter().chain(right)).for_each(|(to, from)| *to = from);
            DesKey::Double(bytes).with_odd_parity()
        };
        let (pik, mak) = match (form, mak) {
            (KeyForm::Single, _) => (DesKey::Single(single()), DesKey::Single(single())),
            (_, MakLength::Single) => (double(single(), single()), DesKey::Single(single())),
            (_, MakLength::Double) => (double(single(), single()), double(single(), single())),
        };
        let tdk = (form == KeyForm::WithTrackKey).then(|| double(single(), single()));
        Self { pik: pik.with_odd_parity(), mak: mak.with_odd_parity(), tdk, form }
    }

    /// Field 62: each key under the master key, followed by its check value.
    pub fn block(&self, master: &DesKey, flaw: Option<KeyFlaw>) -> Vec<u8> {
        let wrong = |name| flaw == Some(KeyFlaw::CheckValue(name));
        let slot = if self.form == KeyForm::Single { 8 } else { 16 };
        let mut block = Vec::new();
        put(&mut block, master, &self.pik, slot, wrong(KeyName::Pik));
        put(&mut block, master, &self.mak, slot, wrong(KeyName::Mak));
        if let Some(tdk) = &self.tdk {
            put(&mut block, master, tdk, slot, wrong(KeyName::Tdk));
        }
        if flaw == Some(KeyFlaw::Layout) {
            // 7 bytes more than whatever form: no known layout has such a length.
            block.extend([0xEE; 7]);
        }
        block
    }
}

fn put(block: &mut Vec<u8>, master: &DesKey, key: &DesKey, slot: usize, wrong: bool) {
    let mut wrapped = master.wrap(key);
    // A single-length MAC key in a double-length slot: the rest is zero, not enciphered zeros.
    wrapped.resize(slot, 0);
    block.extend(wrapped);
    let [first, rest @ ..] = key.check_value();
    block.push(if wrong { !first } else { first });
    block.extend(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::acquirer::settings::TEST_MASTER_KEY;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// Hands out the keys of the conformance vectors, whose block an independent packer has made.
    fn vector_keys(form: KeyForm, mak: MakLength) -> String {
        let key = |hex: &str| DesKey::new(&unhex(hex)).unwrap();
        let mak = match mak {
            MakLength::Single => key("0E1F2C3D4A5B6879"),
            MakLength::Double => key("0E1F2C3D4A5B68798697A4B5C2D3E0F1"),
        };
        let tdk = (form == KeyForm::WithTrackKey).then(|| key("2568ADE013579BDF0ECB864313579BDF"));
        let keys = WorkingKeys { pik: key("1A2A3D4C5E6E70809E8F7C6D5B4A3820"), mak, tdk, form };
        keys.block(&DesKey::Double(TEST_MASTER_KEY), None).iter().map(|b| format!("{b:02X}")).collect()
    }

    #[test]
    fn key_blocks_look_as_in_the_vectors() {
        let all: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/iso8583.json")).unwrap();
        let listed = |name: &str| all["keys"][name].as_str().unwrap().to_owned();
        assert_eq!(vector_keys(KeyForm::Double, MakLength::Single), listed("F62_key_block_003_MAK8"));
        assert_eq!(vector_keys(KeyForm::Double, MakLength::Double), listed("F62_key_block_003_MAK16"));
        assert_eq!(vector_keys(KeyForm::WithTrackKey, MakLength::Single), listed("F62_key_block_004_MAK8"));
    }

    #[test]
    fn generated_keys_have_the_lengths_of_their_form() {
        let mut n = 0u8;
        let mut entropy: Entropy = Box::new(move |out| {
            for byte in out {
                n = n.wrapping_add(37);
                *byte = n;
            }
        });
        let master = DesKey::Double(TEST_MASTER_KEY);
        let mut length = |form, mak| WorkingKeys::generate(form, mak, &mut entropy).block(&master, None).len();
        assert_eq!(length(KeyForm::Single, MakLength::Double), 24);
        assert_eq!(length(KeyForm::Double, MakLength::Single), 40);
        assert_eq!(length(KeyForm::WithTrackKey, MakLength::Double), 60);
        let keys = WorkingKeys::generate(KeyForm::WithTrackKey, MakLength::Single, &mut entropy);
        let (good, bad) = (keys.block(&master, None), |flaw| keys.block(&master, Some(flaw)));
        for (name, place) in [(KeyName::Pik, 16), (KeyName::Mak, 36), (KeyName::Tdk, 56)] {
            let wrong = bad(KeyFlaw::CheckValue(name));
            let differing: Vec<usize> = (0..60).filter(|i| good[*i] != wrong[*i]).collect();
            assert_eq!(differing, [place], "{name:?}");
        }
        assert_eq!(bad(KeyFlaw::Layout).len(), 67);
    }
}
