//! Devices as the bus shows them, leases, and what can be paid now.

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::outcome::TerminalState;
use crate::engine::command::{Command, Device, RefusalKind};
use crate::engine::event::Event;
use crate::engine::settings::Settings;

fn inhibit(device: Device) -> Command {
    Command::Inhibit { caller: caller(5), device, why: "cleaning".to_owned() }
}

/// State, cause, and whether a card can be charged.
fn shown(bench: &Bench) -> (TerminalState, Option<Cause>, bool) {
    let snapshot = bench.engine.snapshot();
    (snapshot.terminal.state, snapshot.terminal.cause, snapshot.capabilities[0].available)
}

/// Whether a payment that is started now is refused.
fn starts(bench: &mut Bench) -> bool {
    let id = bench.create(1000, &format!("try{}", bench.disk.payments.len()), 1);
    let started = bench.start(id).is_ok();
    bench.cancel(id).unwrap();
    started
}

#[test]
fn a_lease_keeps_payments_away_and_names_its_holder() {
    for device in [Device::Reader, Device::Keypad] {
        let mut bench = Bench::ready();
        bench.ask(inhibit(device)).unwrap();
        assert_eq!(shown(&bench), (TerminalState::Degraded, None, false));
        assert!(bench.engine.snapshot().terminal.evidence.contains("cleaning"));
        assert!(!starts(&mut bench));
        assert_eq!(bench.refused(inhibit(device)), RefusalKind::Busy);
        bench.ask(Command::InhibitEnded { device }).unwrap();
        assert_eq!(shown(&bench), (TerminalState::Ready, None, true));
        assert!(starts(&mut bench));
    }
}

#[test]
fn a_lease_is_not_given_during_a_payment() {
    let mut bench = Bench::ready();
    bench.presenting("1");
    assert_eq!(bench.refused(inhibit(Device::Reader)), RefusalKind::Busy);
}

#[test]
fn an_inhibited_device_is_shown_so() {
    let mut bench = Bench::ready();
    bench.ask(inhibit(Device::Reader)).unwrap();
    let reader = bench.engine.snapshot().reader;
    assert_eq!(reader.state, DeviceState::Inhibited);
    assert_eq!(reader.inhibited_by.as_deref(), Some(":1.5: cleaning"));
    bench.device(Device::Reader, DeviceState::Absent, Some(Cause::H01));
    assert_eq!(bench.engine.snapshot().reader.state, DeviceState::Absent, "what is gone is not merely held");
}

#[test]
fn what_can_be_paid_is_what_can_be_started() {
    type Change = fn(&mut Bench);
    let changes: [(Change, bool); 8] = [
        (|_| {}, true),
        (|b| b.device(Device::Reader, DeviceState::Absent, Some(Cause::H01)), false),
        (|b| b.device(Device::Reader, DeviceState::Failed, Some(Cause::H02)), false),
        (|b| b.device(Device::Keypad, DeviceState::Absent, Some(Cause::H05)), true),
        (|b| drop(b.ask(inhibit(Device::Reader))), false),
        (|b| drop(b.ask(inhibit(Device::Keypad))), false),
        (|b| b.event(Event::StorageChanged { fault: Some("full".to_owned()) }), false),
        (|b| b.master_key(None), false),
    ];
    for (n, (change, works)) in changes.into_iter().enumerate() {
        let mut bench = Bench::ready();
        let id = bench.create(1000, "1", 1);
        change(&mut bench);
        assert_eq!(shown(&bench).2, works, "case {n}");
        assert_eq!(bench.start(id).is_ok(), works, "case {n}");
    }
}

#[test]
fn devices_that_have_not_quite_let_go_of_the_last_payment_take_the_next() {
    let mut bench = Bench::ready_with(Settings { confirm_amount: true, ..settings() });
    bench.device(Device::Reader, DeviceState::Active, None);
    bench.device(Device::Keypad, DeviceState::Active, None);
    assert!(starts(&mut bench));
    let id = bench.create(1000, "pin", 1);
    bench.start(id).unwrap();
    bench.event(Event::AmountConfirmed);
    bench.event(Event::CardRead(card(true)));
    assert!(bench.did.contains(&Did::AskPin));
}

#[test]
fn without_a_keypad_the_amount_cannot_be_confirmed() {
    let mut bench = Bench::ready_with(Settings { confirm_amount: true, ..settings() });
    bench.device(Device::Keypad, DeviceState::Absent, Some(Cause::H05));
    assert_eq!(shown(&bench), (TerminalState::Degraded, Some(Cause::H05), false));
    assert!(!starts(&mut bench));
}

#[test]
fn a_device_that_comes_back_forgets_what_was_wrong() {
    let mut bench = Bench::ready();
    bench.device(Device::Reader, DeviceState::Absent, Some(Cause::H01));
    bench.device(Device::Reader, DeviceState::Starting, None);
    assert_eq!(bench.engine.snapshot().reader.last_cause, Some(Cause::H01));
    bench.device(Device::Reader, DeviceState::Ready, None);
    assert_eq!(bench.engine.snapshot().reader.last_cause, None);
    let (model, firmware) = ("PN532".to_owned(), "1.6".to_owned());
    bench.event(Event::DeviceIdentified { device: Device::Reader, model, firmware });
    assert_eq!(bench.engine.snapshot().reader.model, "PN532");
}

#[test]
fn the_reader_is_not_reset_under_a_card() {
    let mut bench = Bench::ready();
    bench.ask(Command::ResetReader).unwrap();
    assert!(bench.did.contains(&Did::ResetReader));
    bench.presenting("1");
    assert_eq!(bench.refused(Command::ResetReader), RefusalKind::Busy);
}

#[test]
fn the_readers_power_is_switched_only_where_there_is_a_switch_and_a_reader_and_no_card() {
    let mut bench = Bench::ready();
    assert_eq!(bench.refused(Command::PowerCycleReader), RefusalKind::WrongState);
    let mut bench = Bench::ready_with(Settings { reader_power: true, ..settings() });
    bench.device(Device::Reader, DeviceState::Absent, Some(Cause::H01));
    assert_eq!(bench.refused(Command::PowerCycleReader), RefusalKind::ReaderUnavailable);
    assert!(!bench.did.contains(&Did::PowerCycleReader));
    // A mute one is what the switch is for.
    bench.device(Device::Reader, DeviceState::Failed, Some(Cause::H02));
    bench.ask(Command::PowerCycleReader).unwrap();
    assert!(bench.did.contains(&Did::PowerCycleReader));
    bench.device(Device::Reader, DeviceState::Ready, None);
    bench.presenting("1");
    assert_eq!(bench.refused(Command::PowerCycleReader), RefusalKind::Busy);
}

#[test]
fn the_key_ceremony_and_payments_keep_out_of_each_others_way() {
    let mut bench = Bench::ready();
    assert!(bench.engine.keypad_is_free() && bench.engine.keys_may_change());
    let master_check = Some("8CA64D".to_owned());
    bench.event(Event::KeysChanged { master_check, pending_component: None, asking_component: Some(1) });
    assert!(!bench.engine.keypad_is_free());
    assert!(!starts(&mut bench));
    bench.load_master_key();
    bench.presenting("1");
    assert!(!bench.engine.keypad_is_free() && !bench.engine.keys_may_change());
}
