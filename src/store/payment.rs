//! The payment table: one row a payment, its view as columns.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::{Store, StoreError, impossible, signed};
use crate::domain::amount::{Amount, Money};
use crate::domain::cause::Cause;
use crate::domain::ids::{AuthCode, Batch, IdempotencyKey, Rrn, Stan, TransactionCode, TransactionId};
use crate::domain::offline::{Forwarding, OfflineMode};
use crate::domain::outcome::{Outcome, TransactionKind, TransactionState};
use crate::domain::time::WallTime;
use crate::engine::command::{Caller, ListFilter};
use crate::engine::snapshot::TransactionView;

const COLUMNS: &str = "id, uid, key, kind, amount, currency, reference, state, outcome, cause, evidence, code, stan, \
     batch, masked_pan, scheme, rrn, auth_code, response_code, response_zh, response_en, reversed, created_at, finished_at, \
     mode, forwarding, attempts, resolution";

/// A new row.
pub fn insert(tx: &Transaction<'_>, v: &TransactionView, fingerprint: &str) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, reference, state, evidence, created_at,
                              mode)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        signed(v.id.0),
        v.owner.uid,
        v.key.as_str(),
        fingerprint,
        v.kind.as_str(),
        signed(v.money.amount.minor()),
        v.money.currency.alpha(),
        v.reference,
        v.state.as_str(),
        v.evidence,
        signed(v.created_at.0),
        v.mode.as_str(),
    ])?;
    Ok(())
}

/// Everything about a payment that can change. A code, trace or batch once written stays as it is.
pub fn update(tx: &Transaction<'_>, v: &TransactionView) -> Result<(), StoreError> {
    let changed = tx
        .prepare_cached(
            "UPDATE payment SET state = ?2, outcome = ?3, cause = ?4, evidence = ?5, code = coalesce(code, ?6),
             stan = coalesce(stan, ?7), batch = coalesce(batch, ?8), masked_pan = ?9, scheme = ?10, rrn = ?11,
             auth_code = ?12, response_code = ?13, response_zh = ?14, response_en = ?15, reversed = ?16,
             finished_at = ?17, forwarding = ?18, attempts = ?19, resolution = ?20 WHERE id = ?1",
        )?
        .execute(params![
            signed(v.id.0),
            v.state.as_str(),
            v.outcome.map(Outcome::as_str),
            v.cause.map(Cause::as_str),
            v.evidence,
            v.code.as_ref().map(TransactionCode::as_str),
            v.stan.map(Stan::get),
            v.batch.map(Batch::get),
            v.masked_pan,
            v.scheme,
            v.rrn.as_ref().map(Rrn::as_str),
            v.auth_code.as_ref().map(AuthCode::as_str),
            v.response_code,
            v.response_text.as_ref().map(|t| t.0.as_str()),
            v.response_text.as_ref().map(|t| t.1.as_str()),
            v.reversed,
            v.finished_at.map(|t| signed(t.0)),
            v.forwarding.map(Forwarding::as_str),
            v.attempts,
            v.resolution,
        ])?;
    if changed == 1 { Ok(()) } else { Err(impossible("a payment to change is not there")) }
}

/// How often its reversal was tried, for whoever looks the payment up.
pub fn set_attempts(tx: &Transaction<'_>, id: TransactionId, attempts: u32) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE payment SET attempts = ?2 WHERE id = ?1")?.execute(params![signed(id.0), attempts])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<TransactionView, StoreError> {
    let text = |i: usize| row.get::<_, Option<String>>(i);
    let must = |i: usize| row.get::<_, String>(i);
    let number = |i: usize| row.get::<_, Option<i64>>(i);
    let time = |n: i64| WallTime(u64::try_from(n).unwrap_or(0));
    let amount = u64::try_from(row.get::<_, i64>(4)?).ok().and_then(Amount::new);
    let response_text = match (text(19)?, text(20)?) {
        (Some(zh), Some(en)) => Some((zh, en)),
        _ => None,
    };
    // A value that cannot be read must not pass for one that is not there.
    let outcome = text(8)?.map(|w| Outcome::from_word(&w).ok_or_else(|| impossible("payment.outcome")));
    let code = text(11)?.map(|c| c.parse().map_err(|_| impossible("payment.code")));
    let forwarding = text(25)?.map(|w| Forwarding::from_word(&w).ok_or_else(|| impossible("payment.forwarding")));
    let small = |n: i64| u32::try_from(n).ok();
    let stan = number(12)?.map(|n| small(n).and_then(Stan::new).ok_or_else(|| impossible("payment.stan")));
    let batch = number(13)?.map(|n| small(n).and_then(Batch::new).ok_or_else(|| impossible("payment.batch")));
    Ok(TransactionView {
        id: TransactionId(u64::try_from(row.get::<_, i64>(0)?).map_err(|_| impossible("payment.id"))?),
        owner: Caller { uid: row.get(1)?, connection: String::new() },
        key: IdempotencyKey::new(&must(2)?).ok_or_else(|| impossible("payment.key"))?,
        kind: TransactionKind::from_word(&must(3)?).ok_or_else(|| impossible("payment.kind"))?,
        money: Money {
            amount: amount.ok_or_else(|| impossible("payment.amount"))?,
            currency: must(5)?.parse().map_err(|_| impossible("payment.currency"))?,
        },
        reference: text(6)?,
        state: TransactionState::from_word(&must(7)?).ok_or_else(|| impossible("payment.state"))?,
        outcome: outcome.transpose()?,
        cause: text(9)?.as_deref().and_then(Cause::from_word),
        evidence: must(10)?,
        code: code.transpose()?,
        stan: stan.transpose()?,
        batch: batch.transpose()?,
        masked_pan: text(14)?,
        scheme: text(15)?,
        rrn: text(16)?.as_deref().and_then(Rrn::new),
        auth_code: text(17)?.as_deref().and_then(AuthCode::new),
        response_code: text(18)?,
        response_text,
        reversed: row.get(21)?,
        mode: OfflineMode::from_word(&must(24)?).ok_or_else(|| impossible("payment.mode"))?,
        forwarding: forwarding.transpose()?,
        attempts: row.get(26)?,
        resolution: text(27)?,
        created_at: time(row.get(22)?),
        finished_at: number(23)?.map(time),
    })
}

