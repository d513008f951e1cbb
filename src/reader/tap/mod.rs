//! The EMV contactless sequence: directory, application, options, records, cryptogram, decision.
//!
//! Owns: what is said to the card, in which order, and which outcome follows. Must not know: the reader chip, time-outs
//! (the chip's link has them), the host. It has no clock and so none of the verbs for time: it is asked
//! [`Tap::start`] once and [`Tap::answered`] after each answer, and says what to do next.
//!
//! Follows: EMV Contactless Book B §3 (selection), Book 3 §10 (options and records), Books C-2, C-3 and C-7 as far as an
//! online-only terminal needs them (see `decision`). From the crate `emv`: tags, lists, commands, status words and the
//! file locator. Not from it: the contactless kernels, which it does not have, and its store of objects, which neither
//! wipes nor hides them.

mod conversation;
mod decision;
mod directory;
mod facts;
pub mod settings;
mod terminal;

use std::collections::VecDeque;
use std::sync::Arc;

use emv::de::application_file_locator::ApplicationFileLocator;
use zeroize::Zeroizing;

use crate::codec::apdu::{Command, Cryptogram, PPSE, StatusWord};
use crate::codec::dol;
use crate::codec::tlv::{self, Tag};
use crate::domain::card::{CardRead, Scheme, TapFailure, TapRequest};
use crate::domain::secret::SecretBytes;
use crate::reader::tap::conversation::{Conversation, Turn};
use crate::reader::tap::directory::Candidate;
use crate::reader::tap::facts::Facts;
use crate::reader::tap::settings::TerminalSettings;
use crate::reader::tap::terminal::{Terminal, Verdict};

/// More records than any card has; a locator can name thousands.
const MAX_RECORDS: usize = 64;

/// Another interface is wanted (ISO 7816-4: referenced data invalidated; used so by Book C-3 §5.2).
const TRY_ANOTHER_INTERFACE: StatusWord = StatusWord(0x6984);

/// How far a card is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To the cryptogram.
    Payment,
    /// To the choice of an application: a test. The card is asked for nothing of its holder.
    Selection,
}

/// What to do next.
pub enum Step {
    /// Send this command to the card.
    Transmit(SecretBytes),
    /// The card is read; it may go.
    Read(Box<CardRead>),
    /// An application of this scheme is selected, which is all that was wanted.
    Selected(Scheme),
    /// It ended otherwise.
    Failed(TapFailure),
}

/// An application being worked with.
struct Application {
    chosen: Candidate,
    /// What to try if this one declares itself out of order.
    others: VecDeque<Candidate>,
    facts: Facts,
}

enum Stage {
    /// The directory has been asked for.
    Directory,
    /// An application has been selected by name.
    Selecting { chosen: Candidate, others: VecDeque<Candidate>, from_directory: bool },
    /// Processing options have been asked for.
    Options(Application),
    /// Records are being read; these are left, the first has been asked for.
    Records { application: Application, left: VecDeque<(u8, u8)> },
    /// A cryptogram has been asked for.
    Cryptogram { application: Application, verdict: Verdict },
    /// Nothing more to say.
    Over,
}

/// One card's sequence.
pub struct Tap {
    settings: Arc<TerminalSettings>,
    request: TapRequest,
    goal: Goal,
    stage: Stage,
    conversation: Conversation,
}

impl Tap {
    /// A sequence for a card that has just come.
    pub fn new(settings: Arc<TerminalSettings>, request: TapRequest) -> Self {
        Self { settings, request, goal: Goal::Payment, stage: Stage::Over, conversation: Conversation::default() }
    }

