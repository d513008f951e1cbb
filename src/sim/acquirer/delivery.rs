//! An answer as bytes: one good frame, or what a fault makes of it.
//!
//! Owns: signing and spoiling. Must not know: connections, time.

use zeroize::Zeroizing;

use super::centre::Centre;
use super::fault::Path;
use crate::codec::frame::Header;
use crate::codec::iso8583::{EncodeError, Message};

/// What happens to the connection after the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays.
    Nothing,
    /// It is closed.
    Close,
    /// It stays, but nothing is answered any more.
    Silence,
}

/// Bytes for a connection.
pub struct Parcel {
    /// One piece per frame.
    pub bytes: Vec<Zeroizing<Vec<u8>>>,
    /// What happens afterwards.
    pub then: Then,
}

/// An answer not yet signed.
pub struct Answer {
    /// Its addresses.
    pub header: Header,
    /// Its fields.
    pub message: Message,
    /// Whether field 64 is due.
    pub sign: bool,
}

impl Answer {
    fn encode(&self, centre: &Centre, wrong_mac: bool) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
        let mut message = self.message.clone();
        if self.sign {
            centre.sign(&mut message)?;
        }
        if wrong_mac && let Some([first, rest @ ..]) = message.bytes(64) {
            // Another character of the same alphabet: only the value is wrong.
            let first = if *first == b'0' { b'1' } else { b'0' };
            let spoiled = [&[first], rest].concat();
            message.set_bytes(64, &spoiled)?;
        }
        Ok(Zeroizing::new(message.encode(&self.header)))
    }

    /// The same answer for another trace and for another terminal, each with a good MAC.
    fn for_others(&self, centre: &Centre) -> Result<Vec<Zeroizing<Vec<u8>>>, EncodeError> {
        let mut others = Vec::new();
        if let Some(trace) = self.message.text(11).and_then(|digits| digits.parse::<u32>().ok()) {
            let mut message = self.message.clone();
            message.set_digits(11, &format!("{:06}", trace % 999_999 + 1))?;
            others.push(Self { message, ..*self }.encode(centre, false)?);
        }
        let mut message = self.message.clone();
        message.set_text(41, "99999999")?;
        others.push(Self { message, ..*self }.encode(centre, false)?);
        Ok(others)
    }
}

/// Makes the bytes of an answer.
pub fn pack(centre: &mut Centre, answer: &Answer, path: Option<&Path>, wrong_mac: bool) -> Result<Parcel, EncodeError> {
    let good = answer.encode(centre, wrong_mac)?;
    let one = |bytes, then| Parcel { bytes: vec![bytes], then };
    Ok(match path {
        None | Some(Path::Delay(_) | Path::Late(_)) => one(good, Then::Nothing),
        Some(Path::Ignore | Path::Drop) => Parcel { bytes: Vec::new(), then: Then::Nothing },
        Some(Path::CloseBefore | Path::CloseAfter) => Parcel { bytes: Vec::new(), then: Then::Close },
        Some(Path::Html) => one(Zeroizing::new(html().to_vec()), Then::Close),
        Some(Path::Duplicate) => Parcel { bytes: vec![good.clone(), good], then: Then::Nothing },
        Some(Path::Foreign { only }) => {
            let mut bytes = answer.for_others(centre)?;
            bytes.extend((!only).then_some(good));
            Parcel { bytes, then: Then::Nothing }
        }
        Some(Path::Garbage { framed: true }) => one(framed(&centre.random(100)), Then::Nothing),
        Some(Path::Garbage { framed: false }) => one(Zeroizing::new(centre.random(200)), Then::Nothing),
        Some(Path::Half { hang }) => {
            let half = good.get(..good.len() / 2).unwrap_or_default().to_vec();
            one(Zeroizing::new(half), if *hang { Then::Silence } else { Then::Close })
        }
        Some(Path::Oversize) => {
            let mut bytes = Zeroizing::new(vec![0xFF, 0xFF]);
            bytes.extend(centre.random(8_192));
            one(bytes, Then::Nothing)
        }
        Some(Path::BitFlip(bit)) => one(flipped(good, *bit), Then::Nothing),
    })
}

/// A frame around these bytes.
pub fn framed(body: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    Zeroizing::new([&length, body].concat())
}

/// Turns one bit over, counted from the first behind the length; beyond the end it begins again.
fn flipped(mut frame: Zeroizing<Vec<u8>>, bit: usize) -> Zeroizing<Vec<u8>> {
    let bits = frame.len().saturating_sub(2) * 8;
    if let Some(at) = bit.checked_rem(bits)
        && let Some(byte) = frame.get_mut(2 + at / 8)
    {
        *byte ^= 0x80 >> (at % 8);
    }
    frame
}

/// What a captive portal answers to bytes that it does not understand.
pub fn html() -> &'static [u8] {
    b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Type: text/html\r\nContent-Length: 47\r\n\
      Connection: close\r\n\r\n<html><body>Please log in first.</body></html>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_one_bit_behind_the_length() {
        let frame = framed(&[0, 0]);
        assert_eq!(*flipped(frame.clone(), 0), [0, 2, 0x80, 0]);
        assert_eq!(*flipped(frame.clone(), 15), [0, 2, 0, 1]);
        assert_eq!(*flipped(frame, 16), [0, 2, 0x80, 0]);
        assert_eq!(*flipped(framed(&[]), 3), [0, 0]);
    }

    #[test]
    fn the_page_is_as_long_as_it_says() {
        let page = std::str::from_utf8(html()).unwrap();
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
