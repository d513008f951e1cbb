//! The protocol's conformance vectors, made with an independent packer and an independent DES: every message decodes to
//! the listed fields and encodes to the listed bytes; every key, MAC, PIN block and track comes out as listed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use std::fmt::Write as _;

use serde_json::Value as Json;
use smartpos::codec::frame::{Framer, Header, strip_length};
use smartpos::codec::iso8583::{Format, Message, Mti, Spec, Value};
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::{DoubleKey, Pin, PinCipher};
use smartpos::host::des::DesKey;
use smartpos::host::key_block::{KeyBlockRule, MakRule, WorkingKeys};
use smartpos::host::mac::{MacForm, MacMethod, MacRule};
use smartpos::host::pin_block::PinSealer;
use smartpos::host::track;

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
    assert_eq!(messages.len(), 25, "a vector was lost");
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
    assert_eq!(seen, 12);
}

fn crypto(name: &str) -> Json {
    let found = vectors()["crypto"].as_array().unwrap().iter().find(|vector| vector["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("no vector {name}"))
}

fn des_key(hex: &str) -> DesKey {
    DesKey::new(&unhex(hex)).unwrap()
}

fn master_key(hex: &str) -> DoubleKey {
    DoubleKey(unhex(hex).try_into().unwrap())
}

fn listed_key(name: &str) -> DesKey {
    des_key(vectors()["keys"][name].as_str().unwrap())
}

fn mac(method: MacMethod, key: &DesKey, covered: &[u8]) -> String {
    hex(&method.compute(key, covered).unwrap())
}

/// Field 64 of the UnionPay method as text.
fn ecb_text(key: &DesKey, covered: &[u8]) -> String {
    let field = MacRule::from(MacMethod::Ecb).field(key, covered).unwrap();
    String::from_utf8(field.to_vec()).unwrap()
}

#[test]
fn every_listed_key_has_its_listed_check_value() {
    let keys = &vectors()["keys"];
    for name in ["PIK", "MAK_single", "MAK_double", "TDK"] {
        let value = listed_key(name).check_value();
        assert_eq!(hex(&value[..4]), keys[format!("KCV_{name}")].as_str().unwrap(), "{name}");
    }
}

#[test]
fn every_key_block_opens_to_its_listed_keys() {
    let keys = &vectors()["keys"];
    let tmk = master_key(keys["TMK"].as_str().unwrap());
    let cases = [
        ("F62_key_block_003_MAK8", "MAK_single", false),
        ("F62_key_block_003_MAK16", "MAK_double", false),
        ("F62_key_block_004_MAK8", "MAK_single", true),
    ];
    for (name, mak, has_tdk) in cases {
        let block = unhex(keys[name].as_str().unwrap());
        let opened =
            WorkingKeys::unwrap_block(&tmk, &block, KeyBlockRule::default()).map_err(|e| e.to_string()).ok().unwrap();
        assert!(opened.pik == listed_key("PIK"), "{name}");
        assert!(opened.mak == listed_key(mak), "{name}");
        assert!(opened.tdk == has_tdk.then(|| listed_key("TDK")), "{name}");
    }
}

#[test]
fn the_key_block_of_the_sign_in_answer_opens() {
    let answer = messages().into_iter().find(|vector| vector["name"] == "signin_resp_004").unwrap();
    let (_, message) = Message::decode(&unhex(text(&answer, "hex"))[2..]).unwrap();
    let tmk = master_key(vectors()["keys"]["TMK"].as_str().unwrap());
    let keys = WorkingKeys::unwrap_block(&tmk, message.bytes(62).unwrap(), KeyBlockRule::default());
    assert!(keys.is_ok_and(|keys| keys.tdk.is_some()));
}

#[test]
fn the_observed_key_block_opens_only_with_a_single_length_mac_key() {
    let vector = crypto("key_block_003_observed");
    let (tmk, block) = (master_key(text(&vector, "tmk")), unhex(text(&vector, "f62")));
    let open = |mak| WorkingKeys::unwrap_block(&tmk, &block, KeyBlockRule { mak, ..KeyBlockRule::default() });
    let keys = open(MakRule::ByBlock).map_err(|e| e.to_string()).ok().unwrap();
    assert!(
        keys.pik == des_key(text(&vector, "pik")) && keys.mak == des_key(text(&vector, "mak8")) && keys.tdk.is_none()
    );
    assert_eq!(hex(&keys.pik.check_value()[..4]), text(&vector, "pik_kcv"));
    assert_eq!(hex(&keys.mak.check_value()[..4]), text(&vector, "mak_kcv_single_des"));
    assert!(open(MakRule::Double).is_err());
    // What deciphering the unwrapped zeros would give.
    let cipher = DesKey::from(&tmk).cipher();
    let whole: Vec<u8> = block[20..36].as_chunks::<8>().0.iter().flat_map(|part| cipher.decrypt(*part)).collect();
    let value = DesKey::new(&whole).unwrap().check_value();
    assert_eq!(hex(&value[..4]), text(&vector, "kcv_if_16_byte_mak_were_used"));
}

#[test]
fn every_message_with_a_mac_verifies_in_all_methods() {
    let (single, double) = (listed_key("MAK_single"), listed_key("MAK_double"));
    let mut seen = 0;
    for vector in messages().iter().filter(|vector| vector["mab"].is_string()) {
        let (_, message) = Message::decode(&unhex(text(vector, "hex"))[2..]).unwrap();
        let covered = message.mab();
        let rule = MacRule::from(MacMethod::Ecb);
        assert_eq!(rule.verify(&single, &covered, message.bytes(64).unwrap()), Ok(true), "{}", vector["name"]);
        assert_eq!(mac(MacMethod::Ecb, &single, &covered), text(vector, "mac_ecb_full"));
        assert_eq!(ecb_text(&single, &covered), text(vector, "mac_field64_ascii"));
        assert_eq!(ecb_text(&double, &covered), text(vector, "alt_mac_ecb_double_mak"));
        assert_eq!(mac(MacMethod::X99, &single, &covered), text(vector, "alt_mac_cbc_single_des"));
        assert_eq!(mac(MacMethod::X919, &double, &covered), text(vector, "alt_mac_x919_double_mak"));
        assert_eq!(mac(MacMethod::Cbc3Des, &double, &covered), text(vector, "alt_mac_cbc_3des_double_mak"));
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn the_observed_macs_come_out() {
    let vector = crypto("mac_ecb_double_length_observed");
    let (key, covered) = (des_key(text(&vector, "mak")), unhex(text(&vector, "mab")));
    assert_eq!(mac(MacMethod::Ecb, &key, &covered), text(&vector, "full"));
    assert_eq!(hex(&MacRule::from(MacMethod::Ecb).field(&key, &covered).unwrap()), text(&vector, "field64"));

    let vector = crypto("mac_ecb_single_length");
    let tmk = DesKey::from(&master_key(text(&vector, "tmk")));
    let clear = tmk.cipher().decrypt(unhex(text(&vector, "wrapped_mak")).try_into().unwrap());
    assert_eq!(hex(&clear), text(&vector, "mak"));
    let (key, covered) = (DesKey::Single(clear), unhex(text(&vector, "mab")));
    assert_eq!(mac(MacMethod::Ecb, &key, &covered), text(&vector, "full"));
    assert_eq!(ecb_text(&key, &covered), text(&vector, "field64_ascii"));
}

#[test]
fn every_method_comes_out_on_a_message_that_needs_padding() {
    let vector = crypto("mac_all_methods_short_message");
    let covered = text(&vector, "data_ascii").as_bytes();
    let (single, double) = (des_key(text(&vector, "mak8")), des_key(text(&vector, "mak16")));
    assert_eq!(ecb_text(&single, covered), text(&vector, "ecb_single"));
    assert_eq!(ecb_text(&double, covered), text(&vector, "ecb_double"));
    assert_eq!(mac(MacMethod::X99, &single, covered), text(&vector, "cbc_x99_single"));
    assert_eq!(mac(MacMethod::X919, &double, covered), text(&vector, "x919"));
    assert_eq!(mac(MacMethod::Cbc3Des, &double, covered), text(&vector, "cbc_3des"));
    let raw = MacRule { method: MacMethod::Ecb, form: MacForm::Raw }.field(&single, covered).unwrap();
    assert_eq!(hex(&raw)[..8], *text(&vector, "ecb_single"));
}

#[test]
fn every_pin_block_comes_out() {
    for name in ["pin_block_format0", "pin_block_generated"] {
        let vector = crypto(name);
        let pik = des_key(text(&vector, "pik"));
        let pin = Pin::new(text(&vector, "pin").bytes().map(|digit| digit - b'0').collect()).unwrap();
        let clear = pik.cipher().decrypt(unhex(text(&vector, "enciphered")).try_into().unwrap());
        assert_eq!(hex(&clear), text(&vector, "clear_block"));
        let sealer = PinSealer::with_pan(pik, &Pan::new(text(&vector, "pan")).unwrap());
        assert_eq!(hex(&sealer.encipher(&pin).0), text(&vector, "enciphered"), "{name}");
    }
    let vector = crypto("pin_block_format0");
    let tmk = DesKey::from(&master_key(text(&vector, "tmk"))).cipher();
    let wrapped = unhex(text(&vector, "wrapped_pik"));
    let pik: Vec<u8> = wrapped.as_chunks::<8>().0.iter().flat_map(|part| tmk.decrypt(*part)).collect();
    assert_eq!(hex(&pik), text(&vector, "pik"));
}

#[test]
fn every_track_comes_out_and_back() {
    for name in ["track2_encrypt_odd_37_generated", "track2_encrypt_even_36_generated"] {
        let vector = crypto(name);
        let tdk = des_key(text(&vector, "tdk"));
        let (clear, enciphered) = (text(&vector, "clear"), text(&vector, "enciphered"));
        assert_eq!(track::encipher(&tdk, clear).unwrap().as_str(), enciphered);
        assert_eq!(track::decipher(&tdk, enciphered).unwrap().as_str(), clear);
    }
}

/// SM4 is not in the product; its two vectors are the only ones left out.
#[test]
fn no_crypto_vector_is_left_out_but_sm4() {
    let source = include_str!("vectors.rs");
    for vector in vectors()["crypto"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        assert!(name.starts_with("sm4_") || source.contains(&format!("\"{name}\"")), "{name} is not tested");
    }
}
