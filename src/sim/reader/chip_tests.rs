//! What a client may rely on in the simulated chip, on virtual time.

use std::time::Duration;

use super::card::card;
use super::card::emv::Counter;
use super::card::settings::{CardSettings, Kind};
use super::chip::{Chip, Event};
use super::command::Settings;
use super::frame::{ACK, ERROR, NACK, answer};
use crate::domain::time::Instant;

/// A chip with a clock that goes to the next deadline by itself, up to a limit.
struct Bench {
    chip: Chip,
    now: Instant,
}

const WAKE_AND_SAM: [u8; 5] = [0x55, 0x55, 0x00, 0x00, 0x00];

impl Bench {
    fn asleep() -> Self {
        Self { chip: Chip::new(Settings::default()), now: Instant(0) }
    }

    fn ready() -> Self {
        let mut bench = Self::asleep();
        bench.send(&WAKE_AND_SAM);
        assert_eq!(bench.command(&[0x14, 0x01]), [&ACK[..], &answer(&[0x15])].concat());
        bench
    }

    fn with_card(kind: Kind) -> Self {
        let mut bench = Self::ready();
        bench.place(&[kind]);
        bench
    }

    fn place(&mut self, kinds: &[Kind]) {
        let cards = kinds
            .iter()
            .zip(1u8..)
            .map(|(kind, n)| {
                let settings = CardSettings { kind: *kind, uid: vec![0x08, 0, 0, n], ..CardSettings::default() };
                card(&settings, &Counter::default())
            })
            .collect();
        self.chip.handle(self.now, Event::CardsPlaced(cards));
    }

    fn send(&mut self, bytes: &[u8]) {
        self.chip.handle(self.now, Event::Bytes(bytes));
    }

    /// Sends a command and gives all that is said within two seconds.
    fn command(&mut self, command: &[u8]) -> Vec<u8> {
        self.send(&host(command));
        self.heard(Duration::from_secs(2))
    }

    /// Sends a command that is answered well, and gives the parameters of the answer.
    fn parameters(&mut self, command: &[u8]) -> Vec<u8> {
        let said = self.command(command);
        let frame = said.strip_prefix(&ACK).expect("an acknowledgement").to_vec();
        let body = if frame[3..5] == [0xFF, 0xFF] { &frame[8..] } else { &frame[5..] };
        assert_eq!(body[..2], [0xD5, command[0] + 1]);
        body[2..body.len() - 2].to_vec()
    }

    fn heard(&mut self, within: Duration) -> Vec<u8> {
        let end = self.now.after(within);
        let mut said = Vec::new();
        loop {
            while let Some(bytes) = self.chip.poll() {
                said.extend(bytes);
            }
            match self.chip.deadline() {
                Some(at) if at <= end => {
                    self.now = at.max(self.now);
                    self.chip.expire(self.now);
                }
                _ => {
                    self.now = end;
                    return said;
                }
            }
        }
    }
}

fn host(command: &[u8]) -> Vec<u8> {
    let mut frame = answer(command);
    let extended = command.len() + 1 > 255;
    frame[if extended { 8 } else { 5 }] = 0xD4;
    let sum = frame.len() - 2;
    frame[sum] = frame[sum].wrapping_add(1);
    frame
}

#[test]
fn a_sleeping_chip_hears_nothing_until_the_fifth_rising_edge() {
    let mut bench = Bench::asleep();
    assert_eq!(bench.command(&[0x02]), [0u8; 0]);
    let mut bench = Bench::asleep();
    bench.send(&[0x00; 5]);
    assert_eq!(bench.command(&[0x02]), [&ACK[..], &answer(&[0x03, 0x32, 0x01, 0x06, 0x07])].concat());
}

#[test]
fn a_strict_chip_answers_nothing_before_sam_configuration() {
    let mut bench = Bench::asleep();
    bench.chip = Chip::new(Settings { strict_sam: true, ..Settings::default() });
    bench.send(&WAKE_AND_SAM);
    assert_eq!(bench.command(&[0x02]), [0u8; 0]);
    assert_eq!(bench.parameters(&[0x14, 0x01]), [0u8; 0]);
    assert_eq!(bench.parameters(&[0x02]), [0x32, 0x01, 0x06, 0x07]);
}

