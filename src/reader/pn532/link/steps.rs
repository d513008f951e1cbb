//! From awake to at work, and back when the chip is lost.
//!
//! Owns: which answer leads to which step, the change of rate, the rungs' deeds. Must not know: who listens.

use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::reader::pn532::command::{Answer, BaudRate, Command};
use crate::reader::pn532::exchange::{self, Trouble};
use crate::reader::pn532::frame;
use crate::reader::pn532::ladder::{AttemptRate, Rung};
use crate::reader::pn532::link::{BASE_RATE, Link, Output, PROOF, RateStep, State, Step};

impl Link {
    /// Passes on what the exchange wants and acts on its outcomes.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(output) = self.exchange.poll() {
            match output {
                exchange::Output::Write(bytes) => self.outputs.push_back(Output::Write(bytes)),
                exchange::Output::Answered(answer) => self.answered(now, answer),
                exchange::Output::Failed(trouble) => self.failed(now, trouble),
            }
        }
    }

    fn answered(&mut self, now: Instant, answer: Answer) {
        match (&mut self.state, answer) {
            (State::Up, answer) => {
                self.ladder.worked();
                self.outputs.push_back(Output::Answered(answer));
            }
            (State::Starting(Step::Sam), Answer::Done) => {
                self.step(now, Step::Firmware, Command::GetFirmwareVersion);
            }
            (State::Starting(Step::Firmware), Answer::Firmware(firmware)) => {
                self.firmware = Some(firmware);
                self.step(now, Step::Parameters, Command::SetParameters);
            }
            (State::Starting(Step::Parameters), Answer::Done) => {
                // Without a limit a look into an empty field would never be answered.
                self.step(now, Step::Retries, Command::RfRetries { atr: 0xFF, psl: 0x01, passive: 0x02 });
            }
            (State::Starting(Step::Retries), Answer::Done) => self.configured(now),
            (State::ChangingRate { step: step @ RateStep::Asked, .. }, Answer::Done) => {
                *step = RateStep::Acknowledging(now.after(self.settings.rate_change));
                self.outputs.push_back(Output::Write(SecretBytes::new(frame::ACK.to_vec())));
            }
            (State::ChangingRate { step: RateStep::Proving, held, .. }, Answer::Echo(echo)) if echo == PROOF => {
                let held = held.take();
                self.exchange.forget_quality();
                self.up(now, held);
            }
            // The wrong echo, or an answer of a kind that the command does not have: the line is not to be trusted.
            (State::ChangingRate { .. } | State::Starting(_), _wrong) => self.attempt_failed(now),
            (
                State::Closed | State::Waking(_) | State::Reopening(_) | State::Resetting(_) | State::Resting(_),
                _late,
            ) => {}
        }
    }

    fn failed(&mut self, now: Instant, trouble: Trouble) {
        match (&mut self.state, trouble) {
            (State::Up, Trouble::Refused) => self.outputs.push_back(Output::Refused),
            (State::Up, Trouble::Silent | Trouble::NoAnswer | Trouble::Garbled) => self.lost(now),
            (State::ChangingRate { step: RateStep::Asked, held, .. }, Trouble::Refused) => {
                // A chip that knows no other rate works at this one.
                self.may_raise = false;
                let held = held.take();
                self.up(now, held);
            }
            (State::Starting(_) | State::ChangingRate { .. }, _) => self.attempt_failed(now),
            (State::Closed | State::Waking(_) | State::Reopening(_) | State::Resetting(_) | State::Resting(_), _) => {}
        }
    }

    fn step(&mut self, now: Instant, step: Step, command: Command) {
        self.state = State::Starting(step);
        self.exchange.send(now, command);
    }

    fn configured(&mut self, now: Instant) {
        let wanted = self.settings.raise_to.filter(|_| self.may_raise).unwrap_or(BASE_RATE);
        if wanted == self.rate { self.up(now, None) } else { self.change_rate(now, wanted, None) }
    }

    fn up(&mut self, now: Instant, held: Option<Command>) {
        self.state = State::Up;
        if let (false, Some(firmware)) = (self.said_up, self.firmware) {
            self.outputs.push_back(Output::Up(firmware));
        }
        (self.said_up, self.said_down) = (true, false);
        if let Some(command) = held {
            self.exchange.send(now, command);
        }
    }

    pub(super) fn say_lost(&mut self) {
        if std::mem::take(&mut self.said_up) {
            self.outputs.push_back(Output::Lost);
        }
    }

    pub(super) fn say_down(&mut self) {
        if !std::mem::replace(&mut self.said_down, true) {
            self.outputs.push_back(Output::Down);
        }
    }

    pub(super) fn change_rate(&mut self, now: Instant, to: BaudRate, held: Option<Command>) {
        self.state = State::ChangingRate { step: RateStep::Asked, to, held };
        self.exchange.send(now, Command::SetSerialBaudRate(to));
        self.drain(now);
    }

    fn lost(&mut self, now: Instant) {
        self.say_lost();
        self.exchange.reset();
        if self.ladder.lost() != Rung::Wake {
            self.say_down();
        }
        self.take_rung(now);
    }

    fn attempt_failed(&mut self, now: Instant) {
        if let State::ChangingRate { step, to, .. } = &self.state {
            // Past the chip's consent the new rate is what failed; before it, the old one.
            let switched = !matches!(step, RateStep::Asked);
            if switched && *to != BASE_RATE {
                self.may_raise = false;
                self.exchange.statistics_mut().rate_fallbacks += 1;
            }
        }
        self.say_lost();
        self.exchange.reset();
        self.attempt(now);
    }

    /// Wakes the chip at the rate whose turn it is; climbs when the rung is used up.
    pub(super) fn attempt(&mut self, now: Instant) {
        let Some(rate) = self.ladder.attempt() else {
            return self.climb(now);
        };
        let raised = self.settings.raise_to.unwrap_or(BASE_RATE);
        let rate = match rate {
            AttemptRate::Current => self.rate,
            AttemptRate::Other if self.rate == BASE_RATE => raised,
            AttemptRate::Other | AttemptRate::Base => BASE_RATE,
        };
        self.set_rate(rate);
        self.exchange.statistics_mut().wakes += 1;
        self.outputs.push_back(Output::Write(SecretBytes::new(frame::WAKE_UP.to_vec())));
        self.state = State::Waking(now.after(self.settings.wake));
    }

    pub(super) fn climb(&mut self, now: Instant) {
        self.say_down();
        self.ladder.climb();
        self.take_rung(now);
    }

    /// Does what the rung asks for before the first attempt on it.
    pub(super) fn take_rung(&mut self, now: Instant) {
        match self.ladder.rung() {
            Rung::Wake => self.attempt(now),
            Rung::Reopen => {
                self.exchange.statistics_mut().reopens += 1;
                self.outputs.push_back(Output::Reopen);
                self.state = State::Reopening(now.after(self.settings.reopen));
            }
            Rung::Reset => {
                self.exchange.statistics_mut().resets += 1;
                self.outputs.push_back(Output::PulseReset);
                self.state = State::Resetting(now.after(self.settings.reset));
            }
            Rung::Power => {
                self.exchange.statistics_mut().power_cycles += 1;
                self.outputs.push_back(Output::PowerCycle);
                self.state = State::Reopening(now.after(self.settings.reopen));
            }
            Rung::Rest => {
                let rest = self.ladder.rest();
                self.state = State::Resting(now.after(rest));
            }
        }
    }

    pub(super) fn set_rate(&mut self, rate: BaudRate) {
        if self.rate != rate {
            self.rate = rate;
            self.outputs.push_back(Output::SetBaud(rate.bits_per_second()));
        }
    }
}
