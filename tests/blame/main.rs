//! Blame is measured: faults are made one after the other, and the doctor of the shipped daemon has to name each.
//!
//! Proves: the first broken link is named, the shop is never blamed for the bank's fault nor the bank for the shop's, and the
//! verdict comes within ten seconds. `tests/blame.sh` runs the whole matrix, for which namespaces are needed, and writes
//! the table in `src/diagnose/BLAME.md`; what needs no privileges is part of the everyday run.

#[path = "../common/rig.rs"]
mod rig;

mod faults;
mod net;
mod shop;

use std::time::{Duration, Instant};

use smartpos::domain::cause::Cause;
use smartpos::domain::diagnosis::Class;

use faults::{Fault, When};
use net::Net;
use rig::{eventually, skip};
use shop::Shop;

/// A verdict comes within this; the rest is the busy machine's.
const LIMIT: Duration = Duration::from_secs(12);

struct Row {
    name: &'static str,
    wanted: &'static str,
    found: String,
    evidence: String,
    took: Duration,
    code: i32,
}

fn class(cause: &str) -> Class {
    Class::of(Cause::from_word(cause))
}

impl Row {
    fn right(&self) -> bool {
        self.found == self.wanted
    }

    fn confused(&self) -> bool {
        let pair = (class(self.wanted), class(&self.found));
        matches!(pair, (Class::ShopNetwork, Class::Bank) | (Class::Bank, Class::ShopNetwork))
    }

    fn line(&self) -> String {
        let word = |cause: &str| if cause.is_empty() { "well".to_owned() } else { cause.to_owned() };
        let verdict = if self.right() { "right" } else { "WRONG" };
        let seen = self.evidence.replace('|', "/");
        format!(
            "| {} | {} | {} | {:.1} | {verdict} | {} |",
            self.name,
            word(self.wanted),
            word(&self.found),
            self.took.as_secs_f32(),
            mask(&seen),
        )
    }
}

/// Paths and ports of one run mean nothing to a reader.
fn mask(text: &str) -> String {
    let text = match text.split_once("/tmp/smartpos-rig") {
        Some((before, after)) => format!("{before}…{}", after.split_once('/').map_or("", |(_, rest)| rest)),
        None => text.to_owned(),
    };
    let short: String = text.chars().take(110).collect();
    if short.len() < text.len() { short + " …" } else { short }
}

fn examine(shop: &mut Shop, fault: &Fault) -> Row {
    if fault.from_start {
        shop.rig.kill_daemon();
    }
    (fault.make)(shop);
    let mut alive = true;
    if fault.from_start {
        shop.rig.launch_daemon();
        // A daemon that cannot start has no name on the bus; the doctor says so.
        alive = comes_up(shop);
    }
    if alive && fault.when != When::Now {
        noticed(shop, fault.when);
    }
    let start = Instant::now();
    let output = shop.rig.posctl(&["--json", "doctor"]);
    let took = start.elapsed();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let verdict = &told["verdict"];
    let text = |key: &str| verdict[key].as_str().unwrap_or_default().to_owned();
    let (mut found, evidence) = (text("cause"), text("evidence"));
    if verdict.is_null() {
        found = format!("none ({})", told["error"]["name"].as_str().unwrap_or("no output"));
    }
    let row =
        Row { name: fault.name, wanted: fault.cause, found, evidence, took, code: output.status.code().unwrap_or(-1) };
    if !row.right() {
        let log = shop.rig.log();
        let last: Vec<&str> = log.lines().rev().take(12).collect();
        println!(
            "{}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&shop.rig.posctl(&["--json", "status"]).stdout),
            last.join("\n")
        );
    }
    if fault.from_start {
        shop.rig.kill_daemon();
    }
    (fault.mend)(shop);
    if fault.from_start {
        shop.rig.start_daemon();
    }
    shop.heal();
    row
}

fn comes_up(shop: &Shop) -> bool {
    let end = Instant::now() + Duration::from_secs(8);
    while Instant::now() < end {
        if shop.rig.posctl(&["--json", "status"]).status.success() {
            return true;
        }
        rig::pause();
    }
    false
}

/// Waits until the terminal or a device shows a cause; in vain is for the verdict to say.
fn noticed(shop: &Shop, when: When) {
    let end = Instant::now() + Duration::from_secs(25);
    while Instant::now() < end {
        let status = shop.status();
        let shows = |part: &str, key: &str| status[part][key].as_str().is_some_and(|cause| !cause.is_empty());
        let seen = match when {
            When::Now => true,
            When::Terminal => {
                let there = ["reader", "keypad"].iter().all(|part| status[part]["state"] == "ready");
                there && shows("terminal", "cause")
            }
            When::Device => shows("reader", "last_cause") || shows("keypad", "last_cause"),
        };
        if seen {
            return;
        }
        rig::pause();
    }
}

/// Runs the matrix and gives its rows.
fn run(test: &str, net: Option<Net>, faults: &[Fault]) -> Vec<Row> {
    let Some(mut shop) = Shop::open(test, net) else { return Vec::new() };
    let mut rows = Vec::new();
    for fault in faults {
        let row = examine(&mut shop, fault);
        println!("{}", row.line());
        rows.push(row);
    }
    rows
}

