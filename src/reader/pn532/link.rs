//! The link to one PN532: brings it up, keeps it up, brings it back.
//!
//! Owns: wake-up, configuration, the rate of the line, the ladder. Must not know: cards, payments, file descriptors.
//! Follows: UM0701-02 §6.2 and §7.2 (after a wake-up SAMConfiguration is the first command; a new rate applies once the
//! host has acknowledged at the old one); recorded exchanges of libnfc and nfcpy.

mod steps;

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::reader::pn532::command::{Answer, BaudRate, Command, Firmware};
use crate::reader::pn532::exchange::{Exchange, Timing};
use crate::reader::pn532::ladder::{Ladder, LadderSettings, Rung};
use crate::reader::pn532::statistics::Statistics;

/// The rate after the chip's power-up.
pub const BASE_RATE: BaudRate = BaudRate::B115200;

/// How the link is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Waits and budgets of one exchange.
    pub timing: Timing,
    /// Rungs of the ladder.
    pub ladder: LadderSettings,
    /// The rate to raise the line to; `None` stays at 115 200.
    pub raise_to: Option<BaudRate>,
    /// Between wake-up bytes and the first command: the chip's oscillator needs 2 ms.
    pub wake: Duration,
    /// For the ACK of the first command after a wake-up.
    pub first_ack: Duration,
    /// On either side of a change of rate; the chip needs 1 ms.
    pub rate_change: Duration,
    /// From the pulse on the reset line to the next wake-up.
    pub reset: Duration,
    /// For a port to come back after it was told to reopen or its power was switched.
    pub reopen: Duration,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            ladder: LadderSettings::default(),
            raise_to: Some(BaudRate::B460800),
            wake: Duration::from_millis(5),
            first_ack: Duration::from_millis(250),
            rate_change: Duration::from_millis(2),
            reset: Duration::from_millis(200),
            reopen: Duration::from_secs(3),
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
    /// Bytes came.
    Received(SecretBytes),
    /// The layer above wants this command run. Only while the link is up.
    CommandGiven(Command),
    /// The layer above no longer wants the answer.
    Aborted,
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
    /// Switch the chip's power off and on.
    PowerCycle,
    /// The chip is configured and can be given commands.
    Up(Firmware),
    /// The answer to the command given.
    Answered(Answer),
    /// The chip calls the command given malformed.
    Refused,
    /// The chip stopped answering; the command given is void. It is being woken.
    Lost,
    /// Waking it did not help; stronger measures follow. `Up` may still come.
    Down,
    /// The port is gone.
    Gone,
}

/// The steps from awake to configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Sam,
    Firmware,
    Parameters,
    Retries,
}

/// The steps of a change of rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RateStep {
    /// The chip has been asked.
    Asked,
    /// Our ACK is on its way, at the old rate.
    Acknowledging(Instant),
    /// Both sides switch.
    Switching(Instant),
    /// An echo is to come back at the new rate.
    Proving,
}

enum State {
    /// No port.
    Closed,
    /// Wake-up bytes are out.
    Waking(Instant),
    /// Being configured.
    Starting(Step),
    /// The rate is being changed; a command may be waiting for that.
    ChangingRate { step: RateStep, to: BaudRate, held: Option<Command> },
    /// At work.
    Up,
    /// The port is being reopened, or the power is off, until then at the latest.
    Reopening(Instant),
    /// The reset line was pulsed.
    Resetting(Instant),
    /// Nothing helped; the next round begins then.
    Resting(Instant),
}

/// Comes back unchanged over a good line; every bit of a byte changes within it.
pub(crate) const PROOF: [u8; 8] = [0x00, 0xFF, 0x55, 0xAA, 0x0F, 0xF0, 0x33, 0xCC];

/// The link machine.
pub struct Link {
    settings: LinkSettings,
    state: State,
    exchange: Exchange,
    ladder: Ladder,
    rate: BaudRate,
    /// Cleared for good when the raised rate does not work on this port.
    may_raise: bool,
    firmware: Option<Firmware>,
    /// The layer above has been told that the chip is up, and nothing else since.
    said_up: bool,
    /// The layer above has been told that the chip is down, and nothing else since.
    said_down: bool,
    port_open: bool,
    outputs: VecDeque<Output>,
}

impl Link {
    /// A link without a port.
    pub fn new(settings: LinkSettings) -> Self {
        Self {
            settings,
            state: State::Closed,
            exchange: Exchange::new(settings.timing),
            ladder: Ladder::new(settings.ladder),
            rate: BASE_RATE,
            may_raise: true,
            firmware: None,
            said_up: false,
            said_down: false,
            port_open: false,
            outputs: VecDeque::new(),
        }
    }

    /// The counters so far.
    pub fn statistics(&self) -> &Statistics {
        self.exchange.statistics()
    }

    /// Whether the line counts as noisy.
    pub fn noisy(&self) -> bool {
        self.exchange.noisy()
    }

