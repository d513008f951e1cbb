//! Thresholds at their edges.

use super::upkeep::*;
use super::upkeep_words::{counter, item};
use crate::domain::cause::Cause;
use crate::domain::readings::Readings;
use crate::domain::time::WallTime;
use crate::domain::upkeep::{Counter, Day, Due, Item, Reading};

const TODAY: Day = Day(20_000);
const POLICY: Policy = Policy { keys_max_age: 24 };

fn days(all: &[(u32, Counter, u64)]) -> Readings {
    let reading = |&(ago, counter, value): &(u32, Counter, u64)| Reading { day: Day(TODAY.0 - ago), counter, value };
    Readings(all.iter().map(reading).collect())
}

fn kinds(all: &[(u32, Counter, u64)]) -> Vec<(&'static str, Option<Cause>)> {
    notices(&days(all), &[], POLICY, TODAY).iter().map(|n| (n.kind, n.cause)).collect()
}

#[test]
fn card_reads_are_measured_by_their_own_past() {
    use Counter::{ReadFailures as Bad, Taps};
    let h04 = [("card-reads", Some(Cause::H04))];
    // 10 %, and twice as often as in the four weeks before.
    assert_eq!(kinds(&[(0, Taps, 100), (0, Bad, 10), (10, Taps, 1000), (10, Bad, 50)]), h04);
    assert!(kinds(&[(0, Taps, 100), (0, Bad, 10), (10, Taps, 1000), (10, Bad, 51)]).is_empty());
    assert!(kinds(&[(0, Taps, 100), (0, Bad, 9), (10, Taps, 1000), (10, Bad, 1)]).is_empty());
    // Too few taps say nothing, and without a past it takes three times as much.
    assert!(kinds(&[(0, Taps, 49), (0, Bad, 49), (10, Taps, 1000), (10, Bad, 1)]).is_empty());
    assert_eq!(kinds(&[(0, Taps, 50), (0, Bad, 15)]), h04);
    assert!(kinds(&[(0, Taps, 50), (0, Bad, 14)]).is_empty());
    // A week ago is a week ago: the eighth day belongs to the past.
    assert_eq!(kinds(&[(6, Taps, 50), (6, Bad, 15)]), h04);
    assert!(kinds(&[(7, Taps, 50), (7, Bad, 15)]).is_empty());
}

#[test]
fn every_rule_speaks_at_its_threshold_and_not_below() {
    for rule in RULES {
        let (at, below): (Vec<_>, Vec<_>) = match rule.test {
            Test::Rate { wrong, among, least, per_mille } | Test::Trend { wrong, among, least, per_mille } => {
                let of = least.max(1000);
                let per_mille = if matches!(rule.test, Test::Trend { .. }) { 3 * per_mille } else { per_mille };
                let n = per_mille * of / 1000;
                (vec![(0, among, of), (0, wrong, n)], vec![(0, among, of), (0, wrong, n - 1)])
            }
            Test::AtLeast(counter, limit) => (vec![(0, counter, limit)], vec![(0, counter, limit - 1)]),
            Test::AtMost(counter, limit) => (vec![(0, counter, limit)], vec![(0, counter, limit + 1)]),
            Test::OfPolicy(counter, percent) => {
                let limit = POLICY.keys_max_age * percent / 100;
                (vec![(0, counter, limit)], vec![(0, counter, limit - 1)])
            }
        };
        assert_eq!(kinds(&at), [(rule.kind, Some(rule.cause))], "{}", rule.kind);
        assert!(kinds(&below).is_empty(), "{}", rule.kind);
        assert!(!rule.reason.is_empty());
        let found = &notices(&days(&at), &[], POLICY, TODAY)[0];
        let [zh, en] = &found.text;
        assert!(!zh.is_ascii() && en.is_ascii() && !zh.contains('{') && !en.contains('{'), "{zh} {en}");
        assert!(en.contains(&found.value.to_string()), "{en}");
        assert!(!found.advice[0].is_ascii() && found.advice[1].is_ascii());
    }
    assert!(kinds(&[]).is_empty());
}

#[test]
fn what_is_due_is_a_notice_from_its_day_on() {
    let due = |on| Due { item: Item::Cleaning, interval: 30, done: Some(WallTime(1)), on };
    let at = |on| notices(&Readings::default(), &[due(on)], POLICY, TODAY);
    assert!(at(Some(Day(TODAY.0 + 1))).is_empty() && at(None).is_empty());
    let found = at(Some(Day(TODAY.0 - 4)));
    assert_eq!((found[0].kind, found[0].cause, found[0].value, found[0].limit), ("cleaning", None, 4, 30));
    assert!(found[0].text[1].contains("4 days late"));
    assert_eq!(at(Some(TODAY))[0].value, 0);
}

#[test]
fn kinds_are_told_apart_and_everything_has_its_words() {
    let mut kinds: Vec<_> = RULES.iter().map(|rule| rule.kind).collect();
    kinds.extend(Item::ALL.iter().map(|i| i.as_str()));
    let count = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), count);
    for text in Counter::ALL.iter().map(|c| counter(*c)).chain(Item::ALL.iter().map(|i| item(*i))) {
        assert!(!text.zh.is_ascii() && text.en.is_ascii(), "{text:?}");
    }
}
