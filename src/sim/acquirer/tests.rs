//! The acquirer as a terminal sees it, under virtual time: uploads are charged once whatever becomes of the answers, and
//! script reports are matched to their sales. Messages are put together here by hand, from the protocol's tables.

use std::time::Duration;

use serde_json::Value as Json;

use super::centre::Centre;
use super::host::{Event, Host, LinkId, Output};
use super::keys::Entropy;
use super::ledger::Ledger;
use super::settings::{Settings, TEST_MASTER_KEY};
use crate::codec::frame::{Header, strip_length};
use crate::codec::iso8583::{Message, Mti};
use crate::codec::tlv::{Tag, Writer, find};
use crate::domain::time::{Instant, Now, WallTime};
use crate::sim::crypto::{DesKey, MacMethod, mac};

const LINK: LinkId = LinkId(1);
const PAN: &str = "6200000000000000018";
const HEADER: Header = Header { tpdu: [0x60, 0, 3, 0, 0], header: [0x60, 0x31, 0, 0x31, 0, 0] };
/// 1 June 2026, 10:00 UTC.
const NOW: Now = Now { mono: Instant(1_000_000), wall: WallTime(1_780_308_000_000_000) };

/// A terminal's side of the line.
struct Desk {
    host: Host,
    mak: DesKey,
    now: Now,
    records: Vec<String>,
}

impl Desk {
    fn new(settings: Settings) -> Self {
        let mut n = 0u8;
        let entropy: Entropy = Box::new(move |out| {
            for byte in out {
                n = n.wrapping_add(37);
                *byte = n;
            }
        });
        let mut host = Host::new(Centre::new(settings, Ledger::default(), entropy));
        host.handle(NOW, Event::Connected { link: LINK });
        let mut desk = Self { host, mak: DesKey::Single([0; 8]), now: NOW, records: Vec::new() };
        let mut request = start(Mti::SIGN_IN, 1);
        request.set_digits(60, "00000001003").unwrap();
        request.set_text(63, "01 ").unwrap();
        let answer = desk.bare(&request).pop().unwrap();
        let block = answer.bytes(62).unwrap();
        desk.mak = DesKey::Double(TEST_MASTER_KEY).unwrap_key(&block[20..28]).unwrap();
        desk
    }

    fn order(&mut self, line: &str) -> String {
        self.host.order(line).unwrap()
    }

    fn ledger(&mut self) -> Json {
        serde_json::from_str(&self.order("ledger")).unwrap()
    }

    /// What is charged offline: how many, how much.
    fn uploaded(&mut self) -> (u64, u64) {
        let offline = self.ledger()["offline"].take();
        (offline["charged"].as_u64().unwrap(), offline["charged_sum"].as_u64().unwrap())
    }

    fn signed(&self, request: &Message) -> Message {
        let mut signed = request.clone();
        signed.set_bytes(64, &[0; 8]).unwrap();
        let mac = mac(MacMethod::Ecb, &self.mak, &signed.mab());
        signed.set_bytes(64, &mac).unwrap();
        signed
    }

    /// Sends it with a MAC. An answer with a MAC must have a right one, unless `spoiled`.
    fn ask(&mut self, request: &Message) -> Vec<Message> {
        let answers = self.bare(&self.signed(request));
        for answer in answers.iter().filter(|answer| answer.has(64)) {
            assert_eq!(answer.bytes(64), self.signed(answer).bytes(64), "the MAC of {answer:?}");
        }
        answers
    }

    /// The response code of the only answer.
    fn code(&mut self, request: &Message) -> String {
        let answers = self.ask(request);
        assert_eq!(answers.len(), 1, "{request:?}");
        answers[0].text(39).unwrap().to_owned()
    }

    fn bare(&mut self, request: &Message) -> Vec<Message> {
        let bytes = request.encode(&HEADER);
        self.host.handle(self.now, Event::Received { link: LINK, bytes: &bytes });
        self.take()
    }

    fn pass(&mut self, span: Duration) -> Vec<Message> {
        self.now.mono = self.now.mono.after(span);
        self.host.expire(self.now);
        self.take()
    }

