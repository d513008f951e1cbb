//! The reversal table: what takes a payment back, sealed because it holds the card number.

use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::vault::Vault;
use super::{StoreError, impossible, signed};
use crate::domain::amount::{Amount, Money};
use crate::domain::host::{ReversalReason, ReversalRequest};
use crate::domain::ids::{AuthCode, Batch, Stan, TransactionId};
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::engine::record::OpenReversal;

/// The sealed part, as JSON inside the seal: the file outlives program versions.
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
    tags: Vec<u8>,
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
        tags: r.tags.expose().to_vec(),
        auth_code: r.auth_code.as_ref().map(|c| c.as_str().to_owned()),
    };
    let json = SecretBytes::new(serde_json::to_vec(&clear).map_err(|_| impossible("reversal"))?);
    tx.prepare_cached("INSERT INTO reversal (id, reason, sealed) VALUES (?1, ?2, ?3)")?.execute(params![
        signed(id.0),
        r.reason.as_str(),
        vault.seal(&context(id), json.expose())?
    ])?;
    Ok(())
}

/// Why it is sent.
pub fn set_reason(tx: &Transaction<'_>, id: TransactionId, reason: ReversalReason) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE reversal SET reason = ?2 WHERE id = ?1")?
        .execute(params![signed(id.0), reason.as_str()])?;
    Ok(())
}

/// The host has answered the payment or acknowledged its reversal.
pub fn delete(tx: &Transaction<'_>, id: TransactionId) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM reversal WHERE id = ?1")?.execute([signed(id.0)])?;
    Ok(())
}

/// All that are open, oldest first.
pub fn all(db: &Connection, vault: &Vault) -> Result<Vec<OpenReversal>, StoreError> {
    let mut statement = db.prepare("SELECT id, reason, sealed FROM reversal ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = TransactionId(u64::try_from(row.get::<_, i64>(0)?).map_err(|_| impossible("reversal.id"))?);
        let reason =
            ReversalReason::from_word(&row.get::<_, String>(1)?).ok_or_else(|| impossible("reversal.reason"))?;
        let sealed: Vec<u8> = row.get(2)?;
        let json = vault.open(&context(id), &sealed).ok_or(StoreError::WrongSealingKey)?;
        let clear: Sealed = serde_json::from_slice(json.expose()).map_err(|_| impossible("reversal.sealed"))?;
        let request = revive(&clear, reason).ok_or_else(|| impossible("reversal.sealed"))?;
        all.push(OpenReversal { id, request });
    }
    Ok(all)
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
        tags: SecretBytes::new(clear.tags.clone()),
        auth_code: clear.auth_code.as_deref().and_then(AuthCode::new),
        reason,
    })
}
