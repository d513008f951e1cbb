//! A contactless EMV card's applet: SELECT, GET PROCESSING OPTIONS, READ RECORD, GENERATE AC, GET DATA.
//!
//! Owns: the card's state and counter, the APDUs. Must not know: blocks, the reader.
//! Spec: EMV Book 1 §11, Book 3 §6, contactless Book B.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::cryptogram::cryptogram;
use super::scheme::{Application, CryptogramIn, application, gives, issuer_data, kept};
use super::settings::{CardSettings, Flaw};
use super::tlv::{list, object, template};
use crate::sim::reader::picc::Applet;

const PPSE: &[u8] = b"2PAY.SYS.DDF01";

const OK: [u8; 2] = [0x90, 0x00];
const WRONG_LENGTH: [u8; 2] = [0x67, 0x00];
const CONDITIONS: [u8; 2] = [0x69, 0x85];
const ANOTHER_INTERFACE: [u8; 2] = [0x69, 0x84];
const NOT_FOUND: [u8; 2] = [0x6A, 0x82];
const NO_RECORD: [u8; 2] = [0x6A, 0x83];
const WRONG_P1_P2: [u8; 2] = [0x6A, 0x86];
const NO_DATA: [u8; 2] = [0x6A, 0x88];
const UNKNOWN_INSTRUCTION: [u8; 2] = [0x6D, 0x00];
const UNKNOWN_CLASS: [u8; 2] = [0x6E, 0x00];

/// Kinds of cryptogram as in 9F27.
const AAC: u8 = 0x00;
const ARQC: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nothing,
    Selected,
    /// GET PROCESSING OPTIONS was answered.
    Initiated,
}

/// Application transaction counter, shared so that it outlives a change of the card's settings.
pub type Counter = Arc<AtomicU16>;

/// The applet of one card.
pub struct EmvCard {
    settings: CardSettings,
    application: Option<Application>,
    state: State,
    /// Application transaction counter; kept without power.
    counter: Counter,
}

impl EmvCard {
    /// A card whose counter goes on from where it stands.
    #[must_use]
    pub fn new(settings: CardSettings, counter: Counter) -> Self {
        let application = application(&settings);
        Self { settings, application, state: State::Nothing, counter }
    }

    fn select(&mut self, name: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        let application = self.application.as_ref().ok_or(NOT_FOUND)?;
        if name == PPSE {
            self.state = State::Nothing;
            return Ok(ppse(application, self.settings.flaw));
        }
        if name.len() < 5 || !application.aid.starts_with(name) {
            return Err(NOT_FOUND);
        }
        self.state = State::Selected;
        let mut about =
            vec![object(0x50, application.label.as_bytes()), object(0x87, &[0x01]), object(0x5F2D, b"zhen")];
        if !application.pdol.is_empty() {
            about.push(object(0x9F38, &list(&application.pdol)));
        }
        Ok(template(0x6F, &[object(0x84, &application.aid), template(0xA5, &about)]))
    }

    fn processing_options(&mut self, field: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        let application = self.application.as_ref().filter(|_| self.state == State::Selected).ok_or(CONDITIONS)?;
        let values = match field {
            [0x83, 0x81, length, values @ ..] | [0x83, length @ ..=0x7F, values @ ..]
                if usize::from(*length) == values.len() =>
            {
                values
            }
            _ => return Err(WRONG_LENGTH),
        };
        let given = Given::split(&application.pdol, values).ok_or(WRONG_LENGTH)?;
        if self.settings.flaw == Flaw::UseChip {
            return Err(ANOTHER_INTERFACE);
        }
        // A counter that has reached its end ends the card's life.
        let count = |n: u16| n.checked_add(1);
        self.counter.try_update(Ordering::Relaxed, Ordering::Relaxed, count).map_err(|_| CONDITIONS)?;
        self.state = State::Initiated;
        let mut objects = vec![(0x82, application.aip.to_vec())];
        if !application.afl.is_empty() {
            objects.push((0x94, application.afl.clone()));
        }
        if application.cryptogram_in == CryptogramIn::ProcessingOptions {
            let kind = if self.settings.flaw == Flaw::Declines { AAC } else { ARQC };
            objects.extend(self.cryptogram(application, &given, kind).ok_or(CONDITIONS)?);
            objects.extend(application.with_options.iter().cloned());
        }
        let answer = template(0x77, &kept(&self.settings, objects));
        Ok(if self.settings.flaw == Flaw::BadTlv { stretched(answer) } else { answer })
    }

    fn read_record(&self, number: u8, reference: u8) -> Result<Vec<u8>, [u8; 2]> {
        let application = self.application.as_ref().filter(|_| self.state != State::Nothing).ok_or(CONDITIONS)?;
        if reference & 0x07 != 0x04 {
            return Err(WRONG_P1_P2);
        }
        let mut of_file = application.records.iter().filter(|r| r.file == reference >> 3).peekable();
        if of_file.peek().is_none() {
            return Err(NOT_FOUND);
        }
        of_file.find(|r| r.number == number).map(|r| r.content.clone()).ok_or(NO_RECORD)
    }

