//! The acquirer: who was charged what, by books of its own. It decides by chance, but it keeps its word: a request that it
//! has seen is never taken for a new one, and a payment whose reversal came first is not charged any more.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::message::{Body, Charged, Message, Trace};
use super::responses::{ANYTHING, APPROVALS, PERMANENT, REFUSALS, TEMPORARY, at_sign_in, response};
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, HostTime, KeyCheck, MacCheck, ProcessingRequest, SaleAnswer, SignInAnswer};
use crate::domain::ids::{AuthCode, Batch, Rrn};
use crate::domain::time::WallTime;

/// What the acquirer has on one payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Minor units.
    pub minor: u64,
    /// Which card.
    pub card: usize,
    /// How often the cardholder was charged for it.
    pub times: u32,
    /// Whether it was taken back.
    pub reversed: bool,
    /// Whether it came as an upload.
    pub offline: bool,
    /// What it was answered with for good.
    word: Option<&'static str>,
}

impl Entry {
    /// Whether the cardholder is out of pocket.
    pub fn charged(&self) -> bool {
        self.times > 0 && !self.reversed
    }
}

/// The host and its books.
pub struct Acquirer {
    /// By batch and trace.
    pub books: BTreeMap<Trace, Entry>,
    /// Counts changes of the books.
    pub changes: u64,
    batch: u32,
    /// The number of the working keys in force.
    keys: u32,
    /// Answers everything as well as it can.
    pub calm: bool,
    /// How wrong its clock is, in seconds.
    pub clock_error: i64,
    utc_offset_minutes: i16,
}

impl Acquirer {
    /// With empty books.
    pub fn new(utc_offset_minutes: i16) -> Self {
        let books = BTreeMap::new();
        Self { books, changes: 0, batch: 7, keys: 0, calm: false, clock_error: 0, utc_offset_minutes }
    }

    /// It forgets the working keys: a restart of its security module.
    pub fn lose_keys(&mut self) {
        self.keys += 1;
    }

    fn chance(&self, dice: &mut Dice, percent: u64) -> bool {
        !self.calm && dice.percent(percent)
    }

    /// A request has come in; what it is answered.
    pub fn take(&mut self, message: &Message, right_master: bool, now: u64, dice: &mut Dice) -> HostAnswer {
        let stale = message.has_mac() && message.keys != Some(self.keys);
        match &message.body {
            Body::SignIn(_) => self.sign_in(right_master, now, dice),
            Body::SignOut(_) => HostAnswer::SignOut(response("00")),
            Body::Echo => HostAnswer::Echo(response("00")),
            Body::Sale(charged, _) => {
                let code = if stale { "A0" } else { self.sale(charged, dice) };
                HostAnswer::Sale(self.parts(code, charged, dice))
            }
            Body::Offline(charged, _) => {
                let code = if stale { "A0" } else { self.upload(charged, dice) };
                HostAnswer::OfflineSale(self.parts(code, charged, dice))
            }
            Body::Reversal(charged, _) => {
                let code = if stale { "A0" } else { self.reversal(charged, dice) };
                let mac = self.mac(code, dice);
                HostAnswer::Reversal { response: response(code), mac, asks: self.asks(dice) }
            }
            Body::Script(..) => HostAnswer::ScriptReport(response(if stale { "A0" } else { "00" })),
        }
    }

    fn sign_in(&mut self, right_master: bool, now: u64, dice: &mut Dice) -> HostAnswer {
        let good = !self.chance(dice, 10);
        let code = if good { "00" } else { dice.one_of(REFUSALS) };
        let keys = if code != "00" {
            KeyCheck::NotSent
        } else if !right_master {
            KeyCheck::Bad { cause: Cause::K03, evidence: "PIK: check value differs".to_owned() }
        } else if self.chance(dice, 4) {
            let cause = dice.one_of([Cause::K03, Cause::K05]);
            KeyCheck::Bad { cause, evidence: "key block damaged".to_owned() }
        } else {
            self.keys += 1;
            KeyCheck::Good { wrapped: self.keys.to_be_bytes().to_vec() }
        };
        if self.chance(dice, 5) {
            self.batch = (self.batch + 1) % 999_990 + 1;
        }
        let off = self.clock_error.unsigned_abs() * 1_000_000;
        let theirs = if self.clock_error < 0 { now.saturating_sub(off) } else { now.saturating_add(off) };
        let civil = WallTime(theirs).civil(self.utc_offset_minutes);
        let host_time = HostTime {
            month: civil.month,
            day: civil.day,
            hour: civil.hour,
            minute: civil.minute,
            second: civil.second,
        };
        HostAnswer::SignIn(SignInAnswer {
            response: at_sign_in(code),
            batch: Batch::new(self.batch),
            host_time: Some(host_time),
            keys,
            asks: self.asks(dice),
        })
    }

