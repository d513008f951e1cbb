//! What each scheme's test card holds.
//!
//! Owns: applications, data object lists, records. Must not know: APDUs or blocks.
//! Spec: EMV contactless Book B and C-2, C-3, C-7 (UnionPay); all values are made up.

use super::settings::{CardSettings, Flaw, Kind};
use super::tlv::{digits, list, object, template};

/// One record: its file, its number, its content.
pub struct Record {
    /// Short file identifier.
    pub file: u8,
    /// Record number.
    pub number: u8,
    /// Template 70.
    pub content: Vec<u8>,
}

/// When the card computes its cryptogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptogramIn {
    /// In the answer to GET PROCESSING OPTIONS (Visa, UnionPay).
    ProcessingOptions,
    /// On GENERATE AC, from the data of CDOL1 (Mastercard).
    GenerateAc,
}

/// A card application.
pub struct Application {
    /// Application identifier.
    pub aid: Vec<u8>,
    /// Application label.
    pub label: &'static str,
    /// What GET PROCESSING OPTIONS takes.
    pub pdol: Vec<(u32, u8)>,
    /// What GENERATE AC takes.
    pub cdol: Vec<(u32, u8)>,
    /// Application interchange profile.
    pub aip: [u8; 2],
    /// Application file locator; empty when there is nothing to read.
    pub afl: Vec<u8>,
    /// Records.
    pub records: Vec<Record>,
    /// When the cryptogram comes.
    pub cryptogram_in: CryptogramIn,
    /// Data that go with the cryptogram in the answer to GET PROCESSING OPTIONS.
    pub with_options: Vec<(u32, Vec<u8>)>,
}

/// The data that Visa, UnionPay and these test cards want in any case.
const BASIC: [(u32, u8); 8] =
    [(0x9F02, 6), (0x9F03, 6), (0x9F1A, 2), (0x95, 5), (0x5F2A, 2), (0x9A, 3), (0x9C, 1), (0x9F37, 4)];

/// The application on a card of this kind; none on cards that are no payment cards.
#[must_use]
pub fn application(card: &CardSettings) -> Option<Application> {
    match card.kind {
        Kind::Unionpay => Some(unionpay(card, &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01], "UnionPay Debit")),
        // The RID is one that the registration authority has not given to a payment scheme.
        Kind::OtherScheme => Some(unionpay(card, &[0xF0, 0x00, 0x00, 0x0F, 0xFF, 0x10, 0x10], "Nowhere Pay")),
        Kind::Visa => Some(visa(card)),
        Kind::Mastercard => Some(mastercard(card)),
        Kind::Ticket | Kind::Mifare => None,
    }
}

fn unionpay(card: &CardSettings, aid: &[u8], label: &'static str) -> Application {
    let mut pdol = vec![(0x9F66, 4)];
    pdol.extend(BASIC);
    // Electronic-cash tags that real cards ask for; a terminal that does not know them sends zeros.
    pdol.extend([(0xDF60, 1), (0xDF69, 1)]);
    Application {
        aid: aid.to_vec(),
        label,
        pdol,
        cdol: Vec::new(),
        aip: [0x7C, 0x00],
        afl: vec![0x08, 0x01, 0x01, 0x00, 0x10, 0x01, 0x02, 0x01],
        records: vec![
            record(card, 1, 1, vec![(0x5F20, b"TEST/CARD".to_vec()), (0x9F1F, b"0000000000000000".to_vec())]),
            record(
                card,
                2,
                1,
                vec![
                    (0x5A, pan_digits(card)),
                    (0x5F24, last_day(card)),
                    (0x5F25, vec![0x20, 0x01, 0x01]),
                    (0x5F28, vec![0x01, 0x56]),
                    (0x9F07, vec![0xFF, 0x00]),
                    (0x9F08, vec![0x00, 0x30]),
                    (0x8E, vec![0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x03, 0x1F, 0x00]),
                    (0x9F63, b"99990000\0\0\0\0\0\0\0\0".to_vec()),
                ],
            ),
            issuer_certificate(card, 2, 2),
        ],
        cryptogram_in: CryptogramIn::ProcessingOptions,
        with_options: vec![
            (0x57, track2(card)),
            (0x5F34, sequence(card)),
            (0x9F6C, card.qualifiers().to_vec()),
            (0x9F5D, vec![0, 0, 0, 0, 0, 0]),
        ],
    }
}

fn visa(card: &CardSettings) -> Application {
    let mut pdol = vec![(0x9F66, 4)];
    pdol.extend(BASIC);
    Application {
        aid: vec![0xA0, 0x00, 0x00, 0x00, 0x03, 0x10, 0x10],
        label: "VISA CREDIT",
        pdol,
        cdol: Vec::new(),
        aip: [0x20, 0x00],
        // An online-only kernel 3 card has nothing to read.
        afl: Vec::new(),
        records: Vec::new(),
        cryptogram_in: CryptogramIn::ProcessingOptions,
        with_options: vec![
            (0x57, track2(card)),
            (0x5F34, sequence(card)),
            (0x5F20, b"TEST/CARD".to_vec()),
            (0x9F6C, card.qualifiers().to_vec()),
            (0x9F6E, vec![0x20, 0x70, 0x00, 0x00]),
        ],
    }
}