#[test]
fn power_down_is_answered_and_then_the_chip_sleeps() {
    let mut bench = Bench::ready();
    assert_eq!(bench.parameters(&[0x16, 0x20]), [0x00]);
    assert_eq!(bench.command(&[0x02]), [0u8; 0]);
}

#[test]
fn a_poll_for_ever_waits_for_the_card() {
    let mut bench = Bench::ready();
    assert_eq!(bench.command(&[0x4A, 0x01, 0x00]), ACK);
    bench.place(&[Kind::Unionpay]);
    let entry = [0x01, 0x01, 0x00, 0x04, 0x20, 0x04, 0x08, 0, 0, 1, 0x05, 0x78, 0x80, 0x70, 0x02];
    assert_eq!(bench.heard(Duration::ZERO), answer(&[&[0x4B][..], &entry].concat()));
}

#[test]
fn an_ack_from_the_host_ends_a_poll_without_an_answer() {
    let mut bench = Bench::ready();
    assert_eq!(bench.command(&[0x4A, 0x01, 0x00]), ACK);
    bench.send(&ACK);
    bench.place(&[Kind::Unionpay]);
    assert_eq!(bench.heard(Duration::from_secs(2)), [0u8; 0]);
    assert_eq!(bench.parameters(&[0x02]).len(), 4);
}

#[test]
fn a_poll_with_limited_tries_ends_without_a_card() {
    let mut bench = Bench::ready();
    bench.parameters(&[0x32, 0x05, 0xFF, 0x01, 0x02]);
    assert_eq!(bench.parameters(&[0x4A, 0x01, 0x00]), [0x00]);
    assert_eq!(bench.parameters(&[0x06, 0x63, 0x39]), [0x26], "the request that nobody answered");
}

#[test]
fn a_nack_from_the_host_brings_the_answer_again() {
    let mut bench = Bench::ready();
    let good = bench.command(&[0x02])[ACK.len()..].to_vec();
    bench.chip.line.faults.corrupt = 1;
    assert_ne!(bench.command(&[0x02])[ACK.len()..], good);
    bench.send(&NACK);
    assert_eq!(bench.heard(Duration::ZERO), good);
}

#[test]
fn bad_parameters_and_unknown_commands_get_the_error_frame() {
    let mut bench = Bench::ready();
    let bad: [&[u8]; 8] = [
        &[0x14, 0x09],
        &[0x4A, 0x03, 0x00],
        &[0x4A, 0x01, 0x07],
        &[0x32, 0x02, 0x00],
        &[0x06, 0x63],
        &[0x10, 0x09],
        &[0x40],
        &[0xEE],
    ];
    for command in bad {
        assert_eq!(bench.command(command), [&ACK[..], &ERROR].concat(), "{command:02X?}");
    }
}

#[test]
fn a_long_record_needs_an_extended_frame() {
    let mut bench = Bench::with_card(Kind::Unionpay);
    select(&mut bench, &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01]);
    let said = bench.command(&[0x40, 0x01, 0x00, 0xB2, 0x02, 0x14, 0x00]);
    assert_eq!(said[ACK.len()..][..8], [0x00, 0x00, 0xFF, 0xFF, 0xFF, 0x01, 0x03, 0xFC]);
    assert_eq!(said[said.len() - 4..said.len() - 2], [0x90, 0x00]);
}

#[test]
fn long_answers_are_handed_over_in_parts_and_long_commands_taken_in_parts() {
    let mut bench = Bench::with_card(Kind::Unionpay);
    let aid = [0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01];
    let whole = select(&mut bench, &aid);
    bench.chip.settings.more_above = 40;
    let command = [&[0x00, 0xA4, 0x04, 0x00, 0x08][..], &aid, &[0x00]].concat();
    assert_eq!(bench.parameters(&[&[0x40, 0x41][..], &command[..7]].concat()), [0x00]);
    let mut part = bench.parameters(&[&[0x40, 0x01][..], &command[7..]].concat());
    let mut joined = Vec::new();
    while part[0] == 0x40 {
        joined.extend_from_slice(&part[1..]);
        part = bench.parameters(&[0x40, 0x01]);
    }
    joined.extend_from_slice(&part[1..]);
    assert_eq!((part[0], joined), (0x00, whole));
}

