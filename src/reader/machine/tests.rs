//! What it proves: one tap from port to read in virtual time, and every way it can go wrong on the line or in the field.

use proptest::prelude::*;

use super::*;
use crate::domain::amount::{Amount, Currency, Money};
use crate::domain::time::Civil;
use crate::reader::pn532::fake::{CardSays, FakeChip, hex, text};
use crate::reader::pn532::frame;
use crate::reader::pn532::ladder::LadderSettings;
use crate::reader::tap::fake::*;

const WRITE: Duration = Duration::from_micros(500);

/// Reader and chip in virtual time. Every write costs `WRITE`; nothing else takes time by itself.
struct Rig {
    reader: Reader,
    chip: FakeChip,
    now: Instant,
    log: Vec<String>,
    writes: u64,
    reads: Vec<CardRead>,
}

fn word(output: &Output) -> Option<String> {
    Some(match output {
        Output::Write(_) | Output::SetBaud(_) => return None,
        Output::Reopen => "reopen".into(),
        Output::PulseReset => "pulse reset".into(),
        Output::PowerCycle => "power cycle".into(),
        Output::StateChanged(state, cause) => {
            format!("{state}{}", cause.map_or(String::new(), |c| format!(" {c}")))
        }
        Output::Identified { model, firmware } => format!("{model} {firmware}"),
        Output::CardRead(read) => format!("read {}", read.scheme),
        Output::CardSelected(scheme) => format!("selected {scheme}"),
        Output::LineProved(right) => format!("line proved: {right}"),
        Output::PresentAgain(failure) => format!("again: {failure}"),
        Output::RemoveCard => "remove".into(),
        Output::TapFailed(failure) => format!("failed: {failure}"),
    })
}

fn request() -> TapRequest {
    TapRequest {
        money: Money { amount: Amount::new(1234).unwrap(), currency: Currency::CNY },
        local_time: Civil { year: 2026, month: 11, day: 24, hour: 12, minute: 34, second: 56 },
        unpredictable: [0xDE, 0xAD, 0xBE, 0xEF],
        sequence: 42,
        pin_above: 100_000,
    }
}

fn settings() -> ReaderSettings {
    let link = LinkSettings { raise_to: None, ..LinkSettings::default() };
    ReaderSettings { link, health_check: None, ..ReaderSettings::default() }
}

fn put(chip: &mut FakeChip, mut card: FakeCard) {
    chip.present(Box::new(move |apdu| CardSays::Answer(card.answer(apdu))));
}

fn take(chip: &mut FakeChip) {
    chip.targets_a.clear();
    chip.card = None;
}

impl Rig {
    /// With the reader up and its beginnings logged and forgotten.
    fn new(settings: ReaderSettings) -> Self {
        let mut rig = Self::closed(settings);
        rig.open();
        rig.run(Duration::from_secs(1));
        assert_eq!(rig.log, ["starting", "PN532 1.6", "ready"]);
        rig.log.clear();
        rig
    }

    fn closed(settings: ReaderSettings) -> Self {
        Self {
            reader: Reader::new(settings),
            chip: FakeChip::default(),
            now: Instant(0),
            log: Vec::new(),
            writes: 0,
            reads: Vec::new(),
        }
    }

    fn open(&mut self) {
        self.chip.host_rate = 115_200;
        self.reader.handle(self.now, Event::Opened);
    }

    fn settle(&mut self) {
        while let Some(output) = self.reader.poll() {
            self.log.extend(word(&output));
            match output {
                Output::Write(bytes) => {
                    self.now = self.now.after(WRITE);
                    self.writes += 1;
                    let reply = self.chip.written(bytes.expose());
                    if !reply.is_empty() {
                        self.reader.handle(self.now, Event::Received(SecretBytes::new(reply)));
                    }
                }
                Output::SetBaud(rate) => self.chip.host_rate = rate,
                Output::Reopen => {
                    self.reader.handle(self.now, Event::Closed);
                    self.open();
                }
                Output::PulseReset | Output::PowerCycle => self.chip.reset(),
                Output::CardRead(read) => self.reads.push(*read),
                Output::StateChanged(..)
                | Output::Identified { .. }
                | Output::PresentAgain(_)
                | Output::RemoveCard
                | Output::CardSelected(_)
                | Output::LineProved(_)
                | Output::TapFailed(_) => {}
            }
        }
    }

