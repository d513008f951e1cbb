//! A frame of the reader's line as one line of text, with only those of the card's data that are named here.
//!
//! What is hidden keeps its length and becomes something that still reads: a test card's number with the right check
//! digit, a date far ahead, zeros. So a capture can be played to a daemon, and it will sell with it.

use super::hex;
use crate::codec::tlv::{self, Objects};
use crate::reader::pn532::frame::{Frame, encode};

/// Objects of a card whose values are written as they are: what applications there are, what they ask for, how a
/// transaction is to go. Not among them: whoever the card belongs to, whatever proves it genuine, balances, cryptograms.
const OPEN: [u32; 33] = [
    0x4F, 0x50, 0x80, 0x82, 0x84, 0x87, 0x88, 0x8C, 0x8D, 0x8E, 0x8F, 0x94, 0x95, 0x9A, 0x9C, 0x5F28, 0x5F2A, 0x5F2D,
    0x5F30, 0x5F34, 0x9F02, 0x9F03, 0x9F07, 0x9F08, 0x9F0D, 0x9F0E, 0x9F0F, 0x9F1A, 0x9F27, 0x9F33, 0x9F36, 0x9F38,
    0x9F6C,
];
/// The first digits of the test card that stands in for every other.
const TEST_CARD: &str = "620000";
/// A date that no capture will live to see (YYMM), and one long ago.
const AHEAD: &str = "4912";
const FROM_CHIP: u8 = 0xD5;
const TO_CHIP: u8 = 0xD4;
const EXCHANGE: u8 = 0x41;
const TARGETS: u8 = 0x4B;
/// The card has more to say: its answer comes in parts.
const MORE: u8 = 0x40;

/// The frame with its framing, in hexadecimal; acknowledgements by name.
pub fn shown(frame: &Frame) -> String {
    match frame {
        Frame::Body(body) => match encode(&redacted(body.expose())) {
            Ok(frame) => hex(frame.expose()),
            Err(_) => "unreadable".to_owned(),
        },
        Frame::Ack | Frame::Nack | Frame::Error => frame.kind().to_owned(),
    }
}

fn redacted(body: &[u8]) -> Vec<u8> {
    match body {
        [FROM_CHIP, EXCHANGE, status, answer @ ..] => {
            [&[FROM_CHIP, EXCHANGE, *status], &*of_card(*status, answer)].concat()
        }
        [FROM_CHIP, TARGETS, targets @ ..] => [&[FROM_CHIP, TARGETS], &*found(targets)].concat(),
        [TO_CHIP, 0x40, target, command @ ..] => [&[TO_CHIP, 0x40, *target], &*to_card(command)].concat(),
        // Everything else is between terminal and chip. What is not known to be so is hidden but for its head.
        [TO_CHIP, 0x00 | 0x02 | 0x06 | 0x08 | 0x10 | 0x12 | 0x14 | 0x32 | 0x44 | 0x4A | 0x52, ..]
        | [FROM_CHIP, 0x01 | 0x03 | 0x07 | 0x09 | 0x11 | 0x13 | 0x15 | 0x33 | 0x45 | 0x53, ..] => body.to_vec(),
        [head, code, rest @ ..] => [&[*head, *code], &*vec![0; rest.len()]].concat(),
        short => vec![0; short.len()],
    }
}

/// A command to a card: which it is, and the name of an application; data of other commands are zeros.
fn to_card(command: &[u8]) -> Vec<u8> {
    match command {
        [0x00, 0xA4, ..] => command.to_vec(),
        _ => command.iter().enumerate().map(|(at, byte)| if at < 5 { *byte } else { 0 }).collect(),
    }
}

/// A card's answer: objects, and the two bytes of its status. One that comes in parts is hidden whole.
fn of_card(status: u8, answer: &[u8]) -> Vec<u8> {
    match answer.split_last_chunk::<2>() {
        Some((data, words)) if status & MORE == 0 => [&*redacted_objects(data), words].concat(),
        _ => vec![0; answer.len()],
    }
}

/// A card in the field: its number becomes that of the test card.
fn found(targets: &[u8]) -> Vec<u8> {
    match targets {
        // How many, which, SENS_RES, SEL_RES, length of the number, number, ATS.
        [count, number, a, b, sel, length, rest @ ..] if rest.len() >= usize::from(*length) && *length <= 10 => {
            let (uid, ats) = rest.split_at(usize::from(*length));
            let uid =
                uid.iter().zip([0x08, 0x11, 0x22, 0x33].into_iter().chain(std::iter::repeat(0x44))).map(|(_, b)| b);
            [*count, *number, *a, *b, *sel, *length].into_iter().chain(uid).chain(ats.iter().copied()).collect()
        }
        [count, rest @ ..] => std::iter::once(*count).chain(vec![0; rest.len()]).collect(),
        [] => Vec::new(),
    }
}

/// Objects with the values that may be seen. What is no list of objects becomes zeros.
pub fn redacted_objects(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if tlv::check(bytes).is_err() {
        out.fill(0);
        return out;
    }
    hide(tlv::objects(bytes), bytes, &mut out);
    out
}

fn hide(objects: Objects<'_>, whole: &[u8], out: &mut [u8]) {
    for object in objects.flatten() {
        if object.is_constructed() {
            hide(object.children(), whole, out);
            continue;
        }
        if OPEN.contains(&object.tag.0) {
            continue;
        }
        // A value is a part of the whole, so its place is the distance between them.
        let start = object.value.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
        if let Some(place) = out.get_mut(start..start + object.value.len()) {
            let instead = stand_in(object.tag.0, object.value);
            place.iter_mut().zip(instead).for_each(|(to, from)| *to = from);
        }
    }
}

/// Something of the same length that reads as what it stands for.
fn stand_in(tag: u32, value: &[u8]) -> Vec<u8> {
    let text = hex(value);
    match tag {
        0x5A => packed(&card(text.trim_end_matches('F').len()), value.len()),
        0x57 | 0x9F6B => match text.split_once('D') {
            Some((number, rest)) => packed(&format!("{}D{AHEAD}{}", card(number.len()), service(rest)), value.len()),
            None => vec![0; value.len()],
        },
        0x5F24 => packed(&format!("{AHEAD}31"), value.len()),
        0x5F25 => packed("200101", value.len()),
        0x5F20 => b"CAPTURE/CARD".iter().copied().chain(std::iter::repeat(b' ')).take(value.len()).collect(),
        _ => vec![0; value.len()],
    }
}

/// The service code says how the card may be used; what follows is the issuer's.
fn service(rest: &str) -> String {
    let code = rest.get(4..7).unwrap_or_default();
    let behind = rest.trim_end_matches('F').len().saturating_sub(7);
    format!("{code}{}", "0".repeat(behind))
}

/// A test card's number of so many digits, with the right check digit.
fn card(length: usize) -> String {
    let body: String = TEST_CARD.chars().chain(std::iter::repeat('0')).take(length.saturating_sub(1)).collect();
    let weigh = |(place, digit): (usize, u32)| {
        let doubled = digit * if place % 2 == 0 { 2 } else { 1 };
        doubled / 10 + doubled % 10
    };
    let sum: u32 = body.chars().rev().filter_map(|c| c.to_digit(10)).enumerate().map(weigh).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// Digits two in a byte, filled up with F.
fn packed(digits: &str, length: usize) -> Vec<u8> {
    let nibbles = digits.chars().filter_map(|c| c.to_digit(16)).filter_map(|n| u8::try_from(n).ok());
    let nibbles: Vec<u8> = nibbles.chain(std::iter::repeat(0xF)).take(length * 2).collect();
    nibbles.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect()
}
