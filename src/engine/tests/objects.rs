//! Payments as objects: idempotency, finding again, acknowledging, limits.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::ids::{IdempotencyKey, TransactionCode, TransactionId};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::engine::command::{Caller, Command, NewTransaction, RefusalKind, Reply};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

#[test]
fn the_same_key_and_arguments_find_the_same_payment_and_others_are_refused() {
    let mut bench = Bench::ready();
    let id = bench.create(1000, "k", 1234);
    assert_eq!(bench.create(1000, "k", 1234), id);
    let base = || new_sale(1000, "k", 1234);
    let others = [
        new_sale(1000, "k", 1235),
        NewTransaction { confirm_amount: Some(false), ..base() },
        NewTransaction { reference: Some("table 4".to_owned()), ..base() },
    ];
    for other in others {
        assert_eq!(bench.refused(Command::Create(other)), RefusalKind::IdempotencyMismatch);
    }
    assert_ne!(bench.create(2000, "k", 1), id, "another uid's key is another key");
    assert_eq!(bench.disk.payments.len(), 2);
}

#[test]
fn a_key_keeps_its_meaning_after_a_restart_and_after_the_object_has_gone() {
    let mut bench = Bench::ready();
    let id = bench.authorising("k");
    bench.answer_sale("00");
    for round in 0..2 {
        if round == 0 {
            bench.ask(Command::Acknowledge { caller: caller(1000), id }).unwrap();
        } else {
            bench.restart();
        }
        assert!(!bench.engine.snapshot().transactions.contains_key(&id));
        assert_eq!(bench.refused(Command::Create(new_sale(1000, "k", 99))), RefusalKind::IdempotencyMismatch);
        assert_eq!(bench.ask(Command::Create(new_sale(1000, "k", 1234))), Ok(Reply::Transaction(id)));
        assert_eq!(bench.outcome(id), Some(Outcome::Approved));
        // Its object is there again, and still knows its arguments.
        assert_eq!(bench.refused(Command::Create(new_sale(1000, "k", 99))), RefusalKind::IdempotencyMismatch);
        assert_eq!(bench.start(id).unwrap_err().kind, RefusalKind::WrongState);
    }
    assert_eq!(bench.disk.payments.len(), 1);
}

#[test]
fn an_open_payment_taken_up_after_a_restart_knows_its_arguments() {
    let mut bench = Bench::ready();
    let id = bench.authorising("k");
    bench.restart();
    assert_eq!(bench.refused(Command::Create(new_sale(1000, "k", 99))), RefusalKind::IdempotencyMismatch);
    assert_eq!(bench.ask(Command::Create(new_sale(1000, "k", 1234))), Ok(Reply::Transaction(id)));
}

#[test]
fn a_payment_is_found_by_key_only_by_its_uid_and_by_code_by_everybody() {
    let mut bench = Bench::ready();
    let id = bench.authorising("k");
    bench.answer_sale("00");
    let code = bench.view(id).code.unwrap();
    let stranger = Caller { uid: 3000, connection: ":1.9".to_owned() };
    let by_key = |caller: Caller| Command::FindByKey { caller, key: key("k") };
    assert_eq!(bench.ask(by_key(caller(1000))), Ok(Reply::Transaction(id)));
    let refusal = bench.ask(by_key(stranger.clone())).unwrap_err();
    assert_eq!((refusal.kind, refusal.cause), (RefusalKind::NotFound, Some(Cause::O04)));
    for _ in 0..2 {
        let by_code = Command::FindByCode { caller: stranger.clone(), code: code.clone() };
        assert_eq!(bench.ask(by_code), Ok(Reply::Transaction(id)));
        assert_eq!(bench.view(id).owner.uid, 1000, "looking is not taking over");
        bench.restart();
    }
    let unknown = TransactionCode::new(
        &settings().terminal_id,
        crate::domain::ids::Batch::new(9).unwrap(),
        crate::domain::ids::Stan::FIRST,
    );
    assert_eq!(bench.refused(Command::FindByCode { caller: stranger, code: unknown }), RefusalKind::NotFound);
}

