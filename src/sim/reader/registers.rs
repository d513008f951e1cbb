//! The register file: what was written is read back.
//!
//! Owns: values by address. Must not know: what they do; clients only change bits and look at them again.

use std::collections::BTreeMap;

/// CIU_FIFOData.
pub const FIFO: u16 = 0x6339;

/// Registers by address, 00 where nothing was written.
#[derive(Clone, Debug, Default)]
pub struct Registers(BTreeMap<u16, u8>);

impl Registers {
    /// The value at an address.
    #[must_use]
    pub fn read(&self, address: u16) -> u8 {
        self.0.get(&address).copied().unwrap_or(0)
    }

    /// Changes the value at an address.
    pub fn write(&mut self, address: u16, value: u8) {
        self.0.insert(address, value);
    }
}
