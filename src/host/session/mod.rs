//! The link to the acquirer as one machine: connections, one exchange at a time, matching, timers, keys.
//!
//! Owns: which address is tried when, what counts as the answer, when to give up, and whether a byte of a request can
//! have left. Must not know: sockets, TLS, the clock, what a failure means to a payment. Follows the protocol reference,
//! §5 for identity checks and §6 for causes.
//!
//! The driver promises two things: news carries the number of its connection, and every `Write` is followed by exactly
//! one `Written` or `WriteFailed`, even when the connection is gone. That verdict is what makes `sent: false` exact.

mod exchange;
mod failure;
mod notice;
mod past;
mod reach;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::frame::Framer;
use crate::domain::host::{HostAnswer, HostFailure, HostRequest};
use crate::domain::link::{ConnectFailure, ConnectionId, Endpoint};
use crate::domain::pan::Pan;
use crate::domain::secret::{DoubleKey, PinCipher, SecretBytes};
use crate::domain::time::Instant;
use crate::host::keys::{KeyFault, KeyRing};
use crate::host::message::{Expected, Identity};
use crate::host::profile::Profile;

pub use notice::{Notice, NoticeKind, Tally};

use past::Past;

/// What happened.
pub enum HostEvent {
    /// A connection is wanted; nothing is to be sent yet.
    Reach,
    /// A connection stands, TLS included.
    Connected {
        /// Which.
        connection: ConnectionId,
    },
    /// An attempt failed.
    ConnectFailed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        failure: ConnectFailure,
    },
    /// Bytes came.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// The bytes.
        bytes: SecretBytes,
    },
    /// All bytes of a write have been handed to the network.
    Written {
        /// On which connection.
        connection: ConnectionId,
    },
    /// A write failed.
    WriteFailed {
        /// On which connection.
        connection: ConnectionId,
        /// Whether certainly no byte was handed to the network.
        nothing_written: bool,
        /// What was seen.
        evidence: String,
    },
    /// The connection has ended without our doing.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// What was seen.
        evidence: String,
    },
    /// A request is to be sent, over the standing connection or a new one.
    Ask(HostRequest),
    /// Nobody waits any more.
    Leave,
    /// A link, address or route has come back: an attempt that hangs in the old state of the network begins anew.
    LinkReturned,
}

/// What is to be done.
#[expect(clippy::large_enum_variant, reason = "there are a few at a time, and each is taken out at once")]
pub enum HostOutput {
    /// Open a connection, dropping any other.
    Connect {
        /// Its number.
        connection: ConnectionId,
        /// Index into the profile's addresses.
        address_index: usize,
        /// Until when.
        deadline: Instant,
    },
    /// Write to it.
    Write {
        /// Its number.
        connection: ConnectionId,
        /// A whole frame.
        bytes: SecretBytes,
    },
    /// Close it, or stop opening it.
    Disconnect {
        /// Its number.
        connection: ConnectionId,
    },
    /// A connection stands, as asked for by `Reach`.
    Reached,
    /// The answer to the last `Ask`.
    Answered(HostAnswer),
    /// No answer, or no connection.
    Failed(HostFailure),
    /// Something worth a line in the journal; nothing depends on it.
    Noticed(Notice),
}

/// An unused connection is kept at least this long after it was asked for: the caller commits before it sends.
const GRACE: Duration = Duration::from_secs(5);

/// The machine.
pub struct Host {
    profile: Arc<Profile>,
    identity: Identity,
    keys: KeyRing,
    state: State,
    last_connection: ConnectionId,
    /// The address to begin with: the one that worked last.
    preferred: usize,
    /// For each address, whether any byte ever came from there.
    heard: Vec<bool>,
    past: Past,
    tally: Tally,
    outputs: VecDeque<HostOutput>,
}

enum State {
    Idle,
    Reaching(Reaching),
    Connected { link: Link, close_at: Instant },
    Asking { link: Link, exchange: Exchange },
}

/// Connections are being tried, one address after the other.
struct Reaching {
    connection: ConnectionId,
    address: usize,
    attempt_until: Instant,
    until: Instant,
    failures: Vec<(usize, ConnectFailure)>,
    tell_reached: bool,
    request: Option<Prepared>,
}

/// A standing connection.
struct Link {
    connection: ConnectionId,
    address: usize,
    framer: Framer,
    /// Whether an exchange was done on it: the host may have dropped it meanwhile.
    used: bool,
    /// Frames that were nobody's answer. Bounded, so that a babbling peer is left.
    unmatched: u8,
}

