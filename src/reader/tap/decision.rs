//! From what the card said to what the terminal does: cardholder check, validity, kind of cryptogram, the finished read.
//!
//! Owns: the rules per scheme, cut down to an online-only terminal without offline data authentication. Must not know:
//! how the facts were read.
//!
//! Follows, as far as such a terminal needs them: Contactless Book C-2 (Mastercard), C-3 (Visa), C-7 (UnionPay). What is
//! left out on purpose: offline approval, offline data authentication (the terminal qualifiers and capabilities say so to
//! the card), stripe modes, torn-transaction recovery. "Use the chip" comes from the card's status words and from cards
//! that give no contactless cryptogram: the card's own switch rules (tag 9F6C) speak of failed offline authentication,
//! cash and cash-back, none of which happens here.

use std::cmp::Ordering;

use zeroize::Zeroizing;

use crate::codec::tlv::{Tag, Writer};
use crate::domain::card::{CardRead, Scheme, TapFailure, TapRequest};
use crate::domain::secret::SecretBytes;
use crate::domain::time::Civil;
use crate::reader::tap::facts::Facts;
use crate::reader::tap::terminal::{Terminal, Verdict, amount_asks_for_pin};

/// Objects of field 55 in the order hosts expect; the flag says whether the request is nothing without it.
const REQUEST_TAGS: [(u32, bool); 21] = [
    (0x9F26, true),
    (0x9F27, true),
    (0x9F10, true),
    (0x9F37, true),
    (0x9F36, true),
    (0x95, true),
    (0x9A, true),
    (0x9C, true),
    (0x9F02, true),
    (0x5F2A, true),
    (0x82, true),
    (0x9F1A, true),
    (0x9F03, true),
    (0x9F33, true),
    (0x9F34, false),
    (0x9F35, false),
    (0x9F1E, false),
    (0x84, false),
    (0x9F09, false),
    (0x9F41, false),
    (0x9F63, false),
];

/// Objects of field 55 in a reversal.
const REVERSAL_TAGS: [u32; 4] = [0x95, 0x9F1E, 0x9F10, 0x9F36];

/// Objects of field 55 in a script report.
const SCRIPT_TAGS: [u32; 11] = [0x95, 0x9F10, 0x9F26, 0x9F36, 0x82, 0xDF31, 0x9F1A, 0x9A, 0x9F33, 0x9F37, 0x9F1E];
/// DF31, the script's result: not performed, since the card has left the field by the time a script comes.
const SCRIPT_NOT_PERFORMED: [u8; 5] = [0; 5];

/// Online PIN, by no rule of the card.
const CVM_ONLINE_PIN: [u8; 3] = [0x02, 0x00, 0x00];
/// No check was made.
const CVM_NOT_PERFORMED: [u8; 3] = [0x3F, 0x00, 0x00];
/// The rule "no check needed", fulfilled.
const CVM_NONE_NEEDED: [u8; 3] = [0x1F, 0x00, 0x02];

/// The cardholder check of a card that has given its cryptogram already (UnionPay, Visa).
pub(super) fn verdict_after_cryptogram(facts: &Facts, request: &TapRequest) -> Verdict {
    // Tag 9F6C, byte 1, bit 8: the card wants the PIN checked by the host.
    let card_asks = qualifier(facts, 0x80);
    let pin_required = card_asks || amount_asks_for_pin(request);
    Verdict { tvr: [0; 5], cvm: if pin_required { CVM_ONLINE_PIN } else { CVM_NOT_PERFORMED }, pin_required }
}

/// The cardholder check and verification results that a card signs (Mastercard).
pub(super) fn verdict_before_cryptogram(facts: &Facts, request: &TapRequest) -> Verdict {
    let pin_required = amount_asks_for_pin(request);
    let not_yet_valid = facts.effective().is_some_and(|from| from > today(request.local_time));
    let tvr = [
        // Offline data authentication was not performed.
        0x80,
        if not_yet_valid { 0x20 } else { 0x00 },
        // Online PIN is entered.
        if pin_required { 0x04 } else { 0x00 },
        0x00,
        0x00,
    ];
    let cvm = if pin_required { online_pin_rule(facts).unwrap_or(CVM_ONLINE_PIN) } else { CVM_NONE_NEEDED };
    Verdict { tvr, cvm, pin_required }
}

