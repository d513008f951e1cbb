//! The simulated acquirer's own cryptography: DES keys, check values, MAC, PIN block, track.
//!
//! Owns: its own code for every algorithm, on the bare block cipher of the crate `des`. Must not know: the terminal's
//! code for the same algorithms; a mistake made there must not cancel out here. Follows Q/CUP 009.1 as public
//! terminals practise it, ISO 9564 format 0, ANSI X9.9 and X9.19.

use des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use des::{Des, TdesEde2};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// One DES block.
pub type Block = [u8; 8];

/// A DES key of single or double length.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum DesKey {
    /// 8 bytes: single DES.
    Single([u8; 8]),
    /// 16 bytes: triple DES with two keys.
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

    /// The same bytes with odd parity, as keys are handed out.
    #[must_use]
    pub fn with_odd_parity(mut self) -> Self {
        let bytes: &mut [u8] = match &mut self {
            Self::Single(bytes) => bytes,
            Self::Double(bytes) => bytes,
        };
        for byte in bytes {
            let odd = (*byte >> 1).count_ones() % 2 == 1;
            *byte = *byte & 0xFE | u8::from(!odd);
        }
        self
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Single(bytes) => bytes,
            Self::Double(bytes) => bytes,
        }
    }

    /// Enciphers one block.
    pub fn encrypt(&self, block: Block) -> Block {
        let mut out = block.into();
        match self {
            Self::Single(key) => Des::new(key.into()).encrypt_block(&mut out),
            Self::Double(key) => TdesEde2::new(key.into()).encrypt_block(&mut out),
        }
        out.into()
    }

    /// Deciphers one block.
    pub fn decrypt(&self, block: Block) -> Block {
        let mut out = block.into();
        match self {
            Self::Single(key) => Des::new(key.into()).decrypt_block(&mut out),
            Self::Double(key) => TdesEde2::new(key.into()).decrypt_block(&mut out),
        }
        out.into()
    }

    /// Check value: four bytes of eight zeros enciphered.
    pub fn check_value(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.encrypt([0; 8]);
        [a, b, c, d]
    }

    /// Enciphers another key block by block without chaining.
    pub fn wrap(&self, key: &Self) -> Vec<u8> {
        key.expose().as_chunks::<8>().0.iter().flat_map(|block| self.encrypt(*block)).collect()
    }

    /// The inverse of [`DesKey::wrap`]; `None` unless 8 or 16 bytes are given.
    pub fn unwrap_key(&self, wrapped: &[u8]) -> Option<Self> {
        let clear: Vec<u8> = wrapped.as_chunks::<8>().0.iter().flat_map(|block| self.decrypt(*block)).collect();
        if clear.len() == wrapped.len() { Self::new(&clear) } else { None }
    }

    /// Left half for single DES; the key itself when it is single already.
    fn left(&self) -> Self {
        match self {
            Self::Single(key) => Self::Single(*key),
            Self::Double([a, b, c, d, e, f, g, h, ..]) => Self::Single([*a, *b, *c, *d, *e, *f, *g, *h]),
        }
    }

    fn right(&self) -> Self {
        match self {
            Self::Single(key) => Self::Single(*key),
            Self::Double([.., a, b, c, d, e, f, g, h]) => Self::Single([*a, *b, *c, *d, *e, *f, *g, *h]),
        }
    }
}

/// How field 64 is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MacMethod {
    /// UnionPay's: exclusive or of all blocks, two rounds over its hexadecimal text, half of the result as text.
    Ecb,
    /// ANSI X9.9: CBC with single DES (the left half of a double-length key).
    X99,
    /// ANSI X9.19: CBC with the left half, then decipher with the right and encipher with the left.
    X919,
    /// CBC with triple DES.
    Cbc3des,
}

/// Field 64 for what the MAC is computed over.
pub fn mac(method: MacMethod, key: &DesKey, mab: &[u8]) -> Block {
    match method {
        MacMethod::Ecb => union_pay_ecb(key, mab),
        MacMethod::X99 => cbc(&key.left(), mab),
        MacMethod::X919 => key.left().encrypt(key.right().decrypt(cbc(&key.left(), mab))),
        MacMethod::Cbc3des => cbc(key, mab),
    }
}

/// X9.19 over whole blocks with padding already in place; what EMV cards use as well (ISO 9797-1 algorithm 3).
pub fn retail_mac(key: &DesKey, padded: &[u8]) -> Block {
    mac(MacMethod::X919, key, padded)
}

