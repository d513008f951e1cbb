//! Payments accepted offline: the limits, judged in the very transaction that stores the payment, and the sealed card data.
//!
//! Owns: the table `offline` and the deny list. What is unsent is counted by triggers (`sql/002_offline.sql`), whoever
//! changes where a payment stands. A card is known again by a keyed hash, never by its number.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::sealed::{self, Tags};
use super::vault::{Purpose, Tag, Vault};
use super::{StoreError, impossible, payment, queue, signed};
use crate::domain::amount::{Amount, Money};
use crate::domain::ids::{Batch, Stan, TransactionId};
use crate::domain::offline::{OfflineLimits, OfflineMoment, OfflineRefusal, OfflineSale, age};
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::domain::time::WallTime;
use crate::engine::record::Verdict;
use crate::engine::snapshot::TransactionView;

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
    tags: Tags,
}

fn context(id: TransactionId) -> String {
    format!("offline {id}")
}

/// What a payment to be accepted offline is judged by.
pub struct Request<'r> {
    /// The payment with its code, trace and batch, finished and approved offline.
    pub view: &'r TransactionView,
    /// What will be sent.
    pub sale: &'r OfflineSale,
    /// The limits in force.
    pub limits: &'r OfflineLimits,
    /// The moment, by trusted time.
    pub moment: OfflineMoment,
}

/// Stores a payment if no limit stands in the way; else nothing is written.
pub fn accept(
    tx: &Transaction<'_>,
    vault: &Vault,
    free_bytes: impl FnOnce() -> Option<u64>,
    request: &Request<'_>,
) -> Result<Verdict, StoreError> {
    let Request { view, sale, moment, .. } = request;
    if view.money != sale.money {
        return Err(impossible("a payment and what is sent of it differ in money"));
    }
    let card = mark(vault, &sale.pan);
    let result = judge(tx, &card, free_bytes, request)?;
    if result.is_ok() {
        let clear = Sealed {
            stan: sale.stan.get(),
            batch: sale.batch.get(),
            amount: sale.money.amount.minor(),
            currency: sale.money.currency.alpha().to_owned(),
            pan: sale.pan.expose().to_owned(),
            expiry: sale.expiry.clone(),
            sequence_number: sale.sequence_number,
            tags: Tags(sale.tags.expose().to_vec()),
        };
        // First this row: the trigger on the payment puts it among the unsent ones.
        tx.prepare_cached("INSERT INTO offline (id, accepted_at, day, card, sealed) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                signed(view.id.0),
                signed(moment.at.0),
                moment.day,
                card,
                sealed::seal(vault, &context(view.id), &clear)?
            ])?;
        payment::update(tx, view)?;
    }
    Ok(Verdict { id: view.id, result, totals: queue::totals_of(tx, sale.money.currency)? })
}

/// The first rule that stands in the way.
fn judge(
    tx: &Transaction<'_>,
    card: &Tag,
    free_bytes: impl FnOnce() -> Option<u64>,
    request: &Request<'_>,
) -> Result<Result<(), OfflineRefusal>, StoreError> {
    let Request { sale, limits, moment, .. } = request;
    if !limits.enabled {
        return Ok(Err(OfflineRefusal::Disabled));
    }
    // A disk that does not tell has no room.
    if free_bytes().is_none_or(|free| free < limits.free_bytes) {
        return Ok(Err(OfflineRefusal::Storage));
    }
    let amount = sale.money.amount.minor();
    if amount > limits.per_sale {
        return Ok(Err(OfflineRefusal::Amount));
    }
    let denied = "SELECT 1 FROM denied WHERE card = ?1";
    if tx.prepare_cached(denied)?.exists([card])? {
        return Ok(Err(OfflineRefusal::Denied));
    }
    let used = "SELECT count(*) FROM offline WHERE day = ?1 AND card = ?2";
    let used: u32 = tx.prepare_cached(used)?.query_row(params![moment.day, card], |r| r.get(0))?;
    if used >= limits.per_card_per_day {
        return Ok(Err(OfflineRefusal::Card));
    }
    match age(moment.at, moment.signed_in_at) {
        None => return Ok(Err(OfflineRefusal::Clock)),
        Some(age) if age > limits.sign_in => return Ok(Err(OfflineRefusal::SignInAge)),
        Some(_) => {}
    }
    // What is unsent in other currencies counts and ages too; only its money is not added up with this one's.
    let totals = queue::totals(tx)?;
    match totals.oldest.map(|oldest| age(moment.at, oldest)) {
        Some(None) => return Ok(Err(OfflineRefusal::Clock)),
        Some(Some(age)) if age > limits.oldest => return Ok(Err(OfflineRefusal::Age)),
        Some(Some(_)) | None => {}
    }
    if totals.count() >= limits.count {
        return Ok(Err(OfflineRefusal::Count));
    }
    let sum = queue::totals_of(tx, sale.money.currency)?.sum.saturating_add(amount);
    Ok(if sum > limits.sum { Err(OfflineRefusal::Sum) } else { Ok(()) })
}

