//! `org.smartposd.Pos1.Terminal`: sign-in, operators, payments. The contract is `xml/org.smartposd.Pos1.Terminal.xml`.

use std::os::fd;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, OwnedObjectPath, Variant, interface};

use crate::bus::authority::Right;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate, HOST_ANSWER};
use crate::bus::options::{Given, Options};
use crate::bus::payments;
use crate::bus::result::Row;
use crate::bus::secret_fd::read_secret;
use crate::bus::view;
use crate::domain::ids::OperatorId;
use crate::domain::outcome::Role;
use crate::engine::command::{Command, Reply};

/// The object `/org/smartposd/Pos1/Terminal0`.
pub(super) struct Terminal {
    pub(super) gate: Gate,
}

#[interface(name = "org.smartposd.Pos1.Terminal", introspection_docs = false)]
impl Terminal {
    #[zbus(property)]
    fn state(&self) -> &str {
        self.gate.snapshot().terminal.state.as_str()
    }

    #[zbus(property)]
    fn cause(&self) -> &str {
        view::cause(self.gate.snapshot().terminal.cause)
    }

    #[zbus(property)]
    fn evidence(&self) -> String {
        self.gate.snapshot().terminal.evidence.clone()
    }

    #[zbus(property)]
    fn terminal_id(&self) -> String {
        self.gate.snapshot().terminal.terminal_id.clone()
    }

    #[zbus(property)]
    fn merchant_id(&self) -> String {
        self.gate.snapshot().terminal.merchant_id.clone()
    }

    #[zbus(property)]
    fn batch(&self) -> u32 {
        self.gate.snapshot().terminal.batch.get()
    }

    #[zbus(property)]
    fn operator(&self) -> String {
        self.gate.snapshot().terminal.operator.as_ref().map_or_else(String::new, ToString::to_string)
    }

    #[zbus(property)]
    fn active_transaction(&self) -> OwnedObjectPath {
        let active = self.gate.snapshot().terminal.active;
        active.and_then(|id| payments::object(id).ok()).unwrap_or_default()
    }

    #[zbus(property)]
    fn active_owner(&self) -> String {
        self.gate.snapshot().terminal.active_owner.clone().unwrap_or_default()
    }

    #[zbus(property)]
    fn prompt(&self) -> &str {
        self.gate.snapshot().terminal.prompt.word()
    }

    #[zbus(property)]
    fn next_sign_in_at(&self) -> u64 {
        self.gate.snapshot().terminal.next_sign_in.map_or(0, |t| t.0)
    }

    #[zbus(property)]
    fn supervisor_set(&self) -> bool {
        self.gate.snapshot().terminal.supervisor_set
    }

    #[zbus(out_args("result"))]
    async fn sign_in(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Row> {
        let visit = self.gate.admit(connection, &header, Right::SignIn).await?;
        Options::none(options)?;
        match self.gate.ask(&visit, Command::SignIn, HOST_ANSWER).await? {
            Reply::SignedIn { batch, clock_difference } => {
                let mut row = Row::from([("batch", Variant::from(batch))]);
                if let Some(seconds) = clock_difference {
                    row.insert("clock-difference", Variant::from(seconds));
                }
                Ok(row)
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn sign_out(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::SignIn).await?;
        Options::none(options)?;
        done(self.gate.ask(&visit, Command::SignOut, HOST_ANSWER).await?)
    }

    async fn operator_sign_in(
        &self,
        operator: &str,
        password: OwnedFd,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Operate).await?;
        Options::none(options)?;
        let operator = operator_id(operator)?;
        let password = read_secret(fd::OwnedFd::from(password)).await?;
        done(self.gate.ask(&visit, Command::OperatorSignIn { operator, password }, ANSWER).await?)
    }

    async fn operator_sign_in_at_keypad(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Operate).await?;
        Options::none(options)?;
        done(self.gate.ask(&visit, Command::OperatorSignInAtKeypad, ANSWER).await?)
    }

    async fn operator_sign_out(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Operate).await?;
        done(self.gate.ask(&visit, Command::OperatorSignOut, ANSWER).await?)
    }

