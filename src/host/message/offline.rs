//! Requests without a customer waiting: the upload of a payment accepted offline (0220, 0221) and the script report (0620).
//!
//! Owns: their fields, and which organisation a card belongs to. Must not know: when they are due, or how often they were
//! tried. Protocol reference §2: kind 30 of the 0220 messages, field 61, and "0620 script result".

use super::Kind;
use super::request::{RequestError, Writer, card_details};
use crate::codec::iso8583::Message;
use crate::codec::tlv::{Tag, find};
use crate::domain::ids::Stan;
use crate::domain::offline::{OfflineSale, ScriptReport};
use crate::domain::pan::Pan;
use crate::host::profile::RepeatMark;

/// Field 60.3 of a script report.
const SCRIPT_RESULT: &str = "951";
/// Batch, trace and date of the original in field 61 of a payment that has none.
const NO_ORIGINAL: &str = "0000000000000000";

impl Writer<'_> {
    /// How an upload is marked that may have been sent before.
    pub(super) fn upload_kind(&self, repeat: bool) -> Kind {
        Kind::OfflineSale { marked: repeat && self.profile.offline.repeat == RepeatMark::Marked }
    }

    /// No track and no PIN fields: neither is kept after the card has gone.
    pub(super) fn offline_sale(&self, kind: Kind, sale: &OfflineSale) -> Result<Message, RequestError> {
        let settings = &self.profile.offline;
        let mut message = self.start(kind)?;
        message.set_digits(2, sale.pan.expose())?;
        self.payment(&mut message, sale.stan, sale.money, false)?;
        self.purpose(&mut message, "30", sale.batch)?;
        card_details(&mut message, sale.expiry.as_deref(), sale.sequence_number)?;
        if !sale.tags.expose().is_empty() {
            message.set_bytes(55, sale.tags.expose())?;
        }
        message.set_digits(61, &format!("{NO_ORIGINAL}{}", settings.auth_mode))?;
        let organisation = settings.card_org.as_deref().unwrap_or_else(|| card_org(&sale.pan, sale.tags.expose()));
        message.set_text(63, organisation)?;
        self.seal(message)
    }

    /// No field 25: the reference does not list it.
    pub(super) fn script_report(&self, stan: Stan, report: &ScriptReport) -> Result<Message, RequestError> {
        let (trace, batch, date) = &report.original;
        let mut message = self.start(Kind::ScriptReport)?;
        message.set_digits(2, report.pan.expose())?;
        self.payment(&mut message, stan, report.money, report.pin_sent)?;
        card_details(&mut message, None, report.sequence_number)?;
        if let Some(acquirer) = &report.acquirer {
            message.set_digits(32, acquirer)?;
        }
        if let Some(rrn) = &report.rrn {
            message.set_text(37, rrn.as_str())?;
        }
        if let Some(code) = &report.auth_code {
            message.set_text(38, code.as_str())?;
        }
        if !report.tags.expose().is_empty() {
            message.set_bytes(55, report.tags.expose())?;
        }
        message.set_digits(60, &self.long_f60("00", *batch, SCRIPT_RESULT))?;
        message.set_digits(61, &format!("{batch}{trace}{date}"))?;
        self.seal(message)
    }
}

/// Whose card it is: the application says so, else the number. What belongs to no other organisation is UnionPay's.
fn card_org(pan: &Pan, tags: &[u8]) -> &'static str {
    let application = find(tags, &[Tag(0x84)]).ok().flatten().unwrap_or_default();
    by_application(application).unwrap_or_else(|| by_number(pan.expose()))
}

fn by_application(aid: &[u8]) -> Option<&'static str> {
    Some(match aid {
        [0xA0, 0, 0, 0x03, 0x33, ..] => "CUP",
        [0xA0, 0, 0, 0, 0x03, ..] => "VIS",
        [0xA0, 0, 0, 0, 0x04, 0x30, 0x60, ..] => "MAE",
        [0xA0, 0, 0, 0, 0x04, ..] => "MCC",
        [0xA0, 0, 0, 0, 0x25, ..] => "AMX",
        [0xA0, 0, 0, 0, 0x65, ..] => "JCB",
        [0xA0, 0, 0, 0x01, 0x52, ..] => "DCC",
        _ => return None,
    })
}

fn by_number(pan: &str) -> &'static str {
    let first = pan.get(..4).and_then(|digits| digits.parse::<u16>().ok()).unwrap_or_default();
    match first {
        4000..=4999 => "VIS",
        2221..=2720 | 5100..=5599 => "MCC",
        3400..=3499 | 3700..=3799 => "AMX",
        3528..=3589 => "JCB",
        3000..=3099 | 3600..=3699 | 3800..=3999 => "DCC",
        _ => "CUP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(pan: &str, tags: &[u8]) -> &'static str {
        card_org(&Pan::new(pan).unwrap(), tags)
    }

    #[test]
    fn the_application_says_more_than_the_number() {
        let double_branded = [0x84, 7, 0xA0, 0, 0, 0x03, 0x33, 1, 1];
        assert_eq!(org("4000000000000002", &double_branded), "CUP");
        assert_eq!(org("4000000000000002", &[]), "VIS");
        let maestro = [0x84, 7, 0xA0, 0, 0, 0, 0x04, 0x30, 0x60];
        assert_eq!(org("6200000000000000018", &maestro), "MAE");
    }

    #[test]
    fn an_unknown_or_broken_application_leaves_it_to_the_number() {
        for tags in [&[0x84, 5, 0xD1, 0x56, 0, 0, 1][..], &[0x84, 9, 0xA0], &[0x84, 0]] {
            assert_eq!(org("5100000000000008", tags), "MCC");
            assert_eq!(org("6200000000000000018", tags), "CUP");
        }
    }

    #[test]
    fn numbers_of_no_other_organisation_are_unionpays() {
        for (pan, expected) in [
            ("2221000000000009", "MCC"),
            ("2720990000000007", "MCC"),
            ("2721000000000000", "CUP"),
            ("340000000000009", "AMX"),
            ("370000000000002", "AMX"),
            ("3528000000000007", "JCB"),
            ("36000000000008", "DCC"),
            ("8100000000000000", "CUP"),
            ("9558800000000000000", "CUP"),
        ] {
            assert_eq!(org(pan, &[]), expected, "{pan}");
        }
    }
}