#[test]
fn a_card_pulled_away_in_the_middle_times_out() {
    let mut bench = Bench::with_card(Kind::Unionpay);
    bench.chip.field.remove_after(1);
    select(&mut bench, &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01]);
    assert_eq!(bench.parameters(&[0x40, 0x01, 0x00, 0xB2, 0x02, 0x14, 0x00]), [0x01]);
    assert_eq!(bench.parameters(&[0x00, 0x06]), [0x01]);
    assert_eq!(bench.parameters(&[0x42, 0xB2]), [0x01]);
}

#[test]
fn two_cards_are_listed_when_two_are_asked_for() {
    let mut bench = Bench::ready();
    bench.place(&[Kind::Unionpay, Kind::Mifare]);
    let listed = bench.parameters(&[0x4A, 0x02, 0x00]);
    assert_eq!(listed[0], 2);
    assert_eq!(listed[15..], [0x02, 0x00, 0x04, 0x08, 0x04, 0x08, 0, 0, 2], "the second has no ATS");
    assert_eq!(bench.parameters(&[0x4A, 0x01, 0x00])[0], 1);
    assert_eq!(bench.parameters(&[0x40, 0x02, 0x00]), [0x27], "no second target is listed");
}

#[test]
fn released_cards_are_no_targets_any_more() {
    let mut bench = Bench::with_card(Kind::Unionpay);
    bench.parameters(&[0x4A, 0x01, 0x00]);
    assert_eq!(bench.parameters(&[0x04]), [0x00, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00]);
    assert_eq!(bench.parameters(&[0x44, 0x01]), [0x00]);
    assert_eq!(bench.parameters(&[0x52, 0x00]), [0x00]);
    assert_eq!(bench.parameters(&[0x54, 0x01]), [0x27]);
}

#[test]
fn auto_poll_finds_the_card_and_gives_its_type() {
    let mut bench = Bench::with_card(Kind::Unionpay);
    let found = bench.parameters(&[0x60, 0x14, 0x02, 0x20, 0x10, 0x03]);
    assert_eq!(found[..6], [0x01, 0x20, 0x0E, 0x01, 0x00, 0x04]);
    let mut bench = Bench::ready();
    assert_eq!(bench.parameters(&[0x60, 0x02, 0x01, 0x20]), [0x00], "two polls of 150 ms");
}

#[test]
fn at_a_wrong_rate_neither_side_understands_the_other() {
    let mut bench = Bench::ready();
    bench.chip.handle(bench.now, Event::LineRate(Some(9_600)));
    assert_eq!(bench.command(&[0x02]), [0u8; 0]);
    bench.chip.handle(bench.now, Event::LineRate(None));
    assert_eq!(bench.parameters(&[0x02]).len(), 4, "a rate that cannot be told is taken as right");
}

#[test]
fn the_chip_changes_its_rate_even_if_the_hosts_ack_is_lost() {
    let mut bench = Bench::ready();
    assert_eq!(bench.parameters(&[0x10, 0x07]), [0u8; 0]);
    assert_eq!(bench.chip.rate(), 921_600);
}

#[test]
fn a_hung_chip_acknowledges_and_is_cured_by_reset() {
    let mut bench = Bench::ready();
    bench.chip.line.faults.hung = true;
    assert_eq!(bench.command(&[0x02]), ACK);
    bench.chip.handle(bench.now, Event::Reset);
    bench.send(&WAKE_AND_SAM);
    assert_eq!(bench.parameters(&[0x14, 0x01]), [0u8; 0]);
}

