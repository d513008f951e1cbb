//! The thread: orders in, results out, on a mock pin.

use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

use super::*;
use crate::driver::gpio::{GpioError, LineName};

fn all_events(line: Option<ResetLine<Mock>>, power: Option<&UsbPower>, orders: Vec<RepairCommand>) -> Vec<RepairEvent> {
    let (sender, inlet) = sync_channel(orders.len());
    orders.into_iter().for_each(|order| sender.send(order).unwrap());
    drop(sender);
    let (events, mut told) = mpsc::channel(16);
    run(line, power, &inlet, &events);
    std::iter::from_fn(|| told.try_recv().ok()).collect()
}

fn reset() -> LineName {
    LineName { name: "GPIO20".to_owned(), setting: "reader.reset_line" }
}

#[test]
fn the_line_is_taken_in_hand_at_once_and_pulsed_on_order() {
    let mut pin = Mock::new(&[State::Low, State::High].map(Transaction::set));
    let given = pin.clone();
    let line = ResetLine::opened_by(reset(), move || Ok(given.clone()));
    let told = all_events(Some(line), None, vec![RepairCommand::PulseReset]);
    assert_eq!(told, [RepairEvent::LineHeld, RepairEvent::Pulsed]);
    pin.done();
}

#[test]
fn a_line_that_is_not_there_is_told_at_once_and_at_each_order() {
    let missing = || GpioError::NoChip { directory: "/dev".into(), setting: "reader.reset_line" };
    let line = ResetLine::<Mock>::opened_by(reset(), move || Err(missing()));
    let told = all_events(Some(line), None, vec![RepairCommand::PulseReset]);
    assert_eq!(told, [RepairEvent::LineFailed(missing().to_string()), RepairEvent::LineFailed(missing().to_string())]);
}

#[test]
fn a_power_cycle_that_cannot_be_done_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let power = UsbPower { sysfs: directory.path().into(), note: directory.path().join("usb-off") };
    let port = PathBuf::from("/dev/null");
    let told = all_events(None, Some(&power), vec![RepairCommand::PowerCycle { port }]);
    let [RepairEvent::PowerFailed(why)] = told.as_slice() else { panic!("{told:?}") };
    assert!(why.starts_with("/dev/null is not on USB"), "{why}");
}

#[test]
fn without_anything_to_do_there_is_no_thread() {
    let settings = Settings { reset_line: None, devices: "/dev".into(), power: None };
    assert!(start(settings, mpsc::channel(1).0).unwrap().is_none());
}