/// Payments that are not over, oldest first.
pub fn open_ones(db: &Connection) -> Result<Vec<TransactionView>, StoreError> {
    let mut statement = db.prepare(&format!("SELECT {COLUMNS} FROM payment WHERE state <> 'finished' ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// One payment.
pub fn by_id(db: &Connection, id: TransactionId) -> Result<Option<TransactionView>, StoreError> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM payment WHERE id = ?1"))?;
    statement.query_row([signed(id.0)], |row| Ok(read(row))).optional()?.transpose()
}

impl Store {
    /// The payment of a uid's idempotency key, with the arguments the key stands for.
    pub fn find_by_key(&self, uid: u32, key: &IdempotencyKey) -> Result<Option<(TransactionView, String)>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, fingerprint FROM payment WHERE uid = ?1 AND key = ?2");
        self.at(self.find_one(&sql, params![uid, key.as_str()]))
    }

    /// The payment of a transaction code; the newest, should a batch and trace have come round again.
    pub fn find_by_code(&self, code: &TransactionCode) -> Result<Option<(TransactionView, String)>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, fingerprint FROM payment WHERE code = ?1 ORDER BY id DESC LIMIT 1");
        self.at(self.find_one(&sql, params![code.as_str()]))
    }

    fn find_one(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<(TransactionView, String)>, StoreError> {
        let mut statement = self.db.prepare_cached(sql)?;
        let found = statement.query_row(values, |row| Ok((read(row), row.get::<_, String>(28)?))).optional()?;
        found.map(|(view, fingerprint)| Ok((view?, fingerprint))).transpose()
    }

    /// Payments, newest first.
    pub fn list(&self, filter: &ListFilter) -> Result<Vec<TransactionView>, StoreError> {
        self.at(self.listed(filter))
    }

    fn listed(&self, filter: &ListFilter) -> Result<Vec<TransactionView>, StoreError> {
        let page = self.payments(list_query(filter, Reach::Near))?;
        // Where the whole page is not among the newest, the others are far: seldom asked for, and never to be searched for
        // row by row while everybody waits.
        let is_whole = page.len() == usize::from(limit_of(filter));
        if is_whole || is_rare(filter) || filter.uid.is_none() {
            Ok(page)
        } else {
            self.payments(list_query(filter, Reach::Far))
        }
    }

    fn payments(&self, (sql, values): (String, Vec<Value>)) -> Result<Vec<TransactionView>, StoreError> {
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }
}

/// Where a uid's payments are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Among the newest: read backwards, whosever they are.
    Near,
    /// Anywhere: all of this uid are looked up in the index of its keys.
    Far,
}

/// How many rows are read backwards for a page at most.
const NEAR: i64 = 5_000;

fn limit_of(filter: &ListFilter) -> u16 {
    filter.limit.clamp(1, 500)
}

/// Whether these have an index of their own.
fn is_rare(filter: &ListFilter) -> bool {
    filter.outcome.is_some_and(|outcome| outcome != Outcome::Approved)
}