    /// The same, ending where this goal is reached.
    #[must_use]
    pub fn until(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    /// The first command.
    pub fn start(&mut self) -> Step {
        let step = self.say(Stage::Directory, Command::select(PPSE).ok());
        self.concluded(step)
    }

    /// Takes the card's answer to the last command.
    pub fn answered(&mut self, answer: &[u8]) -> Step {
        let step = match self.conversation.answered(answer) {
            Turn::Again(bytes) => Ok(Step::Transmit(bytes)),
            Turn::Complete(body, status) => self.complete(&body, status),
            Turn::Faulty => Err(TapFailure::CardFaulty),
        };
        self.concluded(step)
    }

    fn concluded(&mut self, step: Result<Step, TapFailure>) -> Step {
        let step = step.unwrap_or_else(Step::Failed);
        match step {
            Step::Transmit(_) => {}
            Step::Read(_) | Step::Selected(_) | Step::Failed(_) => self.stage = Stage::Over,
        }
        step
    }

    fn complete(&mut self, body: &Zeroizing<Vec<u8>>, status: StatusWord) -> Result<Step, TapFailure> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Directory => self.directory_read(body, status),
            Stage::Selecting { chosen, others, from_directory } => {
                self.selected(chosen, others, from_directory, body, status)
            }
            Stage::Options(application) => self.options_given(application, body, status),
            Stage::Records { application, left } => self.record_read(application, left, body, status),
            Stage::Cryptogram { application, verdict } => self.cryptogram_given(application, verdict, body, status),
            Stage::Over => Err(TapFailure::CardFaulty),
        }
    }

    /// A card without a directory may still have one of our applications; one with a directory tells all it has.
    fn directory_read(&mut self, body: &[u8], status: StatusWord) -> Result<Step, TapFailure> {
        let accepted = &self.settings.applications;
        if status.is_ok() {
            let found = directory::candidates(body, accepted).map_err(|_| TapFailure::CardFaulty)?;
            self.select(found.into(), true, TapFailure::NoCommonApplication)
        } else {
            let by_name = directory::direct(accepted);
            self.select(by_name.into(), false, TapFailure::WrongCard)
        }
    }

    /// Selects the first of the candidates, or ends with `none_left`.
    fn select(
        &mut self,
        mut others: VecDeque<Candidate>,
        from_directory: bool,
        none_left: TapFailure,
    ) -> Result<Step, TapFailure> {
        let chosen = others.pop_front().ok_or(none_left)?;
        let command = Command::select(&chosen.aid).ok();
        self.say(Stage::Selecting { chosen, others, from_directory }, command)
    }

    fn selected(
        &mut self,
        chosen: Candidate,
        others: VecDeque<Candidate>,
        from_directory: bool,
        body: &[u8],
        status: StatusWord,
    ) -> Result<Step, TapFailure> {
        if !status.is_ok() {
            // Not there or blocked: the next one.
            let none_left = if from_directory { TapFailure::NoCommonApplication } else { TapFailure::WrongCard };
            return self.select(others, from_directory, none_left);
        }
        let facts = control_information(body, &chosen)?;
        if self.goal == Goal::Selection {
            return Ok(Step::Selected(chosen.scheme));
        }
        let list = facts.get(0x9F38).unwrap_or_default();
        let asked = dol::entries(list).map_err(|_| TapFailure::CardFaulty)?;
        let asks_qualifiers = asked.iter().any(|(tag, _)| *tag == Tag(0x9F66));
        match chosen.scheme {
            // Without the terminal's qualifiers such a card cannot give a contactless cryptogram.
            Scheme::UnionPay | Scheme::Visa if !asks_qualifiers => {
                return self.select(others, from_directory, TapFailure::UseChip);
            }
            Scheme::UnionPay | Scheme::Visa | Scheme::Mastercard => {}
        }
        let terminal = self.terminal(&chosen, Verdict::default());
        let values = dol::fill(list, |tag| terminal.value(tag)).map_err(|_| TapFailure::CardFaulty)?;
        let command = Command::get_processing_options(&values).ok();
        self.say(Stage::Options(Application { chosen, others, facts }), command)
    }

    fn options_given(
        &mut self,
        mut application: Application,
        body: &[u8],
        status: StatusWord,
    ) -> Result<Step, TapFailure> {
        match status {
            StatusWord::OK => {}
            StatusWord::CONDITIONS_NOT_SATISFIED => {
                return self.select(application.others, true, TapFailure::UseChip);
            }
            TRY_ANOTHER_INTERFACE => return Err(TapFailure::UseChip),
            _ => return Err(TapFailure::CardFaulty),
        }
        let facts = &mut application.facts;
        match template(body)? {
            (Tag(0x77), value) => facts.put_all(value)?,
            (Tag(0x80), value) => {
                let (profile, locator) = value.split_at_checked(2).ok_or(TapFailure::CardFaulty)?;
                facts.put(Tag(0x82), profile)?;
                facts.put(Tag(0x94), locator)?;
            }
            _ => return Err(TapFailure::CardFaulty),
        }
        if facts.get(0x82).is_none() {
            return Err(TapFailure::CardFaulty);
        }
        let left = records(facts.get(0x94).unwrap_or_default())?;
        self.read_on(application, left)
    }

    fn read_on(&mut self, application: Application, left: VecDeque<(u8, u8)>) -> Result<Step, TapFailure> {
        let Some((file, record)) = left.front().copied() else {
            return self.all_read(application);
        };
        let command = Command::read_record(file, record).ok();
        self.say(Stage::Records { application, left }, command)
    }

    fn record_read(
        &mut self,
        mut application: Application,
        mut left: VecDeque<(u8, u8)>,
        body: &[u8],
        status: StatusWord,
    ) -> Result<Step, TapFailure> {
        let (Some((file, _)), true) = (left.pop_front(), status.is_ok()) else {
            return Err(TapFailure::CardFaulty);
        };
        // Files 11 to 30 belong to scheme and issuer: their contents are not for us (Book 3 §6.5.11).
        if file <= 10 {
            match template(body)? {
                (Tag(0x70), value) => application.facts.put_all(value)?,
                _ => return Err(TapFailure::CardFaulty),
            }
        }
        self.read_on(application, left)
    }

    fn all_read(&mut self, application: Application) -> Result<Step, TapFailure> {
        let facts = &application.facts;
        // Before anything else, so that a card with a damaged number is not called expired or declined.
        facts.pan()?;
        decision::check_validity(application.chosen.scheme, facts, &self.request)?;
        match application.chosen.scheme {
            Scheme::UnionPay | Scheme::Visa => {
                let verdict = decision::verdict_after_cryptogram(facts, &self.request);
                self.decide(&application, verdict)
            }
            Scheme::Mastercard => self.ask_for_cryptogram(application),
        }
    }

    fn ask_for_cryptogram(&mut self, application: Application) -> Result<Step, TapFailure> {
        let facts = &application.facts;
        // Byte 2, bit 8 of the interchange profile: EMV mode; without it the card only imitates a stripe.
        if facts.fixed::<2>(0x82).is_none_or(|[_, second]| second & 0x80 == 0) {
            return Err(TapFailure::UseChip);
        }
        let list = facts.get(0x8C).ok_or(TapFailure::CardFaulty)?;
        let verdict = decision::verdict_before_cryptogram(facts, &self.request);
        let terminal = self.terminal(&application.chosen, verdict);
        // A list may also name the card's own objects.
        let value = |tag: Tag| terminal.value(tag).or_else(|| facts.get(tag.0).map(<[u8]>::to_vec));
        let values = dol::fill(list, value).map_err(|_| TapFailure::CardFaulty)?;
        let command = Command::generate_ac(Cryptogram::Arqc, &values).ok();
        self.say(Stage::Cryptogram { application, verdict }, command)
    }

    fn cryptogram_given(
        &mut self,
        mut application: Application,
        verdict: Verdict,
        body: &[u8],
        status: StatusWord,
    ) -> Result<Step, TapFailure> {
        if !status.is_ok() {
            return Err(TapFailure::CardFaulty);
        }
        let facts = &mut application.facts;
        match template(body)? {
            (Tag(0x77), value) => facts.put_all(value)?,
            (Tag(0x80), [information, rest @ ..]) => {
                let (counter, rest) = rest.split_at_checked(2).ok_or(TapFailure::CardFaulty)?;
                let (cryptogram, issuer_data) = rest.split_at_checked(8).ok_or(TapFailure::CardFaulty)?;
                facts.put(Tag(0x9F27), &[*information])?;
                facts.put(Tag(0x9F36), counter)?;
                facts.put(Tag(0x9F26), cryptogram)?;
                facts.put(Tag(0x9F10), issuer_data)?;
            }
            _ => return Err(TapFailure::CardFaulty),
        }
        self.decide(&application, verdict)
    }

    fn decide(&self, application: &Application, verdict: Verdict) -> Result<Step, TapFailure> {
        let information = decision::online_cryptogram(&application.facts)?;
        let terminal = self.terminal(&application.chosen, verdict);
        decision::card_read(&terminal, &application.facts, information).map(Step::Read)
    }

    fn terminal<'a>(&'a self, application: &'a Candidate, verdict: Verdict) -> Terminal<'a> {
        Terminal { settings: &self.settings, request: &self.request, application, verdict }
    }

    /// Sends a command and remembers what its answer will be about. No command means that the card's own data made an
    /// impossible one.
    fn say(&mut self, next: Stage, command: Option<Command>) -> Result<Step, TapFailure> {
        let bytes = command.and_then(|c| self.conversation.begin(c)).ok_or(TapFailure::CardFaulty)?;
        self.stage = next;
        Ok(Step::Transmit(bytes))
    }
}

