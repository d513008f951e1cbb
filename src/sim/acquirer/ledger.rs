//! What cardholders were charged: the truth against which a terminal's own books are held.
//!
//! Owns: every decided payment, once; its reversal, once; totals. Must not know: messages, keys. Card numbers only masked.
//!
//! Each line of the file is a JSON object: `terminal`, `batch`, `trace`, `at` (Unix microseconds), `kind` (`online`,
//! `offline` for an upload), `status` (`charged`, `declined`, `reversed`), `pan` (masked), `amount` (minor units charged),
//! `asked` (minor units asked for), `currency`, `rrn`, `auth`, `date` (MMDD of its answer), `code`. A later line for the
//! same payment takes the place of the earlier one. Reading the file back gives the ledger again, so a host that restarts
//! still knows what it has charged.
//!
//! An online sale is decided once: its trace is used up. A declined upload may come again, by and by, and is decided anew;
//! once it is charged, it stays charged. Whatever is asked or written here costs one look-up, however many there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Decided payments that are kept in memory; further ones are refused with 96.
pub const MAX_ENTRIES: usize = 2_000_000;

/// How a payment came here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// 0200, while the customer waited.
    #[default]
    Online,
    /// 0220 or 0221, accepted by the terminal before.
    Offline,
}

/// What has become of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The cardholder pays.
    Charged,
    /// Refused.
    Declined,
    /// Charged and taken back.
    Reversed,
}

/// Which payment: terminal, batch, trace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Field 41.
    pub terminal: String,
    /// Field 60.2.
    pub batch: u32,
    /// Field 11.
    pub trace: u32,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was decided, Unix microseconds.
    pub at: u64,
    /// How it came here.
    #[serde(default)]
    pub kind: Kind,
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
    /// Field 13 of its answer.
    #[serde(default)]
    pub date: String,
    /// Field 39 of its answer; of a reversed one, the reason for the reversal.
    pub code: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    key: Key,
    #[serde(flatten)]
    entry: Entry,
}

/// Sums over payments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Payments that cardholders pay.
    pub charged: u64,
    /// Their amounts together, in minor units.
    pub charged_sum: u64,
    /// Payments taken back.
    pub reversed: u64,
    /// Their amounts together.
    pub reversed_sum: u64,
    /// Payments refused.
    pub declined: u64,
}

impl Totals {
    fn add(&mut self, status: Status, amount: u64) {
        match status {
            Status::Charged => (self.charged, self.charged_sum) = (self.charged + 1, self.charged_sum + amount),
            Status::Reversed => (self.reversed, self.reversed_sum) = (self.reversed + 1, self.reversed_sum + amount),
            Status::Declined => self.declined += 1,
        }
    }

    /// Of what was added before.
    fn remove(&mut self, status: Status, amount: u64) {
        match status {
            Status::Charged => (self.charged, self.charged_sum) = (self.charged - 1, self.charged_sum - amount),
            Status::Reversed => (self.reversed, self.reversed_sum) = (self.reversed - 1, self.reversed_sum - amount),
            Status::Declined => self.declined -= 1,
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            charged: self.charged + other.charged,
            charged_sum: self.charged_sum + other.charged_sum,
            reversed: self.reversed + other.reversed,
            reversed_sum: self.reversed_sum + other.reversed_sum,
            declined: self.declined + other.declined,
        }
    }
}

/// The books.
#[derive(Default)]
pub struct Ledger {
    entries: BTreeMap<Key, Entry>,
    online: Totals,
    offline: Totals,
}

impl Ledger {
    /// Rebuilds the books from the lines of a file; the error names the line.
    pub fn replay(lines: &str) -> Result<Self, String> {
        let mut ledger = Self::default();
        for (index, line) in lines.lines().enumerate() {
            let wrong = |why: &str| format!("line {} of the ledger {why}; move the file away", index + 1);
            let Line { key, entry } = serde_json::from_str(line).map_err(|_| wrong("is none of its lines"))?;
            may_follow(ledger.entries.get(&key), &entry).map_err(wrong)?;
            ledger.book(key, entry);
        }
        Ok(ledger)
    }

    /// The payment with this key, whatever has become of it.
    pub fn find(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Whether there is room for another payment.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES
    }

    /// Writes a payment, or its new status, and gives the line for the file.
    pub fn write(&mut self, key: Key, entry: Entry) -> String {
        let line = line(&key, &entry);
        self.book(key, entry);
        line
    }

    /// Sums over all payments.
    pub fn totals(&self) -> Totals {
        self.online.with(self.offline)
    }

    /// Sums over those of one kind.
    pub fn totals_of(&self, kind: Kind) -> Totals {
        match kind {
            Kind::Online => self.online,
            Kind::Offline => self.offline,
        }
    }

    fn book(&mut self, key: Key, entry: Entry) {
        let (kind, status, amount) = (entry.kind, entry.status, entry.amount);
        if let Some(old) = self.entries.insert(key, entry) {
            self.sums(old.kind).remove(old.status, old.amount);
        }
        self.sums(kind).add(status, amount);
    }

