//! The ladder under its own clock: order, waits, budgets, guards, and what the ledger is told.

use super::*;
use crate::domain::time::WallTime;

const ALL: HealSettings = HealSettings { reset_line: true, power_switch: true, reboot: true };
const FREE: Guards = Guards { payment: false, busy: false, storage: false };
const HOUR: u64 = 3_600;
/// Long after the machine's start.
const START: u64 = 10 * HOUR;

fn at(seconds: u64) -> Now {
    Now { mono: Instant(seconds * 1_000_000), wall: WallTime((1_800_000_000 + seconds) * 1_000_000) }
}

fn reader(state: State) -> Health {
    Health::new([state, State::Works, State::Works, State::Works, State::Works])
}

fn works() -> Health {
    reader(State::Works)
}

/// A healer whose parts all work.
fn healer(settings: HealSettings) -> Healer {
    let mut healer = Healer::new(settings, at(START), Vec::new());
    healer.observe(at(START), &works(), FREE);
    healer
}

fn outputs(healer: &mut Healer) -> Vec<Output> {
    std::iter::from_fn(|| healer.poll()).collect()
}

/// Lets time pass from deadline to deadline; what was taken, with its second.
fn run(healer: &mut Healer, until: u64, guards: Guards) -> Vec<(u64, Rung)> {
    let mut taken = Vec::new();
    for _ in 0..10_000 {
        let Some(due) = healer.deadline().filter(|t| t.0 <= until * 1_000_000) else { break };
        let second = due.0.div_ceil(1_000_000);
        healer.expire(at(second), guards);
        for output in outputs(healer) {
            if let Output::Take { rung, .. } = output {
                taken.push((second - START, rung));
            }
        }
    }
    taken
}

#[test]
fn while_all_is_well_nothing_is_due() {
    let mut healer = healer(ALL);
    assert_eq!((healer.deadline(), outputs(&mut healer)), (None, Vec::new()));
}

#[test]
fn a_silent_reader_climbs_to_the_reboot_in_the_order_and_with_the_waits_of_the_table() {
    let mut healer = healer(ALL);
    healer.observe(at(START), &reader(State::Broken(Cause::H02)), FREE);
    let taken = run(&mut healer, START + 2_000, FREE);
    use Rung::{Reboot, RestartComponent, RestartService};
    assert_eq!(taken, [(60, RestartComponent), (90, RestartComponent), (300, RestartService), (900, Reboot)]);
}

#[test]
fn a_scanner_is_worth_a_fresh_driver_and_no_more() {
    let scanner = |state| Health::new([State::Works, State::Works, State::Works, State::Works, state]);
    for (cause, measures) in
        [(Cause::H11, vec![(60, Rung::RestartComponent), (90, Rung::RestartComponent)]), (Cause::H10, vec![])]
    {
        let mut healer = healer(ALL);
        healer.observe(at(START), &scanner(State::Broken(cause)), FREE);
        assert_eq!(run(&mut healer, START + 100_000, FREE), measures, "{cause}");
        healer.observe(at(START + 100_001), &scanner(State::Works), FREE);
        let healed = outputs(&mut healer).into_iter().find_map(|o| match o {
            Output::Healed(fault) => Some((fault.part, fault.cause)),
            _ => None,
        });
        assert_eq!(healed, Some((crate::domain::heal::Part::Scanner, cause)));
    }
}

#[test]
fn without_permission_there_is_no_reboot() {
    let mut healer = healer(HealSettings { reboot: false, ..ALL });
    healer.observe(at(START), &reader(State::Broken(Cause::H02)), FREE);
    let taken = run(&mut healer, START + 100_000, FREE);
    assert!(taken.iter().all(|t| t.1 != Rung::Reboot), "{taken:?}");
    assert_eq!(healer.deadline(), None, "nothing is left to do");
}

