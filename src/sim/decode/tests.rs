use serde_json::Value as Json;

use super::*;

fn vectors() -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../../../tests/vectors/iso8583.json")).unwrap();
    all["messages"].as_array().unwrap().clone()
}

fn bytes(text: &str) -> Vec<u8> {
    unhex(text).unwrap().to_vec()
}

fn decoded(captured: &[u8]) -> Json {
    match decode(captured) {
        Ok(shown) => serde_json::to_value(&shown).unwrap(),
        Err(failure) => panic!("{failure}"),
    }
}

fn failed(captured: &[u8]) -> Failure {
    decode(captured).map(|_| ()).unwrap_err()
}

/// The fields of a vector that are shown as they are.
fn is_open(vector: &Json, field: &str) -> bool {
    match field {
        "2" | "35" | "36" | "52" => false,
        "62" => vector["fields"]["t"] != "0810",
        "48" => vector["fields"]["48"].as_str().unwrap().len() != 42,
        _ => true,
    }
}

#[test]
fn every_vector_is_shown_as_listed_but_for_what_is_masked() {
    for vector in vectors() {
        let whole = bytes(vector["hex"].as_str().unwrap());
        let shown = decoded(&whole);
        let listed = vector["fields"].as_object().unwrap();
        assert_eq!(shown["header"], listed["h"]);
        assert_eq!(shown["mti"], listed["t"]);
        assert_eq!(shown["bitmap"], vector["bitmap"]);
        for (field, value) in listed.iter().filter(|(field, _)| field.parse::<u8>().is_ok()) {
            let same = &shown["fields"][field] == value;
            assert_eq!(same, is_open(&vector, field), "{} field {field}: {}", vector["name"], shown["fields"][field]);
        }
        assert_eq!(shown["fields"].as_object().unwrap().len(), listed.len() - 2);
        assert_eq!(decoded(&whole[2..]), shown, "without length");
        let mut bare = decoded(&whole[13..]);
        bare["header"] = shown["header"].clone();
        assert_eq!(bare, shown, "without length and header");
    }
}

#[test]
fn no_card_number_track_pin_block_or_key_is_shown() {
    for vector in vectors() {
        let shown = decoded(&bytes(vector["hex"].as_str().unwrap())).to_string();
        let fields = &vector["fields"];
        assert!(!shown.contains("6200000000000000018"), "{shown}");
        for field in ["35", "52"] {
            assert!(fields[field].as_str().is_none_or(|secret| !shown.contains(secret)), "{shown}");
        }
        assert!(fields["t"] != "0810" || fields["62"].as_str().is_none_or(|keys| !shown.contains(keys)), "{shown}");
    }
}

#[test]
fn masked_fields_say_what_they_were() {
    let all = vectors();
    let named = |name: &str| decoded(&bytes(all.iter().find(|v| v["name"] == name).unwrap()["hex"].as_str().unwrap()));
    let sale = &named("sale_ic_pin_req")["fields"];
    assert_eq!(sale["2"], "620000******0018");
    assert_eq!(sale["35"], "620000******0018D<17 digits>");
    assert_eq!(sale["52"], "<8 bytes>");
    assert_eq!(named("signin_resp_004")["fields"]["62"], "<60 bytes>");
    assert_eq!(
        named("batch_up_detail_req")["fields"]["48"],
        "0100000003".to_owned() + "0620000*********0018000000000100"
    );
    assert_eq!(named("sale_ic_pin_req")["emv"]["9F36"], "0001");
}

#[test]
fn fields_stand_in_the_order_of_the_message() {
    let sale = vectors().into_iter().find(|v| v["name"] == "sale_resp_00").unwrap();
    let shown = decode(&bytes(sale["hex"].as_str().unwrap())).unwrap_or_else(|f| panic!("{f}"));
    let text = serde_json::to_string(&shown).unwrap();
    let (_, fields) = text.split_once("\"fields\":{").unwrap();
    assert!(fields.starts_with("\"2\":\"620000******0018\",\"3\":\"000000\",\"4\":"), "{fields}");
}

