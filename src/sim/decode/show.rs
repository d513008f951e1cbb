//! A decoded message in the shape in which it is printed.
//!
//! Owns: which field is shown how, the order. Must not know: the wire.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::mask;
use crate::codec::frame::Header;
use crate::codec::iso8583::{Message, Mti, Value};
use crate::codec::tlv::{self, Objects};

/// Names and values in the order of the message; JSON objects of the library would sort 11 before 2.
pub(super) struct Listing(Vec<(String, Node)>);

pub(super) enum Node {
    Text(String),
    Nested(Listing),
    /// Objects of the same tag.
    Several(Vec<Node>),
}

#[derive(serde::Serialize)]
pub(super) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    mti: String,
    bitmap: String,
    fields: Listing,
    #[serde(skip_serializing_if = "Option::is_none")]
    emv: Option<Listing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emv_error: Option<String>,
}

pub(super) fn shown(header: Option<&Header>, message: &Message) -> Shown {
    let fields =
        message.fields().map(|(number, value)| (number.to_string(), Node::Text(field(message, number, value))));
    let tags = message.bytes(55);
    let checked = tags.map(tlv::check);
    let emv = tags.filter(|_| matches!(checked, Some(Ok(_)))).map(|tags| listing(tlv::objects(tags)));
    Shown {
        header: header.map(|header| format!("{}{}", hex(&header.tpdu), hex(&header.header))),
        mti: message.mti().to_string(),
        bitmap: message.bitmap().to_string(),
        fields: Listing(fields.collect()),
        emv,
        emv_error: checked.and_then(Result::err).map(|error| error.to_string()),
    }
}

fn field(message: &Message, number: u8, value: Value<'_>) -> String {
    match (number, value) {
        (2, Value::Digits(digits)) => mask::pan(digits),
        (35, Value::Digits(track)) => mask::track_2(track),
        (36, Value::Digits(track)) => format!("<{} digits>", track.len()),
        (48, Value::Digits(digits)) => mask::details(message.mti(), digits),
        (52, Value::Bytes(block)) => mask::bytes(block.len()),
        (55, Value::Bytes(tags)) => chip(tags),
        (62, Value::Bytes(bytes)) if carries_keys(message) => mask::bytes(bytes.len()),
        (43 | 54 | 58 | 59 | 63, Value::Text(text)) => mask::text(text),
        (_, Value::Digits(text) | Value::Text(text)) => text.to_owned(),
        // A text field with characters of another alphabet may hold digits too; of a binary one each kind is known.
        (43 | 58 | 59 | 63, Value::Bytes(bytes)) => mask::bytes(bytes.len()),
        (_, Value::Bytes(bytes)) => hex(bytes),
    }
}

/// Answers to a sign-in carry keys; so may whatever is no known download.
fn carries_keys(message: &Message) -> bool {
    let code = message.text(60).and_then(|digits| digits.get(8..11)).unwrap_or_default();
    message.mti() == Mti::SIGN_IN.answer() && !matches!(code, "360" | "361" | "370" | "371" | "380" | "381")
}

/// Field 55 with every byte of a sensitive value as `**`; if it is no TLV nobody knows what is in it.
fn chip(tags: &[u8]) -> String {
    if tlv::check(tags).is_err() {
        return mask::bytes(tags.len());
    }
    let mut text = hex(tags);
    hide(tlv::objects(tags), tags, &mut text);
    text
}

fn hide(objects: Objects<'_>, whole: &[u8], text: &mut String) {
    for object in objects.flatten() {
        if mask::is_sensitive(object.tag) {
            // A value is a part of the whole, so its place is the distance between them.
            let start = object.value.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
            text.replace_range(2 * start..2 * (start + object.value.len()), &"**".repeat(object.value.len()));
        } else {
            hide(object.children(), whole, text);
        }
    }
}

fn listing(objects: Objects<'_>) -> Listing {
    let mut all: Vec<(String, Node)> = Vec::new();
    for object in objects.flatten() {
        let node = if mask::is_sensitive(object.tag) {
            Node::Text(mask::bytes(object.value.len()))
        } else if object.is_constructed() {
            Node::Nested(listing(object.children()))
        } else {
            Node::Text(hex(object.value))
        };
        let name = hex(&object.tag.to_bytes());
        match all.iter_mut().find(|(known, _)| *known == name) {
            None => all.push((name, node)),
            Some((_, Node::Several(list))) => list.push(node),
            Some((_, single)) => {
                let first = std::mem::replace(single, Node::Several(Vec::new()));
                *single = Node::Several(vec![first, node]);
            }
        }
    }
    Listing(all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

impl Serialize for Listing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, node) in &self.0 {
            map.serialize_entry(name, node)?;
        }
        map.end()
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Nested(listing) => listing.serialize(serializer),
            Self::Several(nodes) => serializer.collect_seq(nodes),
        }
    }
}
