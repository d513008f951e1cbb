//! What this terminal tells cards about itself, and which applications it accepts.
//!
//! Owns: terminal data that do not change from payment to payment. Must not know: configuration files, any card.
//! Follows: EMV Book 3 Annex A and Book 4 Annex A for the objects; the acquirer says which values it wants.

use crate::domain::card::Scheme;

/// One application the terminal selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedApplication {
    /// Whose rules apply.
    pub scheme: Scheme,
    /// The beginning of the card's application identifier, 5 to 16 bytes.
    pub aid: Vec<u8>,
    /// Tag 9F09, the version of the scheme's application that the terminal follows.
    pub version: [u8; 2],
}

/// Terminal data for every tap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalSettings {
    /// Tag 9F1A, numeric ISO 3166 (China is 156).
    pub country: u16,
    /// Tag 9F33: what the terminal can read, verify and check.
    pub capabilities: [u8; 3],
    /// Tag 9F40.
    pub additional_capabilities: [u8; 5],
    /// Tag 9F35: 21 is attended and online only.
    pub terminal_type: u8,
    /// Tag 9F66 without the bits that depend on the amount.
    pub qualifiers: [u8; 4],
    /// Tag 9F1E, the device's serial number.
    pub serial: [u8; 8],
    /// Tag 9F1C.
    pub terminal_id: [u8; 8],
    /// Tag 9F16.
    pub merchant_id: [u8; 15],
    /// Tag 9F15, the merchant's category.
    pub category: u16,
    /// Tag 9F4E, the merchant's name.
    pub merchant_name: String,
    /// In the order of preference between applications that the card ranks alike.
    pub applications: Vec<AcceptedApplication>,
}

impl Default for TerminalSettings {
    fn default() -> Self {
        Self {
            country: 156,
            // No contact slot and no stripe; PIN to the host, signature, none; no offline data authentication.
            capabilities: [0x00, 0x68, 0x00],
            // Goods and services; digits and command keys; display and receipt; code table 1.
            additional_capabilities: [0x60, 0x00, 0xF0, 0xA0, 0x01],
            terminal_type: 0x21,
            // EMV mode, PIN to the host, signature.
            qualifiers: [0x26, 0x00, 0x00, 0x00],
            serial: *b"00000001",
            terminal_id: *b"00000001",
            merchant_id: *b"000000000000001",
            category: 5999,
            merchant_name: String::new(),
            applications: Self::known_applications(),
        }
    }
}

impl TerminalSettings {
    /// The applications of all schemes this reader has rules for; UnionPay first.
    pub fn known_applications() -> Vec<AcceptedApplication> {
        let row = |scheme, aid: &[u8], version| AcceptedApplication { scheme, aid: aid.to_vec(), version };
        vec![
            // Debit, credit, quasi-credit.
            row(Scheme::UnionPay, &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01], [0x00, 0x30]),
            row(Scheme::UnionPay, &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x02], [0x00, 0x30]),
            row(Scheme::UnionPay, &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x03], [0x00, 0x30]),
            // Credit and debit; Electron.
            row(Scheme::Visa, &[0xA0, 0x00, 0x00, 0x00, 0x03, 0x10, 0x10], [0x00, 0x96]),
            row(Scheme::Visa, &[0xA0, 0x00, 0x00, 0x00, 0x03, 0x20, 0x10], [0x00, 0x96]),
            // Mastercard; Maestro.
            row(Scheme::Mastercard, &[0xA0, 0x00, 0x00, 0x00, 0x04, 0x10, 0x10], [0x00, 0x02]),
            row(Scheme::Mastercard, &[0xA0, 0x00, 0x00, 0x00, 0x04, 0x30, 0x60], [0x00, 0x02]),
        ]
    }
}

/// The kernel number of a scheme, as in tag 9F2A.
pub(super) fn kernel(scheme: Scheme) -> u8 {
    match scheme {
        Scheme::Mastercard => 2,
        Scheme::Visa => 3,
        Scheme::UnionPay => 7,
    }
}
