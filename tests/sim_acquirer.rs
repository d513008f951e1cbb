//! The simulated acquirer as anybody's client meets it: a process, TCP, ISO 8583.
//!
//! Proves: `smartpos-sim acquirer` hands out keys, charges, takes back and keeps a ledger that survives it; refuses what a
//! host refuses; and does what is documented for every forcing amount and every fault of its grammar.

#[path = "common/client.rs"]
mod client;
#[path = "common/rig.rs"]
mod rig;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use client::{Came, HEADER, Terminal};
use rig::{PATIENCE, PIN, Process, SIM, eventually, order_to, start_acquirer};
use serde_json::Value;
use smartpos::codec::frame::Header;
use smartpos::codec::iso8583::{Message, Mti};
use smartpos::sim::acquirer::fault::GRAMMAR;

/// Long enough to believe that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

struct Bank {
    dir: tempfile::TempDir,
    address: String,
    _process: Process,
}

impl Bank {
    fn open(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (process, address) = start_acquirer(dir.path(), "127.0.0.1:0", &arguments);
        Self { dir, address, _process: process }
    }

    fn order(&self, order: &str) -> String {
        order_to("acquirer", &self.dir.path().join("acquirer.sock"), order)
    }

    fn totals(&self) -> Value {
        serde_json::from_str(self.order("ledger").trim()).unwrap()
    }

    /// Count and sum of what stands.
    fn charged(&self) -> (u64, u64) {
        let totals = self.totals();
        (totals["charged"].as_u64().unwrap(), totals["charged_sum"].as_u64().unwrap())
    }

    fn fault(&self, fault: &str) {
        self.order(&format!("fault {fault}"));
    }
}