    fn step(&mut self, end: Instant) -> bool {
        self.settle();
        let Some(due) = self.reader.deadline().filter(|due| *due <= end) else {
            return false;
        };
        self.now = self.now.max(due);
        self.reader.expire(self.now);
        self.settle();
        true
    }

    fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        let mut steps = 0;
        while self.step(end) {
            steps += 1;
            assert!(steps < 50_000, "the reader spins: {:?}", self.log);
        }
        self.now = self.now.max(end);
    }

    fn start(&mut self, wait: Duration) {
        let deadline = self.now.after(wait);
        self.reader.handle(self.now, Event::StartTap { request: request(), deadline });
    }

    /// Starts a tap and runs until well after its deadline.
    fn tap(&mut self) -> Vec<String> {
        self.start(Duration::from_secs(10));
        self.run(Duration::from_secs(20));
        std::mem::take(&mut self.log)
    }
}

#[test]
fn a_card_that_lies_there_is_read_and_let_go() {
    for (card, scheme) in
        [(FakeCard::unionpay(), "unionpay"), (FakeCard::visa(), "visa"), (FakeCard::mastercard(), "mastercard")]
    {
        let mut rig = Rig::new(settings());
        put(&mut rig.chip, card);
        assert_eq!(rig.tap(), ["active", format!("read {scheme}").as_str(), "ready"]);
        let heard: Vec<_> = rig.chip.heard.iter().map(|b| text(b)).collect();
        assert_eq!(heard[heard.len() - 2..], ["D45200", "D4320100"]);
        assert_eq!(rig.reader.deadline(), None, "nothing is due after a tap");
    }
}

#[test]
fn a_tap_costs_no_time_of_its_own() {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::unionpay());
    let (start, writes) = (rig.now, rig.writes);
    rig.start(Duration::from_secs(10));
    rig.settle();
    assert_eq!(rig.reads.len(), 1, "read without any timer running out");
    assert_eq!(rig.now.since(start), WRITE * u32::try_from(rig.writes - writes).unwrap());
}

#[test]
fn a_card_that_comes_later_is_found() {
    let mut rig = Rig::new(settings());
    rig.start(Duration::from_secs(10));
    rig.run(Duration::from_secs(3));
    assert_eq!(rig.log, ["active"]);
    let rounds = rig.chip.heard.iter().filter(|b| b.starts_with(&hex("D44A0200"))).count();
    assert!((100..=151).contains(&rounds), "{rounds} rounds in three seconds");
    put(&mut rig.chip, FakeCard::unionpay());
    rig.run(Duration::from_millis(50));
    assert_eq!(rig.log, ["active", "read unionpay", "ready"]);
}

#[test]
fn a_card_of_type_b_is_found() {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::unionpay());
    rig.chip.targets_a.clear();
    rig.chip.targets_b = vec![hex("01 50 11223344 00000000 008181 01 00")];
    assert_eq!(rig.tap(), ["active", "read unionpay", "ready"]);
}

#[test]
fn without_a_card_the_tap_ends_at_its_deadline_and_the_field_goes_off() {
    let mut rig = Rig::new(settings());
    let start = rig.now;
    rig.start(Duration::from_secs(10));
    while rig.log.last().map(String::as_str) != Some("ready") {
        assert!(rig.step(start.after(Duration::from_secs(30))));
    }
    assert_eq!(rig.log, ["active", "failed: no-card", "ready"]);
    assert!((10_000..10_050).contains(&rig.now.since(start).as_millis()));
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.chip.heard.last().map(|b| text(b)), Some("D4320100".into()));
}

