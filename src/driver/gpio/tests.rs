//! The pulse on a mock pin, and the search for the line on made-up chips: this machine may have none.

use std::sync::{Arc, Mutex};

use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::delay::{NoopDelay, StdSleep};
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

use super::*;

const LOW: State = State::Low;
const HIGH: State = State::High;

fn reset(name: &str) -> LineName {
    LineName { name: name.to_owned(), setting: "reader.reset_line" }
}

fn no_chip() -> GpioError {
    GpioError::NoChip { directory: "/dev".into(), setting: "reader.reset_line" }
}

fn failing(state: State) -> Transaction {
    Transaction::set(state).with_error(MockError::Io(io::ErrorKind::BrokenPipe))
}

/// A reset line on these mock pins, each opened in its turn.
fn line_on(pins: &[Mock]) -> ResetLine<Mock> {
    let mut pins = pins.to_vec();
    let none = || no_chip();
    pins.reverse();
    ResetLine::opened_by(reset("GPIO20"), move || pins.pop().ok_or_else(none))
}

#[test]
fn a_pulse_is_low_then_high_and_long_enough_for_the_chip() {
    let mut pin = Mock::new(&[Transaction::set(LOW), Transaction::set(HIGH)]);
    let before = std::time::Instant::now();
    pulse(&mut pin, &mut StdSleep::new()).unwrap();
    assert!(before.elapsed() >= std::time::Duration::from_micros(100), "UM0701-02: 100 µs at least");
    pin.done();
}

/// Notes levels and waits in one list.
#[derive(Clone, Default)]
struct Scope(Arc<Mutex<Vec<String>>>);

impl Scope {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

impl embedded_hal::digital::ErrorType for Scope {
    type Error = std::convert::Infallible;
}

impl OutputPin for Scope {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        self.note("low");
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        self.note("high");
        Ok(())
    }
}

impl DelayNs for Scope {
    fn delay_ns(&mut self, ns: u32) {
        self.note(format!("{} ms", ns / 1_000_000));
    }

    fn delay_ms(&mut self, ms: u32) {
        self.note(format!("{ms} ms"));
    }
}

#[test]
fn the_wait_lies_between_the_two_edges() {
    let scope = Scope::default();
    pulse(&mut scope.clone(), &mut scope.clone()).unwrap();
    assert_eq!(*scope.0.lock().unwrap(), ["low", "20 ms", "high"]);
}

#[test]
fn a_line_that_cannot_be_lowered_is_raised_all_the_same() {
    let mut pin = Mock::new(&[failing(LOW), Transaction::set(HIGH)]);
    pulse(&mut pin, &mut NoopDelay::new()).unwrap_err();
    pin.done();
}

#[test]
fn one_handle_serves_all_pulses() {
    let mut pin = Mock::new(&[LOW, HIGH, LOW, HIGH].map(Transaction::set));
    let mut line = line_on(&[pin.clone()]);
    line.hold().unwrap();
    line.pulse(&mut NoopDelay::new()).unwrap();
    line.pulse(&mut NoopDelay::new()).unwrap();
    pin.done();
}

#[test]
fn after_a_failure_the_line_is_opened_anew() {
    let mut gone = Mock::new(&[failing(LOW), failing(HIGH)]);
    let mut fresh = Mock::new(&[LOW, HIGH].map(Transaction::set));
    let mut line = line_on(&[gone.clone(), fresh.clone()]);
    let error = line.pulse(&mut NoopDelay::new()).unwrap_err();
    assert!(matches!(&error, GpioError::Failed { line, .. } if line.name == "GPIO20"), "{error}");
    line.pulse(&mut NoopDelay::new()).unwrap();
    gone.done();
    fresh.done();
}

#[test]
fn a_line_that_is_not_there_yet_is_looked_for_at_each_pulse() {
    let mut pin = Mock::new(&[LOW, HIGH].map(Transaction::set));
    let given = pin.clone();
    let mut missing = vec![no_chip()];
    let mut line = ResetLine::opened_by(reset("GPIO20"), move || missing.pop().map_or(Ok(given.clone()), Err));
    assert_eq!(line.hold().unwrap_err(), no_chip());
    line.pulse(&mut NoopDelay::new()).unwrap();
    pin.done();
}

fn chip(path: &str, lines: &[&str]) -> Seen {
    let name = |name: &&str| Some((*name).to_owned()).filter(|name| !name.is_empty());
    Seen { path: path.into(), lines: Ok(lines.iter().map(name).collect()) }
}

fn picked(seen: &[Seen], name: &str) -> Result<(PathBuf, u32), GpioError> {
    pick(Path::new("/dev"), seen, &reset(name)).map(|(path, offset)| (path.to_owned(), offset))
}

#[test]
fn the_line_is_found_by_name_on_whichever_chip_has_it() {
    let seen = [chip("/dev/gpiochip0", &["ID_SDA", "", "GPIO2"]), chip("/dev/gpiochip4", &["", "GPIO19", "GPIO20"])];
    assert_eq!(picked(&seen, "GPIO20"), Ok(("/dev/gpiochip4".into(), 2)));
    assert_eq!(picked(&seen, "GPIO2"), Ok(("/dev/gpiochip0".into(), 2)));
}

#[test]
fn a_line_that_is_missing_twice_there_or_behind_a_closed_door_is_named() {
    let said = |seen: &[Seen]| picked(seen, "GPIO20").unwrap_err().to_string();
    assert_eq!(said(&[]), "no GPIO chip in /dev; remove reader.reset_line, or load the chip's driver");
    let here = chip("/dev/gpiochip0", &["GPIO20"]);
    let there = chip("/dev/gpiochip1", &["GPIO2", ""]);
    assert_eq!(
        said(&[there]),
        "no GPIO line is called \"GPIO20\" on /dev/gpiochip1; `gpioinfo` shows the names, correct reader.reset_line"
    );
    let again = chip("/dev/gpiochip2", &["", "GPIO20"]);
    assert_eq!(
        said(&[here, again]),
        "the GPIO line \"GPIO20\" is there twice, on /dev/gpiochip0 and /dev/gpiochip2; rename one in the device tree"
    );
    let closed = Seen { path: "/dev/gpiochip3".into(), lines: Err(io::ErrorKind::PermissionDenied) };
    assert_eq!(
        said(&[closed]),
        "no permission to open /dev/gpiochip3; give it to the daemon with `posctl devices mark /dev/gpiochip3 gpio`"
    );
}

#[test]
fn only_chips_are_looked_at_each_once_and_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["gpiochip10", "gpiochip2", "gpiochip", "gpiochipx", "ttyS0"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    std::os::unix::fs::symlink("gpiochip2", directory.path().join("gpiochip4")).unwrap();
    assert_eq!(chips(directory.path()), ["gpiochip2", "gpiochip10"].map(|name| directory.path().join(name)));
    // A file that is no chip is one without lines.
    let error = output(directory.path(), &reset("GPIO20"), CONSUMER, true).err().unwrap();
    assert!(matches!(error, GpioError::NoLine { .. }), "{error}");
}

#[test]
fn why_a_chip_cannot_be_opened_is_found_in_the_crates_error() {
    let missing = Chip::new("/nonexistent/gpiochip0").unwrap_err();
    assert_eq!(kind(&missing), io::ErrorKind::NotFound);
    let no_chip = Chip::new("/dev/null").unwrap_err();
    assert_eq!(kind(&no_chip), io::ErrorKind::Other);
}
