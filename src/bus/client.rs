//! The other end of the contract in `xml/`: what `posctl` calls and hears.
//!
//! Owns: one connection, the deadline of every call, the translation of replies and signals into plain JSON values.
//! Must not know: what the answers mean or how they are shown. Only the public contract is used; there is no other door.

mod events;
mod plain;
mod queue;
mod scanner;
mod upkeep;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::{Map, Value};
use zbus::{Connection, DynamicType, Fd, Variant};

use crate::bus::BusAddress;
use crate::bus::client::plain::{arguments, one_row, one_text, refused, rows};
use crate::bus::names::{
    BUS_NAME, KEYPAD, KEYPAD_INTERFACE, KEYS_INTERFACE, MANAGER_INTERFACE, READER, READER_INTERFACE, ROOT, TERMINAL,
    TERMINAL_INTERFACE, TRANSACTION_INTERFACE,
};
use crate::domain::cause::Cause;

/// How long a call may take. The daemon promises its answers well within.
const CALL: Duration = Duration::from_secs(25);
/// The same for what goes through the whole store.
const LONG_CALL: Duration = Duration::from_secs(660);
/// How long reaching the bus may take.
const CONNECT: Duration = Duration::from_secs(10);

pub use events::{Event, Events};
pub use queue::{JournalCheck, JournalRow, QueueOrder};

/// The keys of an `a{sv}`, or the properties of an interface.
pub type Row = Map<String, Value>;

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// There is no bus at this address.
    #[error("no bus at {address}: {seen}")]
    NoBus {
        /// Where it was looked for.
        address: String,
        /// What was seen.
        seen: String,
    },
    /// Nobody has the daemon's name.
    #[error("smartposd is not on the bus")]
    NoDaemon,
    /// The daemon refused, with a name of the contract's closed list.
    #[error("{name}: {text}")]
    Refused {
        /// Without the common beginning, e.g. `WrongState`.
        name: String,
        /// What the daemon says; it says what to do.
        text: String,
    },
    /// The bus itself refused, e.g. because its policy does not let this user in.
    #[error("{name}: {text}")]
    BusRefused {
        /// The whole D-Bus error name.
        name: String,
        /// What the bus says.
        text: String,
    },
    /// No answer within the time.
    #[error("no answer from smartposd in time")]
    TimedOut,
    /// The connection broke, or the answer cannot be read.
    #[error("the conversation with the bus broke off: {0}")]
    Broken(String),
}

impl ClientError {
    /// The cause of the catalogue: a member that the bus does not know is one of another version.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::BusRefused { name, .. } => name.contains(".Error.Unknown").then_some(Cause::S05),
            // The daemon's own text begins with its cause.
            Self::Refused { text, .. } => text.split_once(':').and_then(|(code, _)| Cause::from_word(code)),
            Self::NoBus { .. } | Self::NoDaemon | Self::TimedOut | Self::Broken(_) => None,
        }
    }
}

/// What `CreateTransaction` is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleOrder {
    /// Idempotency key.
    pub key: String,
    /// Minor units.
    pub minor: u64,
    /// ISO 4217.
    pub currency: String,
    /// Whether the customer confirms the amount; `None` leaves it to the daemon's configuration.
    pub confirm: Option<bool>,
    /// The app's own text.
    pub reference: Option<String>,
    /// Whether it may be accepted without the host; `None` leaves it to the contract's default.
    pub mode: Option<String>,
    /// An exercise, for a daemon in training mode only.
    pub training: bool,
}

/// What `ListTransactions` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOrder {
    /// Only this outcome.
    pub outcome: Option<String>,
    /// Only with an id below this.
    pub before: Option<u64>,
    /// How many.
    pub limit: Option<u32>,
    /// Of every uid.
    pub all: bool,
}

type Options<'a> = BTreeMap<&'static str, Variant<'a>>;
type Answer<T> = Result<T, ClientError>;

