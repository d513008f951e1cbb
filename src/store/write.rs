//! One record, one writer: what each record changes in the tables.
//!
//! Must not know: the transaction's end, the journal.

use rusqlite::{Transaction, params};

use super::offline::Request;
use super::vault::Vault;
use super::{MASTER_KEY, StoreError, WORKING_KEYS, impossible, offline, payment, reversal, script, signed};
use crate::domain::ids::{OperatorId, Stan, TransactionId};
use crate::domain::time::WallTime;
use crate::engine::record::{Record, Verdict};

/// Writes the records of one commit.
pub struct Writer<'t, F> {
    tx: &'t Transaction<'t>,
    vault: &'t Vault,
    at: WallTime,
    free_bytes: F,
    verdict: Option<Verdict>,
    wiped: Vec<TransactionId>,
}

impl<'t, F: Fn() -> Option<u64>> Writer<'t, F> {
    /// For the commit of this moment.
    pub fn new(tx: &'t Transaction<'t>, vault: &'t Vault, at: WallTime, free_bytes: F) -> Self {
        Self { tx, vault, at, free_bytes, verdict: None, wiped: Vec::new() }
    }

    /// One record.
    pub fn write(&mut self, record: &Record) -> Result<(), StoreError> {
        let Self { tx, vault, .. } = *self;
        match record {
            Record::Created { view, fingerprint } => payment::insert(tx, view, fingerprint)?,
            Record::Sent { view, next, reversal } => {
                payment::update(tx, view)?;
                reversal::insert(tx, vault, view.id, reversal)?;
                take_trace(tx, *next)?;
            }
            Record::Changed { view } => payment::update(tx, view)?,
            Record::ReversalDue { id, reason } => reversal::set_reason(tx, *id, *reason)?,
            Record::ReversalClosed { id, .. } => reversal::delete(tx, *id)?,
            Record::ReversalTried { id, attempts, standing } => {
                reversal::set_progress(tx, *id, *attempts, *standing)?;
                payment::set_attempts(tx, *id, *attempts)?;
            }
            Record::Queued { view, next, sale, limits, moment } => {
                let request = Request { view, sale, limits, moment: *moment };
                let verdict = offline::accept(tx, vault, &self.free_bytes, &request)?;
                if verdict.result.is_ok() {
                    take_trace(tx, *next)?;
                }
                if self.verdict.replace(verdict).is_some() {
                    return Err(impossible("two payments to be accepted offline in one commit"));
                }
            }
            Record::CardDataWiped { id } => {
                offline::wipe(tx, *id)?;
                self.wiped.push(*id);
            }
            Record::CardDenied { id } => offline::deny_card_of(tx, self.at, *id)?,
            Record::ScriptDue { id, report } => script::insert(tx, vault, *id, report)?,
            Record::ScriptSent { id, next } => {
                script::delete(tx, *id)?;
                take_trace(tx, *next)?;
            }
            Record::ClockTrusted(anchor) => {
                tx.prepare_cached("UPDATE terminal SET clock_boot = ?1, clock_mono = ?2, clock_wall = ?3")?
                    .execute(params![anchor.boot, signed(anchor.mono.0), signed(anchor.wall.0)])?;
            }
            Record::TraceTaken { next } => take_trace(tx, *next)?,
            Record::SignedIn { at, batch, wrapped, .. } => {
                tx.prepare_cached("UPDATE terminal SET batch = ?1, signed_in_at = ?2")?
                    .execute(params![batch.get(), signed(at.0)])?;
                put_secret(tx, vault, WORKING_KEYS, wrapped)?;
            }
            Record::SignedOut { .. } => {
                tx.execute("DELETE FROM secret WHERE name = ?1", [WORKING_KEYS])?;
            }
            Record::Tampered(opened) => {
                tx.execute(
                    "UPDATE terminal SET tampered_at = ?1, tampered = ?2",
                    params![signed(opened.at.0), opened.evidence],
                )?;
                tx.execute("DELETE FROM secret WHERE name IN (?1, ?2)", [MASTER_KEY, WORKING_KEYS])?;
            }
            Record::OperatorStored(o) => {
                tx.execute(
                    "INSERT INTO operator (id, role, hash, failed, locked, code) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (id) DO UPDATE SET role = ?2, hash = ?3, failed = ?4, locked = ?5, code = ?6",
                    params![o.id.as_str(), o.role.as_str(), o.hash, o.failed, o.locked, o.code],
                )?;
            }
            Record::OperatorOnDuty(operator) => {
                tx.execute("UPDATE terminal SET on_duty = ?1", [operator.as_ref().map(OperatorId::as_str)])?;
            }
        }
        Ok(())
    }

    /// The word on a payment to be accepted offline. Fails where card data were wiped that are still needed, in whatever
    /// order the records came.
    pub fn finish(self) -> Result<Option<Verdict>, StoreError> {
        for id in self.wiped {
            if offline::is_unsent(self.tx, id)? {
                return Err(impossible("card data of an unsent payment were to be wiped"));
            }
        }
        Ok(self.verdict)
    }
}

/// Seals and keeps a secret under its name.
pub fn put_secret(tx: &Transaction<'_>, vault: &Vault, name: &str, clear: &[u8]) -> Result<(), StoreError> {
    let sealed = vault.seal(name, clear)?;
    tx.prepare_cached(
        "INSERT INTO secret (name, sealed) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET sealed = ?2",
    )?
    .execute(params![name, sealed])?;
    Ok(())
}

fn take_trace(tx: &Transaction<'_>, next: Stan) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE terminal SET next_stan = ?1")?.execute([next.get()])?;
    Ok(())
}
