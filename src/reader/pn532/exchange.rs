//! One command and its answer: ACK, answer, the repeats between them.
//!
//! Owns: the command in flight, its timers and budgets, the decoder. Must not know: what commands are for.
//! Follows: UM0701-02 §6.2.2 (dialogue). Host frame → ACK → answer; a host NACK fetches the last answer again; a host
//! ACK stops the chip's work.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::reader::pn532::command::{Answer, AnswerError, Command};
use crate::reader::pn532::frame::{self, Decoder, Frame, FrameError};
use crate::reader::pn532::statistics::{LineQuality, Statistics};

/// How long to wait for what, and how often to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For the ACK. The chip gives it within some 15 ms; the rest is for slow hosts.
    pub ack: Duration,
    /// For answers of the chip alone.
    pub chip: Duration,
    /// For a look into the field.
    pub list: Duration,
    /// For a card's answer; the chip's own time-out is shorter.
    pub card: Duration,
    /// Silence after which a frame that has begun counts as cut short.
    pub gap: Duration,
    /// Pause after a stop, in which late answers are let pass.
    pub quiet: Duration,
    /// How often a command is sent again when no ACK comes.
    pub resends: u8,
    /// How often a damaged answer is asked for again.
    pub nacks: u8,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ack: Duration::from_millis(100),
            chip: Duration::from_millis(500),
            list: Duration::from_millis(1_000),
            card: Duration::from_millis(3_000),
            gap: Duration::from_millis(50),
            quiet: Duration::from_millis(10),
            resends: 2,
            nacks: 2,
        }
    }
}

/// Why a command has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Not even an ACK, after all repeats.
    #[error("the reader does not acknowledge: check power and wiring")]
    Silent,
    /// An ACK, but no answer.
    #[error("the reader acknowledged but did not answer in time")]
    NoAnswer,
    /// Only damaged answers, after all repeats.
    #[error("the reader's answers arrive damaged: check wiring and baud rate")]
    Garbled,
    /// The chip calls the command malformed.
    #[error("the reader refused the command")]
    Refused,
}

/// What is to be done or known.
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes.
    Write(SecretBytes),
    /// The command in flight is answered.
    Answered(Answer),
    /// The command in flight is over without an answer.
    Failed(Trouble),
}

struct Flight {
    command: Command,
    resends_left: u8,
    nacks_left: u8,
    ack_within: Duration,
    /// Something damaged came since the command or the last NACK.
    damaged: bool,
    /// Nothing damaged and nothing repeated so far.
    clean: bool,
}

enum Phase {
    Idle,
    /// Late bytes of a stopped command are let pass; then the next command goes out.
    Quiet {
        until: Instant,
        next: Option<Flight>,
    },
    AwaitingAck {
        flight: Flight,
        until: Instant,
    },
    AwaitingAnswer {
        flight: Flight,
        until: Instant,
        /// When a begun or damaged answer counts as over.
        gap: Option<Instant>,
    },
}

/// The exchange machine. One command at a time; a new one stops the old one.
pub struct Exchange {
    timing: Timing,
    phase: Phase,
    decoder: Decoder,
    outputs: VecDeque<Output>,
    statistics: Statistics,
    quality: LineQuality,
}

