//! The journal: what was committed, one row a commit, chained by a keyed hash.
//!
//! Owns: the chain, its head, and the check of both. Must not know: what the entries say (`entry`). A row's chain value is
//! a hash over the row and the value before it, so that no row can be altered, taken out or moved without the sealing key.
//! The head (last number, and a hash over it and the last row's value) is kept in another table, so that rows cut off at
//! the end are missed. A break that is found at start is written down as a row of its own before the journal goes on: it
//! can never be covered up by what follows.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use subtle::ConstantTimeEq;

use super::vault::{Purpose, Tag, Vault};
use super::{Store, StoreError, entry, impossible, signed};
use crate::domain::time::WallTime;
use crate::engine::command::{JournalCheck, JournalRow};

/// What the first row is chained to.
const ORIGIN: Tag = [0; 16];

/// The end of the journal, as the next commit continues it.
#[derive(Clone, Debug)]
pub struct Journal {
    last: u64,
    chain: Tag,
    /// Whether the sealing key is known to the database.
    keyed: bool,
    /// Whether there were payments before there was a journal.
    late: bool,
    /// What was found wrong at start and is not written down yet.
    broken: Option<String>,
}

impl Journal {
    /// Looks at the last row and the head. Another sealing key than the one that wrote them is an error.
    pub fn open(db: &Connection, vault: &Vault) -> Result<Self, StoreError> {
        let (known, last, seal): (Option<Tag>, i64, Option<Vec<u8>>) =
            db.query_row("SELECT key_check, journal_last, journal_seal FROM terminal", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })?;
        if known.is_some_and(|known| !same(&known, &key_check(vault))) {
            return Err(StoreError::WrongSealingKey);
        }
        let row: Option<(i64, Vec<u8>)> = db
            .query_row("SELECT number, chain FROM journal ORDER BY number DESC LIMIT 1", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()?;
        let (number, chain) = row.unwrap_or((0, ORIGIN.to_vec()));
        let nothing_yet = last == 0 && known.is_none();
        let sealed = seal.is_some_and(|seal| same(&seal, &head(vault, last, &chain)));
        let broken = if number != last {
            Some(format!("the journal ended at row {number}, its head said {last}"))
        } else if nothing_yet || sealed {
            None
        } else {
            Some(format!("the head of the journal was altered at row {last}"))
        };
        let last = u64::try_from(number.max(last)).map_err(|_| impossible("terminal.journal_last"))?;
        let late = last == 0 && db.query_row("SELECT EXISTS (SELECT 1 FROM payment)", [], |r| r.get(0))?;
        let chain = chain.try_into().unwrap_or(ORIGIN);
        Ok(Self { last, chain, keyed: known.is_some(), late, broken })
    }

    /// Adds a row. What is returned takes this one's place once the transaction is on disk.
    pub fn append(&self, tx: &Transaction<'_>, vault: &Vault, at: WallTime, entry: &str) -> Result<Self, StoreError> {
        let mut next = self.clone();
        if !self.keyed {
            tx.execute("UPDATE terminal SET key_check = ?1", [key_check(vault)])?;
            next.keyed = true;
        }
        if self.last == 0 {
            next.add(tx, vault, at, &entry::begun(self.late))?;
        }
        if let Some(what) = next.broken.take() {
            next.add(tx, vault, at, &entry::broken(&what))?;
        }
        next.add(tx, vault, at, entry)?;
        tx.prepare_cached("UPDATE terminal SET journal_last = ?1, journal_seal = ?2")?
            .execute(params![signed(next.last), head(vault, signed(next.last), &next.chain)])?;
        Ok(next)
    }

