//! Tells the bus what has changed, in order: objects appear, properties change, signals go out, objects go.
//!
//! Owns: what has been told so far. Everything about one payment goes to its owner's connection only, and only if that
//! connection is alive and belongs to the owner's uid: a name kept from before a restart may be somebody else's now.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use zbus::object_server::{Interface, SignalEmitter};
use zbus::{Connection, Message, OwnedVariant};

use crate::bus::Update;
use crate::bus::device::{Keypad, Reader};
use crate::bus::gate::Gate;
use crate::bus::keys::Keys;
use crate::bus::manager::Manager;
use crate::bus::names::{self, transaction_path};
use crate::bus::queue::Queue;
use crate::bus::scanner::{Scanner, scanned};
use crate::bus::terminal::Terminal;
use crate::bus::transaction::Transaction;
use crate::bus::view;
use crate::diagnose::events::JournalEvent;
use crate::domain::ids::TransactionId;
use crate::domain::prompt::Language;
use crate::engine::signal::Signal;
use crate::engine::snapshot::Snapshot;

/// Seconds left, as the contract writes that they are not known.
const UNKNOWN_TIME: u32 = u32::MAX;

/// Brings the core's updates to the bus.
pub(super) struct Publisher {
    connection: Connection,
    gate: Gate,
    exported: watch::Sender<BTreeSet<TransactionId>>,
    last: Arc<Snapshot>,
}

type Changed = HashMap<String, OwnedVariant>;

impl Publisher {
    /// `gate` has to hold the receiver of `exported`.
    pub(super) fn new(connection: Connection, gate: Gate, exported: watch::Sender<BTreeSet<TransactionId>>) -> Self {
        let last = gate.snapshot();
        Self { connection, gate, exported, last }
    }

    /// Puts the payments on the bus that were there before anybody could call.
    pub(super) async fn export_first(&mut self) -> zbus::Result<()> {
        let first = self.last.clone();
        self.export(&first).await
    }

    /// Runs until the core has ended or the bus is lost.
    pub(super) async fn run(mut self, mut updates: mpsc::Receiver<Update>) {
        while let Some(update) = updates.recv().await {
            if let Err(why) = self.publish(update).await {
                if self.connection.is_closed() {
                    return;
                }
                tracing::error!(POS_EVENT = JournalEvent::BusTrouble.as_str(), POS_COMPONENT = "bus", POS_EVIDENCE = %why, "a change could not be told on the bus");
            }
        }
    }

    /// In two writes, so that a payment's owner waits for nothing that concerns everybody: what the payments tell, then
    /// the rest. In each the changes come before the signals that speak of them.
    async fn publish(&mut self, update: Update) -> zbus::Result<()> {
        let Update { snapshot, signals } = update;
        self.export(&snapshot).await?;
        let (general, own): (Vec<_>, Vec<_>) = signals.iter().partition(|signal| signal.is_for_everybody());
        let mut messages = self.payments(&snapshot).await?;
        self.add_signals(&snapshot, &own, &mut messages)?;
        self.send(&messages).await?;
        let mut messages = self.everything_else(&snapshot).await?;
        self.add_signals(&snapshot, &general, &mut messages)?;
        self.send(&messages).await?;
        self.withdraw(&snapshot).await?;
        self.last = snapshot;
        Ok(())
    }

    fn add_signals(&self, snapshot: &Snapshot, signals: &[&Signal], messages: &mut Vec<Message>) -> zbus::Result<()> {
        for signal in signals {
            messages.extend(self.signal(snapshot, signal)?);
        }
        Ok(())
    }

