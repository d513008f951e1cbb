//! Taking the place on the bus: connect, export everything, then own the name; and noticing when clients leave.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use zbus::fdo::{ObjectManager, RequestNameFlags};
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, connection};

use crate::bus::authority::Authority;
use crate::bus::device::{Keypad, Reader};
use crate::bus::error::ServeError;
use crate::bus::gate::Gate;
use crate::bus::keys::Keys;
use crate::bus::manager::Manager;
use crate::bus::names::{self, BUS_NAME};
use crate::bus::publish::Publisher;
use crate::bus::queue::Queue;
use crate::bus::scanner::Scanner;
use crate::bus::terminal::Terminal;
use crate::bus::{BusAddress, Core, Update};
use crate::diagnose::events::JournalEvent;
use crate::engine::command::Command;

/// Clients that have left and whose leaving the core has not taken in yet. More are not kept: the core then learns of
/// them by its own deadlines.
const MAX_GONE: usize = 1024;

/// The daemon's place on the bus. Dropping it gives the place up.
pub struct Service {
    connection: Connection,
    tasks: JoinSet<Ended>,
}

/// The machine, as logind manages it.
pub struct Machine(Connection);

/// How long logind may take to begin.
const REBOOT: Duration = Duration::from_secs(10);

impl Machine {
    /// Asks logind for a restart of the machine; it ends this service in order first. No person is asked for a password.
    pub async fn reboot(&self) {
        let call = self.0.call_method(
            Some("org.freedesktop.login1"),
            "/org/freedesktop/login1",
            Some("org.freedesktop.login1.Manager"),
            "Reboot",
            &(false,),
        );
        match tokio::time::timeout(REBOOT, call).await {
            Ok(Ok(_)) => tracing::warn!(
                POS_EVENT = JournalEvent::Measure.as_str(),
                POS_COMPONENT = "heal",
                "the machine restarts"
            ),
            Ok(Err(error)) => {
                tracing::error!(POS_EVENT = JournalEvent::Measure.as_str(), POS_COMPONENT = "heal", POS_EVIDENCE = %error, "logind refused to restart the machine");
            }
            Err(_) => tracing::error!(
                POS_EVENT = JournalEvent::Measure.as_str(),
                POS_COMPONENT = "heal",
                "logind did not answer; the machine is not restarted"
            ),
        }
    }
}

/// Why serving has ended.
enum Ended {
    ConnectionLost,
    CoreEnded,
}

impl Service {
    /// Ends when nobody is served any more; it never does while all is well.
    pub async fn lost(&mut self) {
        let why = match self.tasks.join_next().await {
            Some(Ok(Ended::ConnectionLost)) => "the bus closed the connection",
            Some(Ok(Ended::CoreEnded)) => "the core tells of no changes any more",
            Some(Err(_)) | None => "a task of the bus failed",
        };
        tracing::error!(
            POS_EVENT = JournalEvent::BusTrouble.as_str(),
            POS_COMPONENT = "bus",
            "serving has ended: {why}"
        );
    }

    /// The way to the machine's own manager, over the same bus.
    pub fn machine(&self) -> Machine {
        Machine(self.connection.clone())
    }

    /// Gives the name back, so that callers see at once that the daemon is leaving.
    pub async fn leave(self) {
        // The connection closes right after; if the bus is already gone there is nothing to give back.
        let _ = self.connection.release_name(BUS_NAME).await;
        let _ = self.connection.close().await;
    }
}

/// Serves the contract. Returns when every object is there and the name is owned.
pub async fn serve(
    address: BusAddress,
    core: Core,
    updates: mpsc::Receiver<Update>,
    authority: Authority,
) -> Result<Service, ServeError> {
    let (exported, seen) = watch::channel(BTreeSet::new());
    let gate = Gate::new(core, authority, seen);
    let connection = connect(&address, &gate).await?;
    let leavers = leavers(&connection).await.map_err(not_exported)?;
    let mut publisher = Publisher::new(connection.clone(), gate.clone(), exported);
    publisher.export_first().await.map_err(not_exported)?;
    own_name(&connection).await?;
    let mut tasks = JoinSet::new();
    let closing = connection.clone();
    tasks.spawn(async move {
        closing.closed().await;
        Ended::ConnectionLost
    });
    let publishing = connection.clone();
    tasks.spawn(async move {
        publisher.run(updates).await;
        if publishing.is_closed() { Ended::ConnectionLost } else { Ended::CoreEnded }
    });
    tasks.spawn(watch_leavers(leavers, gate));
    Ok(Service { connection, tasks })
}

fn not_exported(source: zbus::Error) -> ServeError {
    ServeError::NotExported { source }
}

async fn connect(address: &BusAddress, gate: &Gate) -> Result<Connection, ServeError> {
    let builder = match address {
        BusAddress::System => connection::Builder::system(),
        BusAddress::Session => connection::Builder::session(),
        BusAddress::Address(text) => connection::Builder::address(text.as_str()),
    };
    let gate = || gate.clone();
    let built = builder
        .serve_at(names::ROOT, Manager { gate: gate() })
        .serve_at(names::ROOT, ObjectManager)
        .serve_at(names::TERMINAL, Terminal { gate: gate() })
        .serve_at(names::TERMINAL, Keys { gate: gate() })
        .serve_at(names::TERMINAL, Queue { gate: gate() })
        .serve_at(names::READER, Reader { gate: gate() })
        .serve_at(names::KEYPAD, Keypad { gate: gate() });
    let built = match gate().snapshot().scanner {
        Some(_) => built.serve_at(names::SCANNER, Scanner { gate: gate() }),
        None => built,
    };
    built.build().await.map_err(|source| ServeError::NoBus { address: address.to_string(), source })
}

async fn own_name(connection: &Connection) -> Result<(), ServeError> {
    // Not queued: a second daemon that waits for the first one's place would only hide a mistake.
    match connection.request_name_with_flags(BUS_NAME, RequestNameFlags::DO_NOT_QUEUE).await {
        Ok(_) => Ok(()),
        Err(zbus::Error::NameTaken) => Err(ServeError::NameTaken),
        Err(source) => Err(ServeError::NameRefused { source }),
    }
}

async fn leavers(connection: &Connection) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(2, "")
        .build()?;
    MessageStream::for_match_rule(rule, connection, None).await
}

/// Reads at once whatever the bus says, and keeps for the core what it has no room for yet: a reader that waited for
/// the core would hold up every other message of the bus.
async fn watch_leavers(mut leavers: MessageStream, gate: Gate) -> Ended {
    let (queue, mut waiting) = mpsc::channel::<String>(MAX_GONE);
    let teller = gate.clone();
    let telling = tokio::spawn(async move {
        while let Some(connection) = waiting.recv().await {
            teller.tell(Command::ClientGone { connection }).await;
        }
    });
    while let Some(Ok(message)) = leavers.next().await {
        let Ok((name, _, _)) = message.body().deserialize::<(String, String, String)>() else { continue };
        if !name.starts_with(':') {
            continue;
        }
        let owns = gate.snapshot().transactions.values().any(|t| t.owner.connection == name);
        if (gate.callers.left(&name) || owns) && queue.try_send(name).is_err() {
            tracing::warn!(
                POS_EVENT = JournalEvent::Overload.as_str(),
                POS_COMPONENT = "bus",
                "too many clients left at once; the core was not told of all"
            );
        }
    }
    telling.abort();
    Ended::ConnectionLost
}
