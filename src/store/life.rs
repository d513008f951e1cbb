//! The life of a payment as it stands on disk: one graph, kept by the database itself.
//!
//! Owns: the moves of state and outcome, which a trigger enforces (`sql/002_offline.sql`); the way to the host of what was
//! accepted offline has triggers of its own there. Steps that only the customer sees (card, PIN, connecting) are never on
//! disk: a power cut takes them back to `created`.
//!
//! ```text
//! intent      created                → authorising           trace taken, reversal on file, then the request leaves
//!             created                → finished cancelled    given up before anything was sent
//!             created                → finished declined     the card itself refused
//!             created                → finished approved-offline   within every limit, card data sealed
//! sent        authorising            → finished approved     answered; the reversal on file goes in the same commit
//!             authorising            → finished declined
//!             authorising            → finished cancelled    certainly not sent
//!             authorising            → finished unknown      found without its reversal: never written by this program
//!             authorising            → reversing unknown     no valid answer, or a restart in flight
//! reversing   reversing unknown      → finished cancelled    the host acknowledged the reversal
//!             reversing unknown      → finished unknown      a supervisor gave the reversal up, on record
//! ```
//! Everything else is refused, so a fault in the program cannot rewrite an outcome: what is finished stays as it ended.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::params;

    use crate::domain::outcome::{Outcome, TransactionState};
    use crate::store::schema;

    /// `state outcome`, as in the drawing.
    fn stands(state: TransactionState, outcome: Option<Outcome>) -> String {
        outcome.map_or_else(|| state.to_string(), |outcome| format!("{state} {outcome}"))
    }

    fn drawn() -> BTreeSet<(String, String)> {
        let moves = include_str!("life.rs").lines().filter_map(|l| l.strip_prefix("//! "));
        let split = |line: &str| {
            let (from, to) = line.split_once(" → ")?;
            let words = |text: &str, skip: usize| text.split_whitespace().skip(skip).collect::<Vec<_>>().join(" ");
            let from = words(from, usize::from(!from.starts_with(' ')));
            let to = to.split("   ").next()?.trim().to_owned();
            Some((from, to))
        };
        moves.filter_map(split).collect()
    }

    #[test]
    fn the_database_allows_the_moves_that_are_drawn_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let db = schema::open(&dir.path().join("pos.db"), &schema::OpenOptions::default()).unwrap();
        let outcomes: Vec<Option<Outcome>> =
            std::iter::once(None).chain(Outcome::ALL.iter().copied().map(Some)).collect();
        let all: Vec<_> = TransactionState::ALL.iter().flat_map(|s| outcomes.iter().map(move |o| (*s, *o))).collect();
        let mut allowed = BTreeSet::new();
        for (id, from) in (1i64..).zip(&all) {
            let make =
                "INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, state, outcome, evidence,
                        created_at) VALUES (?1, 0, ?1, '', 'sale', 1, 'CNY', ?2, ?3, '', 0)";
            db.execute(make, params![id, from.0.as_str(), from.1.map(Outcome::as_str)]).unwrap();
            for to in all.iter().filter(|to| *to != from) {
                let tx = db.unchecked_transaction().unwrap();
                let moved = tx.execute(
                    "UPDATE payment SET state = ?2, outcome = ?3 WHERE id = ?1",
                    params![id, to.0.as_str(), to.1.map(Outcome::as_str)],
                );
                if moved.is_ok() {
                    allowed.insert((stands(from.0, from.1), stands(to.0, to.1)));
                }
                tx.rollback().unwrap();
            }
        }
        assert_eq!(allowed, drawn());
    }
}