    /// Answers that left; a closed connection is opened anew.
    fn take(&mut self) -> Vec<Message> {
        let mut answers = Vec::new();
        while let Some(output) = self.host.poll() {
            match output {
                Output::Send { bytes, .. } => {
                    let (header, message) = Message::decode(strip_length(&bytes).unwrap()).unwrap();
                    assert_eq!(header, HEADER.swapped());
                    answers.push(message);
                }
                Output::Close { link } => self.host.handle(self.now, Event::Connected { link }),
                Output::Record(line) => self.records.push(line),
                Output::Remark(line) => assert!(!line.contains("620000"), "{line}"),
                Output::SendBare { .. } | Output::Reset { .. } | Output::Listen(_) | Output::Captured { .. } => {
                    panic!()
                }
            }
        }
        answers
    }
}

fn desk() -> Desk {
    Desk::new(Settings::default())
}

fn start(mti: Mti, trace: u32) -> Message {
    let mut message = Message::new(mti);
    message.set_digits(11, &format!("{trace:06}")).unwrap();
    message.set_text(41, "99000001").unwrap();
    message.set_text(42, "999000000000001").unwrap();
    message
}

/// What a sale, an upload, a reversal and a script report have in common.
fn payment(mti: Mti, trace: u32, minor: u64, field_60: &str) -> Message {
    let mut message = start(mti, trace);
    for (field, digits) in [(2, PAN), (3, "000000"), (22, "072"), (23, "001"), (60, field_60)] {
        message.set_digits(field, digits).unwrap();
    }
    message.set_digits(4, &minor.to_string()).unwrap();
    message.set_text(49, "156").unwrap();
    message
}

fn chip_data(minor: u64) -> Vec<u8> {
    let amount = u64::from_str_radix(&minor.to_string(), 16).unwrap().to_be_bytes();
    let mut writer = Writer::new();
    for tag in super::card_check::MANDATORY {
        match tag {
            Tag(0x9F02) => writer.put(tag, &amount[2..]),
            Tag(0x9F26) => writer.put(tag, &[0xAC; 8]),
            Tag(0x9F36) => writer.put(tag, &[0, 1]),
            _ => writer.put(tag, &[0x11; 3]),
        };
    }
    writer.finish().to_vec()
}

fn sale(trace: u32, minor: u64) -> Message {
    let mut message = payment(Mti::FINANCIAL, trace, minor, "2200000200060");
    message.set_digits(25, "00").unwrap();
    message.set_bytes(55, &chip_data(minor)).unwrap();
    message
}

fn upload(trace: u32, minor: u64) -> Message {
    let mut message = payment(Mti::FINANCIAL_ADVICE, trace, minor, "3000000200060");
    message.set_digits(14, "3012").unwrap();
    message.set_digits(25, "00").unwrap();
    message.set_bytes(55, &chip_data(minor)).unwrap();
    message.set_digits(61, "000000000000000000").unwrap();
    message.set_text(63, "CUP").unwrap();
    message
}

fn marked(mut upload: Message) -> Message {
    upload.set_mti(Mti::FINANCIAL_ADVICE_REPEAT);
    upload
}

fn reversal(trace: u32, minor: u64) -> Message {
    let mut message = payment(Mti::REVERSAL, trace, minor, "2200000200060");
    message.set_digits(25, "00").unwrap();
    message.set_text(39, "98").unwrap();
    message
}

fn changed(mut message: Message, change: impl FnOnce(&mut Message)) -> Message {
    change(&mut message);
    message
}

// --- uploads ----------------------------------------------------------------------------------------------------

#[test]
fn an_upload_is_charged_once_and_its_repeats_are_already_there() {
    let mut desk = desk();
    let first = desk.ask(&upload(10, 1_200)).pop().unwrap();
    assert_eq!((first.mti().to_string().as_str(), first.text(39)), ("0230", Some("00")));
    assert!(
        [2, 3, 4, 11, 12, 13, 14, 15, 23, 25, 32, 37, 38, 41, 42, 44, 49, 60, 63, 64].iter().all(|f| first.has(*f))
    );
    assert!(!first.has(55), "the card has gone");
    for request in [upload(10, 1_200), marked(upload(10, 1_200))] {
        let again = desk.ask(&request).pop().unwrap();
        assert_eq!((again.mti().to_string().as_str(), again.text(39)), ("0230", Some("94")));
        assert!(again.has(64), "what is there is answered for");
        assert_eq!(again.text(37), first.text(37));
    }
    assert_eq!(desk.uploaded(), (1, 1_200));
    let ledger = desk.ledger();
    assert_eq!((&ledger["uploads_repeated"], &ledger["uploads_conflicting"]), (&Json::from(2), &Json::from(0)));
    assert_eq!(desk.records.len(), 1);
}

