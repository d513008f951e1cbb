//! How often a measure was taken within the last hour and day.
//!
//! In this run by the boot clock, which never jumps; what earlier runs did is known by the wall clock only. A stamp that
//! lies ahead of the present counts as recent: a clock that was set back must not allow anything.

use std::time::Duration;

use super::ladder::row;
use crate::domain::heal::{Fault, Part, Rung};
use crate::domain::time::{Instant, Now, WallTime};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// One use of a measure.
#[derive(Clone, Copy, Debug)]
struct Use {
    part: Part,
    rung: Rung,
    /// `None`: in an earlier run.
    mono: Option<Instant>,
    wall: WallTime,
}

impl Use {
    fn within(&self, now: Now, span: Duration) -> bool {
        match self.mono {
            Some(mono) => now.mono.since(mono) < span,
            None => Duration::from_micros(now.wall.0.saturating_sub(self.wall.0)) < span,
        }
    }
}

/// All uses of the last day.
#[derive(Clone, Debug, Default)]
pub(super) struct Budgets(Vec<Use>);

impl Budgets {
    /// With what the ledger knows.
    pub(super) fn recovered(past: &[Fault]) -> Self {
        let uses = |fault: &Fault| {
            let part = fault.part;
            let of = move |m: &crate::domain::heal::Measure| Use { part, rung: m.rung, mono: None, wall: m.at };
            fault.measures.iter().map(of).collect::<Vec<_>>()
        };
        Self(past.iter().flat_map(uses).collect())
    }

    /// Whether the rung may not be taken again yet. Service and machine are one, whichever part they are restarted for.
    pub(super) fn is_used_up(&self, now: Now, part: Part, rung: Rung) -> bool {
        let step = row(rung);
        let same = |u: &&Use| u.rung == rung && (u.part == part || rung >= Rung::RestartService);
        let within = |span| self.0.iter().filter(same).filter(|u| u.within(now, span)).count();
        within(HOUR) >= usize::from(step.hour) || within(DAY) >= usize::from(step.day)
    }

    pub(super) fn spend(&mut self, now: Now, part: Part, rung: Rung) {
        // The mild ones come by the hundred on a bad day: their hour is enough to remember.
        self.0.retain(|u| u.within(now, if u.rung <= Rung::Reopen { HOUR } else { DAY }));
        self.0.push(Use { part, rung, mono: Some(now.mono), wall: now.wall });
    }
}
