//! What of a field may be seen.
//!
//! Owns: the rules for masking. Must not know: JSON.
//!
//! Field 2 and track 2 keep the first six and last four digits of the card number; tracks, PIN blocks, keys and
//! cardholder data in field 55 keep their length only; card numbers in a batch upload and long runs of digits in free
//! text are masked as field 2.

use crate::codec::iso8583::Mti;
use crate::codec::tlv::Tag;
use crate::domain::pan::Pan;

/// Tags of field 55 that are, or hold, cardholder data.
const SENSITIVE: [Tag; 10] = [
    Tag(0x56),
    Tag(0x57),
    Tag(0x5A),
    Tag(0x5F20),
    Tag(0x99),
    Tag(0x9F0B),
    Tag(0x9F1F),
    Tag(0x9F20),
    Tag(0x9F61),
    Tag(0x9F6B),
];

/// Shortest run of digits in free text that is taken for a card number.
const SUSPICIOUS: usize = 13;
/// One entry of a batch upload: card kind 2, trace 6, card number 20, amount 12.
const DETAIL: usize = 40;

/// Whether a tag's value is not to be seen.
pub fn is_sensitive(tag: Tag) -> bool {
    SENSITIVE.contains(&tag)
}

/// A card number; anything else keeps its length only.
pub fn pan(digits: &str) -> String {
    Pan::new(digits).map_or_else(|| format!("<{} digits>", digits.len()), |pan| pan.masked())
}

/// Track 2: the masked card number and how much follows. An enciphered one looks the same.
pub fn track_2(track: &str) -> String {
    match track.split_once('D') {
        Some((number, rest)) => format!("{}D<{} digits>", pan(number), rest.len()),
        None => format!("<{} digits>", track.len()),
    }
}

/// The length of something that is not shown.
pub fn bytes(count: usize) -> String {
    format!("<{count} bytes>")
}

/// Field 48 of a batch upload: count, then details with card numbers, which are filled up with zeros on the left.
pub fn details(mti: Mti, digits: &str) -> String {
    let (count, list) = digits.split_at_checked(2).unwrap_or((digits, ""));
    if mti.to_bytes() != [0x03, 0x20] || list.is_empty() || list.len() % DETAIL != 0 {
        return digits.to_owned();
    }
    let mut out = count.to_owned();
    for (at, digit) in list.char_indices() {
        let place = at % DETAIL;
        let number = list.get(at - place + 8..at - place + 28).unwrap_or_default();
        let zeros = number.len() - number.trim_start_matches('0').len();
        let hidden = 8 + zeros + 6..8 + 16;
        out.push(if hidden.contains(&place) { '*' } else { digit });
    }
    out
}

/// Free text: long runs of digits are masked.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let length = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (run, after) = from.split_at(length);
        out.push_str(before);
        match run.len() {
            n if n > 19 => out.push_str(&format!("<{n} digits>")),
            n if n >= SUSPICIOUS => out.push_str(&pan(run)),
            _ => out.push_str(run),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