#[test]
fn nothing_above_reopen_is_taken_while_a_payment_is_at_hand_and_then_it_goes_on() {
    let payment = Guards { payment: true, ..FREE };
    let mut healer = healer(ALL);
    for rung in [Rung::SoftReset, Rung::Reopen] {
        assert!(healer.may(at(START), Part::Reader, rung, payment), "{rung}");
    }
    for rung in [Rung::ResetLine, Rung::PowerCycle] {
        assert!(!healer.may(at(START), Part::Reader, rung, payment), "{rung}");
    }
    healer.observe(at(START), &reader(State::Broken(Cause::H02)), payment);
    assert_eq!(run(&mut healer, START + 1_000, payment), []);
    let after = run(&mut healer, START + 1_020, FREE);
    assert_eq!(after.first().map(|t| t.1), Some(Rung::RestartComponent), "{after:?}");
}

#[test]
fn a_disk_that_refuses_or_work_under_way_keep_service_and_machine_running() {
    for guards in [Guards { storage: true, ..FREE }, Guards { busy: true, ..FREE }] {
        let mut healer = healer(ALL);
        healer.observe(at(START), &reader(State::Broken(Cause::H02)), guards);
        let taken = run(&mut healer, START + 5_000, guards);
        assert!(taken.iter().all(|t| t.1 == Rung::RestartComponent), "{guards:?}: {taken:?}");
    }
}

#[test]
fn a_reason_that_holds_a_measure_back_is_told_once() {
    let payment = Guards { payment: true, ..FREE };
    let mut healer = healer(ALL);
    healer.observe(at(START), &reader(State::Broken(Cause::H02)), payment);
    let mut denied = 0;
    for second in 0..600 {
        healer.expire(at(START + second), payment);
        denied += outputs(&mut healer).iter().filter(|o| matches!(o, Output::Denied { .. })).count();
    }
    assert_eq!(denied, 1);
}

#[test]
fn the_reset_line_has_a_budget_by_the_hour_that_comes_back() {
    let mut healer = healer(ALL);
    let pulls = |healer: &mut Healer, from: u64| {
        (0..100).filter(|n| healer.may(at(from + n), Part::Reader, Rung::ResetLine, FREE)).count()
    };
    let hour = usize::from(ladder::row(Rung::ResetLine).hour);
    assert_eq!(pulls(&mut healer, START), hour);
    assert_eq!(pulls(&mut healer, START + 2 * HOUR), hour);
}

#[test]
fn one_reboot_a_day_whatever_the_clock_says_after_it() {
    let mut healer = healer(ALL);
    healer.observe(at(START), &reader(State::Broken(Cause::H02)), FREE);
    let mut fault = None;
    for second in 0..1_000 {
        healer.expire(at(START + second), FREE);
        for output in outputs(&mut healer) {
            if let Output::Take { rung: Rung::Reboot, fault: with, on_record } = output {
                assert!(on_record);
                fault = Some(with);
            }
        }
    }
    let fault = fault.unwrap();
    // The next boots: a bit later, hours later, and with a clock that has lost the year.
    let wall = |seconds: u64| WallTime(seconds * 1_000_000);
    let boots = [1_800_000_000 + START + 1_100, 1_800_000_000 + START + 80_000, 1_000];
    for boot in boots {
        let now = |up: u64| Now { mono: Instant((up + 2 * HOUR) * 1_000_000), wall: wall(boot + up) };
        let mut next = Healer::new(ALL, now(0), vec![Fault { number: Some(1), ..fault.clone() }]);
        for up in 0..5_000 {
            next.observe(now(up), &reader(State::Broken(Cause::H02)), FREE);
            for output in outputs(&mut next) {
                assert!(!matches!(output, Output::Take { rung: Rung::Reboot, .. }), "boot {boot}, second {up}");
            }
        }
    }
    // Two days later the part broke anew: now it may.
    let now = |up: u64| at(START + 50 * HOUR + up);
    let mut next = Healer::new(ALL, now(0), vec![Fault { lasted: Some(Duration::ZERO), ..fault }]);
    next.observe(now(0), &works(), FREE);
    next.observe(now(0), &reader(State::Broken(Cause::H02)), FREE);
    assert!(run(&mut next, START + 51 * HOUR, FREE).iter().any(|t| t.1 == Rung::Reboot));
}

