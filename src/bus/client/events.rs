//! The daemon's signals as values, in the order in which they were sent.
//!
//! Owns: the two subscriptions, and the check that a signal really comes from the daemon. Must not know: what is done
//! about them.

use std::num::NonZeroUsize;

use futures_util::StreamExt;
use futures_util::stream::Fuse;
use serde_json::Value;
use zbus::message::{Message, Type};
use zbus::{Connection, MatchRule, MessageStream};

use crate::bus::client::Row;
use crate::bus::client::plain::{arguments, number, text};
use crate::bus::names::{
    BUS_NAME, KEYPAD_INTERFACE, KEYS_INTERFACE, MANAGER_INTERFACE, QUEUE_INTERFACE, READER_INTERFACE, ROOT,
    SCANNER_INTERFACE, TERMINAL_INTERFACE, TRANSACTION_INTERFACE,
};

/// Signals that wait to be looked at; the bus connection pauses beyond.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// What happens on the bus, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `StateChanged` of the terminal.
    Terminal {
        /// The state before.
        old: String,
        /// The state now.
        new: String,
        /// Why; "" for none.
        cause: String,
    },
    /// `StateChanged` of a payment.
    State {
        /// Which.
        path: String,
        /// The state before.
        old: String,
        /// The state now.
        new: String,
    },
    /// `Prompt` of a payment.
    Prompt {
        /// Which.
        path: String,
        /// The closed list's word.
        word: String,
        /// Chinese.
        zh: String,
        /// English.
        en: String,
    },
    /// `Finished` of a payment.
    Finished {
        /// Which.
        path: String,
        /// How it ended.
        outcome: String,
    },
    /// `ForwardingChanged` of a payment that was accepted offline.
    Forwarding {
        /// Which.
        path: String,
        /// Where it stands on its way to the host.
        forwarding: String,
        /// Why it is held; "" for none.
        cause: String,
    },
    /// `Progress` of the queue.
    Progress {
        /// Answered since this drain began.
        sent: u64,
        /// Still to be sent.
        left: u64,
        /// Held for a person.
        held: u64,
        /// Estimated seconds until the rest is sent.
        seconds_left: Option<u64>,
    },
    /// `DiagnosisStep` of a diagnosis that was asked for over this connection.
    DiagnosisStep(Row),
    /// `Scanned` of the scanner.
    Scanned {
        /// What kind of code.
        kind: String,
        /// What became of it.
        answer: String,
        /// Why; "" for none.
        cause: String,
        /// For the person, Chinese and English.
        hint: [String; 2],
    },
    /// Properties changed.
    Properties {
        /// `manager`, `terminal`, `keys`, `queue`, `reader`, `keypad` or `scanner`.
        object: &'static str,
        /// By D-Bus name.
        changed: Row,
    },
    /// The daemon came (`true`) or went.
    Daemon(bool),
    /// The connection to the bus is gone; nothing more will come.
    BusGone,
}

/// The daemon's signals.
pub struct Events {
    connection: Connection,
    signals: Fuse<MessageStream>,
    owner: Fuse<MessageStream>,
    /// Unique name of the daemon; signals of others are not believed.
    daemon: Option<String>,
}

impl Events {
    pub(super) async fn listen(connection: &Connection) -> zbus::Result<Self> {
        let signals = MatchRule::builder().msg_type(Type::Signal).sender(BUS_NAME).path_namespace(ROOT).build()?;
        let owner = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .add_arg(BUS_NAME)
            .build()?;
        let owner = MessageStream::for_match_rule(owner, connection, Some(QUEUE)).await?.fuse();
        let signals = MessageStream::for_match_rule(signals, connection, Some(QUEUE)).await?.fuse();
        let mut events = Self { connection: connection.clone(), signals, owner, daemon: None };
        events.ask_owner().await;
        Ok(events)
    }

