//! Codec and MAC against a hand-written pack and unpack of the one message, which check every bound, too.

use des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use smartpos::codec::frame::Header;
use smartpos::codec::iso8583::{Format, Message, Spec, Value};
use smartpos::host::des::DesKey;
use smartpos::host::mac::MacMethod;

use crate::Figure;
use crate::stats::in_turn;

const ROUNDS: u32 = 21;
const TIMES: u32 = 20_000;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub fn measure() -> Figure {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/iso8583.json"))?;
    let all = vectors["messages"].as_array().ok_or("no vectors")?;
    let sale = all.iter().find(|v| v["name"] == "sale_ic_pin_req").ok_or("no sale among the vectors")?;
    let wire = unhex(sale["hex"].as_str().ok_or("no hex")?);
    // The decoder takes a frame without its length.
    let frame = wire.get(2..).ok_or("no frame")?;
    let (header, message) = Message::decode(frame)?;
    let fields: Vec<(u8, Value<'_>)> = message.fields().collect();
    assert_eq!(fields.len(), 18);
    let by_hand = hand::unpack(&wire).ok_or("the hand-written unpack refused the vector")?;
    assert!(hand::pack(&by_hand).as_deref() == Some(wire.as_slice()), "the hand-written pack is wrong");
    assert!(build(&message, &fields).encode(&header) == wire);

    let encode = in_turn(ROUNDS, TIMES, || build(&message, &fields).encode(&header), || hand::pack(&by_hand));
    let decode = in_turn(ROUNDS, TIMES, || Message::decode(frame), || hand::unpack(&wire));
    let single = DesKey::new(&unhex("0E1F2C3D4A5B6879")).ok_or("key")?;
    let double = unhex("0E1F2C3D4A5B68798697A4B5C2D3E0F1");
    let covered: Vec<u8> = (0..=255).collect();
    let key = DesKey::new(&double).ok_or("key")?;
    assert!(MacMethod::X919.compute(&key, &covered)?.to_vec() == retail(&double, &covered));
    let ecb = in_turn(ROUNDS, 4_000, || MacMethod::Ecb.compute(&single, &covered), || unionpay(&double[..8], &covered));
    let x919 = in_turn(ROUNDS, 4_000, || MacMethod::X919.compute(&key, &covered), || retail(&double, &covered));
    Ok(vec![
        encode.row("codec: build and encode the 18-field sale, hand-written pack", "≤ 2"),
        decode.row("codec: decode it, hand-written unpack", "≤ 2"),
        ecb.row("MAC of 256 bytes, UnionPay ECB, hand-written on the same DES", "≤ 2"),
        x919.row("MAC of 256 bytes, X9.19, hand-written on the same DES", "≤ 2"),
    ])
}

/// From field values to a message, as the product builds its requests.
fn build(like: &Message, fields: &[(u8, Value<'_>)]) -> Message {
    let mut message = Message::new(like.mti());
    for (number, value) in fields {
        let done = match value {
            Value::Digits(digits) => message.set_digits(*number, digits),
            Value::Text(text) => message.set_text(*number, text),
            Value::Bytes(bytes) => message.set_bytes(*number, bytes),
        };
        done.unwrap();
    }
    debug_assert!(Spec::field(2).is_some_and(|s| s.format == Format::N));
    message
}

fn unionpay(key: &[u8], covered: &[u8]) -> Vec<u8> {
    let cipher = des::Des::new_from_slice(key).unwrap();
    let mut folded = [0u8; 8];
    for chunk in covered.chunks(8) {
        folded.iter_mut().zip(chunk).for_each(|(a, b)| *a ^= b);
    }
    let mut text = [0u8; 16];
    for (i, byte) in folded.iter().enumerate() {
        text[2 * i] = b"0123456789ABCDEF"[usize::from(byte >> 4)];
        text[2 * i + 1] = b"0123456789ABCDEF"[usize::from(byte & 15)];
    }
    let mut block = [0u8; 8];
    block.copy_from_slice(&text[..8]);
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    block.iter_mut().zip(&text[8..]).for_each(|(a, b)| *a ^= b);
    cipher.encrypt_block(&mut block);
    block.to_vec()
}

fn retail(key: &[u8], covered: &[u8]) -> Vec<u8> {
    let left = des::Des::new_from_slice(&key[..8]).unwrap();
    let right = des::Des::new_from_slice(&key[8..]).unwrap();
    let mut block: des::cipher::Block<des::Des> = [0u8; 8].into();
    for chunk in covered.chunks(8) {
        let chain: &mut [u8] = &mut block;
        chain.iter_mut().zip(chunk).for_each(|(a, b)| *a ^= b);
        left.encrypt_block(&mut block);
    }
    right.decrypt_block(&mut block);
    left.encrypt_block(&mut block);
    block.to_vec()
}

/// What one would write who knows only this message.
mod hand {
    use super::Header;

    /// Digits as ASCII, and how many.
    pub struct Digits<const N: usize>([u8; N], usize);

    pub struct Sale {
        header: Header,
        pan: Digits<20>,
        processing: Digits<6>,
        amount: Digits<12>,
        stan: Digits<6>,
        expiry: Digits<4>,
        entry: Digits<4>,
        sequence: Digits<4>,
        condition: Digits<2>,
        pin_length: Digits<2>,
        track: Digits<38>,
        terminal: [u8; 8],
        merchant: [u8; 15],
        currency: [u8; 3],
        pin: [u8; 8],
        security: Digits<16>,
        chip: Vec<u8>,
        private: Digits<14>,
        mac: [u8; 8],
    }

    const BITMAP: [u8; 8] = [0x70, 0x24, 0x06, 0xC0, 0x20, 0xC0, 0x9A, 0x11];

    struct Cursor<'a>(&'a [u8]);

    impl<'a> Cursor<'a> {
        fn take(&mut self, n: usize) -> Option<&'a [u8]> {
            let (head, tail) = self.0.split_at_checked(n)?;
            self.0 = tail;
            Some(head)
        }

        fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
            self.take(N)?.try_into().ok()
        }

        /// Packed digits, `shift` nibbles of filling in front.
        fn digits<const N: usize>(&mut self, count: usize, right: bool) -> Option<Digits<N>> {
            let packed = self.take(count.div_ceil(2))?;
            let skip = usize::from(right && count % 2 == 1);
            let mut out = Digits([0; N], count);
            for (i, place) in out.0.get_mut(..count)?.iter_mut().enumerate() {
                let byte = packed.get((i + skip) / 2)?;
                let nibble = if (i + skip).is_multiple_of(2) { byte >> 4 } else { byte & 15 };
                *place = if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
            }
            Some(out)
        }

        fn count(&mut self, bytes: usize) -> Option<usize> {
            self.take(bytes)?.iter().try_fold(0, |n, b| {
                let (high, low) = (usize::from(b >> 4), usize::from(b & 15));
                (high < 10 && low < 10).then_some(n * 100 + high * 10 + low)
            })
        }
    }

    pub fn unpack(wire: &[u8]) -> Option<Sale> {
        let mut c = Cursor(wire);
        let length = c.array::<2>().map(u16::from_be_bytes)?;
        if usize::from(length) != c.0.len() {
            return None;
        }
        let header = Header { tpdu: c.array()?, header: c.array()? };
        if c.array::<2>()? != [0x02, 0x00] || c.array::<8>()? != BITMAP {
            return None;
        }
        let pan_length = c.count(1).filter(|n| *n <= 19)?;
        let pan = c.digits(pan_length, false)?;
        let (processing, amount, stan, expiry) =
            (c.digits(6, false)?, c.digits(12, false)?, c.digits(6, false)?, c.digits(4, false)?);
        let (entry, sequence, condition, pin_length) =
            (c.digits(3, false)?, c.digits(3, true)?, c.digits(2, false)?, c.digits(2, false)?);
        let track_length = c.count(1).filter(|n| *n <= 37)?;
        let track = c.digits(track_length, false)?;
        let (terminal, merchant, currency, pin) = (c.array()?, c.array()?, c.array()?, c.array()?);
        let security = c.digits(16, false)?;
        let chip_length = c.count(2).filter(|n| *n <= 255)?;
        let chip = c.take(chip_length)?.to_vec();
        let private_length = c.count(2).filter(|n| *n <= 13)?;
        let private = c.digits(private_length, false)?;
        let mac = c.array()?;
        c.0.is_empty().then_some(Sale {
            header,
            pan,
            processing,
            amount,
            stan,
            expiry,
            entry,
            sequence,
            condition,
            pin_length,
            track,
            terminal,
            merchant,
            currency,
            pin,
            security,
            chip,
            private,
            mac,
        })
    }

    fn bcd<const N: usize>(out: &mut Vec<u8>, d: &Digits<N>, right: bool) -> Option<()> {
        let digits = d.0.get(..d.1)?;
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'A'..=b'F' => Some(b - b'A' + 10),
            _ => None,
        };
        let mut rest = digits;
        if right && digits.len() % 2 == 1 {
            let (first, others) = digits.split_first()?;
            out.push(nibble(*first)?);
            rest = others;
        }
        for pair in rest.chunks(2) {
            out.push(nibble(*pair.first()?)? << 4 | pair.get(1).map_or(Some(0), |b| nibble(*b))?);
        }
        Some(())
    }

    fn two(n: usize) -> u8 {
        (((n / 10 % 10) << 4) | (n % 10)) as u8
    }

    pub fn pack(s: &Sale) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(160 + s.chip.len());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&s.header.tpdu);
        out.extend_from_slice(&s.header.header);
        out.extend_from_slice(&[0x02, 0x00]);
        out.extend_from_slice(&BITMAP);
        out.push(two(s.pan.1));
        bcd(&mut out, &s.pan, false)?;
        bcd(&mut out, &s.processing, false)?;
        bcd(&mut out, &s.amount, false)?;
        bcd(&mut out, &s.stan, false)?;
        bcd(&mut out, &s.expiry, false)?;
        bcd(&mut out, &s.entry, false)?;
        bcd(&mut out, &s.sequence, true)?;
        bcd(&mut out, &s.condition, false)?;
        bcd(&mut out, &s.pin_length, false)?;
        out.push(two(s.track.1));
        bcd(&mut out, &s.track, false)?;
        out.extend_from_slice(&s.terminal);
        out.extend_from_slice(&s.merchant);
        out.extend_from_slice(&s.currency);
        out.extend_from_slice(&s.pin);
        bcd(&mut out, &s.security, false)?;
        if s.chip.len() > 255 {
            return None;
        }
        out.extend_from_slice(&[two(s.chip.len() / 100), two(s.chip.len())]);
        out.extend_from_slice(&s.chip);
        out.extend_from_slice(&[two(s.private.1 / 100), two(s.private.1)]);
        bcd(&mut out, &s.private, false)?;
        out.extend_from_slice(&s.mac);
        let length = u16::try_from(out.len() - 2).ok()?.to_be_bytes();
        out.get_mut(..2)?.copy_from_slice(&length);
        Some(out)
    }
}