#[test]
fn a_host_set_to_00_answers_a_repeat_as_it_answered_the_first() {
    let mut desk = Desk::new(Settings { repeat_code: "00".to_owned(), ..Settings::default() });
    let first = desk.ask(&upload(10, 1_200)).pop().unwrap();
    let again = desk.ask(&upload(10, 1_200)).pop().unwrap();
    for field in [15, 37, 38, 39, 44] {
        assert_eq!(again.text(field), first.text(field), "field {field}");
    }
    assert_eq!(desk.uploaded(), (1, 1_200));
}

#[test]
fn a_repeat_that_is_the_first_to_arrive_is_charged() {
    let mut desk = desk();
    assert_eq!(desk.code(&marked(upload(10, 1_200))), "00");
    assert_eq!(desk.code(&marked(upload(10, 1_200))), "94");
    assert_eq!(desk.uploaded(), (1, 1_200));
}

#[test]
fn whatever_happens_to_the_answer_the_upload_is_charged_once() {
    for fault in ["ignore", "drop", "close before", "close after", "late 900", "foreign only"] {
        let mut desk = desk();
        desk.order(&format!("fault upload {fault}"));
        let first = desk.ask(&upload(10, 1_200));
        assert!(first.iter().all(|answer| answer.text(11) != Some("000010") || answer.text(41) != Some("99000001")));
        let charged = u64::from(!matches!(fault, "ignore" | "close before"));
        assert_eq!(desk.uploaded(), (charged, charged * 1_200), "{fault}");
        assert_eq!(desk.code(&marked(upload(10, 1_200))), if charged == 1 { "94" } else { "00" }, "{fault}");
        assert_eq!(desk.uploaded(), (1, 1_200), "{fault}");
        assert_eq!(desk.pass(Duration::from_secs(1)).len(), usize::from(fault == "late 900"), "{fault}");
    }
}

#[test]
fn an_upload_may_be_answered_twice_late_or_with_a_wrong_mac() {
    let mut desk = desk();
    desk.order("fault 0220 duplicate");
    assert_eq!(desk.ask(&upload(10, 100)).len(), 2);
    desk.order("fault 0220 delay 500");
    assert!(desk.ask(&upload(11, 100)).is_empty());
    assert_eq!(desk.pass(Duration::from_millis(500)).len(), 1);
    desk.order("fault 0220 wrong-mac");
    let answer = desk.bare(&desk.signed(&upload(12, 100))).pop().unwrap();
    assert_ne!(answer.bytes(64), desk.signed(&answer).bytes(64));
    assert_eq!(desk.uploaded(), (3, 300));
}

#[test]
fn a_refused_upload_may_come_again_and_is_then_decided_anew() {
    let mut desk = desk();
    desk.order("fault upload code 91");
    desk.order("fault upload code 51");
    assert_eq!(desk.code(&upload(10, 1_200)), "91");
    assert_eq!(desk.code(&upload(10, 1_200)), "51");
    assert_eq!(desk.ledger()["offline"]["declined"], 1);
    assert_eq!(desk.code(&upload(10, 1_200)), "00");
    assert_eq!((desk.uploaded(), &desk.ledger()["offline"]["declined"]), ((1, 1_200), &Json::from(0)));
    desk.order("fault upload code 96");
    assert_eq!(desk.code(&upload(10, 1_200)), "96", "a sick host says so of what it has, too");
    assert_eq!(desk.code(&upload(10, 1_200)), "94");
    assert_eq!(desk.uploaded(), (1, 1_200));
    let lines = desk.records.join("\n");
    assert_eq!(Ledger::replay(&lines).unwrap().totals().charged_sum, 1_200);
}

