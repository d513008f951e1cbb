//! What the test cards answer to a terminal.

use super::cryptogram::cryptogram;
use super::emv::{Counter, EmvCard};
use super::settings::{CardSettings, Flaw, Kind, hex};
use super::tlv::digits;
use crate::sim::reader::picc::Applet;

const UNIONPAY: &str = "A000000333010101";
const VISA: &str = "A0000000031010";
const MASTERCARD: &str = "A0000000041010";

/// 9F02 9F03 9F1A 95 5F2A 9A of a payment of 1.00 CNY on 2026-06-01.
const BASIC: &str = "000000000100000000000000015600000000000156260601";
/// 9C and 9F37.
const REST: &str = "0011223344";

fn bytes(text: &str) -> Vec<u8> {
    hex(text).unwrap()
}

fn new(settings: CardSettings) -> EmvCard {
    EmvCard::new(settings, Counter::default())
}

fn of(kind: Kind) -> CardSettings {
    CardSettings { kind, ..CardSettings::default() }
}

fn select(card: &mut EmvCard, name: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    card.exchange(&[&[0x00, 0xA4, 0x04, 0x00, length][..], name, &[0x00]].concat())
}

fn options(card: &mut EmvCard, values: &str) -> Vec<u8> {
    let values = bytes(values);
    let length = u8::try_from(values.len()).unwrap();
    card.exchange(&[&[0x80, 0xA8, 0x00, 0x00, length + 2, 0x83, length][..], &values, &[0x00]].concat())
}

fn qpboc_values() -> String {
    format!("26000080{BASIC}{REST}0000")
}

/// The value of an object in an answer, templates included; none as well when the bytes are not well-formed.
fn value(answer: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
    let mut rest = answer.strip_suffix(&[0x90, 0x00]).unwrap_or(answer);
    while let [first, ..] = *rest {
        let tag_length = if first & 0x1F == 0x1F { 2 } else { 1 };
        let (own, after) = rest.split_at_checked(tag_length)?;
        let (length, after) = match *after {
            [0x81, n, ref after @ ..] | [n @ ..=0x7F, ref after @ ..] => (usize::from(n), after),
            _ => return None,
        };
        let (content, after) = after.split_at_checked(length)?;
        if own == tag {
            return Some(content.to_vec());
        }
        let inside = if first & 0x20 != 0 { value(content, tag) } else { None };
        if inside.is_some() {
            return inside;
        }
        rest = after;
    }
    None
}

#[test]
fn the_quickpass_cryptogram_is_what_an_independent_issuer_computes() {
    let mut card = new(CardSettings::default());
    assert!(select(&mut card, b"2PAY.SYS.DDF01").ends_with(&[0x90, 0x00]));
    assert!(select(&mut card, &bytes(UNIONPAY)).ends_with(&[0x90, 0x00]));
    let answer = options(&mut card, &qpboc_values());
    // Computed with pyDes from the formulas in the header of `cryptogram`.
    assert_eq!(value(&answer, &[0x9F, 0x26]), Some(bytes("7918C197AB96A029")));
    assert_eq!(value(&answer, &[0x9F, 0x27]), Some(vec![0x80]));
    assert_eq!(value(&answer, &[0x9F, 0x36]), Some(vec![0x00, 0x01]));
    assert_eq!(value(&answer, &[0x57]), Some(digits("6200000000000000018D30122010000000000")));
}

#[test]
fn every_covered_value_changes_the_cryptogram() {
    let values: Vec<Vec<u8>> = super::cryptogram::COVERED.iter().map(|_| vec![0, 1]).collect();
    let mac = |changed: Option<usize>| {
        let mut values = values.clone();
        if let Some(at) = changed {
            values[at][1] ^= 1;
        }
        let find = |tag| super::cryptogram::COVERED.iter().position(|t| *t == tag);
        cryptogram("6200000000000000018", 1, |tag| Some(&values[find(tag).unwrap()][..])).unwrap()
    };
    for at in 0..values.len() {
        assert_ne!(mac(Some(at)), mac(None), "{:04X}", super::cryptogram::COVERED[at]);
    }
    assert_eq!(cryptogram("6200000000000000018", 1, |_| None), None);
}

