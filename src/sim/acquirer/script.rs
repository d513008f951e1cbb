//! 0620: what became of a script that the answer to a sale held for the card.
//!
//! Owns: how the sale is found and compared, which reports are counted. Must not know: how the answer travels.
//!
//! Order: format 30, terminal 97, merchant 03, other codes 40, MAC A0, forced code, sale unknown or never charged 25,
//! another amount 64, another card, approval, reference or date 22, a trace that is used already or a second report 94.

use super::card_check::value;
use super::centre::{ACQUIRER_ID, Centre, Extras, Moment, forced_code, is_approval};
use super::ledger::{Entry, Key, Kind, Status};
use super::request::{Field60, Refusal, forbid, require, text};
use super::reversal::compare;
use crate::codec::iso8583::Message;
use crate::codec::tlv::{self, Tag};

/// The tags that field 55 of a report must have.
const MANDATORY: [Tag; 8] =
    [Tag(0x95), Tag(0x9F10), Tag(0x9F26), Tag(0x9F36), Tag(0x82), Tag(0xDF31), Tag(0x9F1A), Tag(0x9A)];

impl Centre {
    pub(super) fn script_report(&mut self, request: &Message, moment: &Moment<'_>) -> Result<Extras, Refusal> {
        require(request, &[2, 3, 4, 11, 22, 32, 37, 38, 41, 42, 49, 55, 60, 61, 64])?;
        let field60 = Field60::financial(request)?;
        self.identify(request)?;
        if (field60.kind.as_str(), field60.code.as_str()) != ("00", "951") {
            return Err(Refusal::new("40", "of the 0620 messages only the script result is offered here"));
        }
        forbid(request, &[26, 35, 36, 39, 52, 53])?;
        self.check_mac(request)?;
        let tags = request.bytes(55).unwrap_or_default();
        if tlv::check(tags).is_err() || MANDATORY.into_iter().any(|tag| value(tags, tag).is_none()) {
            return Err(Refusal::new("30", "field 55 is no TLV or lacks a mandatory tag"));
        }
        let code = forced_code(moment.plan)?;
        let own = self.key(request, field60.batch)?;
        let (sale, date) = self.original(request)?;
        let entry =
            self.ledger.find(&sale).filter(|entry| entry.kind == Kind::Online && entry.status != Status::Declined);
        let entry = entry.ok_or(Refusal::new("25", "no charge with this batch and trace"))?;
        compare(request, entry)?;
        check_reference(request, entry, &date)?;
        if self.ledger.find(&own).is_some() {
            return Err(Refusal::new("94", "a report needs a trace of its own"));
        }
        match self.scripts.insert(sale, true) {
            Some(true) => {
                self.counters.script_reports_repeated += 1;
                return Err(Refusal::new("94", "this sale was reported on already"));
            }
            Some(false) => {}
            None => self.counters.script_reports_unasked += 1,
        }
        self.counters.script_reports += 1;
        Ok(Extras { sign: is_approval(&code), code, ..Extras::default() })
    }

    /// The sale that field 61 names, and its date.
    fn original(&self, request: &Message) -> Result<(Key, String), Refusal> {
        let wrong = || Refusal::new("30", "field 61 of a report must be batch, trace and date");
        let digits = text(request, 61)?;
        let number = |range| digits.get(range).and_then(|digits: &str| digits.parse::<u32>().ok()).ok_or_else(wrong);
        let date = digits.get(12..16).filter(|_| digits.len() == 16).ok_or_else(wrong)?;
        let key = Key { terminal: self.settings.terminal.clone(), batch: number(0..6)?, trace: number(6..12)? };
        Ok((key, date.to_owned()))
    }
}

/// Whether the report names the answer to the sale.
fn check_reference(request: &Message, entry: &Entry, date: &str) -> Result<(), Refusal> {
    if text(request, 37)? != entry.rrn || text(request, 32)? != ACQUIRER_ID || date != entry.date {
        return Err(Refusal::new("22", "reference, acquirer or date differs from the sale's"));
    }
    Ok(())
}