/// A card without its number.
fn mark(vault: &Vault, pan: &Pan) -> Tag {
    vault.tag(Purpose::CardMark, &[pan.expose().as_bytes()])
}

/// The host has it, or a person gave it up: the card data go.
pub fn wipe(tx: &Transaction<'_>, id: TransactionId) -> Result<(), StoreError> {
    let changed = tx.prepare_cached("UPDATE offline SET sealed = NULL WHERE id = ?1")?.execute([signed(id.0)])?;
    if changed == 1 { Ok(()) } else { Err(impossible("card data to be wiped are not there")) }
}

/// Whether it is unsent, and so needs its card data.
pub fn is_unsent(tx: &Transaction<'_>, id: TransactionId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM offline WHERE id = ?1 AND held IS NOT NULL";
    Ok(tx.prepare_cached(sql)?.exists([signed(id.0)])?)
}

/// The card of this payment was refused by the host.
pub fn deny_card_of(tx: &Transaction<'_>, at: WallTime, id: TransactionId) -> Result<(), StoreError> {
    let card: Option<Tag> = tx
        .prepare_cached("SELECT card FROM offline WHERE id = ?1")?
        .query_row([signed(id.0)], |r| r.get(0))
        .optional()?;
    let card = card.ok_or_else(|| impossible("the payment of a card to be denied is not there"))?;
    put_denied(tx, at, &card, &format!("refused when payment {id} was forwarded"))
}

/// A person puts a card on the list.
pub fn deny_card(tx: &Transaction<'_>, vault: &Vault, at: WallTime, pan: &Pan, note: &str) -> Result<(), StoreError> {
    put_denied(tx, at, &mark(vault, pan), note)
}

/// The first note stays: it says since when and why.
fn put_denied(tx: &Transaction<'_>, at: WallTime, card: &Tag, note: &str) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO denied (card, at, note) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![card, signed(at.0), note])?;
    Ok(())
}

/// What is to be sent of a payment, and when it was accepted. `None` once its card data are wiped.
pub fn sale(db: &Connection, vault: &Vault, id: TransactionId) -> Result<Option<(WallTime, OfflineSale)>, StoreError> {
    let sql = "SELECT accepted_at, sealed FROM offline WHERE id = ?1 AND sealed IS NOT NULL";
    let row: Option<(i64, Vec<u8>)> =
        db.prepare_cached(sql)?.query_row([signed(id.0)], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
    let Some((accepted_at, bytes)) = row else { return Ok(None) };
    let clear: Sealed = sealed::open(vault, &context(id), &bytes)?;
    let sale = revive(&clear).ok_or_else(|| impossible("offline.sealed"))?;
    Ok(Some((WallTime(u64::try_from(accepted_at).unwrap_or(0)), sale)))
}

fn revive(clear: &Sealed) -> Option<OfflineSale> {
    Some(OfflineSale {
        stan: Stan::new(clear.stan)?,
        batch: Batch::new(clear.batch)?,
        money: Money { amount: Amount::new(clear.amount)?, currency: clear.currency.parse().ok()? },
        pan: Pan::new(&clear.pan)?,
        expiry: clear.expiry.clone(),
        sequence_number: clear.sequence_number,
        tags: SecretBytes::new(clear.tags.0.clone()),
    })
}