#[test]
fn a_refusing_code_may_come_although_it_was_charged() {
    let mut desk = desk();
    desk.order("fault 0220 code 51 charged");
    assert_eq!(desk.code(&upload(10, 1_200)), "51");
    assert_eq!(desk.uploaded(), (1, 1_200));
    assert_eq!(desk.code(&upload(10, 1_200)), "94");
}

#[test]
fn another_payment_under_the_same_trace_is_not_charged_and_counted_as_a_conflict() {
    let mut desk = desk();
    assert_eq!(desk.code(&upload(10, 1_200)), "00");
    assert_eq!(desk.code(&upload(10, 1_300)), "94");
    let other_card = changed(upload(10, 1_200), |m| m.set_digits(2, "6200000000000000026").unwrap());
    assert_eq!(desk.code(&other_card), "94");
    assert_eq!(desk.code(&sale(11, 500)), "00");
    assert_eq!(desk.code(&upload(11, 500)), "94");
    assert_eq!(desk.ledger()["uploads_conflicting"], 3);
    assert_eq!(desk.code(&sale(10, 1_200)), "94", "nor the other way round");
    let ledger = desk.ledger();
    assert_eq!((&ledger["charged"], &ledger["charged_sum"]), (&Json::from(2), &Json::from(1_700)));
    assert_eq!((&ledger["online"]["charged"], &ledger["offline"]["charged"]), (&Json::from(1), &Json::from(1)));
}

#[test]
fn an_upload_of_an_earlier_batch_is_charged_and_the_same_trace_in_another_batch_is_another_payment() {
    let mut desk = desk();
    let earlier = changed(upload(10, 100), |m| m.set_digits(60, "3000000100060").unwrap());
    assert_eq!(desk.code(&earlier), "00");
    assert_eq!(desk.code(&upload(10, 100)), "00");
    assert_eq!(desk.code(&earlier), "94");
    assert_eq!(desk.uploaded(), (2, 200));
}

#[test]
fn an_upload_cannot_be_reversed() {
    let mut desk = desk();
    assert_eq!(desk.code(&upload(10, 1_200)), "00");
    assert_eq!(desk.code(&reversal(10, 1_200)), "25");
    assert_eq!(desk.uploaded(), (1, 1_200));
    assert_eq!(desk.ledger()["unknown_originals"], 1);
}

#[test]
fn an_upload_is_checked_as_a_host_checks_it() {
    type Change = fn(&mut Message);
    let changes: [(&str, &str, Change); 20] = [
        ("no card number", "30", |m| m.remove(2)),
        ("no chip data", "30", |m| m.remove(55)),
        ("no field 61", "30", |m| m.remove(61)),
        ("no organisation", "30", |m| m.remove(63)),
        ("a track", "30", |m| m.set_digits(35, "6200000000000000018D3012201").unwrap()),
        ("a PIN", "30", |m| m.set_bytes(52, &[0; 8]).unwrap()),
        ("a PIN mode", "30", |m| m.set_digits(22, "071").unwrap()),
        ("an original", "30", |m| m.set_digits(61, "000002000003000000").unwrap()),
        ("a short field 61", "30", |m| m.set_digits(61, "0000000000000000").unwrap()),
        ("another organisation", "30", |m| m.set_text(63, "VIS").unwrap()),
        ("chip data of another amount", "30", |m| m.set_bytes(55, &chip_data(7)).unwrap()),
        ("chip data that are none", "30", |m| m.set_bytes(55, &[0x9F]).unwrap()),
        ("a short field 60", "30", |m| m.set_digits(60, "30000002000").unwrap()),
        ("trace 0", "30", |m| m.set_digits(11, "000000").unwrap()),
        ("a refund", "40", |m| m.set_digits(3, "200000").unwrap()),
        ("another kind", "40", |m| m.set_digits(60, "3600000200060").unwrap()),
        ("another terminal", "97", |m| m.set_text(41, "99000002").unwrap()),
        ("another merchant", "03", |m| m.set_text(42, "999000000000002").unwrap()),
        ("another currency", "A1", |m| m.set_text(49, "840").unwrap()),
        ("an expired card", "54", |m| m.set_digits(14, "2605").unwrap()),
    ];
    for (what, code, change) in changes {
        let mut desk = desk();
        assert_eq!(desk.code(&changed(upload(10, 1_200), change)), code, "{what}");
        assert_eq!(desk.uploaded(), (0, 0), "{what}");
        assert_eq!(desk.code(&upload(10, 1_200)), "00", "{what}: the trace is still good");
    }
    let mut desk = desk();
    assert_eq!(desk.code(&upload(10, 0)), "13");
    assert_eq!(desk.code(&upload(10, 5_000_001)), "61");
    let unsigned = changed(desk.signed(&upload(10, 100)), |m| m.set_bytes(64, b"00000000").unwrap());
    assert_eq!(desk.bare(&unsigned)[0].text(39), Some("A0"));
    assert_eq!(desk.uploaded(), (0, 0));
}