#[test]
fn a_tap_can_be_stopped_at_any_step() {
    for steps in 0..40 {
        let mut rig = Rig::new(settings());
        rig.start(Duration::from_secs(10));
        put(&mut rig.chip, FakeCard::mastercard());
        // Each step is one write to the chip; the stop comes before its answer.
        let mut done = 0;
        while done < steps {
            match rig.reader.poll() {
                Some(Output::Write(bytes)) => {
                    let reply = rig.chip.written(bytes.expose());
                    done += 1;
                    if done < steps {
                        rig.reader.handle(rig.now, Event::Received(SecretBytes::new(reply)));
                    }
                }
                Some(output) => rig.log.extend(word(&output)),
                None => break,
            }
        }
        rig.reader.handle(rig.now, Event::StopTap);
        rig.run(Duration::from_secs(20));
        assert_eq!(rig.log.last().map(String::as_str), Some("ready"), "step {steps}");
        assert!(rig.reads.is_empty(), "nothing is read after a stop");
        assert!(!rig.log.iter().any(|w| w.starts_with("failed")), "step {steps}: {:?}", rig.log);
        assert_eq!(rig.reader.deadline(), None);
        // And the next tap works.
        put(&mut rig.chip, FakeCard::unionpay());
        rig.log.clear();
        assert_eq!(rig.tap(), ["active", "read unionpay", "ready"], "step {steps}");
    }
}

#[test]
fn two_cards_are_named_once_and_the_one_that_stays_is_read() {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::unionpay());
    rig.chip.targets_a.push(hex("02 0004 20 04 08445566 0578807002"));
    rig.start(Duration::from_secs(10));
    rig.run(Duration::from_secs(2));
    assert_eq!(rig.log, ["active", "again: two-cards"]);
    rig.chip.targets_a.pop();
    rig.run(Duration::from_secs(2));
    assert_eq!(rig.log, ["active", "again: two-cards", "read unionpay", "ready"]);
}

#[test]
fn a_collision_while_reading_is_two_cards() {
    let mut rig = Rig::new(settings());
    rig.chip.present(Box::new(|_| CardSays::Status(0x06)));
    rig.start(Duration::from_millis(500));
    rig.run(Duration::from_millis(10));
    assert_eq!(rig.log, ["active", "again: two-cards"]);
}

#[test]
fn a_wrong_card_has_to_go_before_the_next_is_looked_at() {
    for target in ["01 0004 08 04 08112233", "01 0004 20 04 08112233"] {
        let mut rig = Rig::new(settings());
        put(&mut rig.chip, FakeCard::unionpay());
        rig.chip.targets_a = vec![hex(target)];
        rig.start(Duration::from_secs(10));
        rig.run(Duration::from_secs(1));
        assert_eq!(rig.log, ["active", "again: wrong-card", "remove"]);
        take(&mut rig.chip);
        rig.run(Duration::from_millis(100));
        put(&mut rig.chip, FakeCard::unionpay());
        rig.run(Duration::from_millis(100));
        assert_eq!(rig.log, ["active", "again: wrong-card", "remove", "read unionpay", "ready"]);
    }
}

#[test]
fn a_card_that_knows_no_payment_is_a_wrong_card() {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::new(&[]));
    assert_eq!(rig.tap(), ["active", "again: wrong-card", "remove", "failed: no-card", "ready"]);
}

#[test]
fn a_card_removed_at_any_exchange_is_asked_for_again() {
    for status in [0x01, 0x02, 0x13, 0x29, 0x2B] {
        for at in 0..6 {
            let mut rig = Rig::new(settings());
            let mut card = FakeCard::mastercard();
            let mut exchanges = 0;
            rig.chip.present(Box::new(move |apdu| {
                exchanges += 1;
                if exchanges == at + 1 { CardSays::Status(status) } else { CardSays::Answer(card.answer(apdu)) }
            }));
            let log = rig.tap();
            assert_eq!(log, ["active", "again: removed-early", "read mastercard", "ready"], "{status:02X} at {at}");
        }
    }
}

