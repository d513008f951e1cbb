//! The payments with an object on the bus: who owns them, how they are made, found and let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::ids::{IdempotencyKey, TransactionCode, TransactionId};
use crate::domain::outcome::TransactionState;
use crate::domain::time::Instant;
use crate::engine::command::{Caller, Refusal, RefusalKind};
use crate::engine::settings::{MAX_OBJECTS, MAX_UNFINISHED};
use crate::engine::snapshot::TransactionView;

/// One payment in the book.
struct Entry {
    view: Arc<TransactionView>,
    fingerprint: String,
    confirm_amount: Option<bool>,
    /// Not tied to a connection.
    detached: bool,
    /// A payment nobody starts by then is cancelled.
    start_by: Option<Instant>,
}

/// The payments at hand. Bounded by [`MAX_OBJECTS`] plus what is unfinished.
#[derive(Default)]
pub struct Book {
    entries: BTreeMap<TransactionId, Entry>,
    acknowledged: BTreeSet<TransactionId>,
}

impl Book {
    /// The payment, if it has an object.
    pub fn get(&self, id: TransactionId) -> Option<&TransactionView> {
        self.entries.get(&id).map(|e| e.view.as_ref())
    }

    /// Whether its app asked for confirmation of the amount.
    pub fn confirm_amount(&self, id: TransactionId) -> Option<bool> {
        self.entries.get(&id).and_then(|e| e.confirm_amount)
    }

    /// The payment of a transaction code; the newest, should batch and trace have come round again.
    pub fn by_code(&self, code: &TransactionCode) -> Option<TransactionId> {
        let with_it = self.entries.values().filter(|e| e.view.code.as_ref() == Some(code));
        with_it.map(|e| e.view.id).max()
    }

    /// The payment of a uid's key with its fingerprint.
    pub fn by_key(&self, uid: u32, key: &IdempotencyKey) -> Option<(TransactionId, &str)> {
        let found = self.entries.iter().find(|(_, e)| e.view.owner.uid == uid && e.view.key == *key);
        found.map(|(id, e)| (*id, e.fingerprint.as_str()))
    }

    /// All, for the snapshot.
    pub fn views(&self) -> BTreeMap<TransactionId, Arc<TransactionView>> {
        self.entries.iter().map(|(id, e)| (*id, Arc::clone(&e.view))).collect()
    }

    /// Whether this uid may make one more.
    pub fn room_for(&self, uid: u32) -> Result<(), Refusal> {
        let unfinished = self.entries.values().filter(|e| {
            e.view.owner.uid == uid && !matches!(e.view.state, TransactionState::Finished | TransactionState::Reversing)
        });
        if unfinished.count() < MAX_UNFINISHED {
            return Ok(());
        }
        let text = format!("{MAX_UNFINISHED} payments wait to be started; start or cancel one first");
        Err(Refusal::new(RefusalKind::LimitExceeded, text))
    }

    /// Adds a payment; lets the oldest other finished ones go when there are too many.
    pub fn insert(
        &mut self,
        view: TransactionView,
        fingerprint: String,
        confirm: Option<bool>,
        start_by: Option<Instant>,
    ) {
        let new = view.id;
        let entry = Entry { view: Arc::new(view), fingerprint, confirm_amount: confirm, detached: false, start_by };
        self.entries.insert(new, entry);
        while self.entries.len() > MAX_OBJECTS {
            // Never the one that somebody is being told of just now, however old it is.
            let mut finished = self.entries.values().filter(|e| e.view.state == TransactionState::Finished);
            let Some(oldest) = finished.find(|e| e.view.id != new).map(|e| e.view.id) else { break };
            self.remove(oldest);
        }
    }

    /// Changes one payment's view; `None` if it has no object.
    pub fn update(
        &mut self,
        id: TransactionId,
        change: impl FnOnce(&mut TransactionView),
    ) -> Option<Arc<TransactionView>> {
        let entry = self.entries.get_mut(&id)?;
        change(Arc::make_mut(&mut entry.view));
        if entry.view.state != TransactionState::Created {
            entry.start_by = None;
        }
        let view = Arc::clone(&entry.view);
        if view.state == TransactionState::Finished && self.acknowledged.contains(&id) {
            self.remove(id);
        }
        Some(view)
    }

    /// Makes the caller the one who receives the signals.
    pub fn adopt(&mut self, id: TransactionId, caller: &Caller) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.view.owner != *caller
            && !entry.detached
        {
            Arc::make_mut(&mut entry.view).owner = caller.clone();
        }
    }

    /// The payment if it belongs to the caller's uid; otherwise as if it did not exist.
    pub fn owned(&self, caller: &Caller, id: TransactionId) -> Result<&TransactionView, Refusal> {
        match self.get(id) {
            Some(view) if view.owner.uid == caller.uid => Ok(view),
            _ => Err(Refusal::new(RefusalKind::NotFound, "no such payment; find it by key or code")),
        }
    }

    /// Lets a finished payment's object go; one being reversed goes when that is through.
    pub fn acknowledge(&mut self, id: TransactionId) {
        if self.get(id).is_some_and(|v| v.state == TransactionState::Finished) {
            self.remove(id);
        } else {
            self.acknowledged.insert(id);
        }
    }

    /// Ties a payment to no connection: no signals, and it outlives its caller.
    pub fn detach(&mut self, id: TransactionId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.detached = true;
            Arc::make_mut(&mut entry.view).owner.connection.clear();
        }
    }

    /// Payments of a bus connection that are not over.
    pub fn of_connection(&self, connection: &str) -> Vec<TransactionId> {
        let theirs = self.entries.values().filter(|e| e.view.owner.connection == connection);
        theirs.filter(|e| e.view.state != TransactionState::Finished).map(|e| e.view.id).collect()
    }

    /// Payments whose time to be started is over.
    pub fn overdue(&self, now: Instant) -> Vec<TransactionId> {
        self.entries.values().filter(|e| e.start_by.is_some_and(|t| t <= now)).map(|e| e.view.id).collect()
    }

    /// When the next payment becomes overdue.
    pub fn deadline(&self) -> Option<Instant> {
        self.entries.values().filter_map(|e| e.start_by).min()
    }

    fn remove(&mut self, id: TransactionId) {
        self.entries.remove(&id);
        self.acknowledged.remove(&id);
    }
}