#[test]
fn ordered_faults_happen_once() {
    let good = [&ACK[..], &answer(&[0x03, 0x32, 0x01, 0x06, 0x07])].concat();
    let mut bench = Bench::ready();
    bench.chip.line.faults.noise = 9;
    let noisy = bench.command(&[0x02]);
    assert_eq!((noisy.len(), noisy.ends_with(&good[ACK.len()..])), (good.len() + 9, true));
    bench.chip.line.faults.truncate = 1;
    assert_eq!(bench.command(&[0x02]), good[..ACK.len() + 6]);
    bench.chip.line.faults.nack = 1;
    assert_eq!(bench.command(&[0x02]), NACK);
    bench.chip.line.faults.drop = 1;
    assert_eq!(bench.command(&[0x02]), [0u8; 0]);
    bench.chip.line.faults.error = 1;
    assert_eq!(bench.command(&[0x02]), [&ACK[..], &ERROR].concat());
    bench.chip.line.faults.silent = true;
    assert_eq!(bench.command(&[0x02]), [0u8; 0]);
    bench.chip.line.faults.silent = false;
    bench.chip.line.faults.byte_gap = Duration::from_millis(3);
    let start = bench.now;
    bench.send(&host(&[0x02]));
    assert_eq!(bench.heard(Duration::from_millis(3 * 19)), good, "one byte every 3 ms");
    assert_eq!(bench.now.since(start), Duration::from_millis(57));
    bench.chip.line.faults.byte_gap = Duration::ZERO;
    assert_eq!(bench.command(&[0x02]), good);
}

#[test]
fn a_command_in_the_middle_of_a_slow_answer_ends_it() {
    let mut bench = Bench::ready();
    bench.chip.line.faults.delay = Duration::from_millis(100);
    bench.send(&host(&[0x02]));
    assert_eq!(bench.heard(Duration::from_millis(50)), ACK);
    bench.chip.line.faults.delay = Duration::ZERO;
    assert_eq!(bench.command(&[0x12, 0x14]), [&ACK[..], &answer(&[0x13])].concat());
}

proptest::proptest! {
    #[test]
    fn garbage_on_the_line_never_stops_the_chip(garbage in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        let mut bench = Bench::ready();
        bench.send(&garbage);
        // Idle line: ends what looked like a long frame. 55 is no part of a frame's start.
        bench.send(&[0x55; 300]);
        bench.heard(Duration::from_secs(1));
        bench.chip.handle(bench.now, Event::Bytes(&host(&[0x02])));
        assert!(bench.heard(Duration::from_secs(1)).starts_with(&ACK));
    }

    #[test]
    fn every_well_framed_command_is_acknowledged(
        code in proptest::num::u8::ANY,
        parameters in proptest::collection::vec(proptest::num::u8::ANY, 0..263),
    ) {
        let mut bench = Bench::with_card(Kind::Unionpay);
        bench.parameters(&[0x4A, 0x01, 0x00]);
        assert!(bench.command(&[&[code][..], &parameters].concat()).starts_with(&ACK));
    }

    #[test]
    fn no_block_and_no_apdu_upsets_the_card(
        blocks in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..70), 0..20),
    ) {
        let mut bench = Bench::with_card(Kind::Mastercard);
        bench.parameters(&[0x4A, 0x01, 0x00]);
        for block in blocks {
            assert!(matches!(bench.parameters(&[&[0x42][..], &block].concat())[0], 0x00 | 0x01));
            let status = bench.parameters(&[&[0x40, 0x01][..], &block].concat())[0];
            assert!(matches!(status, 0x00 | 0x01 | 0x0B | 0x27), "{status:02X}");
        }
    }
}

/// Activates the first card and selects an application; the answer with its status words.
fn select(bench: &mut Bench, aid: &[u8]) -> Vec<u8> {
    assert_eq!(bench.parameters(&[0x4A, 0x01, 0x00])[0], 1);
    let length = u8::try_from(aid.len()).unwrap();
    let command = [&[0x40, 0x01, 0x00, 0xA4, 0x04, 0x00, length][..], aid, &[0x00]].concat();
    let answer = bench.parameters(&command);
    assert_eq!((answer[0], &answer[answer.len() - 2..]), (0x00, &[0x90, 0x00][..]));
    answer[1..].to_vec()
}
