//! Wear counters, one number a day, and the inspection log.
//!
//! Apart from the journal, which is about money: of the counters only the newest days stay, of the log everything.

use rusqlite::{Transaction, TransactionBehavior, params};

use super::{Store, StoreError, impossible, signed};
use crate::domain::ids::OperatorId;
use crate::domain::readings::Readings;
use crate::domain::time::WallTime;
use crate::domain::upkeep::{Counter, Day, Done, Item, KEPT_DAYS, Reading};

impl Store {
    /// Writes numbers of days, each in place of the one that stood there. One commit, and days that are too old go.
    pub fn note_readings(&mut self, readings: &[Reading]) -> Result<(), StoreError> {
        self.ready_to_write()?;
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = write(&tx, readings).and_then(|()| Ok(tx.commit()?));
        written.map_err(|error| error.at(&self.path))
    }

    /// All numbers that are kept. Counters that only another version knows are left out.
    pub fn readings(&self) -> Result<Readings, StoreError> {
        self.at(self.read_readings())
    }

    fn read_readings(&self) -> Result<Readings, StoreError> {
        let mut statement = self.db.prepare("SELECT day, counter, value FROM upkeep ORDER BY day")?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(counter) = Counter::from_word(&row.get::<_, String>(1)?) else { continue };
            let value = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            all.push(Reading { day: Day(row.get(0)?), counter, value });
        }
        Ok(Readings(all))
    }

    /// Adds a line to the inspection log.
    pub fn note_done(&mut self, done: &Done) -> Result<(), StoreError> {
        self.ready_to_write()?;
        let sql = "INSERT INTO upkeep_log (at, item, operator, uid, note) VALUES (?1, ?2, ?3, ?4, ?5)";
        let operator = done.operator.as_ref().map(OperatorId::as_str);
        let row = params![signed(done.at.0), done.item.as_str(), operator, done.uid, done.note];
        let written = self.db.execute(sql, row).map(drop).map_err(StoreError::from);
        written.map_err(|error| error.at(&self.path))
    }

    /// The newest lines of the inspection log, newest first.
    pub fn upkeep_log(&self, limit: u16) -> Result<Vec<Done>, StoreError> {
        let sql = "SELECT at, item, operator, uid, note FROM upkeep_log ORDER BY number DESC LIMIT ?1";
        self.at(self.read_log(sql, limit))
    }

    /// The last time of each item.
    pub fn last_done(&self) -> Result<Vec<Done>, StoreError> {
        let sql = "SELECT at, item, operator, uid, note FROM upkeep_log
                   WHERE number IN (SELECT max(number) FROM upkeep_log GROUP BY item) LIMIT ?1";
        self.at(self.read_log(sql, u16::MAX))
    }

    fn read_log(&self, sql: &str, limit: u16) -> Result<Vec<Done>, StoreError> {
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([limit])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            // Another version may know more items; its lines are kept, but mean nothing here.
            let Some(item) = Item::from_word(&row.get::<_, String>(1)?) else { continue };
            let operator = row.get::<_, Option<String>>(2)?;
            let operator = match operator {
                Some(text) => Some(OperatorId::new(&text).ok_or_else(|| impossible("upkeep_log.operator"))?),
                None => None,
            };
            all.push(Done {
                at: WallTime(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0)),
                item,
                operator,
                uid: row.get(3)?,
                note: row.get(4)?,
            });
        }
        Ok(all)
    }
}

fn write(tx: &Transaction<'_>, readings: &[Reading]) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO upkeep VALUES (?1, ?2, ?3)")?;
    for reading in readings {
        insert.execute(params![reading.day.0, reading.counter.as_str(), signed(reading.value)])?;
    }
    // By their number, not their age: a clock that is wrong for a while takes nothing away.
    let old = "DELETE FROM upkeep WHERE day NOT IN (SELECT DISTINCT day FROM upkeep ORDER BY day DESC LIMIT ?1)";
    tx.execute(old, [KEPT_DAYS])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::vault::Vault;

    fn open(dir: &tempfile::TempDir) -> Store {
        Store::open(&dir.path().join("pos.db"), Vault::new(&[7; 32])).unwrap()
    }

    fn reading(day: u32, counter: Counter, value: u64) -> Reading {
        Reading { day: Day(day), counter, value }
    }

    #[test]
    fn a_day_has_one_row_a_counter_and_only_the_newest_days_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir);
        store.db.pragma_update(None, "synchronous", "OFF").unwrap();
        for day in 20_000..20_000 + KEPT_DAYS + 25 {
            for value in 1..=3 {
                let all: Vec<_> = Counter::ALL.iter().map(|c| reading(day, *c, value)).collect();
                store.note_readings(&all).unwrap();
            }
        }
        drop(store);
        let store = open(&dir);
        let found = store.readings().unwrap().0;
        assert_eq!(found.len(), usize::try_from(KEPT_DAYS).unwrap() * Counter::ALL.len());
        assert_eq!((found[0].day, found[0].value), (Day(20_025), 3));
        let journal: u32 = store.db.query_row("SELECT count(*) FROM journal", [], |r| r.get(0)).unwrap();
        assert_eq!(journal, 0);
    }

    #[test]
    fn a_clock_that_was_wrong_takes_no_history_away() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir);
        store.note_readings(&[reading(20_000, Counter::Taps, 9), reading(0, Counter::Taps, 1)]).unwrap();
        assert_eq!(store.readings().unwrap().0, [reading(0, Counter::Taps, 1), reading(20_000, Counter::Taps, 9)]);
    }

    #[test]
    fn the_inspection_log_can_only_grow() {
        let dir = tempfile::tempdir().unwrap();
        let line = |at, item, operator: Option<&str>, note: &str| Done {
            at: WallTime(at),
            item,
            operator: operator.and_then(OperatorId::new),
            uid: 1000,
            note: note.to_owned(),
        };
        let all = [
            line(1, Item::Start, None, ""),
            line(2, Item::Cleaning, Some("01"), "wiped"),
            line(3, Item::Cleaning, Some("02"), "wiped again"),
        ];
        let mut store = open(&dir);
        all.iter().for_each(|done| store.note_done(done).unwrap());
        drop(store);
        let store = open(&dir);
        let newest: Vec<_> = all.iter().rev().cloned().collect();
        assert_eq!(store.upkeep_log(10).unwrap(), newest);
        assert_eq!(store.upkeep_log(1).unwrap(), newest[..1]);
        let last = store.last_done().unwrap();
        assert_eq!(last, [all[0].clone(), all[2].clone()]);
        for change in ["UPDATE upkeep_log SET note = ''", "DELETE FROM upkeep_log"] {
            assert!(store.db.execute_batch(change).is_err(), "{change}");
        }
        assert_eq!(store.upkeep_log(10).unwrap(), newest);
    }
}
