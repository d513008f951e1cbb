//! The queue as people meet it: `posctl` against the shipped daemon, from a payment accepted offline to the last row of
//! the journal.
//!
//! Proves: with the acquirer gone, a payment is accepted offline where its app said so, and every command says what is
//! unsent and what to do; nothing may be upgraded meanwhile, with the daemon or without; once the acquirer is back it is
//! sent, and the journal is whole.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::process::{Command, Output, Stdio};

use rig::{PAN, Rig, SMARTPOSD, Setup, eventually};
use site::edit_profile;

/// A rig that may go offline, up to so many payments of one card a day.
fn rig(test: &str) -> Option<Rig> {
    let profile = "[offline]\nenabled = true\nper_card_per_day = 9\n".to_owned();
    let mut rig = Rig::new(test, Setup { profile, ..Setup::default() })?;
    edit_profile(&rig, "pin_above = 0", "pin_above = 5000000");
    rig.start_daemon();
    rig.provision();
    rig.wait_terminal("ready");
    Some(rig)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Sells without asking the acquirer and gives the transaction code.
fn sell_offline(rig: &Rig, amount: &str, key: &str) -> String {
    rig.reader_order("card in");
    let sale = rig.json_lines(&["sale", amount, "--key", key, "--mode", "offline-only"]);
    let result = sale.last().unwrap();
    assert_eq!(result["outcome"], "approved-offline", "{sale:?}\n{}", rig.log());
    assert_eq!(result["mode"], "offline-only");
    assert_eq!(result["merchant-carries-risk"], true);
    rig.reader_order("card out");
    result["code"].as_str().unwrap().to_owned()
}

/// What the offline check of the package says.
fn queue_state(rig: &Rig) -> Output {
    let mut smartposd = Command::new(SMARTPOSD);
    smartposd.arg("--config").arg(rig.path("smartposd.toml")).arg("--queue-state");
    smartposd.stdin(Stdio::null()).output().unwrap()
}

fn guard(rig: &Rig) -> Output {
    rig.posctl(&["queue", "guard", "--for", "upgrade"])
}

#[test]
fn from_an_offline_payment_to_an_empty_queue() {
    let Some(mut rig) = rig("from_an_offline_payment_to_an_empty_queue") else { return };
    let allowed = guard(&rig);
    assert!(allowed.status.success(), "{}", said(&allowed));

    // The acquirer takes no uploads, so that what is accepted stays unsent.
    rig.acquirer_order("fault 0220 ignore sticky");
    let first = sell_offline(&rig, "12.80", "first");
    let second = sell_offline(&rig, "7.20", "second");

    let status = rig.json(&["status"]);
    assert_eq!(status["queue"]["depth"], 2);
    assert_eq!(status["queue"]["pending_amounts"]["CNY"], 2000);
    let offline = &status["capabilities"]["card-offline"];
    assert_eq!((&offline["available"], &offline["count-left"]), (&true.into(), &48.into()), "{offline}");
    let shown = said(&rig.posctl(&["status"]));
    assert!(shown.contains("card, offline: works") && shown.contains("2 payments waiting"), "{shown}");

    let listed = rig.json(&["queue", "list"]);
    let codes: Vec<_> = listed["rows"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!(codes, [first.as_str(), second.as_str()], "oldest first");
    let one = said(&rig.posctl(&["queue", "show", &second]));
    assert!(one.contains("offline only") && one.contains("CNY 7.20"), "{one}");
    let exported = said(&rig.posctl(&["queue", "export"]));
    assert!(exported.contains(&first) && exported.lines().count() == 3, "{exported}");

    let refused = guard(&rig);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("2 payments to be sent") && said(&refused).contains("CNY 20.00"),
        "{}",
        said(&refused)
    );
    let refused = rig.posctl(&["sign-out"]);
    assert!(!refused.status.success(), "a sign-out would leave money behind: {}", said(&refused));
    let busy = queue_state(&rig);
    assert!(!busy.status.success() && said(&busy).contains("in use"), "{}", said(&busy));
    rig.kill_daemon();
    let stopped = queue_state(&rig);
    assert_eq!(stopped.status.code(), Some(1), "{}", said(&stopped));
    assert!(said(&stopped).contains("payments to be sent: 2"), "{}", said(&stopped));

    rig.acquirer_order("clear");
    rig.start_daemon();
    rig.wait_terminal("ready");
    rig.posctl(&["queue", "drain"]);
    eventually("an empty queue", || (rig.json(&["status"])["queue"]["depth"] == 0).then_some(()));
    let allowed = guard(&rig);
    assert!(allowed.status.success(), "{}", said(&allowed));
    let sent = rig.json(&["transaction", "show", &first]);
    assert_eq!((&sent["forwarding"], &sent["merchant-carries-risk"]), (&"accepted".into(), &false.into()));
    rig.stop_daemon();
    let stopped = queue_state(&rig);
    assert!(stopped.status.success(), "{}", said(&stopped));
}

#[test]
fn a_held_payment_waits_for_a_decision_and_the_journal_knows_who_took_it() {
    let Some(rig) = rig("a_held_payment_waits_for_a_decision_and_the_journal_knows_who_took_it") else { return };
    rig.acquirer_order("fault 0220 code 05 sticky");
    let code = sell_offline(&rig, "12.80", "refused-later");
    eventually("the refusal", || (rig.json(&["status"])["queue"]["held"] == 1).then_some(()));
    rig.acquirer_order("clear");
    let held = rig.json(&["queue", "list", "--held"]);
    let row = &held["rows"][0];
    assert_eq!((&row["code"], &row["held"], &row["what"]), (&code.as_str().into(), &true.into(), &"payment".into()));
    let shown = said(&rig.posctl(&["queue", "list"]));
    assert!(shown.contains("posctl queue resolve"), "{shown}");
    assert_eq!(guard(&rig).status.code(), Some(1), "held is unsent too");

    let wrong = rig.posctl(&["queue", "resolve", &code, "abandon", "--note", &format!("card {PAN}")]);
    assert!(!wrong.status.success() && said(&wrong).contains("card number"), "{}", said(&wrong));
    assert!(!said(&wrong).contains(PAN), "it is not repeated");
    let resolved = rig.json(&["queue", "resolve", &code, "abandon", "--note", "customer paid in cash"]);
    assert_eq!(resolved["decision"], "abandon");
    let row = rig.json(&["transaction", "show", &code]);
    assert_eq!((&row["forwarding"], &row["merchant-carries-risk"]), (&"abandoned".into(), &true.into()));
    assert!(row["resolution"].as_str().unwrap().contains("customer paid in cash"), "{row}");
    let allowed = guard(&rig);
    assert!(allowed.status.success(), "given up on record: {}", said(&allowed));

    // A refused card, and one that a person names, are not accepted offline again.
    rig.with_secret(&["queue", "deny-card", "--note", "reported lost"], "--pan-fd", "6200 0000 0000 0000 026");
    for pan in [PAN, "6200000000000000026"] {
        rig.reader_order(&format!("card set pan {pan}"));
        rig.reader_order("card in");
        let sale = rig.json_lines(&["sale", "1.00", "--mode", "offline-only"]);
        let result = sale.last().unwrap();
        assert_eq!(result["outcome"], "cancelled", "{sale:?}");
        assert!(result["evidence"].as_str().unwrap().starts_with("offline-denied:"), "{result}");
        rig.reader_order("card out");
    }

    let checked = rig.json(&["journal", "verify"]);
    assert_eq!(checked["whole"], true);
    let rows = rig.json_lines(&["journal", "export"]);
    assert_eq!(rows.len() as u64, checked["rows"].as_u64().unwrap());
    let entry = |row: &serde_json::Value| row["entry"].as_str().unwrap().to_owned();
    assert!(rows.iter().any(|row| entry(row).contains("customer paid in cash")), "{rows:?}");
    let two = rig.json_lines(&["journal", "export", "--after", "1", "--limit", "2"]);
    assert_eq!(two.iter().map(|row| row["number"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3]);
    for pan in [PAN, "6200000000000000026"] {
        assert!(!rows.iter().any(|row| entry(row).contains(pan)), "a card number in the journal");
        assert!(!rig.log().contains(pan), "a card number in the log");
    }
}

#[test]
fn a_backup_of_a_running_terminal_comes_back_with_what_was_unsent() {
    const PASSPHRASE: &str = "a sentence nobody guesses";
    let Some(mut rig) = rig("a_backup_of_a_running_terminal_comes_back_with_what_was_unsent") else { return };
    rig.acquirer_order("fault 0220 ignore sticky");
    sell_offline(&rig, "12.80", "kept");
    let file = rig.path("pos.backup");
    let name = file.to_str().unwrap().to_owned();
    rig.with_secret(&["backup", &name], "--passphrase-fd", PASSPHRASE);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.len() > 4096, "{} bytes", bytes.len());
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(!holds(b"SQLite format") && !holds(PAN.as_bytes()) && !holds(b"99000001"), "the backup is not sealed");

    let again = rig.posctl(&["backup", &name, "--passphrase-fd", "9"]);
    assert!(!again.status.success(), "an older backup is never written over");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);

    // During a payment everything would wait for the copy.
    let sale = rig.begin_sale("1.00", "under-way");
    sale.wait_prompt("present-card");
    let other = rig.path("other.backup");
    let refused = rig.refused_with_secret(&["backup", other.to_str().unwrap()], "--passphrase-fd", PASSPHRASE);
    assert!(refused.contains("Busy"), "{refused}");
    assert!(!other.exists(), "what is worthless is not left behind");
    drop(sale);
    rig.kill_daemon();

    // Elsewhere: a configuration with another place for the state.
    let config = std::fs::read_to_string(rig.path("smartposd.toml")).unwrap();
    let elsewhere = rig.path("elsewhere");
    let moved = config.replace(rig.path("state").to_str().unwrap(), elsewhere.to_str().unwrap());
    assert_ne!(moved, config);
    std::fs::write(rig.path("smartposd.toml"), moved).unwrap();
    let restored = restore(&rig, &name, PASSPHRASE);
    assert!(restored.status.success(), "{}", said(&restored));
    let state = queue_state(&rig);
    assert!(said(&state).contains("payments to be sent: 1"), "{}", said(&state));
    rig.acquirer_order("clear");
    rig.start_daemon();
    rig.wait_terminal("ready");
    eventually("an empty queue", || (rig.json(&["status"])["queue"]["depth"] == 0).then_some(()));
    assert_eq!(rig.json(&["journal", "verify"])["whole"], true);
}

fn restore(rig: &Rig, archive: &str, passphrase: &str) -> Output {
    use std::io::Write;
    let mut smartposd = Command::new(SMARTPOSD);
    smartposd.arg("--config").arg(rig.path("smartposd.toml")).args(["--restore", archive, "--passphrase-fd", "0"]);
    let child = smartposd.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    writeln!(child.stdin.take().unwrap(), "{passphrase}").unwrap();
    child.wait_with_output().unwrap()
}