#[test]
fn the_counter_goes_up_with_each_payment_and_outlives_power_and_settings() {
    let counter = Counter::default();
    let mut seen = Vec::new();
    for kind in [Kind::Unionpay, Kind::Unionpay, Kind::Visa] {
        let mut card = EmvCard::new(of(kind), Counter::clone(&counter));
        card.reset();
        let (aid, values) = match kind {
            Kind::Visa => (VISA, format!("26000080{BASIC}{REST}")),
            _ => (UNIONPAY, qpboc_values()),
        };
        select(&mut card, &bytes(aid));
        seen.push(value(&options(&mut card, &values), &[0x9F, 0x36]).unwrap());
    }
    assert_eq!(seen, [[0, 1], [0, 2], [0, 3]]);
}

#[test]
fn a_visa_card_gives_everything_at_once_and_has_no_records() {
    let mut card = new(of(Kind::Visa));
    select(&mut card, &bytes(VISA));
    let answer = options(&mut card, &format!("26000080{BASIC}{REST}"));
    assert_eq!(value(&answer, &[0x94]), None);
    assert!(value(&answer, &[0x9F, 0x26]).is_some() && value(&answer, &[0x57]).is_some());
    assert_eq!(card.exchange(&[0x00, 0xB2, 0x01, 0x0C, 0x00]), [0x6A, 0x82]);
}

#[test]
fn a_mastercard_gives_records_and_then_a_cryptogram_over_its_list() {
    let mut card = new(of(Kind::Mastercard));
    select(&mut card, &bytes(MASTERCARD));
    let answer = options(&mut card, "");
    assert_eq!(value(&answer, &[0x82]), Some(vec![0x19, 0x80]));
    assert_eq!(value(&answer, &[0x94]), Some(bytes("1001010118010100")));
    let record = card.exchange(&[0x00, 0xB2, 0x01, 0x14, 0x00]);
    assert_eq!(value(&record, &[0x5A]), Some(bytes("5400000000000005")));
    let list = value(&record, &[0x8C]).unwrap();
    assert!(list.starts_with(&bytes("9F02069F03069F1A0295055F2A029A039C019F3704")));
    let command = |reference: u8, rest: usize| {
        let values = [bytes(&format!("{BASIC}{REST}")), vec![0; rest]].concat();
        let length = u8::try_from(values.len()).unwrap();
        [&[0x80, 0xAE, reference, 0x00, length][..], &values, &[0x00]].concat()
    };
    assert_eq!(card.exchange(&command(0x80, 36)), [0x67, 0x00], "one byte less than the list asks for");
    let answer = card.exchange(&command(0x80, 37));
    assert_eq!(value(&answer, &[0x9F, 0x27]), Some(vec![0x80]));
    assert!(value(&answer, &[0x9F, 0x26]).is_some() && value(&answer, &[0x9F, 0x10]).is_some());
    assert_eq!(card.exchange(&command(0x80, 37)), [0x69, 0x85], "no second cryptogram");
}