/// A request ready to leave.
struct Prepared {
    frame: SecretBytes,
    expected: Expected,
    within: Duration,
    /// Whether it was already tried on a connection that turned out to be dead.
    retried: bool,
    /// Whether an earlier request was dropped for this one while its fate was open.
    tainted: bool,
}

/// A request under way.
struct Exchange {
    request: Prepared,
    deadline: Instant,
    departure: Departure,
}

enum Departure {
    /// Handed to the driver; whether any byte left is not known yet.
    Handed,
    /// Handed to the driver, and the connection has ended since. The verdict on the write is on its way.
    HandedAndClosed { evidence: String },
    /// It has left.
    Left,
}

impl Host {
    /// A machine without keys and without a connection.
    pub fn new(profile: Arc<Profile>, identity: Identity) -> Self {
        let heard = vec![false; profile.addresses.len()];
        Self {
            profile,
            identity,
            keys: KeyRing::default(),
            state: State::Idle,
            last_connection: ConnectionId::default(),
            preferred: 0,
            heard,
            past: Past::default(),
            tally: Tally::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Instant, event: HostEvent) {
        match event {
            HostEvent::Reach => self.reach(now),
            HostEvent::Connected { connection } => self.connected(now, connection),
            HostEvent::ConnectFailed { connection, failure } => self.connect_failed(now, connection, failure),
            HostEvent::Received { connection, bytes } => self.received(now, connection, &bytes),
            HostEvent::Written { connection } => self.written(connection),
            HostEvent::WriteFailed { connection, nothing_written, evidence } => {
                self.write_failed(now, connection, nothing_written, &evidence);
            }
            HostEvent::Closed { connection, evidence } => self.closed(now, connection, evidence),
            HostEvent::Ask(request) => self.ask(now, &request),
            HostEvent::Leave => self.leave(),
            HostEvent::LinkReturned => self.link_returned(now),
        }
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Reaching(reaching) => self.attempt_expired(now, reaching),
            State::Connected { link, .. } => self.disconnect(link.connection),
            State::Asking { link, exchange } => self.answer_overdue(link, exchange),
        }
    }

    /// When [`Host::expire`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Reaching(reaching) => Some(reaching.attempt_until),
            State::Connected { close_at, .. } => Some(*close_at),
            State::Asking { exchange, .. } => Some(exchange.deadline),
        }
    }

    /// The next thing to do; call until `None`.
    pub fn poll(&mut self) -> Option<HostOutput> {
        self.outputs.pop_front()
    }

    /// What was counted since the start.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The acquirer's profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Takes the master key over; working keys under another one go.
    pub fn set_master(&mut self, key: DoubleKey) {
        self.keys.set_master(key);
    }

    /// Forgets all keys.
    pub fn clear_master(&mut self) {
        self.keys.clear_master();
    }

    /// The master key's check value, eight hexadecimal digits.
    pub fn master_check(&self) -> Option<String> {
        self.keys.master_check()
    }

    /// Puts the keys of the last sign-in answer to use; `false` if none wait.
    pub fn install_pending(&mut self) -> bool {
        self.keys.install_pending()
    }

    /// Puts keys to use that an earlier run received (field 62 as it came).
    pub fn restore(&mut self, wrapped: &[u8]) -> Result<(), KeyFault> {
        self.keys.restore(wrapped, &self.profile)
    }

    /// Whether keys that an earlier run received still come out of their wrapping with the right check values.
    pub fn check_wrapped(&self, wrapped: &[u8]) -> Result<(), KeyFault> {
        self.keys.unwrap(wrapped, &self.profile).map(drop)
    }

    /// Stops using the working keys.
    pub fn discard(&mut self) {
        self.keys.discard();
    }

    /// Whether working keys are installed.
    pub fn has_working_keys(&self) -> bool {
        self.keys.working().is_some()
    }

    /// The cipher for one PIN of this card, if a PIN key is installed.
    pub fn pin_cipher(&self, pan: &Pan) -> Option<Box<dyn PinCipher>> {
        self.keys.pin_cipher(pan, self.profile.pin.format)
    }

    fn disconnect(&mut self, connection: ConnectionId) {
        self.outputs.push_back(HostOutput::Disconnect { connection });
    }

    fn endpoint(&self, address: usize) -> String {
        self.profile.addresses.get(address).map(Endpoint::to_string).unwrap_or_default()
    }
}
