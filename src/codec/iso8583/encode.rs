//! A message onto the wire.
//!
//! Owns: MTI, bitmap, length bytes, padding nibbles. Values have been checked when they entered the message, so nothing
//! here can fail but the total length.

use zeroize::Zeroizing;

use crate::codec::frame::Header;

use super::bcd;
use super::bitmap::Bitmap;
use super::message::Message;
use super::spec::{Align, FieldSpec, Length, Spec};

/// The field that holds the MAC, always the last.
const MAC_FIELD: u8 = 64;
/// LEN, TPDU, HEADER, MTI, BITMAP.
const FIXED_PART: usize = 2 + 5 + 6 + 2 + 8;

impl Message {
    /// `LEN | TPDU | HEADER | MTI | BITMAP | fields`. Holds card data: hand it to the wire or into something that wipes.
    pub fn encode(&self, header: &Header) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.room());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&header.tpdu);
        out.extend_from_slice(&header.header);
        self.write(self.bitmap(), &mut out);
        // All fields at their longest are below 4 KiB, so the length always fits.
        let length = ((out.len() - 2) as u16).to_be_bytes();
        if let Some(place) = out.first_chunk_mut() {
            *place = length;
        }
        out
    }

    /// What the MAC is computed over: MTI to the last byte before field 64, with bit 64 already set.
    pub fn mab(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.room()));
        self.write(self.bitmap().with(MAC_FIELD), &mut out);
        if self.has(MAC_FIELD) {
            let end = out.len() - 8;
            out.truncate(end);
        }
        out
    }

    /// An upper bound, so that the buffer is never moved (a move would leave card data behind).
    fn room(&self) -> usize {
        // At most two length bytes and one padding nibble per field.
        FIXED_PART + self.size() + 3 * self.bitmap().0.count_ones() as usize
    }

    fn write(&self, bitmap: Bitmap, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mti().to_bytes());
        out.extend_from_slice(&bitmap.0.to_be_bytes());
        for field in self.bitmap().fields() {
            if let (Some(spec), Some(value)) = (Spec::field(field), self.raw(field)) {
                write_field(spec, value, out);
            }
        }
    }
}

fn write_field(spec: &FieldSpec, value: &[u8], out: &mut Vec<u8>) {
    match spec.length {
        Length::Fixed(_) => {}
        Length::LlVar(_) => out.push(bcd::byte(value.len())),
        Length::LllVar(_) => out.extend_from_slice(&[bcd::byte(value.len() / 100), bcd::byte(value.len())]),
    }
    match (spec.is_digits(), spec.align) {
        (true, Align::Left) => bcd::pack_left(value, out),
        (true, Align::Right) => bcd::pack_right(value, out),
        (false, _) => out.extend_from_slice(value),
    }
}
