//! The judge: takes what is seen with its time, says when a stage is over, when the drill is passed and when it is not.

use std::time::Duration;

use crate::diagnose::drill::{Drill, Goal, Miss, Payment, Rule, Sight, Stage};
use crate::domain::device::DeviceState;
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::domain::time::Instant;

/// What follows from a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on looking.
    Stay,
    /// The next stage begins.
    Next,
    /// All stages are over.
    Passed,
    /// It is over before its end.
    Failed(Miss),
}

/// One drill under way.
pub struct Judge {
    drill: &'static Drill,
    stage: usize,
    since: Instant,
    /// Whether the daemon may be away: its power was cut.
    away: bool,
}

impl Judge {
    /// At its first stage.
    pub fn new(drill: &'static Drill, now: Instant) -> Self {
        Self { drill, stage: 0, since: now, away: false }
    }

    /// The stage under way.
    pub fn stage(&self) -> Option<&'static Stage> {
        self.drill.stages.get(self.stage)
    }

    /// Seconds left of the stage.
    pub fn left(&self, now: Instant) -> u64 {
        let spent = now.since(self.since).as_secs();
        self.stage().map_or(0, |stage| stage.within.saturating_sub(spent))
    }

    /// Takes a look.
    pub fn look(&mut self, now: Instant, sight: &Sight) -> Step {
        let Some(stage) = self.stage() else { return Step::Passed };
        self.away |= stage.goal == Goal::IsUpAgain;
        if let Some(miss) = self.drill.rules.iter().find_map(|rule| self.broken(*rule, sight)) {
            return Step::Failed(miss);
        }
        let spent = now.since(self.since);
        if reached(stage.goal, spent, sight) {
            self.stage += 1;
            self.since = now;
            self.away = false;
            return if self.stage().is_some() { Step::Next } else { Step::Passed };
        }
        if spent >= Duration::from_secs(stage.within) { Step::Failed(Miss::TooLate) } else { Step::Stay }
    }

    fn broken(&self, rule: Rule, sight: &Sight) -> Option<Miss> {
        let broken = match rule {
            // What was made before it, and ended before anything was sent, is no harm.
            Rule::NotAgainWhileUnknown => {
                let open = sight.payments.iter().position(is_open);
                open.is_some_and(|open| open + 1 < sight.payments.len())
            }
            Rule::AtMostTries(most) => {
                sight.payments.iter().filter(|payment| payment.outcome == Some(Outcome::Cancelled)).count() > most
            }
            Rule::AtMostWrong(most) => sight.wrong_passwords > most,
            Rule::NoRestart => !sight.up && !self.away,
        };
        broken.then_some(match rule {
            Rule::NotAgainWhileUnknown => Miss::SoldWhileUnknown,
            Rule::AtMostTries(_) => Miss::TriedTooOften,
            Rule::AtMostWrong(_) => Miss::Guessed,
            Rule::NoRestart => Miss::Restarted,
        })
    }
}

fn is_sent(payment: &Payment) -> bool {
    matches!(payment.state, TransactionState::Authorising | TransactionState::Reversing)
}

/// Whether nobody knows whether the customer was charged.
fn is_open(payment: &Payment) -> bool {
    is_sent(payment) || payment.outcome == Some(Outcome::Unknown)
}

