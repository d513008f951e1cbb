//! `posctl` as people and scripts use it, but for selling: the installed program against the daemon.
//!
//! Proves: every command does its work, says it in Chinese or English by locale and as JSON with `--json`, ends with the
//! exit code it documents, and explains what is wrong when it does not; passwords are asked for without echo; completions
//! and man pages are made.

#[path = "common/books.rs"]
mod books;
#[path = "common/command.rs"]
mod command;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use command::{EN, ZH, json_of, run, run_in, said};
use rig::{POSCTL, Process, Rig, Setup, eventually, skip};
use serde_json::Value;

fn started(test: &str) -> Option<Rig> {
    let mut rig = Rig::new(test, Setup::default())?;
    rig.start_daemon();
    Some(rig)
}

/// With keys and supervisor 01, signed in, cards that tap by themselves and need no PIN below 1000.00.
fn unattended(test: &str) -> Option<Rig> {
    let (rig, till) = site::unattended(test, Setup::default())?;
    drop(till);
    Some(rig)
}

#[test]
fn the_first_run_leads_through_supervisor_operator_keys_and_sign_in() {
    let Some(rig) = started("the_first_run_leads_through_supervisor_operator_keys_and_sign_in") else { return };
    let first = run(&rig, &["status"]);
    assert!(first.code == 0 && first.out.contains("first run: set a supervisor with"), "{}", first.out);
    assert!(run_in(&rig, ZH, &["status"], "").out.contains("首次使用，请先设主管"));

    // Nobody but a supervisor comes first, and a password has its rules.
    let set = |who: &str, role: &str, password: &str| {
        run_in(&rig, EN, &["operator", "set", who, "--role", role, "--password-fd", "0"], &format!("{password}\n"))
    };
    let early = set("02", "operator", "314159");
    assert!(early.code == 1 && early.err.contains("supervisor"), "{}", early.err);
    let weak = set("01", "supervisor", "123");
    assert!(weak.code == 1 && weak.err.contains("InvalidArgument"), "{}", weak.err);
    assert_eq!(set("01", "supervisor", "271828").out.trim(), "operator 01 is set as supervisor");
    let sign_in = |who: &str, password: &str| {
        run_in(&rig, EN, &["operator", "sign-in", who, "--password-fd", "0"], &format!("{password}\n"))
    };
    assert_eq!(sign_in("01", "271828").out.trim(), "operator 01 is signed in");
    assert_eq!(set("02", "operator", "314159").code, 0);

    // The keys: two people, two components, one check value.
    let keys = run(&rig, &["keys", "status"]);
    assert!(keys.out.contains("no master key"), "{}", keys.out);
    let load = |n: &str, who: &str, hex: &str| {
        run_in(&rig, EN, &["keys", "load", "--component", n, "--custodian", who, "--component-fd", "0"], hex)
    };
    let typo = load("1", "Li", "not hexadecimal");
    assert!(typo.code == 1 && typo.err.contains("32 hex digits"), "{}", typo.err);
    assert!(load("1", "Li", rig::COMPONENTS[0]).out.contains("another person enters component 2"));
    let (code, half) = json_of(&rig, &["keys", "status"], "");
    assert!(code == 0 && !half[0]["pending_component_check"].as_str().unwrap().is_empty(), "{half:?}");
    let (_, abandoned) = json_of(&rig, &["keys", "abandon"], "");
    assert_eq!(abandoned[0]["pending_component_check"], "");
    assert_eq!(load("1", "Li", rig::COMPONENTS[0]).code, 0);
    let same = load("2", "Li", rig::COMPONENTS[1]);
    assert!(same.code == 1 && !same.err.contains(rig::COMPONENTS[1]), "one person with both halves: {}", same.err);
    assert!(load("2", "Wang", rig::COMPONENTS[1]).out.contains("check value 08D7B4FB"));
    assert_eq!(json_of(&rig, &["keys", "status"], "").1[0]["master_key_check"], "08D7B4FB");

    rig.wait_terminal("ready");
    assert!(run(&rig, &["status"]).out.starts_with("ready: payments can start\n"));
    assert!(run_in(&rig, ZH, &["status"], "").out.starts_with("ready: 可以收款\n"));
    let (_, whole) = json_of(&rig, &["status"], "");
    for part in ["terminal", "reader", "keypad", "capabilities", "keys", "health", "components", "version", "features"]
    {
        assert!(whole[0].get(part).is_some(), "{part} is missing");
    }
    assert_eq!(whole[0]["terminal"]["operator"], "01");
}