#[test]
fn a_machine_that_has_only_just_started_is_not_restarted_again() {
    let mut healer = Healer::new(ALL, at(20), Vec::new());
    healer.observe(at(20), &works(), FREE);
    healer.observe(at(20), &reader(State::Broken(Cause::H02)), FREE);
    for second in 20..HOUR - 1 {
        healer.expire(at(second), FREE);
        let reboots = |o: &Output| matches!(o, Output::Take { rung: Rung::Reboot, .. });
        assert!(!outputs(&mut healer).iter().any(reboots), "second {second}");
    }
}

#[test]
fn what_was_done_last_before_it_worked_is_what_helped() {
    let mut healer = healer(ALL);
    healer.observe(at(START), &reader(State::Broken(Cause::H02)), FREE);
    assert!(healer.may(at(START + 1), Part::Reader, Rung::Reopen, FREE));
    assert!(healer.may(at(START + 4), Part::Reader, Rung::ResetLine, FREE));
    healer.observe(at(START + 5), &works(), FREE);
    let Some(Output::Healed(fault)) = outputs(&mut healer).pop() else { panic!("not healed") };
    assert_eq!(fault.lasted, Some(Duration::from_secs(5)));
    let effects: Vec<_> = fault.measures.iter().map(|m| (m.rung, m.effect)).collect();
    assert_eq!(effects, [(Rung::Reopen, Effect::NotHelped), (Rung::ResetLine, Effect::Helped)]);
    assert_eq!(healer.deadline(), None);
}

#[test]
fn a_start_is_no_fault_and_a_device_that_never_comes_is_one() {
    let mut healer = Healer::new(ALL, at(START), Vec::new());
    healer.observe(at(START), &reader(State::Broken(Cause::H01)), FREE);
    healer.observe(at(START + 1), &works(), FREE);
    assert_eq!(outputs(&mut healer), []);
    let mut healer = Healer::new(ALL, at(START), Vec::new());
    healer.observe(at(START), &reader(State::Broken(Cause::H01)), FREE);
    healer.expire(at(START + 11), FREE);
    assert!(matches!(outputs(&mut healer).as_slice(), [Output::Noticed(f)] if f.cause == Cause::H01));
    assert_eq!(run(&mut healer, START + 100_000, FREE), [], "what is not plugged in is not restarted");
}

#[test]
fn a_restart_of_the_service_is_judged_by_the_next_run() {
    let measure = Measure { rung: Rung::RestartService, at: at(START).wall, effect: Effect::Open };
    let cause = Cause::H02;
    let open = Fault {
        number: Some(7),
        part: Part::Reader,
        cause,
        began: at(START - 300).wall,
        lasted: None,
        measures: vec![measure],
    };
    let mut next = Healer::new(ALL, at(START + 2), vec![open]);
    next.observe(at(START + 4), &works(), FREE);
    let Some(Output::Healed(fault)) = outputs(&mut next).pop() else { panic!("not healed") };
    assert_eq!((fault.number, fault.measures[0].effect), (Some(7), Effect::Helped));
    assert_eq!(fault.lasted, Some(Duration::from_secs(304)));
}

#[test]
fn a_fault_without_end_keeps_a_bounded_record() {
    let mut healer = healer(ALL);
    healer.observe(at(START), &reader(State::Broken(Cause::H02)), FREE);
    for second in 0..5_000 {
        healer.may(at(START + second), Part::Reader, Rung::Reopen, FREE);
    }
    healer.observe(at(START + 5_000), &works(), FREE);
    let healed = outputs(&mut healer).into_iter().find_map(|o| match o {
        Output::Healed(fault) => Some(fault.measures.len()),
        _ => None,
    });
    assert_eq!(healed, Some(MOST_MEASURES));
}
