//! What it proves: the reader machine reads cards on a simulated PN532 that was written apart from it, in virtual time: every
//! scheme, every flaw of a card, faults of the line. The simulated issuer finds each cryptogram right.

use std::time::Duration;

use smartpos::codec::tlv;
use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::card::{CardRead, Scheme, TapRequest};
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::{Civil, Instant};
use smartpos::reader::{Event, Output, Reader, ReaderSettings};
use smartpos::sim::reader::card::card;
use smartpos::sim::reader::card::cryptogram::cryptogram;
use smartpos::sim::reader::card::emv::Counter;
use smartpos::sim::reader::card::settings::{CardSettings, Flaw, Kind};
use smartpos::sim::reader::chip::{self, Chip};
use smartpos::sim::reader::command::Settings;
use smartpos::sim::reader::line::Faults;

/// Reader and chip on one line, in virtual time.
struct Bench {
    reader: Reader,
    chip: Chip,
    now: Instant,
    said: Vec<String>,
    reads: Vec<CardRead>,
    /// How many more of the chip's frames arrive until one is lost.
    loses_after: Option<usize>,
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

impl Bench {
    fn new(settings: Settings) -> Self {
        let reader = Reader::new(ReaderSettings { health_check: None, ..ReaderSettings::default() });
        let mut bench = Self {
            reader,
            chip: Chip::new(settings),
            now: Instant(0),
            said: Vec::new(),
            reads: Vec::new(),
            loses_after: None,
        };
        bench.line_rate(115_200);
        bench.reader.handle(bench.now, Event::Opened);
        bench.run(Duration::from_secs(1));
        assert_eq!(bench.said, ["starting", "PN532 1.6", "ready"]);
        assert_eq!(bench.chip.rate(), 460_800, "the rate is raised by itself");
        bench.said.clear();
        bench
    }

    fn line_rate(&mut self, rate: u32) {
        self.chip.handle(self.now, chip::Event::LineRate(Some(rate)));
    }

    fn place(&mut self, cards: &[CardSettings]) {
        let cards = cards.iter().map(|c| card(c, &Counter::default())).collect();
        self.chip.handle(self.now, chip::Event::CardsPlaced(cards));
    }

