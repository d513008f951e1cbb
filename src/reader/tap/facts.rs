//! What the card has said of itself, object by object.
//!
//! Owns: the store of card objects, their lengths, the refusal of duplicates. Must not know: what follows from them.
//! Follows: EMV Book 3 §7.5 (erroneous or missing data), §10.2 (a primitive object may occur once), Annex A.

use zeroize::Zeroizing;

use crate::codec::tlv::{self, Objects, Tag};
use crate::domain::card::TapFailure;
use crate::domain::pan::Pan;
use crate::domain::secret::Track2;

/// More objects than any card has.
const MAX_OBJECTS: usize = 256;

/// Least and greatest length of the objects that are used.
const LENGTHS: [(u32, usize, usize); 19] = [
    (0x57, 5, 19),
    (0x5A, 4, 10),
    (0x5F24, 3, 3),
    (0x5F25, 3, 3),
    (0x5F34, 1, 1),
    (0x82, 2, 2),
    (0x84, 5, 16),
    (0x8C, 0, 252),
    (0x8E, 10, 252),
    (0x94, 0, 252),
    (0x9F10, 1, 32),
    (0x9F26, 8, 8),
    (0x9F27, 1, 1),
    (0x9F36, 2, 2),
    (0x9F38, 0, 252),
    (0x9F42, 2, 2),
    (0x9F4C, 2, 8),
    (0x9F63, 1, 32),
    (0x9F6C, 2, 2),
];

/// The store. Wiped on drop, no `Debug`.
#[derive(Default)]
pub(super) struct Facts {
    objects: Vec<(Tag, Zeroizing<Vec<u8>>)>,
}

impl Facts {
    /// One object's value.
    pub(super) fn get(&self, tag: u32) -> Option<&[u8]> {
        self.objects.iter().find(|(t, _)| t.0 == tag).map(|(_, value)| value.as_slice())
    }

    /// One object's value as bytes of a known number.
    pub(super) fn fixed<const N: usize>(&self, tag: u32) -> Option<[u8; N]> {
        self.get(tag)?.try_into().ok()
    }

    /// Adds one object.
    pub(super) fn put(&mut self, tag: Tag, value: &[u8]) -> Result<(), TapFailure> {
        let bounds = LENGTHS.iter().find(|(t, _, _)| *t == tag.0);
        let fits = bounds.is_none_or(|(_, least, most)| (*least..=*most).contains(&value.len()));
        if !fits || self.get(tag.0).is_some() || self.objects.len() >= MAX_OBJECTS {
            return Err(TapFailure::CardFaulty);
        }
        self.objects.push((tag, Zeroizing::new(value.to_vec())));
        Ok(())
    }

    /// Adds every primitive object of a template, at whatever depth.
    pub(super) fn put_all(&mut self, template: &[u8]) -> Result<(), TapFailure> {
        tlv::check(template).map_err(|_| TapFailure::CardFaulty)?;
        self.put_level(tlv::objects(template))
    }

    fn put_level(&mut self, objects: Objects<'_>) -> Result<(), TapFailure> {
        for object in objects {
            let object = object.map_err(|_| TapFailure::CardFaulty)?;
            if object.is_constructed() {
                self.put_level(object.children())?;
            } else {
                self.put(object.tag, object.value)?;
            }
        }
        Ok(())
    }

    /// Track 2 from tag 57.
    pub(super) fn track2(&self) -> Result<Option<Track2>, TapFailure> {
        let Some(value) = self.get(0x57) else { return Ok(None) };
        let track = std::mem::take(&mut *nibbles(value));
        Track2::new(track).map(Some).ok_or(TapFailure::CardFaulty)
    }

    /// The card number; where both 5A and 57 give one, they must agree.
    pub(super) fn pan(&self) -> Result<Pan, TapFailure> {
        let track2 = self.track2()?;
        let of_track = track2.as_ref().and_then(|t| t.expose().split('D').next()).map(Pan::new);
        let of_tag = self.get(0x5A).map(|value| Pan::new(&nibbles(value)));
        match (of_tag, of_track) {
            (Some(Some(a)), Some(Some(b))) if a == b => Ok(a),
            (Some(Some(pan)), None) | (None, Some(Some(pan))) => Ok(pan),
            (Some(_), Some(_)) | (Some(None), None) | (None, Some(None) | None) => Err(TapFailure::CardFaulty),
        }
    }

    /// The last day of validity as year, month, day: from 5F24, else the end of track 2's month.
    pub(super) fn expiry(&self) -> Result<Option<(u16, u8, u8)>, TapFailure> {
        if let Some([year, month, day]) = self.fixed::<3>(0x5F24) {
            return date(year, month, day).map(Some).ok_or(TapFailure::CardFaulty);
        }
        let Some(track2) = self.track2()? else { return Ok(None) };
        let digits = track2.expose().split('D').nth(1).unwrap_or_default();
        let pair = |at: usize| digits.get(at..at + 2).and_then(|d| u8::from_str_radix(d, 16).ok());
        let (Some(year), Some(month)) = (pair(0), pair(2)) else { return Err(TapFailure::CardFaulty) };
        date(year, month, 0x31).map(Some).ok_or(TapFailure::CardFaulty)
    }

