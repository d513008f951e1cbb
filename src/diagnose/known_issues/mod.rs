//! Faults of parts and programs that others have found and published, matched with the inventory of this machine. Pure.
//!
//! Owns: [`table`], the issues as data, each with its public sources; `KNOWN_ISSUES.md` shows them. Must not know: how an inventory is taken.

pub mod table;
#[cfg(test)]
mod tests;

use crate::diagnose::text::Text;
use crate::domain::inventory::{Adapter, Inventory};

/// How sure it is that a machine that meets the conditions has the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It has it.
    Certain,
    /// It may have it: what tells the good from the bad cannot be seen from here.
    Possible,
}

impl Certainty {
    /// As it is printed for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Possible => "possible",
        }
    }
}

/// Something that must be so. Text that the inventory lacks meets no condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The kernel, from a version on and before another.
    Kernel(&'static str, &'static str),
    /// SQLite inside this program, likewise.
    Sqlite(&'static str, &'static str),
    /// A package is installed.
    Installed(&'static str),
    /// A package is installed in a version before this one.
    Older(&'static str, &'static str),
    /// The board's model has one of these words.
    Board(&'static [&'static str]),
    /// The reader's port is called so.
    ReaderPort(&'static str),
    /// The kernel has its console on the reader's port.
    ConsoleAtReader,
    /// Some adapter of these is plugged in: vendor, product, release; "" is any.
    AnyAdapter(&'static [[&'static str; 3]]),
    /// The reader's own adapter is one of these.
    ReaderAdapter(&'static [[&'static str; 3]]),
    /// The reader's adapter holds data back for more than so many milliseconds.
    ReaderLatencyAbove(u32),
    /// The reader calls itself so, and its firmware is older than this version.
    ReaderOlder(&'static str, &'static str),
}

/// A known issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its name, for ever.
    pub name: &'static str,
    /// All of these must be so.
    pub conditions: &'static [Condition],
    /// How sure that is.
    pub certainty: Certainty,
    /// What happens.
    pub effect: Text,
    /// What to do about it.
    pub remedy: Text,
    /// Where it is published.
    pub sources: &'static [&'static str],
}

/// The issues that this machine has or may have.
pub fn matching(inventory: &Inventory) -> Vec<&'static Issue> {
    table::ISSUES.iter().filter(|issue| issue.conditions.iter().all(|condition| condition.met(inventory))).collect()
}

impl Condition {
    /// Whether it is so.
    pub fn met(self, inventory: &Inventory) -> bool {
        let reader = reader_adapter(inventory);
        match self {
            Self::Kernel(from, before) => within(&inventory.kernel, from, before),
            Self::Sqlite(from, before) => within(&inventory.sqlite, from, before),
            Self::Installed(name) => inventory.package(name).is_some(),
            Self::Older(name, before) => inventory.package(name).is_some_and(|version| within(version, "0", before)),
            Self::Board(words) => words.iter().any(|word| inventory.board.contains(word)),
            Self::ReaderPort(name) => inventory.port == name,
            Self::ConsoleAtReader => inventory.consoles.contains(&inventory.port),
            Self::AnyAdapter(ids) => inventory.adapters.iter().any(|adapter| is_one_of(adapter, ids)),
            Self::ReaderAdapter(ids) => reader.is_some_and(|adapter| is_one_of(adapter, ids)),
            Self::ReaderLatencyAbove(limit) => reader.and_then(|r| r.latency).is_some_and(|latency| latency > limit),
            Self::ReaderOlder(model, before) => {
                inventory.reader.model.contains(model) && within(&inventory.reader.firmware, "0", before)
            }
        }
    }
}

fn reader_adapter(inventory: &Inventory) -> Option<&Adapter> {
    inventory.adapters.iter().find(|adapter| adapter.ports.contains(&inventory.port))
}

fn is_one_of(adapter: &Adapter, ids: &[[&str; 3]]) -> bool {
    let same = |wanted: &str, is: &str| wanted.is_empty() || wanted.eq_ignore_ascii_case(is);
    ids.iter().any(|[vendor, product, release]| {
        same(vendor, &adapter.vendor) && same(product, &adapter.product) && same(release, &adapter.release)
    })
}

/// Whether a version is not before `from`, and before `before`.
fn within(version: &str, from: &str, before: &str) -> bool {
    let version = numbers(version);
    !version.is_empty() && version >= numbers(from) && version < numbers(before)
}

/// The numbers at the beginning of a version: `1:3.46.1-7` and `6.12.48+deb13-arm64` as 3, 46, 1 and 6, 12, 48.
fn numbers(version: &str) -> Vec<u64> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = upstream.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(upstream.len());
    let mut numbers: Vec<u64> = upstream[..end].split('.').map_while(|part| part.parse().ok()).collect();
    // 6.1 and 6.1.0 are the same.
    while numbers.last() == Some(&0) && numbers.len() > 1 {
        numbers.pop();
    }
    numbers
}
