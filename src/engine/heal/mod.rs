//! Self-healing: when a part is broken, which measure comes next, whether it may be taken now, and what it did.
//!
//! Owns: the faults under way and the budgets. Must not know: how measures are taken, where the ledger is. Pure, four verbs
//! like every machine. Without a fault it has no deadline: it costs nothing while all is well.
//!
//! Guards: while a payment is at hand nothing above `reopen` is taken. A restart of service or machine also waits until no
//! exchange with the host, no key ceremony and no backup is under way, and until the ledger has taken it down. Reversals and
//! payments that the host does not have yet are no obstacle: they are on disk, flushed, and taken up again at the start. A
//! disk that refuses commits is one. A reboot is off unless configured, comes at most once a day by the ledger, which
//! survives it, and never within the first hour of a boot.

mod budget;
mod health;
pub mod ladder;
mod terms;

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::heal::{Effect, Fault, Measure, Part, Rung};
use crate::domain::time::{Instant, Now};
pub use health::{Health, State};
pub use terms::{Denied, Guards, HealSettings, Output};

use budget::Budgets;
use ladder::{reach, row, spares_payments};

/// A part that has never worked since the start is given so long before that counts as a fault.
const GRACE: Duration = Duration::from_secs(10);
/// A measure that may not be taken now is thought of again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// No reboot before the machine has been up for so long.
const UPTIME: Duration = Duration::from_secs(3600);

/// A part as it is watched.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// It has worked since the start.
    worked: bool,
    /// Broken since then, and not called a fault yet.
    suspected: Option<(Cause, Now)>,
    fault: Option<Open>,
}

/// A fault under way.
#[derive(Clone, Debug)]
struct Open {
    fault: Fault,
    /// Why it is broken now; the fault keeps its first cause.
    cause: Cause,
    since: Instant,
    /// When the next measure is thought of.
    next: Option<Instant>,
    told: Option<(Rung, Denied)>,
}

/// The machine.
pub struct Healer {
    settings: HealSettings,
    started: Instant,
    parts: [Watched; Part::ALL.len()],
    budgets: Budgets,
    outputs: VecDeque<Output>,
}

impl Healer {
    /// Begins with what the ledger knows: faults of the last day, and those that an earlier run left open.
    pub fn new(settings: HealSettings, now: Now, past: Vec<Fault>) -> Self {
        let mut healer = Self {
            settings,
            started: now.mono,
            parts: Default::default(),
            budgets: Budgets::recovered(&past),
            outputs: VecDeque::new(),
        };
        for fault in past.into_iter().filter(|f| f.lasted.is_none()) {
            let since = Instant(now.mono.0.saturating_sub(now.wall.0.saturating_sub(fault.began.0)));
            let open = Open { cause: fault.cause, since, next: Some(now.mono.after(GRACE)), told: None, fault };
            let part = open.fault.part;
            healer.part(part).fault = Some(open);
        }
        healer
    }

    fn part(&mut self, part: Part) -> &mut Watched {
        let [reader, keypad, host, storage, scanner] = &mut self.parts;
        match part {
            Part::Reader => reader,
            Part::Keypad => keypad,
            Part::Host => host,
            Part::Storage => storage,
            Part::Scanner => scanner,
        }
    }

    /// The faults under way.
    pub fn open_faults(&self) -> impl Iterator<Item = &Fault> {
        self.parts.iter().filter_map(|p| p.fault.as_ref()).map(|open| &open.fault)
    }

    /// Takes in how all parts are now.
    pub fn observe(&mut self, now: Now, health: &Health, guards: Guards) {
        for part in Part::ALL {
            match health.of(*part) {
                State::Works => self.works(now, *part),
                State::Broken(cause) => self.broken(now, *part, cause),
                State::Unsure => {}
            }
        }
        self.expire(now, guards);
    }