fn reached(goal: Goal, spent: Duration, sight: &Sight) -> bool {
    let any = |outcome| sight.payments.iter().any(|payment| payment.outcome == Some(outcome));
    match goal {
        Goal::Ready => sight.up && sight.state == Some(TerminalState::Ready),
        Goal::OneIsSent => sight.payments.iter().any(is_sent),
        Goal::OneIsUnknown => any(Outcome::Unknown),
        Goal::OneIsReversed => sight.payments.iter().any(|payment| payment.reversed) && !any(Outcome::Unknown),
        Goal::OneIsCancelled => any(Outcome::Cancelled),
        Goal::OneIsApproved => any(Outcome::Approved),
        Goal::Quiet(seconds) => spent >= Duration::from_secs(seconds),
        Goal::ReaderIsGone => {
            matches!(sight.reader, Some(DeviceState::Absent | DeviceState::Failed | DeviceState::Starting))
        }
        Goal::ReaderIsBack => matches!(sight.reader, Some(DeviceState::Ready | DeviceState::Active)),
        Goal::OperatorIsOut => sight.up && !sight.operator,
        Goal::OperatorIsIn => sight.up && sight.operator,
        Goal::PasswordIsWrong => sight.wrong_passwords > 0,
        Goal::IsUpAgain => sight.up,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::drill::{DrillName, drill};

    fn payment(state: TransactionState, outcome: Option<Outcome>, reversed: bool) -> Payment {
        Payment { state, outcome, reversed }
    }

    fn unknown() -> Payment {
        payment(TransactionState::Reversing, Some(Outcome::Unknown), false)
    }

    fn reversed() -> Payment {
        payment(TransactionState::Finished, Some(Outcome::Cancelled), true)
    }

    fn approved() -> Payment {
        payment(TransactionState::Finished, Some(Outcome::Approved), false)
    }

    fn cancelled() -> Payment {
        payment(TransactionState::Finished, Some(Outcome::Cancelled), false)
    }

    fn well(payments: &[Payment]) -> Sight {
        Sight {
            up: true,
            state: Some(TerminalState::Ready),
            reader: Some(DeviceState::Ready),
            operator: true,
            wrong_passwords: 0,
            payments: payments.to_vec(),
        }
    }

    /// Shows one sight a second, each as often as it says; the last step.
    fn play(name: DrillName, sights: &[(u64, Sight)]) -> Step {
        let mut judge = Judge::new(drill(name), Instant(0));
        let mut now = 0;
        for (times, sight) in sights {
            for _ in 0..*times {
                now += 1_000_000;
                match judge.look(Instant(now), sight) {
                    Step::Stay | Step::Next => {}
                    over => return over,
                }
            }
        }
        Step::Stay
    }

    #[test]
    fn who_waits_for_the_reversal_passes_and_who_sells_again_does_not() {
        let sent = payment(TransactionState::Authorising, None, false);
        let begin = [(1, well(&[])), (2, well(&[sent])), (12, well(&[unknown()]))];
        let good = [&begin[..], &[(1, well(&[reversed()])), (1, well(&[reversed(), approved()]))]].concat();
        assert_eq!(play(DrillName::NetworkCut, &good), Step::Passed);
        for second in [approved(), payment(TransactionState::Created, None, false)] {
            let bad = [&begin[..], &[(1, well(&[unknown(), second]))]].concat();
            assert_eq!(play(DrillName::NetworkCut, &bad), Step::Failed(Miss::SoldWhileUnknown));
        }
        let late = [&begin[..], &[(1_000, well(&[unknown()]))]].concat();
        assert_eq!(play(DrillName::NetworkCut, &late), Step::Failed(Miss::TooLate));
        let restarted = [&begin[..], &[(1, Sight::default())]].concat();
        assert_eq!(play(DrillName::NetworkCut, &restarted), Step::Failed(Miss::Restarted));
    }

    #[test]
    fn who_tries_a_dead_host_again_and_again_does_not_pass() {
        let good = [(1, well(&[])), (12, well(&[cancelled()])), (1, well(&[cancelled(), approved()]))];
        assert_eq!(play(DrillName::HostDown, &good), Step::Passed);
        let bad = [(1, well(&[])), (1, well(&[cancelled()])), (1, well(&[cancelled(); 3]))];
        assert_eq!(play(DrillName::HostDown, &bad), Step::Failed(Miss::TriedTooOften));
    }

    #[test]
    fn a_reader_that_is_put_back_needs_no_restart() {
        let gone = Sight { reader: Some(DeviceState::Absent), ..well(&[]) };
        let good = [(1, well(&[])), (3, gone.clone()), (1, well(&[])), (1, well(&[approved()]))];
        assert_eq!(play(DrillName::ReaderGone, &good), Step::Passed);
        let bad = [(1, well(&[])), (3, gone), (1, Sight::default())];
        assert_eq!(play(DrillName::ReaderGone, &bad), Step::Failed(Miss::Restarted));
    }

    #[test]
    fn passwords_are_not_guessed() {
        let out = Sight { operator: false, ..well(&[]) };
        let wrong = |count| Sight { wrong_passwords: count, ..out.clone() };
        let right = Sight { wrong_passwords: 1, ..well(&[]) };
        let good = [(1, well(&[])), (1, out.clone()), (1, wrong(1)), (1, right)];
        assert_eq!(play(DrillName::WrongPassword, &good), Step::Passed);
        let bad = [(1, well(&[])), (1, out.clone()), (1, wrong(1)), (1, wrong(4))];
        assert_eq!(play(DrillName::WrongPassword, &bad), Step::Failed(Miss::Guessed));
    }

    #[test]
    fn a_power_cut_is_the_one_restart_that_is_no_mistake() {
        let sent = payment(TransactionState::Authorising, None, false);
        let begin = [(1, well(&[])), (1, well(&[sent])), (5, Sight::default()), (2, well(&[unknown()]))];
        let good = [&begin[..], &[(1, well(&[reversed()])), (1, well(&[reversed(), approved()]))]].concat();
        assert_eq!(play(DrillName::PowerCut, &good), Step::Passed);
        let bad = [&begin[..], &[(1, well(&[unknown(), approved()]))]].concat();
        assert_eq!(play(DrillName::PowerCut, &bad), Step::Failed(Miss::SoldWhileUnknown));
        let gone = [&begin[..3], &[(1_000, Sight::default())]].concat();
        assert_eq!(play(DrillName::PowerCut, &gone), Step::Failed(Miss::TooLate));
    }

    #[test]
    fn every_drill_ends_whatever_is_seen() {
        for name in DrillName::ALL {
            for sight in [Sight::default(), well(&[]), well(&[unknown()]), well(&[cancelled()])] {
                assert!(!matches!(play(*name, &[(3_600, sight)]), Step::Stay | Step::Next), "{name}");
            }
        }
    }
}
