//! Calls of the queue and of what guards the books: journal and backup.

use std::os::fd::OwnedFd;

use serde_json::Value;
use zbus::{Fd, Variant};

use crate::bus::client::plain::{arguments_are, number, rows, text};
use crate::bus::client::{Answer, Client, Options, Row};
use crate::bus::names::{MANAGER_INTERFACE, QUEUE_INTERFACE, ROOT, TERMINAL};

/// What `Queue.List` is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueOrder {
    /// Only what waits for a person.
    pub held: bool,
    /// Only those behind the one with this id.
    pub after: Option<u64>,
    /// How many.
    pub limit: Option<u32>,
    /// Of every uid.
    pub all: bool,
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// 1, 2, 3 …
    pub number: u64,
    /// Microseconds since 1970.
    pub at: u64,
    /// What was written, as JSON.
    pub entry: String,
    /// The chain's value behind it, hex.
    pub chain: String,
}

/// What came of `Manager.VerifyJournal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalCheck {
    /// Rows that were read.
    pub rows: u64,
    /// The first bad row, and what is wrong with it.
    pub broken: Option<(u64, String)>,
}

impl Client {
    /// Properties of the Queue.
    pub async fn queue(&self) -> Answer<Row> {
        self.properties(TERMINAL, QUEUE_INTERFACE).await
    }

    /// `Queue.Drain`: how many payments are there to be sent.
    pub async fn drain(&self) -> Answer<u64> {
        let values = self.call(TERMINAL, QUEUE_INTERFACE, "Drain", &(Options::new(),)).await?;
        arguments_are(&values, 1).map(|()| number(&values, 0))
    }

    /// `Queue.List`.
    pub async fn list_queue(&self, order: &QueueOrder) -> Answer<Vec<Row>> {
        let mut options = Options::new();
        if order.held {
            options.insert("held", Variant::from(true));
        }
        if let Some(after) = order.after {
            options.insert("after", Variant::from(after));
        }
        if let Some(limit) = order.limit {
            options.insert("limit", Variant::from(limit));
        }
        if order.all {
            options.insert("all", Variant::from(true));
        }
        self.call(TERMINAL, QUEUE_INTERFACE, "List", &(options,)).await.and_then(rows)
    }

    /// `Queue.Hold`.
    pub async fn hold(&self, code: &str, note: &str) -> Answer<()> {
        self.call(TERMINAL, QUEUE_INTERFACE, "Hold", &(code, note)).await.map(drop)
    }

    /// `Queue.Resolve`.
    pub async fn resolve(&self, code: &str, decision: &str, note: &str) -> Answer<()> {
        let body = (code, decision, note, Options::new());
        self.call(TERMINAL, QUEUE_INTERFACE, "Resolve", &body).await.map(drop)
    }

    /// `Queue.DenyCard`; the card number is behind the descriptor.
    pub async fn deny_card(&self, pan: OwnedFd, note: &str) -> Answer<()> {
        self.call(TERMINAL, QUEUE_INTERFACE, "DenyCard", &(Fd::Owned(pan), note)).await.map(drop)
    }

    /// `Manager.VerifyJournal`. For a client that is patient.
    pub async fn verify_journal(&self) -> Answer<JournalCheck> {
        let values = self.call(ROOT, MANAGER_INTERFACE, "VerifyJournal", &()).await?;
        arguments_are(&values, 3)?;
        let broken = number(&values, 1);
        let broken = (broken > 0).then(|| (broken, text(&values, 2)));
        Ok(JournalCheck { rows: number(&values, 0), broken })
    }

    /// `Manager.ExportJournal`.
    pub async fn export_journal(&self, after: u64, limit: u32) -> Answer<Vec<JournalRow>> {
        let values = self.call(ROOT, MANAGER_INTERFACE, "ExportJournal", &(after, limit)).await?;
        let rows = values.first().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        rows.iter()
            .map(|row| {
                let parts = row.as_array().map(Vec::as_slice).unwrap_or_default();
                arguments_are(parts, 4)?;
                Ok(JournalRow {
                    number: number(parts, 0),
                    at: number(parts, 1),
                    entry: text(parts, 2),
                    chain: text(parts, 3),
                })
            })
            .collect()
    }

    /// `Manager.Backup`; the passphrase is behind the first descriptor, the empty file behind the second. For a client
    /// that is patient.
    pub async fn backup(&self, passphrase: OwnedFd, to: OwnedFd) -> Answer<()> {
        let body = (Fd::Owned(passphrase), Fd::Owned(to), Options::new());
        self.call(ROOT, MANAGER_INTERFACE, "Backup", &body).await.map(drop)
    }
}
