//! The code scanner on a rig: the shipped daemon with a simulated scanner behind a pty.
//!
//! Proves: operators sign in by a scanned code, wrong codes count and lock; a customer's code and the code of a payment are
//! answered; unplugging, garbage, floods, glued and cut codes, a mute scanner and a device that is none do no harm to card
//! payments, and the scanner comes back by itself. Without one configured there is no trace of it.

#[path = "common/rig.rs"]
mod rig;

use std::time::{Duration, Instant};

use rig::{PIN, Rig, Setup, eventually, pause};
use serde_json::Value;
use smartpos::domain::ids::OperatorId;
use smartpos::domain::scan::OperatorCode;

const ALIPAY: &str = "281234567890123456";

fn setup(kind: &str, arguments: &[&str]) -> Setup {
    Setup {
        scanner_config: Some(format!("kind = {kind:?}")),
        scanner: arguments.iter().map(|a| (*a).to_owned()).collect(),
        ..Setup::default()
    }
}

fn gm65(test: &str) -> Option<Rig> {
    let rig = Rig::ready(test, setup("gm65", &[]))?;
    wait_state(&rig, "ready");
    Some(rig)
}

fn line(test: &str, arguments: &[&str]) -> Option<Rig> {
    let arguments = [&["--family", "line"], arguments].concat();
    let rig = Rig::ready(test, setup("line", &arguments))?;
    wait_state(&rig, "ready");
    Some(rig)
}

fn wait_state(rig: &Rig, state: &str) -> Value {
    eventually(&format!("scanner {state}; log:\n{}", rig.log()), || {
        let scanner = rig.json(&["status"])["scanner"].clone();
        (scanner["state"] == state).then_some(scanner)
    })
}

/// How often the daemon has given this answer to a code of this kind.
fn answers(rig: &Rig, kind: &str, answer: &str) -> usize {
    rig.log().matches(&format!("scanned a code ({kind}): {answer}")).count()
}

fn wait_answers(rig: &Rig, kind: &str, answer: &str, times: usize) {
    eventually(&format!("{times} times {kind}: {answer}; log:\n{}", rig.log()), || {
        (answers(rig, kind, answer) >= times).then_some(())
    });
}

fn operator(rig: &Rig) -> String {
    rig.json(&["status"])["terminal"]["operator"].as_str().unwrap().to_owned()
}

/// Operator 10 with a code, which is given; nobody is signed in afterwards.
fn issue(rig: &Rig) -> String {
    rig.posctl_with_secret(&["operator", "set", "10", "--role", "operator"], "271828");
    let issued = rig.json(&["operator", "code", "new", "10"]);
    assert!(rig.posctl(&["operator", "sign-out"]).status.success());
    issued["code"].as_str().unwrap().to_owned()
}

/// A code of operator 10 that is whole, but not the right one.
fn wrong(n: u8) -> String {
    let code = OperatorCode::new(OperatorId::new("10").unwrap(), &[n; 26]).text();
    String::from_utf8(code.expose().to_vec()).unwrap()
}

