//! No payment is lost or doubled when the daemon is killed at any moment, again and again, under load.
//!
//! Proves: the shipped daemon, with four apps that never stop asking (online, offline, either), an acquirer that keeps
//! accounts of its own and now and then loses an answer, and `kill -9` after a random time from tens of milliseconds on.
//! In the end every payment an app was told approved is charged exactly once, and nothing else is.
//!
//! `CRASH_CUTS` sets how often (default 15, `tests/crash.sh` asks for hundreds), `CRASH_SEED` repeats a run's choices.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rig::{Rig, Setup, eventually, pause};
use site::{TERMINAL, Till, edit_profile};
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

const APPS: u64 = 4;
const MODES: [&str; 4] = ["online-only", "online-only", "prefer-online", "offline-only"];

/// What the host does now and then, besides answering.
const FAULTS: [&str; 8] = [
    "fault 0200 drop x1",
    "fault 0200 ignore x1",
    "fault 0200 close x1",
    "fault 0200 wrong-mac x1",
    "fault 0220 drop x1",
    "fault 0220 close x1",
    "fault 0400 drop x1",
    "fault 0800 code 96 x1",
];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// What the apps were told, by key.
type Told = Arc<Mutex<BTreeMap<String, String>>>;

/// One app: makes payments one after the other and does not rest until it knows how each ended.
fn app(address: &str, name: u64, stop: &AtomicBool, told: &Told, sold: &AtomicU64) {
    let mut till = Till::new(address);
    let mut dice = Dice(name.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for count in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let key = format!("app{name}-{count}");
        let amount = 100 + dice.roll(900);
        let mode = MODES[usize::try_from(dice.roll(4)).unwrap()];
        while !follow(&till, &key, amount, mode, stop, told) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            pause();
            till = Till::new(address);
        }
        sold.fetch_add(1, Ordering::Relaxed);
    }
}

/// Creates and starts a payment, or takes it up where it is; says whether it has ended and been written down.
fn follow(till: &Till, key: &str, amount: u64, mode: &str, stop: &AtomicBool, told: &Told) -> bool {
    let options = HashMap::from([("mode", Variant::from(mode.to_owned()))]);
    let created = till.call(TERMINAL, "Terminal", "CreateTransaction", &("sale", key, amount, "CNY", options));
    let Some(path) = created.ok().and_then(|m| m.body().deserialize::<OwnedObjectPath>().ok()) else { return false };
    let path = path.as_str();
    loop {
        match till.property(path, "Transaction", "State").as_deref() {
            None => return false,
            Some("created") => {
                if stop.load(Ordering::Relaxed) {
                    return false;
                }
                // Refused while another app has the reader.
                if till.call(path, "Transaction", "Start", &()).is_err() {
                    pause();
                }
            }
            Some("finished") => break,
            Some(_) => pause(),
        }
    }
    let Some(outcome) = till.property(path, "Transaction", "Outcome") else { return false };
    told.lock().unwrap().insert(key.to_owned(), outcome);
    // Should this get lost, the object stays until the daemon lets it go.
    drop(till.call(path, "Transaction", "Acknowledge", &()));
    true
}

fn count_of(till: &Till, name: &str) -> Option<u32> {
    let of = ("org.smartposd.Pos1.Queue", name);
    let answer = till.plain_call(TERMINAL, "org.freedesktop.DBus.Properties", "Get", &of).ok()?;
    u32::try_from(answer.body().deserialize::<OwnedVariant>().ok()?).ok()
}

/// One payment as the daemon has it.
#[derive(Debug)]
struct Row {
    key: String,
    outcome: String,
    /// Where it stands on its way to the host, if it was accepted offline.
    forwarding: String,
    trace: Option<(u64, u64)>,
}

fn all_rows(rig: &Rig) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let mut arguments = vec!["transactions", "--limit", "500"];
        if let Some(id) = &before {
            arguments.extend(["--before", id.as_str()]);
        }
        let page = rig.json(&arguments);
        let page = page.as_array().cloned().unwrap_or_else(|| page["transactions"].as_array().unwrap().clone());
        let Some(last) = page.last() else { return rows };
        before = Some(last["id"].to_string());
        for row in &page {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            rows.push(Row {
                key: text("key"),
                outcome: text("outcome"),
                forwarding: text("forwarding"),
                trace: row["batch"].as_u64().zip(row["trace"].as_u64()),
            });
        }
    }
}

/// What the acquirer's file says stands charged: batch and trace, with how often.
fn charged(rig: &Rig) -> BTreeMap<(u64, u64), i64> {
    let mut charged = BTreeMap::new();
    for line in std::fs::read_to_string(rig.path("ledger.jsonl")).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let key = (line["batch"].as_u64().unwrap(), line["trace"].as_u64().unwrap());
        let change = match line["status"].as_str().unwrap() {
            "charged" => 1,
            "reversed" => -1,
            _ => 0,
        };
        *charged.entry(key).or_insert(0) += change;
    }
    charged
}

