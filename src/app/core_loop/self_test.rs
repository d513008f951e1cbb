//! Checks of a self-test that only the core can make: it has the store, the keys and the devices.
//!
//! Owns: the one check under way that takes time. While a person or a card is waited for, the device is held like by an
//! `Inhibit`, so no payment begins and no PIN, password or key can be asked for; and none of these is under way when it
//! begins. What was typed or read stays here: the answer has names of bad keys, or the scheme of a card.

use std::time::Duration;

use super::Core;
use super::books::Way;
use crate::domain::amount::{Amount, Money};
use crate::domain::card::{TapFailure, TapRequest};
use crate::domain::cause::Cause;
use crate::domain::secret::DoubleKey;
use crate::domain::self_test::{Checked, CoreCheck, Outcome};
use crate::domain::time::{Instant, Now, WallTime};
use crate::engine::command::{Caller, Command, CommandId, Device, Reply};
use crate::engine::event::Event;
use crate::host::keys::check_text;
use crate::keypad::key_test::KeyTest;
use crate::keypad::{ContactLimits, Key};
use crate::reader::{Event as ReaderEvent, Output as ReaderOutput};

/// No caller waits for the answer to a hold of the core's own.
const OWN: CommandId = CommandId(0);
/// How often it is looked whether somebody still waits.
const LOOK: Duration = Duration::from_millis(500);

/// A check under way.
pub(super) struct Trial {
    check: CoreCheck,
    began: Instant,
    until: Instant,
    look: Instant,
    reply: Way,
    keys: KeyTest,
    /// What made the last card useless.
    card: Option<TapFailure>,
}

impl Trial {
    pub(super) fn deadline(&self) -> Instant {
        let keys = self.keys.deadline().unwrap_or(self.until);
        self.until.min(self.look).min(keys)
    }

    /// The device that is held meanwhile.
    fn device(&self) -> Option<Device> {
        match self.check {
            CoreCheck::KeyPress | CoreCheck::Answer => Some(Device::Keypad),
            CoreCheck::Card => Some(Device::Reader),
            CoreCheck::Storage | CoreCheck::Keys | CoreCheck::ReaderLine => None,
        }
    }
}

impl Core {
    /// Makes a check, or begins it.
    pub(super) fn begin_check(&mut self, now: Now, check: CoreCheck, reply: Way) {
        let name = check.as_str();
        let not_run = |why: &str| Checked::new(name, Outcome::NotRun, why);
        let snapshot = &self.published;
        let done = if snapshot.terminal.active.is_some() {
            Some(not_run("a payment is under way, which is not to be disturbed"))
        } else if self.trial.is_some() {
            Some(not_run("another test is under way"))
        } else {
            match check {
                CoreCheck::Storage => Some(self.check_storage(now)),
                CoreCheck::Keys => Some(self.check_keys()),
                CoreCheck::ReaderLine | CoreCheck::Card if !self.teller.engine().reader_is_free() => {
                    Some(not_run(&format!("the card reader is {}", snapshot.reader.state)))
                }
                CoreCheck::KeyPress | CoreCheck::Answer if !self.teller.engine().keypad_is_free() => {
                    Some(not_run(&format!("the keypad is {} or in use", snapshot.keypad.state)))
                }
                CoreCheck::ReaderLine | CoreCheck::Card | CoreCheck::KeyPress | CoreCheck::Answer => None,
            }
        };
        match done {
            Some(checked) => {
                let took = (self.clock)().mono.milliseconds_since(now.mono);
                // The caller may have gone; then nobody waits.
                drop(reply.send(Ok(Reply::SelfTested(checked.took(took)))));
            }
            None => self.begin_trial(now, check, reply),
        }
    }

    fn begin_trial(&mut self, now: Now, check: CoreCheck, reply: Way) {
        let until = now.mono.after(check.within());
        let keys = KeyTest::new(ContactLimits::default());
        let look = now.mono.after(LOOK);
        let trial = Trial { check, began: now.mono, until, look, reply, keys, card: None };
        if let Some(device) = trial.device() {
            let caller = Caller { uid: 0, connection: "self-test".to_owned() };
            let command = Command::Inhibit { caller, device, why: check.as_str().to_owned() };
            self.tell_engine(now, Event::Asked { id: OWN, command, stored: None });
        }
        self.trial = Some(trial);
        match check {
            CoreCheck::ReaderLine => self.reader.handle(now.mono, ReaderEvent::ProveLine),
            CoreCheck::Card => {
                let request = self.trial_request(now);
                self.reader.handle(now.mono, ReaderEvent::TryCard { request, deadline: until });
            }
            CoreCheck::KeyPress | CoreCheck::Answer | CoreCheck::Storage | CoreCheck::Keys => {}
        }
    }

