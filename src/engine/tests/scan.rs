//! Scanned codes: operators sign in, customers' codes are answered, nobody learns what was scanned.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::ids::{Batch, OperatorId, Stan, TerminalId, TransactionCode};
use crate::domain::outcome::{Role, TerminalState};
use crate::domain::scan::{OperatorCode, PayScheme, Scan, ScanAnswer, ScanKind};
use crate::domain::secret::SecretBytes;
use crate::engine::command::{Command, CommandId, Device, RefusalKind};
use crate::engine::event::Event;
use crate::engine::settings::Settings;
use crate::engine::signal::Signal;

fn operator(number: &str) -> OperatorId {
    OperatorId::new(number).unwrap()
}

fn code(number: &str) -> OperatorCode {
    OperatorCode::new(operator(number), &[7; 26])
}

fn with_scanner() -> Bench {
    Bench::ready_with(Settings { scanner: true, operator_required: true, ..settings() })
}

/// Supervisor 01 on duty, operator 10 with a code.
fn staffed() -> Bench {
    let mut bench = with_scanner();
    bench.staffed();
    issue(&mut bench, "10");
    bench.ask(Command::OperatorSignOut).unwrap();
    bench
}

fn issue(bench: &mut Bench, number: &str) {
    let id = bench.send(Command::OperatorCodeSet { operator: operator(number), secret: code(number).secret });
    bench.event(Event::PasswordHashed { id, hash: "$argon2id$code".to_owned() });
    bench.reply_to(id).unwrap().clone().unwrap();
}

fn scan(bench: &mut Bench, scan: Scan) {
    bench.event(Event::CodeScanned { scan, on_file: false });
}

/// Scans the operator's code; the core compares it, if it is asked to.
fn badge(bench: &mut Bench, number: &str, good: bool) {
    bench.take_did();
    scan(bench, Scan::Operator(code(number)));
    if bench.take_did().contains(&Did::CheckPassword(CommandId(0))) {
        bench.event(Event::PasswordChecked { id: CommandId(0), good });
    }
}

fn told(bench: &Bench) -> (ScanKind, ScanAnswer, Option<Cause>) {
    let scanned = bench.signals.iter().rev().find_map(|signal| match signal {
        Signal::CodeScanned { kind, answer, cause } => Some((*kind, *answer, *cause)),
        _ => None,
    });
    scanned.expect("an answer")
}

fn on_duty(bench: &Bench) -> Option<String> {
    bench.engine.snapshot().terminal.operator.map(|o| o.as_str().to_owned())
}

#[test]
fn an_operator_signs_in_by_a_scanned_code() {
    let mut bench = staffed();
    assert_eq!(bench.engine.snapshot().terminal.cause, Some(Cause::O03));
    badge(&mut bench, "10", true);
    assert_eq!(told(&bench), (ScanKind::Operator, ScanAnswer::SignedIn, None));
    assert_eq!(on_duty(&bench).as_deref(), Some("10"));
    assert_eq!(bench.disk.on_duty, Some(operator("10")));
    assert_eq!(bench.engine.snapshot().terminal.state, TerminalState::Ready);
}

#[test]
fn a_wrong_code_counts_as_a_wrong_password_does_and_locks() {
    let mut bench = staffed();
    for failed in 1..5 {
        badge(&mut bench, "10", false);
        assert_eq!(told(&bench), (ScanKind::Operator, ScanAnswer::Refused, Some(Cause::O01)));
        assert_eq!(bench.disk.operators[&operator("10")].failed, failed);
        assert_eq!(bench.engine.snapshot().terminal.cause, Some(Cause::O01));
        bench.take_did();
        scan(&mut bench, Scan::Operator(code("10")));
        assert!(bench.take_did().is_empty(), "not even compared: the delay grows");
        bench.pass(Duration::from_secs(64));
    }
    badge(&mut bench, "10", false);
    assert_eq!(told(&bench), (ScanKind::Operator, ScanAnswer::Refused, Some(Cause::O02)));
    assert_eq!(bench.engine.snapshot().terminal.cause, Some(Cause::O02));
    assert!(bench.disk.operators[&operator("10")].locked);
    badge(&mut bench, "10", true);
    assert_eq!(on_duty(&bench), None, "locked is locked, by code and by password");
    assert_eq!(bench.operator_in("10", true).unwrap_err().cause, Some(Cause::O02));
    bench.operator_in("01", true).unwrap();
    bench.ask(Command::OperatorUnlock { operator: operator("10") }).unwrap();
    badge(&mut bench, "10", true);
    assert_eq!(on_duty(&bench).as_deref(), Some("10"));
    assert_eq!(bench.disk.operators[&operator("10")].failed, 0);
}

