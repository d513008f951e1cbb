//! The reader as the core loop sees it: one machine from serial bytes to a card that is read.
//!
//! Owns: when to look for cards, one tap from its start to its end, the device's state and cause. Must not know: what the
//! payment is for, where the bytes go.
//!
//! A tap lasts from [`Event::StartTap`] to the first of: [`Output::CardRead`], [`Output::TapFailed`], [`Event::StopTap`]. In between
//! there may be any number of [`Output::PresentAgain`]: the card could not be used, and the reader goes on looking until the
//! tap's deadline. Whoever wants to end it then says `StopTap`. The field is on and the chip is spoken to only during a tap;
//! outside there is nothing but the health check, if one is set.

mod tapping;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::card::{CardRead, Scheme, TapFailure, TapRequest};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::reader::machine::tapping::Tapping;
use crate::reader::pn532::command::{Answer, Command, Firmware};
use crate::reader::pn532::link::{self, Link, LinkSettings};
use crate::reader::pn532::statistics::Statistics;
use crate::reader::tap::Goal;
use crate::reader::tap::settings::TerminalSettings;

/// How the reader is run.
#[derive(Clone, Debug)]
pub struct ReaderSettings {
    /// The chip and its line.
    pub link: LinkSettings,
    /// What cards are told.
    pub terminal: Arc<TerminalSettings>,
    /// How often an idle reader is asked whether it is there; `None` lets it sleep.
    pub health_check: Option<Duration>,
    /// From one round of looking for cards to the next, at least. Real chips take longer; it keeps a fast one from
    /// taking the processor.
    pub poll_every: Duration,
    /// How long a tap waits for a reader that is gone or being woken.
    pub grace: Duration,
    /// How often one tap may go on after a card that could not be used.
    pub retries: u8,
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self {
            link: LinkSettings::default(),
            terminal: Arc::new(TerminalSettings::default()),
            health_check: Some(Duration::from_secs(30)),
            poll_every: Duration::from_millis(20),
            grace: Duration::from_secs(3),
            retries: 20,
        }
    }
}

/// What has happened.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// The port is open, at 115 200.
    Opened,
    /// The port is gone.
    Closed,
    /// Bytes came from the port.
    Received(SecretBytes),
    /// A card is wanted.
    StartTap {
        /// For which payment.
        request: TapRequest,
        /// Until when. It holds for a card that is being read, too: what comes later nobody waits for.
        deadline: Instant,
    },
    /// A card is wanted for a test: it is read as far as the choice of its application, and let go.
    TryCard {
        /// What a card could ask before that; no payment.
        request: TapRequest,
        /// Until when.
        deadline: Instant,
    },
    /// The line to the chip is to be proved now, unless something is under way.
    ProveLine,
    /// No card is wanted any more. Nothing is reported for the tap.
    StopTap,
    /// A person asked for a reset.
    ResetAsked,
    /// A person asked for a power cycle.
    PowerCycleAsked,
}

/// What is to be done or known.
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes.
    Write(SecretBytes),
    /// Set the port to so many bits per second, once everything written has left.
    SetBaud(u32),
    /// Close the port and open it again.
    Reopen,
    /// Pulse the chip's reset line.
    PulseReset,
    /// Switch the reader's power off and on.
    PowerCycle,
    /// The device's state or the cause that stands beside it changed.
    StateChanged(DeviceState, Option<Cause>),
    /// Which reader this is.
    Identified {
        /// The chip's name.
        model: String,
        /// Its firmware.
        firmware: String,
    },
    /// A card is read; the tap is over and the card may go.
    CardRead(Box<CardRead>),
    /// A card that was tried has this application; the tap is over.
    CardSelected(Scheme),
    /// The chip sent back what it was sent (`true`), or something else.
    LineProved(bool),
    /// This card could not be used, and the reader goes on looking. Only failures that `may_retry`.
    PresentAgain(TapFailure),
    /// The card that could not be used is still there; it has to go before another one is looked at.
    RemoveCard,
    /// The tap is over without a card.
    TapFailed(TapFailure),
}

/// Where the chip stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chip {
    Absent,
    Starting,
    Failed,
    Up,
}

