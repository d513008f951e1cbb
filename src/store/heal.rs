//! The ledger of self-healing: faults, what was done about them, whether it helped.
//!
//! Apart from the journal, which is kept for ever and is about money: here only the newest rows stay.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Store, StoreError, impossible, signed};
use crate::domain::cause::Cause;
use crate::domain::heal::{Effect, Fault, Measure, Part, Rung};
use crate::domain::time::WallTime;

/// Faults that are kept.
pub const MOST_FAULTS: u16 = 1_000;

impl Store {
    /// Writes a fault down, flushed; gives its number.
    pub fn note_fault(&mut self, fault: &Fault) -> Result<u64, StoreError> {
        self.ready_to_write()?;
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = write(&tx, fault).and_then(|number| Ok((number, tx.commit()?)));
        written.map(|(number, ())| number).map_err(|error| error.at(&self.path))
    }

    /// The newest faults, newest first.
    pub fn faults(&self, limit: u16) -> Result<Vec<Fault>, StoreError> {
        self.at(self.read_faults(limit))
    }

    fn read_faults(&self, limit: u16) -> Result<Vec<Fault>, StoreError> {
        let mut measures =
            self.db.prepare("SELECT rung, at, effect FROM heal_measure WHERE heal = ?1 ORDER BY place")?;
        let sql = "SELECT number, part, cause, began, lasted FROM heal ORDER BY number DESC LIMIT ?1";
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([limit])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let mut taken = Vec::new();
            let mut found = measures.query([number])?;
            while let Some(row) = found.next()? {
                let rung = Rung::from_word(&row.get::<_, String>(0)?).ok_or_else(|| impossible("heal_measure.rung"))?;
                let effect =
                    Effect::from_word(&row.get::<_, String>(2)?).ok_or_else(|| impossible("heal_measure.effect"))?;
                taken.push(Measure { rung, at: WallTime(unsigned(row.get(1)?)), effect });
            }
            all.push(Fault {
                number: Some(unsigned(number)),
                part: Part::from_word(&row.get::<_, String>(1)?).ok_or_else(|| impossible("heal.part"))?,
                cause: Cause::from_word(&row.get::<_, String>(2)?).ok_or_else(|| impossible("heal.cause"))?,
                began: WallTime(unsigned(row.get(3)?)),
                lasted: row.get::<_, Option<i64>>(4)?.map(|t| Duration::from_micros(unsigned(t))),
                measures: taken,
            });
        }
        Ok(all)
    }
}

fn write(tx: &Transaction<'_>, fault: &Fault) -> Result<u64, StoreError> {
    let lasted = fault.lasted.map(|t| i64::try_from(t.as_micros()).unwrap_or(i64::MAX));
    let sql = "INSERT INTO heal (number, part, cause, began, lasted) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (number) DO UPDATE SET lasted = ?5 RETURNING number";
    let row =
        params![fault.number.map(signed), fault.part.as_str(), fault.cause.as_str(), signed(fault.began.0), lasted];
    let number: Option<i64> = tx.query_row(sql, row, |r| r.get(0)).optional()?;
    let number = number.ok_or_else(|| impossible("heal.number"))?;
    tx.execute("DELETE FROM heal_measure WHERE heal = ?1", [number])?;
    let mut insert = tx.prepare_cached("INSERT INTO heal_measure VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (place, measure) in (0i64..).zip(&fault.measures) {
        insert.execute(params![number, place, measure.rung.as_str(), signed(measure.at.0), measure.effect.as_str()])?;
    }
    tx.execute("DELETE FROM heal WHERE number <= ?1", [number.saturating_sub(i64::from(MOST_FAULTS))])?;
    Ok(unsigned(number))
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::vault::Vault;

    fn fault(cause: Cause) -> Fault {
        let measure = |rung, effect| Measure { rung, at: WallTime(11), effect };
        Fault {
            number: None,
            part: Part::Reader,
            cause,
            began: WallTime(10),
            lasted: None,
            measures: vec![measure(Rung::Reopen, Effect::NotHelped), measure(Rung::RestartService, Effect::Open)],
        }
    }

    fn open(dir: &tempfile::TempDir) -> Store {
        Store::open(&dir.path().join("pos.db"), Vault::new(&[7; 32])).unwrap()
    }

    #[test]
    fn an_open_fault_survives_the_restart_that_it_led_to_and_is_closed_under_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let number = open(&dir).note_fault(&fault(Cause::H02)).unwrap();
        let mut store = open(&dir);
        let mut found = store.faults(10).unwrap();
        assert_eq!(found, [Fault { number: Some(number), ..fault(Cause::H02) }]);
        let mut closed = found.remove(0);
        closed.lasted = Some(Duration::from_secs(3));
        closed.measures[1].effect = Effect::Helped;
        assert_eq!(store.note_fault(&closed).unwrap(), number);
        assert_eq!(store.faults(10).unwrap(), [closed]);
    }

    #[test]
    fn only_the_newest_rows_stay_and_the_journal_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir);
        store.db.pragma_update(None, "synchronous", "OFF").unwrap();
        for _ in 0..MOST_FAULTS + 20 {
            store.note_fault(&fault(Cause::H01)).unwrap();
        }
        let count = |table: &str| -> u16 {
            store.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
        };
        assert_eq!((count("heal"), count("heal_measure"), count("journal")), (MOST_FAULTS, 2 * MOST_FAULTS, 0));
        assert_eq!(store.faults(1).unwrap()[0].number, Some(u64::from(MOST_FAULTS) + 20));
    }
}