    async fn set_operator(
        &self,
        operator: &str,
        role: &str,
        password: OwnedFd,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::AdministerOperators).await?;
        Options::none(options)?;
        let operator = operator_id(operator)?;
        let role =
            Role::from_word(role).ok_or_else(|| Error::invalid("a role is operator, supervisor or administrator"))?;
        let password = read_secret(fd::OwnedFd::from(password)).await?;
        done(self.gate.ask(&visit, Command::OperatorSet { operator, role, password }, ANSWER).await?)
    }

    async fn set_operator_code(
        &self,
        operator: &str,
        secret: OwnedFd,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::AdministerOperators).await?;
        Options::none(options)?;
        let operator = operator_id(operator)?;
        let secret = read_secret(fd::OwnedFd::from(secret)).await?;
        done(self.gate.ask(&visit, Command::OperatorCodeSet { operator, secret }, ANSWER).await?)
    }

    async fn revoke_operator_code(
        &self,
        operator: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::AdministerOperators).await?;
        let operator = operator_id(operator)?;
        done(self.gate.ask(&visit, Command::OperatorCodeRevoke { operator }, ANSWER).await?)
    }

    async fn unlock_operator(
        &self,
        operator: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::AdministerOperators).await?;
        let operator = operator_id(operator)?;
        done(self.gate.ask(&visit, Command::OperatorUnlock { operator }, ANSWER).await?)
    }

    #[zbus(out_args("transaction"))]
    #[expect(clippy::too_many_arguments, reason = "five of them are the contract's")]
    async fn create_transaction(
        &self,
        kind: &str,
        idempotency_key: &str,
        amount: u64,
        currency: &str,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath> {
        let visit = self.gate.admit(connection, &header, Right::Trade).await?;
        let new =
            payments::order(self.gate.training(), &visit.caller, kind, idempotency_key, amount, currency, options)?;
        payments::create(&self.gate, &visit, new).await
    }

    #[zbus(out_args("transaction"))]
    async fn find_transaction(
        &self,
        key: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath> {
        let visit = self.gate.admit(connection, &header, Right::Trade).await?;
        payments::find(&self.gate, connection, &visit, key).await
    }

    #[zbus(out_args("transactions"))]
    async fn list_transactions(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Trade).await?;
        payments::list(&self.gate, connection, &visit, options).await
    }

    #[zbus(signal, name = "StateChanged")]
    async fn moved(emitter: &SignalEmitter<'_>, old: &str, new: &str, cause: &str) -> zbus::Result<()>;
}

/// For commands that answer no more than yes.
pub(super) fn done(reply: Reply) -> Result<()> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// An answer to another question than was asked: a fault of our own.
pub(super) fn unexpected(reply: &Reply) -> Error {
    let what = match reply {
        Reply::Done => "done",
        Reply::SignedIn { .. } => "signed in",
        Reply::Transaction(_) => "a payment",
        Reply::List(_) => "a list",
        Reply::KeyComponent { .. } => "a key component",
        Reply::Echo { .. } => "an echo",
        Reply::ScannedTransaction(_) => "the code of a payment",
        Reply::Journal(_) => "rows of the journal",
        Reply::Faults(_) => "the ledger of self-healing",
        Reply::SelfTested(_) => "a check of a self-test",
        Reply::JournalChecked(_) => "a check of the journal",
        Reply::Draining { .. } => "a queue",
        Reply::Upkeep(_) => "maintenance",
        Reply::LastFaults(_) => "faults",
        Reply::Timeline(_) => "changes",
    };
    Error::internal(format!("the core answered '{what}', which is no answer to this call"))
}

fn operator_id(text: &str) -> Result<OperatorId> {
    OperatorId::new(text).ok_or_else(|| Error::invalid("an operator number has 2 to 8 digits"))
}
