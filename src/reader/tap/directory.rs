//! The card's list of applications and which of them to try.
//!
//! Owns: reading the PPSE, matching, order. Must not know: what happens once an application is selected.
//! Follows: EMV Contactless Book B §3.3.

use crate::codec::tlv::{self, Object, Tag, TlvError};
use crate::domain::card::Scheme;
use crate::reader::tap::settings::{AcceptedApplication, kernel};

/// More entries than any card has.
const MAX_ENTRIES: usize = 32;

/// An application to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) scheme: Scheme,
    /// The name to select by.
    pub(super) aid: Vec<u8>,
    /// Tag 9F09 for it.
    pub(super) version: [u8; 2],
}

/// The applications that both sides have, best first: by the card's priority, then by the terminal's order.
pub(super) fn candidates(ppse: &[u8], accepted: &[AcceptedApplication]) -> Result<Vec<Candidate>, TlvError> {
    tlv::check(ppse)?;
    let directory = tlv::find(ppse, &[Tag(0x6F), Tag(0xA5), Tag(0xBF0C)])?.unwrap_or_default();
    let entries = tlv::objects(directory).filter_map(Result::ok).filter(|o| o.tag == Tag(0x61)).take(MAX_ENTRIES);
    let mut ranked: Vec<_> = entries.filter_map(|entry| read_entry(&entry, accepted)).collect();
    // Stable: what is alike stays in the card's order.
    ranked.sort_by_key(|(priority, preference, _)| (*priority, *preference));
    Ok(ranked.into_iter().map(|(_, _, candidate)| candidate).collect())
}

/// The terminal's applications, to be tried by name on a card without a directory.
pub(super) fn direct(accepted: &[AcceptedApplication]) -> Vec<Candidate> {
    let by_name = |a: &AcceptedApplication| Candidate { scheme: a.scheme, aid: a.aid.clone(), version: a.version };
    accepted.iter().map(by_name).collect()
}

/// Priority, place in the terminal's order and the candidate, if the terminal has the entry's application.
fn read_entry(entry: &Object<'_>, accepted: &[AcceptedApplication]) -> Option<(u8, usize, Candidate)> {
    let field = |tag| entry.children().filter_map(Result::ok).find(|o| o.tag == Tag(tag)).map(|o| o.value);
    let aid = field(0x4F).filter(|aid| (5..=16).contains(&aid.len()))?;
    let (preference, own) = accepted.iter().enumerate().find(|(_, a)| aid.starts_with(&a.aid))?;
    if field(0x9F2A).is_some_and(|id| !same_kernel(id, own.scheme)) {
        return None;
    }
    // Low nibble: 1 is first; 0 is "no priority", which comes last.
    let priority = match field(0x87).and_then(|p| p.first()).map_or(0, |p| p & 0x0F) {
        0 => 16,
        p => p,
    };
    Some((priority, preference, Candidate { scheme: own.scheme, aid: aid.to_vec(), version: own.version }))
}

/// Whether an entry's kernel identifier names our kernel of the scheme; 0 leaves the choice to the terminal.
fn same_kernel(identifier: &[u8], scheme: Scheme) -> bool {
    match identifier.first() {
        None | Some(0) => true,
        Some(id) => *id == kernel(scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::tap::settings::TerminalSettings;

    const UNIONPAY: [u8; 8] = [0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01];
    const VISA: [u8; 7] = [0xA0, 0x00, 0x00, 0x00, 0x03, 0x10, 0x10];

    fn ppse(entries: &[(&[u8], Option<u8>, Option<u8>)]) -> Vec<u8> {
        let mut writer = tlv::Writer::new();
        writer.nest(Tag(0x6F), |fci| {
            fci.put(Tag(0x84), b"2PAY.SYS.DDF01").nest(Tag(0xA5), |own| {
                own.nest(Tag(0xBF0C), |list| {
                    for (aid, priority, kernel) in entries {
                        list.nest(Tag(0x61), |entry| {
                            entry.put(Tag(0x4F), aid);
                            if let Some(p) = priority {
                                entry.put(Tag(0x87), &[*p]);
                            }
                            if let Some(k) = kernel {
                                entry.put(Tag(0x9F2A), &[*k]);
                            }
                        });
                    }
                });
            });
        });
        writer.as_bytes().to_vec()
    }

    fn schemes(entries: &[(&[u8], Option<u8>, Option<u8>)]) -> Vec<&'static str> {
        let found = candidates(&ppse(entries), &TerminalSettings::known_applications()).unwrap();
        found.iter().map(|c| c.scheme.as_str()).collect()
    }

    #[test]
    fn the_cards_priority_decides_and_the_terminals_order_breaks_ties() {
        assert_eq!(schemes(&[(&VISA, Some(1), None), (&UNIONPAY, Some(2), None)]), ["visa", "unionpay"]);
        assert_eq!(schemes(&[(&VISA, Some(1), None), (&UNIONPAY, Some(1), None)]), ["unionpay", "visa"]);
        assert_eq!(schemes(&[(&VISA, None, None), (&UNIONPAY, Some(15), None)]), ["unionpay", "visa"]);
    }

    #[test]
    fn a_longer_name_matches_by_its_beginning_and_is_selected_whole() {
        let long = [&UNIONPAY[..], &[0x01, 0x02]].concat();
        let found = candidates(&ppse(&[(&long, Some(1), None)]), &TerminalSettings::known_applications()).unwrap();
        assert_eq!(found.first().map(|c| c.aid.clone()), Some(long));
    }

    #[test]
    fn an_entry_for_another_kernel_is_passed_over() {
        assert_eq!(schemes(&[(&VISA, Some(1), Some(3)), (&UNIONPAY, Some(1), Some(3))]), ["visa"]);
        assert_eq!(schemes(&[(&VISA, Some(1), Some(0))]), ["visa"]);
    }

    #[test]
    fn unknown_short_and_missing_names_are_passed_over() {
        assert_eq!(schemes(&[(&[0xA0, 0, 0, 1, 0x52, 0x30, 0x10], Some(1), None), (&[0xA0], None, None)]), [""; 0]);
        assert!(candidates(&[0x6F, 0x05, 0xA5], &TerminalSettings::known_applications()).is_err());
    }
}
