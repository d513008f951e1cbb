//! `org.smartposd.Pos1.Scanner`: the shape of every device, and what became of scanned codes. The contract is in `xml/`.

use zbus::message::{Header, Message};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, interface};

use crate::bus::authority::Right;
use crate::bus::device::inhibit;
use crate::bus::error::Result;
use crate::bus::gate::{ANSWER, Gate};
use crate::bus::names;
use crate::bus::terminal::{done, unexpected};
use crate::bus::view;
use crate::domain::cause::Cause;
use crate::domain::scan::{ScanAnswer, ScanKind};
use crate::engine::command::{Command, Device, Reply};
use crate::engine::snapshot::DeviceView;

/// The object `/org/smartposd/Pos1/Scanner0`.
pub(super) struct Scanner {
    pub(super) gate: Gate,
}

impl Scanner {
    fn of<T: Default>(&self, read: impl Fn(&DeviceView) -> T) -> T {
        self.gate.snapshot().scanner.as_ref().map(read).unwrap_or_default()
    }
}

#[interface(name = "org.smartposd.Pos1.Scanner", introspection_docs = false)]
impl Scanner {
    #[zbus(property)]
    fn state(&self) -> &str {
        self.of(|view| view.state.as_str())
    }

    #[zbus(property)]
    fn model(&self) -> String {
        self.of(|view| view.model.clone())
    }

    #[zbus(property)]
    fn firmware(&self) -> String {
        self.of(|view| view.firmware.clone())
    }

    #[zbus(property)]
    fn last_cause(&self) -> &str {
        self.of(|view| view::cause(view.last_cause))
    }

    async fn reset(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        done(self.gate.ask(&visit, Command::ResetScanner, ANSWER).await?)
    }

    async fn trigger(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Trade).await?;
        done(self.gate.ask(&visit, Command::TriggerScanner, ANSWER).await?)
    }

    #[zbus(out_args("code"))]
    async fn take_transaction(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let visit = self.gate.admit(connection, &header, Right::ReadAll).await?;
        match self.gate.ask(&visit, Command::TakeScannedTransaction, ANSWER).await? {
            Reply::ScannedTransaction(code) => Ok(code.to_string()),
            other => Err(unexpected(&other)),
        }
    }

    #[zbus(out_args("lease"))]
    async fn inhibit(
        &self,
        who: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        inhibit(&self.gate, visit, Device::Scanner, who, why).await
    }

    #[zbus(signal, name = "Scanned")]
    async fn told(
        emitter: &SignalEmitter<'_>,
        kind: &str,
        answer: &str,
        cause: &str,
        zh: &str,
        en: &str,
    ) -> zbus::Result<()>;
}

/// `Scanned`, for everybody.
pub(super) fn scanned(kind: ScanKind, answer: ScanAnswer, cause: Option<Cause>) -> zbus::Result<Message> {
    let (zh, en) = answer.hint();
    let message = Message::signal(names::SCANNER, names::SCANNER_INTERFACE, "Scanned");
    message.build(&(kind.as_str(), answer.as_str(), view::cause(cause), zh, en))
}