#[test]
fn codes_and_passwords_count_the_same_tries() {
    let mut bench = staffed();
    badge(&mut bench, "10", false);
    bench.pass(Duration::from_secs(64));
    bench.operator_in("10", false).unwrap_err();
    assert_eq!(bench.disk.operators[&operator("10")].failed, 2);
}

#[test]
fn a_misread_code_is_no_try_and_neither_is_one_that_was_never_issued() {
    let mut bench = staffed();
    scan(&mut bench, Scan::DamagedOperator);
    assert_eq!(told(&bench), (ScanKind::Operator, ScanAnswer::Damaged, None));
    for stranger in ["01", "99"] {
        bench.take_did();
        scan(&mut bench, Scan::Operator(code(stranger)));
        assert!(bench.take_did().is_empty());
        assert_eq!(told(&bench), (ScanKind::Operator, ScanAnswer::Refused, Some(Cause::O01)));
    }
    assert_eq!(bench.disk.operators[&operator("10")].failed, 0);
    assert_eq!(bench.disk.operators[&operator("01")].failed, 0);
}

#[test]
fn a_revoked_code_and_one_before_a_new_password_open_nothing() {
    let mut bench = staffed();
    bench.operator_in("01", true).unwrap();
    bench.ask(Command::OperatorCodeRevoke { operator: operator("10") }).unwrap();
    badge(&mut bench, "10", true);
    assert_eq!(on_duty(&bench).as_deref(), Some("01"));
    issue(&mut bench, "10");
    bench.set_operator("10", Role::Operator).unwrap();
    badge(&mut bench, "10", true);
    assert_eq!(on_duty(&bench).as_deref(), Some("01"));
    assert_eq!(bench.disk.operators[&operator("10")].code, None);
    issue(&mut bench, "10");
    bench.restart();
    bench.devices_up();
    badge(&mut bench, "10", true);
    assert_eq!(on_duty(&bench).as_deref(), Some("10"), "a restart forgets no code");
}

#[test]
fn a_new_code_forgives_no_tries_and_unlocks_nobody() {
    let mut bench = staffed();
    for _ in 0..5 {
        badge(&mut bench, "10", false);
        bench.pass(Duration::from_secs(64));
    }
    bench.operator_in("01", true).unwrap();
    issue(&mut bench, "10");
    assert!(bench.disk.operators[&operator("10")].locked);
    assert_eq!(bench.disk.operators[&operator("10")].failed, 5);
}

#[test]
fn only_a_supervisor_on_duty_issues_and_revokes_codes() {
    let mut bench = staffed();
    let set = |number: &str| Command::OperatorCodeSet { operator: operator(number), secret: code(number).secret };
    let revoke = |number: &str| Command::OperatorCodeRevoke { operator: operator(number) };
    assert_eq!(bench.refused(set("10")), RefusalKind::NotAuthorized);
    assert_eq!(bench.refused(revoke("10")), RefusalKind::NotAuthorized);
    bench.operator_in("10", true).unwrap();
    assert_eq!(bench.refused(set("10")), RefusalKind::NotAuthorized);
    bench.operator_in("01", true).unwrap();
    assert_eq!(bench.refused(set("77")), RefusalKind::NotFound);
    assert_eq!(bench.refused(revoke("77")), RefusalKind::NotFound);
    for poor in [b"270361".to_vec(), vec![b'a'; 26], vec![b'A'; 27]] {
        let command = Command::OperatorCodeSet { operator: operator("10"), secret: SecretBytes::new(poor) };
        assert_eq!(bench.refused(command), RefusalKind::InvalidArgument);
    }
}

#[test]
fn an_operator_code_in_a_payment_is_refused_with_a_hint_and_is_no_try() {
    let mut bench = staffed();
    badge(&mut bench, "10", true);
    let id = bench.authorising("1");
    bench.take_did();
    scan(&mut bench, Scan::Operator(code("10")));
    assert!(bench.take_did().is_empty(), "the core is not kept busy");
    assert_eq!(told(&bench), (ScanKind::Operator, ScanAnswer::NotNow, None));
    assert!(ScanAnswer::NotNow.hint().1.contains("payment is under way"));
    assert_eq!(bench.engine.snapshot().terminal.active, Some(id));
    bench.answer_sale("00");
    badge(&mut bench, "10", true);
    assert_eq!(told(&bench).1, ScanAnswer::SignedIn);
}

