//! What people do wrong is counted where it happens, and forgotten when it is done right.

use super::bench::*;
use crate::domain::card::TapFailure;
use crate::domain::habit::Habit;
use crate::domain::host::ProcessingRequest;
use crate::domain::outcome::Role;
use crate::domain::prompt::Prompt;
use crate::engine::event::Event;

fn counted(bench: &Bench, habit: Habit) -> (u32, u32) {
    let seen = bench.engine.snapshot().habits;
    seen.iter().find(|seen| seen.habit == habit).map_or((0, 0), |seen| (seen.count, seen.of))
}

#[test]
fn taps_that_fail_are_counted_by_what_went_wrong() {
    let mut bench = Bench::ready();
    assert!(bench.engine.snapshot().habits.is_empty());
    bench.presenting("a");
    bench.fail_card(TapFailure::RemovedEarly);
    bench.fail_card(TapFailure::RemovedEarly);
    bench.fail_card(TapFailure::TwoCards);
    bench.event(Event::CardRead(card(false)));
    assert_eq!((counted(&bench, Habit::RemovedEarly), counted(&bench, Habit::TwoCards)), ((2, 4), (1, 4)));
    // Neither card, bank nor reader make mistakes of people.
    bench.reach();
    bench.answer_sale("00");
    bench.presenting("b");
    bench.fail_card(TapFailure::CardDeclined);
    assert_eq!(counted(&bench, Habit::RemovedEarly), (2, 5));
}

#[test]
fn cancelling_and_dallying_count_by_what_was_asked_for() {
    let mut bench = Bench::ready();
    for (key, event, habit) in
        [("a", Event::EntryCancelled, Habit::PinCancelled), ("b", Event::EntryTimedOut, Habit::PinTimeout)]
    {
        bench.presenting(key);
        bench.event(Event::CardRead(card(true)));
        assert!(matches!(bench.engine.snapshot().terminal.prompt, Prompt::EnterPin { .. }));
        bench.event(event);
        assert_eq!(counted(&bench, habit).0, 1, "{habit}");
    }
    assert_eq!(counted(&bench, Habit::PinCancelled), (1, 2));
    bench.pass(std::time::Duration::from_secs(60));
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Idle);
    bench.event(Event::EntryCancelled);
    assert_eq!(counted(&bench, Habit::IdleKey), (1, 1));
    assert_eq!(counted(&bench, Habit::PinCancelled), (1, 2));
}

#[test]
fn a_wrong_pin_is_told_by_the_bank() {
    let mut bench = Bench::ready();
    for (key, code) in [("a", "55"), ("b", "00")] {
        bench.presenting(key);
        bench.event(Event::CardRead(card(true)));
        bench.pin();
        bench.reach();
        bench.answer_sale(code);
    }
    assert_eq!(counted(&bench, Habit::PinWrong), (1, 2));
    // Without a PIN nothing was judged.
    bench.presenting("c");
    bench.event(Event::CardRead(card(false)));
    bench.reach();
    bench.answer_sale("00");
    assert_eq!(counted(&bench, Habit::PinWrong), (1, 2));
    // Nor is the answer to anything else an answer about a PIN.
    bench.reply(sign_in_answer("55", good_keys(), ProcessingRequest::None));
    assert_eq!(counted(&bench, Habit::PinWrong), (1, 2));
}

#[test]
fn wrong_passwords_are_counted_and_pushed_out_by_right_ones() {
    let mut bench = Bench::ready();
    bench.set_operator("01", Role::Supervisor).unwrap();
    for _ in 0..3 {
        bench.operator_in("01", false).unwrap_err();
        bench.pass(std::time::Duration::from_secs(120));
    }
    assert_eq!(counted(&bench, Habit::WrongPassword), (3, 3));
    for _ in 0..20 {
        bench.operator_in("01", true).unwrap();
    }
    assert_eq!(counted(&bench, Habit::WrongPassword), (0, 20));
}
