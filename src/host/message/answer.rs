//! Answers: whose they are, and what they say.

use super::{ECHO, Expected, Identity, Kind, PURCHASE};
use crate::codec::frame::Header;
use crate::codec::iso8583::Message;
use crate::codec::tlv::{Tag, find};
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, HostTime, KeyCheck, MacCheck, ProcessingRequest, SaleAnswer, SignInAnswer};
use crate::domain::ids::{AuthCode, Batch, Rrn};
use crate::domain::response::ResponseAction;
use crate::host::key_block::WorkingKeys;
use crate::host::keys::{KeyFault, KeyRing};
use crate::host::profile::Profile;

/// Whether a message answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Yes,
    /// It answers something else, or nothing.
    No {
        /// What differs.
        why: String,
    },
    /// A sign-in answer with the right trace, meant for another terminal or merchant: its keys must not be installed.
    OtherTerminal {
        /// K-codes do not fit: the acquirer must look.
        cause: Cause,
        /// What differs.
        why: String,
    },
}

/// A sign-in answer with the keys that came in it.
pub struct SignInResult {
    /// For the engine.
    pub answer: SignInAnswer,
    /// The unwrapped keys, if all check values match.
    pub keys: Option<WorkingKeys>,
}

/// Recognises and reads answers for one terminal at one acquirer.
pub struct Reader<'a> {
    /// The acquirer's ways.
    pub profile: &'a Profile,
    /// Who we are.
    pub identity: &'a Identity,
    /// The keys.
    pub keys: &'a KeyRing,
}

impl Reader<'_> {
    /// Compares what identifies an answer: type, trace, terminal; amount and processing code of a payment, unless it is
    /// to be taken back; the merchant of an approval.
    pub fn fit(&self, expected: &Expected, message: &Message) -> Fit {
        let no = |why: String| Fit::No { why };
        if message.mti() != expected.kind.mti().answer() {
            return no(format!("its type is {}", message.mti()));
        }
        let Some(code) = message.text(39) else { return no("it has no response code".to_owned()) };
        let trace = expected.stan.map(|stan| stan.to_string());
        if let (Some(ours), theirs) = (trace, message.text(11))
            && theirs != Some(ours.as_str())
        {
            return no(format!("its trace is {}", theirs.unwrap_or("missing")));
        }
        if expected.kind == Kind::Echo && network_code(message).is_some_and(|code| code != ECHO) {
            return no("it is no echo".to_owned());
        }
        if let Some(minor) = expected.amount {
            // Not every host repeats them to a script report; where one does, they must be ours.
            let due = expected.kind.financial();
            let differs = |field, ours: &str| (due || message.has(field)) && message.text(field) != Some(ours);
            // A partial approval names what was approved. It is taken back whatever its amount, so it need not match.
            let taken_back = expected.kind == Kind::Sale
                && self.profile.responses.resolve(code).action == ResponseAction::Reverse
                && message.has(4);
            if (differs(4, &format!("{minor:012}")) && !taken_back) || differs(3, PURCHASE) {
                return no("its amount or processing code differs".to_owned());
            }
        }
        let approved = self.profile.responses.resolve(code).approved();
        match self.other_terminal(message, approved) {
            None => Fit::Yes,
            Some((cause, why)) if expected.kind == Kind::SignIn && approved => Fit::OtherTerminal { cause, why },
            Some((_, why)) => no(why),
        }
    }

    fn other_terminal(&self, message: &Message, approved: bool) -> Option<(Cause, String)> {
        let shown = |field| message.text(field).map_or("missing or unreadable", str::trim_end).to_owned();
        let (terminal, merchant) = (&self.identity.terminal, &self.identity.merchant);
        if message.text(41) != Some(terminal.as_str()) {
            let why = format!("its terminal id is {}, ours is {terminal}", shown(41));
            return Some((Cause::B02, why));
        }
        if approved && message.text(42) != Some(merchant.as_str()) {
            let why = format!("its merchant id is {}, ours is {merchant}", shown(42));
            return Some((Cause::B03, why));
        }
        None
    }

    /// Reads an answer that fits, but for a sign-in (see [`Reader::sign_in`]).
    pub fn read(&self, kind: Kind, header: &Header, message: &Message) -> HostAnswer {
        let code = message.text(39).unwrap_or_default();
        let response = self.profile.responses.resolve(code);
        let asks = asks(header);
        match kind {
            Kind::SignIn => HostAnswer::SignIn(self.sign_in(header, message, &Fit::Yes).answer),
            Kind::SignOut => HostAnswer::SignOut(response),
            Kind::Echo => HostAnswer::Echo(response),
            Kind::Reversal => HostAnswer::Reversal { mac: self.mac(code, message), response, asks },
            Kind::Sale => HostAnswer::Sale(self.sale(code, header, message)),
            Kind::OfflineSale { .. } => HostAnswer::OfflineSale(self.sale(code, header, message)),
            Kind::ScriptReport => HostAnswer::ScriptReport(response),
        }
    }

    fn sale(&self, code: &str, header: &Header, message: &Message) -> SaleAnswer {
        SaleAnswer {
            response: self.profile.responses.resolve(code),
            rrn: message.text(37).and_then(|text| Rrn::new(text.trim())),
            auth_code: message.text(38).and_then(|text| AuthCode::new(text.trim())),
            settlement_date: message.text(15).map(str::to_owned),
            card_org: leading_text(message, 63, 3),
            issuer: leading_text(message, 44, 8),
            host_date: message.text(13).map(str::to_owned),
            acquirer: message.text(32).map(str::to_owned),
            issuer_script: has_script(message),
            mac: self.mac(code, message),
            asks: asks(header),
        }
    }

    /// Reads a sign-in answer and unwraps its keys, unless it is for somebody else.
    pub fn sign_in(&self, header: &Header, message: &Message, fit: &Fit) -> SignInResult {
        let response = self.profile.responses.resolve_at_sign_in(message.text(39).unwrap_or_default());
        let (check, keys) = if !response.approved() {
            (KeyCheck::NotSent, None)
        } else {
            match fit {
                Fit::Yes => self.unwrap(message),
                Fit::OtherTerminal { cause, why } => {
                    let evidence = format!("the answer is not for this terminal: {why}; no keys installed");
                    (KeyCheck::Bad { cause: *cause, evidence }, None)
                }
                // Never asked to be read; if it is all the same, its keys stay out.
                Fit::No { why } => (KeyCheck::Bad { cause: Cause::B02, evidence: why.clone() }, None),
            }
        };
        let answer = SignInAnswer {
            response,
            batch: batch(message),
            host_time: host_time(message),
            keys: check,
            asks: asks(header),
        };
        SignInResult { answer, keys }
    }

    fn unwrap(&self, message: &Message) -> (KeyCheck, Option<WorkingKeys>) {
        let Some(block) = message.bytes(62) else {
            let evidence = "response 00 without a key block (field 62): check message.sign_in_code in the profile";
            return (KeyCheck::Bad { cause: Cause::K05, evidence: evidence.to_owned() }, None);
        };
        match self.keys.unwrap(block, self.profile) {
            Ok(keys) => (KeyCheck::Good { wrapped: block.to_vec() }, Some(keys)),
            Err(KeyFault { cause, evidence }) => (KeyCheck::Bad { cause, evidence }, None),
        }
    }

    fn mac(&self, code: &str, message: &Message) -> MacCheck {
        let settings = &self.profile.mac;
        let due = settings.due.contains(code);
        let Some(field) = message.bytes(64) else {
            return if due { MacCheck::Bad } else { MacCheck::NotDue };
        };
        // With A0 the host says that its MAC key is not ours, so its own MAC proves nothing either way.
        if !due && (!settings.check_others || code == "A0") {
            return MacCheck::NotDue;
        }
        let right = self.keys.working().and_then(|keys| settings.rule.verify(&keys.mak, &message.mab(), field).ok());
        if right == Some(true) { MacCheck::Good } else { MacCheck::Bad }
    }
}

