//! Values that must never be printed and never outlive their use: wiped on drop, no `Debug`, no `Display`.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes wiped on drop: key components, sealed plain text, whole messages with card data.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one computation that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// A double-length (16-byte) DES key: TMK, PIK, TDK or a 16-byte MAK.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct DoubleKey(pub [u8; 16]);

/// A clear PIN of 4 to 12 digits. Lives only in the PIN machine.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Pin(Vec<u8>);

impl Pin {
    /// The longest PIN (ISO 9564).
    pub const MAX_DIGITS: usize = 12;
    /// The shortest PIN (ISO 9564).
    pub const MIN_DIGITS: usize = 4;

    /// Takes 4 ..= 12 digits of value 0 ..= 9 (not ASCII).
    pub fn new(digits: Vec<u8>) -> Option<Self> {
        let pin = Self(digits);
        let good = (Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&pin.0.len()) && pin.0.iter().all(|d| *d <= 9);
        good.then_some(pin)
    }

    /// The digits, for the cipher.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// An enciphered PIN block (field 52). Not printable: with the PIK it is the PIN.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct PinBlock(pub [u8; 8]);

/// Turns a PIN into its block. Handed to the PIN machine so that the clear PIN never leaves it.
pub trait PinCipher: Send {
    /// Enciphers the PIN under the current PIN key for the card in hand.
    fn encipher(&self, pin: &Pin) -> PinBlock;
}

/// Track 2 digits as in field 35: `PAN D YYMM …`, values `0-9` and `D`.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct Track2(String);

impl Track2 {
    /// Takes up to 37 characters of `0-9`, with one separator `D`.
    pub fn new(digits: String) -> Option<Self> {
        let track = Self(digits);
        let good = track.0.len() <= 37
            && track.0.bytes().all(|b| b.is_ascii_digit() || b == b'D')
            && track.0.bytes().filter(|b| *b == b'D').count() == 1;
        good.then_some(track)
    }

    /// The digits, for field 35.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