impl Exchange {
    /// A machine with nothing in flight.
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            phase: Phase::Idle,
            decoder: Decoder::default(),
            outputs: VecDeque::new(),
            statistics: Statistics::default(),
            quality: LineQuality::default(),
        }
    }

    /// The counters so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The counters, for the rungs that only the link knows of.
    pub fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.statistics
    }

    /// Whether the line counts as noisy.
    pub fn noisy(&self) -> bool {
        self.quality.noisy()
    }

    /// Judges the line anew, as after a change of rate or port.
    pub fn forget_quality(&mut self) {
        self.quality.reset();
    }

    /// Sends a command. If one is in flight it is stopped first, and its answer will not come.
    pub fn send(&mut self, now: Instant, command: Command) {
        let (resends, ack) = (self.timing.resends, self.timing.ack);
        self.launch(now, command, resends, ack);
    }

    /// Sends a command once, with its own wait for the ACK: for the first command after waking up, whose repeat is
    /// another wake-up and not another frame.
    pub fn send_once(&mut self, now: Instant, command: Command, ack_within: Duration) {
        self.launch(now, command, 0, ack_within);
    }

    /// Stops the command in flight; no outcome is reported for it.
    pub fn abort(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Quiet { next, .. } => *next = None,
            Phase::AwaitingAck { .. } | Phase::AwaitingAnswer { .. } => self.stop_chip(now, None),
        }
    }

    /// Forgets everything, as when the port closes.
    pub fn reset(&mut self) {
        self.phase = Phase::Idle;
        self.decoder.reset();
        self.outputs.clear();
    }

    /// Takes bytes from the line.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) {
        match &mut self.phase {
            Phase::Quiet { .. } => return self.decoder.reset(),
            Phase::AwaitingAnswer { gap, .. } => *gap = None,
            Phase::Idle | Phase::AwaitingAck { .. } => {}
        }
        self.read(now, bytes);
        let pending = self.decoder.mid_frame();
        if let Phase::AwaitingAnswer { flight, gap, .. } = &mut self.phase
            && (pending || flight.damaged)
        {
            *gap = Some(now.after(self.timing.gap));
        }
    }

    /// When [`Exchange::expire`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Quiet { until, .. } | Phase::AwaitingAck { until, .. } => Some(*until),
            Phase::AwaitingAnswer { until, gap, .. } => Some(gap.map_or(*until, |g| g.min(*until))),
        }
    }

    /// Acts on waits that are over.
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_none_or(|due| now < due) {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => {}
            Phase::Quiet { next, .. } => {
                self.decoder.reset();
                if let Some(flight) = next {
                    self.transmit(now, flight);
                }
            }
            Phase::AwaitingAck { flight, .. } => {
                self.statistics.ack_timeouts += 1;
                self.repeat(now, flight);
            }
            Phase::AwaitingAnswer { flight, until, gap: _ } if now >= until => {
                self.statistics.answer_timeouts += 1;
                let trouble = if flight.damaged || !flight.clean { Trouble::Garbled } else { Trouble::NoAnswer };
                self.stop_chip(now, None);
                self.finish(&flight, Output::Failed(trouble));
            }
            Phase::AwaitingAnswer { flight, until, gap: _ } => {
                self.phase = Phase::AwaitingAnswer { flight, until, gap: None };
                self.line_fell_silent(now);
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn launch(&mut self, now: Instant, command: Command, resends_left: u8, ack_within: Duration) {
        let nacks_left = self.timing.nacks;
        let flight = Flight { command, resends_left, nacks_left, ack_within, damaged: false, clean: true };
        match &mut self.phase {
            Phase::Idle => self.transmit(now, flight),
            Phase::Quiet { next, .. } => *next = Some(flight),
            Phase::AwaitingAck { .. } | Phase::AwaitingAnswer { .. } => self.stop_chip(now, Some(flight)),
        }
    }

    fn transmit(&mut self, now: Instant, flight: Flight) {
        match frame::encode(flight.command.body().expose()) {
            Ok(bytes) => {
                self.outputs.push_back(Output::Write(bytes));
                let until = now.after(flight.ack_within);
                self.phase = Phase::AwaitingAck { flight, until };
            }
            // A body no frame can carry is one the chip would refuse.
            Err(frame::BodyLength(_)) => self.outputs.push_back(Output::Failed(Trouble::Refused)),
        }
    }

    /// A host ACK stops the chip; then the line gets time to fall silent, so that no answer to the stopped command is
    /// taken for the answer to the next.
    fn stop_chip(&mut self, now: Instant, next: Option<Flight>) {
        self.decoder.reset();
        self.outputs.push_back(Output::Write(SecretBytes::new(frame::ACK.to_vec())));
        self.phase = Phase::Quiet { until: now.after(self.timing.quiet), next };
    }

    /// No ACK came. The command may have run all the same; running it twice does no harm: whatever a card says to a
    /// repeated command is checked like any other answer, and only the last cryptogram is ever used.
    fn repeat(&mut self, now: Instant, mut flight: Flight) {
        let Some(left) = flight.resends_left.checked_sub(1) else {
            self.stop_chip(now, None);
            return self.finish(&Flight { clean: false, ..flight }, Output::Failed(Trouble::Silent));
        };
        self.statistics.resends += 1;
        flight.resends_left = left;
        flight.damaged = false;
        flight.clean = false;
        self.stop_chip(now, Some(flight));
    }

    fn read(&mut self, now: Instant, mut bytes: &[u8]) {
        while let Some(item) = self.decoder.next(&mut bytes) {
            match item {
                Ok(frame) => {
                    self.statistics.frames += 1;
                    self.frame_read(now, frame);
                }
                Err(error) => {
                    self.statistics.framing_errors += 1;
                    self.frame_damaged(now, error);
                }
            }
        }
    }

    fn frame_read(&mut self, now: Instant, frame: Frame) {
        match (std::mem::replace(&mut self.phase, Phase::Idle), frame) {
            (Phase::AwaitingAck { mut flight, .. }, Frame::Ack) => {
                flight.damaged = false;
                let until = now.after(self.answer_within(&flight.command));
                self.phase = Phase::AwaitingAnswer { flight, until, gap: None };
            }
            (Phase::AwaitingAck { flight, .. }, Frame::Nack) => self.repeat(now, flight),
            (Phase::AwaitingAck { flight, .. } | Phase::AwaitingAnswer { flight, .. }, Frame::Error) => {
                self.statistics.error_frames += 1;
                self.finish(&flight, Output::Failed(Trouble::Refused));
            }
            // Without an ACK before it an answer is an old one, unless the ACK was what arrived damaged.
            (Phase::AwaitingAck { flight, until }, Frame::Body(body)) if !flight.damaged => {
                drop(body);
                self.statistics.stale_frames += 1;
                self.phase = Phase::AwaitingAck { flight, until };
            }
            (Phase::AwaitingAck { flight, until }, Frame::Body(body)) => {
                self.body_read(now, flight, until, &body);
            }
            (Phase::AwaitingAnswer { flight, until, .. }, Frame::Body(body)) => {
                self.body_read(now, flight, until, &body);
            }
            (phase @ Phase::AwaitingAnswer { .. }, Frame::Ack | Frame::Nack)
            | (phase @ (Phase::Idle | Phase::Quiet { .. }), Frame::Ack | Frame::Nack | Frame::Error | Frame::Body(_)) =>
            {
                self.statistics.stale_frames += 1;
                self.phase = phase;
            }
        }
    }

    fn body_read(&mut self, now: Instant, flight: Flight, until: Instant, body: &SecretBytes) {
        match Answer::parse(&flight.command, body.expose()) {
            Ok(answer) => self.finish(&flight, Output::Answered(answer)),
            Err(AnswerError::Direction | AnswerError::OtherCommand) => {
                self.statistics.stale_frames += 1;
                self.phase = Phase::AwaitingAnswer { flight, until, gap: None };
            }
            Err(AnswerError::Shape(_)) => {
                self.statistics.framing_errors += 1;
                self.ask_again(now, flight);
            }
        }
    }

    fn frame_damaged(&mut self, now: Instant, error: FrameError) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            phase @ (Phase::Idle | Phase::Quiet { .. }) => self.phase = phase,
            Phase::AwaitingAck { mut flight, until } => {
                flight.damaged = true;
                flight.clean = false;
                self.phase = Phase::AwaitingAck { flight, until };
            }
            Phase::AwaitingAnswer { mut flight, until, gap } => match error {
                // The frame's end was where its length said, so the chip has finished talking.
                FrameError::Checksum => self.ask_again(now, flight),
                // Where the rest of it ends is unknown: wait until the line falls silent.
                FrameError::Noise | FrameError::Length | FrameError::TooLong | FrameError::Truncated => {
                    flight.damaged = true;
                    flight.clean = false;
                    self.phase = Phase::AwaitingAnswer { flight, until, gap };
                }
            },
        }
    }

    /// Nothing more came behind a begun or damaged answer.
    fn line_fell_silent(&mut self, now: Instant) {
        while self.decoder.cut().is_some() {
            self.statistics.framing_errors += 1;
            self.read(now, &[]);
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::AwaitingAnswer { flight, .. } => self.ask_again(now, flight),
            // A frame that had been swallowed was the answer after all.
            phase @ (Phase::Idle | Phase::Quiet { .. } | Phase::AwaitingAck { .. }) => self.phase = phase,
        }
    }

    fn ask_again(&mut self, now: Instant, mut flight: Flight) {
        flight.clean = false;
        flight.damaged = false;
        let Some(left) = flight.nacks_left.checked_sub(1) else {
            self.stop_chip(now, None);
            return self.finish(&flight, Output::Failed(Trouble::Garbled));
        };
        self.statistics.nacks += 1;
        flight.nacks_left = left;
        self.outputs.push_back(Output::Write(SecretBytes::new(frame::NACK.to_vec())));
        // The answer exists already, so it is not the card that is waited for.
        let until = now.after(self.timing.chip);
        self.phase = Phase::AwaitingAnswer { flight, until, gap: None };
    }

    fn finish(&mut self, flight: &Flight, outcome: Output) {
        self.quality.note(flight.clean);
        self.outputs.push_back(outcome);
    }

    fn answer_within(&self, command: &Command) -> Duration {
        match command {
            Command::InListPassiveTarget { .. } => self.timing.list,
            Command::InDataExchange { .. } => self.timing.card,
            Command::DiagnoseLine(_)
            | Command::GetFirmwareVersion
            | Command::SetSerialBaudRate(_)
            | Command::SetParameters
            | Command::SamConfiguration
            | Command::RfField { .. }
            | Command::RfRetries { .. }
            | Command::InRelease { .. } => self.timing.chip,
        }
    }
}

#[cfg(test)]
mod tests;
