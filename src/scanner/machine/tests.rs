use super::*;
use crate::domain::scan::{PayScheme, ScanKind};

const ALIVE: [u8; 7] = [0x03, 0, 0, 1, 0, 0x33, 0x31];
const VERSION: [u8; 7] = [0x02, 0, 0, 1, 0x69, 0x33, 0x31];

fn at(ms: u64) -> Instant {
    Instant(1_000_000_000 + ms * 1_000)
}

struct Bench {
    scanner: Scanner,
    said: Vec<String>,
    written: Vec<Vec<u8>>,
}

impl Bench {
    fn new(kind: Kind, trigger: Trigger) -> Self {
        let ranges = vec![CodeRange { scheme: PayScheme::Alipay, prefixes: 25..=30, digits: 16..=24 }];
        let scanner = Scanner::new(Settings { kind, trigger, ranges });
        Self { scanner, said: Vec::new(), written: Vec::new() }
    }

    /// A GM65 that has said who it is, by 20 ms.
    fn gm65() -> Self {
        let mut bench = Self::new(Kind::Gm65, Trigger::Gm65);
        bench.event(0, Event::Opened);
        bench.bytes(10, &ALIVE);
        bench.bytes(20, &VERSION);
        assert_eq!(bench.take(), ["ready", "GM65 105"]);
        bench.written.clear();
        bench
    }

    fn line() -> Self {
        let mut bench = Self::new(Kind::Line, Trigger::None);
        bench.event(0, Event::Opened);
        assert_eq!(bench.take(), ["ready", "line-mode scanner"]);
        bench
    }

    fn event(&mut self, ms: u64, event: Event) {
        self.scanner.handle(at(ms), event);
        self.drain();
    }

    fn bytes(&mut self, ms: u64, bytes: &[u8]) {
        self.event(ms, Event::Received(SecretBytes::new(bytes.to_vec())));
    }

    /// Lets time pass up to this moment, from deadline to deadline.
    fn until(&mut self, ms: u64) {
        let mut rounds = 0;
        while let Some(next) = self.scanner.deadline().filter(|t| *t <= at(ms)) {
            self.scanner.expire(next);
            self.drain();
            rounds += 1;
            assert!(rounds < 10_000, "a deadline that is always due");
        }
        self.scanner.expire(at(ms));
        self.drain();
    }

