//! Counts what people do at the terminal: of the last taps, PIN entries, passwords …, how many went wrong and how.
//!
//! Owns: the counts, in memory only and bounded: the last [`WINDOW`] of each kind, none older than [`AGE`]. What went well
//! counts too, so that a mistake that is no longer made is forgotten. Must not know: whose mistake it was, nor what is said
//! about it. What is forgotten by age is so with the next event: nothing wakes up for it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::card::TapFailure;
use crate::domain::habit::{Habit, Seen};
use crate::domain::host::HostAnswer;
use crate::domain::prompt::Prompt;
use crate::domain::time::Instant;
use crate::engine::event::Event;
use crate::engine::line::{Line, Purpose};
use crate::engine::machine::Engine;

/// How many of each kind are looked at.
pub const WINDOW: usize = 20;
/// What is older counts no more: yesterday's shift.
pub const AGE: Duration = Duration::from_secs(12 * 3600);

/// The code of a wrong PIN, the same with all acquirers (ISO 8583).
const WRONG_PIN: &str = "55";

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A card was shown, or should have been.
    Tap,
    /// The customer was asked to confirm the amount.
    Confirmation,
    /// The customer was asked for the PIN.
    Pin,
    /// The bank has checked a PIN.
    PinCheck,
    /// An operator gave a password.
    Password,
    /// A key was pressed while nothing was asked; there is no right way to do that, so payments are counted along.
    Key,
}

/// Each kind's place.
const KINDS: usize = 6;

impl Kind {
    /// The kind among which a mistake is counted.
    fn of(habit: Habit) -> Self {
        match habit {
            Habit::RemovedEarly | Habit::TwoCards | Habit::WrongCard | Habit::Unreadable | Habit::NoCard => Self::Tap,
            Habit::AmountRefused => Self::Confirmation,
            Habit::PinCancelled | Habit::PinTimeout => Self::Pin,
            Habit::PinWrong => Self::PinCheck,
            Habit::WrongPassword => Self::Password,
            Habit::IdleKey => Self::Key,
        }
    }
}

/// One try: when, and what was wrong with it.
type Try = (Instant, Option<Habit>);

/// The counts.
#[derive(Default)]
pub struct Habits {
    last: [VecDeque<Try>; KINDS],
    totals: Vec<(Habit, u32)>,
    /// Whether the bank is to judge a PIN.
    pin_sent: bool,
}

impl Habits {
    fn well(&mut self, now: Instant, kind: Kind) {
        self.note(now, kind, None);
    }

    fn wrong(&mut self, now: Instant, habit: Habit) {
        self.note(now, Kind::of(habit), Some(habit));
        match self.totals.iter_mut().find(|(known, _)| *known == habit) {
            Some((_, total)) => *total = total.saturating_add(1),
            None => self.totals.push((habit, 1)),
        }
    }

    fn note(&mut self, now: Instant, kind: Kind, what: Option<Habit>) {
        if let Some(tries) = self.last.get_mut(kind as usize) {
            tries.truncate(WINDOW - 1);
            tries.push_front((now, what));
        }
    }

    /// Every mistake that was made since the start.
    pub fn seen(&self, now: Instant) -> Vec<Seen> {
        let count = |tries: &VecDeque<Try>, fits: &dyn Fn(Option<Habit>) -> bool| {
            let young = tries.iter().filter(|(at, what)| now.since(*at) < AGE && fits(*what));
            u32::try_from(young.count()).unwrap_or(u32::MAX)
        };
        let seen = |(habit, total): &(Habit, u32)| {
            let tries = self.last.get(Kind::of(*habit) as usize)?;
            let (of, count) = (count(tries, &|_| true), count(tries, &|what| what == Some(*habit)));
            Some(Seen { habit: *habit, count, of, total: *total })
        };
        let mut all: Vec<Seen> = self.totals.iter().filter_map(seen).collect();
        all.sort_by_key(|seen| seen.habit);
        all
    }
}