/// The card's own rule for online PIN, from tag 8E: two amounts, then pairs of method and condition.
fn online_pin_rule(facts: &Facts) -> Option<[u8; 3]> {
    let rules = facts.get(0x8E)?.get(8..)?;
    rules.chunks_exact(2).find_map(|rule| match rule {
        [method, condition] if method & 0x3F == 0x02 => Some([*method, *condition, 0x00]),
        _ => None,
    })
}

/// A bit of the card's transaction qualifiers (tag 9F6C, byte 1).
fn qualifier(facts: &Facts, bit: u8) -> bool {
    facts.fixed::<2>(0x9F6C).is_some_and(|[first, _]| first & bit != 0)
}

fn today(time: Civil) -> (u16, u8, u8) {
    (time.year, time.month, time.day)
}

/// Refuses a card whose last day has passed, unless it wants to be judged online all the same.
pub(super) fn check_validity(scheme: Scheme, facts: &Facts, request: &TapRequest) -> Result<(), TapFailure> {
    let Some(last) = facts.expiry()? else { return Ok(()) };
    // Tag 9F6C, byte 1, bit 4: go online if expired.
    let online_if_expired = match scheme {
        Scheme::UnionPay | Scheme::Visa => qualifier(facts, 0x08),
        Scheme::Mastercard => false,
    };
    match last.cmp(&today(request.local_time)) {
        Ordering::Less if !online_if_expired => Err(TapFailure::Expired),
        Ordering::Less | Ordering::Equal | Ordering::Greater => Ok(()),
    }
}

/// Tag 9F27 as the card gave it, or as the issuer application data imply it; anything but "go online" ends the tap.
pub(super) fn online_cryptogram(facts: &Facts) -> Result<u8, TapFailure> {
    let information = match (facts.fixed::<1>(0x9F27), facts.get(0x9F10)) {
        (Some([information]), _) => information,
        // Byte 5 is the first of the card verification results: bits 6 and 5 are the kind of the first cryptogram.
        (None, Some(issuer_data)) => match issuer_data.get(4).ok_or(TapFailure::CardFaulty)? & 0x30 {
            0x00 => 0x00,
            0x10 => 0x40,
            0x20 => 0x80,
            _ => return Err(TapFailure::CardFaulty),
        },
        (None, None) => return Err(TapFailure::CardFaulty),
    };
    match information & 0xC0 {
        0x80 => Ok(information),
        0x00 => Err(TapFailure::CardDeclined),
        // An offline approval that nobody asked for is a contradiction.
        _ => Err(TapFailure::CardFaulty),
    }
}

/// Puts the read together.
pub(super) fn card_read(terminal: &Terminal<'_>, facts: &Facts, information: u8) -> Result<Box<CardRead>, TapFailure> {
    let value = |tag: u32| match tag {
        0x9F27 => Some(Zeroizing::new(vec![information])),
        0xDF31 => Some(Zeroizing::new(SCRIPT_NOT_PERFORMED.to_vec())),
        _ => {
            terminal.value(Tag(tag)).map(Zeroizing::new).or_else(|| facts.get(tag).map(|v| Zeroizing::new(v.to_vec())))
        }
    };
    let mut request = Writer::new();
    for (tag, mandatory) in REQUEST_TAGS {
        match value(tag) {
            Some(value) => drop(request.put(Tag(tag), &value)),
            None if mandatory => return Err(TapFailure::CardFaulty),
            None => {}
        }
    }
    let known = |tags: &[u32]| {
        let mut writer = Writer::new();
        for tag in tags {
            if let Some(value) = value(*tag) {
                writer.put(Tag(*tag), &value);
            }
        }
        finished(writer)
    };
    Ok(Box::new(CardRead {
        scheme: terminal.application.scheme,
        pan: facts.pan()?,
        expiry: facts.expiry()?.map(|(year, month, _)| format!("{:02}{month:02}", year % 100)),
        sequence_number: facts.sequence_number()?,
        track2: facts.track2()?,
        request_tags: finished(request),
        reversal_tags: known(&REVERSAL_TAGS),
        script_tags: known(&SCRIPT_TAGS),
        pin_required: terminal.verdict.pin_required,
    }))
}

fn finished(writer: Writer) -> SecretBytes {
    SecretBytes::new(std::mem::take(&mut *writer.finish()))
}