    fn sums(&mut self, kind: Kind) -> &mut Totals {
        match kind {
            Kind::Online => &mut self.online,
            Kind::Offline => &mut self.offline,
        }
    }
}

/// One payment as in the file.
pub fn line(key: &Key, entry: &Entry) -> String {
    // Only strings and numbers: this cannot fail.
    serde_json::to_string(&Line { key: key.clone(), entry: entry.clone() }).unwrap_or_default()
}

fn may_follow(known: Option<&Entry>, next: &Entry) -> Result<(), &'static str> {
    match (known.map(|entry| (entry.kind, entry.status)), next.kind, next.status) {
        (None, _, Status::Charged | Status::Declined) => Ok(()),
        (None, _, Status::Reversed) => Err("reverses a sale that is not there"),
        (Some((Kind::Online, Status::Charged)), Kind::Online, Status::Reversed) => Ok(()),
        (Some((Kind::Offline, Status::Declined)), Kind::Offline, Status::Charged | Status::Declined) => Ok(()),
        (Some(_), _, _) => Err("repeats a sale"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(trace: u32) -> Key {
        Key { terminal: "99000001".to_owned(), batch: 2, trace }
    }

    fn entry(kind: Kind, status: Status, amount: u64) -> Entry {
        let text = |t: &str| t.to_owned();
        let (pan, currency, rrn) = (text("620000******0018"), text("156"), text("060110000001"));
        let (auth, date, code) = (text("123456"), text("0601"), text("00"));
        Entry { at: 5, kind, status, pan, amount, asked: amount, currency, rrn, auth, date, code }
    }

    #[test]
    fn the_books_read_back_from_their_own_lines() {
        let mut ledger = Ledger::default();
        let mut lines = String::new();
        for (trace, kind, status, amount) in [
            (1, Kind::Online, Status::Charged, 100),
            (2, Kind::Online, Status::Charged, 250),
            (3, Kind::Online, Status::Declined, 7),
            (1, Kind::Online, Status::Reversed, 100),
            (4, Kind::Offline, Status::Declined, 30),
            (4, Kind::Offline, Status::Declined, 30),
            (5, Kind::Offline, Status::Charged, 40),
            (4, Kind::Offline, Status::Charged, 30),
            (6, Kind::Offline, Status::Declined, 9),
        ] {
            lines += &ledger.write(key(trace), entry(kind, status, amount));
            lines.push('\n');
        }
        let online = Totals { charged: 1, charged_sum: 250, reversed: 1, reversed_sum: 100, declined: 1 };
        let offline = Totals { charged: 2, charged_sum: 70, reversed: 0, reversed_sum: 0, declined: 1 };
        let both = Totals { charged: 3, charged_sum: 320, reversed: 1, reversed_sum: 100, declined: 2 };
        let again = Ledger::replay(&lines).unwrap();
        for books in [&ledger, &again] {
            assert_eq!(books.totals_of(Kind::Online), online);
            assert_eq!(books.totals_of(Kind::Offline), offline);
            assert_eq!(books.totals(), both);
        }
        assert_eq!(again.find(&key(1)).map(|e| e.status), Some(Status::Reversed));
        assert_eq!(again.entries, ledger.entries);
    }

    #[test]
    fn lines_that_cannot_be_are_named() {
        let mut ledger = Ledger::default();
        let mut line = |kind, status| ledger.write(key(1), entry(kind, status, 100));
        let charged = line(Kind::Online, Status::Charged);
        let reversed = line(Kind::Online, Status::Reversed);
        let declined = line(Kind::Online, Status::Declined);
        let uploaded = line(Kind::Offline, Status::Charged);
        let refused = line(Kind::Offline, Status::Declined);
        let why = |lines: &[&str]| Ledger::replay(&lines.join("\n")).err().unwrap();
        assert!(why(&[&charged, "{}"]).starts_with("line 2 of the ledger is none"));
        assert!(why(&[&charged, &charged]).contains("repeats"));
        assert!(why(&[&charged, &reversed, &reversed]).contains("line 3 of the ledger repeats"));
        assert!(why(&[&reversed]).contains("not there"));
        assert!(why(&[&refused, &uploaded, &uploaded]).contains("line 3 of the ledger repeats"));
        for second in [&charged, &uploaded, &reversed] {
            assert!(why(&[&declined, second]).contains("repeats"));
        }
        for first in [&charged, &uploaded] {
            assert!(why(&[first, &refused]).contains("repeats"));
        }
    }

    #[test]
    fn a_file_from_before_there_were_uploads_is_online() {
        let old = r#"{"at":5,"status":"charged","terminal":"99000001","batch":2,"trace":1,"pan":"620000******0018","amount":100,"asked":100,"currency":"156","rrn":"060110000001","auth":"123456","code":"00"}"#;
        let ledger = Ledger::replay(old).unwrap();
        assert_eq!(ledger.totals_of(Kind::Online).charged_sum, 100);
    }
}