#[test]
fn operators_sign_in_and_out_and_a_supervisor_ends_a_lock_out() {
    let Some(rig) = unattended("operators_sign_in_and_out_and_a_supervisor_ends_a_lock_out") else { return };
    let sign_in = |who: &str, password: &str| {
        run_in(&rig, EN, &["operator", "sign-in", who, "--password-fd", "0"], &format!("{password}\n"))
    };
    let set = ["operator", "set", "02", "--role", "operator", "--password-fd", "0"];
    let (code, told) = json_of(&rig, &set, "314159\n");
    assert_eq!((code, &told[0]), (0, &serde_json::json!({"operator": "02", "role": "operator"})));
    // Wrong tries are counted down, with growing waits in between; a supervisor sets the count back.
    let wrong_with = |left: &str| {
        let wrong = eventually("the wait to be over", || {
            let wrong = sign_in("02", "999999");
            assert!(wrong.code == 1 && !wrong.err.contains("999999"), "{}", wrong.err);
            (!wrong.err.contains("posctl: Busy: O01: wait ")).then_some(wrong)
        });
        let expected = format!("posctl: NotAuthorized: O01: operator number or password wrong, {left} tries left");
        assert!(wrong.err.starts_with(&expected) && wrong.err.contains("What to do:"), "{}", wrong.err);
    };
    wrong_with("4");
    wrong_with("3");
    assert_eq!(run(&rig, &["operator", "unlock", "02"]).out.trim(), "operator 02 is unlocked");
    wrong_with("4");
    assert_eq!(json_of(&rig, &["operator", "unlock", "02"], "").1[0]["locked"], false);
    assert_eq!(sign_in("02", "314159").code, 0, "no wait is left either");
    let not_a_supervisor = run(&rig, &["operator", "unlock", "01"]);
    assert!(not_a_supervisor.code == 1 && not_a_supervisor.err.contains("NotAuthorized"), "{}", not_a_supervisor.err);
    let (code, out) = json_of(&rig, &["operator", "sign-out"], "");
    assert_eq!((code, &out[0]["operator"]), (0, &"".into()));
    let sale = run(&rig, &["sale", "12.34"]);
    assert!(sale.code == 1 && sale.err.contains("NotSignedIn: O03"), "{}", sale.err);
}

#[test]
fn the_keypad_asks_for_number_and_password() {
    let Some(rig) = started("the_keypad_asks_for_number_and_password") else { return };
    rig.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], "271828");
    let mut command = rig.posctl_command(&["operator", "sign-in", "--keypad"]);
    let mut child = Process(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let prompt = |word: &str| {
        eventually(word, || (rig.json(&["status"])["terminal"]["prompt"] == word).then_some(()));
    };
    prompt("enter-operator");
    rig.keypad_order("type 01 enter");
    prompt("enter-password");
    rig.keypad_order("type 271828 enter");
    let status = eventually("posctl to end", || child.0.try_wait().unwrap());
    let mut out = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(status.success() && out.ends_with("operator 01 is signed in\n"), "{out}");
}

#[test]
fn signing_out_and_in_with_the_acquirer() {
    let Some(rig) = unattended("signing_out_and_in_with_the_acquirer") else { return };
    assert_eq!(run(&rig, &["sign-out"]).out.trim(), "signed out with the acquirer");
    assert_eq!(rig.json(&["status"])["terminal"]["state"], "signed-out");
    let (code, told) = json_of(&rig, &["sign-in"], "");
    assert_eq!((code, &told[0]["batch"]), (0, &2.into()), "{told:?}");
    assert_eq!(run_in(&rig, ZH, &["sign-out"], "").out.trim(), "已签退");
    assert_eq!(run_in(&rig, ZH, &["sign-in"], "").out.trim(), "已签到");
    rig.acquirer_order("fault 0800 code 97");
    let refused = run(&rig, &["sign-in"]);
    assert!(refused.code == 1 && refused.err.contains("posctl: WrongState: B02: "), "{}", refused.err);
    let (code, told) = {
        rig.acquirer_order("fault 0800 code 97");
        json_of(&rig, &["sign-in"], "")
    };
    assert_eq!((code, &told[0]["error"]["name"]), (1, &"WrongState".into()), "{told:?}");
    assert!(!told[0]["error"]["remedy"].as_str().unwrap().is_empty());
    let status = run(&rig, &["status"]).out;
    assert!(status.contains("Cause: B02") && status.contains("What to do:"), "{status}");
}