/// What the reader is busy with.
enum Job {
    /// Nothing; the health check is due then.
    Idle { check: Option<Instant> },
    /// The health check is under way.
    Checking,
    /// A card is wanted.
    Tapping(Box<Tapping>),
    /// The card is being let go.
    Releasing,
    /// The field is being switched off.
    Darkening,
}

/// The reader machine.
pub struct Reader {
    settings: ReaderSettings,
    link: Link,
    chip: Chip,
    job: Job,
    identity: Option<Firmware>,
    reported: (DeviceState, Option<Cause>),
    outputs: VecDeque<Output>,
}

impl Reader {
    /// A reader whose port is not open yet: absent, H01.
    pub fn new(settings: ReaderSettings) -> Self {
        Self {
            link: Link::new(settings.link),
            settings,
            chip: Chip::Absent,
            job: Job::Idle { check: None },
            identity: None,
            reported: (DeviceState::Absent, Some(Cause::H01)),
            outputs: VecDeque::new(),
        }
    }

    /// Another one with the same settings, as at the start.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self::new(self.settings.clone())
    }

    /// The state last reported.
    pub fn state(&self) -> (DeviceState, Option<Cause>) {
        self.reported
    }

    /// The line's counters so far.
    pub fn statistics(&self) -> &Statistics {
        self.link.statistics()
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened => self.link.handle(now, link::Event::Opened),
            Event::Closed => self.link.handle(now, link::Event::Closed),
            Event::Received(bytes) => self.link.handle(now, link::Event::Received(bytes)),
            Event::StartTap { request, deadline } => self.start_tap(now, request, deadline, Goal::Payment),
            Event::TryCard { request, deadline } => self.start_tap(now, request, deadline, Goal::Selection),
            Event::ProveLine => self.prove_line(now),
            Event::StopTap => self.stop_tap(now),
            Event::ResetAsked => self.link.handle(now, link::Event::ResetAsked),
            Event::PowerCycleAsked => self.link.handle(now, link::Event::PowerCycleAsked),
        }
        self.drain(now);
    }

    /// When [`Reader::expire`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let job = match &self.job {
            Job::Idle { check } => *check,
            Job::Tapping(tapping) => Some(tapping.due()),
            Job::Checking | Job::Releasing | Job::Darkening => None,
        };
        [self.link.deadline(), job].into_iter().flatten().min()
    }

    /// Acts on waits that are over.
    pub fn expire(&mut self, now: Instant) {
        self.link.expire(now);
        self.drain(now);
        match &self.job {
            Job::Idle { check: Some(due) } if *due <= now => {
                self.job = Job::Checking;
                self.command(now, Command::GetFirmwareVersion);
            }
            Job::Tapping(tapping) if tapping.due() <= now => self.tap_due(now),
            Job::Idle { .. } | Job::Tapping(_) | Job::Checking | Job::Releasing | Job::Darkening => {}
        }
        self.drain(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn prove_line(&mut self, now: Instant) {
        if let (Chip::Up, Job::Idle { .. }) = (self.chip, &self.job) {
            self.job = Job::Checking;
            self.command(now, Command::DiagnoseLine(link::PROOF.to_vec()));
        }
    }

    fn command(&mut self, now: Instant, command: Command) {
        self.link.handle(now, link::Event::CommandGiven(command));
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.link.poll() {
            match output {
                link::Output::Write(bytes) => self.outputs.push_back(Output::Write(bytes)),
                link::Output::SetBaud(rate) => self.outputs.push_back(Output::SetBaud(rate)),
                link::Output::Reopen => self.outputs.push_back(Output::Reopen),
                link::Output::PulseReset => self.outputs.push_back(Output::PulseReset),
                link::Output::PowerCycle => self.outputs.push_back(Output::PowerCycle),
                link::Output::Up(firmware) => self.chip_up(now, firmware),
                link::Output::Answered(answer) => self.answered(now, answer),
                link::Output::Refused => self.refused(now),
                link::Output::Lost => self.chip_lost(now, Chip::Starting),
                link::Output::Down => self.chip_down(),
                link::Output::Gone => self.chip_lost(now, Chip::Absent),
            }
        }
        self.report();
    }

    fn chip_up(&mut self, now: Instant, firmware: Firmware) {
        self.chip = Chip::Up;
        self.identify(firmware);
        match &self.job {
            Job::Tapping(_) => self.look(now),
            Job::Idle { .. } | Job::Checking | Job::Releasing | Job::Darkening => self.rest(now),
        }
    }

    /// The chip is away for now. A tap waits for it; anything else is forgotten.
    fn chip_lost(&mut self, now: Instant, chip: Chip) {
        // A port that opens is a chip that starts, without a word from the link.
        self.chip = chip;
        match &mut self.job {
            Job::Tapping(tapping) => tapping.await_reader(now.after(self.settings.grace)),
            Job::Idle { .. } | Job::Checking | Job::Releasing | Job::Darkening => self.job = Job::Idle { check: None },
        }
    }

    fn chip_down(&mut self) {
        self.chip = Chip::Failed;
        match &self.job {
            Job::Tapping(_) => self.outputs.push_back(Output::TapFailed(TapFailure::ReaderFailed)),
            Job::Idle { .. } | Job::Checking | Job::Releasing | Job::Darkening => {}
        }
        self.job = Job::Idle { check: None };
    }

    fn answered(&mut self, now: Instant, answer: Answer) {
        match (&self.job, answer) {
            (Job::Tapping(_), answer) => self.tap_answered(now, answer),
            (Job::Checking, Answer::Firmware(firmware)) => {
                self.identify(firmware);
                self.rest(now);
            }
            (Job::Checking, Answer::Echo(back)) => {
                self.outputs.push_back(Output::LineProved(back == link::PROOF));
                self.rest(now);
            }
            (Job::Releasing, _) => self.darken(now),
            (Job::Checking | Job::Darkening, _) => self.rest(now),
            // The answer to a command that was stopped.
            (Job::Idle { .. }, _) => {}
        }
    }

    fn refused(&mut self, now: Instant) {
        match &self.job {
            Job::Tapping(_) => self.tap_refused(now),
            Job::Releasing => self.darken(now),
            Job::Checking | Job::Darkening => self.rest(now),
            Job::Idle { .. } => {}
        }
    }

    /// Lets the card go, then switches the field off.
    fn release(&mut self, now: Instant) {
        match self.chip {
            Chip::Up => {
                self.job = Job::Releasing;
                self.command(now, Command::InRelease { target: 0 });
            }
            Chip::Absent | Chip::Starting | Chip::Failed => self.job = Job::Idle { check: None },
        }
    }

    fn darken(&mut self, now: Instant) {
        self.job = Job::Darkening;
        self.command(now, Command::RfField { on: false });
    }

    fn rest(&mut self, now: Instant) {
        self.job = Job::Idle { check: self.settings.health_check.map(|every| now.after(every)) };
    }

    fn identify(&mut self, firmware: Firmware) {
        if self.identity.replace(firmware) != Some(firmware) {
            self.outputs.push_back(Output::Identified { model: firmware.model(), firmware: firmware.to_string() });
        }
    }

    fn report(&mut self) {
        // The link starts by itself when the port opens; it says so only once the chip is up.
        if self.chip == Chip::Absent && self.link.state() != "closed" {
            self.chip = Chip::Starting;
        }
        let state = match (self.chip, &self.job) {
            (Chip::Absent, _) => (DeviceState::Absent, Some(Cause::H01)),
            (Chip::Starting, _) => (DeviceState::Starting, None),
            (Chip::Failed, _) => (DeviceState::Failed, Some(Cause::H02)),
            (Chip::Up, Job::Tapping(_)) => (DeviceState::Active, self.noise()),
            (Chip::Up, Job::Idle { .. } | Job::Checking | Job::Releasing | Job::Darkening) => {
                (DeviceState::Ready, self.noise())
            }
        };
        if self.reported != state {
            self.reported = state;
            self.outputs.push_back(Output::StateChanged(state.0, state.1));
        }
    }

    fn noise(&self) -> Option<Cause> {
        self.link.noisy().then_some(Cause::H03)
    }
}

#[cfg(test)]
mod tests;
