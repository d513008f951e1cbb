//! The acquirer's centre: one request in, one decision and its answer out.
//!
//! Owns: working keys, batch, ledger, counters, reference numbers; sign-in, sign-out, echo. Must not know: the wire,
//! connections, faults but for those it is told to put into an answer. Sales, uploads, reversals and script reports are in
//! the modules of those names.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fault::Plan;
use super::keys::{Entropy, WorkingKeys};
use super::ledger::{self, Key, Kind, Ledger, Totals};
use super::request::{Field60, Refusal, number, require, text};
use super::settings::{KeyForm, Settings};
use crate::codec::iso8583::{EncodeError, Message, Mti, Value};
use crate::domain::time::{Civil, WallTime};
use crate::sim::crypto::mac;

/// The acquirer's id in field 32 and in the second half of field 44.
pub(super) const ACQUIRER_ID: &str = "00010000";
/// The issuer's id in the first half of field 44.
const ISSUER_ID: &str = "01020000";
/// Fields that an answer repeats from its request.
const REPEATED: [u8; 8] = [3, 4, 11, 25, 41, 42, 49, 60];

/// Response codes after which the cardholder pays.
pub fn is_approval(code: &str) -> bool {
    matches!(code, "00" | "10" | "11" | "A2" | "A4" | "A5" | "A6")
}

/// What was counted, besides the money.
#[derive(Default, Serialize)]
pub struct Counters {
    /// Sales refused because their trace was used already.
    pub duplicates_refused: u64,
    /// Reversals of what was reversed already.
    pub repeated_reversals: u64,
    /// Reversals whose original is not known here or was never charged.
    pub unknown_originals: u64,
    /// Uploads of what was charged already; nothing was charged again.
    pub uploads_repeated: u64,
    /// Of those, uploads under the batch and trace of another payment: other amount, other card, or not an upload.
    pub uploads_conflicting: u64,
    /// Answers to sales that held a script for the card.
    pub scripts_issued: u64,
    /// Script reports, one for each sale.
    pub script_reports: u64,
    /// Further reports about the same sale.
    pub script_reports_repeated: u64,
    /// Of the first reports, those about sales whose answer held no script.
    pub script_reports_unasked: u64,
    /// Requests by message type.
    pub requests: BTreeMap<String, u64>,
    /// Answers by response code.
    pub answers: BTreeMap<String, u64>,
    /// Dropped without an answer, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Connections accepted.
    pub connections: u64,
}

/// What the control command `ledger` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    totals: Totals,
    online: Totals,
    offline: Totals,
    #[serde(flatten)]
    counters: &'a Counters,
    batch: String,
    signed_in: bool,
}

/// What the centre says to a request.
pub struct Decision {
    /// The answer, not yet signed.
    pub answer: Message,
    /// Whether field 64 is due.
    pub sign: bool,
    /// For the log: code and reason.
    pub remark: String,
    /// A line for the ledger's file.
    pub record: Option<String>,
}

/// Fields an approval adds to an answer.
pub(super) struct Extras {
    pub repeated: &'static [u8],
    pub code: String,
    pub why: &'static str,
    pub digits: Vec<(u8, String)>,
    pub text: Vec<(u8, String)>,
    pub bytes: Vec<(u8, Vec<u8>)>,
    pub sign: bool,
    pub record: Option<String>,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            repeated: &[],
            code: String::new(),
            why: "done",
            digits: Vec::new(),
            text: Vec::new(),
            bytes: Vec::new(),
            sign: false,
            record: None,
        }
    }
}

/// The centre.
pub struct Centre {
    /// What kind of acquirer it is.
    pub settings: Settings,
    /// What was counted.
    pub counters: Counters,
    pub(super) keys: Option<WorkingKeys>,
    pub(super) ledger: Ledger,
    pub(super) batch: u32,
    pub(super) entropy: Entropy,
    /// Sales whose answer held a script for the card or that were reported on, and whether they were.
    pub(super) scripts: BTreeMap<Key, bool>,
    reference: u32,
}

/// The circumstances of one request.
pub(super) struct Moment<'a> {
    pub wall: WallTime,
    pub local: Civil,
    pub rrn: String,
    pub plan: &'a Plan,
}

impl Moment<'_> {
    /// Field 13.
    pub fn date(&self) -> String {
        format!("{:02}{:02}", self.local.month, self.local.day)
    }
}

