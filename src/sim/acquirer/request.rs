//! A request as the centre reads it: field 60, the card, what must and must not be there.
//!
//! Owns: format rules of PROTOCOL's field tables that the codec cannot know. Must not know: keys, the ledger.

use zeroize::Zeroizing;

use crate::codec::iso8583::Message;

/// A refused request: the response code, and why for the log. Never holds a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Field 39.
    pub code: String,
    /// For the log.
    pub why: &'static str,
}

impl Refusal {
    /// With a response code of the standard.
    pub fn new(code: &str, why: &'static str) -> Self {
        Self { code: code.to_owned(), why }
    }
}

/// Field 60, cut apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field60 {
    /// 60.1, message type.
    pub kind: String,
    /// 60.2, batch.
    pub batch: u32,
    /// 60.3, network management code.
    pub code: String,
}

impl Field60 {
    /// Management messages carry the first eleven digits only.
    pub fn management(request: &Message) -> Result<Self, Refusal> {
        Self::read(request, 11..=11, "field 60 must have 11 digits here")
    }

    /// Financial messages carry reader ability and chip condition as well.
    pub fn financial(request: &Message) -> Result<Self, Refusal> {
        Self::read(request, 13..=17, "field 60 must have 13 to 17 digits here")
    }

    fn read(request: &Message, lengths: std::ops::RangeInclusive<usize>, why: &'static str) -> Result<Self, Refusal> {
        let wrong = || Refusal::new("30", why);
        let digits = request.text(60).filter(|d| lengths.contains(&d.len())).ok_or_else(wrong)?;
        let part = |range| digits.get(range).ok_or_else(wrong);
        let (kind, batch, code) = (part(0..2)?, part(2..8)?, part(8..11)?);
        Ok(Self { kind: kind.to_owned(), batch: batch.parse().map_err(|_| wrong())?, code: code.to_owned() })
    }
}

/// Refuses a request that lacks one of these fields.
pub fn require(request: &Message, fields: &[u8]) -> Result<(), Refusal> {
    match fields.iter().all(|field| request.has(*field)) {
        true => Ok(()),
        false => Err(Refusal::new("30", "a mandatory field is missing")),
    }
}

/// Refuses a request that has one of these fields.
pub fn forbid(request: &Message, fields: &[u8]) -> Result<(), Refusal> {
    match fields.iter().any(|field| request.has(*field)) {
        true => Err(Refusal::new("30", "a field is there that must not be")),
        false => Ok(()),
    }
}

/// A field as text; 30 if it is absent or no text.
pub fn text(request: &Message, field: u8) -> Result<&str, Refusal> {
    request.text(field).ok_or(Refusal { code: "30".to_owned(), why: "a mandatory field is missing or no text" })
}

/// A field of digits as a number.
pub fn number(request: &Message, field: u8) -> Result<u64, Refusal> {
    text(request, field)?.parse().map_err(|_| Refusal::new("30", "a field of digits holds something else"))
}

/// Which card a request is about.
pub struct Card {
    /// Its number.
    pub pan: Zeroizing<String>,
    /// YYMM.
    pub expiry: Option<String>,
    /// Sequence number.
    pub sequence: u8,
}

impl Card {
    /// From field 2, 14 and 23, or from track 2 in clear; both must agree.
    pub fn read(request: &Message, track: Option<&str>) -> Result<Self, Refusal> {
        let on_track = track.and_then(|track| track.split_once('D'));
        if track.is_some() && on_track.is_none() {
            return Err(Refusal::new("30", "track 2 has no separator"));
        }
        let pan = match (request.text(2), on_track) {
            (Some(pan), Some((other, _))) if pan != other => {
                return Err(Refusal::new("14", "field 2 and track 2 hold different card numbers"));
            }
            (Some(pan), _) | (None, Some((pan, _))) => pan,
            (None, None) => return Err(Refusal::new("30", "no card number: neither field 2 nor track 2")),
        };
        if !(13..=19).contains(&pan.len()) || !pan.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::new("14", "a card number has 13 to 19 digits"));
        }
        let expiry = request.text(14).or_else(|| on_track.and_then(|(_, rest)| rest.get(..4)));
        let sequence = request.text(23).and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok(Self { pan: Zeroizing::new(pan.to_owned()), expiry: expiry.map(str::to_owned), sequence })
    }
}