fn list_query(filter: &ListFilter, reach: Reach) -> (String, Vec<Value>) {
    let mut terms = String::new();
    let mut values: Vec<Value> = Vec::new();
    let is_rare = is_rare(filter);
    // The rare ones have an index that is read whosever they are.
    let reach = (filter.uid.is_some() && !is_rare).then_some(reach);
    if let Some(uid) = filter.uid {
        // The plus keeps SQLite from sorting all of a uid's payments for one page.
        terms.push_str(if reach == Some(Reach::Far) { " AND uid = ?" } else { " AND +uid = ?" });
        values.push(i64::from(uid).into());
    }
    if let Some(outcome) = filter.outcome {
        // The second term is the one of the index: SQLite uses it only where it reads the same.
        terms.push_str(if is_rare { " AND outcome = ? AND outcome <> 'approved'" } else { " AND outcome = ?" });
        values.push(outcome.as_str().to_owned().into());
    }
    if let Some(before) = filter.before {
        terms.push_str(" AND id < ?");
        values.push(signed(before.0).into());
    }
    if reach == Some(Reach::Near) {
        terms.push_str(" AND id > coalesce(?, (SELECT max(id) FROM payment)) - ?");
        values.push(filter.before.map_or(Value::Null, |before| signed(before.0).into()));
        values.push(NEAR.into());
    }
    values.push(i64::from(limit_of(filter)).into());
    let sql = if reach == Some(Reach::Far) {
        // Sorts numbers, not rows.
        let chosen = format!("SELECT id FROM payment WHERE 1{terms} ORDER BY id DESC LIMIT ?");
        format!("SELECT {COLUMNS} FROM payment WHERE id IN ({chosen}) ORDER BY id DESC")
    } else {
        format!("SELECT {COLUMNS} FROM payment WHERE 1{terms} ORDER BY id DESC LIMIT ?")
    };
    (sql, values)
}

/// How SQLite answers a question.
#[cfg(test)]
pub fn plan(db: &Connection, sql: &str) -> String {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for parameter in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(parameter, 1).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn no_query_reads_or_sorts_the_whole_table() {
        let dir = tempfile::tempdir().unwrap();
        let db = schema::open(&dir.path().join("pos.db"), &schema::OpenOptions::default()).unwrap();
        for (uid, outcome, before, search) in [
            (None, None, None, "SCAN payment"),
            (Some(1), None, None, "INTEGER PRIMARY KEY (rowid>?)"),
            (None, Some(Outcome::Unknown), None, "payment_outcome (outcome=?)"),
            (None, Some(Outcome::ApprovedOffline), Some(TransactionId(9)), "payment_outcome (outcome=? AND rowid<?)"),
            (Some(1), Some(Outcome::Unknown), None, "payment_outcome (outcome=?)"),
            (Some(1), Some(Outcome::Approved), Some(TransactionId(9)), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ] {
            let plan = plan(&db, &list_query(&ListFilter { uid, outcome, before, limit: 50 }, Reach::Near).0);
            assert!(plan.contains(search) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
        let far = ListFilter { uid: Some(1), outcome: None, before: None, limit: 50 };
        let far = plan(&db, &list_query(&far, Reach::Far).0);
        assert!(far.contains("payment USING COVERING INDEX sqlite_autoindex_payment_1 (uid=?)"), "{far}");
        let by_key = plan(&db, "SELECT id FROM payment WHERE uid = ?1 AND key = ?2");
        assert!(by_key.contains("(uid=? AND key=?)"), "{by_key}");
        let by_code = plan(&db, "SELECT id FROM payment WHERE code = ?1 ORDER BY id DESC LIMIT 1");
        assert!(by_code.contains("payment_code") && !by_code.contains("TEMP"), "{by_code}");
        let open = plan(&db, "SELECT id FROM payment WHERE state <> 'finished' ORDER BY id");
        assert!(open.contains("payment_open") && !open.contains("TEMP"), "{open}");
        let last = plan(&db, "SELECT max(id) FROM payment");
        assert!(last.contains("SEARCH"), "{last}");
    }

    #[test]
    fn a_uid_whose_payments_are_old_lists_them_all_page_by_page() {
        let dir = tempfile::tempdir().unwrap();
        let vault = super::super::vault::Vault::new(&[7; 32]);
        let store = Store::open(&dir.path().join("pos.db"), vault).unwrap();
        // Those of 1000 behind all others but one, which is the newest of all.
        let payments = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, state, outcome, evidence, created_at)
             SELECT i, iif(i <= 5 OR i = ?1, 1000, 1001), 'k' || i, '', 'sale', 100, 'CNY', 'finished',
                    iif(i = 2, 'declined', 'approved'), '', 1 FROM n";
        store.db.execute(payments, [2 * NEAR]).unwrap();
        let newest = u64::try_from(2 * NEAR).unwrap();
        let ids = |uid, outcome, before: Option<u64>, limit| {
            let filter = ListFilter { uid: Some(uid), outcome, before: before.map(TransactionId), limit };
            store.list(&filter).unwrap().iter().map(|v| v.id.0).collect::<Vec<_>>()
        };
        assert_eq!(ids(1000, None, None, 3), [newest, 5, 4]);
        assert_eq!(ids(1000, None, Some(4), 50), [3, 2, 1]);
        assert_eq!(ids(1000, Some(Outcome::Approved), None, 50), [newest, 5, 4, 3, 1]);
        assert_eq!(ids(1000, Some(Outcome::Declined), None, 50), [2]);
        assert_eq!(ids(1001, None, None, 2), [newest - 1, newest - 2]);
        assert!(ids(7, None, None, 50).is_empty() && ids(1001, Some(Outcome::Unknown), None, 50).is_empty());
    }
}
