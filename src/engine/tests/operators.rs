//! Operators: the first run, wrong passwords, lock-out, the keypad.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::ids::OperatorId;
use crate::domain::outcome::{Role, TerminalState};
use crate::domain::prompt::Prompt;
use crate::domain::secret::SecretBytes;
use crate::engine::command::{Command, Device, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::settings::Settings;

fn operator(number: &str) -> OperatorId {
    OperatorId::new(number).unwrap()
}

fn set(number: &str, role: Role, password: &[u8]) -> Command {
    Command::OperatorSet { operator: operator(number), role, password: SecretBytes::new(password.to_vec()) }
}

fn on_duty(bench: &Bench) -> Option<String> {
    bench.engine.snapshot().terminal.operator.map(|o| o.as_str().to_owned())
}

#[test]
fn the_first_run_forces_a_supervisor() {
    let mut bench = Bench::ready();
    assert!(!bench.engine.snapshot().terminal.supervisor_set);
    assert_eq!(bench.operator_in("01", true).unwrap_err().kind, RefusalKind::WrongState);
    assert_eq!(bench.refused(Command::OperatorSignInAtKeypad), RefusalKind::WrongState);
    assert_eq!(bench.refused(set("10", Role::Operator, b"270361")), RefusalKind::WrongState);
    bench.set_operator("01", Role::Supervisor).unwrap();
    assert!(bench.engine.snapshot().terminal.supervisor_set);
    // From now on only a supervisor on duty adds others.
    assert_eq!(bench.refused(set("10", Role::Operator, b"270361")), RefusalKind::NotAuthorized);
    bench.operator_in("01", true).unwrap();
    bench.set_operator("10", Role::Operator).unwrap();
    assert_eq!(bench.disk.operators.len(), 2);
    assert_eq!(bench.disk.on_duty, Some(operator("01")));
}

#[test]
fn poor_passwords_are_refused() {
    let mut bench = Bench::ready();
    let poor: [&[u8]; 7] = [b"12345", b"111111", b"123456", b"654321", b"999999", b"27036127", &[b'7'; 33]];
    for password in poor {
        let refused = bench.refused(set("27036127", Role::Supervisor, password));
        assert_eq!(refused, RefusalKind::InvalidArgument, "{password:?}");
    }
}

#[test]
fn the_last_supervisor_keeps_the_role() {
    let mut bench = Bench::ready();
    bench.staffed();
    let refusal = bench.set_operator("01", Role::Operator).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::WrongState);
    bench.set_operator("02", Role::Administrator).unwrap();
    bench.set_operator("01", Role::Operator).unwrap();
    assert!(bench.engine.snapshot().terminal.supervisor_set);
}

#[test]
fn wrong_passwords_are_counted_on_disk_and_lock_an_operator_after_five() {
    let mut bench = Bench::ready();
    bench.staffed();
    for left in (1..5).rev() {
        let refusal = bench.operator_in("10", false).unwrap_err();
        assert_eq!((refusal.kind, refusal.cause), (RefusalKind::NotAuthorized, Some(Cause::O01)));
        assert!(refusal.text.contains(&format!("{left} tries left")), "{}", refusal.text);
        assert_eq!(bench.disk.operators[&operator("10")].failed, 5 - left);
        let early = bench.operator_in("10", true).unwrap_err();
        assert_eq!(early.kind, RefusalKind::Busy, "the delay grows");
        bench.pass(Duration::from_secs(64));
    }
    assert_eq!(bench.operator_in("10", false).unwrap_err().cause, Some(Cause::O02));
    assert!(bench.disk.operators[&operator("10")].locked);
    let at_once = bench.operator_in("10", true).unwrap_err();
    assert_eq!(at_once.cause, Some(Cause::O02), "not told to wait, which would not help");
    bench.pass(Duration::from_secs(86_399));
    assert_eq!(bench.operator_in("10", true).unwrap_err().cause, Some(Cause::O02));
    // A restart changes nothing about it.
    bench.restart();
    bench.devices_up();
    assert_eq!(bench.operator_in("10", true).unwrap_err().cause, Some(Cause::O02));
    bench.ask(Command::OperatorUnlock { operator: operator("10") }).unwrap();
    bench.operator_in("10", true).unwrap();
    assert_eq!(bench.disk.operators[&operator("10")].failed, 0);
    assert_eq!(on_duty(&bench).as_deref(), Some("10"));
}

#[test]
fn a_supervisor_waits_instead_of_being_locked() {
    let mut bench = Bench::ready();
    bench.staffed();
    for _ in 0..5 {
        bench.operator_in("01", false).unwrap_err();
        bench.pass(Duration::from_secs(64));
    }
    assert!(!bench.disk.operators[&operator("01")].locked);
    assert_eq!(bench.operator_in("01", true).unwrap_err().kind, RefusalKind::Busy);
    bench.pass(Duration::from_secs(900));
    bench.operator_in("01", true).unwrap();
}

#[test]
fn one_operators_mistakes_do_not_hold_up_another() {
    let mut bench = Bench::ready();
    bench.staffed();
    bench.operator_in("10", false).unwrap_err();
    bench.operator_in("01", true).unwrap();
}

#[test]
fn only_a_supervisor_on_duty_unlocks() {
    let mut bench = Bench::ready();
    bench.staffed();
    bench.operator_in("10", true).unwrap();
    let unlock = |number: &str| Command::OperatorUnlock { operator: operator(number) };
    assert_eq!(bench.refused(unlock("10")), RefusalKind::NotAuthorized);
    bench.operator_in("01", true).unwrap();
    assert_eq!(bench.refused(unlock("77")), RefusalKind::NotFound);
    bench.ask(Command::OperatorSignOut).unwrap();
    assert_eq!(bench.refused(unlock("10")), RefusalKind::NotAuthorized);
    assert_eq!(bench.disk.on_duty, None);
}

