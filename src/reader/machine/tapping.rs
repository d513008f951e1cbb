//! One tap: looking for a card, reading it, and what follows from a card that could not be read.
//!
//! Owns: the order of looks, two cards, the wait for removal, the tap's deadline and budget. Must not know: APDUs.
//! Follows: EMV Contactless Book D §9 (polling, one card only), cut down to what a PN532 shows of it: it looks for up to two
//! cards of type A, then of type B; a card of each type at once is not noticed.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::domain::card::{TapFailure, TapRequest};
use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::reader::machine::{Chip, Job, Output, Reader};
use crate::reader::pn532::command::{Answer, Command, Modulation, Status, Target};
use crate::reader::tap::{Goal, Step, Tap};

/// No answer to a payment command is longer.
const MAX_ANSWER: usize = 4_096;

/// A card that is wanted.
pub(super) struct Tapping {
    request: TapRequest,
    goal: Goal,
    deadline: Instant,
    phase: Phase,
    /// A card that could not be used has to leave the field before another is taken.
    removal: Removal,
    /// Two cards were seen and named; not again until there are fewer.
    two_named: bool,
    retries_left: u8,
}

enum Phase {
    /// For the reader, until then.
    AwaitingReader(Instant),
    /// For a card; this round began then.
    Looking { modulation: Modulation, began: Instant },
    /// The next round begins then.
    Pausing(Instant),
    /// A card is being read; so many commands had been sent twice before it came.
    Reading { target: u8, tap: Box<Tap>, gathered: Zeroizing<Vec<u8>>, resends: u64 },
    /// A card is being let go; the round that met it began then.
    LettingGo(Instant),
    /// The field is being switched off, so that the card starts anew.
    Darkening(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    NotNeeded,
    Needed,
    /// And the person has been told.
    Asked,
}

impl Tapping {
    /// When something is due, whatever the link has due besides.
    pub(super) fn due(&self) -> Instant {
        match &self.phase {
            Phase::AwaitingReader(until) | Phase::Pausing(until) => self.deadline.min(*until),
            Phase::Looking { .. } | Phase::Reading { .. } | Phase::LettingGo(_) | Phase::Darkening(_) => self.deadline,
        }
    }

    /// The reader is away; the card is no longer being read.
    pub(super) fn await_reader(&mut self, until: Instant) {
        // A second loss does not prolong the wait.
        let until = match &self.phase {
            Phase::AwaitingReader(earlier) => *earlier,
            Phase::Looking { .. }
            | Phase::Pausing(_)
            | Phase::Reading { .. }
            | Phase::LettingGo(_)
            | Phase::Darkening(_) => until,
        };
        self.phase = Phase::AwaitingReader(until);
    }
}

impl Reader {
    pub(super) fn start_tap(&mut self, now: Instant, request: TapRequest, deadline: Instant, goal: Goal) {
        if self.chip == Chip::Failed {
            return self.outputs.push_back(Output::TapFailed(TapFailure::ReaderFailed));
        }
        self.job = Job::Tapping(Box::new(Tapping {
            request,
            goal,
            deadline,
            phase: Phase::AwaitingReader(now.after(self.settings.grace)),
            removal: Removal::NotNeeded,
            two_named: false,
            retries_left: self.settings.retries,
        }));
        if self.chip == Chip::Up {
            self.look(now);
        }
    }

    pub(super) fn stop_tap(&mut self, now: Instant) {
        match &self.job {
            Job::Tapping(_) => {
                self.link.handle(now, super::link::Event::Aborted);
                self.release(now);
            }
            Job::Idle { .. } | Job::Checking | Job::Releasing | Job::Darkening => {}
        }
    }

    /// A wait of the tap is over.
    pub(super) fn tap_due(&mut self, now: Instant) {
        let Job::Tapping(tapping) = &self.job else { return };
        match &tapping.phase {
            Phase::AwaitingReader(_) => self.end_tap(now, TapFailure::ReaderFailed),
            Phase::Pausing(until) if *until <= now && now < tapping.deadline => self.look(now),
            Phase::Pausing(_)
            | Phase::Looking { .. }
            | Phase::Reading { .. }
            | Phase::LettingGo(_)
            | Phase::Darkening(_) => {
                self.link.handle(now, super::link::Event::Aborted);
                self.end_tap(now, TapFailure::NoCard);
            }
        }
    }