/// A connection to the daemon.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Reaches the bus; the daemon itself is first reached by a call, which may start it.
    pub async fn connect(address: &BusAddress) -> Answer<Self> {
        Self::connect_with(address, CALL).await
    }

    /// The same, for calls that take their time: checking the journal, a backup.
    pub async fn connect_patiently(address: &BusAddress) -> Answer<Self> {
        Self::connect_with(address, LONG_CALL).await
    }

    async fn connect_with(address: &BusAddress, patience: Duration) -> Answer<Self> {
        let builder = match address {
            BusAddress::System => zbus::connection::Builder::system(),
            BusAddress::Session => zbus::connection::Builder::session(),
            BusAddress::Address(address) => zbus::connection::Builder::address(address.as_str()),
        };
        let no_bus = |seen: String| ClientError::NoBus { address: address.to_string(), seen };
        match tokio::time::timeout(CONNECT, builder.method_timeout(patience).build()).await {
            Ok(Ok(connection)) => Ok(Self { connection }),
            Ok(Err(error)) => Err(no_bus(error.to_string())),
            Err(_) => Err(no_bus(format!("no answer within {} s", CONNECT.as_secs()))),
        }
    }

    async fn call<B>(&self, path: &str, interface: &str, member: &str, body: &B) -> Answer<Vec<Value>>
    where
        B: serde::Serialize + DynamicType,
    {
        let reply = self.connection.call_method(Some(BUS_NAME), path, Some(interface), member, body).await;
        arguments(&reply.map_err(|error| refused(&error))?)
    }

    async fn properties(&self, path: &str, interface: &str) -> Answer<Row> {
        self.call(path, "org.freedesktop.DBus.Properties", "GetAll", &(interface,)).await.and_then(one_row)
    }

    /// Whether a daemon serves now. Does not start one.
    pub async fn serves(&self) -> Answer<bool> {
        self.bus_call("NameHasOwner").await.map(|answer| answer == Value::Bool(true))
    }

    /// The daemon's process. Does not start one.
    pub async fn daemon_pid(&self) -> Answer<u32> {
        let pid = self.bus_call("GetConnectionUnixProcessID").await?;
        let pid = pid.as_u64().and_then(|pid| u32::try_from(pid).ok());
        pid.ok_or_else(|| ClientError::Broken("the bus does not tell the daemon's process".to_owned()))
    }

    /// Asks the bus itself about the daemon.
    async fn bus_call(&self, member: &str) -> Answer<Value> {
        let bus = Some("org.freedesktop.DBus");
        let reply = self.connection.call_method(bus, "/org/freedesktop/DBus", bus, member, &(BUS_NAME,)).await;
        let answer = arguments(&reply.map_err(|error| refused(&error))?)?;
        answer.into_iter().next().ok_or_else(|| ClientError::Broken("an empty answer of the bus".to_owned()))
    }

    /// Properties of the Manager.
    pub async fn manager(&self) -> Answer<Row> {
        self.properties(ROOT, MANAGER_INTERFACE).await
    }

    /// Properties of the Terminal.
    pub async fn terminal(&self) -> Answer<Row> {
        self.properties(TERMINAL, TERMINAL_INTERFACE).await
    }

    /// Properties of the Keys.
    pub async fn keys(&self) -> Answer<Row> {
        self.properties(TERMINAL, KEYS_INTERFACE).await
    }

    /// Properties of the Reader.
    pub async fn reader(&self) -> Answer<Row> {
        self.properties(READER, READER_INTERFACE).await
    }

    /// Properties of the Keypad.
    pub async fn keypad(&self) -> Answer<Row> {
        self.properties(KEYPAD, KEYPAD_INTERFACE).await
    }

    /// Properties of a payment.
    pub async fn transaction(&self, path: &str) -> Answer<Row> {
        self.properties(path, TRANSACTION_INTERFACE).await
    }

    /// `Manager.RunDiagnosis`.
    pub async fn run_diagnosis(&self) -> Answer<Vec<Row>> {
        self.call(ROOT, MANAGER_INTERFACE, "RunDiagnosis", &(Options::new(),)).await.and_then(rows)
    }

    /// `Manager.SelfTest`; `test` for the level interactive only.
    pub async fn self_test(&self, level: &str, test: Option<&str>) -> Answer<Vec<Row>> {
        let options: Options = test.map(|test| ("test", Variant::from(test.to_owned()))).into_iter().collect();
        self.call(ROOT, MANAGER_INTERFACE, "SelfTest", &(level, options)).await.and_then(rows)
    }

    /// `Manager.HealLog`.
    pub async fn heal_log(&self, limit: u32) -> Answer<Vec<Row>> {
        let options = Options::from([("limit", Variant::from(limit))]);
        self.call(ROOT, MANAGER_INTERFACE, "HealLog", &(options,)).await.and_then(rows)
    }

    /// `Manager.LeaveSafeMode`.
    pub async fn leave_safe_mode(&self) -> Answer<()> {
        self.call(ROOT, MANAGER_INTERFACE, "LeaveSafeMode", &(Options::new(),)).await.map(drop)
    }

    /// `Manager.LastFaults`.
    pub async fn last_faults(&self) -> Answer<Vec<Row>> {
        self.call(ROOT, MANAGER_INTERFACE, "LastFaults", &(Options::new(),)).await.and_then(rows)
    }

    /// `Manager.Record`; the empty file is behind the descriptor.
    pub async fn record(&self, to: OwnedFd, seconds: u32) -> Answer<()> {
        let options = Options::from([("seconds", Variant::from(seconds))]);
        self.call(ROOT, MANAGER_INTERFACE, "Record", &(Fd::Owned(to), options)).await.map(drop)
    }

    /// `Manager.StopRecording`.
    pub async fn stop_recording(&self) -> Answer<()> {
        self.call(ROOT, MANAGER_INTERFACE, "StopRecording", &()).await.map(drop)
    }

    /// `Manager.Timeline`.
    pub async fn timeline(&self) -> Answer<Vec<Row>> {
        self.call(ROOT, MANAGER_INTERFACE, "Timeline", &(Options::new(),)).await.and_then(rows)
    }

    /// `Terminal.SignIn`.
    pub async fn sign_in(&self) -> Answer<Row> {
        self.call(TERMINAL, TERMINAL_INTERFACE, "SignIn", &(Options::new(),)).await.and_then(one_row)
    }

    /// `Terminal.SignOut`.
    pub async fn sign_out(&self) -> Answer<()> {
        self.call(TERMINAL, TERMINAL_INTERFACE, "SignOut", &(Options::new(),)).await.map(drop)
    }

    /// `Terminal.OperatorSignIn`; the password is behind the descriptor.
    pub async fn operator_sign_in(&self, operator: &str, password: OwnedFd) -> Answer<()> {
        let body = (operator, Fd::Owned(password), Options::new());
        self.call(TERMINAL, TERMINAL_INTERFACE, "OperatorSignIn", &body).await.map(drop)
    }

    /// `Terminal.OperatorSignInAtKeypad`.
    pub async fn operator_sign_in_at_keypad(&self) -> Answer<()> {
        self.call(TERMINAL, TERMINAL_INTERFACE, "OperatorSignInAtKeypad", &(Options::new(),)).await.map(drop)
    }

    /// `Terminal.OperatorSignOut`.
    pub async fn operator_sign_out(&self) -> Answer<()> {
        self.call(TERMINAL, TERMINAL_INTERFACE, "OperatorSignOut", &()).await.map(drop)
    }

    /// `Terminal.SetOperator`; the password is behind the descriptor.
    pub async fn set_operator(&self, operator: &str, role: &str, password: OwnedFd) -> Answer<()> {
        let body = (operator, role, Fd::Owned(password), Options::new());
        self.call(TERMINAL, TERMINAL_INTERFACE, "SetOperator", &body).await.map(drop)
    }

    /// `Terminal.UnlockOperator`.
    pub async fn unlock_operator(&self, operator: &str) -> Answer<()> {
        self.call(TERMINAL, TERMINAL_INTERFACE, "UnlockOperator", &(operator,)).await.map(drop)
    }

    /// `Terminal.CreateTransaction`: the payment's path.
    pub async fn create_sale(&self, order: &SaleOrder) -> Answer<String> {
        let mut options = Options::new();
        if let Some(confirm) = order.confirm {
            options.insert("confirm-amount", Variant::from(confirm));
        }
        if let Some(reference) = &order.reference {
            options.insert("reference", Variant::from(reference.as_str()));
        }
        if let Some(mode) = &order.mode {
            options.insert("mode", Variant::from(mode.as_str()));
        }
        if order.training {
            options.insert("training", Variant::from(true));
        }
        let body = ("sale", order.key.as_str(), order.minor, order.currency.as_str(), options);
        self.call(TERMINAL, TERMINAL_INTERFACE, "CreateTransaction", &body).await.and_then(one_text)
    }

    /// `Terminal.FindTransaction`: the payment's path. Its signals come here from now on.
    pub async fn find(&self, key: &str) -> Answer<String> {
        self.call(TERMINAL, TERMINAL_INTERFACE, "FindTransaction", &(key,)).await.and_then(one_text)
    }

    /// `Terminal.ListTransactions`.
    pub async fn list(&self, order: &ListOrder) -> Answer<Vec<Row>> {
        let mut options = Options::new();
        if let Some(outcome) = &order.outcome {
            options.insert("outcome", Variant::from(outcome.as_str()));
        }
        if let Some(before) = order.before {
            options.insert("before", Variant::from(before));
        }
        if let Some(limit) = order.limit {
            options.insert("limit", Variant::from(limit));
        }
        if order.all {
            options.insert("all", Variant::from(true));
        }
        self.call(TERMINAL, TERMINAL_INTERFACE, "ListTransactions", &(options,)).await.and_then(rows)
    }

    /// `Transaction.Start`.
    pub async fn start(&self, path: &str) -> Answer<()> {
        self.call(path, TRANSACTION_INTERFACE, "Start", &()).await.map(drop)
    }

    /// `Transaction.Cancel`.
    pub async fn cancel(&self, path: &str) -> Answer<()> {
        self.call(path, TRANSACTION_INTERFACE, "Cancel", &()).await.map(drop)
    }

    /// `Transaction.GetResult`.
    pub async fn result(&self, path: &str) -> Answer<Row> {
        self.call(path, TRANSACTION_INTERFACE, "GetResult", &()).await.and_then(one_row)
    }

    /// `Transaction.Acknowledge`.
    pub async fn acknowledge(&self, path: &str) -> Answer<()> {
        self.call(path, TRANSACTION_INTERFACE, "Acknowledge", &()).await.map(drop)
    }

    /// `Keys.LoadComponent`; the hex digits are behind the descriptor.
    pub async fn load_component(&self, index: u32, custodian: &str, component: OwnedFd) -> Answer<Row> {
        let body = (index, custodian, Fd::Owned(component), Options::new());
        self.call(TERMINAL, KEYS_INTERFACE, "LoadComponent", &body).await.and_then(one_row)
    }

    /// `Keys.LoadComponentAtKeypad`.
    pub async fn load_component_at_keypad(&self, index: u32, custodian: &str) -> Answer<()> {
        self.call(TERMINAL, KEYS_INTERFACE, "LoadComponentAtKeypad", &(index, custodian)).await.map(drop)
    }

    /// `Keys.Abandon`.
    pub async fn abandon_keys(&self) -> Answer<()> {
        self.call(TERMINAL, KEYS_INTERFACE, "Abandon", &()).await.map(drop)
    }

    /// `Reader.Reset`.
    pub async fn reset_reader(&self) -> Answer<()> {
        self.call(READER, READER_INTERFACE, "Reset", &()).await.map(drop)
    }

    /// `Reader.PowerCycle`.
    pub async fn power_cycle_reader(&self) -> Answer<()> {
        self.call(READER, READER_INTERFACE, "PowerCycle", &()).await.map(drop)
    }

    /// Everything the daemon tells from now on.
    pub async fn events(&self) -> Answer<Events> {
        Events::listen(&self.connection).await.map_err(|error| refused(&error))
    }
}
