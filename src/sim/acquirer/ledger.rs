//! What cardholders were charged: the truth against which a terminal's own books are held.
//!
//! Owns: every decided sale, once; its reversal, once; totals. Must not know: messages, keys. Card numbers only masked.
//!
//! Each line of the file is a JSON object: `at` (Unix microseconds), `status` (`charged`, `declined`, `reversed`),
//! `terminal`, `batch`, `trace`, `pan` (masked), `amount` (minor units charged),
//! `asked` (minor units asked for), `currency`, `rrn`, `auth`, `code`. Reading the
//! file back gives the ledger again, so a host that restarts still knows what it has charged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::time::WallTime;

/// Decided sales that are kept in memory; further ones are refused with 96.
pub const MAX_ENTRIES: usize = 2_000_000;

/// What has become of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The cardholder pays.
    Charged,
    /// Refused; its trace is used up.
    Declined,
    /// Charged and taken back.
    Reversed,
}

/// Which sale: terminal, batch, trace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Field 41.
    pub terminal: String,
    /// Field 60.2.
    pub batch: u32,
    /// Field 11.
    pub trace: u32,
}

/// One sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What has become of it.
    pub status: Status,
    /// Masked card number.
    pub pan: String,
    /// Minor units that were charged.
    pub amount: u64,
    /// Minor units that were asked for; more only than a partial approval.
    pub asked: u64,
    /// Field 49.
    pub currency: String,
    /// Field 37 of its answer.
    pub rrn: String,
    /// Field 38 of its answer, empty if it was declined.
    pub auth: String,
    /// Field 39 of its answer; of a reversed one, the reason for the reversal.
    pub code: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: u64,
    status: Status,
    terminal: String,
    batch: u32,
    trace: u32,
    pan: String,
    amount: u64,
    asked: u64,
    currency: String,
    rrn: String,
    auth: String,
    code: String,
}

/// Sums over all sales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Sales that cardholders pay.
    pub charged: u64,
    /// Their amounts together, in minor units.
    pub charged_sum: u64,
    /// Sales taken back.
    pub reversed: u64,
    /// Their amounts together.
    pub reversed_sum: u64,
    /// Sales refused.
    pub declined: u64,
}

/// The books.
#[derive(Default)]
pub struct Ledger {
    entries: BTreeMap<Key, Entry>,
    totals: Totals,
}

impl Ledger {
    /// Rebuilds the books from the lines of a file; the error names the line.
    pub fn replay(lines: &str) -> Result<Self, String> {
        let mut ledger = Self::default();
        for (index, line) in lines.lines().enumerate() {
            let wrong = |why: &str| format!("line {} of the ledger {why}; move the file away", index + 1);
            let line: Line = serde_json::from_str(line).map_err(|_| wrong("is none of its lines"))?;
            let key = Key { terminal: line.terminal, batch: line.batch, trace: line.trace };
            let known = ledger.entries.get(&key).map(|entry| entry.status);
            match (known, line.status) {
                (None, Status::Charged | Status::Declined) | (Some(Status::Charged), Status::Reversed) => {}
                (None, Status::Reversed) => return Err(wrong("reverses a sale that is not there")),
                (Some(_), _) => return Err(wrong("repeats a sale")),
            }
            ledger.book(
                key,
                Entry {
                    status: line.status,
                    pan: line.pan,
                    amount: line.amount,
                    asked: line.asked,
                    currency: line.currency,
                    rrn: line.rrn,
                    auth: line.auth,
                    code: line.code,
                },
            );
        }
        Ok(ledger)
    }

    /// The sale with this key, whatever has become of it.
    pub fn find(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Whether there is room for another sale.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES
    }

    /// Writes a sale, or its new status, and gives the line for the file.
    pub fn write(&mut self, at: WallTime, key: Key, entry: Entry) -> String {
        let line = Line {
            at: at.0,
            status: entry.status,
            terminal: key.terminal.clone(),
            batch: key.batch,
            trace: key.trace,
            pan: entry.pan.clone(),
            amount: entry.amount,
            asked: entry.asked,
            currency: entry.currency.clone(),
            rrn: entry.rrn.clone(),
            auth: entry.auth.clone(),
            code: entry.code.clone(),
        };
        self.book(key, entry);
        // Only strings and numbers: this cannot fail.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Sums over all sales.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn book(&mut self, key: Key, entry: Entry) {
        let totals = &mut self.totals;
        match entry.status {
            Status::Charged => {
                totals.charged += 1;
                totals.charged_sum += entry.amount;
            }
            Status::Declined => totals.declined += 1,
            Status::Reversed => {
                totals.charged = totals.charged.saturating_sub(1);
                totals.charged_sum = totals.charged_sum.saturating_sub(entry.amount);
                totals.reversed += 1;
                totals.reversed_sum += entry.amount;
            }
        }
        self.entries.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(trace: u32) -> Key {
        Key { terminal: "99000001".to_owned(), batch: 2, trace }
    }

    fn entry(status: Status, amount: u64) -> Entry {
        let text = |t: &str| t.to_owned();
        let (pan, currency, rrn) = (text("620000******0018"), text("156"), text("060110000001"));
        Entry { status, pan, amount, asked: amount, currency, rrn, auth: text("123456"), code: text("00") }
    }

    #[test]
    fn the_books_read_back_from_their_own_lines() {
        let mut ledger = Ledger::default();
        let mut lines = String::new();
        for (trace, status, amount) in
            [(1, Status::Charged, 100), (2, Status::Charged, 250), (3, Status::Declined, 7), (1, Status::Reversed, 100)]
        {
            lines += &ledger.write(WallTime(5), key(trace), entry(status, amount));
            lines.push('\n');
        }
        let expected = Totals { charged: 1, charged_sum: 250, reversed: 1, reversed_sum: 100, declined: 1 };
        assert_eq!(ledger.totals(), expected);
        let again = Ledger::replay(&lines).unwrap();
        assert_eq!(again.totals(), expected);
        assert_eq!(again.find(&key(1)).map(|e| e.status), Some(Status::Reversed));
        assert_eq!(again.entries, ledger.entries);
    }

    #[test]
    fn lines_that_cannot_be_are_named() {
        let mut ledger = Ledger::default();
        let charged = ledger.write(WallTime(5), key(1), entry(Status::Charged, 100));
        let reversed = ledger.write(WallTime(6), key(1), entry(Status::Reversed, 100));
        let why = |lines: &[&str]| Ledger::replay(&lines.join("\n")).err().unwrap();
        assert!(why(&[&charged, "{}"]).starts_with("line 2 of the ledger is none"));
        assert!(why(&[&charged, &charged]).contains("repeats"));
        assert!(why(&[&charged, &reversed, &reversed]).contains("line 3 of the ledger repeats"));
        assert!(why(&[&reversed]).contains("not there"));
    }
}