    /// Begins a round of looking.
    pub(super) fn look(&mut self, now: Instant) {
        let modulation = Modulation::TypeA;
        self.enter(Phase::Looking { modulation, began: now });
        self.command(now, Command::InListPassiveTarget { max: 2, modulation });
    }

    pub(super) fn tap_answered(&mut self, now: Instant, answer: Answer) {
        let Job::Tapping(tapping) = &mut self.job else { return };
        match (&mut tapping.phase, answer) {
            (Phase::Looking { modulation, began }, Answer::Targets(found)) => {
                let (modulation, began) = (*modulation, *began);
                self.looked(now, modulation, began, &found);
            }
            (Phase::Reading { target, gathered, .. }, Answer::Exchanged { status: Status::Ok, more, bytes }) => {
                if gathered.len() + bytes.expose().len() > MAX_ANSWER {
                    return self.card_failed(now, TapFailure::CardFaulty);
                }
                gathered.extend_from_slice(bytes.expose());
                let target = *target;
                if more {
                    let rest = SecretBytes::new(Vec::new());
                    return self.command(now, Command::InDataExchange { target, bytes: rest });
                }
                self.card_answered(now);
            }
            (Phase::Reading { .. }, Answer::Exchanged { status, .. }) => match status {
                Status::Collision => self.card_failed(now, TapFailure::TwoCards),
                Status::Ok | Status::CardLost => self.card_failed(now, TapFailure::RemovedEarly),
                Status::ChipFault(_) => self.card_failed(now, TapFailure::CardFaulty),
            },
            (Phase::LettingGo(began), _) => {
                let began = *began;
                self.enter(Phase::Darkening(began));
                self.command(now, Command::RfField { on: false });
            }
            (Phase::Darkening(began), _) => {
                let next = began.after(self.settings.poll_every).max(now);
                self.pause(now, next);
            }
            // The link matches answers to commands, so these do not come; a new round is the safe way on.
            (Phase::Looking { .. } | Phase::Reading { .. }, _) => self.let_go(now, now),
            (Phase::AwaitingReader(_) | Phase::Pausing(_), _) => {}
        }
    }

    /// The chip called a command malformed: a damaged line, or a chip that is not what it says.
    pub(super) fn tap_refused(&mut self, now: Instant) {
        let Job::Tapping(tapping) = &mut self.job else { return };
        match &tapping.phase {
            Phase::Reading { .. } => self.card_failed(now, TapFailure::CardFaulty),
            Phase::Looking { .. } | Phase::LettingGo(_) | Phase::Darkening(_) => {
                match tapping.retries_left.checked_sub(1) {
                    Some(left) => {
                        tapping.retries_left = left;
                        let next = now.after(self.settings.poll_every);
                        self.pause(now, next);
                    }
                    None => self.end_tap(now, TapFailure::ReaderFailed),
                }
            }
            Phase::AwaitingReader(_) | Phase::Pausing(_) => {}
        }
    }

    fn looked(&mut self, now: Instant, modulation: Modulation, began: Instant, found: &[Target]) {
        let Job::Tapping(tapping) = &mut self.job else { return };
        match found {
            [] => match modulation {
                Modulation::TypeA => {
                    let modulation = Modulation::TypeB;
                    self.enter(Phase::Looking { modulation, began });
                    self.command(now, Command::InListPassiveTarget { max: 2, modulation });
                }
                Modulation::TypeB => {
                    tapping.two_named = false;
                    tapping.removal = Removal::NotNeeded;
                    let next = began.after(self.settings.poll_every).max(now);
                    self.pause(now, next);
                }
            },
            [_] if tapping.removal != Removal::NotNeeded => {
                if tapping.removal == Removal::Needed {
                    tapping.removal = Removal::Asked;
                    self.outputs.push_back(Output::RemoveCard);
                }
                self.let_go(now, began);
            }
            [card] if !card.iso_dep => self.card_failed(now, TapFailure::WrongCard),
            [card] => {
                tapping.two_named = false;
                let target = card.number;
                let tap = Tap::new(Arc::clone(&self.settings.terminal), tapping.request.clone());
                let mut tap = Box::new(tap.until(tapping.goal));
                let step = tap.start();
                let gathered = Zeroizing::new(Vec::new());
                let resends = self.link.statistics().resends;
                self.enter(Phase::Reading { target, tap, gathered, resends });
                self.take_step(now, step);
            }
            [_, _, ..] if tapping.two_named => self.let_go(now, began),
            [_, _, ..] => self.card_failed(now, TapFailure::TwoCards),
        }
    }