fn ledger(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("ledger.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn it_signs_in_charges_takes_back_once_and_signs_out() {
    let bank = Bank::open(&[]);
    let mut terminal = Terminal::signed_in(&bank.address);
    let sale = terminal.sale(12_800);
    let Came::Answer(answer, _) = terminal.ask(&sale) else { panic!("no answer") };
    assert_eq!((answer.text(39), answer.text(4), answer.text(11)), (Some("00"), Some("000000012800"), sale.text(11)));
    assert_eq!(answer.bytes(64), Some(&terminal.mac(&answer)[..]), "the approval is signed with the same key");
    assert_eq!(bank.charged(), (1, 12_800));
    assert_eq!(terminal.ask(&sale).code(), "94", "the same trace again");
    let right = terminal.sale_with_pin(500, PIN);
    assert_eq!(terminal.ask(&right).code(), "00");
    let wrong = terminal.sale_with_pin(500, "4321");
    assert_eq!(terminal.ask(&wrong).code(), "55");
    let reversal = terminal.reversal(&sale);
    assert_eq!(terminal.ask(&reversal).code(), "00");
    assert_eq!(terminal.ask(&reversal).code(), "00", "a repeated reversal is acknowledged again");
    assert_eq!(bank.charged(), (1, 500));
    let totals = bank.totals();
    for (name, count) in [("reversed", 1), ("repeated_reversals", 1), ("duplicates_refused", 1), ("declined", 1)] {
        assert_eq!(totals[name], count, "{name}: {totals}");
    }
    assert!(terminal.echoes());
    let out = terminal.management(Mti::MANAGEMENT, "002");
    assert_eq!(terminal.ask(&out).code(), "00");
    let late = terminal.sale(1);
    assert_eq!(terminal.ask(&late).code(), "A0", "signed out, the key counts no more");
}

#[test]
fn the_ledger_is_on_disk_and_a_host_that_comes_again_knows_it() {
    let mut bank = Bank::open(&[]);
    let mut terminal = Terminal::signed_in(&bank.address);
    let (kept, taken) = (terminal.sale(700), terminal.sale(900));
    assert_eq!([terminal.ask(&kept).code(), terminal.ask(&taken).code()], ["00", "00"]);
    let reversal = terminal.reversal(&taken);
    assert_eq!(terminal.ask(&reversal).code(), "00");
    let lines = ledger(bank.dir.path());
    let told: Vec<_> = lines.iter().map(|l| (l["status"].as_str().unwrap(), l["amount"].as_u64().unwrap())).collect();
    assert_eq!(told, [("charged", 700), ("charged", 900), ("reversed", 900)]);
    assert!(lines.iter().all(|l| l["pan"] == "620000******0018" && l["batch"] == 2), "{lines:?}");
    // Killed and started again.
    drop(bank._process);
    let (process, address) = start_acquirer(bank.dir.path(), "127.0.0.1:0", &[]);
    (bank._process, bank.address) = (process, address);
    assert_eq!(bank.charged(), (1, 700));
    let trace = terminal.trace;
    let mut terminal = Terminal::signed_in(&bank.address);
    terminal.trace = trace;
    let again = terminal.signed(kept);
    assert_eq!(terminal.ask(&again).code(), "94", "what was decided before is known");
    assert_eq!(bank.charged(), (1, 700));
}

#[test]
fn a_request_that_a_host_refuses_is_refused_for_that_reason_and_charges_nothing() {
    let bank = Bank::open(&["--max-amount", "100000"]);
    let mut terminal = Terminal::signed_in(&bank.address);
    type Change = fn(&mut Message);
    let changes: [(&str, &str, Change); 12] = [
        ("another terminal", "97", |m| m.set_text(41, "99000002").unwrap()),
        ("another merchant", "03", |m| m.set_text(42, "999000000000002").unwrap()),
        ("another batch", "77", |m| m.set_digits(60, "2200000300060").unwrap()),
        ("another currency", "A1", |m| m.set_text(49, "840").unwrap()),
        ("nothing", "13", |m| m.set_digits(4, "000000000000").unwrap()),
        ("too much", "61", |m| m.set_digits(4, "000000100001").unwrap()),
        ("an expired card", "54", |m| m.set_digits(14, "2001").unwrap()),
        ("no amount", "30", |m| m.remove(4)),
        ("no card", "30", |m| m.remove(2)),
        ("trace zero", "30", |m| m.set_digits(11, "000000").unwrap()),
        ("another kind of purchase", "40", |m| m.set_digits(3, "200000").unwrap()),
        ("a settlement", "40", |m| m.set_mti(Mti::SETTLEMENT)),
    ];
    for (what, code, change) in changes {
        let mut message = terminal.sale(1_234);
        change(&mut message);
        let message = terminal.signed(message);
        assert_eq!(terminal.ask(&message).code(), code, "{what}");
    }
    let mut unsigned = terminal.sale(1_234);
    unsigned.set_bytes(64, b"00000000").unwrap();
    assert_eq!(terminal.ask(&unsigned).code(), "A0");
    let never = terminal.sale(1_234);
    let reversal = terminal.reversal(&never);
    assert_eq!(terminal.ask(&reversal).code(), "25", "nothing to take back");
    assert_eq!(bank.charged(), (0, 0));
}

#[test]
fn what_is_no_request_gets_no_answer_and_the_reason_is_counted() {
    let bank = Bank::open(&[]);
    let mut terminal = Terminal::signed_in(&bank.address);
    let echo = terminal.management(Mti::MANAGEMENT, "301");
    let misaddressed = Header { tpdu: [0x60, 0x00, 0x04, 0x00, 0x00], ..HEADER };
    terminal.stream.write_all(&echo.encode(&misaddressed)).unwrap();
    let mut answer = echo.clone();
    answer.set_mti(Mti::MANAGEMENT.answer());
    terminal.send(&answer);
    terminal.stream.write_all(b"\x00\x05hello").unwrap();
    assert!(terminal.echoes(), "none of these was answered");
    terminal.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(matches!(terminal.receive(PATIENCE), Came::End(0)));
    let dropped = bank.totals()["dropped"].clone();
    for why in ["misaddressed", "answer", "undecodable", "unframed"] {
        assert_eq!(dropped[why], 1, "{why}: {dropped}");
    }
}

#[test]
fn every_documented_amount_forces_its_outcome() {
    let bank = Bank::open(&["--late-ms", "400"]);
    let mut terminal = Terminal::signed_in(&bank.address);
    let codes =
        (1..=99).map(|n| (900_000 + n, format!("{n:02}"))).chain((0..=9).map(|n| (901_000 + n, format!("A{n}"))));
    for (amount, code) in codes {
        let sale = terminal.sale(amount);
        assert_eq!(terminal.ask(&sale).code(), code, "{amount}");
    }
    let ordinary = terminal.sale(900_000);
    assert_eq!(terminal.ask(&ordinary).code(), "00");
    let mut charged = bank.charged().0;
    // 00, 10 for a part, 11; A2, A4, A5, A6.
    assert_eq!(charged, 3 + 4);
    for fen in 1..=10 {
        let mut terminal = Terminal::signed_in(&bank.address);
        terminal.trace = 1_000 * fen;
        let sale = terminal.sale(902_000 + u64::from(fen));
        terminal.send(&sale);
        charged += u64::from(fen != 2);
        match fen {
            1 | 2 => assert!(terminal.echoes(), "not answered"),
            3 => assert!(matches!(terminal.receive(PATIENCE), Came::End(0))),
            4 => {
                let Came::Answer(answer, _) = terminal.receive(PATIENCE) else { panic!("no answer") };
                assert_ne!(answer.bytes(64), Some(&terminal.mac(&answer)[..]));
            }
            5 | 9 => {
                assert!(matches!(terminal.receive(SILENCE), Came::Silence(0)), "at once");
                assert_eq!(terminal.receive(PATIENCE).code(), "00");
            }
            6 => assert_eq!([terminal.receive(PATIENCE).code(), terminal.receive(PATIENCE).code()], ["00", "00"]),
            7 => foreign_first(&mut terminal, &sale),
            8 => assert!(matches!(terminal.receive(PATIENCE), Came::End(1..))),
            _ => assert!(matches!(terminal.receive(PATIENCE), Came::Garbage)),
        }
        assert_eq!(bank.charged().0, charged, "9020.{fen:02}");
    }
    let help = Command::new(SIM).args(["acquirer", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let documented = (0..=99).filter(|fen| help.contains(&format!("9020.{fen:02}"))).count();
    assert_eq!(documented, 10, "another number of amounts is documented than is tested here");
}

/// Two answers for others, then the right one.
fn foreign_first(terminal: &mut Terminal, sale: &Message) {
    let mut whose = BTreeSet::new();
    for _ in 0..2 {
        let Came::Answer(answer, _) = terminal.receive(PATIENCE) else { panic!("no answer") };
        whose.insert((answer.text(11) == sale.text(11), answer.text(41) == sale.text(41)));
    }
    assert_eq!(whose, BTreeSet::from([(false, true), (true, false)]));
    let Came::Answer(answer, _) = terminal.receive(PATIENCE) else { panic!("no answer") };
    assert_eq!((answer.text(11), answer.text(41)), (sale.text(11), sale.text(41)));
}

/// What a fault is to do.
type Expected = fn(&mut Terminal, &Message) -> bool;

#[test]
fn every_fault_instead_of_an_answer_does_what_it_says() {
    let bank = Bank::open(&[]);
    let mut charged = 0;
    let cases: &[(&str, bool, Expected)] = &[
        ("ignore", false, |t, _| t.echoes()),
        ("drop", true, |t, _| t.echoes()),
        ("close before", false, |t, _| matches!(t.receive(PATIENCE), Came::End(0))),
        ("close", true, |t, _| matches!(t.receive(PATIENCE), Came::End(0))),
        ("html", false, |t, _| matches!(t.receive(PATIENCE), Came::Unframed(b) if b.starts_with(b"HTTP/1.1 302"))),
        ("delay 600", true, |t, _| {
            matches!(t.receive(SILENCE), Came::Silence(0)) && t.receive(PATIENCE).code() == "00"
        }),
        // Unlike a delay it lets others pass.
        ("late 600", true, |t, _| t.echoes() && t.receive(PATIENCE).code() == "00"),
        ("duplicate", true, |t, _| t.receive(PATIENCE).code() == "00" && t.receive(PATIENCE).code() == "00"),
        ("foreign", true, |t, sale| {
            foreign_first(t, sale);
            true
        }),
        ("foreign only", true, |t, _| {
            matches!((t.receive(PATIENCE), t.receive(PATIENCE)), (Came::Answer(..), Came::Answer(..))) && t.echoes()
        }),
        ("garbage", true, |t, _| matches!(t.receive(PATIENCE), Came::Garbage) && t.echoes()),
        ("garbage raw", true, |t, _| {
            matches!(t.receive(SILENCE), Came::Unframed(_) | Came::Garbage | Came::Silence(1..))
        }),
        ("half", true, |t, _| matches!(t.receive(PATIENCE), Came::End(1..))),
        ("half hang", true, |t, _| matches!(t.receive(SILENCE), Came::Silence(1..))),
        ("oversize", true, |t, _| matches!(t.receive(PATIENCE), Came::Unframed(b) if b.starts_with(&[0xFF, 0xFF]))),
        // Bit 88 is the first of the message type.
        ("bitflip 88", true, |t, _| {
            matches!(t.receive(PATIENCE), Came::Answer(m, _) if m.mti() != Mti::FINANCIAL.answer()) || t.echoes()
        }),
    ];
    for (fault, charges, expected) in cases {
        let mut terminal = Terminal::signed_in(&bank.address);
        terminal.trace = 100 * (charged as u32 + 1);
        bank.fault(&format!("0200 {fault}"));
        // The fault is for another kind of message and lets this one through.
        assert!(terminal.echoes(), "{fault}");
        let sale = terminal.sale(100);
        terminal.send(&sale);
        assert!(expected(&mut terminal, &sale), "{fault}");
        charged += u64::from(*charges);
        assert_eq!(bank.charged().0, charged, "{fault}");
        assert_eq!(bank.order("faults").trim(), "ok 0", "{fault} is used up");
    }
    let tested = cases.iter().map(|case| case.0);
    assert_eq!(documented("instead of one good answer", "in the answer"), first_words(tested));
}

#[test]
fn every_fault_in_an_answer_does_what_it_says() {
    let bank = Bank::open(&[]);
    let mut terminal = Terminal::signed_in(&bank.address);
    let mut asked = |fault: &str| {
        bank.fault(&format!("0200 {fault}"));
        let sale = terminal.sale(100);
        let Came::Answer(answer, asks) = terminal.ask(&sale) else { panic!("{fault}: no answer") };
        let good = answer.bytes(64) == Some(&terminal.mac(&answer)[..]);
        (answer.text(39).unwrap().to_owned(), answer.text(12).unwrap().to_owned(), asks, good)
    };
    assert_eq!(asked("code 51").0, "51");
    assert_eq!(bank.charged().0, 0);
    assert_eq!(asked("code 51 charged").0, "51");
    assert_eq!(bank.charged().0, 1);
    let (code, _, _, good) = asked("wrong-mac");
    assert_eq!((code.as_str(), good), ("00", false));
    assert_eq!(asked("asks 3").2, 3);
    // Half a day away, whatever the time is now.
    let hour = |time: &str| time[..2].parse::<i32>().unwrap();
    let (ordinary, shifted) = (asked("asks 0").1, asked("clock +43200").1);
    assert!([11, 12, 13].contains(&(hour(&shifted) - hour(&ordinary)).abs()), "{ordinary} {shifted}");
    for (fault, what) in [
        ("wrong-kcv", "check value of PIN key does not match"),
        ("wrong-kcv mak", "check value of the MAC key does not match"),
        ("wrong-kcv tdk", "check value of track key does not match"),
        ("bad-key-block", "key block of 67 bytes"),
    ] {
        bank.fault(&format!("0800 {fault}"));
        let why = terminal.sign_in().unwrap_err();
        assert!(why.contains(what), "{fault}: {why}");
    }
    // What a script does is tested with the product's host machine, in host_acquirer.rs: only a chip card gets one.
    let tested = ["code", "wrong-mac", "wrong-kcv", "bad-key-block", "script", "asks", "clock"];
    assert_eq!(documented("in the answer (any", "when connecting"), first_words(tested.into_iter()));
}

#[test]
fn every_fault_when_connecting_does_what_it_says() {
    let bank = Bank::open(&[]);
    let open = |fault: &str, within| {
        bank.fault(fault);
        Terminal::connect(&bank.address).receive(within)
    };
    assert!(matches!(open("connect close", PATIENCE), Came::End(0)));
    assert!(matches!(open("connect garbage", PATIENCE), Came::Unframed(_) | Came::Garbage | Came::End(_)));
    assert!(matches!(open("connect html", PATIENCE), Came::Unframed(bytes) if bytes.starts_with(b"HTTP/1.1")));
    assert!(matches!(open("refuse x1", PATIENCE), Came::End(0)));
    bank.fault("hang-accept");
    let mut mute = Terminal::connect(&bank.address);
    let echo = mute.management(Mti::MANAGEMENT, "301");
    mute.send(&echo);
    assert!(matches!(mute.receive(SILENCE), Came::Silence(0)));
    bank.fault("refuse");
    eventually("a closed door", || TcpStream::connect(&bank.address).is_err().then_some(()));
    bank.order("clear");
    assert!(Terminal::connect(&bank.address).echoes());
}

#[test]
fn faults_are_counted_skipped_sticky_and_cleared_and_mistakes_are_explained() {
    let bank = Bank::open(&["--fault", "0200 code 05 x1"]);
    let mut terminal = Terminal::signed_in(&bank.address);
    let mut codes = |n: usize| -> Vec<String> {
        let mut sell = || {
            let sale = terminal.sale(100);
            terminal.ask(&sale).code().to_owned()
        };
        (0..n).map(|_| sell()).collect()
    };
    assert_eq!(codes(2), ["05", "00"], "armed from the command line");
    bank.fault("0200 code 51 x2");
    assert_eq!(codes(3), ["51", "51", "00"]);
    bank.fault("0200 code 61 skip 1 x1");
    assert_eq!(codes(3), ["00", "61", "00"]);
    bank.fault("any code 91 sticky");
    assert_eq!(codes(4), ["91"; 4]);
    bank.order("clear");
    assert_eq!(codes(1), ["00"]);
    for (order, part) in [("fault 0200 explode", "no fault 'explode'"), ("dance", "no order 'dance'")] {
        let output = Command::new(SIM)
            .args(["acquirer", "--send"])
            .arg(bank.dir.path().join("acquirer.sock"))
            .arg(order)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(part), "{order}: {said}");
    }
}

/// The kinds that the grammar lists between two of its headings.
fn documented(from: &str, to: &str) -> BTreeSet<String> {
    let part = GRAMMAR.split(from).nth(1).unwrap().split(to).next().unwrap();
    let kinds = part.lines().filter_map(|line| line.strip_prefix("    "));
    let found = first_words(kinds.filter(|line| !line.starts_with(' ')));
    assert!(found.len() > 3, "{found:?}");
    found
}

fn first_words<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}
