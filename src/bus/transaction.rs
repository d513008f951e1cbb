//! `org.smartposd.Pos1.Transaction`: one payment. The contract is `xml/org.smartposd.Pos1.Transaction.xml`.

use std::sync::Arc;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::bus::authority::Right;
use crate::bus::error::Result;
use crate::bus::gate::{ANSWER, Gate};
use crate::bus::result::{Row, result};
use crate::bus::terminal::done;
use crate::engine::command::Command;
use crate::engine::snapshot::TransactionView;

/// An object below `/org/smartposd/Pos1/Transaction`.
pub(super) struct Transaction {
    pub(super) gate: Gate,
    /// As it was when it was exported: shown while the snapshot has it no more and the object is not yet gone.
    pub(super) first: Arc<TransactionView>,
}

impl Transaction {
    fn view(&self) -> Arc<TransactionView> {
        let snapshot = self.gate.snapshot();
        snapshot.transactions.get(&self.first.id).cloned().unwrap_or_else(|| self.first.clone())
    }
}

#[interface(name = "org.smartposd.Pos1.Transaction", introspection_docs = false)]
impl Transaction {
    #[zbus(property(emits_changed_signal = "const"))]
    fn kind(&self) -> &str {
        self.first.kind.as_str()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn training(&self) -> bool {
        self.gate.training()
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        self.view().state.as_str()
    }

    #[zbus(property)]
    fn outcome(&self) -> &str {
        self.view().outcome.map_or("", |o| o.as_str())
    }

    #[zbus(property)]
    fn forwarding(&self) -> &str {
        self.view().forwarding.map_or("", |f| f.as_str())
    }

    async fn start(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Trade).await?;
        let command = Command::Start { caller: visit.caller.clone(), id: self.first.id };
        done(self.gate.ask(&visit, command, ANSWER).await?)
    }

    async fn cancel(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.enter(connection, &header).await?;
        let command = Command::Cancel { caller: visit.caller.clone(), id: self.first.id };
        done(self.gate.ask(&visit, command, ANSWER).await?)
    }

    #[zbus(out_args("result"))]
    async fn get_result(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Row> {
        let visit = self.gate.enter(connection, &header).await?;
        let view = self.gate.payment(self.first.id)?;
        if view.owner.uid != visit.caller.uid {
            self.gate.allow(connection, &visit, Right::ReadAll).await?;
        }
        Ok(result(&view, self.gate.training()))
    }

    async fn acknowledge(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.enter(connection, &header).await?;
        let command = Command::Acknowledge { caller: visit.caller.clone(), id: self.first.id };
        done(self.gate.ask(&visit, command, ANSWER).await?)
    }

    #[zbus(signal, name = "StateChanged")]
    async fn moved(emitter: &SignalEmitter<'_>, old: &str, new: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn prompt(emitter: &SignalEmitter<'_>, word: &str, zh: &str, en: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn finished(emitter: &SignalEmitter<'_>, outcome: &str) -> zbus::Result<()>;

    #[zbus(signal, name = "ForwardingChanged")]
    async fn forwarded(emitter: &SignalEmitter<'_>, forwarding: &str, cause: &str) -> zbus::Result<()>;
}