    /// No card is asked anything that this request has a part in: the choice of an application comes before.
    fn trial_request(&self, now: Now) -> TapRequest {
        let currency = self.host.profile().limits.currency;
        TapRequest {
            money: Money { amount: Amount::MIN, currency },
            local_time: now.wall.civil(self.host.profile().utc_offset_minutes),
            unpredictable: [0; 4],
            sequence: 0,
            pin_above: 0,
        }
    }

    /// A key, while keys are tried.
    pub(super) fn key_tried(&mut self, now: Instant, code: u16, value: i32, stamp: WallTime) {
        let Some(key) = self.keypad.meaning(code) else { return };
        let (Some(trial), 0 | 1) = (&mut self.trial, value) else { return };
        let answer = match (trial.check, key) {
            (CoreCheck::KeyPress, _) => {
                trial.keys.changed(now, code, key, value == 1, stamp);
                return self.end_key_test_if_complete();
            }
            (CoreCheck::Answer, Key::Ok) if value == 0 => Checked::new("answer", Outcome::Worked, "yes"),
            (CoreCheck::Answer, Key::Cancel) if value == 0 => Checked::new("answer", Outcome::Failed, "no"),
            (_, _) => return,
        };
        self.end_trial(answer);
    }

    /// The keypad has gone, and with it whatever was tried there.
    pub(super) fn keypad_lost(&mut self) {
        let Some(check) = self.trial.as_ref().filter(|_| self.keypad_is_tried()).map(|trial| trial.check) else {
            return;
        };
        self.end_trial(Checked::failed(check.as_str(), Cause::H05, "the keypad has gone"));
    }

