//! The application cryptogram of the simulated cards, for the cards and for the simulated issuer that checks it.
//!
//! Owns: key derivation and MAC. Must not know: APDUs, records.
//! Spec: EMV Book 2 §8.1 (MAC over the transaction's data), Annex A1.3 (session key), A1.4.1 (card key, option A).
//!
//! The issuer master key is a **test key** that everybody knows: `404142434445464748494A4B4C4D4E4F`.
//! The MAC is taken over the values, without tags and in this order, of
//! `9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 82 9F36 9F10`, padded with 80 00 …: all of them travel in field 55, so a
//! simulated host can check 9F26 with the card's number and sequence number alone.

use des::TdesEde2;
use des::cipher::{Array, BlockCipherEncrypt, KeyInit};
use des::{Des, cipher::BlockCipherDecrypt};

/// Issuer master key of every simulated card. Public; for tests only.
pub const TEST_ISSUER_KEY: [u8; 16] = *b"@ABCDEFGHIJKLMNO";

/// What the MAC covers, in this order.
pub const COVERED: [u16; 11] = [0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36, 0x9F10];

/// The cryptogram that the card with this number must give for these data; none when a covered tag is missing.
pub fn cryptogram<'a>(pan: &str, sequence: u8, value: impl Fn(u16) -> Option<&'a [u8]>) -> Option<[u8; 8]> {
    let counter: [u8; 2] = value(0x9F36)?.try_into().ok()?;
    let mut message = Vec::new();
    for tag in COVERED {
        message.extend_from_slice(value(tag)?);
    }
    let session = session_key(&card_key(&TEST_ISSUER_KEY, pan, sequence), counter);
    Some(mac(&session, &message))
}

/// Option A: the rightmost 16 digits of PAN and sequence number, and their complement, under the issuer's key.
fn card_key(issuer: &[u8; 16], pan: &str, sequence: u8) -> [u8; 16] {
    let all = format!("{:0>16}", format!("{pan}{sequence:02}"));
    let start = all.len().saturating_sub(16);
    let bytes = super::tlv::digits(all.get(start..).unwrap_or_default());
    let mut left = [0u8; 8];
    left.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    let right = left.map(|b| !b);
    joined(triple(issuer, left), triple(issuer, right))
}

fn session_key(card: &[u8; 16], [high, low]: [u8; 2]) -> [u8; 16] {
    let half = |mark| triple(card, [high, low, mark, 0, 0, 0, 0, 0]);
    joined(half(0xF0), half(0x0F))
}

/// ISO/IEC 9797-1 algorithm 3 with padding method 2.
fn mac(key: &[u8; 16], message: &[u8]) -> [u8; 8] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(8), 0x00);
    let (left, right) = halves(key);
    let (blocks, _) = padded.as_chunks::<8>();
    let mut chain = [0u8; 8];
    for block in blocks {
        chain.iter_mut().zip(block).for_each(|(c, b)| *c ^= b);
        chain = encrypt(&left, chain);
    }
    encrypt(&left, decrypt(&right, chain))
}

fn triple(key: &[u8; 16], block: [u8; 8]) -> [u8; 8] {
    let mut block = Array::from(block);
    TdesEde2::new(&Array::from(*key)).encrypt_block(&mut block);
    block.into()
}

fn encrypt(key: &[u8; 8], block: [u8; 8]) -> [u8; 8] {
    let mut block = Array::from(block);
    Des::new(&Array::from(*key)).encrypt_block(&mut block);
    block.into()
}

fn decrypt(key: &[u8; 8], block: [u8; 8]) -> [u8; 8] {
    let mut block = Array::from(block);
    Des::new(&Array::from(*key)).decrypt_block(&mut block);
    block.into()
}

fn halves(key: &[u8; 16]) -> ([u8; 8], [u8; 8]) {
    let mut parts = [[0u8; 8]; 2];
    parts.iter_mut().flatten().zip(key).for_each(|(to, from)| *to = *from);
    let [left, right] = parts;
    (left, right)
}

fn joined(left: [u8; 8], right: [u8; 8]) -> [u8; 16] {
    let mut out = [0u8; 16];
    out.iter_mut().zip(left.into_iter().chain(right)).for_each(|(to, from)| *to = from);
    out
}
