//! The D-Bus face: interfaces, authority, errors, client proxy.
//!
//! Owns: the contract in `xml/`, who may call what, and the order in which changes are told. Must not know: how
//! anything is decided; it hands commands to the core and shows snapshots. Follows the D-Bus specification 0.43 and
//! `src/ARCHITECTURE.md`: interfaces take `&self` only, so that no call can hold up another, and getters read the
//! snapshot, so that they never wait.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::domain::diagnosis::{Finding, Verdict};
use crate::domain::self_test::{Checked, Guided, Level};
use crate::domain::support::Contacts;
use crate::engine::command::{Command, Refusal, Reply};
use crate::engine::signal::Signal;
use crate::engine::snapshot::Snapshot;

pub mod authority;
mod callers;
pub mod client;
mod device;
mod diagnosis;
pub mod error;
mod explain;
mod faults;
mod gate;
mod hints;
mod keys;
mod lease;
mod manager;
pub mod names;
mod options;
mod payments;
mod publish;
mod queue;
mod result;
mod scanner;
mod secret_fd;
mod self_test;
mod serve;
mod target_fd;
mod terminal;
mod transaction;
mod unsent;
mod upkeep;
mod view;

pub use error::ServeError;
pub use names::BUS_NAME as NAME;
pub use serve::{Machine, Service, serve};

/// One command on its way to the core, with the way back.
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes. A closed one means that nobody waits any more.
    pub reply: oneshot::Sender<Result<Reply, Refusal>>,
}

/// A diagnosis that a caller wants.
pub struct Examination {
    /// Each step as it is known.
    pub steps: mpsc::Sender<Finding>,
    /// The end of it. A closed one means that nobody waits any more.
    pub reply: oneshot::Sender<Verdict>,
}

/// A self-test that a caller wants.
pub struct Trial {
    /// How deep.
    pub level: Level,
    /// Which of the tests with a person.
    pub guided: Vec<Guided>,
    /// What came of it. A closed one means that nobody waits any more.
    pub reply: oneshot::Sender<Vec<Checked>>,
}

/// The core, as the bus sees it.
#[derive(Clone)]
pub struct Core {
    requests: mpsc::Sender<Request>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    doctor: mpsc::Sender<Examination>,
    trials: Option<mpsc::Sender<Trial>>,
    /// One self-test at a time.
    testing: Arc<Semaphore>,
    training: bool,
    support: Arc<Contacts>,
}

impl Core {
    /// `requests` is bounded, and a full one is answered with `Busy`; `snapshots` is the state of everything, set before
    /// the update that tells of it; `doctor` takes one diagnosis at a time.
    pub fn new(
        requests: mpsc::Sender<Request>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        doctor: mpsc::Sender<Examination>,
    ) -> Self {
        Self {
            requests,
            snapshots,
            doctor,
            trials: None,
            testing: Arc::new(Semaphore::new(1)),
            training: false,
            support: Arc::default(),
        }
    }

    /// Whether nothing of this is real: said to everybody, and no payment is made for who does not know it.
    #[must_use]
    pub fn training(self, training: bool) -> Self {
        Self { training, ..self }
    }

    /// With somebody who makes self-tests, one at a time.
    #[must_use]
    pub fn with_trials(self, trials: mpsc::Sender<Trial>) -> Self {
        Self { trials: Some(trials), ..self }
    }

    /// With these support contacts.
    #[must_use]
    pub fn with_support(self, contacts: Contacts) -> Self {
        Self { support: Arc::new(contacts), ..self }
    }
}

/// One step of the core, told on the bus in order.
pub struct Update {
    /// The state after the step.
    pub snapshot: Arc<Snapshot>,
    /// What the step tells.
    pub signals: Vec<Signal>,
}

/// Which bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusAddress {
    /// The system bus: an installed daemon.
    System,
    /// The session bus of the user.
    Session,
    /// A D-Bus address such as `unix:path=/run/pos.sock`.
    Address(String),
}

impl BusAddress {
    /// From a command line: `system`, `session`, or an address.
    pub fn from_argument(text: &str) -> Self {
        match text {
            "system" => Self::System,
            "session" => Self::Session,
            address => Self::Address(address.to_owned()),
        }
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the system bus"),
            Self::Session => f.write_str("the session bus"),
            Self::Address(address) => f.write_str(address),
        }
    }
}