fn judge(rows: &[Row]) {
    let right = rows.iter().filter(|row| row.right()).count();
    let confusions = rows.iter().filter(|row| row.confused()).count();
    println!("faults {}, right {right}, confusions {confusions}", rows.len());
    let wrong: Vec<String> = rows.iter().filter(|row| !row.right()).map(Row::line).collect();
    assert_eq!(confusions, 0, "shop and bank were confused:\n{}", wrong.join("\n"));
    assert!(right * 100 >= rows.len() * 95, "{right} of {} right:\n{}", rows.len(), wrong.join("\n"));
    for row in rows.iter().filter(|row| row.right()) {
        assert!(row.took < LIMIT, "{} took {:?}", row.name, row.took);
        assert_eq!(row.code, code(class(row.wanted)), "exit code of {}", row.name);
    }
}

/// Exit codes as the manual has them.
fn code(class: Class) -> i32 {
    match class {
        Class::Well => 0,
        Class::ShopNetwork => 10,
        Class::Bank => 11,
        Class::Hardware => 12,
        Class::Keys => 13,
        Class::Platform => 14,
        Class::Software => 15,
        Class::Operator => 16,
    }
}

fn table(rows: &[Row]) -> String {
    let right = rows.iter().filter(|row| row.right()).count();
    let confusions = rows.iter().filter(|row| row.confused()).count();
    let slowest = rows.iter().map(|row| row.took).max().unwrap_or_default().as_secs_f32();
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    format!(
        "# Who is blamed for what\n\nWritten by `tests/blame.sh`: faults made one after the other around the shipped daemon \
         with its simulators, the\ncause that a person expects, and what `posctl doctor` said. Seconds are the whole command.\n\n\
         {} faults, {right} right, {confusions} confusions of shop and bank; the slowest verdict took {slowest:.1} s.\n\n\
         | fault | expected | named | s | | seen |\n|---|---|---|---|---|---|\n{}\n",
        rows.len(),
        lines.join("\n"),
    )
}

/// What needs no privileges and little time.
#[test]
fn the_first_broken_link_is_named_on_one_machine() {
    if std::env::var_os("BLAME").is_some() {
        return;
    }
    let test = "the_first_broken_link_is_named_on_one_machine";
    const SHORT: [&str; 13] = [
        "nothing is wrong",
        "acquirer refuses connections",
        "silent host after good answers",
        "wrong TPDU in the profile",
        "web page on the acquirer's port",
        "sign-in answered 03",
        "sign-in answered 97",
        "sign-in answered 96",
        "sign-in answered A0",
        "wrong check value of the PIN key",
        "host's clock two hours ahead",
        "reader unplugged",
        "operator has signed out",
    ];
    let faults: Vec<Fault> = faults::all().into_iter().filter(|fault| SHORT.contains(&fault.name)).collect();
    assert_eq!(faults.len(), SHORT.len());
    let rows = run(test, None, &faults);
    if !rows.is_empty() {
        judge(&rows);
    }
}

/// The whole matrix, by `tests/blame.sh`: `BLAME` is how many, `BLAME_ONLY` a part of names, `BLAME_TABLE` where the table
/// goes.
#[test]
fn the_first_broken_link_is_named_in_a_whole_shop() {
    let test = "the_first_broken_link_is_named_in_a_whole_shop";
    let Ok(count) = std::env::var("BLAME") else { return };
    let only = std::env::var("BLAME_ONLY").unwrap_or_default();
    let mut faults: Vec<Fault> = faults::all().into_iter().filter(|fault| fault.name.contains(&only)).collect();
    faults.truncate(count.parse().unwrap_or(usize::MAX));
    let net = match Net::build() {
        Ok(net) => Some(net),
        Err(why) => {
            skip(test, &format!("the faults of the network are left out: {why}"));
            faults.retain(|fault| !fault.net);
            None
        }
    };
    let rows = run(test, net, &faults);
    if let Ok(file) = std::env::var("BLAME_TABLE") {
        std::fs::write(file, table(&rows)).unwrap();
    }
    judge(&rows);
}

/// A sign-in that fails is looked into without anybody asking, and the terminal's own cause becomes the one behind it.
#[test]
fn the_terminal_names_the_shops_fault_by_itself() {
    let test = "the_terminal_names_the_shops_fault_by_itself";
    let net = match Net::build() {
        Ok(net) => net,
        Err(why) => return skip(test, &why),
    };
    let Some(mut shop) = Shop::open(test, Some(net)) else { return };
    for name in ["everything outside swallowed", "cable pulled at the router", "acquirer swallowed on the way"] {
        let fault = faults::all().into_iter().find(|fault| fault.name == name).unwrap();
        (fault.make)(&mut shop);
        let start = Instant::now();
        let _ = shop.rig.posctl(&["sign-in"]);
        eventually(&format!("the terminal to name {} for {name}; log:\n{}", fault.cause, shop.rig.log()), || {
            let status = shop.status();
            let cause = &status["terminal"]["cause"];
            let offered = &status["capabilities"]["card-online"]["cause"];
            (*cause == fault.cause && offered == fault.cause).then_some(())
        });
        println!("{name}: {} after {:.1} s", fault.cause, start.elapsed().as_secs_f32());
        (fault.mend)(&mut shop);
        shop.heal();
    }
}