    fn sale(&mut self, charged: &Charged, dice: &mut Dice) -> &'static str {
        if let Some(known) = self.books.get(&charged.trace) {
            // The same request again, or one whose reversal came first.
            return known.word.unwrap_or("22");
        }
        let code = if !self.chance(dice, 25) { dice.one_of(APPROVALS) } else { dice.one_of(ANYTHING) };
        // 68 and 10: the issuer has been asked, and nobody knows the whole of it.
        let times = match code {
            "68" => u32::from(dice.percent(50)),
            "10" => 1,
            code => u32::from(APPROVALS.contains(&code)),
        };
        self.enter(charged, Entry { times, word: Some(code), ..Entry::default() });
        code
    }

    fn upload(&mut self, charged: &Charged, dice: &mut Dice) -> &'static str {
        match self.books.get(&charged.trace) {
            Some(known) if known.times > 0 => return dice.one_of(["94", "94", "00"]),
            // A refusal for good stays one, most of the time.
            Some(known) if known.word.is_some() && !self.calm && dice.percent(80) => return known.word.unwrap_or("05"),
            _ => {}
        }
        if self.chance(dice, 12) {
            return dice.one_of(TEMPORARY);
        }
        let code = if self.chance(dice, 15) { dice.one_of(PERMANENT) } else { "00" };
        let times = u32::from(code == "00");
        self.enter(charged, Entry { times, offline: true, word: Some(code), ..Entry::default() });
        code
    }

    fn reversal(&mut self, charged: &Charged, dice: &mut Dice) -> &'static str {
        // It may do the work and still answer that it failed, or fail before it.
        if self.chance(dice, 10) {
            return dice.one_of(TEMPORARY);
        }
        self.changes += 1;
        let known = self.books.entry(charged.trace).or_insert(Entry {
            minor: charged.minor,
            card: charged.card,
            ..Entry::default()
        });
        let there = known.times > 0 && !known.reversed;
        known.reversed = true;
        if self.chance(dice, 8) {
            return dice.one_of(TEMPORARY);
        }
        if there { dice.one_of(["00", "00", "11"]) } else { dice.one_of(["00", "25", "12", "22", "94"]) }
    }

    fn enter(&mut self, charged: &Charged, entry: Entry) {
        self.changes += 1;
        self.books.insert(charged.trace, Entry { minor: charged.minor, card: charged.card, ..entry });
    }

    fn mac(&self, code: &str, dice: &mut Dice) -> MacCheck {
        if !response(code).approved() {
            return MacCheck::NotDue;
        }
        if self.chance(dice, 5) { MacCheck::Bad } else { MacCheck::Good }
    }

    fn parts(&self, code: &'static str, charged: &Charged, dice: &mut Dice) -> SaleAnswer {
        SaleAnswer {
            response: response(code),
            rrn: Rrn::new(&format!("{:012}", charged.trace.1)),
            auth_code: AuthCode::new("A1B2C3"),
            settlement_date: None,
            card_org: None,
            issuer: None,
            host_date: Some("1124".to_owned()),
            acquirer: None,
            issuer_script: self.chance(dice, 10),
            mac: self.mac(code, dice),
            asks: self.asks(dice),
        }
    }

    fn asks(&self, dice: &mut Dice) -> ProcessingRequest {
        if self.chance(dice, 8) {
            return dice.pick(ProcessingRequest::ALL).copied().unwrap_or(ProcessingRequest::None);
        }
        ProcessingRequest::None
    }
}