fn union_pay_ecb(key: &DesKey, mab: &[u8]) -> Block {
    let folded = zero_padded(mab).fold([0; 8], xor);
    let [first, second] = hex_halves(folded);
    let result = key.encrypt(xor(key.encrypt(first), second));
    let [text, _] = hex_halves(result);
    text
}

fn cbc(key: &DesKey, bytes: &[u8]) -> Block {
    zero_padded(bytes).fold([0; 8], |chained, block| key.encrypt(xor(chained, block)))
}

fn zero_padded(bytes: &[u8]) -> impl Iterator<Item = Block> {
    bytes.chunks(8).map(|chunk| {
        let mut block = [0; 8];
        block.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        block
    })
}

/// Exclusive or of two blocks.
pub fn xor(mut left: Block, right: Block) -> Block {
    left.iter_mut().zip(right).for_each(|(to, from)| *to ^= from);
    left
}

/// The sixteen upper-case hexadecimal characters of a block, in two halves.
fn hex_halves(block: Block) -> [Block; 2] {
    let mut text = block.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).map(|n| if n > 9 { n + 55 } else { n + 48 });
    let mut half = || std::array::from_fn(|_| text.next().unwrap_or(b'0'));
    [half(), half()]
}

/// What a PIN block turned out to be.
#[derive(PartialEq, Eq)]
pub enum PinCheck {
    /// The PIN asked for.
    Right,
    /// Well formed, another PIN.
    Wrong,
    /// Not a format 0 block under this key for this card.
    Malformed,
}

/// Deciphers a PIN block and compares it. Without a PAN the PAN part is all zero (field 53, first digit 1).
pub fn check_pin(key: &DesKey, block: Block, pan: Option<&str>, expected: &str) -> PinCheck {
    let clear = xor(key.decrypt(block), pan_part(pan));
    let nibbles: Vec<u8> = clear.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).collect();
    let Some((&[format, length], rest)) = nibbles.split_first_chunk() else { return PinCheck::Malformed };
    let Some((pin, filler)) = rest.split_at_checked(usize::from(length)) else { return PinCheck::Malformed };
    let plausible = format == 0 && (4..=12).contains(&length);
    if !plausible || pin.iter().any(|digit| *digit > 9) || filler.iter().any(|nibble| *nibble != 0xF) {
        return PinCheck::Malformed;
    }
    let same = pin.len() == expected.len() && pin.iter().zip(expected.bytes()).all(|(a, b)| a + b'0' == b);
    if same { PinCheck::Right } else { PinCheck::Wrong }
}

/// Four zeros and the twelve digits left of the check digit.
fn pan_part(pan: Option<&str>) -> Block {
    let Some((body, _)) = pan.and_then(|pan| pan.split_at_checked(pan.len().saturating_sub(1))) else { return [0; 8] };
    let twelve = body.get(body.len().saturating_sub(12)..).unwrap_or_default();
    let digits = format!("{twelve:0>16}");
    packed(&digits).unwrap_or_default()
}

/// Sixteen hexadecimal digits as a block.
fn packed(digits: &str) -> Option<Block> {
    u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16).map(u64::to_be_bytes)
}

