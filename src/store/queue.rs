//! What is unsent: counted, listed, and the next to go. Nothing here reads more than it gives back.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, impossible, offline, payment, reversal, signed};
use crate::domain::amount::Currency;
use crate::domain::ids::TransactionId;
use crate::domain::offline::{Forwarding, QueueTotals, ReversalStanding};
use crate::domain::time::WallTime;
use crate::engine::command::QueueFilter;
use crate::engine::record::QueueHead;
use crate::engine::snapshot::TransactionView;

/// The place in the queue: when it was accepted (or made, for a reversal), then the number.
type Place = (i64, i64);

/// `offline.held`.
const TO_BE_SENT: i64 = 0;
const HELD: i64 = 1;

/// In two parts, because SQLite uses an index for one inequality only.
const UNSENT: &str = "SELECT accepted_at, id FROM offline WHERE held = ?1 AND accepted_at = ?2 AND id > ?3
                      UNION ALL
                      SELECT accepted_at, id FROM offline WHERE held = ?1 AND accepted_at > ?2
                      ORDER BY accepted_at, id LIMIT ?4";
const OLDEST: &str = "SELECT min(accepted_at) FROM offline WHERE held = ?1";
const PLACE: &str = "SELECT coalesce(o.accepted_at, p.created_at) FROM payment p LEFT JOIN offline o USING (id)
                     WHERE p.id = ?1";
/// There are never many: each keeps new payments from starting. `CROSS JOIN` keeps SQLite from reading all payments.
const REVERSALS: &str = "SELECT p.created_at, p.id, r.attempts, r.standing FROM reversal r CROSS JOIN payment p
                         WHERE p.id = r.id AND p.state = 'reversing'";

/// Everything unsent; the sum is of all currencies, of which a terminal has one.
pub fn totals(db: &Connection) -> Result<QueueTotals, StoreError> {
    let sql = "SELECT coalesce(sum(waiting), 0), coalesce(sum(held), 0), coalesce(sum(sum), 0) FROM queue";
    let (waiting, held, sum): (u32, u32, i64) =
        db.prepare_cached(sql)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    Ok(QueueTotals { waiting, held, sum: u64::try_from(sum).unwrap_or(u64::MAX), oldest: oldest(db)? })
}

/// The same with the sum of one currency only.
pub fn totals_of(db: &Connection, currency: Currency) -> Result<QueueTotals, StoreError> {
    let sum: Option<i64> = db
        .prepare_cached("SELECT sum FROM queue WHERE currency = ?1")?
        .query_row([currency.alpha()], |r| r.get(0))
        .optional()?;
    Ok(QueueTotals { sum: u64::try_from(sum.unwrap_or(0)).unwrap_or(u64::MAX), ..totals(db)? })
}

fn oldest(db: &Connection) -> Result<Option<WallTime>, StoreError> {
    let mut statement = db.prepare_cached(OLDEST)?;
    let mut of = |held: i64| statement.query_row([held], |r| r.get::<_, Option<i64>>(0));
    let oldest = [of(TO_BE_SENT)?, of(HELD)?].into_iter().flatten().min();
    Ok(oldest.map(|at| WallTime(u64::try_from(at).unwrap_or(0))))
}

/// Where a payment stands in the order of the queue, also when it has left it meanwhile.
fn place(db: &Connection, id: TransactionId) -> Result<Option<Place>, StoreError> {
    let at: Option<i64> = db.prepare_cached(PLACE)?.query_row([signed(id.0)], |r| r.get(0)).optional()?;
    Ok(at.map(|at| (at, signed(id.0))))
}

impl Store {
    /// The oldest payment to forward behind this one, held ones left out.
    pub fn next_queued(&self, after: Option<TransactionId>) -> Result<Option<QueueHead>, StoreError> {
        self.at(self.next_behind(after))
    }

