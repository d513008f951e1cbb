//! The tables `[qr.unionpay]`, `[qr.alipay]`, `[qr.wechat]`: what customers' payment codes look like.
//!
//! Owns: their form. A scheme that is not named is not taken: its codes mean nothing at this terminal.

use std::ops::RangeInclusive;

use crate::domain::scan::{CodeRange, LONGEST_CODE, PayScheme};
use crate::host::settings::Section;

pub(super) fn read(qr: Section<'_>) -> Vec<CodeRange> {
    let mut ranges = Vec::new();
    for scheme in PayScheme::ALL {
        let table = qr.section(scheme.as_str());
        if table.present() {
            let prefixes = table.parsed("prefix", "two digits, or two with a - between: \"62\", \"25-30\"", prefix);
            let prefixes = table.need("prefix", prefixes, "prefix = \"25-30\"");
            let digits = table.parsed("digits", "how many digits: \"19\", \"16-24\"", digits);
            let digits = table.need("digits", digits, "digits = \"16-24\"");
            if let (Some(prefixes), Some(digits)) = (prefixes, digits) {
                ranges.push(CodeRange { scheme: *scheme, prefixes: prefixes.value, digits: digits.value });
            }
        }
        table.finish();
    }
    qr.finish();
    ranges
}

fn prefix(text: &str) -> Option<RangeInclusive<u8>> {
    span(text, |part| part.parse().ok().filter(|_| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())))
}

fn digits(text: &str) -> Option<RangeInclusive<usize>> {
    span(text, |part| part.parse().ok().filter(|n| (8..=LONGEST_CODE).contains(n)))
}

/// One value, or two with a dash between.
fn span<T: PartialOrd + Copy>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<RangeInclusive<T>> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (read(low)?, read(high)?);
    (low <= high).then_some(low..=high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_strictly() {
        assert_eq!(prefix("62"), Some(62..=62));
        assert_eq!(prefix("25-30"), Some(25..=30));
        assert_eq!(digits("16-24"), Some(16..=24));
        for wrong in ["", "6", "625", "30-25", "a-b", "25-", "-30", "25-30-31", "+5"] {
            assert_eq!(prefix(wrong), None, "{wrong}");
        }
        for wrong in ["", "7", "24-16", "999", "x"] {
            assert_eq!(digits(wrong), None, "{wrong}");
        }
    }
}
