//! Commit before act: engine and store as one. What the engine decides is written first; only then is it handed out.
//!
//! Owns: the order of those two, what becomes of a decision that the disk refuses, and the questions of the engine that
//! only the store can answer. Must not know: where actions lead, who asks. The daemon and the simulation both run on it,
//! so what is simulated is what is sold.

use std::time::Duration;

use super::{Store, StoreError};
use crate::domain::ids::TransactionId;
use crate::domain::time::{Instant, Now};
use crate::engine::action::Action;
use crate::engine::event::Event;
use crate::engine::machine::{Engine, Output};
use crate::engine::record::Record;
use crate::engine::settings::Settings;

/// Between two tries of a disk that refuses.
const RETRY: Duration = Duration::from_secs(10);

/// Engine and store.
pub struct Teller {
    engine: Engine,
    store: Store,
    settings: Settings,
    /// When a disk that refused is tried again.
    retry_at: Option<Instant>,
}

/// What came of asking the engine.
pub enum Settled {
    /// It had decided nothing.
    Idle,
    /// What it decided is on disk. These may be done now, in this order.
    Done(Vec<Action>),
    /// The disk refused: what was decided is undone, and the engine stands on what is on disk, with this fault. Whoever
    /// is outside has to be told again: devices how they are, keys which there are, waiting callers that nothing was done.
    Refused(String),
}

impl Teller {
    /// Takes up where the store left off.
    pub fn new(settings: Settings, store: Store, seed: u64, now: Now) -> Result<Self, StoreError> {
        let engine = Engine::recover(settings.clone(), store.load()?, seed, now);
        Ok(Self { engine, store, settings, retry_at: None })
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The store, to read from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store, for what is no decision of the engine: the master key, a backup.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.engine.handle(now, event);
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Now) {
        self.engine.expire(now);
    }

    /// When `expire` or `retry` wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        self.engine.deadline().into_iter().chain(self.retry_at).min()
    }

    /// Writes all that the engine has decided in one commit, and gives the actions that may follow. To be called until it
    /// says `Idle`. An error means that the store can be neither written nor read.
    pub fn settle(&mut self, now: Now) -> Result<Settled, StoreError> {
        let mut records: Vec<Record> = Vec::new();
        let mut actions: Vec<Action> = Vec::new();
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Record(record) => records.push(record),
                Output::Act(action) => actions.push(action),
            }
        }
        if records.is_empty() && actions.is_empty() {
            return Ok(Settled::Idle);
        }
        let committed = match self.store.commit(now.wall, &records) {
            Ok(committed) => committed,
            Err(error) => return self.refused(now, &error),
        };
        if let Some(verdict) = committed.verdict {
            self.engine.handle(now, Event::OfflineJudged(verdict));
        }
        let mut outward = Vec::with_capacity(actions.len());
        for action in actions {
            match action {
                Action::LoadQueueHead { after } => match self.head(after) {
                    Ok(loaded) => self.engine.handle(now, loaded),
                    Err(error) => return self.refused(now, &error),
                },
                other => outward.push(other),
            }
        }
        Ok(Settled::Done(outward))
    }

    fn head(&self, after: Option<TransactionId>) -> Result<Event, StoreError> {
        let head = self.store.next_queued(after)?.map(Box::new);
        Ok(Event::QueueHeadLoaded { head, totals: self.store.queue_totals()? })
    }

    fn refused(&mut self, now: Now, error: &StoreError) -> Result<Settled, StoreError> {
        let evidence = error.to_string();
        let mut stored = self.store.load()?;
        // What became of a payment is not told as long as it cannot be written. Nor is it sure: a commit whose flush failed
        // may be found done by the next process, and that one then tells the other story.
        stored.open.clear();
        self.engine = Engine::recover(self.settings.clone(), stored, now.mono.0, now);
        while self.engine.poll().is_some() {}
        self.engine.handle(now, Event::StorageChanged { fault: Some(evidence.clone()) });
        self.retry_at = Some(now.mono.after(RETRY));
        Ok(Settled::Refused(evidence))
    }

    /// Tries a disk that refused, when its time has come. `true`: it works again, the engine stands on it anew, and
    /// whoever is outside has to be told again as after `Refused`.
    pub fn retry(&mut self, now: Now) -> bool {
        if self.retry_at.is_none_or(|t| t > now.mono) {
            return false;
        }
        let works = self.store.probe().and_then(|()| self.rebuild(now)).is_ok();
        self.retry_at = if works { None } else { Some(now.mono.after(RETRY)) };
        works
    }

    fn rebuild(&mut self, now: Now) -> Result<(), StoreError> {
        self.engine = Engine::recover(self.settings.clone(), self.store.load()?, now.mono.0, now);
        Ok(())
    }
}