#[test]
fn a_card_that_keeps_failing_uses_up_the_budget() {
    let mut rig = Rig::new(settings());
    rig.chip.present(Box::new(|_| CardSays::Status(0x01)));
    let log = rig.tap();
    assert_eq!(log.iter().filter(|w| *w == "again: removed-early").count(), 20);
    assert_eq!(log[log.len() - 2..], ["failed: removed-early", "ready"]);
}

#[test]
fn failures_that_end_the_payment_end_the_tap() {
    let cases = [
        (FakeCard::unionpay().with(OPTIONS, &unionpay_options(&[("9F27", "00")])), "card-declined"),
        (FakeCard::unionpay().with(OPTIONS, "6984"), "use-chip"),
        (FakeCard::unionpay().with("00B2010C00", &unionpay_record("200131")), "expired"),
        (FakeCard::new(&[(SELECT_PPSE, &ppse(&[("A0000001523010", 1)]))]), "no-common-application"),
    ];
    for (card, name) in cases {
        let mut rig = Rig::new(settings());
        put(&mut rig.chip, card);
        assert_eq!(rig.tap(), ["active", format!("failed: {name}").as_str(), "ready"]);
    }
}

#[test]
fn a_faulty_card_may_be_followed_by_another() {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::unionpay().with(OPTIONS, "770182"));
    rig.start(Duration::from_secs(10));
    rig.run(Duration::from_secs(1));
    take(&mut rig.chip);
    rig.run(Duration::from_secs(1));
    put(&mut rig.chip, FakeCard::visa());
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["active", "again: card-faulty", "remove", "read visa", "ready"]);
}

#[test]
fn long_answers_come_in_chained_pieces_and_extended_frames() {
    let long = object("70", &(object("5A", "6200000000000005") + &object("9F46", &"AB".repeat(200)))) + "9000";
    for chunk in [1, 17, 100, 262] {
        let mut rig = Rig::new(settings());
        rig.chip.chunk = chunk;
        put(&mut rig.chip, FakeCard::unionpay().with("00B2010C00", &long));
        assert_eq!(rig.tap(), ["active", "read unionpay", "ready"], "pieces of {chunk}");
    }
}

#[test]
fn a_card_that_never_stops_talking_is_faulty() {
    let mut rig = Rig::new(settings());
    rig.chip.chunk = 200;
    rig.chip.present(Box::new(|_| CardSays::Answer(vec![0x00; 9_000])));
    rig.start(Duration::from_secs(10));
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["active", "again: card-faulty", "remove"]);
}

#[test]
fn a_reader_unplugged_in_a_tap_and_back_in_time_goes_on() {
    let mut rig = Rig::new(settings());
    rig.start(Duration::from_secs(10));
    rig.run(Duration::from_secs(1));
    rig.reader.handle(rig.now, Event::Closed);
    rig.run(Duration::from_secs(2));
    assert_eq!(rig.log, ["active", "absent H01"]);
    rig.chip = FakeChip::default();
    put(&mut rig.chip, FakeCard::unionpay());
    rig.open();
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["active", "absent H01", "starting", "active", "read unionpay", "ready"]);
}

#[test]
fn a_reader_that_does_not_come_back_fails_the_tap() {
    let mut rig = Rig::new(settings());
    rig.start(Duration::from_secs(10));
    rig.reader.handle(rig.now, Event::Closed);
    rig.run(Duration::from_secs(20));
    assert_eq!(rig.log, ["active", "absent H01", "failed: reader-failed"]);
    assert_eq!(rig.reader.deadline(), None);
}

#[test]
fn a_reader_unplugged_at_any_moment_of_a_read_never_leaves_the_tap_open() {
    for at in 4..24 {
        let mut rig = Rig::closed(settings());
        rig.open();
        rig.run(Duration::from_secs(1));
        put(&mut rig.chip, FakeCard::mastercard());
        rig.start(Duration::from_secs(10));
        for _ in 4..at {
            match rig.reader.poll() {
                Some(Output::Write(bytes)) => {
                    let reply = rig.chip.written(bytes.expose());
                    rig.reader.handle(rig.now, Event::Received(SecretBytes::new(reply)));
                }
                Some(output) => rig.log.extend(word(&output)),
                None => {}
            }
        }
        rig.reader.handle(rig.now, Event::Closed);
        rig.run(Duration::from_secs(20));
        let ends = rig.log.iter().filter(|w| w.starts_with("read ") || w.starts_with("failed")).count();
        assert_eq!(ends, 1, "{at}: {:?}", rig.log);
    }
}