#[test]
fn a_customers_code_finds_no_payment_that_waits_for_it() {
    let mut bench = staffed();
    let payment = || Scan::Payment { scheme: PayScheme::Alipay, code: SecretBytes::new(b"2812345678901234".to_vec()) };
    scan(&mut bench, payment());
    assert_eq!(told(&bench), (ScanKind::Payment, ScanAnswer::NoPaymentWaits, None));
    badge(&mut bench, "10", true);
    let id = bench.create(1000, "1", 100);
    bench.start(id).unwrap();
    let before = bench.engine.snapshot();
    scan(&mut bench, payment());
    assert_eq!(told(&bench), (ScanKind::Payment, ScanAnswer::NoPaymentWaits, None));
    assert_eq!(bench.engine.snapshot(), before, "a card payment goes on as if nothing had been scanned");
}

#[test]
fn a_payments_code_is_looked_up() {
    let mut bench = staffed();
    let terminal = TerminalId::new("99000001").unwrap();
    let code = TransactionCode::new(&terminal, Batch::new(2).unwrap(), Stan::new(3).unwrap());
    bench.event(Event::CodeScanned { scan: Scan::Transaction(code.clone()), on_file: true });
    assert_eq!(told(&bench), (ScanKind::Transaction, ScanAnswer::Found, None));
    bench.event(Event::CodeScanned { scan: Scan::Transaction(code), on_file: false });
    assert_eq!(told(&bench), (ScanKind::Transaction, ScanAnswer::NotFound, Some(Cause::O04)));
    scan(&mut bench, Scan::DamagedTransaction);
    assert_eq!(told(&bench), (ScanKind::Transaction, ScanAnswer::Damaged, Some(Cause::O04)));
    scan(&mut bench, Scan::Unknown);
    assert_eq!(told(&bench), (ScanKind::Unknown, ScanAnswer::Meaningless, None));
}

#[test]
fn a_check_that_is_lost_is_answered() {
    let mut bench = staffed();
    scan(&mut bench, Scan::Operator(code("10")));
    bench.pass(Duration::from_secs(20));
    assert_eq!(told(&bench), (ScanKind::Operator, ScanAnswer::Refused, None));
    bench.event(Event::PasswordChecked { id: CommandId(0), good: true });
    assert_eq!(on_duty(&bench), None, "what was refused does not happen later");
}

#[test]
fn a_held_scanner_signs_nobody_in() {
    let mut bench = staffed();
    bench.device(Device::Scanner, DeviceState::Ready, None);
    let inhibit = Command::Inhibit { caller: caller(1), device: Device::Scanner, why: "cleaning".to_owned() };
    bench.ask(inhibit).unwrap();
    assert_eq!(bench.engine.snapshot().scanner.unwrap().state, DeviceState::Inhibited);
    badge(&mut bench, "10", true);
    assert_eq!((told(&bench).1, on_duty(&bench)), (ScanAnswer::NotNow, None));
    bench.ask(Command::InhibitEnded { device: Device::Scanner }).unwrap();
    badge(&mut bench, "10", true);
    assert_eq!(on_duty(&bench).as_deref(), Some("10"));
}

#[test]
fn a_scanner_that_is_gone_takes_nothing_but_codes_away() {
    let mut bench = staffed();
    badge(&mut bench, "10", true);
    for (state, cause) in [(DeviceState::Absent, Cause::H10), (DeviceState::Failed, Cause::H11)] {
        bench.device(Device::Scanner, state, Some(cause));
        let snapshot = bench.engine.snapshot();
        assert_eq!((snapshot.terminal.state, snapshot.terminal.cause), (TerminalState::Ready, None));
        let [online, _, qr, cash] = snapshot.capabilities;
        assert!(online.available && cash.available && !qr.available);
        assert_eq!(qr.cause, Some(cause));
        assert_eq!(snapshot.scanner.unwrap().last_cause, Some(cause));
    }
    bench.device(Device::Scanner, DeviceState::Ready, None);
    assert_eq!(bench.engine.snapshot().capabilities[2].cause, None);
    // A rig without one says nothing of it.
    let snapshot = Bench::ready().engine.snapshot();
    assert_eq!((snapshot.scanner, snapshot.capabilities[2].cause), (None, None));
}