    fn next_behind(&self, after: Option<TransactionId>) -> Result<Option<QueueHead>, StoreError> {
        let Some((at, after)) = self.begin(after)? else { return Ok(None) };
        let mut statement = self.db.prepare_cached(UNSENT)?;
        let next: Option<i64> = statement.query_row([TO_BE_SENT, at, after, 1], |r| r.get(1)).optional()?;
        let Some(next) = next else { return Ok(None) };
        let id = id_of(next)?;
        let view = payment::by_id(&self.db, id)?.ok_or_else(|| impossible("a queued payment is not there"))?;
        let sale = offline::sale(&self.db, &self.vault, id)?;
        let (accepted_at, sale) = sale.ok_or_else(|| impossible("the card data of a queued payment are not there"))?;
        Ok(Some(QueueHead { view, accepted_at, sale }))
    }

    /// The place behind which a page begins; `None` if it is behind a payment that never was.
    fn begin(&self, after: Option<TransactionId>) -> Result<Option<Place>, StoreError> {
        match after {
            None => Ok(Some((i64::MIN, i64::MIN))),
            Some(id) => place(&self.db, id),
        }
    }

    /// What is unsent: payments accepted offline and open reversals, oldest first. A reversal's standing is told as
    /// `forwarding`: waiting while it is due, held when it waits for a person.
    pub fn list_queue(&self, filter: &QueueFilter) -> Result<Vec<TransactionView>, StoreError> {
        self.at(self.page(filter))
    }

    fn page(&self, filter: &QueueFilter) -> Result<Vec<TransactionView>, StoreError> {
        let limit = usize::from(filter.limit.clamp(1, 500));
        let Some(after) = self.begin(filter.after)? else { return Ok(Vec::new()) };
        let mut page = BTreeMap::new();
        for held in [TO_BE_SENT, HELD].into_iter().filter(|held| *held == HELD || !filter.held) {
            let mut statement = self.db.prepare_cached(UNSENT)?;
            let mut rows = statement.query(params![held, after.0, after.1, signed(limit as u64)])?;
            while let Some(row) = rows.next()? {
                page.insert((row.get(0)?, row.get(1)?), None);
            }
        }
        let mut statement = self.db.prepare_cached(REVERSALS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let place: Place = (row.get(0)?, row.get(1)?);
            let standing = reversal::standing(&row.get::<_, String>(3)?)?;
            if place > after && (standing != ReversalStanding::Due || !filter.held) {
                page.insert(place, Some((row.get::<_, u32>(2)?, standing)));
            }
        }
        page.into_iter().take(limit).map(|((_, id), reversal)| self.unsent(id, reversal)).collect()
    }

    fn unsent(&self, id: i64, reversal: Option<(u32, ReversalStanding)>) -> Result<TransactionView, StoreError> {
        let view = payment::by_id(&self.db, id_of(id)?)?;
        let mut view = view.ok_or_else(|| impossible("an unsent payment is not there"))?;
        if let Some((attempts, standing)) = reversal {
            view.attempts = attempts;
            view.forwarding = Some(match standing {
                ReversalStanding::Due => Forwarding::Waiting,
                ReversalStanding::Held | ReversalStanding::Waived => Forwarding::Held,
            });
        }
        Ok(view)
    }

    /// What is unsent, as it is counted.
    pub fn queue_totals(&self) -> Result<QueueTotals, StoreError> {
        self.at(totals(&self.db))
    }
}

fn id_of(n: i64) -> Result<TransactionId, StoreError> {
    u64::try_from(n).map(TransactionId).map_err(|_| impossible("offline.id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn no_question_about_the_queue_reads_more_than_it_gives() {
        let dir = tempfile::tempdir().unwrap();
        let db = schema::open(&dir.path().join("pos.db"), &schema::OpenOptions::default()).unwrap();
        for (sql, search) in [
            (UNSENT, "SEARCH offline USING COVERING INDEX offline_unsent (held=? AND accepted_at=? AND rowid>?)"),
            (UNSENT, "SEARCH offline USING COVERING INDEX offline_unsent (held=? AND accepted_at>?)"),
            (OLDEST, "USING COVERING INDEX offline_unsent (held=?)"),
            (PLACE, "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)"),
            (REVERSALS, "SCAN r; SEARCH p USING INTEGER PRIMARY KEY (rowid=?)"),
            (reversal::ALL, "SCAN r; SEARCH p USING INTEGER PRIMARY KEY (rowid=?)"),
        ] {
            let plan = payment::plan(&db, sql);
            assert!(plan.contains(search) && !plan.contains("TEMP"), "{plan}");
        }
    }
}
