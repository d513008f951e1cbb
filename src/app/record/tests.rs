use std::io::Read;

use super::*;
use crate::domain::secret::SecretBytes;
use crate::reader::pn532::frame::{Frame, encode};

const PAN: &str = "6200000000000000018";

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn answer(data: &str) -> String {
    reader::shown(&Frame::Body(SecretBytes::new(bytes(&format!("D54100{data}9000")))))
}

#[test]
fn whose_card_it_is_is_hidden_and_the_rest_still_reads() {
    let real = "5413330089020011";
    let track = "5413330089020011D3012201012345678F";
    let said = answer(&format!("70275A08{real}5711{track}5F24033012315F340101"));
    assert!(!said.contains("541333") && !said.contains("3012201") && !said.contains("12345678"), "{said}");
    assert!(said.contains("5F340101"), "{said}");
    // The same number in both places, with a date ahead and the card's own service code.
    assert!(said.contains("5A086200000000000005") && said.contains("6200000000000005D4912201"), "{said}");
}

#[test]
fn what_is_not_known_to_be_harmless_is_hidden() {
    assert!(answer("77099F4B06AABBCCDDEEFF").contains("9F4B06000000000000"));
    assert!(!answer("6200000000000000018D").contains("62000000"), "no objects at all");
    let part = Frame::Body(SecretBytes::new(bytes("D541407013570862000000000000")));
    assert!(!reader::shown(&part).contains("6200"), "a part of an answer");
    let raw = Frame::Body(SecretBytes::new(bytes("D542024012345678")));
    assert!(reader::shown(&raw).contains("D542000000000000"), "a command nobody knows");
    let pay = Frame::Body(SecretBytes::new(bytes("D4400180A8000004831234AB00")));
    assert!(reader::shown(&pay).contains("D4400180A80000040000000000"), "{}", reader::shown(&pay));
    let uid = Frame::Body(SecretBytes::new(bytes("D54B0101000420040A1B2C3D0578807002")));
    assert!(reader::shown(&uid).contains("D54B010100042004081122330578807002"), "{}", reader::shown(&uid));
}

#[test]
fn of_a_host_message_only_named_fields_are_seen() {
    let all: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/iso8583.json")).unwrap();
    let mut seen = 0;
    for vector in all["messages"].as_array().unwrap() {
        let whole = bytes(vector["hex"].as_str().unwrap());
        let shown = host::shown(&whole[2..]);
        let line: serde_json::Value = serde_json::from_str(&shown).unwrap();
        for field in ["2", "14", "35", "36", "45", "48", "52", "62", "63", "64"] {
            if let Some(value) = line["fields"].get(field) {
                assert!(value.as_str().unwrap().starts_with('*'), "{shown}");
                seen += 1;
            }
        }
        assert!(!shown.contains(&PAN[..13]), "{shown}");
        assert_eq!(line["mti"], vector["fields"]["t"]);
    }
    assert!(seen > 20);
}

#[test]
fn a_pin_leaves_neither_its_digits_nor_its_rhythm() {
    let mut file = tempfile::tempfile().unwrap();
    let at = |ms: u64| Instant(ms * 1_000);
    let span = Duration::from_secs(60);
    let mut recorder = Recorder::begin(file.try_clone().unwrap().into(), at(0), span, 10_000, &[]).unwrap();
    for (n, ms) in [(0u8, 100), (7, 130), (3, 700), (9, 705)] {
        recorder.key(at(ms), u16::from(n) + 2, Some(Key::Digit(n)), 1);
    }
    recorder.key(at(900), 96, Some(Key::Ok), 1);
    recorder.end(at(1_000));
    // The writer ends when it has written all.
    let mut text = String::new();
    for _ in 0..1_000_000 {
        text.clear();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        if text.contains(" end ") {
            break;
        }
        std::thread::yield_now();
    }
    let keys: Vec<&str> = text.lines().filter(|line| line.contains(" key ")).map(str::trim).collect();
    assert_eq!(keys, ["100.0 key 79 1", "300.0 key 79 1", "500.0 key 79 1", "700.0 key 79 1", "900.0 key 96 1"]);
}

#[test]
fn a_capture_ends_when_it_is_full() {
    let file = tempfile::tempfile().unwrap();
    let mut recorder = Recorder::begin(file.into(), Instant(0), Duration::from_secs(60), 200, &[]).unwrap();
    assert!(!recorder.is_over(Instant(0)));
    for _ in 0..20 {
        recorder.reader_bytes(Instant(0), true, encode(&[0xD4, 0x02]).unwrap().expose());
    }
    assert!(recorder.is_over(Instant(0)));
}