#[test]
fn an_operator_signs_in_at_the_keypad() {
    let mut bench = Bench::ready();
    bench.staffed();
    bench.take_did();
    assert_eq!(bench.ask(Command::OperatorSignInAtKeypad), Ok(Reply::Done));
    bench.event(Event::EntryProgressed { digits: 1 });
    bench.event(Event::OperatorNumberEntered(operator("10")));
    bench.event(Event::EntryProgressed { digits: 6 });
    bench.event(Event::PasswordEntered(SecretBytes::new(b"270361".to_vec())));
    let did = bench.take_did();
    assert!(did.contains(&Did::AskOperatorNumber) && did.contains(&Did::AskPassword), "{did:?}");
    assert!(did.contains(&Did::Show(Prompt::EnterOperator { digits: 1 })));
    assert!(did.contains(&Did::Show(Prompt::EnterPassword { digits: 6 })));
    let Some(Did::CheckPassword(id)) = did.iter().rev().find(|d| matches!(d, Did::CheckPassword(_))) else { panic!() };
    bench.event(Event::PasswordChecked { id: *id, good: true });
    assert_eq!(on_duty(&bench).as_deref(), Some("10"));
    assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Idle);
}

#[test]
fn an_entry_that_ends_in_nothing_frees_the_keypad() {
    type End = fn(&mut Bench);
    let ends: [End; 5] = [
        |b| b.event(Event::EntryCancelled),
        |b| b.event(Event::EntryTimedOut),
        |b| b.event(Event::EntryFailed(Cause::H05)),
        |b| {
            b.device(Device::Keypad, DeviceState::Absent, Some(Cause::H05));
            b.device(Device::Keypad, DeviceState::Ready, None);
        },
        |b| b.pass(Duration::from_secs(150)),
    ];
    for end in ends {
        for with_number in [false, true] {
            let mut bench = Bench::ready();
            bench.staffed();
            bench.ask(Command::OperatorSignInAtKeypad).unwrap();
            if with_number {
                bench.event(Event::OperatorNumberEntered(operator("10")));
            }
            assert_eq!(bench.refused(Command::OperatorSignInAtKeypad), RefusalKind::Busy);
            let id = bench.create(1000, "1", 1);
            assert_eq!(bench.start(id).unwrap_err().kind, RefusalKind::Busy);
            let inhibit = Command::Inhibit { caller: caller(1), device: Device::Keypad, why: "cleaning".to_owned() };
            assert_eq!(bench.refused(inhibit), RefusalKind::Busy);
            end(&mut bench);
            assert_eq!(bench.engine.snapshot().terminal.prompt, Prompt::Idle);
            bench.start(id).unwrap();
        }
    }
}

#[test]
fn passwords_wait_until_a_payment_is_over() {
    let mut bench = Bench::ready();
    bench.staffed();
    bench.authorising("1");
    assert_eq!(bench.operator_in("10", true).unwrap_err().kind, RefusalKind::Busy);
    assert_eq!(bench.refused(set("11", Role::Operator, b"270361")), RefusalKind::Busy);
    assert_eq!(bench.refused(Command::OperatorSignInAtKeypad), RefusalKind::Busy);
    assert_eq!(bench.refused(Command::OperatorSignOut), RefusalKind::Busy);
    bench.answer_sale("00");
    bench.operator_in("10", true).unwrap();
}

#[test]
fn a_hash_that_could_not_be_made_or_a_check_that_is_lost_does_not_block_for_ever() {
    let mut bench = Bench::ready();
    let id = bench.send(set("01", Role::Supervisor, b"270361"));
    bench.event(Event::PasswordHashed { id, hash: String::new() });
    assert_eq!(bench.reply_to(id).unwrap().clone().unwrap_err().kind, RefusalKind::Internal);
    assert!(bench.disk.operators.is_empty());
    let id = bench.send(set("01", Role::Supervisor, b"270361"));
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.reply_to(id).unwrap().clone().unwrap_err().kind, RefusalKind::Internal);
    bench.event(Event::PasswordHashed { id, hash: "late".to_owned() });
    assert!(bench.disk.operators.is_empty(), "what was refused does not happen later");
    bench.staffed();
}

#[test]
fn where_an_operator_is_required_none_means_no_payment() {
    let mut bench = Bench::ready_with(Settings { operator_required: true, ..settings() });
    let state = |b: &Bench| (b.engine.snapshot().terminal.state, b.engine.snapshot().terminal.cause);
    assert_eq!(state(&bench), (TerminalState::Degraded, Some(Cause::O03)));
    assert_eq!(bench.engine.snapshot().capabilities[0].cause, Some(Cause::O03));
    let id = bench.create(1000, "1", 1);
    let refusal = bench.start(id).unwrap_err();
    assert_eq!((refusal.kind, refusal.cause), (RefusalKind::NotSignedIn, Some(Cause::O03)));
    bench.staffed();
    bench.start(id).unwrap();
    bench.cancel(id).unwrap();
    bench.ask(Command::OperatorSignOut).unwrap();
    bench.operator_in("10", false).unwrap_err();
    assert_eq!(state(&bench), (TerminalState::Degraded, Some(Cause::O01)));
}

#[test]
fn who_is_on_duty_survives_a_restart() {
    let mut bench = Bench::ready();
    bench.staffed();
    bench.restart();
    assert_eq!(on_duty(&bench).as_deref(), Some("01"));
}
