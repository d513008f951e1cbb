//! Bits as letters and digits that survive a telephone line.
//!
//! Owns: alphabet, groups, their check symbols. Must not know: what the bits mean.
//!
//! The alphabet is Crockford's base32: no I, L, O, U; when read, I and L count as 1 and O as 0. Five symbols make a group:
//! four of data and one that checks the group *and its place*. The check is a weighted sum in GF(32), x⁵ + x² + 1: one
//! wrong symbol, two swapped ones, and a group in the wrong place are always found, and the group is named.

use std::fmt;

/// Data symbols of a group; one more checks them.
pub(super) const DATA: usize = 4;
/// Symbols of a group.
pub(super) const GROUP: usize = DATA + 1;
/// Bits of a group's data.
pub(super) const BITS: usize = DATA * 5;

const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What is wrong with a code that was typed or read out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// A character that no code holds.
    Character {
        /// Which.
        found: char,
        /// In which group, from 1.
        group: usize,
    },
    /// Groups whose check symbol does not fit, from 1.
    Groups(Vec<usize>),
    /// So many symbols were given where others are due.
    Length {
        /// Given.
        found: usize,
        /// Due.
        wanted: usize,
        /// The group that seems to be left out, from 1.
        missing: Option<usize>,
    },
    /// Each group is right, but they are not of one code.
    Mixed,
    /// Made by a program that is newer than this one.
    Newer {
        /// The layout's version.
        version: u8,
    },
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { found, group } => write!(f, "group {group} has {found:?}, which no code holds"),
            Self::Groups(groups) => {
                let list = groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "misread: group {list}")
            }
            Self::Length { found, wanted, missing: Some(group) } => {
                write!(f, "{found} characters instead of {wanted}; group {group} is left out")
            }
            Self::Length { found, wanted, missing: None } => write!(f, "{found} characters instead of {wanted}"),
            Self::Mixed => f.write_str("the groups do not belong to one code"),
            Self::Newer { version } => write!(f, "a code of version {version}, which is newer than this program"),
        }
    }
}

impl std::error::Error for CodeError {}

/// Product in GF(32).
fn times(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0);
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a <<= 1;
        if a & 0b10_0000 != 0 {
            a ^= 0b10_0101;
        }
        b >>= 1;
    }
    product
}

/// The check symbol of a group's data at its place (from 0).
fn check(data: &[u8], place: usize) -> u8 {
    // Powers of x as weights: no two symbols count alike. The place takes the power behind the last symbol's.
    let mut weight = 2;
    let mut sum = 0;
    for symbol in data {
        sum ^= times(*symbol, weight);
        weight = times(weight, 2);
    }
    let place = u8::try_from(place % 31).unwrap_or(0).saturating_add(1);
    sum ^ times(place, weight)
}

/// The bits, most significant first, as groups with a dash between. Filled up with zeros to whole groups.
pub(super) fn write(bits: &[bool]) -> String {
    let mut text = String::new();
    for (place, group) in bits.chunks(BITS).enumerate() {
        let mut symbols: Vec<u8> = group.chunks(5).map(symbol).collect();
        symbols.resize(DATA, 0);
        symbols.push(check(&symbols, place));
        if place > 0 {
            text.push('-');
        }
        text.extend(symbols.iter().filter_map(|s| ALPHABET.get(usize::from(*s))).map(|b| char::from(*b)));
    }
    text
}

fn symbol(bits: &[bool]) -> u8 {
    (0..5).fold(0, |value, i| value << 1 | u8::from(bits.get(i).copied().unwrap_or(false)))
}

/// The symbols of a text, whatever stands between them.
pub(super) fn symbols(text: &str) -> Result<Vec<u8>, CodeError> {
    let mut found = Vec::new();
    for c in text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '–' | '—' | '_' | '.' | ',' | ':')) {
        found.push(value(c).ok_or(CodeError::Character { found: c, group: found.len() / GROUP + 1 })?);
    }
    Ok(found)
}

fn value(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    let at = ALPHABET.iter().position(|known| char::from(*known) == c)?;
    u8::try_from(at).ok()
}

/// Groups whose check does not fit their place, from 1.
pub(super) fn misread(symbols: &[u8]) -> Vec<usize> {
    let wrong = |(place, group): (usize, &[u8])| (!fits(group, place)).then_some(place + 1);
    symbols.chunks(GROUP).enumerate().filter_map(wrong).collect()
}

fn fits(group: &[u8], place: usize) -> bool {
    match group.split_at_checked(DATA) {
        Some((data, [last])) => check(data, place) == *last,
        _ => false,
    }
}

/// The first group that is left out, from 1, if what follows it is right but for its place.
pub(super) fn left_out(symbols: &[u8]) -> Option<usize> {
    let groups: Vec<&[u8]> = symbols.chunks(GROUP).collect();
    let first = groups.iter().enumerate().position(|(place, group)| !fits(group, place)).unwrap_or(groups.len());
    let moved = groups.iter().enumerate().skip(first).all(|(place, group)| fits(group, place + 1));
    moved.then_some(first + 1)
}

/// The data bits of whole groups.
pub(super) fn bits(symbols: &[u8]) -> Vec<bool> {
    let data = symbols.chunks(GROUP).flat_map(|group| group.iter().take(DATA));
    data.flat_map(|symbol| (0..5).rev().map(move |bit| symbol >> bit & 1 == 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_bits() -> Vec<bool> {
        (0..160u32).map(|n| n.wrapping_mul(2_654_435_761) >> 7 & 1 == 1).collect()
    }

    #[test]
    fn what_is_written_is_read_back_whatever_stands_between() {
        let text = write(&some_bits());
        assert_eq!(text.len(), 8 * GROUP + 7);
        for typed in [text.clone(), text.to_lowercase(), text.replace('-', " "), text.replace('-', "")] {
            let read = symbols(&typed).unwrap();
            assert!(misread(&read).is_empty());
            assert_eq!(bits(&read), some_bits());
        }
    }

    #[test]
    fn letters_that_look_like_digits_are_taken_for_them() {
        assert_eq!(symbols("oO iIlL").unwrap(), [0, 0, 1, 1, 1, 1]);
        assert_eq!(symbols("0123U").unwrap_err(), CodeError::Character { found: 'U', group: 1 });
    }

    #[test]
    fn every_wrong_symbol_and_every_swap_is_found_in_its_group() {
        let good = symbols(&write(&some_bits())).unwrap();
        for at in 0..good.len() {
            for other in (0..32).filter(|s| *s != good[at]) {
                let mut wrong = good.clone();
                wrong[at] = other;
                assert_eq!(misread(&wrong), [at / GROUP + 1], "symbol {at} as {other}");
            }
            if at % GROUP > 0 && good[at] != good[at - 1] {
                let mut wrong = good.clone();
                wrong.swap(at, at - 1);
                assert_eq!(misread(&wrong), [at / GROUP + 1], "swap at {at}");
            }
        }
    }

    #[test]
    fn swapped_groups_and_one_left_out_are_found() {
        let good = symbols(&write(&some_bits())).unwrap();
        let groups: Vec<&[u8]> = good.chunks(GROUP).collect();
        let mut order = groups.clone();
        order.swap(2, 5);
        assert_eq!(misread(&order.concat()), [3, 6]);
        for gone in 0..groups.len() {
            let mut order = groups.clone();
            order.remove(gone);
            assert_eq!(left_out(&order.concat()), Some(gone + 1));
        }
    }
}