#[test]
fn a_chip_that_falls_mute_in_a_tap_is_woken_and_the_tap_goes_on() {
    let mut rig = Rig::new(settings());
    rig.start(Duration::from_secs(10));
    rig.run(Duration::from_secs(1));
    rig.chip.powered = false;
    rig.run(Duration::from_millis(500));
    rig.chip.powered = true;
    put(&mut rig.chip, FakeCard::unionpay());
    rig.run(Duration::from_secs(2));
    assert_eq!(rig.log, ["active", "starting", "active", "read unionpay", "ready"]);
}

#[test]
fn a_chip_that_stays_mute_fails_the_tap_and_the_next_one_at_once() {
    let mut rig = Rig::new(settings());
    rig.start(Duration::from_secs(10));
    rig.run(Duration::from_secs(1));
    rig.chip.powered = false;
    rig.run(Duration::from_secs(5));
    assert_eq!(rig.log[..3], ["active", "starting", "failed: reader-failed"]);
    assert!(rig.log.contains(&"failed H02".to_owned()));
    rig.log.clear();
    rig.start(Duration::from_secs(10));
    rig.settle();
    assert_eq!(rig.log.first().map(String::as_str), Some("failed: reader-failed"));
}

#[test]
fn a_tap_asked_for_while_the_reader_starts_waits_for_it() {
    let mut rig = Rig::closed(settings());
    put(&mut rig.chip, FakeCard::unionpay());
    rig.start(Duration::from_secs(10));
    rig.open();
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["starting", "PN532 1.6", "active", "read unionpay", "ready"]);
}

#[test]
fn an_idle_reader_is_checked_now_and_then_or_never() {
    let mut rig = Rig::new(ReaderSettings { health_check: Some(Duration::from_secs(30)), ..settings() });
    let before = rig.chip.heard.len();
    rig.run(Duration::from_secs(300));
    assert_eq!(rig.chip.heard.len() - before, 10);
    assert!(rig.log.is_empty());
    rig.chip.powered = false;
    rig.run(Duration::from_secs(60));
    assert_eq!(rig.log.first().map(String::as_str), Some("starting"));
    assert!(rig.log.contains(&"failed H02".to_owned()));
    let asleep = Rig::new(settings());
    assert_eq!(asleep.reader.deadline(), None);
}

#[test]
fn a_noisy_line_is_a_cause_beside_the_state() {
    let mut rig = Rig::new(ReaderSettings { health_check: Some(Duration::from_secs(1)), ..settings() });
    let mut turn = 0u32;
    rig.chip.damage = Some(Box::new(move |bytes| {
        turn += 1;
        if turn % 2 == 1
            && let Some(b) = bytes.get_mut(14)
        {
            *b ^= 0x20;
        }
    }));
    rig.run(Duration::from_secs(20));
    assert_eq!(rig.log, ["ready H03"]);
    rig.chip.damage = None;
    rig.run(Duration::from_secs(60));
    assert_eq!(rig.log, ["ready H03", "ready"]);
}

#[test]
fn error_frames_at_any_command_end_in_a_named_outcome() {
    for code in [0x4A, 0x40, 0x52, 0x32] {
        let mut rig = Rig::new(settings());
        put(&mut rig.chip, FakeCard::unionpay());
        rig.chip.refuses = vec![code];
        let log = rig.tap();
        let end: Vec<_> = log.iter().filter(|w| w.starts_with("read ") || w.starts_with("failed")).collect();
        assert_eq!(end.len(), 1, "{code:02X}: {log:?}");
        assert_eq!(rig.reader.deadline(), None);
    }
}

