//! What it proves: at the shipped daemon a notice comes with the tap that crosses its threshold and goes when reads are well
//! again; what is counted survives a stop; an item is due on its day, done by a supervisor, and on record for good.

#[path = "common/command.rs"]
mod command;
#[path = "common/rig.rs"]
mod rig;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use command::{ZH, run, run_in};
use rig::{Rig, Setup, eventually};
use serde_json::Value;
use smartpos::domain::upkeep::{Counter, Item};

const PASSWORD: &str = "271828";
const A_DAY: u64 = 86_400;

fn setup(maintenance: &str) -> Setup {
    let heal = format!("safe_mode_after = 0\n[maintenance]\nlook_every = 1\n{maintenance}\n");
    Setup { heal_config: Some(heal), ..Setup::default() }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn database(rig: &Rig) -> rusqlite::Connection {
    rusqlite::Connection::open(rig.path("state/pos.db")).unwrap()
}

fn kinds(rig: &Rig) -> Vec<String> {
    let status = rig.json(&["status"]);
    let notices = status["notices"].as_array().unwrap();
    notices.iter().map(|notice| notice["kind"].as_str().unwrap().to_owned()).collect()
}

fn wait_kinds(rig: &Rig, wanted: &[&str]) {
    eventually(&format!("the notices {wanted:?}"), || (kinds(rig) == wanted).then_some(()));
}

/// What a counter says of the last seven days.
fn week(rig: &Rig, counter: Counter) -> Option<u64> {
    let all = rig.json(&["maintenance"])["trends"].clone();
    let found = all.as_array().unwrap().iter().find(|row| row["counter"] == counter.as_str()).cloned();
    found.and_then(|row| row["week"].as_u64())
}

/// As if all this had been counted yesterday.
fn seed(rig: &Rig, numbers: &[(Counter, u32)]) {
    let db = database(rig);
    for (counter, value) in numbers {
        let row = rusqlite::params![i64::try_from(now() / A_DAY).unwrap() - 1, counter.as_str(), value];
        db.execute("INSERT INTO upkeep VALUES (?1, ?2, ?3)", row).unwrap();
    }
}

#[test]
fn card_reads_that_fail_too_often_are_noticed_and_the_notice_goes_with_good_ones() {
    let test = "card_reads_that_fail_too_often_are_noticed_and_the_notice_goes_with_good_ones";
    let Some(mut rig) = Rig::ready(test, setup("")) else { return };
    rig.stop_daemon();
    // One below: 15 of 51 would be too few, 15 of 50 are enough.
    seed(&rig, &[(Counter::Taps, 49), (Counter::ReadFailures, 14)]);
    rig.start_daemon();
    rig.wait_terminal("ready");
    assert_eq!((kinds(&rig), week(&rig, Counter::Taps)), (vec![], Some(49)));

    let sale = rig.begin_sale("1.00", "a");
    sale.wait_prompt("present-card");
    rig.reader_order("card in remove-after 1");
    sale.wait_prompt("present-again");
    // Not in the payment, however long it takes, but right after it.
    let shown = Instant::now();
    eventually("two looks to be due", || (shown.elapsed() > Duration::from_millis(2500)).then_some(()));
    assert_eq!((kinds(&rig), week(&rig, Counter::Taps)), (vec![], Some(49)));
    rig.keypad_order("type cancel");
    sale.result();
    wait_kinds(&rig, &["card-reads"]);
    let said = run(&rig, &["maintenance"]).out;
    assert!(said.contains("H04 card-reads: 15 of 50 taps in 7 days were not read, more than before"), "{said}");
    assert!(said.contains("What to do: clean the reading area"), "{said}");
    let zh = run_in(&rig, ZH, &["status"], "").out;
    assert!(zh.contains("维护：card-reads（详见 posctl maintenance）"), "{zh}");
    rig.wait_log("to be seen to: card-reads");
    assert_eq!(rig.json(&["status"])["terminal"]["state"], "ready");

    let sale = rig.sell("2.00", "b");
    rig.reader_order("card out");
    assert_eq!(sale.result()["outcome"], "approved");
    wait_kinds(&rig, &[]);
    rig.wait_log("seen to: card-reads");
    assert_eq!(rig.log().matches("to be seen to: card-reads").count(), 1);
}

#[test]
fn what_was_counted_since_the_last_look_is_written_at_an_orderly_stop() {
    let test = "what_was_counted_since_the_last_look_is_written_at_an_orderly_stop";
    let config = "safe_mode_after = 0\n[maintenance]\nlook_every = 86400\n".to_owned();
    let Some(mut rig) = Rig::ready(test, Setup { heal_config: Some(config), ..Setup::default() }) else { return };
    let sale = rig.sell("1.00", "a");
    assert_eq!(sale.result()["outcome"], "approved");
    rig.reader_order("card out");
    let rows = |rig: &Rig| -> Vec<(String, u32)> {
        let db = database(rig);
        let mut statement = db.prepare("SELECT counter, value FROM upkeep").unwrap();
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(week(&rig, Counter::Taps), None, "a look in or after the payment");
    rig.stop_daemon();
    let found = rows(&rig);
    assert!(found.contains(&("taps".to_owned(), 1)), "{found:?}");
    let presses = found.iter().find(|(counter, _)| counter == "key-presses").unwrap().1;
    assert!(presses >= 7, "{found:?}");
    rig.start_daemon();
    assert_eq!(week(&rig, Counter::Taps), Some(1));
}

#[test]
fn an_item_is_due_on_its_day_and_put_on_record_by_a_supervisor_only() {
    let test = "an_item_is_due_on_its_day_and_put_on_record_by_a_supervisor_only";
    let Some(mut rig) = Rig::new(test, setup("cleaning = 30\ninspection = 0\nbattery = 31")) else { return };
    rig.start_daemon();
    rig.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], PASSWORD);
    // Served for 30 days: the row that the daemon itself would have written then.
    rig.stop_daemon();
    let db = database(&rig);
    db.execute_batch("DROP TRIGGER upkeep_log_is_whole; DELETE FROM upkeep_log").unwrap();
    let start = i64::try_from((now() - 30 * A_DAY) * 1_000_000).unwrap();
    db.execute("INSERT INTO upkeep_log VALUES (1, ?1, 'start', NULL, 0, '')", [start]).unwrap();
    drop(db);
    rig.start_daemon();
    wait_kinds(&rig, &["cleaning"]);
    let due = run(&rig, &["maintenance", "due"]).out;
    assert!(due.contains("cleaning") && due.contains("battery") && !due.contains("inspection"), "{due}");
    assert_eq!(due.matches("(due)").count(), 1, "{due}");

    let done = ["maintenance", "done", "cleaning", "--note", "reader and keys wiped"];
    let refused = run(&rig, &done);
    assert!(refused.code == 1 && refused.err.contains("a supervisor must be signed in"), "{}", refused.err);
    rig.posctl_with_secret(&["operator", "sign-in", "01"], PASSWORD);
    for (item, note, why) in [("start", "x", "one of"), ("cleaning", "6200000000000000018", "card number")] {
        let refused = run(&rig, &["maintenance", "done", item, "--note", note]);
        assert!(refused.code == 1 && refused.err.contains(why) && !refused.err.contains("6200"), "{}", refused.err);
    }
    assert_eq!(kinds(&rig), ["cleaning"]);
    assert_eq!(run(&rig, &done).out.trim(), "cleaning: on record as done");
    assert!(kinds(&rig).is_empty(), "the notice goes with it");

    rig.stop_daemon();
    rig.start_daemon();
    let log = rig.json(&["maintenance", "log"])["log"].clone();
    let items: Vec<&Value> = log.as_array().unwrap().iter().map(|line| &line["item"]).collect();
    assert_eq!(items, [Item::Cleaning.as_str(), Item::Start.as_str()]);
    assert_eq!((&log[0]["operator"], &log[0]["note"]), (&"01".into(), &"reader and keys wiped".into()));
    let zh = run_in(&rig, ZH, &["maintenance", "log"], "").out;
    assert!(zh.contains("操作员") && zh.contains("reader and keys wiped"), "{zh}");
    assert!(kinds(&rig).is_empty());
}

