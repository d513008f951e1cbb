//! The reversal table: what takes a payment back, sealed because it holds the card number.

use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::vault::Vault;
use super::{StoreError, impossible, signed};
use crate::domain::amount::{Amount, Money};
use crate::domain::host::{ReversalReason, ReversalRequest};
use crate::domain::ids::{AuthCode, Batch, Stan, TransactionId};
use crate::domain::offline::ReversalStanding;
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

/// 255 tag bytes as numbers of up to three digits and a comma, and the rest of the fields.
const CLEAR_ROOM: usize = 2048;

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
    // Room for the longest there is: a buffer that grows would leave the card number in freed memory.
    let mut json = Vec::with_capacity(CLEAR_ROOM);
    serde_json::to_writer(&mut json, &clear).map_err(|_| impossible("reversal"))?;
    let json = SecretBytes::new(json);
    tx.prepare_cached("INSERT INTO reversal (id, reason, sealed) VALUES (?1, ?2, ?3)")?.execute(params![
        signed(id.0),
        r.reason.as_str(),
        vault.seal(&context(id), json.expose())?
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

/// The host has answered the payment or acknowledged its reversal.
pub fn delete(tx: &Transaction<'_>, id: TransactionId) -> Result<(), StoreError> {
    let deleted = tx.prepare_cached("DELETE FROM reversal WHERE id = ?1")?.execute([signed(id.0)])?;
    if deleted == 1 { Ok(()) } else { Err(impossible("a reversal to be closed is not there")) }
}

/// All that are open, oldest first.
pub fn all(db: &Connection, vault: &Vault) -> Result<Vec<OpenReversal>, StoreError> {
    // An answer that came after the reversal was sealed may have brought an authorisation code: it is with the payment.
    let mut statement = db.prepare(
        "SELECT r.id, r.reason, r.sealed, p.auth_code FROM reversal r JOIN payment p USING (id) ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = TransactionId(u64::try_from(row.get::<_, i64>(0)?).map_err(|_| impossible("reversal.id"))?);
        let reason =
            ReversalReason::from_word(&row.get::<_, String>(1)?).ok_or_else(|| impossible("reversal.reason"))?;
        let sealed: Vec<u8> = row.get(2)?;
        let json = vault.open(&context(id), &sealed).ok_or(StoreError::WrongSealingKey)?;
        let clear: Sealed = serde_json::from_slice(json.expose()).map_err(|_| impossible("reversal.sealed"))?;
        let mut request = revive(&clear, reason).ok_or_else(|| impossible("reversal.sealed"))?;
        let answered: Option<String> = row.get(3)?;
        request.auth_code = request.auth_code.or(answered.as_deref().and_then(AuthCode::new));
        all.push(OpenReversal { id, request, attempts: 0, standing: ReversalStanding::Due });
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