    /// Whether the keypad serves a test.
    pub(super) fn keypad_is_tried(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.device() == Some(Device::Keypad))
    }

    /// Keeps what the reader says of a card or line that is only tried; gives back the rest.
    pub(super) fn reader_tried(&mut self, now: Now, output: ReaderOutput) -> Option<ReaderOutput> {
        let Some(trial) = &mut self.trial else { return Some(output) };
        let checked = match (trial.check, output) {
            (CoreCheck::ReaderLine, ReaderOutput::LineProved(true)) => {
                Checked::new("reader-line", Outcome::Worked, "the chip sent back what it was sent")
            }
            (CoreCheck::ReaderLine, ReaderOutput::LineProved(false)) => {
                Checked::failed("reader-line", Cause::H03, "the chip sent back other bytes than it was sent")
            }
            (CoreCheck::Card, ReaderOutput::CardSelected(scheme)) => {
                let took = now.mono.milliseconds_since(trial.began);
                Checked::new(
                    "card",
                    Outcome::Worked,
                    format!("an application of {scheme} was selected after {took} ms"),
                )
            }
            (CoreCheck::Card, ReaderOutput::PresentAgain(failure)) => {
                trial.card = Some(failure);
                return None;
            }
            (CoreCheck::Card, ReaderOutput::RemoveCard) => return None,
            (CoreCheck::Card, ReaderOutput::TapFailed(failure)) => no_card(trial.card.unwrap_or(failure)),
            // Never for a card that is only tried.
            (CoreCheck::Card, ReaderOutput::CardRead(_)) => return None,
            (_, other) => return Some(other),
        };
        self.end_trial(checked);
        None
    }

    /// Ends what took too long, or what nobody waits for any more.
    pub(super) fn expire_trial(&mut self, now: Now) {
        let Some(trial) = &mut self.trial else { return };
        trial.keys.expire(now.mono);
        if trial.look <= now.mono {
            trial.look = now.mono.after(LOOK);
        }
        if trial.reply.is_closed() {
            self.end_trial(Checked::new("", Outcome::NotRun, ""));
        } else if trial.until <= now.mono {
            let checked = match trial.check {
                CoreCheck::KeyPress => keys_seen(&trial.keys, false),
                check => Checked::new(check.as_str(), Outcome::TimedOut, "nothing came within the time"),
            };
            self.end_trial(checked);
        } else {
            self.end_key_test_if_complete();
        }
    }

    fn end_key_test_if_complete(&mut self) {
        let Some(trial) = &self.trial else { return };
        if trial.check == CoreCheck::KeyPress && trial.keys.is_complete() {
            let checked = keys_seen(&trial.keys, true);
            self.end_trial(checked);
        }
    }

    fn end_trial(&mut self, checked: Checked) {
        let Some(trial) = self.trial.take() else { return };
        let now = (self.clock)();
        if trial.check == CoreCheck::Card {
            self.reader.handle(now.mono, ReaderEvent::StopTap);
        }
        if let Some(device) = trial.device() {
            self.tell_engine(now, Event::Asked { id: OWN, command: Command::InhibitEnded { device }, stored: None });
        }
        let checked = checked.took(now.mono.milliseconds_since(trial.began));
        // The caller may have gone; then nobody waits.
        let _ = trial.reply.send(Ok(Reply::SelfTested(checked)));
    }

    /// The database, page by page, within its time.
    fn check_storage(&mut self, now: Now) -> Checked {
        let name = CoreCheck::Storage.as_str();
        let (clock, until) = (self.clock, now.mono.after(CoreCheck::Storage.within()));
        match self.teller.store_mut().integrity_while(move || clock().mono < until) {
            Ok(true) => Checked::new(name, Outcome::Worked, "every page of the database is sound"),
            Ok(false) => {
                Checked::new(name, Outcome::TimedOut, "sound as far as was read; it is read whole at a restore")
            }
            Err(error) => Checked { cause: error.cause(), ..Checked::new(name, Outcome::Failed, error.to_string()) },
        }
    }

    /// The keys in use against those on disk, by check value.
    fn check_keys(&self) -> Checked {
        let name = CoreCheck::Keys.as_str();
        let store = self.teller.store();
        let (master, wrapped) = match (store.master_key(), store.working_keys()) {
            (Ok(master), Ok(wrapped)) => (master, wrapped),
            (Err(error), _) | (_, Err(error)) => {
                return Checked { cause: error.cause(), ..Checked::new(name, Outcome::Failed, error.to_string()) };
            }
        };
        let stored = master.and_then(|key| key.expose().try_into().ok()).map(|key| check_text(&DoubleKey(key)));
        let Some(in_use) = self.host.master_check() else {
            return Checked::failed(name, Cause::K04, "no master key is loaded");
        };
        if stored.as_ref() != Some(&in_use) {
            return Checked::failed(name, Cause::K04, "the master key in use is not the one on disk");
        }
        match wrapped.map(|wrapped| self.host.check_wrapped(wrapped.expose())) {
            None => {
                Checked::new(name, Outcome::Worked, format!("master key {in_use}; working keys come with the sign-in"))
            }
            Some(Ok(())) => {
                let text = format!("master key {in_use}; the working keys have their check values");
                Checked::new(name, Outcome::Worked, text)
            }
            Some(Err(fault)) => Checked::failed(name, fault.cause, fault.evidence),
        }
    }
}

fn keys_seen(test: &KeyTest, in_time: bool) -> Checked {
    let seen = test.report();
    let mut text = format!("{} keys work", seen.good);
    for (what, names) in [("not pressed", &seen.missing), ("bouncing", &seen.bouncing), ("stuck", &seen.stuck)] {
        if !names.is_empty() {
            text = format!("{text}; {what}: {}", names.join(", "));
        }
    }
    let name = CoreCheck::KeyPress.as_str();
    match (seen.stuck.is_empty(), seen.bouncing.is_empty(), seen.missing.is_empty()) {
        (false, _, _) => Checked::failed(name, Cause::H06, text),
        (true, false, _) => Checked::failed(name, Cause::H07, text),
        (true, true, true) => Checked::new(name, Outcome::Worked, text),
        // Nobody at the keypad, or nothing that comes through.
        (true, true, false) if seen.good == 0 && !in_time => Checked::new(name, Outcome::TimedOut, "no key came"),
        (true, true, false) => Checked::new(name, Outcome::Failed, text),
    }
}

fn no_card(failure: TapFailure) -> Checked {
    let name = CoreCheck::Card.as_str();
    match failure {
        TapFailure::NoCard => Checked::new(name, Outcome::TimedOut, "no card came"),
        other => Checked { cause: other.cause(), ..Checked::new(name, Outcome::Failed, other.as_str()) },
    }
}
