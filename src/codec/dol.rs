//! Data object lists (EMV Book 3, 5.4): what a card wants to be told, in its order and its lengths.
//!
//! Owns: the bound on the total, the choice of padding. Must not know: where the values come from. Parsing, padding and the
//! table of formats are the crate `emv`'s.

use emv::core::dol::{Dol, ValueFormat};
use emv::core::tag_info::{self, Format};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::codec::tlv::Tag;

/// The longest filled list that still fits a short APDU behind `83 81 xx`.
pub const MAX_LENGTH: usize = 252;

/// Why a list cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DolError {
    /// Not pairs of tag and length.
    #[error("data object list is malformed")]
    Malformed,
    /// The card asks for more than a command can carry.
    #[error("data object list asks for {total} bytes, at most {MAX_LENGTH} fit a command")]
    TooLong {
        /// As asked for.
        total: usize,
    },
}

/// Fills the list: `value` gives what is known, the rest becomes zeros. Numbers are cut and filled on the left, all else on
/// the right, by the format that EMV gives the tag.
pub fn fill(list: &[u8], value: impl Fn(Tag) -> Option<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, DolError> {
    let dol = Dol::parse(list).map_err(|_| DolError::Malformed)?;
    let total = dol.0.iter().map(|entry| usize::from(entry.length)).sum();
    if total > MAX_LENGTH {
        return Err(DolError::TooLong { total });
    }
    Ok(Zeroizing::new(dol.build(|tag| Some((format(tag), value(tag)?)))))
}

/// The tags and lengths of a list.
pub fn entries(list: &[u8]) -> Result<Vec<(Tag, u8)>, DolError> {
    let dol = Dol::parse(list).map_err(|_| DolError::Malformed)?;
    Ok(dol.0.iter().map(|entry| (entry.tag, entry.length)).collect())
}

fn format(tag: Tag) -> ValueFormat {
    match tag_info::lookup(tag).first().map(|info| info.format) {
        Some(Format::Numeric) => ValueFormat::Numeric,
        Some(Format::CompressedNumeric) => ValueFormat::CompressedNumeric,
        Some(Format::Alphabetic | Format::Alphanumeric | Format::AlphanumericSpecial) => ValueFormat::Other,
        Some(Format::Binary | Format::Variable) | None => ValueFormat::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quickpass_list_is_filled_in_the_cards_order() {
        let list = [0x9F, 0x66, 4, 0x9F, 0x02, 6, 0x9F, 0x37, 4, 0x5F, 0x2A, 2, 0xDF, 0x69, 1];
        let filled = fill(&list, |tag| match tag.0 {
            0x9F66 => Some(vec![0x26, 0, 0, 0x80]),
            0x9F02 => Some(vec![0x01, 0x00]),
            0x9F37 => Some(vec![1, 2, 3, 4, 5]),
            0x5F2A => Some(vec![0x01, 0x56]),
            _ => None,
        });
        assert_eq!(filled.unwrap().as_slice(), [0x26, 0, 0, 0x80, 0, 0, 0, 0, 1, 0, 1, 2, 3, 4, 1, 0x56, 0]);
    }

    #[test]
    fn a_list_that_asks_for_too_much_is_refused() {
        assert_eq!(fill(&[0x9F, 0x02, 252], |_| None).unwrap().len(), 252);
        assert_eq!(fill(&[0x9F, 0x02, 250, 0x95, 5], |_| None).unwrap_err(), DolError::TooLong { total: 255 });
    }

    #[test]
    fn a_list_cut_short_is_malformed() {
        for list in [&[0x9F][..], &[0x9F, 0x02], &[0x95, 5, 0x9F, 0x82, 0x01, 1]] {
            assert_eq!(fill(list, |_| None).unwrap_err(), DolError::Malformed);
        }
        assert_eq!(entries(&[0x95, 5]), Ok(vec![(Tag(0x95), 5)]));
    }
}