type Harm = fn(&mut Vec<u8>, usize);

/// One whole tap with something done to the `at`-th byte that the chip sends during it.
fn tap_with_damage(at: usize, harm: impl Fn(&mut Vec<u8>, usize) + 'static) -> (Vec<String>, Rig) {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::unionpay());
    let mut sent = 0;
    rig.chip.damage = Some(Box::new(move |bytes| {
        if (sent..sent + bytes.len()).contains(&at) {
            harm(bytes, at - sent);
            sent = usize::MAX / 2;
        }
        sent += bytes.len();
    }));
    let log = rig.tap();
    (log, rig)
}

fn session_length() -> usize {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::unionpay());
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = std::rc::Rc::clone(&count);
    rig.chip.damage = Some(Box::new(move |bytes| counter.set(counter.get() + bytes.len())));
    rig.tap();
    count.get()
}

#[test]
fn any_byte_of_a_session_flipped_lost_or_doubled_does_not_cost_the_read() {
    let length = session_length();
    assert!(length > 300);
    for at in 0..length {
        let harms: [(&str, Harm); 5] = [
            ("one bit flipped", |b, i| b[i] ^= 0x01),
            ("all bits flipped", |b, i| b[i] ^= 0xFF),
            ("lost", |b, i| {
                b.remove(i);
            }),
            ("doubled", |b, i| b.insert(i, b[i])),
            ("cut off from here", |b, i| b.truncate(i)),
        ];
        for (name, harm) in harms {
            let (log, rig) = tap_with_damage(at, harm);
            assert_eq!(rig.reads.len(), 1, "byte {at} {name}: {log:?}");
            assert!(rig.reads.iter().all(|r| r.pan.expose() == "6200000000000005"), "byte {at} {name}");
            assert_eq!(rig.reader.deadline(), None);
        }
    }
}

#[test]
fn noise_before_every_answer_does_not_cost_the_read() {
    for noise in [&[0x13][..], &[0x00, 0xFF], &[0xFF, 0x00, 0x00], &[0x55; 7], &[0x00, 0x00, 0xFF, 0x10, 0xF0]] {
        let mut rig = Rig::new(settings());
        put(&mut rig.chip, FakeCard::unionpay());
        rig.chip.damage = Some(Box::new(move |bytes| {
            if !bytes.is_empty() {
                bytes.splice(0..0, noise.iter().copied());
            }
        }));
        let log = rig.tap();
        assert_eq!(rig.reads.len(), 1, "{noise:02X?}: {log:?}");
    }
}

#[test]
fn with_the_raised_rate_a_tap_works_too() {
    let mut rig = Rig::new(ReaderSettings { health_check: None, ..ReaderSettings::default() });
    put(&mut rig.chip, FakeCard::unionpay());
    assert_eq!(rig.tap(), ["active", "read unionpay", "ready"]);
    assert_eq!(rig.chip.rate, 460_800);
}

#[test]
fn a_person_can_ask_for_a_reset() {
    let ladder = LadderSettings { reset_line: true, ..LadderSettings::default() };
    let link = LinkSettings { raise_to: None, ladder, ..LinkSettings::default() };
    let mut rig = Rig::new(ReaderSettings { link, ..settings() });
    rig.reader.handle(rig.now, Event::ResetAsked);
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["pulse reset", "starting", "ready"]);
}

/// Every state by the shortest way there.
fn in_state(name: &str) -> Rig {
    match name {
        "absent" => return Rig::closed(settings()),
        "starting" => {
            let mut rig = Rig::closed(settings());
            rig.open();
            rig.settle();
            rig.log.clear();
            return rig;
        }
        _ => {}
    }
    let mut rig = Rig::new(settings());
    match name {
        "looking" => {
            rig.start(Duration::from_secs(10));
            rig.log.extend(std::iter::from_fn(|| rig.reader.poll()).filter_map(|o| word(&o)));
        }
        "reading" => {
            rig.start(Duration::from_secs(10));
            rig.chip.present(Box::new(|_| CardSays::Nothing));
            rig.settle();
        }
        "waiting" => {
            rig.start(Duration::from_secs(10));
            rig.settle();
            rig.reader.handle(rig.now, Event::Closed);
            rig.settle();
        }
        "failed" => {
            rig.chip.powered = false;
            rig.start(Duration::from_secs(10));
            rig.run(Duration::from_secs(5));
        }
        _ => assert_eq!(name, "ready"),
    }
    rig.log.clear();
    rig
}

