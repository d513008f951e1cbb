//! What it proves: mistakes that come again and again at the shipped daemon become a hint with its numbers, on the bus and
//! in `posctl`, in both languages; and the hint goes when the mistake is no longer made.

#[path = "common/command.rs"]
mod command;
#[path = "common/rig.rs"]
mod rig;

use std::process::Stdio;

use command::{ZH, run, run_in};
use rig::{Rig, Setup, eventually};

const PASSWORD: &str = "271828";

/// How often this mistake was made.
fn mistakes(rig: &Rig, word: &str) -> u64 {
    rig.json(&["hints"])["mistakes"][word].as_u64().unwrap_or(0)
}

#[test]
fn cards_pulled_away_too_early_become_a_hint_with_its_numbers() {
    let Some(rig) = Rig::ready("cards_pulled_away_too_early_become_a_hint_with_its_numbers", Setup::default()) else {
        return;
    };
    let mut sale = rig.posctl_command(&["sale", "12.34", "--key", "a"]);
    let sale = sale.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let _sale = rig::Process(sale);
    let prompt = || rig.json(&["status"])["terminal"]["prompt"].as_str().unwrap().to_owned();
    eventually("the card to be asked for", || (prompt() == "present-card").then_some(()));
    for n in 1..=4 {
        assert!(rig.json(&["hints"])["hints"].as_array().unwrap().is_empty(), "a hint after {} mistakes", n - 1);
        rig.reader_order("card in remove-after 1");
        eventually("the card to be missed", || (mistakes(&rig, "removed-early") == n).then_some(()));
        rig.lift_card(|| false);
    }
    let hints = rig.json(&["hints"])["hints"].clone();
    assert_eq!((&hints[0]["kind"], &hints[0]["count"]), (&"removed-early".into(), &4.into()), "{hints}");
    let said = run(&rig, &["hints"]).out;
    assert!(said.contains("4 of the last 4 taps were pulled away too early"), "{said}");
    assert!(said.contains("What to do: have the card held still on the reader until the tone"), "{said}");
    let zh = run_in(&rig, ZH, &["status"], "").out;
    assert!(zh.contains("提示：最近 4 次挥卡中有 4 次移开太早"), "{zh}");
    assert_eq!(rig.json(&["status"])["hints"][0]["kind"], "removed-early");
}

#[test]
fn a_hint_about_passwords_comes_with_the_third_wrong_one_and_goes_with_right_ones() {
    let test = "a_hint_about_passwords_comes_with_the_third_wrong_one_and_goes_with_right_ones";
    let Some(mut rig) = Rig::new(test, Setup::default()) else { return };
    rig.start_daemon();
    rig.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], PASSWORD);
    assert_eq!(run(&rig, &["hints"]).out.trim(), "no hints: no mistake comes again and again");
    let sign_in = ["operator", "sign-in", "01"];
    let wrong = |count: u64| {
        // After a wrong password the next one is not even looked at for a while.
        eventually("the password to be looked at", || {
            rig.refused_with_secret(&sign_in, "--password-fd", "141421");
            (mistakes(&rig, "wrong-password") == count).then_some(())
        });
    };
    wrong(1);
    wrong(2);
    assert!(!run(&rig, &["status"]).out.contains("Hint:"));
    wrong(3);
    assert!(run(&rig, &["status"]).out.contains("Hint: 3 of the last 3 operator passwords were wrong"));
    eventually("the right password to be looked at", || {
        rig.run_with_fd(&sign_in, "--password-fd", PASSWORD).status.success().then_some(())
    });
    (0..17).for_each(|_| rig.posctl_with_secret(&sign_in, PASSWORD));
    assert_eq!(run(&rig, &["hints"]).out.trim(), "no hints: no mistake comes again and again");
    assert_eq!(mistakes(&rig, "wrong-password"), 3);
}