fn mastercard(card: &CardSettings) -> Application {
    let mut cdol = BASIC.to_vec();
    cdol.extend([(0x9F35, 1), (0x9F45, 2), (0x9F4C, 8), (0x9F34, 3), (0x9F21, 3), (0x9F7C, 20)]);
    // Online PIN if the terminal can, else no CVM; or no CVM at all.
    let methods: &[u8] = if card.pin { &[0x42, 0x03, 0x1F, 0x03] } else { &[0x1F, 0x03] };
    let verification = [&[0u8; 8][..], methods].concat();
    Application {
        aid: vec![0xA0, 0x00, 0x00, 0x00, 0x04, 0x10, 0x10],
        label: "MASTERCARD",
        pdol: Vec::new(),
        cdol: cdol.clone(),
        aip: [0x19, 0x80],
        afl: vec![0x10, 0x01, 0x01, 0x01, 0x18, 0x01, 0x01, 0x00],
        records: vec![
            record(
                card,
                2,
                1,
                vec![
                    (0x57, track2(card)),
                    (0x5A, pan_digits(card)),
                    (0x5F20, b"TEST/CARD".to_vec()),
                    (0x5F24, last_day(card)),
                    (0x5F25, vec![0x20, 0x01, 0x01]),
                    (0x5F28, vec![0x01, 0x56]),
                    (0x5F34, sequence(card)),
                    (0x8C, list(&cdol)),
                    (0x8D, list(&[(0x91, 10), (0x8A, 2), (0x95, 5), (0x9F37, 4), (0x9F4C, 8)])),
                    (0x8E, verification),
                    (0x9F07, vec![0xFF, 0x00]),
                    (0x9F08, vec![0x00, 0x02]),
                    (0x9F0D, vec![0xB4, 0x50, 0x84, 0x00, 0x00]),
                    (0x9F0E, vec![0x00, 0x00, 0x00, 0x00, 0x00]),
                    (0x9F0F, vec![0xB4, 0x70, 0x84, 0x80, 0x00]),
                    (0x9F42, vec![0x01, 0x56]),
                    (0x9F4A, vec![0x82]),
                ],
            ),
            issuer_certificate(card, 3, 1),
        ],
        cryptogram_in: CryptogramIn::GenerateAc,
        with_options: Vec::new(),
    }
}

/// Issuer application data: length, key, version and, in byte 4 or 5, which cryptogram was given.
#[must_use]
pub fn issuer_data(kind: Kind, cryptogram: u8) -> Vec<u8> {
    // Card verification results: no second cryptogram asked for (10), and what the first one was.
    let results = 0x80 | (cryptogram >> 2);
    match kind {
        Kind::Visa => vec![0x06, 0x01, 0x0A, 0x03, results, 0x00, 0x00],
        Kind::Mastercard => {
            let mut out = vec![0x01, 0x10, results, 0x00, 0x04, 0x00, 0x00, 0x00];
            out.resize(18, 0x00);
            out
        }
        Kind::Unionpay | Kind::OtherScheme | Kind::Ticket | Kind::Mifare => {
            vec![0x07, 0x01, 0x01, 0x03, results, 0x00, 0x00, 0x01]
        }
    }
}

/// A record with the given objects, without what the card leaves out.
fn record(card: &CardSettings, file: u8, number: u8, objects: Vec<(u32, Vec<u8>)>) -> Record {
    Record { file, number, content: template(0x70, &kept(card, objects)) }
}

/// The objects that this card does give.
#[must_use]
pub fn kept(card: &CardSettings, objects: Vec<(u32, Vec<u8>)>) -> Vec<Vec<u8>> {
    objects.into_iter().filter(|(tag, _)| gives(card, *tag)).map(|(tag, value)| object(tag, &value)).collect()
}

/// Whether this card gives this tag.
#[must_use]
pub fn gives(card: &CardSettings, tag: u32) -> bool {
    let flawed = match card.flaw {
        Flaw::NoPan => matches!(tag, 0x57 | 0x5A),
        Flaw::NoCryptogram => tag == 0x9F26,
        Flaw::None | Flaw::Declines | Flaw::UseChip | Flaw::BadTlv | Flaw::HugeLength | Flaw::TwoPans => false,
    };
    !flawed && !card.omit.contains(&tag)
}

/// A certificate of a 1984-bit key: 254 bytes of record, so that the answer needs an extended frame. The bytes are
/// no certificate of anything.
fn issuer_certificate(card: &CardSettings, file: u8, number: u8) -> Record {
    let bytes = (0u8..248).map(|i| i.wrapping_mul(167).wrapping_add(89)).collect();
    record(card, file, number, vec![(0x90, bytes)])
}

fn track2(card: &CardSettings) -> Vec<u8> {
    digits(&format!("{}D{}201{:010}", card.pan(), card.expiry, 0).chars().take(37).collect::<String>())
}

fn pan_digits(card: &CardSettings) -> Vec<u8> {
    let mut pan = card.pan().to_owned();
    if card.flaw == Flaw::TwoPans {
        // Another last digit.
        let last = pan.pop().and_then(|c| c.to_digit(10)).unwrap_or(0);
        pan.push(char::from_digit((last + 1) % 10, 10).unwrap_or('0'));
    }
    digits(&pan)
}

fn last_day(card: &CardSettings) -> Vec<u8> {
    digits(&format!("{}31", card.expiry))
}

fn sequence(card: &CardSettings) -> Vec<u8> {
    digits(&format!("{:02}", card.sequence))
}