#[test]
fn the_transition_table_is_as_reviewed() {
    let mut table = String::new();
    for name in ["absent", "starting", "ready", "looking", "reading", "waiting", "failed"] {
        for (what, event) in [
            ("Opened", Event::Opened),
            ("Closed", Event::Closed),
            ("Received(noise)", Event::Received(SecretBytes::new(vec![0x13, 0x37]))),
            ("StartTap", Event::StartTap { request: request(), deadline: Instant(u64::MAX) }),
            ("StopTap", Event::StopTap),
            ("ResetAsked", Event::ResetAsked),
            ("PowerCycleAsked", Event::PowerCycleAsked),
        ] {
            let mut rig = in_state(name);
            rig.reader.handle(rig.now, event);
            let mut words = Vec::new();
            while let Some(output) = rig.reader.poll() {
                words.push(match &output {
                    Output::Write(b) if b.expose() == frame::ACK => "write stop".into(),
                    Output::Write(b) if b.expose() == frame::WAKE_UP => "write wake-up".into(),
                    Output::Write(b) => format!("write {:02X}", b.expose().get(6).copied().unwrap_or(0)),
                    other => word(other).unwrap_or_else(|| "set rate".into()),
                });
            }
            let (state, cause) = rig.reader.state();
            let after = format!("{state}{}", cause.map_or(String::new(), |c| format!(" {c}")));
            let line = format!("{name:<10}{what:<17}-> {after:<12}{}", words.join(", "));
            table.push_str(line.trim_end());
            table.push('\n');
        }
    }
    insta::assert_snapshot!(table);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_and_events_in_any_order_are_survived(
        events in prop::collection::vec((0u8..12, prop::collection::vec(any::<u8>(), 0..60)), 0..60),
        gap in 0u64..400_000,
    ) {
        let mut rig = Rig::closed(settings());
        put(&mut rig.chip, FakeCard::unionpay());
        for (kind, bytes) in events {
            let event = match kind {
                0 | 1 => Event::Opened,
                2 => Event::Closed,
                3 => Event::StopTap,
                4 => Event::ResetAsked,
                5 => Event::PowerCycleAsked,
                6 | 7 => Event::StartTap { request: request(), deadline: rig.now.after(Duration::from_secs(2)) },
                _ => Event::Received(SecretBytes::new(bytes)),
            };
            rig.reader.handle(rig.now, event);
            rig.run(Duration::from_micros(gap));
        }
        rig.reader.handle(rig.now, Event::Closed);
        rig.run(Duration::from_secs(60));
        prop_assert_eq!(rig.reader.deadline(), None);
    }
}

#[test]
fn a_card_that_is_only_tried_is_let_go_when_its_application_is_selected() {
    let mut rig = Rig::new(settings());
    put(&mut rig.chip, FakeCard::unionpay());
    let deadline = rig.now.after(Duration::from_secs(30));
    rig.reader.handle(rig.now, Event::TryCard { request: request(), deadline });
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["active", "selected unionpay", "ready"]);
    assert!(rig.reads.is_empty());
}

#[test]
fn the_line_is_proved_when_asked_and_only_at_rest() {
    let mut rig = Rig::new(settings());
    rig.reader.handle(rig.now, Event::ProveLine);
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["line proved: true"]);
    rig.log.clear();
    let deadline = rig.now.after(Duration::from_millis(500));
    rig.reader.handle(rig.now, Event::StartTap { request: request(), deadline });
    rig.reader.handle(rig.now, Event::ProveLine);
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.log, ["active", "failed: no-card", "ready"]);
}
