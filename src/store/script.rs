//! Script results to be reported before the next payment, sealed because they hold the card number.

use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::sealed::{self, Tags};
use super::vault::Vault;
use super::{StoreError, impossible, signed};
use crate::domain::amount::{Amount, Money};
use crate::domain::ids::{AuthCode, Batch, Rrn, Stan, TransactionId};
use crate::domain::offline::ScriptReport;
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::engine::record::OpenScript;

/// The sealed part.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Sealed {
    stan: u32,
    batch: u32,
    date: String,
    amount: u64,
    currency: String,
    pan: String,
    sequence_number: Option<u16>,
    pin_sent: bool,
    acquirer: Option<String>,
    rrn: Option<String>,
    auth_code: Option<String>,
    tags: Tags,
}

fn context(id: TransactionId) -> String {
    format!("script {id}")
}

/// Stands ready.
pub fn insert(tx: &Transaction<'_>, vault: &Vault, id: TransactionId, r: &ScriptReport) -> Result<(), StoreError> {
    let (stan, batch, date) = &r.original;
    let clear = Sealed {
        stan: stan.get(),
        batch: batch.get(),
        date: date.clone(),
        amount: r.money.amount.minor(),
        currency: r.money.currency.alpha().to_owned(),
        pan: r.pan.expose().to_owned(),
        sequence_number: r.sequence_number,
        pin_sent: r.pin_sent,
        acquirer: r.acquirer.clone(),
        rrn: r.rrn.as_ref().map(|n| n.as_str().to_owned()),
        auth_code: r.auth_code.as_ref().map(|c| c.as_str().to_owned()),
        tags: Tags(r.tags.expose().to_vec()),
    };
    tx.prepare_cached("INSERT INTO script (id, sealed) VALUES (?1, ?2)")?
        .execute(params![signed(id.0), sealed::seal(vault, &context(id), &clear)?])?;
    Ok(())
}

/// It is about to leave, once and for all.
pub fn delete(tx: &Transaction<'_>, id: TransactionId) -> Result<(), StoreError> {
    let deleted = tx.prepare_cached("DELETE FROM script WHERE id = ?1")?.execute([signed(id.0)])?;
    if deleted == 1 { Ok(()) } else { Err(impossible("a script report that was sent is not there")) }
}

/// All that are to be sent, oldest first.
pub fn all(db: &Connection, vault: &Vault) -> Result<Vec<OpenScript>, StoreError> {
    let mut statement = db.prepare("SELECT id, sealed FROM script ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = TransactionId(u64::try_from(row.get::<_, i64>(0)?).map_err(|_| impossible("script.id"))?);
        let clear: Sealed = sealed::open(vault, &context(id), &row.get::<_, Vec<u8>>(1)?)?;
        let report = revive(&clear).ok_or_else(|| impossible("script.sealed"))?;
        all.push(OpenScript { id, report });
    }
    Ok(all)
}

fn revive(clear: &Sealed) -> Option<ScriptReport> {
    Some(ScriptReport {
        original: (Stan::new(clear.stan)?, Batch::new(clear.batch)?, clear.date.clone()),
        money: Money { amount: Amount::new(clear.amount)?, currency: clear.currency.parse().ok()? },
        pan: Pan::new(&clear.pan)?,
        sequence_number: clear.sequence_number,
        pin_sent: clear.pin_sent,
        acquirer: clear.acquirer.clone(),
        rrn: clear.rrn.as_deref().and_then(Rrn::new),
        auth_code: clear.auth_code.as_deref().and_then(AuthCode::new),
        tags: SecretBytes::new(clear.tags.0.clone()),
    })
}
