//! The issuer's side of a chip card: whether its cryptogram is genuine, and the answer that proves the issuer.
//!
//! Owns: key derivation and both cryptograms. Must not know: messages. Written apart from the simulated card, so that
//! two errors have to agree to go unseen. Spec: EMV Book 2 §8.1 (cryptogram), §8.2.1 (ARPC method 1), Annex A1.3.1
//! (session key), A1.4.1 (card key, option A).
//!
//! The cryptogram is a retail MAC, padded with `80 00 …`, over the values of `9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 82
//! 9F36 9F10` in this order. All of them travel in field 55.

use crate::codec::tlv::{Tag, find};
use crate::sim::crypto::{Block, DesKey, retail_mac, xor};

const COUNTER: Tag = Tag(0x9F36);
const COVERED: [Tag; 11] = [
    Tag(0x9F02),
    Tag(0x9F03),
    Tag(0x9F1A),
    Tag(0x95),
    Tag(0x5F2A),
    Tag(0x9A),
    Tag(0x9C),
    Tag(0x9F37),
    Tag(0x82),
    COUNTER,
    Tag(0x9F10),
];

/// The tags that field 55 of a sale must have.
pub const MANDATORY: [Tag; 14] = [
    Tag(0x9F26),
    Tag(0x9F27),
    Tag(0x9F10),
    Tag(0x9F37),
    COUNTER,
    Tag(0x95),
    Tag(0x9A),
    Tag(0x9C),
    Tag(0x9F02),
    Tag(0x5F2A),
    Tag(0x82),
    Tag(0x9F1A),
    Tag(0x9F03),
    Tag(0x9F33),
];

/// The value of a tag at the top of field 55; none if it is absent or the field is no TLV.
pub fn value(tags: &[u8], tag: Tag) -> Option<&[u8]> {
    find(tags, &[tag]).ok().flatten()
}

/// The session key of one card for one transaction.
pub struct Session(DesKey);

impl Session {
    /// Derives it; none if the data lack the card's counter.
    pub fn new(issuer: &DesKey, pan: &str, sequence: u8, tags: &[u8]) -> Option<Self> {
        let [high, low] = value(tags, COUNTER)?.try_into().ok()?;
        let card = card_key(issuer, pan, sequence)?;
        let half = |mark| card.encrypt([high, low, mark, 0, 0, 0, 0, 0]);
        DesKey::new(&[half(0xF0), half(0x0F)].concat()).map(Self)
    }

    /// Whether 9F26 is what the card must have computed.
    pub fn is_genuine(&self, tags: &[u8]) -> bool {
        let covered: Option<Vec<&[u8]>> = COVERED.into_iter().map(|tag| value(tags, tag)).collect();
        let Some(covered) = covered else { return false };
        let mut padded = covered.concat();
        padded.push(0x80);
        padded.resize(padded.len().next_multiple_of(8), 0);
        value(tags, Tag(0x9F26)) == Some(&retail_mac(&self.0, &padded))
    }

    /// Tag 91: the issuer's own cryptogram and the response code.
    pub fn authentication(&self, tags: &[u8], response: [u8; 2]) -> Option<Vec<u8>> {
        let cryptogram: Block = value(tags, Tag(0x9F26))?.try_into().ok()?;
        let [high, low] = response;
        let proof = self.0.encrypt(xor(cryptogram, [high, low, 0, 0, 0, 0, 0, 0]));
        Some([&proof[..], &response].concat())
    }
}

/// The rightmost 16 digits of PAN and sequence number, and their complement, under the issuer's key.
fn card_key(issuer: &DesKey, pan: &str, sequence: u8) -> Option<DesKey> {
    let digits = format!("{pan}{sequence:02}");
    let last = digits.get(digits.len().saturating_sub(16)..)?;
    let block = u64::from_str_radix(last, 16).ok()?;
    let half = |block: u64| issuer.encrypt(block.to_be_bytes());
    DesKey::new(&[half(block), half(!block)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tlv::Writer;
    use crate::sim::acquirer::settings::TEST_CARD_KEY;
    use crate::sim::reader::card::cryptogram::cryptogram;

    const PAN: &str = "6200000000000000018";

    fn tags(arqc: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        for (n, tag) in COVERED.into_iter().enumerate() {
            let length = match tag {
                COUNTER => 2,
                _ => n + 1,
            };
            writer.put(tag, &vec![(n as u8).wrapping_mul(29).wrapping_add(3); length]);
        }
        writer.put(Tag(0x9F26), arqc);
        writer.finish().to_vec()
    }

    #[test]
    fn the_simulated_cards_cryptogram_is_genuine_and_no_other() {
        let data = tags(&[]);
        let arqc = cryptogram(PAN, 1, |tag| value(&data, Tag(u32::from(tag)))).unwrap();
        let good = tags(&arqc);
        let session = |pan, sequence| Session::new(&DesKey::Double(TEST_CARD_KEY), pan, sequence, &good).unwrap();
        assert!(session(PAN, 1).is_genuine(&good));
        assert!(!session(PAN, 2).is_genuine(&good));
        assert!(!session("6200000000000000026", 1).is_genuine(&good));
        assert!(!session(PAN, 1).is_genuine(&tags(&[0; 8])));
        let proof = session(PAN, 1).authentication(&good, *b"00").unwrap();
        assert_eq!((proof.len(), &proof[8..]), (10, &b"00"[..]));
    }
}
