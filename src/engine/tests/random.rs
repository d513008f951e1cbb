//! Thousands of random sequences of everything that can happen, in any order, each from its own seed. The bench checks
//! after every step what must always hold; at the end the acquirer's books are compared with ours.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::world::World;
use crate::domain::offline::Forwarding;
use crate::domain::outcome::{Outcome, TransactionState};

const SEQUENCES: u64 = 3_000;
const STEPS: u64 = 150;

/// What all sequences together did.
#[derive(Default)]
pub struct Seen {
    /// Moves of payments.
    pub moves: BTreeSet<(TransactionState, TransactionState)>,
    /// Moves of the sign-in.
    pub sign_in: BTreeSet<(&'static str, &'static str)>,
    outcomes: BTreeSet<Outcome>,
    reversed: usize,
    approved: usize,
    forwarded: usize,
    /// Commands that were replied to.
    replies: u64,
}

/// Runs all sequences once, whichever test asks first.
pub fn seen() -> &'static Seen {
    static SEEN: OnceLock<Seen> = OnceLock::new();
    SEEN.get_or_init(|| {
        let mut seen = Seen::default();
        for seed in 1..=SEQUENCES {
            let run = catch_unwind(AssertUnwindSafe(|| {
                let mut world = World::new(seed);
                for _ in 0..STEPS {
                    world.step();
                }
                world.settle();
                world
            }));
            let Ok(world) = run else { panic!("the sequence of seed {seed} failed, see above") };
            seen.moves.extend(&world.bench.moves);
            seen.sign_in.extend(&world.bench.sign_in_moves);
            seen.replies += world.bench.replied();
            for (view, _) in world.bench.disk.payments.values() {
                seen.outcomes.extend(view.outcome);
                seen.reversed += usize::from(view.reversed);
                seen.forwarded += usize::from(view.forwarding == Some(Forwarding::Accepted));
                seen.approved += usize::from(view.outcome == Some(Outcome::Approved));
            }
        }
        seen
    })
}

#[test]
fn whatever_happens_in_any_order_nobody_is_charged_without_an_approval_or_approved_without_a_charge() {
    let seen = seen();
    // The sequences must have come far enough for this to mean something.
    assert!(seen.approved > 1_000 && seen.reversed > 1_000, "{} {}", seen.approved, seen.reversed);
    assert!(seen.forwarded > 300, "{}", seen.forwarded);
    assert!(seen.replies > 10_000, "{}", seen.replies);
    let ends: Vec<_> = seen.outcomes.iter().copied().collect();
    assert_eq!(ends, [Outcome::Approved, Outcome::ApprovedOffline, Outcome::Declined, Outcome::Cancelled]);
}