#[test]
fn a_forced_amount_happens_to_an_upload_once_and_a_forced_code_every_time() {
    let mut desk = desk();
    assert!(desk.ask(&upload(10, 902_001)).is_empty());
    assert_eq!(desk.uploaded(), (1, 902_001));
    assert_eq!(desk.code(&upload(10, 902_001)), "94");
    assert!(desk.ask(&upload(11, 902_002)).is_empty());
    assert_eq!(desk.uploaded().0, 1, "neither charged nor answered");
    assert_eq!(desk.code(&upload(11, 902_002)), "00");
    let spoiled = desk.bare(&desk.signed(&upload(12, 902_004))).pop().unwrap();
    assert_ne!(spoiled.bytes(64), desk.signed(&spoiled).bytes(64));
    assert_eq!(desk.code(&upload(12, 902_004)), "94");
    assert_eq!((desk.code(&upload(13, 900_051)), desk.code(&upload(13, 900_051))), ("51".into(), "51".into()));
    assert_eq!(desk.code(&upload(14, 903_072)), "00", "no card is there for a script");
    assert_eq!(desk.code(&upload(15, 900_010)), "10");
    let offline = desk.ledger()["offline"].take();
    assert_eq!((&offline["charged"], &offline["declined"]), (&Json::from(4), &Json::from(2)));
}

#[test]
fn one_payment_can_be_looked_up() {
    let mut desk = desk();
    desk.order("fault 0220 code 51");
    desk.code(&upload(10, 1_200));
    desk.code(&upload(11, 1_300));
    desk.code(&sale(12, 1_400));
    desk.code(&reversal(12, 1_400));
    for (trace, kind, status) in [(10, "offline", "declined"), (11, "offline", "charged"), (12, "online", "reversed")] {
        let found: Json = serde_json::from_str(&desk.order(&format!("find 2 {trace}"))).unwrap();
        assert_eq!((&found["kind"], &found["status"]), (&Json::from(kind), &Json::from(status)));
        assert_eq!((&found["trace"], &found["pan"]), (&Json::from(trace), &Json::from("620000******0018")));
    }
    assert_eq!(desk.order("find 2 13"), "none");
    assert_eq!(desk.order("find 3 11"), "none");
    assert!(desk.host.order("find 2").is_err() && desk.host.order("find 2 x").is_err());
}

#[test]
fn thousands_of_uploads_each_twice_are_each_charged_once() {
    let mut desk = desk();
    for trace in 1..=3_000 {
        assert_eq!(desk.code(&upload(trace, u64::from(trace))), "00");
        assert_eq!(desk.code(&upload(trace, u64::from(trace))), "94");
    }
    assert_eq!(desk.uploaded(), (3_000, 3_000 * 3_001 / 2));
    let replayed = Ledger::replay(&desk.records.join("\n")).unwrap();
    assert_eq!(replayed.totals().charged_sum, 3_000 * 3_001 / 2);
}

// --- scripts ----------------------------------------------------------------------------------------------------

fn report_on(answer: &Message, trace: u32) -> Message {
    let minor = answer.text(4).unwrap().parse().unwrap();
    let mut message = payment(Mti::SCRIPT_RESULT, trace, minor, "0000000295160");
    for field in [37, 38] {
        message.set_text(field, answer.text(field).unwrap()).unwrap();
    }
    message.set_digits(32, answer.text(32).unwrap()).unwrap();
    message.set_digits(61, &format!("000002{}{}", answer.text(11).unwrap(), answer.text(13).unwrap())).unwrap();
    let mut writer = Writer::new();
    for tag in [0x95, 0x9F10, 0x9F26, 0x9F36, 0x82, 0xDF31, 0x9F1A, 0x9A] {
        writer.put(Tag(tag), &[0x11; 5]);
    }
    message.set_bytes(55, &writer.finish()).unwrap();
    message
}