    /// The state's name, for the journal and the transition table.
    pub fn state(&self) -> &'static str {
        match &self.state {
            State::Closed => "closed",
            State::Waking(_) => "waking",
            State::Starting(_) => "starting",
            State::ChangingRate { .. } => "changing-rate",
            State::Up => "up",
            State::Reopening(_) => "reopening",
            State::Resetting(_) => "resetting",
            State::Resting(_) => "resting",
        }
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened => self.opened(now),
            Event::Closed => self.closed(),
            Event::Received(bytes) => self.received(now, bytes.expose()),
            Event::CommandGiven(command) => self.command_given(now, command),
            Event::Aborted => self.aborted(now),
            Event::ResetAsked => self.asked_for(now, Rung::Reset),
            Event::PowerCycleAsked => self.asked_for(now, Rung::Power),
        }
    }

    /// When [`Link::expire`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Closed => None,
            State::Waking(until) | State::Reopening(until) | State::Resetting(until) | State::Resting(until) => {
                Some(*until)
            }
            State::ChangingRate { step: RateStep::Acknowledging(until) | RateStep::Switching(until), .. } => {
                Some(*until)
            }
            State::Starting(_) | State::Up | State::ChangingRate { step: RateStep::Asked | RateStep::Proving, .. } => {
                self.exchange.deadline()
            }
        }
    }

    /// Acts on waits that are over.
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_none_or(|due| now < due) {
            return;
        }
        match &mut self.state {
            State::Closed => {}
            State::Waking(_) => {
                self.state = State::Starting(Step::Sam);
                self.exchange.send_once(now, Command::SamConfiguration, self.settings.first_ack);
            }
            State::ChangingRate { step: step @ RateStep::Acknowledging(_), to, .. } => {
                *step = RateStep::Switching(now.after(self.settings.rate_change));
                let to = *to;
                self.set_rate(to);
            }
            State::ChangingRate { step: step @ RateStep::Switching(_), .. } => {
                *step = RateStep::Proving;
                self.exchange.send(now, Command::DiagnoseLine(PROOF.to_vec()));
            }
            State::Starting(_) | State::Up | State::ChangingRate { step: RateStep::Asked | RateStep::Proving, .. } => {
                self.exchange.expire(now);
            }
            // The port did not come back in time; the driver goes on waiting for it.
            State::Reopening(_) if !self.port_open => self.gone(),
            // A power switch need not take the port away.
            State::Reopening(_) if self.ladder.rung() == Rung::Power => self.attempt(now),
            State::Reopening(_) => self.climb(now),
            State::Resetting(_) => self.attempt(now),
            State::Resting(_) => self.climb(now),
        }
        self.drain(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn opened(&mut self, now: Instant) {
        // A port that we took away ourselves goes on with its rung; any other one is a fresh start.
        if !matches!(self.state, State::Reopening(_)) {
            self.ladder.restart();
            self.may_raise = true;
        }
        self.say_lost();
        self.port_open = true;
        self.exchange.reset();
        self.exchange.forget_quality();
        self.rate = BASE_RATE;
        self.attempt(now);
    }

    fn closed(&mut self) {
        self.port_open = false;
        self.exchange.reset();
        match self.state {
            State::Reopening(_) | State::Closed => {}
            State::Waking(_)
            | State::Starting(_)
            | State::ChangingRate { .. }
            | State::Up
            | State::Resetting(_)
            | State::Resting(_) => self.gone(),
        }
    }

    fn gone(&mut self) {
        self.state = State::Closed;
        (self.said_up, self.said_down) = (false, false);
        self.outputs.push_back(Output::Gone);
    }

    fn received(&mut self, now: Instant, bytes: &[u8]) {
        match &self.state {
            State::Starting(_) | State::Up | State::ChangingRate { step: RateStep::Asked | RateStep::Proving, .. } => {
                self.exchange.received(now, bytes);
                self.drain(now);
            }
            // Whatever comes here answers nothing.
            State::Closed
            | State::Waking(_)
            | State::ChangingRate { step: RateStep::Acknowledging(_) | RateStep::Switching(_), .. }
            | State::Reopening(_)
            | State::Resetting(_)
            | State::Resting(_) => {}
        }
    }

    fn command_given(&mut self, now: Instant, command: Command) {
        match &mut self.state {
            State::Up if self.exchange.noisy() && self.rate != BASE_RATE => {
                self.may_raise = false;
                self.exchange.statistics_mut().rate_fallbacks += 1;
                self.change_rate(now, BASE_RATE, Some(command));
            }
            State::Up => {
                self.exchange.send(now, command);
                self.drain(now);
            }
            State::ChangingRate { held, .. } => *held = Some(command),
            // The layer above has been told that the link is not up.
            State::Closed
            | State::Waking(_)
            | State::Starting(_)
            | State::Reopening(_)
            | State::Resetting(_)
            | State::Resting(_) => {}
        }
    }

    fn aborted(&mut self, now: Instant) {
        match &mut self.state {
            State::Up => {
                self.exchange.abort(now);
                self.drain(now);
            }
            State::ChangingRate { held, .. } => *held = None,
            State::Closed
            | State::Waking(_)
            | State::Starting(_)
            | State::Reopening(_)
            | State::Resetting(_)
            | State::Resting(_) => {}
        }
    }

    fn asked_for(&mut self, now: Instant, wanted: Rung) {
        let has = match wanted {
            Rung::Reset => self.settings.ladder.reset_line,
            Rung::Power => self.settings.ladder.power_switch,
            Rung::Wake | Rung::Reopen | Rung::Rest => true,
        };
        match &self.state {
            State::Closed => return,
            // Already under way.
            State::Reopening(_) | State::Resetting(_) => return,
            State::Up | State::ChangingRate { .. } | State::Waking(_) | State::Starting(_) | State::Resting(_) => {}
        }
        self.say_lost();
        self.ladder.restart();
        self.ladder.jump(if has { wanted } else { Rung::Reopen });
        self.exchange.reset();
        self.take_rung(now);
    }
}

#[cfg(test)]
mod tests;