    /// The next thing that happens. To be called again after `BusGone` is pointless, but harmless.
    pub async fn next(&mut self) -> Event {
        loop {
            // Signals first: what the daemon said before it went is heard before that it went.
            let (message, signal) = tokio::select! {
                biased;
                message = self.signals.next() => (message, true),
                message = self.owner.next() => (message, false),
            };
            let Some(Ok(message)) = message else { return Event::BusGone };
            let event = if signal { self.told(&message).await } else { self.owner_changed(&message) };
            if let Some(event) = event {
                return event;
            }
        }
    }

    async fn ask_owner(&mut self) {
        let answer = self
            .connection
            .call_method(Some("org.freedesktop.DBus"), "/", Some("org.freedesktop.DBus"), "GetNameOwner", &(BUS_NAME,))
            .await;
        self.daemon = answer.ok().and_then(|reply| arguments(&reply).ok()).map(|values| text(&values, 0));
    }

    fn owner_changed(&mut self, message: &Message) -> Option<Event> {
        let values = arguments(message).ok()?;
        let new = text(&values, 2);
        self.daemon = (!new.is_empty()).then_some(new);
        Some(Event::Daemon(self.daemon.is_some()))
    }

    async fn told(&mut self, message: &Message) -> Option<Event> {
        let header = message.header();
        let sender = header.sender()?.as_str();
        if self.daemon.as_deref() != Some(sender) {
            // A daemon that has just started: the news of its name may still wait behind.
            self.ask_owner().await;
        }
        if self.daemon.as_deref() != Some(sender) {
            return None;
        }
        let path = header.path()?.as_str().to_owned();
        let values = arguments(message).ok()?;
        event(header.interface()?.as_str(), header.member()?.as_str(), path, &values)
    }
}

fn event(interface: &str, member: &str, path: String, values: &[Value]) -> Option<Event> {
    match (interface, member) {
        (TERMINAL_INTERFACE, "StateChanged") => {
            Some(Event::Terminal { old: text(values, 0), new: text(values, 1), cause: text(values, 2) })
        }
        (TRANSACTION_INTERFACE, "StateChanged") => {
            Some(Event::State { path, old: text(values, 0), new: text(values, 1) })
        }
        (TRANSACTION_INTERFACE, "Prompt") => {
            Some(Event::Prompt { path, word: text(values, 0), zh: text(values, 1), en: text(values, 2) })
        }
        (TRANSACTION_INTERFACE, "ForwardingChanged") => {
            Some(Event::Forwarding { path, forwarding: text(values, 0), cause: text(values, 1) })
        }
        (QUEUE_INTERFACE, "Progress") => Some(Event::Progress {
            sent: number(values, 0),
            left: number(values, 1),
            held: number(values, 2),
            seconds_left: Some(number(values, 3)).filter(|seconds| *seconds != u64::from(u32::MAX)),
        }),
        (TRANSACTION_INTERFACE, "Finished") => Some(Event::Finished { path, outcome: text(values, 0) }),
        (SCANNER_INTERFACE, "Scanned") => Some(Event::Scanned {
            kind: text(values, 0),
            answer: text(values, 1),
            cause: text(values, 2),
            hint: [text(values, 3), text(values, 4)],
        }),
        (MANAGER_INTERFACE, "DiagnosisStep") => match values.first() {
            Some(Value::Object(step)) => Some(Event::DiagnosisStep(step.clone())),
            _ => None,
        },
        ("org.freedesktop.DBus.Properties", "PropertiesChanged") => {
            let object = match text(values, 0).as_str() {
                MANAGER_INTERFACE => "manager",
                TERMINAL_INTERFACE => "terminal",
                KEYS_INTERFACE => "keys",
                QUEUE_INTERFACE => "queue",
                READER_INTERFACE => "reader",
                KEYPAD_INTERFACE => "keypad",
                SCANNER_INTERFACE => "scanner",
                _ => return None,
            };
            let changed: Row = values.get(1)?.as_object()?.clone();
            Some(Event::Properties { object, changed })
        }
        _ => None,
    }
}