impl Centre {
    /// Opens for business with the books given.
    pub fn new(settings: Settings, ledger: Ledger, entropy: Entropy) -> Self {
        let batch = settings.batch;
        Self {
            settings,
            counters: Counters::default(),
            keys: None,
            ledger,
            batch,
            entropy,
            scripts: BTreeMap::new(),
            reference: 0,
        }
    }

    /// Decides a request. An error means that an answer could not be put together.
    pub fn decide(&mut self, wall: WallTime, request: &Message, plan: &Plan) -> Result<Decision, EncodeError> {
        let moment = self.moment(wall, plan);
        let result = match request.mti() {
            Mti::SIGN_IN => self.sign_in(request, &moment),
            Mti::MANAGEMENT => self.management(request, &moment),
            Mti::FINANCIAL => self.sale(request, &moment),
            Mti::FINANCIAL_ADVICE | Mti::FINANCIAL_ADVICE_REPEAT => self.upload(request, &moment),
            Mti::REVERSAL => self.reversal(request, &moment),
            Mti::SCRIPT_RESULT => self.script_report(request, &moment),
            other => Err(unsupported(other)),
        };
        self.answer(request, &moment, result)
    }

    /// Puts field 64 on an answer, as far as there is a key.
    pub fn sign(&self, answer: &mut Message) -> Result<(), EncodeError> {
        match &self.keys {
            Some(keys) => answer.set_bytes(64, &mac(self.settings.mac, &keys.mak, &answer.mab())),
            None => Ok(()),
        }
    }

    /// The host's batch, as the control command sets it.
    pub fn set_batch(&mut self, batch: u32) {
        self.batch = batch;
    }

    /// Loses the working keys, as a host does that has been exchanged: the next signed request gets A0.
    pub fn forget_keys(&mut self) {
        self.keys = None;
    }

    /// Random bytes from the same source as the keys.
    pub fn random(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        (self.entropy)(&mut bytes);
        bytes
    }

    /// Totals and counters as one line of JSON.
    pub fn report(&self) -> String {
        let report = Report {
            totals: self.ledger.totals(),
            online: self.ledger.totals_of(Kind::Online),
            offline: self.ledger.totals_of(Kind::Offline),
            counters: &self.counters,
            batch: format!("{:06}", self.batch),
            signed_in: self.keys.is_some(),
        };
        serde_json::to_string(&report).unwrap_or_default()
    }

    /// One payment as in the ledger's file.
    pub fn find(&self, batch: u32, trace: u32) -> Option<String> {
        let key = Key { terminal: self.settings.terminal.clone(), batch, trace };
        self.ledger.find(&key).map(|entry| ledger::line(&key, entry))
    }