    /// The card's answer is whole.
    fn card_answered(&mut self, now: Instant) {
        let Job::Tapping(tapping) = &mut self.job else { return };
        let Phase::Reading { tap, gathered, .. } = &mut tapping.phase else { return };
        let answer = std::mem::take(gathered);
        let step = tap.answered(&answer);
        self.take_step(now, step);
    }

    fn take_step(&mut self, now: Instant, step: Step) {
        match step {
            Step::Transmit(bytes) => {
                let Job::Tapping(tapping) = &mut self.job else { return };
                let Phase::Reading { target, gathered, .. } = &mut tapping.phase else { return };
                // Room for everything at once: a growing vector would leave unwiped copies behind.
                *gathered = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
                let target = *target;
                self.command(now, Command::InDataExchange { target, bytes });
            }
            Step::Read(read) => {
                // Said before the card is let go: the payment goes on while the chip tidies up.
                self.outputs.push_back(Output::CardRead(read));
                self.release(now);
            }
            Step::Selected(scheme) => {
                self.outputs.push_back(Output::CardSelected(scheme));
                self.release(now);
            }
            Step::Failed(failure) => self.card_failed(now, failure),
        }
    }

    /// A card could not be used: goes on looking if that makes sense, else ends the tap.
    fn card_failed(&mut self, now: Instant, failure: TapFailure) {
        let sent_twice = self.link.statistics().resends;
        let Job::Tapping(tapping) = &mut self.job else { return };
        // A command whose ACK was lost runs twice, and a good card refuses the second time: it is read once more from the
        // start, and what it says then counts.
        let repeated = matches!(&tapping.phase, Phase::Reading { resends, .. } if *resends != sent_twice);
        let failure = if repeated && tapping.retries_left > 0 { TapFailure::RemovedEarly } else { failure };
        let left = tapping.retries_left.checked_sub(1).filter(|_| failure.may_retry());
        let Some(left) = left else {
            return self.end_tap(now, failure);
        };
        tapping.retries_left = left;
        tapping.two_named = failure == TapFailure::TwoCards;
        // The same card would fail the same way; one that was taken away too early may come back at once.
        tapping.removal = match failure {
            TapFailure::WrongCard | TapFailure::CardFaulty => Removal::Needed,
            TapFailure::TwoCards
            | TapFailure::RemovedEarly
            | TapFailure::NoCommonApplication
            | TapFailure::CardDeclined
            | TapFailure::UseChip
            | TapFailure::Expired
            | TapFailure::NoCard
            | TapFailure::ReaderFailed => Removal::NotNeeded,
        };
        self.outputs.push_back(Output::PresentAgain(failure));
        self.let_go(now, now);
    }

    fn let_go(&mut self, now: Instant, began: Instant) {
        self.enter(Phase::LettingGo(began));
        self.command(now, Command::InRelease { target: 0 });
    }

    fn pause(&mut self, now: Instant, until: Instant) {
        if until <= now {
            return self.look(now);
        }
        self.enter(Phase::Pausing(until));
    }

    fn enter(&mut self, phase: Phase) {
        if let Job::Tapping(tapping) = &mut self.job {
            tapping.phase = phase;
        }
    }

    fn end_tap(&mut self, now: Instant, failure: TapFailure) {
        self.outputs.push_back(Output::TapFailed(failure));
        self.release(now);
    }
}