#[test]
fn only_what_is_over_can_be_acknowledged() {
    let mut bench = Bench::ready();
    let id = bench.presenting("k");
    let acknowledge = || Command::Acknowledge { caller: caller(1000), id };
    assert_eq!(bench.refused(acknowledge()), RefusalKind::WrongState);
    bench.cancel(id).unwrap();
    bench.ask(acknowledge()).unwrap();
    assert_eq!(bench.refused(acknowledge()), RefusalKind::NotFound);
}

#[test]
fn a_payment_that_nobody_starts_is_cancelled() {
    let mut bench = Bench::ready();
    let id = bench.create(1000, "k", 1);
    bench.pass(Duration::from_secs(299));
    assert_eq!(bench.state(id), TransactionState::Created);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.outcome(id), Some(Outcome::Cancelled));
    assert_eq!(bench.start(id).unwrap_err().kind, RefusalKind::WrongState);
}

#[test]
fn amount_and_currency_are_limited() {
    let mut bench = Bench::ready();
    assert_eq!(bench.refused(Command::Create(new_sale(1000, "k", 5_000_001))), RefusalKind::LimitExceeded);
    let mut new = new_sale(1000, "k", 1);
    new.money.currency = "USD".parse().unwrap();
    assert_eq!(bench.refused(Command::Create(new)), RefusalKind::InvalidArgument);
    bench.create(1000, "k", 5_000_000);
}

#[test]
fn a_uid_that_creates_and_never_starts_is_stopped_and_others_are_not() {
    let mut bench = Bench::ready();
    for n in 0..16 {
        bench.create(1000, &format!("k{n}"), 1);
    }
    assert_eq!(bench.refused(Command::Create(new_sale(1000, "k16", 1))), RefusalKind::LimitExceeded);
    bench.create(2000, "k", 1);
    bench.ask(Command::ClientGone { connection: ":1.1000".to_owned() }).unwrap();
    bench.create(1000, "k16", 1);
}

#[test]
fn objects_are_bounded_and_the_one_just_found_is_always_there() {
    let mut bench = Bench::ready();
    let mut ids: Vec<TransactionId> = Vec::new();
    for n in 0..100 {
        let id = bench.create(1000, &format!("k{n}"), 1);
        bench.cancel(id).unwrap();
        ids.push(id);
    }
    assert_eq!(bench.engine.snapshot().transactions.len(), 64);
    // The oldest of all: it must not be the first to go again.
    let oldest = ids[0];
    assert!(!bench.engine.snapshot().transactions.contains_key(&oldest));
    let found = bench.ask(Command::FindByKey { caller: caller(1000), key: key("k0") });
    assert_eq!(found, Ok(Reply::Transaction(oldest)));
    assert!(bench.engine.snapshot().transactions.contains_key(&oldest));
    assert_eq!(bench.engine.snapshot().transactions.len(), 64);
}

#[test]
fn the_caller_who_starts_or_asks_again_receives_the_signals() {
    let mut bench = Bench::ready();
    let id = bench.create(1000, "k", 1);
    let second = Caller { uid: 1000, connection: ":1.200".to_owned() };
    bench.ask(Command::Start { caller: second.clone(), id }).unwrap();
    assert_eq!(bench.view(id).owner, second);
    bench.ask(Command::ClientGone { connection: ":1.1000".to_owned() }).unwrap();
    assert_eq!(bench.state(id), TransactionState::AwaitingCard, "the first one's end is not the owner's");
}

#[test]
fn commands_that_are_the_cores_are_refused_and_not_swallowed() {
    let mut bench = Bench::ready();
    assert_eq!(bench.refused(Command::AbandonKeyLoad), RefusalKind::Internal);
}
