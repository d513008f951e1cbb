//! The network comes back: what waits is tried at once, what is under way for money is left alone, flapping is bounded.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::outcome::TerminalState;
use crate::engine::event::Event;
use crate::engine::line::{Line, Purpose};
use crate::engine::sign_in::State;

/// The sign-in has failed so often that its pause is long.
fn waiting() -> Bench {
    let mut bench = Bench::new(settings());
    bench.devices_up();
    bench.load_master_key();
    for _ in 0..8 {
        bench.reach_fails();
        let State::Wanted { at, .. } = bench.engine.sign_in.state else { panic!("not waiting") };
        bench.expire_at(at);
    }
    bench.reach_fails();
    bench
}

#[test]
fn a_sign_in_that_waits_is_tried_at_once() {
    let mut bench = waiting();
    assert_eq!(bench.engine.line, Line::Idle);
    let State::Wanted { at, .. } = bench.engine.sign_in.state else { panic!("not waiting") };
    assert!(at.since(bench.now.mono) > Duration::from_secs(20));
    bench.event(Event::LinkReturned);
    assert_eq!(bench.engine.line.purpose(), Some(Purpose::SignIn));
    bench.reach();
    bench.reply(sign_in_answer("00", good_keys(), crate::domain::host::ProcessingRequest::None));
    assert_eq!(bench.engine.snapshot().terminal.state, TerminalState::Ready);
}

#[test]
fn a_link_that_flaps_does_not_make_the_terminal_hammer_the_host() {
    let mut bench = waiting();
    bench.take_did();
    for _ in 0..200 {
        bench.event(Event::LinkReturned);
        if bench.engine.line != Line::Idle {
            bench.reach_fails();
        }
        bench.pass(Duration::from_millis(10));
    }
    let tries = bench.take_did().iter().filter(|d| **d == Did::ReachHost).count();
    assert!((1..=21).contains(&tries), "{tries}");
}

#[test]
fn a_sign_in_that_was_asked_before_the_interruption_is_asked_anew_and_a_fresh_one_is_waited_for() {
    let mut bench = Bench::new(settings());
    bench.devices_up();
    bench.load_master_key();
    bench.reach();
    bench.take_asked();
    bench.event(Event::LinkReturned);
    assert!(matches!(bench.engine.line, Line::Asking { purpose: Purpose::SignIn, .. }));
    bench.pass(Duration::from_secs(2));
    bench.event(Event::LinkReturned);
    assert!(matches!(bench.engine.line, Line::Reaching { purpose: Purpose::SignIn, .. }));
    bench.reach();
    assert_eq!(bench.take_asked().len(), 1);
}

#[test]
fn a_payment_under_way_is_left_to_its_own_timers() {
    let mut bench = Bench::ready();
    let id = bench.authorising("order-1");
    bench.pass(Duration::from_secs(2));
    bench.take_asked();
    bench.event(Event::LinkReturned);
    assert!(matches!(bench.engine.line, Line::Asking { purpose: Purpose::Sale(sale), .. } if sale == id));
    assert!(bench.take_asked().is_empty());
}

#[test]
fn an_open_reversal_goes_out_at_once() {
    let mut bench = Bench::ready();
    bench.reversing("order-1");
    bench.pass(Duration::from_secs(1));
    while bench.engine.line != Line::Idle {
        bench.fail(Cause::B06, false);
    }
    bench.event(Event::LinkReturned);
    assert!(matches!(bench.engine.line.purpose(), Some(Purpose::Reversal(_))));
}