/// The one object that an answer consists of.
fn template(body: &[u8]) -> Result<(Tag, &[u8]), TapFailure> {
    let mut objects = tlv::objects(body);
    match (objects.next(), objects.next()) {
        (Some(Ok(object)), None) => Ok((object.tag, object.value)),
        (Some(_), _) | (None, _) => Err(TapFailure::CardFaulty),
    }
}

/// What matters of the answer to SELECT: the application's name and its list.
fn control_information(body: &[u8], chosen: &Candidate) -> Result<Facts, TapFailure> {
    let faulty = |_| TapFailure::CardFaulty;
    tlv::check(body).map_err(faulty)?;
    let name = tlv::find(body, &[Tag(0x6F), Tag(0x84)]).map_err(faulty)?.ok_or(TapFailure::CardFaulty)?;
    if !name.starts_with(&chosen.aid) {
        return Err(TapFailure::CardFaulty);
    }
    let mut facts = Facts::default();
    facts.put(Tag(0x84), name)?;
    if let Some(list) = tlv::find(body, &[Tag(0x6F), Tag(0xA5), Tag(0x9F38)]).map_err(faulty)? {
        facts.put(Tag(0x9F38), list)?;
    }
    Ok(facts)
}

/// File and record numbers in reading order. No locator is no record: all may have come with the options.
fn records(locator: &[u8]) -> Result<VecDeque<(u8, u8)>, TapFailure> {
    if locator.is_empty() {
        return Ok(VecDeque::new());
    }
    let locator = ApplicationFileLocator::parse(locator).map_err(|_| TapFailure::CardFaulty)?;
    let steps: VecDeque<_> = locator.iter_reads().map(|s| (s.sfi, s.record_number)).take(MAX_RECORDS + 1).collect();
    if steps.len() > MAX_RECORDS { Err(TapFailure::CardFaulty) } else { Ok(steps) }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
