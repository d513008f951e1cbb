//! What every method goes through: who calls, may they, hand it to the core, wait for the answer with a deadline.
//!
//! Owns the way into the core. Must not know: what the answers mean. Getters do not come here: they read the snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{SemaphorePermit, mpsc, oneshot, watch};
use zbus::Connection;
use zbus::message::Header;

use crate::bus::authority::{Authority, Right};
use crate::bus::callers::{Admission, Callers};
use crate::bus::error::{Error, Result};
use crate::bus::lease::Leases;
use crate::bus::{Core, Examination, Request, Trial};
use crate::domain::ids::{IdempotencyKey, TransactionId};
use crate::domain::support::Contacts;
use crate::engine::command::{Caller, Command, RefusalKind, Reply};
use crate::engine::snapshot::{Snapshot, TransactionView};

/// For everything that is decided inside the terminal; hashing a password takes the longest.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// For what asks the host; D-Bus callers themselves give up after about 25 s.
pub(super) const HOST_ANSWER: Duration = Duration::from_secs(22);
/// For what goes through the whole store in small pieces: checking the journal, a backup.
pub(super) const LONG_ANSWER: Duration = Duration::from_secs(600);
/// How long an object may take to appear after the core has made it.
const EXPORT: Duration = Duration::from_secs(5);
/// Payment objects one uid may have.
pub(super) const MAX_OBJECTS: usize = 64;

/// Shared by all interfaces.
#[derive(Clone)]
pub(super) struct Gate {
    core: Core,
    authority: Authority,
    pub(super) callers: Callers,
    pub(super) leases: Leases,
    exported: watch::Receiver<BTreeSet<TransactionId>>,
    pinned: Option<Arc<Snapshot>>,
}

/// One call that has been let in. Holds its place among the calls in flight.
pub(super) struct Visit {
    pub(super) caller: Caller,
    _admission: Admission,
}

impl Gate {
    pub(super) fn new(core: Core, authority: Authority, exported: watch::Receiver<BTreeSet<TransactionId>>) -> Self {
        Self { core, authority, callers: Callers::default(), leases: Leases::default(), exported, pinned: None }
    }

    /// The same, but showing one snapshot for ever: what the publisher compares.
    pub(super) fn pinned(&self, snapshot: &Arc<Snapshot>) -> Self {
        Self { pinned: Some(snapshot.clone()), ..self.clone() }
    }

    /// Whether nothing of this is real.
    pub(super) fn training(&self) -> bool {
        self.core.training
    }

