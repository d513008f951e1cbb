//! Building BER-TLV for the simulated cards.
//!
//! Owns: lengths and nesting. Must not know: what tags mean. Kept apart from the daemon's own TLV code so that an
//! error there is not repeated here.

/// One data object: tag bytes as they are written (`0x9F26` is two bytes), then length and value.
#[must_use]
pub fn object(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = tag.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
    out.extend(length(value.len()));
    out.extend_from_slice(value);
    out
}

/// A template around data objects.
#[must_use]
pub fn template(tag: u32, objects: &[Vec<u8>]) -> Vec<u8> {
    object(tag, &objects.concat())
}

/// A data object list: each tag with the length that the terminal must send.
#[must_use]
pub fn list(entries: &[(u32, u8)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (tag, length) in entries {
        out.extend(tag.to_be_bytes().into_iter().skip_while(|b| *b == 0));
        out.push(*length);
    }
    out
}

/// Digits as compressed numeric, filled up with F.
#[must_use]
pub fn digits(text: &str) -> Vec<u8> {
    let nibbles: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or(0x0F)).collect();
    nibbles.chunks(2).map(|pair| (pair.first().unwrap_or(&0x0F) << 4) | pair.get(1).unwrap_or(&0x0F)).collect()
}

fn length(n: usize) -> Vec<u8> {
    let bytes = n.to_be_bytes();
    match n {
        0..=0x7F => bytes.into_iter().rev().take(1).collect(),
        _ => {
            let significant: Vec<u8> = bytes.into_iter().skip_while(|b| *b == 0).collect();
            let count = u8::try_from(significant.len()).unwrap_or(0);
            [&[0x80 | count][..], &significant].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_carry_short_and_long_lengths() {
        assert_eq!(object(0x9F26, &[1, 2]), [0x9F, 0x26, 0x02, 1, 2]);
        assert_eq!(object(0x70, &[0; 0x80])[..3], [0x70, 0x81, 0x80]);
        assert_eq!(list(&[(0x9F02, 6), (0x95, 5)]), [0x9F, 0x02, 6, 0x95, 5]);
        assert_eq!(digits("62345D3"), [0x62, 0x34, 0x5D, 0x3F]);
    }
}
