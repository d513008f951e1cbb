//! The numbers of all days, and windows over them.

use crate::domain::upkeep::{Counter, Day, Fold, Reading, Trend};

/// Numbers of all days, in any order.
#[derive(Clone, Debug, Default)]
pub struct Readings(pub Vec<Reading>);

impl Readings {
    /// The counter's numbers from a day on, `days` of them, made into one; `None` if there is none.
    pub fn over(&self, counter: Counter, from: u32, days: u32) -> Option<u64> {
        let inside = |r: &&Reading| r.counter == counter && r.day.0 >= from && r.day.0 - from < days;
        let found = self.0.iter().filter(inside);
        match counter.fold() {
            Fold::Sum => found.map(|r| r.value).fold(None, |sum, v| Some(sum.unwrap_or(0u64).saturating_add(v))),
            Fold::Max => found.map(|r| r.value).max(),
            Fold::Last => found.max_by_key(|r| r.day).map(|r| r.value),
        }
    }

    /// Over the last days, today with them.
    pub fn last(&self, counter: Counter, today: Day, days: u32) -> Option<u64> {
        self.over(counter, (today.0 + 1).saturating_sub(days), days)
    }

    /// What a level stands at: the number of the newest of the last seven days that has one. What adds up: the week's sum.
    pub fn level(&self, counter: Counter, today: Day) -> Option<u64> {
        if counter.fold() == Fold::Sum {
            return self.last(counter, today, 7);
        }
        let from = (today.0 + 1).saturating_sub(7);
        let inside = |r: &&Reading| r.counter == counter && r.day.0 >= from && r.day <= today;
        self.0.iter().filter(inside).max_by_key(|r| r.day).map(|r| r.value)
    }

    /// Takes in a number of today; says whether anything is new by it.
    pub fn take(&mut self, day: Day, counter: Counter, value: u64) -> bool {
        let Some(at) = self.0.iter().position(|r| r.day == day && r.counter == counter) else {
            let counts = counter.fold() != Fold::Sum || value > 0;
            if counts {
                self.0.push(Reading { day, counter, value });
            }
            return counts;
        };
        let Some(reading) = self.0.get_mut(at) else { return false };
        let new = match counter.fold() {
            Fold::Sum => reading.value.saturating_add(value),
            Fold::Max => reading.value.max(value),
            Fold::Last => value,
        };
        std::mem::replace(&mut reading.value, new) != new
    }

    /// Over the days before the last ones.
    pub fn before(&self, counter: Counter, today: Day, last: u32, days: u32) -> Option<u64> {
        let end = (today.0 + 1).saturating_sub(last);
        self.over(counter, end.saturating_sub(days), days.min(end))
    }

    /// What each counter says at a glance.
    pub fn trends(&self, today: Day) -> Vec<Trend> {
        let trend = |counter: &Counter| Trend {
            counter: *counter,
            today: self.last(*counter, today, 1),
            week: self.last(*counter, today, 7),
            before: self.before(*counter, today, 7, 28),
        };
        Counter::ALL.iter().map(trend).filter(|t| t.week.or(t.before).is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_many_days_become_one_by_the_counters_own_rule() {
        let reading = |day, counter, value| Reading { day: Day(day), counter, value };
        let all = Readings(vec![
            reading(93, Counter::Taps, 1000),
            reading(94, Counter::Taps, 7),
            reading(100, Counter::Taps, 5),
            reading(101, Counter::Taps, 900),
            reading(94, Counter::ClockDifference, 9),
            reading(100, Counter::ClockDifference, 3),
            reading(100, Counter::KeyAge, 2),
            reading(99, Counter::KeyAge, 50),
        ]);
        let today = Day(100);
        assert_eq!(all.last(Counter::Taps, today, 7), Some(12));
        assert_eq!(all.last(Counter::Taps, today, 1), Some(5));
        assert_eq!(all.before(Counter::Taps, today, 7, 28), Some(1000));
        assert_eq!(all.last(Counter::ClockDifference, today, 7), Some(9));
        assert_eq!(all.last(Counter::KeyAge, today, 7), Some(2));
        assert_eq!(all.last(Counter::ReadFailures, today, 7), None);
        assert_eq!(all.before(Counter::Taps, Day(0), 7, 28), None);
    }
}
