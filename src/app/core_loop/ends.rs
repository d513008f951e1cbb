//! What the core is made of, which ways lead in and out of it, and why it may end.

use std::sync::mpsc::SyncSender;

use tokio::sync::mpsc;

use super::{ScannerPost, UpkeepSettings};
use crate::app::faults::Faults;
use crate::app::supervisor::Order;
use crate::bus::{Request, Update};
use crate::domain::cause::Cause;
use crate::domain::prompt::Language;
use crate::domain::tamper::TamperReading;
use crate::domain::time::Now;
use crate::driver::evdev::{KeypadCommand, KeypadDeviceEvent};
use crate::driver::repair::{RepairCommand, RepairEvent};
use crate::driver::serial::{SerialCommand, SerialEvent};
use crate::driver::tcp;
use crate::engine::heal::HealSettings;
use crate::engine::settings::Settings;
use crate::host::session::Host;
use crate::keypad::Keypad;
use crate::reader::Reader;
use crate::store::Store;

/// The way to everything outside.
pub struct Wires {
    /// Commands to the reader's serial line.
    pub serial: mpsc::Sender<SerialCommand>,
    /// Commands to the keypad.
    pub keypad: mpsc::Sender<KeypadCommand>,
    /// Strong measures against a mute reader, where any are configured.
    pub repair: Option<SyncSender<RepairCommand>>,
    /// Commands to the network.
    pub tcp: mpsc::Sender<tcp::Command>,
    /// Changes for the bus, in order.
    pub updates: mpsc::Sender<Update>,
    /// What only the main thread can do.
    pub orders: mpsc::Sender<Order>,
}

/// What comes in.
pub struct Inlets {
    /// From the bus.
    pub requests: mpsc::Receiver<Request>,
    /// From the serial line.
    pub serial: mpsc::Receiver<SerialEvent>,
    /// From the scanner's serial line; nothing comes where none is configured.
    pub scanner: mpsc::Receiver<SerialEvent>,
    /// From the keypad.
    pub keypad: mpsc::Receiver<KeypadDeviceEvent>,
    /// How strong measures went; ended where none are configured.
    pub repair: mpsc::Receiver<RepairEvent>,
    /// What the tamper input says; ended where none is configured.
    pub tamper: mpsc::Receiver<TamperReading>,
    /// From the network.
    pub tcp: mpsc::Receiver<tcp::Event>,
    /// A link, address or route has come back.
    pub link: mpsc::Receiver<()>,
    /// Turn once, to show that the loop lives.
    pub nudges: mpsc::Receiver<()>,
}

/// Everything the core is made of.
pub struct Parts {
    /// The open store.
    pub store: Store,
    /// The host machine, with its master key if there is one.
    pub host: Host,
    /// The reader machine.
    pub reader: Reader,
    /// The keypad machine.
    pub keypad: Keypad,
    /// The scanner machine and its wire, where one is configured.
    pub scanner: Option<ScannerPost>,
    /// The engine's settings.
    pub settings: Settings,
    /// Reads both clocks.
    pub clock: fn() -> Now,
    /// Whether a time server has set the wall clock.
    pub synchronised: fn() -> bool,
    /// The language of prompts.
    pub language: Language,
    /// Whether nothing of this is real.
    pub training: bool,
    /// Which rungs of the repair ladder this rig has.
    pub heal: HealSettings,
    /// What maintenance looks at.
    pub upkeep: UpkeepSettings,
    /// What went wrong lately.
    pub faults: Faults,
    /// What the tamper input says at the start, where one is configured.
    pub tamper: Option<TamperReading>,
}

/// Why the core ended.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The store could be neither written nor read.
    #[error("{0}")]
    Store(#[from] crate::store::StoreError),
    /// The bus or a driver has ended.
    #[error("{0} has ended")]
    Ended(&'static str),
    /// Machines that never come to rest.
    #[error("the machines do not come to rest")]
    Restless,
}

impl CoreError {
    /// The cause of the catalogue, where one applies. What is a fault of this program has none: systemd starts it again.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Store(error) => error.cause(),
            Self::Ended(_) | Self::Restless => None,
        }
    }
}
