//! The database file by other eyes than the store's: a copy of the disk is opened with SQLite alone, and its tables are
//! read as a stranger would read them.

use rusqlite::{Connection, OpenFlags};

use super::books::{Checked, broken};
use super::disk::Disk;
use super::vfs::Rack;

/// What must find nothing, and what it means if it does.
const NOTHING: [(&str, &str, &str); 6] = [
    (
        "card data go with their use",
        "a reversal of a payment that is over",
        "SELECT count(*) FROM reversal JOIN payment USING (id) WHERE state = 'finished'",
    ),
    (
        "card data go with their use",
        "card data of a payment that the host has, or that was given up",
        "SELECT count(*) FROM offline JOIN payment USING (id)
         WHERE sealed IS NOT NULL AND forwarding IN ('accepted', 'abandoned')",
    ),
    (
        "what is unsent can be sent",
        "an unsent payment without its card data",
        "SELECT count(*) FROM payment LEFT JOIN offline USING (id)
         WHERE forwarding IN ('waiting', 'in-flight', 'held') AND sealed IS NULL",
    ),
    (
        "what is unknown is reversed",
        "a payment under way at the host without its reversal",
        "SELECT count(*) FROM payment LEFT JOIN reversal USING (id)
         WHERE state IN ('authorising', 'reversing') AND sealed IS NULL",
    ),
    (
        "one payment, one trace",
        "two payments with one batch and trace",
        "SELECT count(*) FROM (SELECT 1 FROM payment WHERE stan IS NOT NULL GROUP BY batch, stan HAVING count(*) > 1)",
    ),
    (
        "the queue is counted right",
        "totals that differ from the rows",
        "SELECT count(*) FROM (
            SELECT (SELECT coalesce(sum(waiting), 0) FROM queue) AS waiting,
                   (SELECT coalesce(sum(held), 0) FROM queue) AS held,
                   (SELECT coalesce(sum(sum), 0) FROM queue) AS sum)
         WHERE waiting <> (SELECT count(*) FROM payment WHERE forwarding IN ('waiting', 'in-flight'))
            OR held <> (SELECT count(*) FROM payment WHERE forwarding = 'held')
            OR sum <> (SELECT coalesce(sum(amount), 0) FROM payment
                       WHERE forwarding IN ('waiting', 'in-flight', 'held'))",
    ),
];

/// Looks at a copy of this disk.
pub fn check(rack: &Rack, disk: &Disk) -> Checked {
    let slot = rack.insert(disk.copy(512));
    match look(rack, &slot.path()) {
        Ok(result) => result,
        Err(error) => broken("the file is whole", error.to_string()),
    }
}

fn look(rack: &Rack, path: &std::path::Path) -> Result<Checked, rusqlite::Error> {
    let db = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), rack.name())?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
    if sound != "ok" {
        return Ok(broken("the file is whole", sound));
    }
    for (rule, what, sql) in NOTHING {
        let count: i64 = db.query_row(sql, [], |r| r.get(0))?;
        if count != 0 {
            return Ok(broken(rule, format!("{count}: {what}")));
        }
    }
    Ok(Ok(()))
}
