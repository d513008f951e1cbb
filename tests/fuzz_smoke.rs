//! The fuzz targets over seeded damage, in every test run: real messages with bits flipped, bytes replaced, cut, doubled
//! and spliced. Finds what a fuzzer finds in its first seconds; `tests/fuzz` holds the fuzzer itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

#[path = "fuzz/src/targets.rs"]
mod targets;

use std::fmt::Write as _;

const ROUNDS: usize = 200_000;

/// SplitMix64: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Prints the input when the target panics.
struct Blame<'a>(&'a [u8], usize);

impl Drop for Blame<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let hex = self.0.iter().fold(String::new(), |mut out, byte| {
                let _ = write!(out, "{byte:02X}");
                out
            });
            eprintln!("round {}, input {hex}", self.1);
        }
    }
}

fn damage(random: &mut Random, seeds: &[Vec<u8>], input: &mut Vec<u8>) {
    let length = input.len();
    let at = random.below(length);
    match random.below(8) {
        0 | 1 if length > 0 => input[at] ^= 1 << random.below(8),
        2 if length > 0 => input[at] = random.next() as u8,
        // Bytes at the edges of what lengths and tags may be.
        3 if length > 0 => input[at] = [0x00, 0x1F, 0x7F, 0x80, 0x81, 0x82, 0x99, 0xFF][random.below(8)],
        4 => input.truncate(at),
        5 => input.insert(random.below(length + 1), random.next() as u8),
        6 => {
            let again = input[at..].to_vec();
            input.extend(again);
            input.truncate(600);
        }
        _ => {
            let other = &seeds[random.below(seeds.len())];
            input.truncate(at);
            input.extend_from_slice(&other[random.below(other.len())..]);
        }
    }
}

fn run(seed: u64, seeds: &[Vec<u8>], target: fn(&[u8])) {
    let mut random = Random(seed);
    seeds.iter().for_each(|input| target(input));
    for round in 0..ROUNDS {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(3) {
            damage(&mut random, seeds, &mut input);
        }
        let _blame = Blame(&input, round);
        target(&input);
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Every message of the vectors, with its length (for the framer) and without (for the decoder).
fn messages() -> Vec<Vec<u8>> {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/iso8583.json")).unwrap();
    let wires = vectors["messages"].as_array().unwrap().iter().map(|vector| unhex(vector["hex"].as_str().unwrap()));
    wires.flat_map(|wire| [wire[2..].to_vec(), wire]).collect()
}

/// A directory, a processing options answer, a list, field 55 of a sale, a command.
fn card_bytes() -> Vec<Vec<u8>> {
    [
        "6F30840E325041592E5359532E4444463031A51EBF0C1B61194F08A000000333010101500A50424F4320444542495487010190009000",
        "770A82027C00940408010100",
        "9F66049F02069F03069F1A0295055F2A029A039C019F3704",
        "9F2608A1B2C3D4E5F607089F2701809F101307010103A0A000010A010000000000112233449F3704112233449F36020001\
         950500000000009A032601019C01009F02060000000001005F2A02015682027C009F1A0201569F03060000000000009F3303E0E1C8",
        "80A8000012831027000080000000000100000000000000011100",
    ]
    .map(|hex| unhex(&hex.replace(char::is_whitespace, "")))
    .to_vec()
}

#[test]
fn damaged_host_messages_break_no_promise() {
    run(1, &messages(), targets::message);
}

#[test]
fn damaged_card_bytes_break_no_promise() {
    run(2, &card_bytes(), targets::tlv);
}

/// What two independent drivers and a PN532 say to each other: ACK, NACK, error, normal and extended frames, noise.
fn reader_bytes() -> Vec<Vec<u8>> {
    let mut seeds = [
        "55550000000000000000000000000000000000FF03FDD414011700",
        "0000FF00FF000000FF02FED5151600",
        "0000FF00FF000000FF06FAD50332010607E800",
        "0000FF11EFD54B010100042004081122330578807002D900",
        "0000FFFF0000",
        "0000FF01FF7F8100",
        "550000550000FF02FED4022A00",
    ]
    .map(unhex)
    .to_vec();
    let mut extended = unhex("0000FFFFFF0109F6D400");
    extended.extend((0..=255).chain(0..7));
    let sum = extended[8..].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    extended.extend([sum.wrapping_neg(), 0]);
    seeds.push(extended);
    seeds
}

#[test]
fn a_damaged_reader_line_breaks_no_promise() {
    run(3, &reader_bytes(), targets::reader_frame);
}

/// What scanners send: codes with every end, replies of a GM65, both in one piece, and what belongs to neither.
fn scanner_bytes() -> Vec<Vec<u8>> {
    [
        b"281234567890123456\r".as_slice(),
        b"6212345678901234567\r\nSPO1:01:ABCDEFGHIJKLMNOPQRSTUVWXYZ7\t",
        b"\x03\x00\x00\x01\x00\x33\x31\x02\x00\x00\x01\x69\x33\x31101234567890123456\n",
        b"9900000100000200000\x02\x00\x00\x01\x00\x33\x31A\r\r\r",
        b"\x00\xff\x02\x02\x03 https://example.com/?a=1\r",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

#[test]
fn a_damaged_scanner_line_breaks_no_promise() {
    run(4, &scanner_bytes(), targets::scanner_line);
}

#[test]
fn undamaged_seeds_are_accepted_so_that_damage_starts_from_something_real() {
    use smartpos::codec::iso8583::Message;
    assert_eq!(messages().iter().filter(|input| Message::decode(input).is_ok()).count(), 25);
    assert!(smartpos::codec::tlv::check(&card_bytes()[3]).is_ok());
    let found = |input: &[u8]| {
        let (mut decoder, mut rest) = (smartpos::reader::pn532::frame::Decoder::default(), input);
        std::iter::from_fn(|| decoder.next(&mut rest)).flatten().count()
    };
    let counts: Vec<_> = reader_bytes().iter().map(|input| found(input)).collect();
    assert_eq!(counts, [1, 2, 2, 1, 1, 1, 1, 1]);
}
