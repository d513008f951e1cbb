//! A host message as one line of JSON, with only those fields that are named here.

use serde_json::{Map, Value as Json, json};

use super::hex;
use super::reader::redacted_objects;
use crate::codec::iso8583::{Message, Value};
use crate::diagnose::redact::mask;

/// Fields that are written as they are. Not among them: card number, expiry, tracks, PIN block, keys, MAC, everything of
/// private use. What is not here is written as its length.
const OPEN: [u8; 22] = [3, 4, 11, 12, 13, 15, 22, 23, 25, 26, 32, 37, 38, 39, 41, 42, 49, 53, 60, 61, 24, 33];

/// The message, or that it is none.
pub fn shown(body: &[u8]) -> String {
    let Ok((header, message)) = Message::decode(body) else {
        return json!({"unreadable": body.len()}).to_string();
    };
    let fields: Map<String, Json> =
        message.fields().map(|(number, value)| (number.to_string(), field(number, value))).collect();
    let digits = hex(&header.tpdu) + &hex(&header.header);
    json!({"header": digits, "mti": message.mti().to_string(), "fields": fields}).to_string()
}

fn field(number: u8, value: Value<'_>) -> Json {
    match (number, value) {
        (55, Value::Bytes(tags)) => hex(&redacted_objects(tags)).into(),
        (_, Value::Digits(text) | Value::Text(text)) if OPEN.contains(&number) => mask(text).into(),
        (_, Value::Digits(text) | Value::Text(text)) => format!("*{}", text.len()).into(),
        (_, Value::Bytes(bytes)) if OPEN.contains(&number) => hex(bytes).into(),
        (_, Value::Bytes(bytes)) => format!("*{}", bytes.len()).into(),
    }
}
