//! Who is on the line: the uid behind each unique name, calls in flight, and who has gone.
//!
//! The uid of a unique name never changes and the name is never used again while the bus lives, so it is asked for
//! once. Entries go with their client.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zbus::Connection;
use zbus::names::BusName;

use crate::bus::error::{Error, Result};
use crate::engine::command::{Caller, RefusalKind};

/// Calls one client may have under way.
pub(super) const MAX_IN_FLIGHT: u32 = 32;
/// Clients that have left and are remembered.
const LEFT_KEPT: usize = 256;
/// How long the bus itself may take to name a uid.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Client {
    uid: Option<u32>,
    in_flight: u32,
    /// Whether the core may hold payments or a capture of this connection.
    holds: bool,
}

#[derive(Default)]
struct Register {
    clients: BTreeMap<String, Client>,
    /// The latest to leave: a call of theirs that is looked at late must not enter them again.
    left: VecDeque<String>,
}

/// Every client that has called and is still connected.
#[derive(Clone, Default)]
pub(super) struct Callers(Arc<Mutex<Register>>);

/// One admitted call; counts as in flight until dropped.
pub(super) struct Admission {
    callers: Callers,
    connection: String,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut register = self.callers.lock();
        if let Some(client) = register.clients.get_mut(&self.connection) {
            client.in_flight = client.in_flight.saturating_sub(1);
            if client.in_flight == 0 && client.uid.is_none() {
                register.clients.remove(&self.connection);
            }
        }
    }
}

impl Callers {
    fn lock(&self) -> MutexGuard<'_, Register> {
        // A panic elsewhere leaves counters at worst one too high; better than refusing everybody.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call in, or refuses it when its client has too many under way.
    pub(super) fn admit(&self, connection: &str) -> Result<Admission> {
        let mut register = self.lock();
        if !register.clients.contains_key(connection) && register.left.iter().any(|l| l == connection) {
            return Err(gone());
        }
        let client = register.clients.entry(connection.to_owned()).or_default();
        if client.in_flight >= MAX_IN_FLIGHT {
            let text = format!("{MAX_IN_FLIGHT} calls of this client are under way; wait for some of them");
            return Err(Error::new(RefusalKind::Busy, text));
        }
        client.in_flight += 1;
        Ok(Admission { callers: self.clone(), connection: connection.to_owned() })
    }

    /// The caller with its uid, as the bus vouches for it.
    pub(super) async fn identify(&self, bus: &Connection, admission: &Admission) -> Result<Caller> {
        let connection = admission.connection.clone();
        if let Some(uid) = self.uid_of(&connection) {
            return Ok(Caller { uid, connection });
        }
        let uid = ask_uid(bus, &connection).await?;
        match self.lock().clients.get_mut(&connection) {
            Some(client) => client.uid = Some(uid),
            None => return Err(gone()),
        }
        Ok(Caller { uid, connection })
    }

    /// The uid of a client that is still connected and has called before.
    pub(super) fn uid_of(&self, connection: &str) -> Option<u32> {
        self.lock().clients.get(connection).and_then(|c| c.uid)
    }

    /// Runs `hand_over` while the client certainly still counts as connected, so that what it hands to the core
    /// comes before the news that the client has gone.
    pub(super) fn while_connected<T>(
        &self,
        caller: &Caller,
        holds: bool,
        hand_over: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let mut register = self.lock();
        let Some(client) = register.clients.get_mut(&caller.connection) else { return Err(gone()) };
        client.holds |= holds;
        hand_over()
    }

    /// Forgets a client that has left; whether the core may hold something of it.
    pub(super) fn left(&self, connection: &str) -> bool {
        let mut register = self.lock();
        let known = register.clients.remove(connection);
        if known.is_some() {
            register.left.push_back(connection.to_owned());
            if register.left.len() > LEFT_KEPT {
                register.left.pop_front();
            }
        }
        known.is_some_and(|c| c.holds)
    }
}

async fn ask_uid(bus: &Connection, connection: &str) -> Result<u32> {
    let name = BusName::try_from(connection).map_err(|_| gone())?;
    let call = bus.call_method(
        Some("org.freedesktop.DBus"),
        "/org/freedesktop/DBus",
        Some("org.freedesktop.DBus"),
        "GetConnectionUnixUser",
        &name,
    );
    let answer = tokio::time::timeout(PATIENCE, call).await.map_err(|_| gone())?.map_err(|_| gone())?;
    answer.body().deserialize::<u32>().map_err(|_| gone())
}

fn gone() -> Error {
    Error::new(RefusalKind::NotAuthorized, "the bus cannot say who calls; connect again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_cannot_have_more_than_its_share_of_calls() {
        let callers = Callers::default();
        let mut held: Vec<_> = (0..MAX_IN_FLIGHT).map(|_| callers.admit(":1.1").unwrap()).collect();
        assert!(callers.admit(":1.1").is_err_and(|e| e.kind() == RefusalKind::Busy));
        assert!(callers.admit(":1.2").is_ok(), "another client is not concerned");
        held.pop();
        assert!(callers.admit(":1.1").is_ok());
    }

    #[test]
    fn nothing_is_handed_over_for_a_client_that_has_gone() {
        let callers = Callers::default();
        let caller = Caller { uid: 7, connection: ":1.1".to_owned() };
        let _admission = callers.admit(":1.1").unwrap();
        assert_eq!(callers.while_connected(&caller, true, || Ok(1)), Ok(1));
        assert!(callers.left(":1.1"), "it may own payments");
        assert!(callers.while_connected(&caller, true, || Ok(1)).is_err());
        assert!(callers.admit(":1.1").is_err(), "a late call must not bring it back");
    }
}