    /// Whether a measure that the device's own machine wants may be taken now; if so it counts as taken.
    pub fn may(&mut self, now: Now, part: Part, rung: Rung, guards: Guards) -> bool {
        let cause = match part {
            Part::Keypad => Cause::H05,
            Part::Scanner => Cause::H11,
            Part::Reader | Part::Host | Part::Storage => Cause::H02,
        };
        if self.part(part).fault.is_none() {
            // It is taken before anybody has said that the part is broken.
            let cause = self.part(part).suspected.take().map_or(cause, |(cause, _)| cause);
            self.open(now, part, cause, now);
        }
        match self.allowed(now, part, rung, guards) {
            Ok(()) => {
                self.take(now, part, rung);
                true
            }
            Err(why) => {
                self.deny(part, rung, why);
                false
            }
        }
    }

    /// When [`Healer::expire`] is due: never, while all is well.
    pub fn deadline(&self) -> Option<Instant> {
        let of = |part: &Watched| {
            let suspected = part.suspected.map(|(_, since)| since.mono.after(GRACE).max(self.started.after(GRACE)));
            [suspected, part.fault.as_ref().and_then(|f| f.next)].into_iter().flatten().min()
        };
        self.parts.iter().filter_map(of).min()
    }

    /// Acts on waits that are over.
    pub fn expire(&mut self, now: Now, guards: Guards) {
        for part in Part::ALL {
            let due = now.mono >= self.started.after(GRACE);
            if let Some((cause, since)) =
                self.part(*part).suspected.filter(|(_, s)| due && now.mono >= s.mono.after(GRACE))
            {
                self.part(*part).suspected = None;
                self.open(now, *part, cause, since);
            }
            if self.part(*part).fault.as_ref().and_then(|f| f.next).is_some_and(|t| t <= now.mono) {
                self.climb(now, *part, guards);
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The ledger has taken a fault down under this number.
    pub fn numbered(&mut self, part: Part, number: u64) {
        if let Some(open) = &mut self.part(part).fault {
            open.fault.number = Some(number);
        }
    }

    /// A measure could not be taken after all: the ledger did not take it down, or the system refused.
    pub fn failed(&mut self, now: Now, part: Part, rung: Rung) {
        let wait = row(rung).wait;
        if let Some(open) = &mut self.part(part).fault {
            if let Some(measure) = open.fault.measures.iter_mut().rev().find(|m| m.rung == rung) {
                measure.effect = Effect::NotHelped;
            }
            if rung >= Rung::RestartComponent {
                open.next = Some(now.mono.after(wait));
            }
        }
    }

    fn works(&mut self, now: Now, part: Part) {
        let watched = self.part(part);
        watched.worked = true;
        watched.suspected = None;
        let Some(Open { mut fault, since, .. }) = watched.fault.take() else { return };
        fault.lasted = Some(now.mono.since(since));
        // What was done last is what helped; anything before it did not.
        let last = fault.measures.len().saturating_sub(1);
        for (place, measure) in fault.measures.iter_mut().enumerate() {
            if measure.effect == Effect::Open {
                measure.effect = if place == last { Effect::Helped } else { Effect::NotHelped };
            }
        }
        self.outputs.push_back(Output::Healed(fault));
    }

    fn broken(&mut self, now: Now, part: Part, cause: Cause) {
        let watched = self.part(part);
        match (&mut watched.fault, watched.worked) {
            (Some(open), _) if open.cause != cause => {
                open.cause = cause;
                self.plan(now, part);
            }
            (Some(_), _) => {}
            (None, true) => self.open(now, part, cause, now),
            (None, false) => match &mut watched.suspected {
                Some((suspected, _)) => *suspected = cause,
                None => watched.suspected = Some((cause, now)),
            },
        }
    }

    fn open(&mut self, now: Now, part: Part, cause: Cause, since: Now) {
        let fault = Fault { number: None, part, cause, began: since.wall, lasted: None, measures: Vec::new() };
        self.outputs.push_back(Output::Noticed(fault.clone()));
        self.part(part).fault = Some(Open { fault, cause, since: since.mono, next: None, told: None });
        self.plan(now, part);
    }

    /// The next rung that is decided here, if the cause reaches so high: the mildest that is not used up.
    fn next_rung(&mut self, part: Part) -> Option<Rung> {
        let settings = self.settings;
        let open = self.part(part).fault.as_ref()?;
        let highest = reach(open.cause)?;
        let used = |rung| open.fault.measures.iter().filter(|m| m.rung == rung).count();
        let own = [Rung::RestartComponent, Rung::RestartService, Rung::Reboot];
        own.into_iter()
            .filter(|rung| *rung <= highest && (*rung != Rung::Reboot || settings.reboot))
            .find(|rung| used(*rung) < usize::from(row(*rung).count))
    }

    /// Sets when the next rung is thought of.
    fn plan(&mut self, now: Now, part: Part) {
        let rung = self.next_rung(part);
        let Some(open) = &mut self.part(part).fault else { return };
        open.next = rung.map(|rung| {
            let step = row(rung);
            let again = open.fault.measures.iter().any(|m| m.rung == rung);
            let earliest = now.mono.after(if again { step.wait } else { Duration::ZERO });
            open.since.after(step.after).max(earliest)
        });
    }

    fn climb(&mut self, now: Now, part: Part, guards: Guards) {
        let Some(rung) = self.next_rung(part) else { return self.plan(now, part) };
        let due = self.part(part).fault.as_ref().is_some_and(|f| now.mono >= f.since.after(row(rung).after));
        if !due {
            return self.plan(now, part);
        }
        match self.allowed(now, part, rung, guards) {
            Ok(()) => {
                self.take(now, part, rung);
                let on_record = rung >= Rung::RestartService;
                if let Some(open) = &self.part(part).fault {
                    let fault = open.fault.clone();
                    self.outputs.push_back(Output::Take { rung, fault, on_record });
                }
                let wait = row(rung).wait;
                self.plan(now, part);
                if let Some(next) = self.part(part).fault.as_mut().and_then(|f| f.next.as_mut()) {
                    *next = now.mono.after(wait).max(*next);
                }
            }
            Err(why) => {
                self.deny(part, rung, why);
                // A budget that is used up today does not hold the mildest of what is left for ever.
                if let Some(open) = &mut self.part(part).fault {
                    open.next = Some(now.mono.after(if why == Denied::Budget { row(rung).wait } else { AGAIN }));
                }
            }
        }
    }

    fn allowed(&mut self, now: Now, part: Part, rung: Rung, guards: Guards) -> Result<(), Denied> {
        let has = match rung {
            Rung::ResetLine => self.settings.reset_line,
            Rung::PowerCycle => self.settings.power_switch,
            Rung::Reboot => self.settings.reboot,
            Rung::SoftReset | Rung::Reopen | Rung::RestartComponent | Rung::RestartService => true,
        };
        if !has {
            return Err(Denied::NotConfigured);
        }
        if guards.payment && !spares_payments(rung) {
            return Err(Denied::Payment);
        }
        if rung >= Rung::RestartService || (rung == Rung::RestartComponent && part == Part::Host) {
            if guards.storage {
                return Err(Denied::Storage);
            }
            if guards.busy {
                return Err(Denied::Busy);
            }
        }
        if rung == Rung::Reboot && now.mono.0 < u64::try_from(UPTIME.as_micros()).unwrap_or(u64::MAX) {
            return Err(Denied::JustBooted);
        }
        if self.budgets.is_used_up(now, part, rung) { Err(Denied::Budget) } else { Ok(()) }
    }

    fn take(&mut self, now: Now, part: Part, rung: Rung) {
        self.budgets.spend(now, part, rung);
        let Some(open) = &mut self.part(part).fault else { return };
        open.told = None;
        // The one before was given its time and did not help.
        if let Some(before) = open.fault.measures.iter_mut().rev().find(|m| m.effect == Effect::Open) {
            before.effect = Effect::NotHelped;
        }
        let measures = &mut open.fault.measures;
        // Of a fault that lasts for days the first measures and the latest are kept.
        if measures.len() >= MOST_MEASURES
            && let Some(mild) = measures.iter().position(|m| m.rung <= Rung::Reopen).or(Some(0))
        {
            measures.remove(mild);
        }
        measures.push(Measure { rung, at: now.wall, effect: Effect::Open });
    }

    fn deny(&mut self, part: Part, rung: Rung, why: Denied) {
        let Some(open) = &mut self.part(part).fault else { return };
        if open.told.replace((rung, why)) != Some((rung, why)) {
            self.outputs.push_back(Output::Denied { part, rung, why });
        }
    }
}

/// Measures of one fault that are kept.
const MOST_MEASURES: usize = 32;

#[cfg(test)]
mod tests;