    fn drain(&mut self) {
        let mut states = Vec::new();
        while let Some(output) = self.scanner.poll() {
            match output {
                Output::Write(bytes) => self.written.push(bytes.expose().to_vec()),
                Output::Reopen => self.said.push("reopen".to_owned()),
                Output::StateChanged(state, None) => states.push(state.to_string()),
                Output::StateChanged(state, Some(cause)) => states.push(format!("{state} {cause}")),
                Output::Identified { model, firmware } => {
                    self.said.push(format!("{model} {firmware}").trim_end().to_owned());
                }
                Output::Scanned(scan) => self.said.push(scan.kind().to_string()),
                Output::NotTaken { rejected, dropped } => self.said.push(format!("not taken {rejected}/{dropped}")),
            }
        }
        // The state before what is said with it.
        let with_it = usize::from(self.said.last().is_some_and(|s| s.contains("GM65") || s.contains("line-mode")));
        let at = self.said.len() - with_it;
        self.said.splice(at..at, states);
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

#[test]
fn a_gm65_is_asked_who_it_is_when_its_port_opens() {
    let mut bench = Bench::new(Kind::Gm65, Trigger::Gm65);
    assert_eq!(bench.scanner.state(), (DeviceState::Starting, None));
    bench.event(0, Event::Opened);
    assert_eq!(bench.written, [gm65::heartbeat()]);
    bench.bytes(10, &ALIVE);
    assert_eq!(bench.written, [gm65::heartbeat(), gm65::ask_version()]);
    bench.bytes(20, &VERSION);
    assert_eq!(bench.take(), ["ready", "GM65 105"]);
}

#[test]
fn a_gm65_that_does_not_tell_its_version_is_taken_without_one() {
    let mut bench = Bench::new(Kind::Gm65, Trigger::Gm65);
    bench.event(0, Event::Opened);
    bench.bytes(10, &ALIVE);
    bench.until(600);
    assert_eq!(bench.take(), ["ready", "GM65"]);
}

#[test]
fn a_line_mode_scanner_is_ready_when_its_port_opens_and_is_asked_nothing() {
    let mut bench = Bench::line();
    bench.until(600_000);
    assert!(bench.written.is_empty());
    assert_eq!(bench.scanner.deadline(), None);
}

#[test]
fn a_device_that_answers_nothing_is_mute_and_is_asked_ever_more_seldom() {
    let mut bench = Bench::new(Kind::Gm65, Trigger::Gm65);
    bench.event(0, Event::Opened);
    bench.until(1_500);
    assert_eq!(bench.take(), ["failed H11"]);
    assert_eq!(bench.written.len(), 3);
    let mut now = 1_500;
    for rest in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        bench.until(now + rest);
        assert_eq!(bench.take(), ["reopen"], "after {rest} ms");
        now += rest + 10;
        bench.event(now, Event::Closed);
        now += 10;
        bench.event(now, Event::Opened);
        now += 1_500;
        bench.until(now);
        assert!(bench.take().is_empty(), "it stays what it was");
    }
    bench.event(now, Event::Opened);
    bench.bytes(now + 10, &ALIVE);
    bench.bytes(now + 20, &VERSION);
    assert_eq!(bench.take(), ["ready", "GM65 105"]);
}

#[test]
fn a_port_that_does_not_come_back_after_reopening_is_gone() {
    let mut bench = Bench::gm65();
    bench.event(100, Event::ResetAsked);
    bench.event(110, Event::Closed);
    assert_eq!(bench.take(), ["starting", "reopen"].map(str::to_owned).into_iter().rev().collect::<Vec<_>>());
    bench.until(3_100);
    assert_eq!(bench.take(), ["absent H10"]);
}

#[test]
fn one_that_is_quiet_is_asked_and_one_that_scans_is_not() {
    let mut bench = Bench::gm65();
    bench.bytes(20_000, b"HELLO\r");
    bench.until(49_999);
    assert!(bench.written.is_empty());
    bench.until(50_000);
    assert_eq!(bench.written, [gm65::heartbeat()]);
    bench.bytes(50_100, &ALIVE);
    bench.until(80_099);
    assert_eq!(bench.written.len(), 1);
    bench.take();
    bench.until(81_600);
    assert_eq!(bench.take(), ["failed H11"]);
}

#[test]
fn unplugged_and_plugged_in_again_any_number_of_times() {
    let mut bench = Bench::gm65();
    for n in 1..=50 {
        let now = n * 10_000;
        bench.event(now, Event::Closed);
        assert_eq!(bench.take(), ["absent H10"]);
        bench.event(now + 10, Event::Opened);
        bench.bytes(now + 20, &ALIVE);
        bench.bytes(now + 30, &VERSION);
        assert_eq!(bench.take(), ["starting", "ready", "GM65 105"]);
    }
}

#[test]
fn half_a_code_does_not_outlive_its_port() {
    let mut bench = Bench::line();
    bench.bytes(10, b"28123456");
    bench.event(20, Event::Closed);
    bench.event(30, Event::Opened);
    bench.take();
    bench.bytes(40, b"78901234\r");
    assert_eq!(bench.take(), ["unknown"]);
}

#[test]
fn the_same_code_again_is_one_scan_as_long_as_it_is_held_there() {
    let mut bench = Bench::line();
    for ms in [0, 500, 2_000, 3_900] {
        bench.bytes(ms, b"2812345678901234\r");
    }
    assert_eq!(bench.take(), ["payment"]);
    assert_eq!(bench.scanner.statistics(), Statistics { scans: 1, repeats: 3, ..Statistics::default() });
    bench.bytes(5_900, b"2812345678901234\r");
    bench.bytes(5_910, b"2812345678901235\r");
    assert_eq!(bench.take(), ["payment", "payment"]);
    // Kept no longer than needed.
    bench.until(8_000);
    assert!(bench.scanner.last.is_none());
}

#[test]
fn a_flood_of_codes_is_bounded() {
    let mut bench = Bench::line();
    for n in 0..1_000u64 {
        bench.bytes(n, format!("CODE{n}\r").as_bytes());
    }
    let said = bench.take();
    assert_eq!(said.iter().filter(|s| *s == &ScanKind::Unknown.to_string()).count(), 6, "{said:?}");
    assert_eq!(said.iter().filter(|s| s.starts_with("not taken")).count(), 1);
    bench.until(61_000);
    assert_eq!(bench.take(), ["not taken 0/993"]);
    bench.bytes(61_000, b"CODE\r");
    assert_eq!(bench.take(), ["unknown"]);
}

#[test]
fn garbage_is_counted_and_told_once_a_minute() {
    let mut bench = Bench::line();
    for n in 0..500u64 {
        bench.bytes(n * 100, &[0x80, 0x00, b'\r']);
    }
    assert_eq!(bench.take(), ["not taken 1/0"]);
    assert_eq!(bench.scanner.state(), (DeviceState::Ready, None));
    bench.until(120_000);
    assert_eq!(bench.take(), ["not taken 499/0"]);
    assert_eq!(bench.scanner.deadline(), None);
}

#[test]
fn a_trigger_is_sent_in_the_scanners_own_words() {
    let mut bench = Bench::gm65();
    bench.event(100, Event::TriggerAsked);
    // The answer and the code in one piece.
    bench.bytes(200, b"\x02\x00\x00\x01\x00\x33\x31HELLO\r\n");
    assert_eq!((bench.written.clone(), bench.take()), (vec![gm65::trigger()], vec!["unknown".to_owned()]));

    let mut bench = Bench::new(Kind::Line, Trigger::Honeywell);
    bench.event(0, Event::TriggerAsked);
    assert!(bench.written.is_empty(), "there is nobody to trigger");
    bench.event(0, Event::Opened);
    bench.event(100, Event::TriggerAsked);
    bench.until(10_100);
    assert_eq!(bench.written, [HONEYWELL_ON, HONEYWELL_OFF]);
    bench.event(11_000, Event::TriggerAsked);
    bench.bytes(11_500, b"HELLO\r");
    bench.until(60_000);
    assert_eq!(bench.written, [HONEYWELL_ON, HONEYWELL_OFF, HONEYWELL_ON, HONEYWELL_OFF]);
    let mut bench = Bench::line();
    bench.event(100, Event::TriggerAsked);
    assert!(bench.written.is_empty());
    assert!(!bench.scanner.can_trigger());
}

#[test]
fn a_reset_asks_anew() {
    let mut bench = Bench::gm65();
    bench.event(100, Event::ResetAsked);
    bench.event(110, Event::Closed);
    bench.event(120, Event::Opened);
    bench.bytes(130, &ALIVE);
    bench.bytes(140, &VERSION);
    assert_eq!(bench.take(), ["reopen", "starting", "ready", "GM65 105"]);
}
