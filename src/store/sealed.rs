//! Card data as JSON inside the seal: the file outlives program versions.
//!
//! Owns: that no copy in the clear is left in freed memory. Must not know: what is sealed.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::vault::Vault;
use super::{StoreError, impossible};
use crate::domain::secret::SecretBytes;

/// 255 bytes of tags as hex, and the rest of the fields.
const CLEAR_ROOM: usize = 2048;

/// Seals for a context.
pub fn seal<T: Serialize>(vault: &Vault, context: &str, clear: &T) -> Result<Vec<u8>, StoreError> {
    // Room for the longest there is: a buffer that grows would leave the card number in freed memory.
    let mut json = Vec::with_capacity(CLEAR_ROOM);
    serde_json::to_writer(&mut json, clear).map_err(|_| impossible(context))?;
    let json = SecretBytes::new(json);
    Ok(vault.seal(context, json.expose())?)
}

/// Opens what was sealed for the same context.
pub fn open<T: DeserializeOwned>(vault: &Vault, context: &str, sealed: &[u8]) -> Result<T, StoreError> {
    let json = vault.open(context, sealed).ok_or(StoreError::WrongSealingKey)?;
    serde_json::from_slice(json.expose()).map_err(|_| impossible(context))
}

/// Bytes, written as hex. The first version wrote a list of numbers, which is still read.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Tags(pub Vec<u8>);

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Written straight into the output, without a text of its own.
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hex digits or a list of bytes")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Tags, E> {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut tags = Tags(Vec::with_capacity(pairs.len()));
        for pair in pairs {
            tags.0.push(byte(pair).ok_or_else(|| E::custom("not hex"))?);
        }
        if rest.is_empty() { Ok(tags) } else { Err(E::custom("half a byte")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tags, A::Error> {
        let mut tags = Tags(Vec::with_capacity(CLEAR_ROOM));
        while let Some(byte) = list.next_element::<u8>()? {
            if tags.0.len() == CLEAR_ROOM {
                return Err(A::Error::custom("too long"));
            }
            tags.0.push(byte);
        }
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_hex_and_read_both_ways() {
        let written = serde_json::to_string(&Tags(vec![0x9F, 0x36, 0x00])).unwrap();
        assert_eq!(written, r#""9f3600""#);
        for text in [written.as_str(), "[159,54,0]"] {
            assert_eq!(serde_json::from_str::<Tags>(text).unwrap().0, [0x9F, 0x36, 0x00]);
        }
        for wrong in [r#""9f3""#, r#""9g""#, "[256]", "7"] {
            assert!(serde_json::from_str::<Tags>(wrong).is_err(), "{wrong}");
        }
    }
}
