//! `org.smartposd.Pos1.Keys`: the key ceremony. The contract is `xml/org.smartposd.Pos1.Keys.xml`.
//!
//! Owns: hex into bytes, wiped at once. Must not know: what a key is good for.

use std::os::fd;

use zbus::message::Header;
use zbus::{Connection, OwnedFd, Variant, interface};
use zeroize::Zeroizing;

use crate::bus::authority::Right;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate};
use crate::bus::options::{Given, Options, printable};
use crate::bus::result::Row;
use crate::bus::secret_fd::read_secret;
use crate::bus::terminal::{done, unexpected};
use crate::domain::secret::SecretBytes;
use crate::engine::command::{Command, Reply};

/// Bytes of a component of a double-length key.
const COMPONENT: usize = 16;
/// Characters of a custodian's name.
const CUSTODIAN: usize = 64;

/// On the object `/org/smartposd/Pos1/Terminal0`.
pub(super) struct Keys {
    pub(super) gate: Gate,
}

#[interface(name = "org.smartposd.Pos1.Keys", introspection_docs = false)]
impl Keys {
    #[zbus(property)]
    fn master_key_check(&self) -> String {
        self.gate.snapshot().keys.master_check.clone().unwrap_or_default()
    }

    #[zbus(property)]
    fn working_keys(&self) -> bool {
        self.gate.snapshot().keys.working
    }

    #[zbus(property)]
    fn pending_component_check(&self) -> String {
        self.gate.snapshot().keys.pending_component.clone().unwrap_or_default()
    }

    #[zbus(property)]
    fn asking_component(&self) -> u32 {
        self.gate.snapshot().keys.asking_component.map_or(0, u32::from)
    }

    #[zbus(out_args("checks"))]
    async fn load_component(
        &self,
        index: u32,
        custodian: &str,
        component: OwnedFd,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Row> {
        let visit = self.gate.admit(connection, &header, Right::LoadKeys).await?;
        Options::none(options)?;
        let index = component_index(index)?;
        printable("custodian", custodian, CUSTODIAN)?;
        let component = from_hex(&read_secret(fd::OwnedFd::from(component)).await?)?;
        let command = Command::LoadKeyComponent { index, custodian: custodian.to_owned(), component };
        match self.gate.ask(&visit, command, ANSWER).await? {
            Reply::KeyComponent { component_check, key_check } => {
                let mut row = Row::from([("component-check", Variant::from(component_check))]);
                if let Some(check) = key_check {
                    row.insert("key-check", Variant::from(check));
                }
                Ok(row)
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn load_component_at_keypad(
        &self,
        index: u32,
        custodian: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::LoadKeys).await?;
        let index = component_index(index)?;
        printable("custodian", custodian, CUSTODIAN)?;
        let command = Command::LoadKeyComponentAtKeypad { index, custodian: custodian.to_owned() };
        done(self.gate.ask(&visit, command, ANSWER).await?)
    }

    async fn abandon(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::LoadKeys).await?;
        done(self.gate.ask(&visit, Command::AbandonKeyLoad, ANSWER).await?)
    }
}

fn component_index(index: u32) -> Result<u8> {
    match index {
        1 => Ok(1),
        2 => Ok(2),
        _ => Err(Error::invalid("the index of a component is 1 or 2")),
    }
}

/// 32 hex digits; blanks between groups are allowed, as such sheets are printed in groups.
fn from_hex(text: &SecretBytes) -> Result<SecretBytes> {
    let wrong = || Error::invalid("a component has 32 hex digits (16 bytes)");
    let digits = Zeroizing::new(
        text.expose()
            .iter()
            .filter(|b| **b != b' ')
            .map(|b| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or_else(wrong))
            .collect::<Result<Vec<u8>>>()?,
    );
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != COMPONENT || !rest.is_empty() {
        return Err(wrong());
    }
    Ok(SecretBytes::new(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Option<SecretBytes> {
        from_hex(&SecretBytes::new(text.as_bytes().to_vec())).ok()
    }

    #[test]
    fn a_component_is_thirty_two_hex_digits_in_any_grouping() {
        let plain = hex("00112233445566778899AABBCCDDEEFF").unwrap();
        assert!(plain.expose().first() == Some(&0) && plain.expose().last() == Some(&0xFF));
        assert!(hex("0011 2233 4455 6677 8899 aabb ccdd eeff").unwrap() == plain);
        assert!(hex("00112233445566778899AABBCCDDEE").is_none());
        assert!(hex("00112233445566778899AABBCCDDEEFG").is_none());
    }
}