fn asks(header: &Header) -> ProcessingRequest {
    match header.processing_request() {
        1 => ProcessingRequest::DownloadParameters,
        2 => ProcessingRequest::UploadStatus,
        3 => ProcessingRequest::SignIn,
        4 => ProcessingRequest::DownloadCaKeys,
        5 => ProcessingRequest::DownloadIcParameters,
        6 => ProcessingRequest::UpdateSoftware,
        7 => ProcessingRequest::DownloadBlacklist,
        _ => ProcessingRequest::None,
    }
}

/// Whether the issuer wants something done to the card. Data that are no TLV hold no script anybody could read.
fn has_script(message: &Message) -> bool {
    let tags = message.bytes(55).unwrap_or_default();
    let script = |tag| find(tags, &[Tag(tag)]).ok().flatten().is_some_and(|script| !script.is_empty());
    script(0x71) || script(0x72)
}

/// Field 60.3.
fn network_code(message: &Message) -> Option<&str> {
    message.text(60)?.get(8..11)
}

fn batch(message: &Message) -> Option<Batch> {
    let digits = message.text(60)?.get(2..8)?;
    Batch::new(digits.parse().ok()?).filter(|batch| batch.adoptable())
}

fn host_time(message: &Message) -> Option<HostTime> {
    let pair = |text: &str, at: usize| text.get(at..at + 2)?.parse::<u8>().ok();
    let (time, date) = (message.text(12)?, message.text(13)?);
    let found = HostTime {
        month: pair(date, 0)?,
        day: pair(date, 2)?,
        hour: pair(time, 0)?,
        minute: pair(time, 2)?,
        second: pair(time, 4)?,
    };
    let good = (1..=12).contains(&found.month)
        && (1..=31).contains(&found.day)
        && found.hour < 24
        && found.minute < 60
        && found.second < 60;
    good.then_some(found)
}

/// The first characters of a text field, if they are printable.
fn leading_text(message: &Message, field: u8, count: usize) -> Option<String> {
    let bytes = message.bytes(field)?;
    let head = bytes.get(..count.min(bytes.len()))?;
    let text = std::str::from_utf8(head).ok().filter(|text| text.bytes().all(|b| matches!(b, 0x20..=0x7E)))?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