    fn generate_ac(&mut self, reference: u8, values: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        let application = self.application.as_ref().filter(|_| self.state == State::Initiated).ok_or(CONDITIONS)?;
        if application.cryptogram_in != CryptogramIn::GenerateAc {
            return Err(CONDITIONS);
        }
        let given = Given::split(&application.cdol, values).ok_or(WRONG_LENGTH)?;
        // This card never approves offline: a TC asked for becomes an ARQC.
        let kind = match reference & 0xC0 {
            0x00 => AAC,
            0x40 | 0x80 if self.settings.flaw == Flaw::Declines => AAC,
            0x40 | 0x80 => ARQC,
            _ => return Err(WRONG_P1_P2),
        };
        let objects = self.cryptogram(application, &given, kind).ok_or(CONDITIONS)?;
        self.state = State::Selected;
        Ok(template(0x77, &kept(&self.settings, objects)))
    }

    /// 9F27, 9F36, 9F26 and 9F10 over the terminal's data.
    fn cryptogram(&self, application: &Application, given: &Given<'_>, kind: u8) -> Option<Vec<(u32, Vec<u8>)>> {
        let counter = self.counter.load(Ordering::Relaxed).to_be_bytes();
        let issuer_data = issuer_data(self.settings.kind, kind);
        let value = |tag: u16| match tag {
            0x82 => Some(&application.aip[..]),
            0x9F36 => Some(&counter[..]),
            0x9F10 => Some(&issuer_data[..]),
            other => given.value(u32::from(other)),
        };
        let mac = cryptogram(self.settings.pan(), self.settings.sequence, value)?;
        Some(vec![
            (0x9F27, vec![kind]),
            (0x9F36, counter.to_vec()),
            (0x9F26, mac.to_vec()),
            (0x9F10, issuer_data.clone()),
        ])
    }

    fn data(&self, tag: u16) -> Result<Vec<u8>, [u8; 2]> {
        self.application.as_ref().filter(|_| self.state != State::Nothing).ok_or(CONDITIONS)?;
        match tag {
            0x9F36 if gives(&self.settings, 0x9F36) => {
                Ok(object(0x9F36, &self.counter.load(Ordering::Relaxed).to_be_bytes()))
            }
            0x9F17 => Ok(object(0x9F17, &[0x03])),
            _ => Err(NO_DATA),
        }
    }

    fn answer(&mut self, apdu: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        let &[class, instruction, p1, p2, ref tail @ ..] = apdu else { return Err(WRONG_LENGTH) };
        let body = || body(tail).ok_or(WRONG_LENGTH);
        match (class, instruction, p1, p2) {
            (0x00, 0xA4, 0x04, 0x00) => self.select(body()?),
            (0x00, 0xA4, _, _) => Err(WRONG_P1_P2),
            (0x80, 0xA8, 0x00, 0x00) => self.processing_options(body()?),
            (0x00, 0xB2, number, reference) => self.read_record(number, reference),
            (0x80, 0xAE, reference, 0x00) => self.generate_ac(reference, body()?),
            (0x80, 0xCA, high, low) => self.data(u16::from_be_bytes([high, low])),
            (0x00 | 0x80, _, _, _) => Err(UNKNOWN_INSTRUCTION),
            _ => Err(UNKNOWN_CLASS),
        }
    }
}

impl Applet for EmvCard {
    fn reset(&mut self) {
        self.state = State::Nothing;
    }

    fn exchange(&mut self, apdu: &[u8]) -> Vec<u8> {
        match self.answer(apdu) {
            Ok(content) => [&content[..], &OK].concat(),
            Err(status) => status.to_vec(),
        }
    }
}

/// The data field of a short command: length, data and at most one byte for the expected length.
fn body(tail: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = tail.split_first()?;
    let length = usize::from(length);
    (rest.len() == length || rest.len() == length + 1).then(|| rest.get(..length))?
}

fn ppse(application: &Application, flaw: Flaw) -> Vec<u8> {
    let entry = template(
        0x61,
        &[object(0x4F, &application.aid), object(0x50, application.label.as_bytes()), object(0x87, &[0x01])],
    );
    let entry = match flaw {
        Flaw::HugeLength => [&[0x61, 0x84, 0xFF, 0xFF, 0xFF, 0xFF][..], &entry].concat(),
        Flaw::None
        | Flaw::Declines
        | Flaw::UseChip
        | Flaw::BadTlv
        | Flaw::NoPan
        | Flaw::TwoPans
        | Flaw::NoCryptogram => entry,
    };
    template(0x6F, &[object(0x84, PPSE), template(0xA5, &[template(0xBF0C, &[entry])])])
}

/// Makes the last object claim more bytes than there are.
fn stretched(mut answer: Vec<u8>) -> Vec<u8> {
    answer.truncate(answer.len().saturating_sub(2));
    answer
}

/// The terminal's values, cut up by a data object list.
struct Given<'a>(Vec<(u32, &'a [u8])>);

impl<'a> Given<'a> {
    /// None unless the values have exactly the length that the list asks for.
    fn split(list: &[(u32, u8)], values: &'a [u8]) -> Option<Self> {
        let mut rest = values;
        let mut out = Vec::new();
        for (tag, length) in list {
            let (value, after) = rest.split_at_checked(usize::from(*length))?;
            out.push((*tag, value));
            rest = after;
        }
        rest.is_empty().then_some(Self(out))
    }

    fn value(&self, tag: u32) -> Option<&'a [u8]> {
        self.0.iter().find(|(t, _)| *t == tag).map(|(_, value)| *value)
    }
}
