//! 0200 purchases: every check a host makes, then the charge.
//!
//! Owns: the order of the checks, card, PIN and cryptogram. Must not know: how the answer travels.
//!
//! Order: format 30, terminal 97, merchant 03, MAC A0, batch 77, duplicate 94; from here on the trace is used up:
//! forced code, currency A1, amount 13 or 61, card 14, expired 54, chip data 30, PIN 99 or 55, cryptogram 59.

use super::card_check::{self, Session};
use super::centre::{Centre, Extras, Moment, field_44, forced_code, is_approval};
use super::forced::{Forced, by_amount};
use super::ledger::{Entry, Key, Kind, Status};
use super::request::{Card, Field60, Refusal, forbid, number, require, text};
use crate::codec::iso8583::Message;
use crate::codec::tlv::{self, Tag, Writer};
use crate::domain::pan::Pan;
use crate::sim::crypto::{PinCheck, check_pin, decrypt_track};

/// Fields of the request that an approval repeats besides the usual ones.
const ON_APPROVAL: &[u8] = &[2, 14, 23];

/// A script for the card: unblock the PIN. No card of the simulation would obey.
const SCRIPT: [u8; 22] = [
    0x9F, 0x18, 0x04, 0x00, 0x00, 0x00, 0x01, // its number
    0x86, 0x0D, 0x84, 0x24, 0x00, 0x00, 0x08, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x18, // its command
];

/// A payment that passed every check.
pub(super) struct Approval {
    pub code: String,
    pub amount: u64,
    /// Field 55 of the answer.
    pub chip: Option<Vec<u8>>,
}

impl Centre {
    pub(super) fn sale(&mut self, request: &Message, moment: &Moment<'_>) -> Result<Extras, Refusal> {
        require(request, &[3, 4, 11, 22, 25, 41, 42, 49, 60, 64])?;
        let field60 = Field60::financial(request)?;
        self.identify(request)?;
        let purpose = (text(request, 3)?, text(request, 25)?, field60.kind.as_str());
        if purpose != ("000000", "00", "22") {
            return Err(Refusal::new("40", "of the 0200 messages only the purchase is offered here"));
        }
        forbid(request, &[37, 38, 39, 61])?;
        self.check_mac(request)?;
        if field60.batch != self.batch {
            return Err(Refusal::new("77", "the terminal is in another batch"));
        }
        let key = self.key(request, field60.batch)?;
        if self.ledger.find(&key).is_some() {
            self.counters.duplicates_refused += 1;
            return Err(Refusal::new("94", "this trace has been decided already"));
        }
        if self.ledger.is_full() {
            return Err(Refusal::new("96", "the ledger is full"));
        }
        let card = self.card(request);
        let result = card.as_ref().map_err(Clone::clone).and_then(|card| self.authorise(request, moment, card));
        let extras = self.conclude(request, moment, &key, Kind::Online, card.as_ref().ok(), result)?;
        let carries = |field| extras.bytes.iter().any(|(number, _)| *number == field);
        if moment.plan.script.is_some() && carries(55) {
            self.counters.scripts_issued += 1;
            self.scripts.insert(key, false);
        }
        Ok(extras)
    }

    /// Writes what was decided into the ledger and makes the answer of it.
    pub(super) fn conclude(
        &mut self,
        request: &Message,
        moment: &Moment<'_>,
        key: &Key,
        kind: Kind,
        card: Option<&Card>,
        result: Result<Approval, Refusal>,
    ) -> Result<Extras, Refusal> {
        let amount = number(request, 4)?;
        let pan = card.and_then(|card| Pan::new(&card.pan));
        let mut entry = Entry {
            at: moment.wall.0,
            kind,
            status: Status::Declined,
            pan: pan.map(|pan| pan.masked()).unwrap_or_default(),
            amount,
            asked: amount,
            currency: text(request, 49)?.to_owned(),
            rrn: moment.rrn.clone(),
            auth: String::new(),
            date: moment.date(),
            code: String::new(),
        };
        let mut extras = match result {
            Ok(approval) => {
                entry.status = Status::Charged;
                entry.amount = approval.amount;
                entry.auth = format!("{:06}", self.auth_number());
                Self::approval(approval, &entry)
            }
            Err(Refusal { code, why }) => Extras { code, why, ..Extras::default() },
        };
        entry.code.clone_from(&extras.code);
        extras.record = Some(self.ledger.write(key.clone(), entry));
        Ok(extras)
    }

