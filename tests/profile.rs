//! The acquirer profile: the shipped example is whole, and whatever is wrong is refused with file, line and remedy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use std::time::Duration;

use smartpos::domain::link::{CertificatePin, Trust};
use smartpos::domain::offline::OfflineLimits;
use smartpos::domain::response::{ResponseAction, ResponseClass};
use smartpos::host::profile::{Profile, RepeatMark, Source};

const SHIPPED: &str = include_str!("../src/host/profiles/unionpay-example.toml");
const LOCAL: &str = "/etc/smartposd/profiles/x.toml";

fn read(local: &str) -> Result<Profile, Vec<String>> {
    let shipped = Source { file: "shipped.toml".into(), text: SHIPPED.into() };
    let local = Source { file: LOCAL.into(), text: local.into() };
    Profile::read(&[shipped, local]).map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn alone(text: &str) -> Result<Profile, Vec<String>> {
    let source = Source { file: "own.toml".into(), text: text.into() };
    Profile::read(&[source]).map_err(|all| all.iter().map(ToString::to_string).collect())
}

/// Where `needle` stands in the shipped file, for complaints that point there.
fn shipped_line(needle: &str) -> usize {
    SHIPPED.lines().position(|line| line.contains(needle)).unwrap() + 1
}

#[track_caller]
fn refused(local: &str, expected: &[&str]) {
    let complaints = read(local).expect_err("the profile was accepted");
    let expected: Vec<String> = expected.iter().map(|text| text.replace("ETC", LOCAL)).collect();
    assert_eq!(complaints, expected, "for:\n{local}");
}

#[test]
fn the_shipped_example_is_a_whole_profile() {
    let profile = alone(SHIPPED).unwrap();
    assert_eq!(profile.trust, Trust::Plain);
    assert_eq!(profile.forms.sign_in.digits(), "004");
    assert_eq!(profile.timers.answer, Duration::from_secs(45));
    assert_eq!(profile.header.tpdu, [0x60, 0, 3, 0, 0]);
    assert_eq!(profile.header.header, [0x60, 0x31, 0, 0x31, 0, 0]);
}

#[test]
fn the_shipped_table_has_every_code_of_the_reference() {
    let profile = alone(SHIPPED).unwrap();
    let codes = "00 01 03 04 05 10 11 12 13 14 15 21 22 25 30 34 38 40 41 43 45 51 54 55 57 58 59 61 62 64 65 68 75 77 79 \
                 90 91 92 94 96 97 98 99 A0 A1 A2 A3 A4 A5 A6 A7";
    assert_eq!(profile.responses.codes().collect::<Vec<_>>(), codes.split_whitespace().collect::<Vec<_>>());
    assert_eq!(profile.responses.approving().collect::<Vec<_>>(), ["00", "11", "A2", "A4", "A5", "A6"]);
    let funds = profile.responses.resolve("51");
    assert_eq!((funds.zh.as_str(), funds.en.as_str()), ("余额不足", "Insufficient funds"));
    assert_eq!(profile.responses.resolve("68").action, ResponseAction::Reverse);
    assert_eq!(profile.responses.resolve("A0").action, ResponseAction::SignIn);
    assert_eq!(profile.responses.resolve("03").action, ResponseAction::None);
    assert_eq!(profile.responses.resolve_at_sign_in("03").action, ResponseAction::Block);
    assert_eq!(profile.responses.resolve_at_sign_in("97").action, ResponseAction::Block);
    assert_eq!(profile.responses.resolve_at_sign_in("91").action, ResponseAction::Later);
}

#[test]
fn an_unknown_code_is_a_refusal() {
    let response = alone(SHIPPED).unwrap().responses.resolve("ZZ");
    assert_eq!((response.class, response.action), (ResponseClass::Refused, ResponseAction::None));
    assert_eq!((response.code.as_str(), response.zh.as_str()), ("ZZ", "交易失败"));
}

#[test]
fn a_partial_approval_never_counts_as_approved() {
    let response = alone(SHIPPED).unwrap().responses.resolve("10");
    assert!(!response.approved());
    assert_eq!(response.action, ResponseAction::Reverse);
}

#[test]
fn a_local_file_changes_only_what_it_names() {
    let profile = read("[timers]\nanswer = 30\n[responses]\n51 = { zh = \"余额不够\" }\n").unwrap();
    assert_eq!(profile.timers.answer, Duration::from_secs(30));
    assert_eq!(profile.timers.connect, Duration::from_secs(5));
    let funds = profile.responses.resolve("51");
    assert_eq!((funds.zh.as_str(), funds.en.as_str()), ("余额不够", "Insufficient funds"));
}

#[test]
fn a_list_and_the_tls_table_are_replaced_as_a_whole() {
    let with_ca = "[tls]\nmode = \"pinned-ca\"\nca = \"/a.pem\"\nserver_name = \"pos.bank.example\"\n";
    let sources = [SHIPPED, with_ca, "addresses = [\"b:1\", \"[::1]:2\"]\n[tls]\nmode = \"off\"\n"]
        .map(|text| Source { file: "f".into(), text: text.into() });
    let profile = Profile::read(&sources[..2]).unwrap();
    let server_name = Some("pos.bank.example".to_owned());
    assert_eq!(profile.trust, Trust::PinnedCa { ca: "/a.pem".into(), server_name });
    let profile = Profile::read(&sources).unwrap();
    assert_eq!(profile.trust, Trust::Plain);
    assert_eq!(profile.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b:1", "[::1]:2"]);
}

#[test]
fn a_fingerprint_is_read_with_and_without_colons() {
    let pin = |text: &str| {
        let profile = read(&format!("[tls]\nmode = \"pinned-certificate\"\nfingerprint = \"{text}\"\n")).unwrap();
        match profile.trust {
            Trust::PinnedCertificate { pin: CertificatePin::Fingerprint(sha), .. } => sha,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(pin(&"ab".repeat(32)), [0xAB; 32]);
    assert_eq!(pin(&["AB"; 32].join(":")), [0xAB; 32]);
}

#[test]
fn the_mac_is_due_for_every_approving_code_unless_the_profile_lists_them() {
    let without_list = SHIPPED.replace("check_answers =", "# check_answers =");
    let due = alone(&without_list).unwrap().mac.due;
    assert_eq!(due, alone(SHIPPED).unwrap().mac.due);
    let listed = read("[mac]\ncheck_answers = [\"00\"]\n").unwrap().mac.due;
    assert_eq!(listed.into_iter().collect::<Vec<_>>(), ["00"]);
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    refused("addresses = [\"a:1\"]\n[timers\nanswer = 3\n", &["ETC:2: not TOML: unclosed table, expected `]`"]);
    refused("[timers]\nanswer = 30\nanswer = 31\n", &["ETC:3: not TOML: duplicate key"]);
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_known_one() {
    refused(
        "addreses = [\"a:1\"]\n[timers]\nanwser = 30\ncolour = 1\n[macs]\n[mac]\nmethods = \"ecb\"\n",
        &[
            "ETC:1: unknown setting `addreses`; did you mean `addresses`?",
            "ETC:3: unknown setting `timers.anwser`; did you mean `answer`?",
            "ETC:4: unknown setting `timers.colour`; write one of: connect, reach, sign_in, answer, idle_close",
            "ETC:5: unknown setting `macs`; did you mean `mac`?",
            "ETC:7: unknown setting `mac.methods`; did you mean `method`?",
        ],
    );
}

#[test]
fn a_word_that_is_not_in_the_list_is_refused_with_the_nearest_one() {
    refused(
        "[mac]\nmethod = \"x.919\"\n[keys]\nmak = \"both\"\n[pin]\nformat = \"with_pan\"\n",
        &[
            "ETC:2: `mac.method` is \"x.919\"; did you mean `x919`?",
            "ETC:4: `keys.mak` is \"both\"; write one of: auto, single, double",
            "ETC:6: `pin.format` is \"with_pan\"; did you mean `with-pan`?",
        ],
    );
}

#[test]
fn a_wrong_kind_of_value_is_refused() {
    refused(
        "addresses = \"a:1\"\nmac = 3\n[timers]\nanswer = \"30\"\nconnect = 2.5\n[message]\ndevice_info = \"yes\"\noperator = 1\n",
        &[
            "ETC:1: `addresses` must be a list of texts in brackets, not text",
            "ETC:2: `mac` must be a table, not a number; write [mac]",
            "ETC:2: `mac.method` is missing; write method = \"ecb\", \"x99\", \"x919\" or \"cbc3des\" as the acquirer says",
            "ETC:4: `timers.answer` must be a whole number, not text",
            "ETC:5: `timers.connect` must be a whole number, not a number with a point",
            "ETC:7: `message.device_info` must be true or false, not text",
            "ETC:8: `message.operator` must be text in quotes, not a number",
        ],
    );
}

#[test]
fn a_number_out_of_bounds_is_refused_with_the_bounds() {
    refused(
        "[timers]\nanswer = 61\nidle_close = -1\n[limits]\nmax_amount = 0\n[message]\nlongest_pin = 13\nmanagement_f60_digits = 12\n",
        &[
            "ETC:2: `timers.answer` is 61; write 5 to 60 seconds",
            "ETC:3: `timers.idle_close` is -1; write 0 to 600 seconds",
            "ETC:5: `limits.max_amount` is 0; write 1 to 999999999999 minor units (fen)",
            "ETC:7: `message.longest_pin` is 13; write 4 to 12 digits",
            "ETC:8: `message.management_f60_digits` is 12; write 11, or 13 to add 60.4 and 60.5",
        ],
    );
}

#[test]
fn addresses_are_checked_one_by_one() {
    let form = "write \"host:port\", such as \"pos.bank.example:5610\", \"192.0.2.7:5610\" or \"[2001:db8::7]:5610\"";
    refused(
        "addresses = [\n  \"a:1\",\n  \"A:1\",\n  \"b\",\n  \"c:0\",\n]\n",
        &[
            "ETC:3: `addresses` names a:1 twice; remove one of them",
            &format!("ETC:4: `addresses` has \"b\"; {form}"),
            &format!("ETC:5: `addresses` has \"c:0\"; {form}"),
        ],
    );
    refused("addresses = []\n", &["ETC:1: `addresses` has 0 entries; write 1 to 8"]);
}

#[test]
fn tls_settings_must_fit_the_mode() {
    refused(
        "[tls]\nmode = \"off\"\nca = \"/ca.pem\"\nserver_name = \"x\"\n",
        &[
            "ETC:3: `tls.ca` has no use with this `tls.mode`; remove it, or write mode = \"pinned-ca\"",
            "ETC:4: `tls.server_name` has no use with this `tls.mode`; remove it, or switch TLS on",
        ],
    );
    refused(
        "[tls]\nmode = \"pinned-ca\"\ncertificate = \"/c.pem\"\n",
        &[
            "ETC:1: `tls.ca` is missing; write ca = \"/etc/smartposd/acquirer-ca.pem\"",
            "ETC:3: `tls.certificate` has no use with this `tls.mode`; remove it, or write mode = \"pinned-certificate\"",
        ],
    );
    let sha = "00".repeat(32);
    refused(
        &format!("[tls]\nmode = \"pinned-certificate\"\ncertificate = \"/c.pem\"\nfingerprint = \"{sha}\"\n"),
        &["ETC:4: `tls.fingerprint` and `tls.certificate` both name the certificate; keep one of them"],
    );
    refused(
        "[tls]\nmode = \"pinned-certificate\"\n",
        &[
            "ETC:1: `tls.fingerprint` is missing; write fingerprint = \"SHA-256 of the host's certificate\" or certificate = \"file.pem\"",
        ],
    );
    refused(
        "[tls]\nca = \"/ca.pem\"\n",
        &["ETC:1: `tls.mode` is missing; write mode = \"pinned-ca\", \"pinned-certificate\" or \"off\""],
    );
    refused(
        "[tls]\nmode = \"pinned-certificate\"\nfingerprint = \"ABCD\"\n",
        &["ETC:3: `tls.fingerprint` is \"ABCD\"; write the 64 hexadecimal digits of a SHA-256, with or without colons"],
    );
}

#[test]
fn frame_digits_are_checked() {
    refused(
        "[frame]\ntpdu = \"600003\"\nheader = \"603101310000\"\n",
        &[
            "ETC:2: `frame.tpdu` is \"600003\"; write ten digits that begin with 60, as the acquirer gave them",
            "ETC:3: `frame.header` is \"603101310000\"; write twelve digits with a 0 in the sixth place (the host fills that one in)",
        ],
    );
    refused(
        "[message]\noperator = \"01\"\n",
        &["ETC:2: `message.operator` is \"01\"; write three characters: \"01 \" (with the blank) or \"001\""],
    );
}

#[test]
fn the_mac_method_must_fit_the_length_of_its_key() {
    refused(
        "[keys]\nmak = \"single\"\n[mac]\nmethod = \"x919\"\n",
        &[&format!(
            "ETC:2: `keys.mak` is \"single\", but MAC method x919 ({LOCAL}:4) needs a MAC key of 16 bytes; write mak = \"double\" or \"auto\", or another method"
        )],
    );
    refused(
        "[keys]\nmak = \"double\"\n[mac]\nmethod = \"x99\"\n",
        &[&format!(
            "ETC:2: `keys.mak` is \"double\", but MAC method x99 ({LOCAL}:4) needs a MAC key of 8 bytes; write mak = \"single\" or \"auto\", or another method"
        )],
    );
    read("[mac]\nmethod = \"x919\"\n[keys]\nmak = \"double\"\n").unwrap();
}

#[test]
fn a_contradiction_between_two_files_names_both() {
    let line = shipped_line("method = \"ecb\"");
    let complaints = read("[message]\nsign_in_code = \"001\"\n[keys]\nmak = \"double\"\n[mac]\nmethod = \"cbc3des\"\n");
    assert_eq!(
        complaints.unwrap_err(),
        [
            format!(
                "{LOCAL}:2: `message.sign_in_code` is \"001\", which brings single-length keys, but `keys.mak` is \"double\" ({LOCAL}:4); write \"003\" or \"004\", or mak = \"auto\""
            ),
            format!(
                "{LOCAL}:2: `message.sign_in_code` is \"001\", which brings single-length keys, but MAC method cbc3des ({LOCAL}:6) needs a double-length one; write \"003\" or \"004\", or method = \"ecb\" or \"x99\""
            ),
        ]
    );
    let base = SHIPPED.replace("method = \"ecb\"", "method = \"cbc3des\"");
    let sources = [("shipped.toml", base.as_str()), (LOCAL, "[keys]\nmak = \"single\"\n")]
        .map(|(file, text)| Source { file: file.into(), text: text.into() });
    let complaints = Profile::read(&sources).unwrap_err();
    assert_eq!(
        complaints[0].to_string(),
        format!(
            "{LOCAL}:2: `keys.mak` is \"single\", but MAC method cbc3des (shipped.toml:{line}) needs a MAC key of 16 bytes; write mak = \"double\" or \"auto\", or another method"
        )
    );
}

#[test]
fn track_encryption_needs_a_track_key() {
    refused(
        "[message]\nsign_in_code = \"003\"\n[track]\nencryption = true\n",
        &[&format!(
            "ETC:2: `message.sign_in_code` is \"003\", which brings no track key, but `track.encryption` is on ({LOCAL}:4); write \"004\" or encryption = false"
        )],
    );
    assert!(read("[track]\nencryption = true\n").unwrap().encrypt_track);
}

#[test]
fn timers_must_leave_the_caller_an_answer() {
    refused(
        "[timers]\nconnect = 11\n",
        &[
            "ETC:2: `timers.connect` is 11 for one address, but `timers.reach` allows 10 for all of them; write a connect of at most 10",
        ],
    );
    refused(
        "[timers]\nsign_in = 15\n",
        &[
            "ETC:2: `timers.reach` (10) and `timers.sign_in` (15) are more than 20 seconds together, so a caller would give up before the reason is known; make them shorter",
        ],
    );
}

#[test]
fn codes_in_lists_must_be_in_the_table() {
    refused(
        "[mac]\ncheck_answers = [\"11\", \"ZZ\"]\n[reversal]\nend_codes = [\"25\", \"A0\", \"96\", \"ZZ\"]\n",
        &[
            "ETC:2: `mac.check_answers` has \"ZZ\", which is not in the table `responses`; add it there or remove it",
            "ETC:2: `mac.check_answers` lacks \"00\", so anybody could approve a payment; add \"00\"",
            "ETC:4: `reversal.end_codes` has \"ZZ\", which is not in the table `responses`; add it there or remove it",
            "ETC:4: `reversal.end_codes` lacks \"00\", so no reversal would ever end; add \"00\"",
            "ETC:4: `reversal.end_codes` has \"A0\", whose action is \"sign-in\": the reversal was not done, and the customer would stay charged; remove it",
            "ETC:4: `reversal.end_codes` has \"96\", whose action is \"later\": the reversal was not done, and the customer would stay charged; remove it",
        ],
    );
}

#[test]
fn rows_of_the_table_are_checked() {
    refused(
        "[responses]\n5 = { class = \"refused\", zh = \"a\", en = \"b\" }\n08 = { class = \"aproved\", zh = \"\", en = \"b\" }\n\
         A8 = 3\n11 = { action = \"later\" }\n10 = { class = \"approved\", action = \"none\" }\n00 = { class = \"retry\" }\n07 = { }\n",
        &[
            "ETC:2: `responses.5` is no response code; write two digits or capital letters, such as 05 or A2",
            "ETC:3: `responses.08.class` is \"aproved\"; did you mean `approved`?",
            "ETC:3: `responses.08.zh` is empty or has control characters; write words for the cashier",
            "ETC:4: `responses.A8` must be a table, not a number",
            "ETC:5: `responses.11` is approved, so its action can only be \"none\"; change one of the two",
            "ETC:6: `responses.10` approves a part only, which this version cannot take; write class = \"refused\", action = \"reverse\"",
            "ETC:7: `responses.00` must have class = \"approved\"",
            "ETC:8: `responses.07.class` is missing; write class = \"approved\", \"retry\", \"refused\", \"operator\" or \"system\"",
            "ETC:8: `responses.07.zh` is missing; write zh = \"words for the cashier\"",
            "ETC:8: `responses.07.en` is missing; write en = \"words for the cashier\"",
        ],
    );
}

#[test]
fn offline_payments_are_off_unless_switched_on_and_then_within_the_usual_limits() {
    let without = SHIPPED.replace("[offline]", "[offline_was]");
    let (start, end) = (without.find("[offline_was]").unwrap(), without.find("[clock]").unwrap());
    let bare = alone(&format!("{}{}", &without[..start], &without[end..])).unwrap().offline;
    assert_eq!(bare, alone(SHIPPED).unwrap().offline, "the example shows other values than the usual ones");
    assert_eq!(bare.limits, OfflineLimits::default());
    let on = read("[offline]\nenabled = true\n").unwrap().offline;
    assert_eq!(on.limits, OfflineLimits { enabled: true, ..OfflineLimits::default() });
    assert_eq!((on.auth_mode.as_str(), on.card_org, on.repeat), ("00", None, RepeatMark::Same));
    assert_eq!(on.done_codes.into_iter().collect::<Vec<_>>(), ["94"]);
}

#[test]
fn every_offline_setting_is_read() {
    let offline = read(
        "[offline]\nenabled = true\nper_sale = 7\nsum = 70\ncount = 8\noldest_hours = 9\nsign_in_days = 2\nper_card_per_day = 3\n\
         free_mib = 5\npace_ms = 250\nretries = 6\nhold_after_days = 4\nrepeat = \"0221\"\ndone_codes = [\"12\", \"94\"]\n\
         auth_mode = \"03\"\ncard_org = \"CUP\"\n",
    )
    .unwrap()
    .offline;
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let limits = OfflineLimits {
        enabled: true,
        per_sale: 7,
        sum: 70,
        count: 8,
        oldest: hours(9),
        sign_in: hours(48),
        per_card_per_day: 3,
        free_bytes: 5 << 20,
    };
    assert_eq!(offline.limits, limits);
    assert_eq!((offline.pace, offline.retries, offline.hold_after), (Duration::from_millis(250), 6, hours(96)));
    assert_eq!((offline.repeat, offline.auth_mode.as_str()), (RepeatMark::Marked, "03"));
    assert_eq!(offline.card_org.as_deref(), Some("CUP"));
    assert_eq!(offline.done_codes.into_iter().collect::<Vec<_>>(), ["12", "94"]);
}

#[test]
fn offline_settings_out_of_bounds_are_refused() {
    refused(
        "[offline]\nenabled = \"yes\"\nper_sale = 0\ncount = 1000001\nrepeat = \"0222\"\nauth_mode = \"0\"\ncard_org = \"Visa\"\nlimit = 3\n",
        &[
            "ETC:2: `offline.enabled` must be true or false, not text",
            "ETC:3: `offline.per_sale` is 0; write 1 to 999999999999 minor units (fen)",
            "ETC:4: `offline.count` is 1000001; write 1 to 1000000 payments",
            "ETC:5: `offline.repeat` is \"0222\"; did you mean `0221`?",
            "ETC:6: `offline.auth_mode` is \"0\"; write two digits, \"00\" unless the acquirer says otherwise",
            "ETC:7: `offline.card_org` is \"Visa\"; write \"by-card\", or three capital letters such as \"CUP\"",
            "ETC:8: unknown setting `offline.limit`; write one of: enabled, per_sale, sum, count, oldest_hours, sign_in_days, per_card_per_day, free_mib, pace_ms, retries, hold_after_days, repeat, done_codes, auth_mode, card_org",
        ],
    );
}

#[test]
fn the_sum_of_all_offline_payments_must_hold_one_of_them() {
    refused(
        "[offline]\nsum = 20000\n",
        &[
            "ETC:2: `offline.sum` is 20000 for all payments together, but `offline.per_sale` allows 30000 for one; write a sum of at least 30000, or a per_sale of at most 20000",
        ],
    );
    read("[offline]\nsum = 30000\n").unwrap();
}

#[test]
fn nothing_is_held_while_it_may_still_wait() {
    refused(
        "[offline]\noldest_hours = 49\nhold_after_days = 2\n",
        &[
            "ETC:3: `offline.hold_after_days` is 2, so payments would be held while `offline.oldest_hours` (49) still lets them wait; write at least 3 days, or at most 48 hours",
        ],
    );
    read("[offline]\noldest_hours = 48\nhold_after_days = 2\n").unwrap();
}

#[test]
fn what_means_already_there_must_be_able_to_mean_it() {
    refused(
        "[offline]\ndone_codes = [\"94\", \"00\", \"91\", \"A0\", \"ZZ\"]\n",
        &[
            "ETC:2: `offline.done_codes` has \"ZZ\", which is not in the table `responses`; add it there or remove it",
            "ETC:2: `offline.done_codes` has \"00\", which approves anyway; remove it",
            "ETC:2: `offline.done_codes` has \"91\", whose action is \"later\": the host does not have the payment, and the merchant would lose it; remove it",
            "ETC:2: `offline.done_codes` has \"A0\", whose action is \"sign-in\": the host does not have the payment, and the merchant would lose it; remove it",
        ],
    );
    assert!(read("[offline]\ndone_codes = []\n").unwrap().offline.done_codes.is_empty());
}

#[test]
fn an_offline_payment_must_be_possible_under_the_limits_of_any_payment() {
    refused(
        "[limits]\nmax_amount = 20000\npin_above = 0\n[offline]\nenabled = true\nper_sale = 20001\n",
        &[
            "ETC:5: `offline.enabled` is true, but `limits.pin_above` is 0: every payment needs a PIN, which only the host can check, so none could be accepted; write a pin_above of more than 20001, or enabled = false",
            &format!(
                "ETC:6: `offline.per_sale` is 20001, more than any payment may be: `limits.max_amount` is 20000 ({LOCAL}:2); write a per_sale of at most 20000"
            ),
        ],
    );
    read("[limits]\nmax_amount = 20000\npin_above = 2\n[offline]\nenabled = true\nper_sale = 20000\n").unwrap();
    read("[limits]\nmax_amount = 20000\npin_above = 0\n").expect("what is off need not fit");
}

#[test]
fn an_empty_profile_says_everything_that_is_missing() {
    assert_eq!(
        alone("").unwrap_err(),
        [
            "own.toml:1: `addresses` is missing; write addresses = [\"host:port\"]",
            "own.toml:1: `tls.mode` is missing; write mode = \"pinned-ca\", \"pinned-certificate\" or \"off\"",
            "own.toml:1: `frame.tpdu` is missing; write tpdu = \"6000030000\" as the acquirer gave it",
            "own.toml:1: `frame.header` is missing; write header = \"603100310000\" as the acquirer gave it",
            "own.toml:1: `message.sign_in_code` is missing; write sign_in_code = \"003\" or \"004\" as the acquirer says",
            "own.toml:1: `mac.method` is missing; write method = \"ecb\", \"x99\", \"x919\" or \"cbc3des\" as the acquirer says",
            "own.toml:1: `limits.max_amount` is missing; write max_amount = 5000000 (minor units: 50 000.00)",
            "own.toml:1: the table `responses` is missing; write base = \"unionpay-example\" at the top to take it over, or the rows the acquirer gave",
        ]
    );
}