#[test]
fn a_script_comes_with_the_answer_and_its_report_is_counted_once() {
    for (order, minor, template) in
        [("fault 0200 script", 500, 0x72), ("fault 0200 script 71", 500, 0x71), ("clear", 903_071, 0x71)]
    {
        let mut desk = desk();
        desk.order(order);
        let answer = desk.ask(&sale(20, minor)).pop().unwrap();
        assert_eq!(answer.text(39), Some("00"));
        assert!(find(answer.bytes(55).unwrap(), &[Tag(template), Tag(0x86)]).unwrap().is_some(), "{order}");
        assert_eq!(desk.ledger()["scripts_issued"], 1);
        let told = desk.ask(&report_on(&answer, 21)).pop().unwrap();
        assert_eq!((told.mti().to_string().as_str(), told.text(39)), ("0630", Some("00")));
        assert_eq!(desk.code(&report_on(&answer, 22)), "94");
        let ledger = desk.ledger();
        let count = |name: &str| ledger[name].as_u64().unwrap();
        assert_eq!((count("script_reports"), count("script_reports_repeated")), (1, 1));
        assert_eq!((count("script_reports_unasked"), count("charged_sum")), (0, minor));
    }
}

#[test]
fn a_report_nobody_asked_for_is_counted_as_such() {
    let mut desk = desk();
    let answer = desk.ask(&sale(20, 500)).pop().unwrap();
    assert!(find(answer.bytes(55).unwrap(), &[Tag(0x72)]).unwrap().is_none());
    assert_eq!(desk.code(&report_on(&answer, 21)), "00");
    let ledger = desk.ledger();
    assert_eq!((&ledger["script_reports"], &ledger["script_reports_unasked"]), (&Json::from(1), &Json::from(1)));
}

#[test]
fn a_declined_sale_and_an_upload_have_no_script() {
    let mut desk = desk();
    desk.order("fault any script sticky");
    assert_eq!(desk.code(&sale(20, 900_051)), "51");
    assert!(!desk.ask(&upload(21, 500)).pop().unwrap().has(55));
    assert_eq!(desk.ledger()["scripts_issued"], 0);
}

#[test]
fn a_report_must_fit_its_sale() {
    type Change = fn(&mut Message);
    let changes: [(&str, &str, Change); 14] = [
        ("a trace that was never charged", "25", |m| m.set_digits(61, "0000020000190601").unwrap()),
        ("another batch", "25", |m| m.set_digits(61, "0000030000200601").unwrap()),
        ("an upload", "25", |m| m.set_digits(61, "0000020000240601").unwrap()),
        ("another date", "22", |m| m.set_digits(61, "0000020000200602").unwrap()),
        ("another reference", "22", |m| m.set_text(37, "060118999999").unwrap()),
        ("another approval", "22", |m| m.set_text(38, "000000").unwrap()),
        ("another acquirer", "22", |m| m.set_digits(32, "00010001").unwrap()),
        ("another amount", "64", |m| m.set_digits(4, "501").unwrap()),
        ("no reference", "30", |m| m.remove(37)),
        ("no card number", "30", |m| m.remove(2)),
        ("a short field 61", "30", |m| m.set_digits(61, "000002000020").unwrap()),
        ("too little chip data", "30", |m| m.set_bytes(55, &[0x95, 1, 0]).unwrap()),
        ("another function", "40", |m| m.set_digits(60, "0000000295060").unwrap()),
        ("the trace of a payment", "94", |m| m.set_digits(11, "000024").unwrap()),
    ];
    for (what, code, change) in changes {
        let mut desk = desk();
        let answer = desk.ask(&sale(20, 500)).pop().unwrap();
        assert_eq!(answer.text(13), Some("0601"));
        assert_eq!(desk.code(&upload(24, 500)), "00");
        assert_eq!(desk.code(&changed(report_on(&answer, 21), change)), code, "{what}");
        assert_eq!(desk.ledger()["script_reports"], 0, "{what}");
    }
}
