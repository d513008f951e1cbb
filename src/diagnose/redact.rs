//! The last look at a text before it leaves the machine in a report: whatever may be a card number is masked.
//!
//! Owns: what counts as one. Texts of the daemon hold none; this is for what other programs and people wrote.

use crate::domain::ids::TransactionCode;

/// Digits of a card number.
const CARD: std::ops::RangeInclusive<usize> = 13..=19;
/// Digits of a printed group: `6200 0000 0000 0000 018`.
const PRINTED: usize = 4;

/// The text with every run of 13 to 19 digits that passes the Luhn check masked, and every longer run that
/// is no transaction code. Blanks or dashes between groups of four digits and more do not hide one.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let (run, after) = from.split_at(run_length(from));
        if is_open(run) {
            out.push_str(run)
        } else {
            out.push_str(&hidden(run))
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Bytes of digits from the start on, with single blanks and dashes between printed groups.
fn run_length(text: &str) -> usize {
    let mut end = 0;
    let mut group = 0;
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' => {
                group += 1;
                end = at + 1;
            }
            ' ' | '-' if group >= PRINTED && end == at => group = 0,
            _ => break,
        }
    }
    end
}

fn is_open(run: &str) -> bool {
    let digits: Vec<u8> = run.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    if digits.len() > *CARD.end() {
        return run.parse::<TransactionCode>().is_ok();
    }
    !(CARD.contains(&digits.len()) && luhn(&digits))
}

/// First six and last four stay where that is a card number, as everywhere; of a longer run only its length.
fn hidden(run: &str) -> String {
    let digits: String = run.chars().filter(char::is_ascii_digit).collect();
    match (digits.get(..6), digits.get(digits.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if CARD.contains(&digits.len()) => format!("{head}******{tail}"),
        _ => format!("<{} digits>", digits.len()),
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(place, digit)| weighed(place, *digit)).sum();
    sum.is_multiple_of(10)
}

fn weighed(place: usize, digit: u8) -> u32 {
    let doubled = u32::from(digit) * if place % 2 == 1 { 2 } else { 1 };
    doubled / 10 + doubled % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_masked_however_they_are_written() {
        for (given, wanted) in [
            ("card 6200000000000000018 ok", "card 620000******0018 ok"),
            ("card 6200 0000 0000 0000 018.", "card 620000******0018."),
            ("4000-0000-0000-0002", "400000******0002"),
            ("6200000000000000018D30122010000000000000", "620000******0018D<20 digits>"),
            ("pan=4000000000000002,", "pan=400000******0002,"),
        ] {
            assert_eq!(mask(given), wanted);
        }
    }

    #[test]
    fn what_is_no_card_number_stays() {
        for text in [
            "2026-11-27 08:29:40 UTC",
            "trace 000012 batch 000001 RRN 123456789012",
            "merchant 999000000000001",
            "4000000000000003 fails the check",
            "签到成功",
            "",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn a_run_that_is_longer_than_any_card_number_may_hold_one() {
        assert_eq!(mask("06200000000000000018000000000100"), "<32 digits>");
    }
}
