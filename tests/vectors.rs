//! The protocol's conformance vectors, made with an independent packer and an independent DES: every message decodes to
//! the listed fields and encodes to the listed bytes; every key, MAC, PIN block and track comes out as listed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use std::fmt::Write as _;

use serde_json::Value as Json;
use smartpos::codec::frame::{Framer, Header, strip_length};
use smartpos::codec::iso8583::{Format, Message, Mti, Spec, Value};

fn vectors() -> Json {
    serde_json::from_str(include_str!("vectors/iso8583.json")).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "odd hex");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02X}").unwrap();
        out
    })
}

fn text<'a>(vector: &'a Json, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{} has no {key}", vector["name"]))
}

fn messages() -> Vec<Json> {
    let messages = vectors()["messages"].as_array().unwrap().clone();
    assert_eq!(messages.len(), 18, "a vector was lost");
    messages
}

fn listed_fields(vector: &Json) -> Vec<(u8, String)> {
    let mut fields: Vec<_> = vector["fields"]
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(key, value)| Some((key.parse().ok()?, value.as_str().unwrap().to_owned())))
        .collect();
    fields.sort();
    fields
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Digits(text) | Value::Text(text) => text.to_owned(),
        Value::Bytes(bytes) => hex(bytes),
    }
}

fn listed_header(vector: &Json) -> Header {
    let bytes = unhex(vector["fields"]["h"].as_str().unwrap());
    Header { tpdu: bytes[..5].try_into().unwrap(), header: bytes[5..].try_into().unwrap() }
}

fn listed_mti(vector: &Json) -> Mti {
    Mti::new(u16::from_str_radix(vector["fields"]["t"].as_str().unwrap(), 16).unwrap()).unwrap()
}

/// Builds a message from the listed fields alone.
fn built(vector: &Json) -> Message {
    let mut message = Message::new(listed_mti(vector));
    // Backwards, because the order of setting must not matter.
    for (number, value) in listed_fields(vector).iter().rev() {
        match Spec::field(*number).unwrap().format {
            Format::N | Format::Z => message.set_digits(*number, value).unwrap(),
            Format::An | Format::Ans => message.set_text(*number, value).unwrap(),
            Format::B => message.set_bytes(*number, &unhex(value)).unwrap(),
        }
    }
    message
}

#[test]
fn every_message_decodes_to_its_listed_fields() {
    for vector in messages() {
        let wire = unhex(text(&vector, "hex"));
        let (header, message) = Message::decode(strip_length(&wire).unwrap()).unwrap();
        assert_eq!(header, listed_header(&vector), "{}", vector["name"]);
        assert_eq!(message.mti(), listed_mti(&vector), "{}", vector["name"]);
        assert_eq!(message.bitmap().to_string(), text(&vector, "bitmap"));
        let found: Vec<_> = message.fields().map(|(number, value)| (number, shown(value))).collect();
        assert_eq!(found, listed_fields(&vector), "{}", vector["name"]);
    }
}

#[test]
fn every_message_encodes_again_byte_for_byte() {
    for vector in messages() {
        let wire = unhex(text(&vector, "hex"));
        let (header, message) = Message::decode(&wire[2..]).unwrap();
        assert_eq!(hex(&message.encode(&header)), text(&vector, "hex"), "{}", vector["name"]);
    }
}

#[test]
fn every_message_is_built_from_its_fields_byte_for_byte() {
    for vector in messages() {
        let wire = built(&vector).encode(&listed_header(&vector));
        assert_eq!(hex(&wire), text(&vector, "hex"), "{}", vector["name"]);
    }
}

#[test]
fn every_message_comes_out_of_one_stream_cut_anywhere() {
    let wires: Vec<_> = messages().iter().map(|vector| unhex(text(vector, "hex"))).collect();
    let stream = wires.concat();
    for size in [1, 2, 3, 7, 64, 1000, stream.len()] {
        let mut framer = Framer::new(Framer::USUAL_MAX);
        let mut found = Vec::new();
        for mut chunk in stream.chunks(size) {
            while let Some(frame) = framer.push(&mut chunk).unwrap() {
                found.push(frame);
            }
        }
        assert!(!framer.is_mid_frame());
        let bodies: Vec<_> = wires.iter().map(|wire| &wire[2..]).collect();
        assert!(found.iter().map(|frame| frame.as_slice()).eq(bodies), "chunks of {size}");
    }
}

#[test]
fn the_mac_covers_mti_to_the_byte_before_field_64_with_bit_64_set() {
    let mut seen = 0;
    for vector in messages().iter().filter(|vector| vector["mab"].is_string()) {
        let mut message = built(vector);
        assert_eq!(hex(&message.mab()), text(vector, "mab"), "{} with its MAC", vector["name"]);
        message.remove(64);
        assert_eq!(hex(&message.mab()), text(vector, "mab"), "{} before its MAC", vector["name"]);
        seen += 1;
    }
    assert_eq!(seen, 7);
}
