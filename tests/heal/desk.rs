//! The stop-watch and what every fault is measured with.

use std::time::{Duration, Instant};

use crate::rig::{PIN, Rig, eventually};
use crate::site::{TERMINAL, Till};

pub const READER: &str = "/org/smartposd/Pos1/Reader0";
pub const KEYPAD: &str = "/org/smartposd/Pos1/Keypad0";
pub const AMOUNT: u64 = 12_800;

/// What came of one fault.
pub struct Row {
    /// From the fault until the bus told of it.
    pub noticed: Option<Duration>,
    /// From the moment it could be mended until it was.
    pub healed: Option<Duration>,
    /// It has to be mended within this; twice the goal, since other programs run here too.
    pub within: Option<Duration>,
    /// What the ledger says was done.
    pub measures: String,
}

pub fn shown(span: Option<Duration>) -> String {
    span.map_or("-".to_owned(), |s| format!("{:.3} s", s.as_secs_f64()))
}

/// Time from `since` until the condition holds.
pub fn until(what: &str, since: Instant, mut probe: impl FnMut() -> bool) -> Duration {
    eventually(what, || probe().then_some(()));
    since.elapsed()
}

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A property is this word.
pub fn is(till: &Till, path: &str, face: &str, name: &str, word: &str) -> bool {
    till.property(path, face, name).as_deref() == Some(word)
}

pub fn terminal_is(till: &Till, state: &str) -> bool {
    is(till, TERMINAL, "Terminal", "State", state)
}

/// A sale with card and PIN is approved, and charged once.
pub fn sells(rig: &Rig, till: &Till, key: &str) {
    let before = charged(rig);
    till.sell(rig, AMOUNT, key, PIN, "approved");
    assert_eq!(charged(rig), (before.0 + 1, before.1 + AMOUNT), "{}", rig.log());
}

/// The acquirer's count and sum of charges that stand.
pub fn charged(rig: &Rig) -> (u64, u64) {
    let ledger = rig.ledger();
    (ledger["charged"].as_u64().unwrap(), ledger["charged_sum"].as_u64().unwrap())
}

/// The newest fault of this part in the daemon's ledger, once it is over.
pub fn measures(rig: &Rig, part: &str) -> String {
    let fault = eventually(&format!("a fault of the {part} in the ledger; log:\n{}", rig.log()), || {
        let log = rig.json(&["heal", "log"]);
        let mut faults = log["faults"].as_array().unwrap().clone().into_iter();
        faults.find(|f| f["part"] == part && f["milliseconds"].is_u64())
    });
    let words = |key: &str| fault[key].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned());
    let done: Vec<_> = words("rungs").zip(words("effects")).map(|(rung, effect)| format!("{rung} {effect}")).collect();
    let cause = fault["cause"].as_str().unwrap();
    if done.is_empty() { format!("{cause}: waited for it") } else { format!("{cause}: {}", brief(&done)) }
}

/// The same measure again and again is told once, with how often.
fn brief(done: &[String]) -> String {
    let mut told: Vec<(String, usize)> = Vec::new();
    for word in done {
        match told.iter_mut().find(|t| t.0 == *word) {
            Some(known) => known.1 += 1,
            None => told.push((word.clone(), 1)),
        }
    }
    told.into_iter().map(|(w, n)| if n > 1 { format!("{w} x{n}") } else { w }).collect::<Vec<_>>().join(", ")
}