    fn add(&mut self, tx: &Transaction<'_>, vault: &Vault, at: WallTime, entry: &str) -> Result<(), StoreError> {
        self.last = self.last.saturating_add(1);
        self.chain = link(vault, &self.chain, signed(self.last), signed(at.0), entry);
        tx.prepare_cached("INSERT INTO journal (number, at, entry, chain) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![signed(self.last), signed(at.0), entry, self.chain])?;
        Ok(())
    }
}

fn key_check(vault: &Vault) -> Tag {
    vault.tag(Purpose::KeyCheck, &[])
}

fn head(vault: &Vault, last: i64, chain: &[u8]) -> Tag {
    vault.tag(Purpose::JournalHead, &[&last.to_be_bytes(), chain])
}

fn link(vault: &Vault, before: &Tag, number: i64, at: i64, entry: &str) -> Tag {
    vault.tag(Purpose::JournalRow, &[before, &number.to_be_bytes(), &at.to_be_bytes(), entry.as_bytes()])
}

fn same(one: &[u8], other: &Tag) -> bool {
    one.ct_eq(other).into()
}

/// A check of the whole journal, taken in portions so that nobody has to wait for all of it.
pub struct Walk {
    read: u64,
    last: i64,
    chain: Tag,
}

impl Default for Walk {
    fn default() -> Self {
        Self { read: 0, last: 0, chain: ORIGIN }
    }
}

impl Walk {
    fn found(&self, number: i64, what: impl Into<String>) -> Option<JournalCheck> {
        let number = u64::try_from(number).unwrap_or(0);
        Some(JournalCheck { rows: self.read, broken: Some((number, what.into())) })
    }
}

impl Store {
    /// Checks the journal from its first row to its last, and its head. Reads row by row.
    pub fn verify_journal(&self) -> Result<JournalCheck, StoreError> {
        let mut walk = Walk::default();
        loop {
            if let Some(check) = self.verify_on(&mut walk, u32::MAX)? {
                return Ok(check);
            }
        }
    }

    /// The same, at most so many rows further; `None` as long as there is more.
    pub fn verify_on(&self, walk: &mut Walk, rows: u32) -> Result<Option<JournalCheck>, StoreError> {
        self.at(self.check_rows(walk, rows))
    }

    fn check_rows(&self, walk: &mut Walk, limit: u32) -> Result<Option<JournalCheck>, StoreError> {
        let sql = "SELECT number, at, entry, chain FROM journal WHERE number > ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![walk.last, limit])?;
        let mut left = limit;
        while let Some(row) = rows.next()? {
            left = left.saturating_sub(1);
            let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
            if number != walk.last + 1 {
                let what = format!("missing: row {} is followed by row {number}", walk.last);
                return Ok(walk.found(walk.last + 1, what));
            }
            walk.read += 1;
            let text = row.get_ref(2)?.as_str().unwrap_or_default();
            let chain = link(&self.vault, &walk.chain, number, at, text);
            if !same(row.get_ref(3)?.as_blob().unwrap_or_default(), &chain) {
                let what = "altered: neither it nor what follows is proved; or written under another sealing key";
                return Ok(walk.found(number, what));
            }
            if let Some(what) = entry::break_of(text) {
                return Ok(walk.found(number, format!("the journal was continued over a break: {what}")));
            }
            (walk.last, walk.chain) = (number, chain);
        }
        if left == 0 { Ok(None) } else { self.check_head(walk).map(Some) }
    }

    fn check_head(&self, walk: &Walk) -> Result<JournalCheck, StoreError> {
        let (last, seal): (i64, Option<Vec<u8>>) =
            self.db.query_row("SELECT journal_last, journal_seal FROM terminal", [], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let sound = JournalCheck { rows: walk.read, broken: None };
        let nothing_yet = last == 0 && walk.last == 0 && seal.is_none();
        let found = if last > walk.last {
            walk.found(walk.last + 1, format!("missing: the journal was cut off, its head says {last} rows"))
        } else if last < walk.last {
            walk.found(last + 1, format!("not written by smartposd: the head says {last} rows"))
        } else if nothing_yet || seal.is_some_and(|seal| same(&seal, &head(&self.vault, last, &walk.chain))) {
            None
        } else {
            walk.found(last, "the head was altered: rows behind this one may be missing")
        };
        Ok(found.unwrap_or(sound))
    }

    /// Rows behind this one, oldest first.
    pub fn export_journal(&self, after: u64, limit: u16) -> Result<Vec<JournalRow>, StoreError> {
        self.at(self.rows(after, limit.clamp(1, 1000)))
    }

    fn rows(&self, after: u64, limit: u16) -> Result<Vec<JournalRow>, StoreError> {
        let sql = "SELECT number, at, entry, chain FROM journal WHERE number > ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![signed(after), limit])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let count = |n: i64| u64::try_from(n).unwrap_or(0);
            let chain: Vec<u8> = row.get(3)?;
            all.push(JournalRow {
                number: count(row.get(0)?),
                at: WallTime(count(row.get(1)?)),
                entry: row.get(2)?,
                chain: chain.iter().map(|b| format!("{b:02x}")).collect(),
            });
        }
        Ok(all)
    }
}
