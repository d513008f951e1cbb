//! Track encryption (protocol reference §3.6): eight bytes near the end of the track, in place.
//!
//! Owns: which digits are enciphered. Must not know: when an acquirer wants it. The length stays the same, so the field's
//! shape does too; enciphered digits run from 0 to F.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::host::des::{Block, Cipher, DesKey};

/// Why a track cannot be enciphered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TrackError {
    /// Eight bytes before the last do not exist. Public terminals disagree about filling up such a track, so none is sent.
    #[error("track of {digits} digits is too short to be enciphered")]
    TooShort {
        /// As read.
        digits: usize,
    },
    /// Not digits of field 35.
    #[error("track has a character that is neither a digit nor a letter A to F")]
    BadCharacter,
}

/// Enciphers a track as in field 35 or 36, digits and `D`.
pub fn encipher(tdk: &DesKey, track: &str) -> Result<Zeroizing<String>, TrackError> {
    transform(track, |block, cipher| cipher.encrypt(block), tdk)
}

/// Undoes [`encipher`], for the acquirer's side.
pub fn decipher(tdk: &DesKey, track: &str) -> Result<Zeroizing<String>, TrackError> {
    transform(track, |block, cipher| cipher.decrypt(block), tdk)
}

fn transform(
    track: &str,
    apply: impl Fn(Block, &Cipher) -> Block,
    tdk: &DesKey,
) -> Result<Zeroizing<String>, TrackError> {
    let digits = track.len();
    if !track.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) {
        return Err(TrackError::BadCharacter);
    }
    // The last byte stays clear: one digit and a filling nibble, or two digits.
    let last = if digits % 2 == 1 { 1 } else { 2 };
    let end = digits.saturating_sub(last);
    let parts =
        end.checked_sub(16).and_then(|start| Some((track.get(..start)?, track.get(start..end)?, track.get(end..)?)));
    let (head, middle, tail) = parts.ok_or(TrackError::TooShort { digits })?;
    let clear = u64::from_str_radix(middle, 16).map_err(|_| TrackError::BadCharacter)?;
    let enciphered = u64::from_be_bytes(apply(clear.to_be_bytes(), &tdk.cipher()));
    // Wide enough at once: a growing string would leave a copy of the card number behind.
    let mut out = Zeroizing::new(String::with_capacity(digits));
    out.push_str(head);
    for shift in (0..16).rev() {
        out.extend(
            char::from_digit((enciphered >> (4 * shift)) as u32 & 0xF, 16).map(|digit| digit.to_ascii_uppercase()),
        );
    }
    out.push_str(tail);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TDK: DesKey = DesKey::Double([0x25; 16]);

    #[test]
    fn the_host_gets_back_the_track_that_was_read() {
        for track in ["6200000000000000018D30122010000000000", "6200000000000000018D3012201000000000"] {
            let sent = encipher(&TDK, track).unwrap();
            assert_eq!(sent.len(), track.len());
            assert_ne!(sent.as_str(), track);
            assert_eq!(decipher(&TDK, &sent).unwrap().as_str(), track);
        }
    }

    #[test]
    fn a_track_without_eight_bytes_before_its_last_is_not_sent() {
        let of = |digits: usize| encipher(&TDK, &"1".repeat(digits)).map(|sent| sent.len());
        assert_eq!(of(17), Ok(17));
        assert_eq!(of(18), Ok(18));
        for digits in [0, 1, 15, 16] {
            assert_eq!(of(digits), Err(TrackError::TooShort { digits }));
        }
    }

    #[test]
    fn only_track_digits_are_taken() {
        for track in ["6200000000000000018=3012", "6200000000000000018d3012", "620000000000000001é3012"] {
            assert_eq!(encipher(&TDK, track), Err(TrackError::BadCharacter));
        }
    }
}
