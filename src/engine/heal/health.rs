//! How each part is, as the state of everything shows it.

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::heal::Part;
use crate::domain::outcome::TerminalState;
use crate::engine::snapshot::{DeviceView, Snapshot};

/// How one part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does what it should.
    Works,
    /// It does not.
    Broken(Cause),
    /// It is being brought up, or nothing was asked of it: what was known before still holds.
    Unsure,
}

/// How all parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health([State; Part::ALL.len()]);

impl Health {
    /// Each part's state, in the order of [`Part::ALL`].
    pub const fn new(states: [State; Part::ALL.len()]) -> Self {
        Self(states)
    }

    /// One part.
    pub fn of(&self, part: Part) -> State {
        let [reader, keypad, host, storage, scanner] = self.0;
        match part {
            Part::Reader => reader,
            Part::Keypad => keypad,
            Part::Host => host,
            Part::Storage => storage,
            Part::Scanner => scanner,
        }
    }
}

impl From<&Snapshot> for Health {
    fn from(snapshot: &Snapshot) -> Self {
        let (host, storage) = way_and_disk(snapshot);
        let scanner = snapshot.scanner.as_ref().map_or(State::Works, |view| device(view, Cause::H10));
        Self([device(&snapshot.reader, Cause::H01), device(&snapshot.keypad, Cause::H05), host, storage, scanner])
    }
}

fn device(view: &DeviceView, gone: Cause) -> State {
    match view.state {
        DeviceState::Absent => State::Broken(view.last_cause.unwrap_or(gone)),
        DeviceState::Failed => State::Broken(view.last_cause.unwrap_or(Cause::H02)),
        DeviceState::Starting => State::Unsure,
        DeviceState::Ready | DeviceState::Active => view.last_cause.map_or(State::Works, State::Broken),
        // It may work or not; nobody may try.
        DeviceState::Inhibited => State::Unsure,
    }
}

/// The way to the host, and the disk.
fn way_and_disk(snapshot: &Snapshot) -> (State, State) {
    match (snapshot.terminal.state, snapshot.terminal.cause) {
        (TerminalState::OutOfService, Some(cause @ Cause::P02)) => (State::Unsure, State::Broken(cause)),
        (TerminalState::SigningIn, Some(cause)) => (State::Broken(cause), State::Works),
        (TerminalState::Ready | TerminalState::Busy | TerminalState::Degraded, _) => (State::Works, State::Works),
        (
            TerminalState::Starting | TerminalState::SignedOut | TerminalState::SigningIn | TerminalState::OutOfService,
            _,
        ) => (State::Unsure, State::Works),
    }
}