    /// Both sides until neither has anything to do at this time.
    fn settle(&mut self) {
        loop {
            if let Some(output) = self.reader.poll() {
                self.obey(output);
            } else if let Some(bytes) = self.chip.poll() {
                let left = self.loses_after.map(|frames| frames.checked_sub(1));
                self.loses_after = left.flatten();
                if left != Some(None) {
                    self.reader.handle(self.now, Event::Received(SecretBytes::new(bytes)));
                }
            } else {
                return;
            }
        }
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Write(bytes) => self.chip.handle(self.now, chip::Event::Bytes(bytes.expose())),
            Output::SetBaud(rate) => self.line_rate(rate),
            Output::Reopen => {
                self.reader.handle(self.now, Event::Closed);
                self.line_rate(115_200);
                self.reader.handle(self.now, Event::Opened);
            }
            Output::PulseReset | Output::PowerCycle => self.chip.handle(self.now, chip::Event::Reset),
            Output::StateChanged(state, cause) => {
                self.said.push(cause.map_or(state.to_string(), |c| format!("{state} {c}")));
            }
            Output::Identified { model, firmware } => self.said.push(format!("{model} {firmware}")),
            Output::CardRead(read) => {
                self.said.push(format!("read {}", read.scheme));
                self.reads.push(*read);
            }
            Output::PresentAgain(failure) => self.said.push(format!("again {failure}")),
            Output::RemoveCard => self.said.push("remove".to_owned()),
            Output::CardSelected(scheme) => self.said.push(format!("selected {scheme}")),
            Output::LineProved(right) => self.said.push(format!("line proved: {right}")),
            Output::TapFailed(failure) => self.said.push(format!("failed {failure}")),
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        for step in 0.. {
            assert!(step < 200_000, "it spins: {:?}", self.said);
            self.settle();
            let due = [self.reader.deadline(), self.chip.deadline()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.chip.expire(self.now);
            self.settle();
            self.reader.expire(self.now);
        }
        self.now = end;
    }

    /// A tap of ten seconds; what was said in it.
    fn tap(&mut self) -> Vec<String> {
        let deadline = self.now.after(Duration::from_secs(10));
        self.reader.handle(self.now, Event::StartTap { request: request(), deadline });
        self.run(Duration::from_secs(12));
        std::mem::take(&mut self.said)
    }
}

fn of_kind(kind: Kind) -> CardSettings {
    CardSettings { kind, ..CardSettings::default() }
}

/// Recomputes the cryptogram from field 55 as the issuer would.
fn issuer_agrees(read: &CardRead) -> bool {
    let tags = read.request_tags.expose();
    let value = |tag: u16| tlv::find(tags, &[tlv::Tag(tag.into())]).unwrap();
    let sequence = u8::try_from(read.sequence_number.unwrap()).unwrap();
    let right = cryptogram(read.pan.expose(), sequence, value);
    right.is_some_and(|right| value(0x9F26) == Some(&right[..]))
}

#[test]
fn cards_of_all_schemes_are_read_and_their_issuer_agrees_with_the_cryptogram() {
    for (kind, scheme) in
        [(Kind::Unionpay, Scheme::UnionPay), (Kind::Visa, Scheme::Visa), (Kind::Mastercard, Scheme::Mastercard)]
    {
        for more_above in [20, 262] {
            let mut bench = Bench::new(Settings { more_above, strict_sam: true, ..Settings::default() });
            let settings = of_kind(kind);
            bench.place(std::slice::from_ref(&settings));
            assert_eq!(bench.tap(), ["active", &format!("read {scheme}"), "ready"]);
            let read = &bench.reads[0];
            assert_eq!((read.pan.expose(), read.expiry.as_deref()), (settings.pan(), Some("3012")));
            assert!(issuer_agrees(read), "{scheme}");
            assert!(!bench.chip.field.is_on(), "the field is off after a tap");
            assert_eq!(bench.reader.deadline(), None);
        }
    }
}

#[test]
fn a_frame_that_is_lost_costs_time_but_never_the_card() {
    for kind in [Kind::Unionpay, Kind::Visa, Kind::Mastercard] {
        for lost in 0.. {
            let mut bench = Bench::new(Settings::default());
            bench.place(&[of_kind(kind)]);
            bench.loses_after = Some(lost);
            let said = bench.tap();
            assert!(said.iter().any(|s| s.starts_with("read ")), "frame {lost} of a {kind:?} card: {said:?}");
            assert!(!said.iter().any(|s| s == "remove"), "frame {lost} of a {kind:?} card: {said:?}");
            assert!(issuer_agrees(&bench.reads[0]));
            if bench.loses_after.is_some() {
                assert!(lost > 10, "the card has more to say than that");
                break;
            }
        }
    }
}

#[test]
fn a_card_that_wants_a_pin_gets_one() {
    for kind in [Kind::Unionpay, Kind::Visa] {
        let mut bench = Bench::new(Settings::default());
        bench.place(&[CardSettings { pin: true, ..of_kind(kind) }]);
        bench.tap();
        assert!(bench.reads[0].pin_required && issuer_agrees(&bench.reads[0]));
    }
}

#[test]
fn every_flaw_has_its_outcome() {
    let faulty: &[&str] = &["active", "again card-faulty", "remove", "failed no-card", "ready"];
    for (flaw, outcome) in [
        (Flaw::Declines, &["active", "failed card-declined", "ready"][..]),
        (Flaw::UseChip, &["active", "failed use-chip", "ready"]),
        (Flaw::BadTlv, faulty),
        (Flaw::HugeLength, faulty),
        (Flaw::NoPan, faulty),
        (Flaw::TwoPans, faulty),
        (Flaw::NoCryptogram, faulty),
    ] {
        for kind in [Kind::Unionpay, Kind::Visa, Kind::Mastercard] {
            let mut bench = Bench::new(Settings::default());
            bench.place(&[CardSettings { flaw, ..of_kind(kind) }]);
            let said = bench.tap();
            // A Visa card has its number in one place only, so it cannot contradict itself.
            let consistent = flaw == Flaw::TwoPans && said.iter().any(|s| s.starts_with("read"));
            assert!(said == outcome || consistent && kind == Kind::Visa, "{flaw:?} of {kind:?}: {said:?}");
        }
    }
}

#[test]
fn wrong_foreign_and_expired_cards_have_their_outcomes() {
    let wrong: &[&str] = &["active", "again wrong-card", "remove", "failed no-card", "ready"];
    for (settings, outcome) in [
        (of_kind(Kind::Mifare), wrong),
        (of_kind(Kind::Ticket), wrong),
        (of_kind(Kind::OtherScheme), &["active", "failed no-common-application", "ready"][..]),
        (CardSettings { expiry: "2610".to_owned(), ..CardSettings::default() }, &["active", "failed expired", "ready"]),
    ] {
        let mut bench = Bench::new(Settings::default());
        bench.place(&[settings]);
        assert_eq!(bench.tap(), outcome);
    }
}

#[test]
fn two_cards_are_refused_until_one_is_left() {
    let mut bench = Bench::new(Settings::default());
    let other = CardSettings { uid: vec![0x08, 9, 9, 9], ..of_kind(Kind::Visa) };
    bench.place(&[of_kind(Kind::Unionpay), other]);
    let deadline = bench.now.after(Duration::from_secs(10));
    bench.reader.handle(bench.now, Event::StartTap { request: request(), deadline });
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.said, ["active", "again two-cards"]);
    bench.chip.field.take_away();
    bench.place(&[of_kind(Kind::Visa)]);
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.said, ["active", "again two-cards", "read visa", "ready"]);
}

