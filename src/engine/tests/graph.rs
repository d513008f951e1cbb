//! The transition graphs as data, drawn from what the random sequences really did.

use std::collections::BTreeSet;

use super::random::seen;

/// The moves in a module's header.
fn drawn(source: &str) -> BTreeSet<String> {
    let arrows = source.lines().filter_map(|l| l.strip_prefix("//! ")).filter(|l| l.contains(" → "));
    let pair = |line: &str| {
        let (from, rest) = line.split_once(" → ")?;
        Some(format!("{} → {}", from.trim(), rest.split_whitespace().next()?))
    };
    arrows.filter_map(pair).collect()
}

fn compare(drawn: &BTreeSet<String>, done: &BTreeSet<String>) {
    let undrawn: Vec<_> = done.difference(drawn).collect();
    let undone: Vec<_> = drawn.difference(done).collect();
    assert!(undrawn.is_empty() && undone.is_empty(), "not in the drawing: {undrawn:?}; never seen: {undone:?}");
}

fn sorted(moves: &BTreeSet<String>) -> String {
    moves.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn payments_move_exactly_as_drawn() {
    let done = seen().moves.iter().map(|(from, to)| format!("{from} → {to}")).collect();
    compare(&drawn(include_str!("../sale.rs")), &done);
    insta::assert_snapshot!(sorted(&done), @"
    authorising → finished
    authorising → reversing
    awaiting-card → awaiting-pin
    awaiting-card → connecting
    awaiting-card → finished
    awaiting-card → storing
    awaiting-confirmation → awaiting-card
    awaiting-confirmation → finished
    awaiting-pin → connecting
    awaiting-pin → finished
    connecting → authorising
    connecting → awaiting-card
    connecting → awaiting-confirmation
    connecting → finished
    connecting → storing
    created → awaiting-card
    created → awaiting-confirmation
    created → connecting
    created → finished
    reversing → finished
    storing → finished
    ");
}

#[test]
fn the_sign_in_moves_exactly_as_drawn() {
    let done = seen().sign_in.iter().map(|(from, to)| format!("{from} → {to}")).collect();
    compare(&drawn(include_str!("../sign_in.rs")), &done);
    insta::assert_snapshot!(sorted(&done), @"
    asking → off
    asking → on
    asking → stopped
    asking → wanted
    off → wanted
    on → off
    on → stopped
    on → wanted
    stopped → off
    stopped → wanted
    wanted → asking
    wanted → off
    wanted → stopped
    ");
}