impl Engine {
    /// Looks at an event before it is acted on: what the terminal asks for now tells what was meant.
    pub(super) fn watch_people(&mut self, event: &Event) {
        let now = self.now.mono;
        let habits = &mut self.habits;
        match event {
            Event::CardRead(_) => {
                habits.well(now, Kind::Tap);
                // A PIN that was never judged belongs to an earlier card.
                habits.pin_sent = false;
            }
            Event::CardFailed(failure) => match tap(*failure) {
                Some(habit) => habits.wrong(now, habit),
                None => habits.well(now, Kind::Tap),
            },
            Event::AmountConfirmed => habits.well(now, Kind::Confirmation),
            Event::PinEntered(_) => {
                habits.well(now, Kind::Pin);
                habits.pin_sent = true;
            }
            Event::PasswordChecked { good: true, .. } => habits.well(now, Kind::Password),
            Event::PasswordChecked { good: false, .. } => habits.wrong(now, Habit::WrongPassword),
            Event::EntryCancelled => match self.prompt {
                Prompt::ConfirmAmount(_) => habits.wrong(now, Habit::AmountRefused),
                Prompt::EnterPin { .. } => habits.wrong(now, Habit::PinCancelled),
                Prompt::Idle => habits.wrong(now, Habit::IdleKey),
                _ => {}
            },
            Event::EntryTimedOut => match self.prompt {
                Prompt::ConfirmAmount(_) => habits.wrong(now, Habit::AmountRefused),
                Prompt::EnterPin { .. } => habits.wrong(now, Habit::PinTimeout),
                _ => {}
            },
            Event::HostReplied(HostAnswer::Sale(answer)) if asks_for_sale(&self.line) => {
                habits.well(now, Kind::Key);
                let wrong = answer.response.code == WRONG_PIN;
                if std::mem::take(&mut habits.pin_sent) {
                    match wrong {
                        true => habits.wrong(now, Habit::PinWrong),
                        false => habits.well(now, Kind::PinCheck),
                    }
                }
            }
            _ => {}
        }
    }
}

fn asks_for_sale(line: &Line) -> bool {
    matches!(line, Line::Asking { purpose: Purpose::Sale(_), .. })
}

/// What a card that was not read says about whoever held it.
fn tap(failure: TapFailure) -> Option<Habit> {
    match failure {
        TapFailure::RemovedEarly => Some(Habit::RemovedEarly),
        TapFailure::TwoCards => Some(Habit::TwoCards),
        TapFailure::WrongCard | TapFailure::NoCommonApplication => Some(Habit::WrongCard),
        TapFailure::CardFaulty => Some(Habit::Unreadable),
        TapFailure::NoCard => Some(Habit::NoCard),
        // The card, its bank or the reader: nobody did anything wrong.
        TapFailure::CardDeclined | TapFailure::UseChip | TapFailure::Expired | TapFailure::ReaderFailed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000)
    }

    fn counted(habits: &Habits, now: u64) -> Vec<(Habit, u32, u32, u32)> {
        habits.seen(at(now)).iter().map(|s| (s.habit, s.count, s.of, s.total)).collect()
    }

    #[test]
    fn mistakes_are_counted_among_the_last_tries_of_their_kind() {
        let mut habits = Habits::default();
        assert!(counted(&habits, 0).is_empty());
        habits.wrong(at(1), Habit::RemovedEarly);
        habits.well(at(2), Kind::Tap);
        habits.wrong(at(3), Habit::TwoCards);
        habits.wrong(at(4), Habit::WrongPassword);
        let expected = [(Habit::RemovedEarly, 1, 3, 1), (Habit::TwoCards, 1, 3, 1), (Habit::WrongPassword, 1, 1, 1)];
        assert_eq!(counted(&habits, 5), expected);
    }

    #[test]
    fn what_is_no_longer_done_is_forgotten_and_nothing_grows() {
        let mut habits = Habits::default();
        for n in 0..5 {
            habits.wrong(at(n), Habit::RemovedEarly);
        }
        for n in 5..25 {
            habits.well(at(n), Kind::Tap);
        }
        assert_eq!(counted(&habits, 25), [(Habit::RemovedEarly, 0, 20, 5)]);
        for n in 0..1000 {
            habits.wrong(at(n), Habit::PinTimeout);
        }
        assert!(habits.last.iter().all(|tries| tries.len() <= WINDOW));
        assert_eq!(habits.totals.len(), 2);
    }

    #[test]
    fn yesterdays_mistakes_do_not_count() {
        let mut habits = Habits::default();
        habits.wrong(at(0), Habit::WrongPassword);
        assert_eq!(counted(&habits, AGE.as_secs() - 1), [(Habit::WrongPassword, 1, 1, 1)]);
        assert_eq!(counted(&habits, AGE.as_secs()), [(Habit::WrongPassword, 0, 0, 1)]);
    }
}