    /// Everything readable, as of now. Never waits.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.pinned.clone().unwrap_or_else(|| self.core.snapshots.borrow().clone())
    }

    /// Whom a person can call.
    pub(super) fn support(&self) -> &Contacts {
        &self.core.support
    }

    /// Lets a call in whose right follows from ownership, checked where the object is known.
    pub(super) async fn enter(&self, connection: &Connection, header: &Header<'_>) -> Result<Visit> {
        let sender = header.sender().ok_or_else(|| Error::internal("a call without a sender"))?;
        let admission = self.callers.admit(sender.as_str())?;
        let caller = self.callers.identify(connection, &admission).await?;
        Ok(Visit { caller, _admission: admission })
    }

    /// Lets a call in that needs a right.
    pub(super) async fn admit(&self, connection: &Connection, header: &Header<'_>, right: Right) -> Result<Visit> {
        let visit = self.enter(connection, header).await?;
        self.allow(connection, &visit, right).await?;
        Ok(visit)
    }

    /// Asks for one more right.
    pub(super) async fn allow(&self, connection: &Connection, visit: &Visit, right: Right) -> Result<()> {
        self.authority.check(connection, &visit.caller, right).await
    }

    /// Hands a command to the core and waits for its answer.
    pub(super) async fn ask(&self, visit: &Visit, command: Command, patience: Duration) -> Result<Reply> {
        // What the core has to end when this client leaves.
        let holds = matches!(
            command,
            Command::Create(_) | Command::FindByKey { .. } | Command::Start { .. } | Command::Record { .. }
        );
        let answer = self.callers.while_connected(&visit.caller, holds, || self.submit(command))?;
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => answer.map_err(Error::from),
            Ok(Err(_)) => Err(Error::internal("the daemon is stopping; try again when it is back")),
            Err(_) => Err(Error::internal("the daemon did not answer in time; see its journal")),
        }
    }

    fn submit(&self, command: Command) -> Result<oneshot::Receiver<Answer>> {
        let (reply, answer) = oneshot::channel();
        match self.core.requests.try_send(Request { command, reply }) {
            Ok(()) => Ok(answer),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(Error::new(RefusalKind::Busy, "the daemon has too much to do; try again in a moment"))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::internal("the daemon is stopping")),
        }
    }

    /// Hands a diagnosis to the doctor, who takes one at a time.
    pub(super) fn examine(&self, examination: Examination) -> Result<()> {
        match self.core.doctor.try_send(examination) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(Error::new(RefusalKind::Busy, "a diagnosis is under way already; wait for that"))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::internal("the daemon is stopping")),
        }
    }

    /// Hands a self-test to whoever makes them. There is no other until what this gives is dropped.
    pub(super) fn try_out(&self, trial: Trial) -> Result<SemaphorePermit<'_>> {
        let Some(trials) = &self.core.trials else {
            let text = "there is no store, so there is nothing to test; see RunDiagnosis";
            return Err(Error::new(RefusalKind::WrongState, text));
        };
        let busy = || Error::new(RefusalKind::Busy, "a self-test is under way already; wait for that");
        let place = self.core.testing.try_acquire().map_err(|_| busy())?;
        match trials.try_send(trial) {
            Ok(()) => Ok(place),
            // One that its caller has left is being ended.
            Err(mpsc::error::TrySendError::Full(_)) => Err(busy()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::internal("the daemon is stopping")),
        }
    }

    /// Tells the core something that must not get lost, however busy it is. Nobody waits for the answer.
    pub(super) async fn tell(&self, command: Command) {
        let (reply, _) = oneshot::channel();
        // An error means that the core has ended, and with it everything there was to tell.
        let _ = self.core.requests.send(Request { command, reply }).await;
    }

    /// The payment with its object on the bus.
    pub(super) async fn exported(&self, id: TransactionId) -> Result<Arc<TransactionView>> {
        let mut exported = self.exported.clone();
        let there = tokio::time::timeout(EXPORT, exported.wait_for(|all| all.contains(&id))).await;
        if !matches!(there, Ok(Ok(_))) {
            return Err(Error::internal("the payment's object did not appear; ask for it with FindTransaction"));
        }
        self.payment(id)
    }

    /// A payment that has an object.
    pub(super) fn payment(&self, id: TransactionId) -> Result<Arc<TransactionView>> {
        let found = self.snapshot().transactions.get(&id).cloned();
        found.ok_or_else(|| {
            Error::new(RefusalKind::NotFound, "this payment has no object any more; ask for it with FindTransaction")
        })
    }

    /// Whether the uid may have one more payment object, unless the key names one it has already.
    pub(super) fn room_for(&self, uid: u32, key: Option<&IdempotencyKey>) -> Result<()> {
        let snapshot = self.snapshot();
        let own = || snapshot.transactions.values().filter(|t| t.owner.uid == uid);
        if own().count() < MAX_OBJECTS || key.is_some_and(|k| own().any(|t| t.key == *k)) {
            return Ok(());
        }
        let text = format!("this user has {MAX_OBJECTS} payments on the bus; acknowledge finished ones first");
        Err(Error::new(RefusalKind::LimitExceeded, text))
    }
}

type Answer = std::result::Result<Reply, crate::engine::command::Refusal>;
