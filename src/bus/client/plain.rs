//! D-Bus values as plain JSON values, and D-Bus errors by what a caller can do about them.

use serde_json::{Map, Value};
use zbus::message::Message;
use zbus::{DBusError, Signature, Structure, Variant};

use crate::bus::client::{ClientError, Row};
use crate::bus::names::ERROR_PREFIX;

/// The arguments of a message. File descriptors become null: nobody asks for them here.
pub(super) fn arguments(message: &Message) -> Result<Vec<Value>, ClientError> {
    let body = message.body();
    if matches!(body.signature(), Signature::Unit) {
        return Ok(Vec::new());
    }
    let fields: Structure<'_> = body.deserialize().map_err(|error| ClientError::Broken(error.to_string()))?;
    Ok(fields.fields().iter().map(plain).collect())
}

fn plain(value: &Variant<'_>) -> Value {
    match value {
        Variant::U8(n) => (*n).into(),
        Variant::Bool(b) => (*b).into(),
        Variant::I16(n) => (*n).into(),
        Variant::U16(n) => (*n).into(),
        Variant::I32(n) => (*n).into(),
        Variant::U32(n) => (*n).into(),
        Variant::I64(n) => (*n).into(),
        Variant::U64(n) => (*n).into(),
        Variant::F64(n) => (*n).into(),
        Variant::Str(text) => text.as_str().into(),
        Variant::Signature(signature) => signature.to_string().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Variant(inner) => plain(inner),
        Variant::Array(array) => array.inner().iter().map(plain).collect(),
        Variant::Dict(dict) => {
            dict.iter().map(|(key, value)| (key_text(key), plain(value))).collect::<Map<_, _>>().into()
        }
        Variant::Structure(fields) => fields.fields().iter().map(plain).collect(),
        Variant::Fd(_) => Value::Null,
    }
}

fn key_text(key: &Variant<'_>) -> String {
    match plain(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The text argument at this place; "" if there is none.
pub(super) fn text(values: &[Value], at: usize) -> String {
    values.get(at).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The number at this place; 0 if there is none.
pub(super) fn number(values: &[Value], at: usize) -> u64 {
    values.get(at).and_then(Value::as_u64).unwrap_or(0)
}

/// Whether so many came.
pub(super) fn arguments_are(values: &[Value], count: usize) -> Result<(), ClientError> {
    if values.len() == count { Ok(()) } else { Err(unreadable()) }
}

fn unreadable() -> ClientError {
    ClientError::Broken("smartposd answered in another form than its contract says".to_owned())
}

pub(super) fn one_text(values: Vec<Value>) -> Result<String, ClientError> {
    match values.into_iter().next() {
        Some(Value::String(text)) => Ok(text),
        _ => Err(unreadable()),
    }
}

pub(super) fn one_row(values: Vec<Value>) -> Result<Row, ClientError> {
    match values.into_iter().next() {
        Some(Value::Object(row)) => Ok(row),
        _ => Err(unreadable()),
    }
}

pub(super) fn rows(values: Vec<Value>) -> Result<Vec<Row>, ClientError> {
    let Some(Value::Array(rows)) = values.into_iter().next() else { return Err(unreadable()) };
    rows.into_iter()
        .map(|row| match row {
            Value::Object(row) => Ok(row),
            _ => Err(unreadable()),
        })
        .collect()
}

/// What went wrong with a call.
pub(super) fn refused(error: &zbus::Error) -> ClientError {
    match error {
        zbus::Error::MethodError(name, text, _) => {
            let text = text.clone().unwrap_or_default();
            match name.as_str().strip_prefix(ERROR_PREFIX) {
                Some(name) => ClientError::Refused { name: name.to_owned(), text },
                None => ClientError::BusRefused { name: name.to_string(), text },
            }
        }
        zbus::Error::FDO(error) => of_the_bus(error),
        zbus::Error::InputOutput(io) if io.kind() == std::io::ErrorKind::TimedOut => ClientError::TimedOut,
        other => ClientError::Broken(other.to_string()),
    }
}

fn of_the_bus(error: &zbus::fdo::Error) -> ClientError {
    match error {
        zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_) | zbus::fdo::Error::NoReply(_) => {
            ClientError::NoDaemon
        }
        zbus::fdo::Error::ZBus(inner) => ClientError::Broken(inner.to_string()),
        other => ClientError::BusRefused {
            name: other.name().to_string(),
            text: other.description().unwrap_or_default().to_owned(),
        },
    }
}