    async fn send(&self, messages: &[Message]) -> zbus::Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        self.connection.send_all(messages).await
    }

    async fn export(&self, snapshot: &Snapshot) -> zbus::Result<()> {
        for (id, view) in &snapshot.transactions {
            if !self.exported.borrow().contains(id) {
                let object = Transaction { gate: self.gate.clone(), first: view.clone() };
                self.connection.object_server().at(transaction_path(*id), object).await?;
                self.exported.send_modify(|all| {
                    all.insert(*id);
                });
            }
        }
        Ok(())
    }

    async fn withdraw(&self, snapshot: &Snapshot) -> zbus::Result<()> {
        let over: Vec<_> =
            self.exported.borrow().iter().filter(|id| !snapshot.transactions.contains_key(id)).copied().collect();
        for id in over {
            self.exported.send_modify(|all| {
                all.remove(&id);
            });
            self.connection.object_server().remove::<Transaction, _>(transaction_path(id)).await?;
        }
        Ok(())
    }

    async fn payments(&self, new: &Arc<Snapshot>) -> zbus::Result<Vec<Message>> {
        let was = self.gate.pinned(&self.last);
        let is = self.gate.pinned(new);
        let mut messages = Vec::new();
        for (id, view) in &new.transactions {
            let Some(before) = self.last.transactions.get(id).filter(|b| !Arc::ptr_eq(b, view)) else { continue };
            let old = Transaction { gate: was.clone(), first: before.clone() };
            let new = Transaction { gate: is.clone(), first: view.clone() };
            messages.extend(self.changes(&transaction_path(*id), &(old, new)).await?);
        }
        Ok(messages)
    }

    async fn everything_else(&self, new: &Arc<Snapshot>) -> zbus::Result<Vec<Message>> {
        let mut messages = Vec::new();
        if Arc::ptr_eq(&self.last, new) {
            return Ok(messages);
        }
        let was = self.gate.pinned(&self.last);
        let is = self.gate.pinned(new);
        let root = (Manager { gate: was.clone() }, Manager { gate: is.clone() });
        let terminal = (Terminal { gate: was.clone() }, Terminal { gate: is.clone() });
        let keys = (Keys { gate: was.clone() }, Keys { gate: is.clone() });
        let queue = (Queue { gate: was.clone() }, Queue { gate: is.clone() });
        let reader = (Reader { gate: was.clone() }, Reader { gate: is.clone() });
        let keypad = (Keypad { gate: was.clone() }, Keypad { gate: is.clone() });
        let scanner = new.scanner.is_some().then_some((Scanner { gate: was }, Scanner { gate: is }));
        messages.extend(self.changes(names::TERMINAL, &terminal).await?);
        messages.extend(self.changes(names::TERMINAL, &keys).await?);
        messages.extend(self.changes(names::TERMINAL, &queue).await?);
        messages.extend(self.changes(names::READER, &reader).await?);
        messages.extend(self.changes(names::KEYPAD, &keypad).await?);
        if let Some(scanner) = &scanner {
            messages.extend(self.changes(names::SCANNER, scanner).await?);
        }
        messages.extend(self.changes(names::ROOT, &root).await?);
        Ok(messages)
    }

    /// `PropertiesChanged` of one interface, if anything in it has changed.
    async fn changes<I: Interface>(&self, path: &str, (old, new): &(I, I)) -> zbus::Result<Option<Message>> {
        let was = self.properties(path, old).await?;
        let mut is = self.properties(path, new).await?;
        is.retain(|name, value| was.get(name) != Some(value));
        if is.is_empty() {
            return Ok(None);
        }
        let message = Message::signal(path, "org.freedesktop.DBus.Properties", "PropertiesChanged");
        message.build(&(I::name(), is, Vec::<String>::new())).map(Some)
    }

    async fn properties<I: Interface>(&self, path: &str, object: &I) -> zbus::Result<Changed> {
        let emitter = SignalEmitter::new(&self.connection, path)?;
        let all = object.get_all(self.connection.object_server(), &self.connection, None, &emitter).await;
        all.map_err(|e| zbus::Error::Failure(e.to_string()))
    }

    fn signal(&self, snapshot: &Snapshot, signal: &Signal) -> zbus::Result<Option<Message>> {
        match signal {
            Signal::TerminalStateChanged { old, new, cause } => {
                let message = Message::signal(names::TERMINAL, names::TERMINAL_INTERFACE, "StateChanged");
                message.build(&(old.as_str(), new.as_str(), view::cause(*cause))).map(Some)
            }
            Signal::TransactionStateChanged { id, connection, old, new } => {
                self.to_owner(snapshot, *id, connection, "StateChanged", &(old.as_str(), new.as_str()))
            }
            Signal::PromptChanged { id, connection, prompt } => {
                let training = self.gate.training();
                let (zh, en) = (prompt.shown(Language::Zh, training), prompt.shown(Language::En, training));
                self.to_owner(snapshot, *id, connection, "Prompt", &(prompt.word(), zh, en))
            }
            Signal::ForwardingChanged { id, connection, forwarding, cause } => {
                let body = (forwarding.as_str(), view::cause(*cause));
                self.to_owner(snapshot, *id, connection, "ForwardingChanged", &body)
            }
            Signal::QueueProgress { sent, left, held, seconds_left } => {
                let message = Message::signal(names::TERMINAL, names::QUEUE_INTERFACE, "Progress");
                message.build(&(*sent, *left, *held, seconds_left.unwrap_or(UNKNOWN_TIME))).map(Some)
            }
            Signal::CodeScanned { kind, answer, cause } => scanned(*kind, *answer, *cause).map(Some),
            Signal::TransactionFinished { id, connection, outcome } => {
                self.to_owner(snapshot, *id, connection, "Finished", &(outcome.as_str(),))
            }
        }
    }

    fn to_owner<B>(
        &self,
        snapshot: &Snapshot,
        id: TransactionId,
        connection: &str,
        member: &str,
        body: &B,
    ) -> zbus::Result<Option<Message>>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let view = snapshot.transactions.get(&id).or_else(|| self.last.transactions.get(&id));
        let uid = self.gate.callers.uid_of(connection);
        if uid.is_none() || view.map(|v| v.owner.uid) != uid {
            return Ok(None);
        }
        let path = transaction_path(id);
        let message = Message::signal(path.as_str(), names::TRANSACTION_INTERFACE, member).destination(connection);
        message.build(body).map(Some)
    }
}
