//! A diagnosis renames a failure of the line: only the present one, and only until the host answers.

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::host::ProcessingRequest;
use crate::engine::command::{Command, Refinement, Reply};

fn unreachable() -> Bench {
    let mut bench = Bench::new(settings());
    bench.devices_up();
    bench.load_master_key();
    bench.reach_fails();
    bench
}

fn diagnosed(bench: &mut Bench, was: Cause, found: Cause) {
    let evidence = format!("it is {found}");
    assert_eq!(bench.ask(Command::Diagnosed(Refinement { was, found, evidence })), Ok(Reply::Done));
}

fn told(bench: &Bench) -> (Option<Cause>, String, Option<Cause>) {
    let snapshot = bench.engine.snapshot();
    (snapshot.terminal.cause, snapshot.terminal.evidence, snapshot.capabilities[0].cause)
}

fn next_try(bench: &mut Bench) {
    let due = bench.engine.deadline().unwrap();
    bench.expire_at(due);
}

#[test]
fn a_verdict_renames_the_cause_of_terminal_and_capability() {
    let mut bench = unreachable();
    assert_eq!(told(&bench).0, Some(Cause::N05));
    diagnosed(&mut bench, Cause::N05, Cause::N01);
    assert_eq!(told(&bench), (Some(Cause::N01), "it is N01".to_owned(), Some(Cause::N01)));
    let host = bench.engine.snapshot().host;
    assert_eq!(host.failure.map(|f| f.cause), Some(Cause::N05), "the line's own word is kept for the next diagnosis");
}

#[test]
fn the_same_failure_keeps_its_better_name_and_another_one_loses_it() {
    let mut bench = unreachable();
    diagnosed(&mut bench, Cause::N05, Cause::N06);
    next_try(&mut bench);
    bench.reach_fails();
    assert_eq!(told(&bench).0, Some(Cause::N06));
    next_try(&mut bench);
    bench.reach();
    bench.fail(Cause::N10, true);
    assert_eq!(told(&bench).0, Some(Cause::N10));
    next_try(&mut bench);
    bench.reach_fails();
    assert_eq!(told(&bench).0, Some(Cause::N05), "the old verdict is not dug out again");
}

#[test]
fn a_verdict_that_comes_too_late_says_nothing() {
    let mut bench = unreachable();
    next_try(&mut bench);
    bench.reach();
    bench.reply(sign_in_answer("00", good_keys(), ProcessingRequest::None));
    diagnosed(&mut bench, Cause::N05, Cause::N01);
    assert_eq!(told(&bench).0, None);
    let mut bench = unreachable();
    diagnosed(&mut bench, Cause::N10, Cause::N01);
    assert_eq!(told(&bench).0, Some(Cause::N05), "it is about another failure");
}

#[test]
fn an_answer_of_the_host_ends_a_better_name() {
    let mut bench = unreachable();
    diagnosed(&mut bench, Cause::N05, Cause::N01);
    next_try(&mut bench);
    bench.reach();
    bench.reply(sign_in_answer("96", good_keys(), ProcessingRequest::None));
    assert_eq!(told(&bench).0, Some(Cause::B01));
    next_try(&mut bench);
    bench.reach_fails();
    assert_eq!(told(&bench).0, Some(Cause::N05));
}