    /// The first day of validity from 5F25.
    pub(super) fn effective(&self) -> Option<(u16, u8, u8)> {
        let [year, month, day] = self.fixed::<3>(0x5F25)?;
        date(year, month, day)
    }

    /// The card's sequence number from 5F34.
    pub(super) fn sequence_number(&self) -> Result<Option<u16>, TapFailure> {
        let Some([packed]) = self.fixed::<1>(0x5F34) else { return Ok(None) };
        decimal(packed).map(|n| Some(u16::from(n))).ok_or(TapFailure::CardFaulty)
    }
}

/// The half-bytes as characters, without the filler `F` at the end.
fn nibbles(value: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * value.len()));
    for half in value.iter().flat_map(|b| [b >> 4, b & 0x0F]) {
        text.push(char::from_digit(u32::from(half), 16).unwrap_or('F').to_ascii_uppercase());
    }
    let kept = text.trim_end_matches('F').len();
    text.truncate(kept);
    text
}

/// Two packed decimal digits.
fn decimal(packed: u8) -> Option<u8> {
    let (tens, ones) = (packed >> 4, packed & 0x0F);
    (tens <= 9 && ones <= 9).then_some(tens * 10 + ones)
}

/// A packed date `YYMMDD`; years from 50 on are of the last century.
fn date(year: u8, month: u8, day: u8) -> Option<(u16, u8, u8)> {
    let (year, month, day) = (decimal(year)?, decimal(month)?, decimal(day)?);
    let century = if year >= 50 { 1900 } else { 2000 };
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some((century + u16::from(year), month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(objects: &[(u32, &[u8])]) -> Facts {
        let mut facts = Facts::default();
        objects.iter().for_each(|(tag, value)| facts.put(Tag(*tag), value).unwrap());
        facts
    }

    const TRACK: &[u8] = &[0x62, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0xD3, 0x01, 0x22, 0x01, 0x00];
    const PAN: &[u8] = &[0x62, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05];

    #[test]
    fn a_number_in_two_places_must_be_the_same() {
        let both = facts(&[(0x57, TRACK), (0x5A, PAN)]);
        assert!(both.pan().is_ok_and(|p| p.expose() == "6200000000000005"));
        let other = facts(&[(0x57, TRACK), (0x5A, &[0x62, 0, 0, 0, 0, 0, 0, 0x13])]);
        assert_eq!(other.pan().err(), Some(TapFailure::CardFaulty));
        assert!(facts(&[(0x57, TRACK)]).pan().is_ok());
        assert!(facts(&[(0x5A, PAN)]).pan().is_ok());
        assert_eq!(facts(&[]).pan().err(), Some(TapFailure::CardFaulty));
    }

    #[test]
    fn track_2_loses_its_filler_only() {
        let odd = facts(&[(0x57, &[0x62, 0, 0, 0, 0, 0, 0, 0x05, 0x1D, 0x30, 0x12, 0x2F])]);
        assert!(odd.track2().is_ok_and(|t| t.is_some_and(|t| t.expose() == "62000000000000051D30122")));
        assert!(odd.pan().is_ok_and(|p| p.expose().len() == 17));
        let two = facts(&[(0x57, &[0x62, 0xD0, 0, 0, 0, 0xD0])]);
        assert_eq!(two.track2().err(), Some(TapFailure::CardFaulty));
    }

    #[test]
    fn duplicates_and_wrong_lengths_are_refused() {
        let mut facts = facts(&[(0x9F36, &[0, 1])]);
        assert!(facts.put(Tag(0x9F36), &[0, 1]).is_err());
        assert!(facts.put(Tag(0x9F26), &[0; 7]).is_err());
        assert!(facts.put_all(&[0x5F, 0x34, 0x01, 0x01, 0x5F, 0x34, 0x01, 0x01]).is_err());
    }

    #[test]
    fn dates_are_read_from_either_place() {
        assert_eq!(facts(&[(0x5F24, &[0x30, 0x12, 0x31])]).expiry(), Ok(Some((2030, 12, 31))));
        assert_eq!(facts(&[(0x57, TRACK)]).expiry(), Ok(Some((2030, 12, 31))));
        assert_eq!(facts(&[(0x5F24, &[0x30, 0x13, 0x31])]).expiry(), Err(TapFailure::CardFaulty));
        assert_eq!(facts(&[(0x5A, PAN)]).expiry(), Ok(None));
    }
}
