//! The reversal table: what takes a payment back, sealed because it holds the card number.

use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::sealed::{self, Tags};
use super::vault::Vault;
use super::{StoreError, impossible, signed};
use crate::domain::amount::{Amount, Money};
use crate::domain::host::{ReversalReason, ReversalRequest};
use crate::domain::ids::{AuthCode, Batch, Stan, TransactionId};
use crate::domain::offline::ReversalStanding;
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::engine::record::OpenReversal;

/// `CROSS JOIN` keeps SQLite from reading all payments.
pub const ALL: &str = "SELECT r.id, r.reason, r.sealed, p.auth_code, r.attempts, r.standing
                       FROM reversal r CROSS JOIN payment p WHERE p.id = r.id ORDER BY r.id";

/// The sealed part.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Sealed {
    stan: u32,
    batch: u32,
    amount: u64,
    currency: String,
    pan: String,
    expiry: Option<String>,
    sequence_number: Option<u16>,
    pin_sent: bool,
    tags: Tags,
    auth_code: Option<String>,
}

fn context(id: TransactionId) -> String {
    format!("reversal {id}")
}

/// Stands ready with the request.
pub fn insert(tx: &Transaction<'_>, vault: &Vault, id: TransactionId, r: &ReversalRequest) -> Result<(), StoreError> {
    let clear = Sealed {
        stan: r.stan.get(),
        batch: r.batch.get(),
        amount: r.money.amount.minor(),
        currency: r.money.currency.alpha().to_owned(),
        pan: r.pan.expose().to_owned(),
        expiry: r.expiry.clone(),
        sequence_number: r.sequence_number,
        pin_sent: r.pin_sent,
        tags: Tags(r.tags.expose().to_vec()),
        auth_code: r.auth_code.as_ref().map(|c| c.as_str().to_owned()),
    };
    tx.prepare_cached("INSERT INTO reversal (id, reason, sealed) VALUES (?1, ?2, ?3)")?.execute(params![
        signed(id.0),
        r.reason.as_str(),
        sealed::seal(vault, &context(id), &clear)?
    ])?;
    Ok(())
}

/// Why it is sent.
pub fn set_reason(tx: &Transaction<'_>, id: TransactionId, reason: ReversalReason) -> Result<(), StoreError> {
    let changed = tx
        .prepare_cached("UPDATE reversal SET reason = ?2 WHERE id = ?1")?
        .execute(params![signed(id.0), reason.as_str()])?;
    if changed == 1 { Ok(()) } else { Err(impossible("a reversal that is due is not there")) }
}

/// How far it has come.
pub fn set_progress(
    tx: &Transaction<'_>,
    id: TransactionId,
    attempts: u32,
    standing: ReversalStanding,
) -> Result<(), StoreError> {
    let changed = tx
        .prepare_cached("UPDATE reversal SET attempts = ?2, standing = ?3 WHERE id = ?1")?
        .execute(params![signed(id.0), attempts, standing.as_str()])?;
    if changed == 1 { Ok(()) } else { Err(impossible("a reversal that was tried is not there")) }
}

/// The host has answered the payment or acknowledged its reversal.
pub fn delete(tx: &Transaction<'_>, id: TransactionId) -> Result<(), StoreError> {
    let deleted = tx.prepare_cached("DELETE FROM reversal WHERE id = ?1")?.execute([signed(id.0)])?;
    if deleted == 1 { Ok(()) } else { Err(impossible("a reversal to be closed is not there")) }
}

/// All that are open, oldest first.
pub fn all(db: &Connection, vault: &Vault) -> Result<Vec<OpenReversal>, StoreError> {
    // An answer that came after the reversal was sealed may have brought an authorisation code: it is with the payment.
    let mut statement = db.prepare(ALL)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = TransactionId(u64::try_from(row.get::<_, i64>(0)?).map_err(|_| impossible("reversal.id"))?);
        let reason =
            ReversalReason::from_word(&row.get::<_, String>(1)?).ok_or_else(|| impossible("reversal.reason"))?;
        let sealed: Vec<u8> = row.get(2)?;
        let clear: Sealed = sealed::open(vault, &context(id), &sealed)?;
        let mut request = revive(&clear, reason).ok_or_else(|| impossible("reversal.sealed"))?;
        let answered: Option<String> = row.get(3)?;
        request.auth_code = request.auth_code.or(answered.as_deref().and_then(AuthCode::new));
        let standing = standing(&row.get::<_, String>(5)?)?;
        all.push(OpenReversal { id, request, attempts: row.get(4)?, standing });
    }
    Ok(all)
}

/// The standing of a word in the table.
pub fn standing(word: &str) -> Result<ReversalStanding, StoreError> {
    ReversalStanding::from_word(word).ok_or_else(|| impossible("reversal.standing"))
}

fn revive(clear: &Sealed, reason: ReversalReason) -> Option<ReversalRequest> {
    Some(ReversalRequest {
        stan: Stan::new(clear.stan)?,
        batch: Batch::new(clear.batch)?,
        money: Money { amount: Amount::new(clear.amount)?, currency: clear.currency.parse().ok()? },
        pan: Pan::new(&clear.pan)?,
        expiry: clear.expiry.clone(),
        sequence_number: clear.sequence_number,
        pin_sent: clear.pin_sent,
        tags: SecretBytes::new(clear.tags.0.clone()),
        auth_code: clear.auth_code.as_deref().and_then(AuthCode::new),
        reason,
    })
}
