//! What one run, or many together, did: for the table at the end, and to see that the runs come far enough to mean
//! anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Faults injected, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Payments at the end, by how they ended.
    pub payments: BTreeMap<String, u64>,
    /// Other things worth counting.
    pub events: BTreeMap<String, u64>,
}

impl Tally {
    /// One more fault.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// One more of these.
    pub fn event(&mut self, kind: &str) {
        match self.events.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(self.events.insert(kind.to_owned(), 1)),
        }
    }

    /// Takes another's counts in.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (kind, count) in &other.payments {
            *self.payments.entry(kind.clone()).or_default() += count;
        }
        for (kind, count) in &other.events {
            *self.events.entry(kind.clone()).or_default() += count;
        }
    }

    /// All faults together.
    pub fn all_faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// As a table.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut part = |title: &str, rows: &mut dyn Iterator<Item = (&str, u64)>| {
            // Writing to memory does not fail.
            let _ = writeln!(text, "{title}");
            for (name, count) in rows {
                let _ = writeln!(text, "  {name:<42} {count:>12}");
            }
        };
        part("faults", &mut self.faults.iter().map(|(k, n)| (*k, *n)));
        part("payments", &mut self.payments.iter().map(|(k, n)| (k.as_str(), *n)));
        part("events", &mut self.events.iter().map(|(k, n)| (k.as_str(), *n)));
        text
    }
}