#[test]
fn an_operator_signs_in_by_a_code_until_it_is_revoked() {
    let Some(rig) = gm65("an_operator_signs_in_by_a_code_until_it_is_revoked") else { return };
    assert_eq!(wait_state(&rig, "ready")["model"], "GM65");
    assert_eq!(wait_state(&rig, "ready")["firmware"], "105");
    let code = issue(&rig);
    assert!(code.starts_with("SPO1:10:") && code.len() == 35, "{code}");
    assert_eq!(rig.json(&["status"])["terminal"]["cause"], "O03");
    rig.scanner_order(&format!("scan {code}"));
    eventually("operator 10", || (operator(&rig) == "10").then_some(()));
    wait_answers(&rig, "operator", "signed-in", 1);
    assert_eq!(rig.sell("128.00", "order-1").result()["outcome"], "approved", "{}", rig.log());

    // Shown as a picture, without the text; the one before ends with it.
    rig.posctl_with_secret(&["operator", "sign-in", "01"], "271828");
    let shown = rig.posctl(&["operator", "code", "new", "10"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().count() > 12 && shown.contains('█') && !shown.contains("SPO1"), "{shown}");
    rig.scanner_order("scan something in between, or it is the same scan still");
    rig.scanner_order(&format!("scan {code}"));
    wait_answers(&rig, "operator", "refused", 1);
    assert_eq!(operator(&rig), "01");

    let text = rig.posctl(&["operator", "code", "new", "01", "--text"]);
    let code = String::from_utf8(text.stdout).unwrap().lines().next().unwrap().to_owned();
    assert!(rig.posctl(&["operator", "sign-out"]).status.success());
    rig.scanner_order(&format!("scan {code}"));
    eventually("operator 01", || (operator(&rig) == "01").then_some(()));
    assert!(rig.posctl(&["operator", "code", "revoke", "01"]).status.success());
    assert!(rig.posctl(&["operator", "sign-out"]).status.success());
    rig.scanner_order("scan something else");
    rig.scanner_order(&format!("scan {code}"));
    wait_answers(&rig, "operator", "refused", 2);
    assert_eq!(operator(&rig), "");
    // Nobody on duty, so nobody issues anything.
    assert!(!rig.posctl(&["operator", "code", "new", "01"]).status.success());
}

#[test]
fn wrong_codes_count_and_lock_the_operator_as_wrong_passwords_do() {
    let Some(rig) = gm65("wrong_codes_count_and_lock_the_operator_as_wrong_passwords_do") else { return };
    let code = issue(&rig);
    rig.scanner_order(&format!("scan {}", code.replace("SPO1:10", "SPO1:11")));
    wait_answers(&rig, "operator", "damaged", 1);
    let cause = || rig.json(&["status"])["terminal"]["cause"].as_str().unwrap().to_owned();
    assert_eq!(cause(), "O03", "a misread code is no try");
    // The waits between five tries are half a minute altogether.
    let end = Instant::now() + Duration::from_secs(120);
    for n in 1.. {
        rig.scanner_order(&format!("scan {}", wrong(n % 32)));
        if cause() == "O02" {
            break;
        }
        assert!(Instant::now() < end, "not locked:\n{}", rig.log());
        (0..40).for_each(|_| pause());
    }
    assert!(rig.log().contains("O01"), "{}", rig.log());
    rig.scanner_order(&format!("scan {code}"));
    pause();
    let said = rig.refused_with_secret(&["operator", "sign-in", "10"], "--password-fd", "271828");
    assert!(said.contains("O02"), "{said}");
    assert_eq!(operator(&rig), "");
    rig.posctl_with_secret(&["operator", "sign-in", "01"], "271828");
    assert!(rig.posctl(&["operator", "unlock", "10"]).status.success());
    rig.scanner_order("scan something else");
    rig.scanner_order(&format!("scan {code}"));
    eventually("operator 10", || (operator(&rig) == "10").then_some(()));
}

#[test]
fn codes_in_a_card_payment_are_answered_and_the_payment_goes_on() {
    let Some(rig) = gm65("codes_in_a_card_payment_are_answered_and_the_payment_goes_on") else { return };
    let code = issue(&rig);
    rig.scanner_order(&format!("scan {code}"));
    eventually("operator 10", || (operator(&rig) == "10").then_some(()));
    rig.scanner_order(&format!("scan {ALIPAY}"));
    wait_answers(&rig, "payment", "no-payment-waits", 1);
    let sale = rig.begin_sale("128.00", "order-1");
    sale.wait_prompt("present-card");
    rig.scanner_order(&format!("scan {code}"));
    wait_answers(&rig, "operator", "not-now", 1);
    rig.scanner_order("scan 6212345678901234567");
    wait_answers(&rig, "payment", "no-payment-waits", 2);
    rig.reader_order("card in");
    sale.wait_prompt("enter-pin");
    rig.keypad_order(&format!("type {PIN} enter"));
    let result = sale.result();
    assert_eq!(result["outcome"], "approved", "{result}\n{}", rig.log());

    // Its own code, as it stands on the receipt.
    let code = result["code"].as_str().unwrap().to_owned();
    rig.scanner_order(&format!("scan {code}"));
    wait_answers(&rig, "transaction", "found", 1);
    let mut other = code.clone().into_bytes();
    other[9] = if other[9] == b'7' { b'8' } else { b'7' };
    rig.scanner_order(&format!("scan {}", String::from_utf8(other).unwrap()));
    wait_answers(&rig, "transaction", "damaged", 1);
    let take = || {
        let mut busctl = std::process::Command::new("busctl");
        busctl.arg(format!("--address={}", rig.bus_address)).args(["call", "org.smartposd.Pos1"]);
        busctl.args(["/org/smartposd/Pos1/Scanner0", "org.smartposd.Pos1.Scanner", "TakeTransaction"]);
        busctl.output()
    };
    match take() {
        Ok(taken) => {
            assert_eq!(String::from_utf8(taken.stdout).unwrap().trim(), format!("s \"{code}\""));
            assert!(!take().unwrap().status.success(), "given twice");
        }
        Err(_) => rig::skip("TakeTransaction", "no busctl"),
    }
}

#[test]
fn a_scanner_may_go_and_come_back_any_number_of_times() {
    let Some(rig) = gm65("a_scanner_may_go_and_come_back_any_number_of_times") else { return };
    let port = || std::fs::read_link(rig.path("ttyScanner")).unwrap();
    let mut ports = vec![port()];
    for round in 1..=5 {
        rig.scanner_order("unplug");
        assert_eq!(wait_state(&rig, "absent")["last_cause"], "H10");
        let status = rig.json(&["status"]);
        assert_eq!(status["terminal"]["state"], "ready", "card payments miss nothing: {status}");
        assert_eq!(status["capabilities"]["qr"]["cause"], "H10", "{status}");
        assert_eq!(status["health"], "degraded");
        // Takes the number that the port had, so that it comes back under another one.
        let _taken = nix::pty::openpty(None, None).unwrap();
        rig.scanner_order("plug");
        assert_eq!(wait_state(&rig, "ready")["last_cause"], "", "round {round}");
        ports.push(port());
    }
    ports.dedup();
    assert!(ports.len() > 1, "it never had another port");
    rig.scanner_order(&format!("scan {ALIPAY}"));
    wait_answers(&rig, "payment", "no-payment-waits", 1);

    rig.scanner_order("unplug");
    wait_state(&rig, "absent");
    let doctor = rig.posctl(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("H10") && doctor.status.code() == Some(12), "{said}");
    assert_eq!(rig.sell("128.00", "order-1").result()["outcome"], "approved", "{}", rig.log());
}

#[test]
fn garbage_and_floods_are_bounded_and_cost_no_payment() {
    let Some(rig) = gm65("garbage_and_floods_are_bounded_and_cost_no_payment") else { return };
    rig.scanner_order("noise 200000");
    rig.scanner_order("raw 0d");
    rig.wait_log("not everything from the scanner was taken");
    rig.scanner_order("flood 20000");
    assert_eq!(rig.sell("128.00", "order-1").result()["outcome"], "approved", "{}", rig.log());
    eventually("the flood to be over", || rig.scanner_order("status").contains("waiting=0 ").then_some(()));
    let taken = answers(&rig, "unknown", "meaningless");
    assert!((1..=300).contains(&taken), "{taken} of the flood were taken");
    let told = rig.log().matches("not everything from the scanner was taken").count();
    assert!(told <= 5, "told {told} times");
    assert!(!rig.log().contains("FLOOD"), "what was scanned is in the log");
    eventually("a code to be taken again", || {
        rig.scanner_order(&format!("scan {ALIPAY}"));
        (answers(&rig, "payment", "no-payment-waits") > 0).then_some(())
    });
    assert_eq!(rig.json(&["status"])["scanner"]["state"], "ready");
}

#[test]
fn codes_are_found_however_their_bytes_come() {
    let Some(rig) = line("codes_are_found_however_their_bytes_come", &["--tail", "none"]) else { return };
    assert_eq!(wait_state(&rig, "ready")["model"], "line-mode scanner");
    let payments = |n| wait_answers(&rig, "payment", "no-payment-waits", n);
    // No terminator: silence ends it.
    rig.scanner_order(&format!("scan {ALIPAY}"));
    payments(1);
    // In pieces, with pauses that are no end.
    rig.scanner_order("pieces 1 15");
    rig.scanner_order("scan 281234567890123457");
    payments(2);
    rig.scanner_order("pieces off");
    // Two in one piece, each with its end.
    let glued: String = format!("{ALIPAY}\r\n6212345678901234567\r\n").bytes().map(|b| format!("{b:02x}")).collect();
    rig.scanner_order(&format!("raw {glued}"));
    payments(4);
    let mut fresh = 0;
    for tail in ["cr", "lf", "crlf", "tab"] {
        let before = answers(&rig, "payment", "no-payment-waits");
        rig.scanner_order(&format!("tail {tail}"));
        // More than once, since no more than two codes a second are taken for long.
        eventually(&format!("a code with {tail}"), || {
            fresh += 1;
            rig.scanner_order(&format!("scan 28123456789012{fresh:04}"));
            (answers(&rig, "payment", "no-payment-waits") > before).then_some(())
        });
    }
    // It ends its codes now: half of one is none.
    let before = answers(&rig, "payment", "no-payment-waits");
    let half: String = ALIPAY[..16].bytes().map(|b| format!("{b:02x}")).collect();
    rig.scanner_order(&format!("raw {half}"));
    eventually("another code", || {
        fresh += 1;
        rig.scanner_order(&format!("scan something else {fresh}"));
        (answers(&rig, "unknown", "meaningless") > 0).then_some(())
    });
    assert_eq!(answers(&rig, "payment", "no-payment-waits"), before);
}

#[test]
fn a_mute_scanner_is_named_and_comes_back_by_itself() {
    let Some(rig) = gm65("a_mute_scanner_is_named_and_comes_back_by_itself") else { return };
    rig.scanner_order("hold 281234567890123456");
    assert!(rig.posctl(&["scanner", "trigger"]).status.success());
    wait_answers(&rig, "payment", "no-payment-waits", 1);
    rig.scanner_order("mute on");
    assert!(rig.posctl(&["scanner", "reset"]).status.success());
    assert_eq!(wait_state(&rig, "failed")["last_cause"], "H11");
    assert!(!rig.posctl(&["scanner", "trigger"]).status.success());
    let rows = rig.json_lines(&["selftest", "external"]);
    let text = serde_json::to_string(&rows).unwrap();
    assert!(text.contains("H11"), "{text}");
    assert_eq!(rig.json(&["status"])["terminal"]["state"], "ready");
    rig.scanner_order("mute off");
    wait_state(&rig, "ready");
    rig.wait_log("scanner: works again");
}

#[test]
fn a_card_reader_on_the_scanners_port_is_no_scanner() {
    let test = "a_card_reader_on_the_scanners_port_is_no_scanner";
    let Some(mut rig) = Rig::new(test, setup("gm65", &[])) else { return };
    rig.replace_scanner("reader");
    rig.start_daemon();
    rig.provision();
    rig.wait_terminal("ready");
    let scanner = wait_state(&rig, "failed");
    assert_eq!((&scanner["last_cause"], &scanner["model"]), (&"H11".into(), &"".into()));
    assert_eq!(rig.sell("128.00", "order-1").result()["outcome"], "approved", "{}", rig.log());
    let shown = String::from_utf8(rig.posctl(&["status"]).stdout).unwrap();
    assert!(shown.contains("scanner: ") && shown.contains("H11"), "{shown}");
}

#[test]
fn a_rig_without_a_scanner_knows_none() {
    let Some(rig) = Rig::ready("a_rig_without_a_scanner_knows_none", Setup::default()) else { return };
    let status = rig.json(&["status"]);
    assert_eq!(status["scanner"], Value::Null);
    assert!(!status["components"].to_string().contains("scanner"), "{status}");
    assert_eq!(status["health"], "ok");
    assert!(!rig.posctl(&["scanner", "reset"]).status.success());
    assert!(!rig.log().contains("scanner"), "{}", rig.log());
}