#[test]
fn killed_under_load_hundreds_of_times_both_ledgers_agree() {
    let cuts = number("CRASH_CUTS", 15);
    let seed = number("CRASH_SEED", 20_261_127);
    let profile = "[offline]\nenabled = true\nsum = 999999999\ncount = 1000000\nper_card_per_day = 100\n".to_owned();
    let setup = Setup { profile, ..Setup::default() };
    let Some(mut rig) = Rig::new("killed_under_load_hundreds_of_times_both_ledgers_agree", setup) else { return };
    edit_profile(&rig, "pin_above = 0", "pin_above = 5000000");
    rig.reader_order("card in");
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();

    let (stop, sold, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Told::default());
    let apps: Vec<_> = (1..=APPS)
        .map(|name| {
            let (address, stop, told, sold) =
                (rig.bus_address.clone(), Arc::clone(&stop), Arc::clone(&told), Arc::clone(&sold));
            std::thread::spawn(move || app(&address, name, &stop, &told, &sold))
        })
        .collect();

    let mut dice = Dice(seed | 1);
    for cut in 0..cuts {
        if dice.roll(3) == 0 {
            rig.acquirer_order(FAULTS[usize::try_from(dice.roll(8)).unwrap()]);
        }
        // Another card now and then, so that no card's daily limit ends the offline part.
        let pan = format!("620000000000{:07}", cut / 4);
        rig.reader_order(&format!("card set pan {pan}"));
        rig.reader_order("card in");
        // Often before anything can have happened, mostly with payments in flight.
        let longest = if dice.roll(3) == 0 { 300 } else { 3_000 };
        let until = Instant::now() + Duration::from_millis(20 + dice.roll(longest));
        while Instant::now() < until {
            pause();
        }
        rig.kill_daemon();
        rig.start_daemon();
    }
    stop.store(true, Ordering::Relaxed);
    apps.into_iter().for_each(|app| app.join().unwrap());

    rig.acquirer_order("clear");
    till.wait_ready();
    drop(till.call(TERMINAL, "Queue", "Drain", &HashMap::<&str, Variant<'_>>::new()));
    eventually("an empty queue", || (count_of(&till, "Depth")? == 0).then_some(()));
    eventually("the end of every payment", || {
        let open = all_rows(&rig).iter().any(|row| matches!(row.outcome.as_str(), "" | "unknown"));
        (!open).then_some(())
    });

    let (rows, charged, told) = (all_rows(&rig), charged(&rig), told.lock().unwrap());
    let good = |outcome: &str| matches!(outcome, "approved" | "approved-offline");
    let wanted: BTreeMap<_, _> = rows.iter().filter(|r| good(&r.outcome)).map(|r| (r.trace.unwrap(), &r.key)).collect();
    let mut duplicates: Vec<String> = Vec::new();
    let mut losses: Vec<String> = Vec::new();
    for (trace, times) in &charged {
        if *times > i64::from(wanted.contains_key(trace)) {
            duplicates.push(format!("{trace:?} is charged {times} times, here: {:?}", wanted.get(trace)));
        }
    }
    // What is held waits for a person: neither lost nor charged for sure.
    let held: Vec<_> = rows.iter().filter(|r| r.forwarding == "held").filter_map(|r| r.trace).collect();
    for (trace, key) in wanted.iter().filter(|(trace, _)| !held.contains(trace)) {
        if charged.get(trace).is_none_or(|times| *times < 1) {
            losses.push(format!("{key} {trace:?} is approved and not charged"));
        }
    }
    let known: BTreeMap<_, _> = rows.iter().map(|r| (r.key.as_str(), r.outcome.as_str())).collect();
    for (key, outcome) in told.iter() {
        let now = known.get(key.as_str()).copied().unwrap_or("nowhere");
        if good(outcome) != good(now) {
            losses.push(format!("{key} was told {outcome} and is {now}"));
        }
    }
    let offline = rows.iter().filter(|r| r.outcome == "approved-offline").count();
    println!(
        "{} payments, {} told to apps, {} approved ({offline} offline), {} charges, {} held",
        rows.len(),
        told.len(),
        wanted.len(),
        charged.values().filter(|n| **n > 0).count(),
        held.len(),
    );
    println!("cuts {cuts}, duplicates {}, losses {}", duplicates.len(), losses.len());
    assert!(duplicates.is_empty() && losses.is_empty(), "{duplicates:#?}\n{losses:#?}\n{}", rig.log());
    assert!(wanted.len() as u64 > cuts / 2, "hardly anything was sold; nothing is shown by that:\n{}", rig.log());
}
