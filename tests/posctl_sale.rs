//! Selling with `posctl`, as people and scripts do it.
//!
//! Proves, with the installed program against the daemon: each end of a sale has its exit code, its last line and its
//! JSON; Ctrl-C cancels what can be cancelled and leaves what cannot; nothing is charged twice by asking twice; lists,
//! details and `watch` show what happened, and a result leaves the display again.

#[path = "common/books.rs"]
mod books;
#[path = "common/command.rs"]
mod command;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use command::{Said, ZH, json_of, run, run_in, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::{PIN, Process, Rig, Setup, eventually};
use serde_json::Value;

/// A ready daemon, and cards that tap by themselves and need no PIN below 1000.00.
fn unattended(test: &str) -> Option<Rig> {
    Some(site::unattended(test, Setup::default())?.0)
}

#[test]
fn each_end_of_a_sale_has_its_exit_code_and_its_last_line() {
    let Some(rig) = unattended("each_end_of_a_sale_has_its_exit_code_and_its_last_line") else { return };
    let last = |said: &Said| said.out.trim_end().lines().last().unwrap().to_owned();
    let good = run(&rig, &["sale", "12.34", "--key", "good", "--reference", "table 4"]);
    assert_eq!(good.code, 0, "{}{}", good.out, good.err);
    assert!(last(&good).starts_with("approved  99000001") && last(&good).ends_with("CNY 12.34"), "{}", good.out);
    assert!(good.out.contains("present your card"), "{}", good.out);
    let zh = run_in(&rig, ZH, &["sale", "12.34", "--key", "zh"], "");
    assert!(zh.code == 0 && last(&zh).starts_with("交易成功 (approved)") && zh.out.contains("请挥卡"), "{}", zh.out);
    // 9000.51: refused for lack of funds. It is above the amount that needs a PIN.
    let declined = with_pin(&rig, &["sale", "9000.51", "--key", "declined"]);
    assert!(declined.code == 2 && declined.out.contains("Insufficient funds"), "{}", declined.out);
    // 9020.02: neither charged nor answered. The reversal may be acknowledged before the result is asked for.
    let unknown = with_pin(&rig, &["sale", "9020.02", "--key", "unknown"]);
    let ends = (unknown.code, last(&unknown).split(' ').next().unwrap().to_owned());
    assert!([(4, "unknown".to_owned()), (3, "cancelled".to_owned())].contains(&ends), "{ends:?} {}", unknown.out);
    assert!(ends.0 == 3 || unknown.out.contains("a reversal is under way"), "{}", unknown.out);
    // The same key is the same payment; other arguments with it are refused.
    let again = run(&rig, &["sale", "12.34", "--key", "good", "--reference", "table 4"]);
    assert_eq!((again.code, last(&again)), (0, last(&good)));
    let other = run(&rig, &["sale", "12.35", "--key", "good"]);
    assert!(other.code == 1 && other.err.contains("IdempotencyMismatch"), "{}", other.err);
    // JSON: one object a line, the result last.
    let (code, lines) = json_of(&rig, &["sale", "1", "--key", "json"], "");
    assert_eq!(code, 0);
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!((events[0], *events.last().unwrap()), ("created", "result"), "{events:?}");
    assert!(events.contains(&"state") && events.contains(&"prompt"), "{events:?}");
    assert_eq!(lines.last().unwrap()["amount"], 100);
    assert_eq!(books::agree(&rig), (3, 1_234 + 1_234 + 100));
}

/// A sale whose customer types the PIN when asked.
fn with_pin(rig: &Rig, arguments: &[&str]) -> Said {
    let mut command = rig.posctl_command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    eventually("the prompt for the PIN", || (rig.json(&["status"])["terminal"]["prompt"] == "enter-pin").then_some(()));
    rig.keypad_order(&format!("type {PIN} enter"));
    said(&child.wait_with_output().unwrap())
}

/// A sale that waits for a card, with what it has printed so far.
struct Waiting {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Waiting {
    fn at_the_card(rig: &Rig, key: &str) -> Self {
        let mut command = rig.posctl_command(&["sale", "12.34", "--key", key]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("present your card") {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended before the card was asked for");
        }
        Self { child, out }
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended");
        line
    }

    fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

#[test]
fn ctrl_c_cancels_a_sale_and_the_second_one_leaves_it() {
    let test = "ctrl_c_cancels_a_sale_and_the_second_one_leaves_it";
    let Some(mut rig) = Rig::ready(test, Setup::default()) else { return };
    let sale = Waiting::at_the_card(&rig, "cancelled");
    sale.interrupt();
    let (code, said) = sale.end();
    assert!(code == 3 && said.contains("cancelling"), "{said}");
    // The daemon dies under a sale: not known here, and how to find it.
    let sale = Waiting::at_the_card(&rig, "orphan");
    rig.kill_daemon();
    let (code, said) = sale.end();
    assert!(code == 4 && said.contains("posctl transaction show orphan"), "{said}");
    rig.start_daemon();
    rig.wait_terminal("ready");
    assert_eq!(rig.json(&["transaction", "show", "orphan"])["outcome"], "cancelled");
    // A request that has left cannot be cancelled: the first Ctrl-C says so, the second leaves.
    rig.acquirer_order("fault 0200 delay 4500");
    let mut sale = Waiting::at_the_card(&rig, "left");
    rig.reader_order("card in");
    eventually("the PIN to be asked for", || {
        (rig.json(&["status"])["terminal"]["prompt"] == "enter-pin").then_some(())
    });
    rig.keypad_order(&format!("type {PIN} enter"));
    eventually("the request to leave", || (rig.acquirer_order("faults").trim() == "ok 0").then_some(()));
    sale.interrupt();
    while !sale.line().contains("cannot be cancelled") {}
    sale.interrupt();
    let (code, said) = sale.end();
    assert!(code == 4 && said.contains("left; the payment may still go on"), "{said}");
    assert_eq!(books::agree(&rig), (1, 1_234));
    assert_eq!(rig.json(&["transaction", "show", "left"])["outcome"], "approved");
}

#[test]
fn payments_are_listed_filtered_paged_and_shown() {
    let Some(rig) = unattended("payments_are_listed_filtered_paged_and_shown") else { return };
    assert_eq!(run(&rig, &["transactions"]).out.trim(), "no payments");
    assert_eq!(run_in(&rig, ZH, &["transactions"], "").out.trim(), "没有交易");
    for key in ["a", "b", "c"] {
        assert_eq!(run(&rig, &["sale", "12.34", "--key", key]).code, 0);
    }
    rig.acquirer_order("fault 0200 code 51");
    assert_eq!(run(&rig, &["sale", "12.34", "--key", "d"]).code, 2);
    let listed = |arguments: &[&str]| -> Vec<Value> {
        let (code, told) = json_of(&rig, &[&["transactions"], arguments].concat(), "");
        assert_eq!(code, 0);
        told[0]["transactions"].as_array().unwrap().clone()
    };
    let keys = |rows: &[Value]| rows.iter().map(|r| r["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&listed(&[])), ["d", "c", "b", "a"], "newest first");
    assert_eq!(keys(&listed(&["--outcome", "declined"])), ["d"]);
    let page = listed(&["--limit", "2"]);
    let before = page[1]["id"].to_string();
    assert_eq!(keys(&listed(&["--limit", "2", "--before", &before])), ["b", "a"]);
    let table = run(&rig, &["transactions", "--limit", "2"]).out;
    assert!(table.starts_with("id") && table.contains(&format!("earlier ones: --before {before}")), "{table}");
    assert!(table.contains("620000******0018"), "{table}");
    let code = listed(&["--outcome", "approved"])[0]["code"].as_str().unwrap().to_owned();
    for name in [&code, "c", &code.to_lowercase()] {
        assert_eq!(rig.json(&["transaction", "show", name])["key"], "c", "{name}");
    }
    let shown = run_in(&rig, ZH, &["transaction", "show", "d"], "");
    assert!(shown.out.contains("余额不足") && shown.out.contains("CNY 12.34"), "{}", shown.out);
    let missing = run(&rig, &["transaction", "show", "nothing-like-that"]);
    assert!(missing.code == 1 && missing.err.contains("posctl: NotFound"), "{}", missing.err);
    // Words for people and programs about every part, and a reader that is brought up anew.
    let (code, rows) = json_of(&rig, &["diagnose"], "");
    let parts: Vec<_> = rows[0]["rows"].as_array().unwrap().iter().map(|r| r["component"].clone()).collect();
    assert!(code == 0 && parts.contains(&"host".into()) && parts.contains(&"reader".into()), "{parts:?}");
    assert!(run(&rig, &["diagnose"]).out.starts_with("part"));
    assert_eq!(json_of(&rig, &["reader", "reset"], "").1[0]["reset"], true);
    rig.wait_terminal("ready");
}

#[test]
fn watch_tells_a_whole_sale_and_that_the_result_leaves_the_display_again() {
    let test = "watch_tells_a_whole_sale_and_that_the_result_leaves_the_display_again";
    let Some(mut rig) = unattended(test) else { return };
    let mut command = rig.posctl_command(&["--json", "watch"]);
    let mut child = Process(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut next = move || -> Value { serde_json::from_str(&lines.next().expect("watch ended").unwrap()).unwrap() };
    assert_eq!(next()["event"], "properties", "how things are at first");
    assert_eq!(run(&rig, &["sale", "12.34", "--key", "watched"]).code, 0);
    let mut until = |what: &dyn Fn(&Value) -> bool| loop {
        let event = next();
        if what(&event) {
            return event;
        }
    };
    until(&|e| e["event"] == "state" && e["object"] == "terminal" && e["new"] == "busy");
    until(&|e| e["event"] == "properties" && e["changed"]["prompt"] == "approved");
    until(&|e| e["event"] == "properties" && e["changed"]["prompt"] == "idle");
    rig.kill_daemon();
    until(&|e| e["event"] == "daemon" && e["running"] == false);
    rig.start_daemon();
    until(&|e| e["event"] == "daemon" && e["running"] == true);
    kill(Pid::from_raw(child.0.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert!(eventually("the end of watch", || child.0.try_wait().unwrap()).success(), "Ctrl-C ends it well");
}