#[test]
fn a_card_pulled_away_after_any_command_is_asked_for_again() {
    for after in 0..5 {
        let mut bench = Bench::new(Settings::default());
        bench.place(&[of_kind(Kind::Mastercard)]);
        bench.chip.field.remove_after(after);
        let said = bench.tap();
        let expected: &[&str] = &["active", "again removed-early", "failed no-card", "ready"];
        assert_eq!(said, expected, "after {after}");
    }
}

#[test]
fn a_removed_card_that_comes_back_is_read() {
    let mut bench = Bench::new(Settings::default());
    bench.place(&[of_kind(Kind::Unionpay)]);
    bench.chip.field.remove_after(2);
    let deadline = bench.now.after(Duration::from_secs(10));
    bench.reader.handle(bench.now, Event::StartTap { request: request(), deadline });
    bench.run(Duration::from_secs(1));
    bench.place(&[of_kind(Kind::Unionpay)]);
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.said, ["active", "again removed-early", "read unionpay", "ready"]);
}

#[test]
fn faults_of_the_line_do_not_cost_the_read() {
    let faults = [
        Faults { noise: 40, ..Faults::default() },
        Faults { corrupt: 2, ..Faults::default() },
        Faults { truncate: 2, ..Faults::default() },
        Faults { nack: 2, ..Faults::default() },
        Faults { drop: 2, ..Faults::default() },
        Faults { error: 1, ..Faults::default() },
        Faults { delay: Duration::from_millis(60), ..Faults::default() },
        Faults { byte_gap: Duration::from_millis(3), ..Faults::default() },
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let mut bench = Bench::new(Settings::default());
        bench.place(&[of_kind(Kind::Unionpay)]);
        bench.chip.line.faults = fault;
        let said = bench.tap();
        assert_eq!(bench.reads.len(), 1, "fault {index}: {said:?}");
        assert!(issuer_agrees(&bench.reads[0]), "fault {index}");
    }
}

#[test]
fn a_silent_or_hung_chip_is_a_reader_failure_and_comes_back() {
    for fault in [Faults { silent: true, ..Faults::default() }, Faults { hung: true, ..Faults::default() }] {
        let mut bench = Bench::new(Settings::default());
        bench.chip.line.faults = fault;
        let said = bench.tap();
        assert_eq!(said.iter().filter(|s| s.starts_with("failed reader-failed")).count(), 1, "{said:?}");
        bench.chip.line.faults = Faults::default();
        bench.run(Duration::from_secs(40));
        assert_eq!(bench.said.last().map(String::as_str), Some("ready"));
        bench.said.clear();
        bench.place(&[of_kind(Kind::Unionpay)]);
        assert_eq!(bench.tap(), ["active", "read unionpay", "ready"]);
    }
}

#[test]
fn a_tap_takes_the_cards_time_and_no_more() {
    let card_time = Duration::from_millis(30);
    let mut bench = Bench::new(Settings { card_time, ..Settings::default() });
    bench.place(&[of_kind(Kind::Mastercard)]);
    let start = bench.now;
    let deadline = bench.now.after(Duration::from_secs(10));
    bench.reader.handle(bench.now, Event::StartTap { request: request(), deadline });
    while bench.reads.is_empty() {
        bench.settle();
        let due = [bench.reader.deadline(), bench.chip.deadline()].into_iter().flatten().min().unwrap();
        bench.now = due;
        bench.chip.expire(due);
        bench.settle();
        bench.reader.expire(due);
    }
    let spent = bench.now.since(start);
    let commands = u32::try_from(bench.chip.field.apdus()).unwrap();
    assert!(commands >= 5);
    // Being found takes the card as long as a command. What is left is the reader's own share.
    let own = spent.saturating_sub(card_time * (commands + 1));
    assert!(own <= Duration::from_millis(5), "{own:?} of {spent:?} for {commands} commands");
}
