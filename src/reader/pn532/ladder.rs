//! The ladder that brings a mute chip back: wake, reopen, reset line, power, rest.
//!
//! Owns: the order of the rungs, their budgets, at which rate each attempt speaks. Must not know: how a rung is done.

use std::time::Duration;

/// One kind of measure, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Wake-up bytes and configuration.
    Wake,
    /// Close and open the port.
    Reopen,
    /// Pulse the chip's reset line.
    Reset,
    /// Switch its power off and on.
    Power,
    /// Let it rest, longer each time.
    Rest,
}

/// Which rungs this rig has, and how long it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LadderSettings {
    /// A reset line is wired.
    pub reset_line: bool,
    /// The power can be switched.
    pub power_switch: bool,
    /// The first rest; each further one is twice as long.
    pub first_rest: Duration,
    /// The longest rest.
    pub longest_rest: Duration,
}

impl Default for LadderSettings {
    fn default() -> Self {
        Self {
            reset_line: false,
            power_switch: false,
            first_rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(30),
        }
    }
}

/// The rate an attempt speaks at. A chip keeps the raised rate over a restart of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptRate {
    /// As the port is now.
    Current,
    /// The other of base and raised.
    Other,
    /// The rate after power-up.
    Base,
}

/// Where on the ladder we stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    settings: LadderSettings,
    rung: Rung,
    attempts: u8,
    rest: Duration,
    /// Losses since the chip last worked for a while: a chip that comes up and dies at once must climb too.
    losses: u8,
    good: u8,
}

/// So many answers in a row, and a loss counts as a new one.
const PROBATION: u8 = 16;

impl Ladder {
    /// At the bottom.
    pub fn new(settings: LadderSettings) -> Self {
        Self { settings, rung: Rung::Wake, attempts: 0, rest: settings.first_rest, losses: 0, good: 0 }
    }

    /// The rung in use.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Back to the bottom: the port was opened anew, or a person asked.
    pub fn restart(&mut self) {
        (self.rung, self.attempts, self.losses, self.good) = (Rung::Wake, 0, 0, 0);
        self.rest = self.settings.first_rest;
    }

    /// Straight to a rung.
    pub fn jump(&mut self, rung: Rung) {
        (self.rung, self.attempts) = (rung, 0);
    }

    /// The chip answered a command.
    pub fn worked(&mut self) {
        self.good = self.good.saturating_add(1);
        if self.good >= PROBATION {
            self.losses = 0;
            self.rest = self.settings.first_rest;
        }
    }

    /// The chip fell silent in use. Where to begin: the more often lately, the higher.
    pub fn lost(&mut self) -> Rung {
        self.good = 0;
        self.losses = self.losses.saturating_add(1);
        self.jump(Rung::Wake);
        for _ in 2..self.losses {
            self.climb();
        }
        self.rung
    }

    /// Counts an attempt to speak to the chip; at which rate, or `None` when the rung's attempts are used up.
    pub fn attempt(&mut self) -> Option<AttemptRate> {
        let rate = match (self.rung, self.attempts) {
            (Rung::Wake, 0) => AttemptRate::Current,
            (Rung::Wake | Rung::Reopen, 1) => AttemptRate::Other,
            (Rung::Wake, 2) | (Rung::Reopen, 0) | (Rung::Reset | Rung::Power, 0..=1) => AttemptRate::Base,
            (Rung::Wake | Rung::Reopen | Rung::Reset | Rung::Power | Rung::Rest, _) => return None,
        };
        self.attempts += 1;
        Some(rate)
    }

    /// The next rung this rig has. Behind the rest comes the bottom again.
    pub fn climb(&mut self) -> Rung {
        let next = match self.rung {
            Rung::Rest => Rung::Wake,
            Rung::Wake => Rung::Reopen,
            Rung::Reopen if self.settings.reset_line => Rung::Reset,
            Rung::Reopen | Rung::Reset if self.settings.power_switch => Rung::Power,
            Rung::Reopen | Rung::Reset | Rung::Power => Rung::Rest,
        };
        self.jump(next);
        next
    }

    /// How long to rest this time; doubles up to the limit.
    pub fn rest(&mut self) -> Duration {
        let now = self.rest;
        self.rest = (now * 2).min(self.settings.longest_rest);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climb_all(settings: LadderSettings) -> Vec<Rung> {
        let mut ladder = Ladder::new(settings);
        (0..6).map(|_| ladder.climb()).collect()
    }

    #[test]
    fn rungs_that_the_rig_lacks_are_left_out() {
        use Rung::{Power, Reopen, Reset, Rest, Wake};
        assert_eq!(climb_all(LadderSettings::default()), [Reopen, Rest, Wake, Reopen, Rest, Wake]);
        let all = LadderSettings { reset_line: true, power_switch: true, ..LadderSettings::default() };
        assert_eq!(climb_all(all), [Reopen, Reset, Power, Rest, Wake, Reopen]);
        let power = LadderSettings { power_switch: true, ..LadderSettings::default() };
        assert_eq!(climb_all(power), [Reopen, Power, Rest, Wake, Reopen, Power]);
    }

    #[test]
    fn each_rung_has_a_budget() {
        let mut ladder = Ladder::new(LadderSettings::default());
        let rates: Vec<_> = std::iter::from_fn(|| ladder.attempt()).collect();
        assert_eq!(rates, [AttemptRate::Current, AttemptRate::Other, AttemptRate::Base]);
    }

    #[test]
    fn a_chip_that_dies_again_and_again_starts_higher_each_time() {
        let mut ladder = Ladder::new(LadderSettings { reset_line: true, ..LadderSettings::default() });
        let starts: Vec<_> = (0..5).map(|_| ladder.lost()).collect();
        assert_eq!(starts, [Rung::Wake, Rung::Wake, Rung::Reopen, Rung::Reset, Rung::Rest]);
        (0..PROBATION).for_each(|_| ladder.worked());
        assert_eq!(ladder.lost(), Rung::Wake);
    }

    #[test]
    fn rests_double_up_to_their_limit() {
        let mut ladder = Ladder::new(LadderSettings::default());
        let seconds: Vec<_> = (0..7).map(|_| ladder.rest().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }
}