#[test]
fn chip_data_are_masked_by_tag_at_any_depth() {
    let tags =
        "9F3602000757136200000000000000018D301220100000000000009F7004AABBCCDD700A5A08620000000000001871009F3601FF";
    let hex = format!("02000000000000000200{:04}{tags}", tags.len() / 2);
    let shown = decoded(&bytes(&hex));
    let text = shown.to_string();
    assert!(!text.contains("620000000000000001") && !text.contains("6200000000000018"), "{text}");
    assert_eq!(shown["emv"]["57"], "<19 bytes>");
    assert_eq!(shown["emv"]["70"]["5A"], "<8 bytes>");
    assert_eq!(shown["emv"]["9F70"], "AABBCCDD");
    assert_eq!(shown["emv"]["9F36"], serde_json::json!(["0007", "FF"]), "a tag that comes twice");
    assert!(shown["fields"]["55"].as_str().unwrap().contains("9F70"));
}

#[test]
fn chip_data_that_are_no_tlv_are_not_shown_at_all() {
    let shown = decoded(&bytes("0200000000000000020000065A08620000FF"));
    assert_eq!(shown["fields"]["55"], "<6 bytes>");
    assert_eq!(shown["emv_error"], "byte 2: value of 8 bytes announced, 4 left");
    assert!(shown.get("emv").is_none());
}

#[test]
fn card_numbers_in_free_text_are_masked() {
    assert_eq!(mask::text("CUP card 6200000000000000018 ok"), "CUP card 620000******0018 ok");
    assert_eq!(mask::text("no 123456789012"), "no 123456789012");
    assert_eq!(mask::text("12345678901234567890"), "<20 digits>");
}

#[test]
fn a_failure_names_its_byte_and_field() {
    let echo = bytes(
        "0034600003000060310031000008200000000000C0001039393030303030313939393030303030303030303030310011000000023010",
    );
    let offset = |captured: &[u8]| (failed(captured).offset, failed(captured).field);
    // A digit of field 60 becomes a letter: counted from what was given, with the length or without.
    let mut wrong = echo.clone();
    wrong[50] = 0x0A;
    assert_eq!(offset(&wrong), (50, Some(60)));
    assert_eq!(offset(&wrong[2..]), (48, Some(60)));
    assert_eq!(offset(&wrong[13..]), (37, Some(60)));
    assert_eq!(failed(&wrong).to_string(), "byte 50, field 60: not a decimal digit");
    // Cut short with its length: what is wrong is the length.
    let cut = failed(&echo[..40]);
    assert_eq!((cut.offset, cut.field), (0, None));
    assert!(cut.error.contains("52 bytes announced, 38 follow"), "{}", cut.error);
    assert_eq!(offset(&echo[2..40]), (29, Some(42)));
    assert_eq!(offset(&[]).1, None);
    assert_eq!(offset(&bytes("0200C000000000000000")), (10, Some(1)));
}

#[test]
fn nothing_that_is_given_makes_it_panic() {
    let sale = vectors().into_iter().find(|v| v["name"] == "sale_ic_pin_req").unwrap();
    let whole = bytes(sale["hex"].as_str().unwrap());
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "{length}");
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 0x80 >> (bit % 8);
        if let Ok(shown) = decode(&flipped) {
            let shown = serde_json::to_string(&shown).unwrap();
            assert!(!shown.contains("6200000000000000018"), "bit {bit}: {shown}");
        }
    }
}

#[test]
fn digits_may_be_typed_with_blanks_and_captures_come_line_by_line() {
    assert_eq!(bytes("0x02 00:0a\n"), [0x02, 0x00, 0x0A]);
    assert!(unhex("02g0").unwrap_err().contains("character 2"));
    assert!(unhex("020").unwrap_err().contains("odd"));
    let lines = messages(b"in 1 0200\nout 1 0210\n").unwrap();
    assert_eq!(lines.iter().map(|l| l.to_vec()).collect::<Vec<_>>(), [[2, 0], [2, 0x10]]);
    assert_eq!(*messages(&[0x00, 0x34, 0x60]).unwrap()[0], [0x00, 0x34, 0x60], "bare bytes");
    assert!(messages(b" \n").unwrap_err().contains("nothing"));
}