    fn auth_number(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.entropy)(&mut bytes);
        u32::from_be_bytes(bytes) % 999_999 + 1
    }

    fn approval(approval: Approval, entry: &Entry) -> Extras {
        let mut extras = Extras {
            repeated: ON_APPROVAL,
            // A charge that is answered with a refusing code looks like a refusal.
            sign: is_approval(&approval.code),
            code: approval.code,
            ..Extras::default()
        };
        if extras.sign {
            extras.digits = vec![(15, entry.date.clone()), (4, approval.amount.to_string())];
            let organisation = if entry.pan.starts_with("62") { "CUP" } else { "OTH" };
            extras.text = vec![(38, entry.auth.clone()), (44, field_44()), (63, organisation.to_owned())];
            extras.bytes = approval.chip.map(|chip| (55, chip)).into_iter().collect();
        }
        extras
    }

    /// Who pays. The track is deciphered first if field 53 says so.
    pub(super) fn card(&self, request: &Message) -> Result<Card, Refusal> {
        let enciphered = request.text(53).is_some_and(|digits| digits.as_bytes().get(2) == Some(&b'1'));
        match (request.text(35), enciphered) {
            (Some(track), true) => {
                let key = self.keys.as_ref().and_then(|keys| keys.tdk.as_ref());
                let key = key.ok_or(Refusal::new("30", "track 2 is enciphered, but there is no track key"))?;
                let clear = decrypt_track(key, track).ok_or(Refusal::new("30", "track 2 is too short"))?;
                Card::read(request, Some(&clear))
            }
            (track, _) => Card::read(request, track),
        }
    }

    fn authorise(&self, request: &Message, moment: &Moment<'_>, card: &Card) -> Result<Approval, Refusal> {
        let (amount, code) = self.check_terms(request, moment, card)?;
        check_entry(request)?;
        self.check_pin(request, card)?;
        self.check_chip(request, card)?;
        let chip = self.chip_answer(request, card, &code, moment.plan.script);
        // A partial approval is for half the amount.
        let amount = if code == "10" { amount.div_ceil(2) } else { amount };
        Ok(Approval { code, amount, chip })
    }

    /// The amount asked for, and the approving code to be answered.
    pub(super) fn check_terms(
        &self,
        request: &Message,
        moment: &Moment<'_>,
        card: &Card,
    ) -> Result<(u64, String), Refusal> {
        let amount = number(request, 4)?;
        let mut code = forced_code(moment.plan)?;
        if let (None, Some(Forced::Code(forced))) = (&moment.plan.code, by_amount(amount, self.settings.late)) {
            if !is_approval(&forced) {
                return Err(Refusal::new(&forced, "as the amount asks for"));
            }
            code = forced;
        }
        if text(request, 49)? != "156" {
            return Err(Refusal::new("A1", "another currency than 156"));
        }
        if amount == 0 {
            return Err(Refusal::new("13", "amount zero"));
        }
        if amount > self.settings.max_amount {
            return Err(Refusal::new("61", "above the limit of one sale"));
        }
        let this_month = format!("{:02}{:02}", moment.local.year % 100, moment.local.month);
        if card.expiry.as_ref().is_some_and(|expiry| *expiry < this_month) {
            return Err(Refusal::new("54", "the card has expired"));
        }
        Ok((amount, code))
    }

    fn check_pin(&self, request: &Message, card: &Card) -> Result<(), Refusal> {
        let Some(block) = request.bytes(52) else { return Ok(()) };
        require(request, &[26, 53])?;
        let malformed = |why| Refusal::new("99", why);
        let Some(keys) = &self.keys else { return Err(malformed("no PIN key")) };
        let length = if keys.pik.expose().len() == 16 { "6" } else { "0" };
        let control = text(request, 53)?;
        if control.get(1..2) != Some(length) {
            return Err(malformed("field 53 names another cipher than the PIN key's"));
        }
        let pan = match control.get(..1) {
            Some("1") => None,
            Some("2") => Some(card.pan.as_str()),
            _ => return Err(malformed("field 53 names no PIN format")),
        };
        let block = block.try_into().map_err(|_| malformed("field 52 is no block"))?;
        match check_pin(&keys.pik, block, pan, &self.settings.pin) {
            PinCheck::Right => Ok(()),
            PinCheck::Wrong => Err(Refusal::new("55", "another PIN")),
            PinCheck::Malformed => Err(malformed("field 52 does not decipher to a PIN block")),
        }
    }

    /// Whether field 55, if there is one, can be what a card gave for this payment.
    pub(super) fn check_chip(&self, request: &Message, card: &Card) -> Result<(), Refusal> {
        let Some(tags) = request.bytes(55) else { return Ok(()) };
        let value = |tag| card_check::value(tags, Tag(tag));
        if tlv::check(tags).is_err() {
            return Err(Refusal::new("30", "field 55 is no TLV"));
        }
        if card_check::MANDATORY.into_iter().any(|tag| card_check::value(tags, tag).is_none()) {
            return Err(Refusal::new("30", "field 55 lacks a mandatory tag"));
        }
        let amount = value(0x9F02).unwrap_or_default().iter().fold(String::new(), |text, b| format!("{text}{b:02X}"));
        if amount != text(request, 4)? {
            return Err(Refusal::new("30", "tag 9F02 and field 4 differ"));
        }
        let genuine = || self.session(card, tags).is_some_and(|session| session.is_genuine(tags));
        if self.settings.check_arqc && !genuine() {
            return Err(Refusal::new("59", "the card's cryptogram is not genuine"));
        }
        Ok(())
    }

    /// Field 55 of the answer, if the request has one.
    fn chip_answer(&self, request: &Message, card: &Card, code: &str, script: Option<u8>) -> Option<Vec<u8>> {
        let tags = request.bytes(55)?;
        let mut answer = Writer::new();
        answer.put(Tag(0x9F36), card_check::value(tags, Tag(0x9F36)).unwrap_or_default());
        let response = code.as_bytes().try_into().unwrap_or(*b"00");
        if let Some(proof) = self.session(card, tags).and_then(|session| session.authentication(tags, response)) {
            answer.put(Tag(0x91), &proof);
        }
        answer.put(Tag(0x8A), &response);
        if let Some(template) = script {
            answer.put(Tag(template.into()), &SCRIPT);
        }
        Some(answer.finish().to_vec())
    }

    fn session(&self, card: &Card, tags: &[u8]) -> Option<Session> {
        Session::new(&self.settings.card_key, &card.pan, card.sequence, tags)
    }
}

/// Whether field 22 goes with the fields that are there.
pub(super) fn check_entry(request: &Message) -> Result<(), Refusal> {
    let mode = text(request, 22)?;
    let chip = matches!(mode.get(..2), Some("05" | "07"));
    if chip != request.has(55) {
        return Err(Refusal::new("30", "field 55 does not go with the entry mode"));
    }
    let pin = mode.ends_with('1');
    if (pin || mode.ends_with('2')) && pin != request.has(52) {
        return Err(Refusal::new("30", "field 52 does not go with the entry mode"));
    }
    Ok(())
}