/// A certificate that ends after so many days, by today's date.
fn certificate(days: u64) -> String {
    let mut parameters = rcgen::CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
    let at = smartpos::domain::time::WallTime((now() + days * A_DAY) * 1_000_000).civil(0);
    parameters.not_after = rcgen::date_time_ymd(at.year.into(), at.month, at.day);
    parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[test]
fn a_pinned_certificate_that_runs_out_is_noticed_until_the_new_one_is_in_place() {
    let test = "a_pinned_certificate_that_runs_out_is_noticed_until_the_new_one_is_in_place";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("host.pem");
    std::fs::write(&file, certificate(31)).unwrap();
    let profile = format!("[tls]\nmode = \"pinned-certificate\"\ncertificate = {file:?}\n");
    let Some(mut rig) = Rig::new(test, Setup { profile, ..setup("") }) else { return };
    rig.start_daemon();
    eventually("a look", || week(&rig, Counter::CertificateDays));
    assert_eq!((week(&rig, Counter::CertificateDays), kinds(&rig)), (Some(31), vec![]));
    std::fs::write(&file, certificate(30)).unwrap();
    wait_kinds(&rig, &["certificate-expiry"]);
    let said = run(&rig, &["maintenance"]).out;
    assert!(said.contains("N09 certificate-expiry: the acquirer's certificate file expires in 30 days"), "{said}");
    std::fs::write(&file, certificate(400)).unwrap();
    wait_kinds(&rig, &[]);
}

#[test]
fn what_line_and_keys_do_wrong_is_counted() {
    let Some(rig) = Rig::ready("what_line_and_keys_do_wrong_is_counted", setup("")) else { return };
    let counted = |counter, least| {
        eventually(&format!("{least} {counter}"), || (week(&rig, counter) >= Some(least)).then_some(()));
    };
    counted(Counter::Frames, 1);
    rig.keypad_order("bounce 5 4");
    counted(Counter::KeyBounces, 1);
    let sale = rig.begin_sale("1.00", "a");
    sale.wait_prompt("present-card");
    rig.reader_order("corrupt 2");
    // Which waits for some answers of the reader.
    rig.lift_card(|| false);
    rig.keypad_order("type cancel");
    sale.result();
    counted(Counter::FramingErrors, 1);
    assert_eq!(week(&rig, Counter::Taps), None, "nobody has tapped");
}
