//! 0220 and 0221: a payment that the terminal accepted without asking. The cardholder is charged exactly once for it.
//!
//! Owns: the order of the checks, and what a repeat is answered. Must not know: how the answer travels.
//!
//! Order: format 30, terminal 97, merchant 03, other kinds 40, MAC A0, already there 94 (or 00, as set); from here on
//! anew each time it comes until it is charged: forced code, currency A1, amount 13 or 61, card 14, expired 54, chip data
//! 30, cryptogram 59. The batch is the one it was accepted in, which may be over by now.

use super::centre::{Centre, Extras, Moment, field_44, forced_code, is_approval};
use super::ledger::{Entry, Kind, Status};
use super::request::{Card, Field60, Refusal, forbid, require, text};
use super::reversal::compare;
use super::sale::{Approval, check_entry};
use crate::codec::iso8583::Message;

impl Centre {
    pub(super) fn upload(&mut self, request: &Message, moment: &Moment<'_>) -> Result<Extras, Refusal> {
        require(request, &[2, 3, 4, 11, 22, 25, 41, 42, 49, 55, 60, 61, 63, 64])?;
        let field60 = Field60::financial(request)?;
        self.identify(request)?;
        let purpose = (text(request, 3)?, text(request, 25)?, field60.kind.as_str());
        if purpose != ("000000", "00", "30") {
            return Err(Refusal::new("40", "of the 0220 messages only the offline sale is offered here"));
        }
        // A track or a PIN must not be kept, so what comes later cannot have it.
        forbid(request, &[26, 35, 36, 37, 38, 39, 52, 53])?;
        check_origin(request)?;
        self.check_mac(request)?;
        let key = self.key(request, field60.batch)?;
        let there =
            self.ledger.find(&key).filter(|entry| (entry.kind, entry.status) != (Kind::Offline, Status::Declined));
        if let Some(entry) = there.cloned() {
            return self.already_there(request, moment, &entry);
        }
        if self.ledger.is_full() {
            return Err(Refusal::new("96", "the ledger is full"));
        }
        let card = self.card(request);
        let result = card.as_ref().map_err(Clone::clone).and_then(|card| self.accept(request, moment, card));
        self.conclude(request, moment, &key, Kind::Offline, card.as_ref().ok(), result)
    }

    fn accept(&self, request: &Message, moment: &Moment<'_>, card: &Card) -> Result<Approval, Refusal> {
        let (amount, code) = self.check_terms(request, moment, card)?;
        if code == "10" {
            return Err(Refusal::new("10", "a part of what is paid already cannot be approved"));
        }
        check_entry(request)?;
        check_organisation(request, card)?;
        self.check_chip(request, card)?;
        // No data for the card: it has gone.
        Ok(Approval { code, amount, chip: None })
    }

    /// Answers what is in the ledger already, and charges nothing.
    fn already_there(&mut self, request: &Message, moment: &Moment<'_>, entry: &Entry) -> Result<Extras, Refusal> {
        let code = match moment.plan.code {
            Some(_) => forced_code(moment.plan)?,
            None => self.settings.repeat_code.clone(),
        };
        self.counters.uploads_repeated += 1;
        if entry.kind != Kind::Offline || compare(request, entry).is_err() {
            self.counters.uploads_conflicting += 1;
        }
        // The host answers for what it has, so it signs also what is no approval.
        let mut extras = Extras { repeated: &[2, 14, 23], why: "already there", sign: true, code, ..Extras::default() };
        extras.text.push((37, entry.rrn.clone()));
        if is_approval(&extras.code) {
            extras.digits.push((15, entry.date.clone()));
            extras.text.extend([(38, entry.auth.clone()), (44, field_44())]);
        }
        Ok(extras)
    }
}

/// Field 61: no original, and how it was authorised.
fn check_origin(request: &Message) -> Result<(), Refusal> {
    match text(request, 61)?.split_at_checked(16) {
        Some(("0000000000000000", mode)) if mode.len() == 2 => Ok(()),
        _ => Err(Refusal::new("30", "field 61 of an upload must be 16 zeros and two digits")),
    }
}

/// Field 63: whose card it is.
fn check_organisation(request: &Message, card: &Card) -> Result<(), Refusal> {
    let organisation = text(request, 63)?;
    let good = match card.pan.starts_with("62") {
        true => organisation == "CUP",
        false => organisation.len() == 3 && organisation.bytes().all(|b| b.is_ascii_uppercase()),
    };
    if good { Ok(()) } else { Err(Refusal::new("30", "field 63 names no card organisation, or another one")) }
}