#[test]
fn each_flaw_shows_where_it_should() {
    let answer = |flaw| {
        let mut card = new(CardSettings { flaw, ..CardSettings::default() });
        let directory = select(&mut card, b"2PAY.SYS.DDF01");
        select(&mut card, &bytes(UNIONPAY));
        let options = options(&mut card, &qpboc_values());
        let record = card.exchange(&[0x00, 0xB2, 0x01, 0x14, 0x00]);
        (directory, options, record)
    };
    let (directory, good, record) = answer(Flaw::None);
    assert_eq!(value(&answer(Flaw::Declines).1, &[0x9F, 0x27]), Some(vec![0x00]));
    assert_eq!(answer(Flaw::UseChip).1, [0x69, 0x84]);
    let cut = answer(Flaw::BadTlv).1;
    assert_eq!((cut.len(), &cut[..2]), (good.len() - 2, &good[..2]), "the template claims two bytes more than come");
    assert_eq!(answer(Flaw::HugeLength).0.len(), directory.len() + 6);
    let (_, options, without) = answer(Flaw::NoPan);
    assert_eq!((value(&options, &[0x57]), value(&without, &[0x5A])), (None, None));
    assert_ne!(value(&answer(Flaw::TwoPans).2, &[0x5A]), value(&record, &[0x5A]));
    assert_eq!(value(&answer(Flaw::NoCryptogram).1, &[0x9F, 0x26]), None);
}

#[test]
fn cards_that_are_no_payment_cards_know_no_payment_environment() {
    for kind in [Kind::Ticket, Kind::Mifare] {
        assert_eq!(select(&mut new(of(kind)), b"2PAY.SYS.DDF01"), [0x6A, 0x82]);
    }
    let mut other = new(of(Kind::OtherScheme));
    assert_eq!(value(&select(&mut other, b"2PAY.SYS.DDF01"), &[0x4F]), Some(bytes("F000000FFF1010")));
    assert_eq!(select(&mut other, &bytes(UNIONPAY)), [0x6A, 0x82]);
}

#[test]
fn commands_out_of_order_or_out_of_shape_are_refused() {
    let mut card = new(CardSettings::default());
    assert_eq!(options(&mut card, &qpboc_values()), [0x69, 0x85], "nothing selected");
    select(&mut card, &bytes(UNIONPAY));
    assert_eq!(options(&mut card, "00"), [0x67, 0x00]);
    assert_eq!(card.exchange(&[0x00, 0xB2, 0x01, 0x11, 0x00]), [0x6A, 0x86]);
    assert_eq!(card.exchange(&[0x00, 0xB2, 0x09, 0x14, 0x00]), [0x6A, 0x83]);
    assert_eq!(card.exchange(&[0x00, 0x88, 0x00, 0x00]), [0x6D, 0x00]);
    assert_eq!(card.exchange(&[0x90, 0x88, 0x00, 0x00]), [0x6E, 0x00]);
    assert_eq!(card.exchange(&[0x00]), [0x67, 0x00]);
    assert_eq!(card.exchange(&[0x80, 0xCA, 0x9F, 0x36, 0x00]), [0x9F, 0x36, 0x02, 0x00, 0x00, 0x90, 0x00]);
}

#[test]
fn settings_are_changed_by_name_and_wrong_ones_are_explained() {
    let mut settings = CardSettings::default();
    for (name, value) in
        [("kind", "visa"), ("pin", "yes"), ("expiry", "2001"), ("omit", "9F27,5F34"), ("uid", "04112233445566")]
    {
        settings.set(name, value).unwrap();
    }
    assert_eq!((settings.kind, settings.qualifiers(), settings.pan()), (Kind::Visa, [0x80, 0x00], "4000000000000002"));
    assert_eq!(settings.omit, [0x9F27, 0x5F34]);
    for (name, value) in [("kind", "amex"), ("pan", "12"), ("ats", "0578"), ("colour", "red"), ("uid", "08")] {
        assert!(settings.set(name, value).is_err(), "{name}");
    }
}

#[test]
fn the_made_up_numbers_have_a_good_check_digit() {
    for kind in [Kind::Unionpay, Kind::Visa, Kind::Mastercard] {
        let settings = of(kind);
        let sum: u32 = settings
            .pan()
            .bytes()
            .rev()
            .enumerate()
            .map(|(at, b)| {
                let digit = u32::from(b - b'0') * if at % 2 == 1 { 2 } else { 1 };
                digit / 10 + digit % 10
            })
            .sum();
        assert_eq!(sum % 10, 0, "{kind:?}");
    }
}