    fn moment<'a>(&mut self, wall: WallTime, plan: &'a Plan) -> Moment<'a> {
        let shifted = wall.0.saturating_add_signed(plan.clock.saturating_mul(1_000_000));
        let local = WallTime(shifted).civil(self.settings.utc_offset_minutes);
        // Twelve characters that no two requests of one hour share.
        self.reference = (self.reference + 1) % 1_000_000;
        let rrn = format!("{:02}{:02}{:02}{:06}", local.month, local.day, local.hour, self.reference);
        Moment { wall, local, rrn, plan }
    }

    fn sign_in(&mut self, request: &Message, moment: &Moment<'_>) -> Result<Extras, Refusal> {
        let field60 = Field60::management(request)?;
        let Some(asked) = KeyForm::from_code(&field60.code) else {
            return Err(match field60.code.as_str() {
                "360" | "361" | "364" | "370" | "371" | "380" | "381" => {
                    Refusal::new("40", "downloads are not offered here")
                }
                _ => Refusal::new("30", "field 60.3 of a sign-in must be 001, 003 or 004"),
            });
        };
        require(request, &[11, 41, 42, 63])?;
        if field60.kind != "00" {
            return Err(Refusal::new("30", "field 60.1 of a management message must be 00"));
        }
        self.identify(request)?;
        let code = forced_code(moment.plan)?;
        let form = self.settings.key_form.unwrap_or(asked);
        let keys = WorkingKeys::generate(form, self.settings.mak, &mut self.entropy);
        let block = keys.block(&self.settings.master_key, moment.plan.keys);
        self.keys = Some(keys);
        let field60 = format!("00{:06}{}", self.batch, form.code());
        // Keys only go with an approval.
        let bytes = if is_approval(&code) { vec![(62, block)] } else { Vec::new() };
        Ok(Extras { code, digits: vec![(60, field60)], bytes, ..Extras::default() })
    }

    fn management(&mut self, request: &Message, moment: &Moment<'_>) -> Result<Extras, Refusal> {
        let field60 = Field60::management(request)?;
        require(request, &[41, 42])?;
        match field60.code.as_str() {
            "002" => require(request, &[11])?,
            "301" => {}
            _ => return Err(Refusal::new("40", "this management function is not offered here")),
        }
        self.identify(request)?;
        let code = forced_code(moment.plan)?;
        if field60.code == "002" {
            self.keys = None;
        }
        Ok(Extras { code, ..Extras::default() })
    }

    /// Whether the terminal and its merchant are known here.
    pub(super) fn identify(&self, request: &Message) -> Result<(), Refusal> {
        if text(request, 41)? != self.settings.terminal {
            return Err(Refusal::new("97", "terminal id unknown"));
        }
        if text(request, 42)? != self.settings.merchant {
            return Err(Refusal::new("03", "merchant id unknown"));
        }
        Ok(())
    }

    /// Whether field 64 is what the terminal must have computed.
    pub(super) fn check_mac(&self, request: &Message) -> Result<(), Refusal> {
        let Some(keys) = &self.keys else { return Err(Refusal::new("A0", "the terminal has no working keys here")) };
        let due = mac(self.settings.mac, &keys.mak, &request.mab());
        match request.bytes(64) == Some(&due) {
            true => Ok(()),
            false => Err(Refusal::new("A0", "field 64 is wrong")),
        }
    }

    /// Under which key the ledger knows the transaction of this trace.
    pub(super) fn key(&self, request: &Message, batch: u32) -> Result<Key, Refusal> {
        let trace = u32::try_from(number(request, 11)?).unwrap_or(0);
        if trace == 0 {
            return Err(Refusal::new("30", "trace 000000"));
        }
        Ok(Key { terminal: self.settings.terminal.clone(), batch, trace })
    }

    fn answer(
        &mut self,
        request: &Message,
        moment: &Moment<'_>,
        result: Result<Extras, Refusal>,
    ) -> Result<Decision, EncodeError> {
        let extras = match result {
            Ok(extras) => extras,
            Err(Refusal { code, why }) => Extras { code, why, ..Extras::default() },
        };
        let mut answer = Message::new(request.mti().answer());
        for field in REPEATED.iter().chain(extras.repeated) {
            repeat(request, &mut answer, *field)?;
        }
        let Civil { hour, minute, second, .. } = moment.local;
        answer.set_digits(12, &format!("{hour:02}{minute:02}{second:02}"))?;
        answer.set_digits(13, &moment.date())?;
        answer.set_digits(32, ACQUIRER_ID)?;
        answer.set_text(37, &moment.rrn)?;
        answer.set_text(39, &extras.code)?;
        for (field, digits) in &extras.digits {
            answer.set_digits(*field, digits)?;
        }
        for (field, text) in &extras.text {
            answer.set_text(*field, text)?;
        }
        for (field, bytes) in &extras.bytes {
            answer.set_bytes(*field, bytes)?;
        }
        let remark = format!("{} {}", extras.code, extras.why);
        *self.counters.answers.entry(extras.code).or_default() += 1;
        Ok(Decision { answer, sign: extras.sign, remark, record: extras.record })
    }
}

/// Field 44: who issued the card, who acquires.
pub(super) fn field_44() -> String {
    format!("{ISSUER_ID:<11}{ACQUIRER_ID:<11}")
}

/// The response code a fault asks for, 00 without one. A refusing one refuses.
pub(super) fn forced_code(plan: &Plan) -> Result<String, Refusal> {
    match &plan.code {
        None => Ok("00".to_owned()),
        Some((code, charged)) if *charged || is_approval(code) => Ok(code.clone()),
        Some((code, _)) => Err(Refusal::new(code, "as asked for by a fault")),
    }
}

fn unsupported(mti: Mti) -> Refusal {
    match mti {
        Mti::AUTHORISATION | Mti::BATCH_UPLOAD | Mti::SETTLEMENT => {
            Refusal::new("40", "this message type is not offered here")
        }
        _ => Refusal::new("30", "unknown message type"),
    }
}

fn repeat(request: &Message, answer: &mut Message, field: u8) -> Result<(), EncodeError> {
    match request.value(field) {
        Some(Value::Digits(digits)) => answer.set_digits(field, digits),
        Some(Value::Text(text)) => answer.set_text(field, text),
        Some(Value::Bytes(bytes)) => answer.set_bytes(field, bytes),
        None => Ok(()),
    }
}