#[test]
fn the_language_follows_the_locale_as_posix_says_and_json_has_none() {
    let Some(rig) = started("the_language_follows_the_locale_as_posix_says_and_json_has_none") else { return };
    let status = |variables: &[(&str, &str)]| {
        let mut command = rig.posctl_command(&["status"]);
        command.env_remove("LC_ALL").env_remove("LC_MESSAGES").env_remove("LANG").envs(variables.iter().copied());
        said(&command.output().unwrap()).out
    };
    for (variables, chinese) in [
        (&[("LANG", ZH)][..], true),
        (&[("LANG", EN), ("LC_MESSAGES", ZH)], true),
        (&[("LANG", ZH), ("LC_ALL", EN)], false),
        (&[("LC_ALL", ""), ("LANG", "zh_TW")], true),
        (&[("LANG", "de_DE.UTF-8")], false),
        (&[], false),
    ] {
        assert_eq!(status(variables).contains("终端"), chinese, "{variables:?}");
    }
    let (en, zh) =
        (run_in(&rig, EN, &["--json", "keys", "status"], ""), run_in(&rig, ZH, &["--json", "keys", "status"], ""));
    assert_eq!(en.out, zh.out);
}

#[test]
fn wrong_usage_is_an_error_that_says_what_is_right() {
    let Some(rig) = unattended("wrong_usage_is_an_error_that_says_what_is_right") else { return };
    for (arguments, part) in [
        (&["frobnicate"][..], "unrecognized subcommand 'frobnicate'"),
        (&[], "Usage: posctl"),
        (&["sale"], "<AMOUNT>"),
        (&["sale", "12.345"], "at most 2 digits after the point"),
        (&["sale", "-1"], "unexpected argument"),
        (&["sale", "0"], "above zero"),
        (&["sale", "1e3"], "is not an amount of CNY"),
        (&["sale", "1", "--currency", "XXX"], "write an ISO 4217 code"),
        (&["sale", "1", "--currency", "USD"], "settles in CNY only"),
        (&["sale", "99999999"], "LimitExceeded"),
        (&["sale", "1", "--key", "two words"], "idempotency key"),
        (&["sale", "1", "--reference", "a\u{7}b"], "printable"),
        (&["sale", "1", "--confirm", "--no-confirm"], "cannot be used with"),
        (&["operator", "set", "01", "--role", "king"], "a role is one of: operator, supervisor, administrator"),
        (&["operator", "sign-in", "1"], "an operator number has 2 to 8 digits"),
        (&["operator", "sign-in"], "<ID>"),
        (&["operator", "sign-in", "01"], "there is no terminal to ask on"),
        (&["operator", "sign-in", "01", "--password-fd", "77"], "nothing can be read from the file descriptor"),
        (&["operator", "unlock", "77"], "no such operator"),
        (&["keys", "load", "--component", "3", "--custodian", "Li"], "3 is not in 1..=2"),
        (&["transactions", "--limit", "501"], "501 is not in 1..=500"),
        (&["transactions", "--outcome", "lost"], "an outcome is one of: approved"),
        (&["config", "check", "--config", "/nowhere/smartposd.toml"], "/nowhere/smartposd.toml: No such file"),
        (&["man", "/nowhere"], "/nowhere: No such file"),
        (&["completions", "tcsh"], "possible values: bash"),
    ] {
        // Without a terminal of its own, or it would ask the one the test runs on.
        let mut command = Command::new("setsid");
        command.args(["-w", POSCTL, "--bus", &rig.bus_address]).args(arguments).env("LC_ALL", EN).stdin(Stdio::null());
        let said = said(&command.output().unwrap());
        assert_eq!(said.code, 1, "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(part), "{arguments:?}: {}", said.err);
        assert!(said.out.is_empty(), "complaints go to standard error: {}", said.out);
    }
    assert_eq!(books::agree(&rig), (0, 0));
    for arguments in [&["--help"][..], &["--version"], &["sale", "--help"], &["help", "keys", "load"]] {
        let said = run(&rig, arguments);
        assert!(said.code == 0 && !said.out.is_empty() && said.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn without_daemon_or_bus_it_says_which_and_what_to_do() {
    let Some(rig) = Rig::new("without_daemon_or_bus_it_says_which_and_what_to_do", Setup::default()) else { return };
    for arguments in [&["status"][..], &["sign-in"], &["sale", "1"], &["transactions"], &["keys", "status"]] {
        let none = run(&rig, arguments);
        assert!(none.code == 1 && none.err.contains("posctl: NoDaemon: "), "{arguments:?}: {}", none.err);
        assert!(none.err.contains("systemctl start smartposd"), "{}", none.err);
    }
    assert!(run_in(&rig, ZH, &["status"], "").err.contains("smartposd 没有运行"));
    let (code, told) = json_of(&rig, &["status"], "");
    assert_eq!((code, &told[0]["error"]["name"]), (1, &"NoDaemon".into()));
    let output = Command::new(POSCTL).args(["--bus", "unix:path=/nowhere/bus", "status"]).env("LC_ALL", EN).output();
    let nowhere = said(&output.unwrap());
    assert!(
        nowhere.code == 1 && nowhere.err.contains("posctl: NoBus: no bus at unix:path=/nowhere/bus"),
        "{}",
        nowhere.err
    );
}

#[test]
fn a_configuration_is_checked_without_a_daemon() {
    let Some(rig) = Rig::new("a_configuration_is_checked_without_a_daemon", Setup::default()) else { return };
    let file = rig.path("smartposd.toml");
    let name = file.to_str().unwrap();
    let good = run(&rig, &["config", "check", "--config", name]);
    assert!(good.code == 0 && good.out.contains("99000001 of merchant 999000000000001"), "{}{}", good.out, good.err);
    let (code, told) = json_of(&rig, &["config", "check", "--config", name], "");
    assert_eq!((code, &told[0]["ok"]), (0, &true.into()));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"99000001\"", "\"9900\"").replace("language", "languge")).unwrap();
    let bad = run(&rig, &["config", "check", "--config", name]);
    assert_eq!(bad.code, 1);
    for part in ["smartposd.toml:1", "terminal_id", "languge", "What to do:"] {
        assert!(bad.err.contains(part), "{part}: {}", bad.err);
    }
    let (code, told) = json_of(&rig, &["config", "check", "--config", name], "");
    assert_eq!((code, &told[0]["ok"], told[0]["complaints"].as_array().unwrap().len()), (1, &false.into(), 2));
}

#[test]
fn passwords_are_asked_for_on_the_terminal_without_echo() {
    let test = "passwords_are_asked_for_on_the_terminal_without_echo";
    if !Command::new("script").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return skip(test, "no script; apt-get install bsdutils");
    }
    let Some(rig) = started(test) else { return };
    // `script` gives it a terminal of its own; what the person types comes after each prompt.
    let on_a_terminal = |arguments: &str, typed: &[(&str, &str)]| {
        let line = format!("{POSCTL} --bus {} {arguments}", rig.bus_address);
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("LC_ALL", EN).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shown = String::new();
        for (prompt, keystrokes) in typed {
            let from = shown.len();
            while !shown[from..].contains(prompt) {
                let mut byte = [0; 1];
                assert_ne!(screen.read(&mut byte).unwrap(), 0, "ended without {prompt}: {shown}");
                shown.push(char::from(byte[0]));
            }
            keys.write_all(keystrokes.as_bytes()).unwrap();
        }
        screen.read_to_string(&mut shown).unwrap();
        (child.wait().unwrap().code().unwrap(), shown)
    };
    let (code, shown) = on_a_terminal(
        "operator set 01 --role supervisor",
        &[("New password", "2718281\x7f\r"), ("Once more", "271828\r")],
    );
    assert!(code == 0 && shown.contains("operator 01 is set") && !shown.contains("2718"), "{shown}");
    let (code, shown) = on_a_terminal("operator sign-in 01", &[("Operator password", "271828\r")]);
    assert!(code == 0 && shown.contains("operator 01 is signed in") && !shown.contains("2718"), "{shown}");
    let component = rig::COMPONENTS[0];
    let typo = component.replace('A', "B");
    let (code, shown) = on_a_terminal(
        "keys load --component 1 --custodian Li",
        &[("Key component", &format!("{component}\r")), ("Once more", &format!("{typo}\r"))],
    );
    assert!(code == 1 && shown.contains("the two entries differ") && !shown.contains(&component[..8]), "{shown}");
    let (code, shown) = on_a_terminal("operator sign-in 01", &[("Operator password", "27\x03")]);
    assert!(code == 1 && shown.contains("the entry was given up"), "{shown}");
}

#[test]
fn completions_and_man_pages_are_made_for_every_command() {
    let made = |shell: &str| said(&Command::new(POSCTL).args(["completions", shell]).output().unwrap());
    for (shell, sign) in
        [("bash", "_posctl()"), ("zsh", "#compdef posctl"), ("fish", "complete -c posctl"), ("elvish", "posctl")]
    {
        let script = made(shell);
        assert!(script.code == 0 && script.out.contains(sign), "{shell}");
        for word in ["sign-in", "transactions", "custodian", "password-fd"] {
            assert!(script.out.contains(word), "{shell} knows no {word}");
        }
    }
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(made("bash").out.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success(), "bash does not take its completions");

    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(POSCTL).args(["--json", "man"]).arg(directory.path()).output().unwrap();
    let written: Value = serde_json::from_slice(&output.stdout).unwrap();
    let pages = written["written"].as_array().unwrap();
    assert_eq!(pages.len(), fs::read_dir(directory.path()).unwrap().count());
    for name in ["posctl", "posctl-sale", "posctl-operator-sign-in", "posctl-keys-load", "posctl-config-check"] {
        let page = fs::read_to_string(directory.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!("\n.TH {} 1  \"smartposd ", name.to_uppercase())), "{name}");
        assert!(page.contains(".SH SYNOPSIS") || page.contains(".SH DESCRIPTION"), "{name}");
    }
}
