//! Packed decimal: two digits to a byte, on the wire; one ASCII character each, in memory.

/// The two characters of every byte; nibbles above 9 become `A` to `F`.
static PAIRS: [[u8; 2]; 256] = pairs();

const fn pairs() -> [[u8; 2]; 256] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut pairs = [[0; 2]; 256];
    let mut i = 0;
    while i < 256 {
        pairs[i] = [DIGITS[i >> 4], DIGITS[i & 0xF]];
        i += 1;
    }
    pairs
}

/// Appends two characters per byte. Tells whether all of them are decimal digits.
pub(super) fn unpack(packed: &[u8], out: &mut Vec<u8>) -> bool {
    let mut seen = [0; 2];
    out.extend(packed.iter().flat_map(|byte| {
        let pair = PAIRS.get(usize::from(*byte)).copied().unwrap_or_default();
        seen = [seen[0] | pair[0], seen[1] | pair[1]];
        pair
    }));
    // Letters have bit 6, digits have not.
    (seen[0] | seen[1]) & 0x40 == 0
}

/// Index of the first byte that is not two decimal digits.
pub(super) fn first_not_decimal(packed: &[u8]) -> Option<usize> {
    packed.iter().position(|byte| !is_decimal(*byte))
}

/// Whether both nibbles are 0 ..= 9.
const fn is_decimal(byte: u8) -> bool {
    byte >> 4 <= 9 && byte & 0xF <= 9
}

/// Two decimal digits as a number.
pub(super) const fn number(byte: u8) -> Option<usize> {
    if is_decimal(byte) { Some((byte >> 4) as usize * 10 + (byte & 0xF) as usize) } else { None }
}

/// A number below 100 as two digits.
pub(super) const fn byte(number: usize) -> u8 {
    (((number / 10 % 10) << 4) | (number % 10)) as u8
}

/// Value of a character `0-9A-F`. Others cannot occur: values are checked when they enter a message.
const fn nibble(character: u8) -> u8 {
    (character & 0xF) + 9 * (character >> 6)
}

/// Appends the digits two to a byte; an odd last one is followed by a zero nibble.
pub(super) fn pack_left(digits: &[u8], out: &mut Vec<u8>) {
    let (pairs, rest) = digits.as_chunks::<2>();
    out.extend(pairs.iter().map(|[high, low]| (nibble(*high) << 4) | nibble(*low)));
    out.extend(rest.iter().map(|digit| nibble(*digit) << 4));
}

/// Appends the digits two to a byte; an odd first one is preceded by a zero nibble.
pub(super) fn pack_right(digits: &[u8], out: &mut Vec<u8>) {
    let (first, rest) = digits.split_at(digits.len() % 2);
    out.extend(first.iter().map(|digit| nibble(*digit)));
    pack_left(rest, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_digit_stands_on_the_side_it_is_told() {
        let mut out = Vec::new();
        pack_left(b"051", &mut out);
        pack_right(b"001", &mut out);
        assert_eq!(out, [0x05, 0x10, 0x00, 0x01]);
    }

    #[test]
    fn every_byte_unpacks_and_packs_to_itself() {
        let bytes: Vec<u8> = (0..=255).collect();
        let (mut digits, mut again) = (Vec::new(), Vec::new());
        assert!(!unpack(&bytes, &mut digits));
        pack_left(&digits, &mut again);
        assert_eq!(again, bytes);
    }

    #[test]
    fn unpacking_tells_digits_from_letters() {
        for byte in 0..=255 {
            assert_eq!(unpack(&[0x12, byte, 0x90], &mut Vec::new()), is_decimal(byte));
        }
    }

    #[test]
    fn lengths_are_decimal_or_nothing() {
        assert_eq!(number(0x37), Some(37));
        assert_eq!(number(0x3A), None);
        assert_eq!(number(0xA3), None);
        assert_eq!(byte(37), 0x37);
        assert_eq!(first_not_decimal(&[0x12, 0x34, 0x5F]), Some(2));
    }
}