/// Deciphers the part of a track that terminals encipher: of the track packed two digits to a byte, the eight bytes
/// before the last one. `None` for a track too short to have them.
pub fn decrypt_track(key: &DesKey, track: &str) -> Option<String> {
    let end = track.len() - if track.len() % 2 == 1 { 1 } else { 2.min(track.len()) };
    let start = end.checked_sub(16)?;
    let clear = u64::from_be_bytes(key.decrypt(packed(track.get(start..end)?)?));
    Some(format!("{}{clear:016X}{}", track.get(..start)?, track.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    fn vectors() -> Json {
        serde_json::from_str(include_str!("../../tests/vectors/iso8583.json")).unwrap()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn entry(name: &str) -> Json {
        let all = vectors();
        all["crypto"].as_array().unwrap().iter().find(|v| v["name"] == name).unwrap().clone()
    }

    fn bytes(vector: &Json, key: &str) -> Vec<u8> {
        unhex(vector[key].as_str().unwrap())
    }

    fn key(vector: &Json, name: &str) -> DesKey {
        DesKey::new(&bytes(vector, name)).unwrap()
    }

    #[test]
    fn the_observed_key_block_unwraps_to_its_check_values() {
        let v = entry("key_block_003_observed");
        let (tmk, block) = (key(&v, "tmk"), bytes(&v, "f62"));
        let pik = tmk.unwrap_key(&block[..16]).unwrap();
        let mak = tmk.unwrap_key(&block[20..28]).unwrap();
        assert_eq!(pik.expose(), bytes(&v, "pik"));
        assert_eq!(pik.check_value(), block[16..20]);
        assert_eq!(mak.expose(), bytes(&v, "mak8"));
        assert_eq!(mak.check_value(), block[36..40]);
        assert_eq!(tmk.wrap(&mak), &block[20..28]);
    }

    #[test]
    fn every_listed_mac_comes_out() {
        let v = entry("mac_all_methods_short_message");
        let data = v["data_ascii"].as_str().unwrap().as_bytes();
        let (single, double) = (key(&v, "mak8"), key(&v, "mak16"));
        let text = |name: &str| v[name].as_str().unwrap().as_bytes().to_vec();
        assert_eq!(mac(MacMethod::Ecb, &single, data).to_vec(), text("ecb_single"));
        assert_eq!(mac(MacMethod::Ecb, &double, data).to_vec(), text("ecb_double"));
        assert_eq!(mac(MacMethod::X99, &single, data).to_vec(), bytes(&v, "cbc_x99_single"));
        assert_eq!(mac(MacMethod::X99, &double, data).to_vec(), bytes(&v, "cbc_x99_single"));
        assert_eq!(mac(MacMethod::X919, &double, data).to_vec(), bytes(&v, "x919"));
        assert_eq!(mac(MacMethod::Cbc3des, &double, data).to_vec(), bytes(&v, "cbc_3des"));
        let seen = entry("mac_ecb_double_length_observed");
        assert_eq!(mac(MacMethod::Ecb, &key(&seen, "mak"), &bytes(&seen, "mab")).to_vec(), bytes(&seen, "field64"));
    }

    #[test]
    fn every_message_with_a_mac_has_the_one_computed_here() {
        let all = vectors();
        let mak = DesKey::new(&unhex(all["keys"]["MAK_single"].as_str().unwrap())).unwrap();
        let mut seen = 0;
        for message in all["messages"].as_array().unwrap().iter().filter(|m| m["mab"].is_string()) {
            assert_eq!(
                mac(MacMethod::Ecb, &mak, &bytes(message, "mab")).to_vec(),
                bytes(&message["fields"], "64"),
                "{}",
                message["name"]
            );
            seen += 1;
        }
        assert!(seen >= 7, "only {seen} messages have a MAC");
    }

    #[test]
    fn a_pin_block_is_right_wrong_or_none() {
        for name in ["pin_block_format0", "pin_block_generated"] {
            let v = entry(name);
            let block: Block = bytes(&v, "enciphered").try_into().unwrap();
            let pan = v["pan"].as_str();
            let pik = key(&v, "pik");
            assert!(check_pin(&pik, block, pan, "123456") == PinCheck::Right);
            assert!(check_pin(&pik, block, pan, "123457") == PinCheck::Wrong);
            assert!(check_pin(&pik, block, pan, "12345") == PinCheck::Wrong);
            assert!(check_pin(&pik, [7; 8], pan, "123456") == PinCheck::Malformed);
            let clear = pik.encrypt([0x04, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
            assert!(check_pin(&pik, clear, None, "1234") == PinCheck::Right);
        }
    }

    #[test]
    fn an_enciphered_track_becomes_clear() {
        for name in ["track2_encrypt_odd_37_generated", "track2_encrypt_even_36_generated"] {
            let v = entry(name);
            let clear = decrypt_track(&key(&v, "tdk"), v["enciphered"].as_str().unwrap());
            assert_eq!(clear.as_deref(), v["clear"].as_str());
        }
        assert_eq!(decrypt_track(&DesKey::Single([1; 8]), "62D3"), None);
        assert_eq!(decrypt_track(&DesKey::Single([1; 8]), ""), None);
    }

    #[test]
    fn keys_are_handed_out_with_odd_parity() {
        let key = DesKey::Double(std::array::from_fn(|i| i as u8 * 17)).with_odd_parity();
        assert!(key.expose().iter().all(|b| b.count_ones() % 2 == 1));
        assert!(DesKey::new(&[0; 9]).is_none());
    }
}
