//! The tamper input: an opened terminal loses its keys and takes no payment until it has new ones.
//!
//! Source: MISSION H09. What is unsent stays where it is, sealed: it is money that the merchant is owed, and with a new master
//! key and a sign-in it is sent. A payment whose request has left is not waited for: without keys its answer cannot be
//! believed, so its reversal, which is on disk already, takes it back.

use crate::domain::cause::Cause;
use crate::domain::outcome::Outcome;
use crate::domain::tamper::{TamperReading, Tampered};
use crate::engine::command::{Refusal, RefusalKind};
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::settings::Standstill;
use crate::engine::sign_in::State;

/// What is known of the terminal's case.
#[derive(Debug, Default)]
pub(super) struct Case {
    /// What the input says; `None` where there is none.
    input: Option<TamperReading>,
    /// That it was opened.
    opened: Option<Tampered>,
}

impl Case {
    /// As the store has it, before the input is read.
    pub(super) fn recovered(opened: Option<Tampered>) -> Self {
        Self { input: None, opened }
    }

    /// Why nothing may be done, if so.
    pub(super) fn standstill(&self) -> Option<Standstill> {
        let evidence = match (&self.opened, &self.input) {
            (Some(opened), Some(TamperReading::Active)) => {
                format!("{}; it is still open: close it first, then load new keys", opened.evidence)
            }
            (Some(opened), Some(TamperReading::Unreadable(why))) => {
                format!("{}; the tamper input cannot be read: {why}", opened.evidence)
            }
            (Some(opened), Some(TamperReading::Quiet) | None) => {
                format!("{}; its keys are erased: have it checked, then load new keys", opened.evidence)
            }
            (None, Some(TamperReading::Unreadable(why))) => {
                format!("the tamper input cannot be read, so no payment is taken; the keys are kept: {why}")
            }
            (None, Some(TamperReading::Active)) => "the terminal is open".to_owned(),
            (None, Some(TamperReading::Quiet) | None) => return None,
        };
        Some(Standstill { cause: Cause::H09, evidence })
    }
}

impl Engine {
    /// The input says something else.
    pub(super) fn tamper_read(&mut self, reading: TamperReading) {
        let active = reading == TamperReading::Active;
        self.case.input = Some(reading);
        if active {
            self.opened();
        }
    }

    /// Erases the keys, on disk with the record of it. Once: what is opened again before new keys are in has none to lose.
    fn opened(&mut self) {
        // A disk that refuses is tried again when it works; nothing is done meanwhile, and the keys in memory are gone.
        if self.case.opened.is_some() || self.storage_fault.is_some() {
            return;
        }
        let evidence = format!("the terminal was opened at {} UTC", self.now.wall.civil(0));
        let opened = Tampered { at: self.now.wall, evidence };
        self.record(Record::Tampered(opened.clone()));
        self.case.opened = Some(opened);
        self.drop_keys(Some(Cause::H09));
        self.sign_in.start_afresh();
        self.sign_in.state = State::Off { cause: Some(Cause::H09) };
        self.answer_waiting(RefusalKind::WrongState, Some(Cause::H09));
        self.end_unsent(Outcome::Cancelled, Some(Cause::H09), "the terminal was opened".to_owned());
    }

    /// A new master key is in: the terminal has been seen to, unless it still is open.
    pub(super) fn provisioned_anew(&mut self) {
        if !matches!(self.case.input, Some(TamperReading::Active | TamperReading::Unreadable(_))) {
            self.case.opened = None;
        }
    }

    /// Why no key may be entered now, if so.
    pub fn tamper_refusal(&self) -> Option<Refusal> {
        let why = match &self.case.input {
            Some(TamperReading::Active) => "the terminal is open; close it before keys are loaded".to_owned(),
            Some(TamperReading::Unreadable(why)) => format!("the tamper input cannot be read: {why}"),
            Some(TamperReading::Quiet) | None => return None,
        };
        Some(Refusal::because(RefusalKind::WrongState, Cause::H09, why))
    }
}
