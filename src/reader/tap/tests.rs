//! What it proves: the sequence with scripted cards of three schemes, every outcome, and any answer a card may give.

use proptest::prelude::*;

use super::fake::*;
use super::*;
use crate::domain::amount::{Amount, Currency, Money};
use crate::domain::time::Civil;
use crate::reader::pn532::fake::{hex, text};

fn request(fen: u64) -> TapRequest {
    TapRequest {
        money: Money { amount: Amount::new(fen).unwrap(), currency: Currency::CNY },
        local_time: Civil { year: 2026, month: 11, day: 24, hour: 12, minute: 34, second: 56 },
        unpredictable: [0xDE, 0xAD, 0xBE, 0xEF],
        sequence: 42,
        pin_above: 100_000,
    }
}

fn run(card: &mut FakeCard, fen: u64) -> Result<Box<CardRead>, TapFailure> {
    let mut tap = Tap::new(Arc::new(TerminalSettings::default()), request(fen));
    let mut step = tap.start();
    for _ in 0..500 {
        match step {
            Step::Transmit(bytes) => step = tap.answered(&card.answer(bytes.expose())),
            Step::Read(read) => return Ok(read),
            Step::Selected(_) => panic!("a payment goes on"),
            Step::Failed(failure) => return Err(failure),
        }
    }
    panic!("the sequence does not end");
}

fn failure(mut card: FakeCard) -> Option<TapFailure> {
    run(&mut card, 1234).err()
}

fn heard(card: &FakeCard) -> Vec<String> {
    card.heard.iter().map(|c| text(c)).collect()
}

#[test]
fn a_quickpass_card_is_read_with_one_record() {
    let mut card = FakeCard::unionpay();
    let read = run(&mut card, 1234).unwrap();
    assert_eq!(
        heard(&card),
        [
            "00A404000E325041592E5359532E444446303100",
            "00A4040008A00000033301010100",
            // TTQ, amounts, country, TVR, currency, date, type, number.
            "80A80000238321268000000000000012340000000000000156000000000001562611240\
             0DEADBEEF00"
                .replace(' ', "")
                .as_str(),
            "00B2010C00",
        ]
    );
    assert_eq!(read.scheme, Scheme::UnionPay);
    assert_eq!((read.pan.expose(), read.expiry.as_deref()), ("6200000000000005", Some("3012")));
    assert_eq!(read.sequence_number, Some(1));
    assert!(read.track2.as_ref().is_some_and(|t| t.expose() == "6200000000000005D30122010000000000"));
    assert!(!read.pin_required);
    let expected = object("9F26", "1122334455667788")
        + &object("9F27", "80")
        + &object("9F10", "07010103A02000010A010000000000A1B2C3D4")
        + &object("9F37", "DEADBEEF")
        + &object("9F36", "0042")
        + &object("95", "0000000000")
        + &object("9A", "261124")
        + &object("9C", "00")
        + &object("9F02", "000000001234")
        + &object("5F2A", "0156")
        + &object("82", "7C00")
        + &object("9F1A", "0156")
        + &object("9F03", "000000000000")
        + &object("9F33", "006800")
        + &object("9F34", "3F0000")
        + &object("9F35", "21")
        + &object("9F1E", "3030303030303031")
        + &object("84", UNIONPAY)
        + &object("9F09", "0030")
        + &object("9F41", "00000042")
        + &object("9F63", "30313032303030308000000000000000");
    assert_eq!(text(read.request_tags.expose()), expected);
    let reversal = object("95", "0000000000")
        + &object("9F1E", "3030303030303031")
        + &object("9F10", "07010103A02000010A010000000000A1B2C3D4")
        + &object("9F36", "0042");
    assert_eq!(text(read.reversal_tags.expose()), reversal);
}

#[test]
fn a_visa_card_is_read_without_records_and_asks_for_a_pin() {
    let mut card = FakeCard::visa();
    let read = run(&mut card, 1234).unwrap();
    assert_eq!(read.scheme, Scheme::Visa);
    assert_eq!(heard(&card).len(), 3);
    assert_eq!((read.pan.expose(), read.expiry.as_deref()), ("4761739001010119", Some("3012")));
    assert!(read.pin_required, "tag 9F6C asks for it");
    let tags = text(read.request_tags.expose());
    assert!(tags.contains("9F270180") && tags.contains("9F3403020000"), "{tags}");
}

#[test]
fn a_mastercard_is_read_by_generate_ac() {
    let mut card = FakeCard::mastercard();
    let read = run(&mut card, 1234).unwrap();
    assert_eq!(read.scheme, Scheme::Mastercard);
    assert_eq!(
        heard(&card)[2..],
        [
            "80A8000002830000",
            "00B2010C00",
            "00B2021400",
            "80AE8000290000000012340000000000000156800000000001562611240\
             0DEADBEEF211F0002112233445566778800"
                .replace(' ', "")
                .as_str(),
        ]
    );
    assert!(!read.pin_required);
    assert_eq!(read.sequence_number, Some(1));
    let tags = text(read.request_tags.expose());
    assert!(tags.contains("9F2608A1A2A3A4A5A6A7A8") && tags.contains("95058000000000"), "{tags}");
}

#[test]
fn a_mastercard_signs_that_a_pin_will_be_entered() {
    let mut card = FakeCard::mastercard();
    let read = run(&mut card, 100_000).unwrap();
    assert!(read.pin_required);
    let asked = heard(&card).pop().unwrap();
    assert!(asked.contains("8000040000") && asked.contains("21420300"), "{asked}");
    assert!(text(read.request_tags.expose()).contains("9F3403420300"));
}

#[test]
fn the_amount_demands_a_pin_from_its_limit_on() {
    let mut card = FakeCard::unionpay();
    assert!(!run(&mut card, 99_999).unwrap().pin_required);
    assert!(heard(&card)[2].contains("832126800000"));
    let mut card = FakeCard::unionpay();
    assert!(run(&mut card, 100_000).unwrap().pin_required);
    assert!(heard(&card)[2].contains("832126C00000"), "the card is told that a check is needed");
}

#[test]
fn generate_ac_in_format_80_is_read_too() {
    let answer = object("80", "80 0007 A1A2A3A4A5A6A7A8 0110A00003220000".replace(' ', "").as_str()) + "9000";
    let read = run(&mut FakeCard::mastercard().with(GENERATE, &answer), 1234).unwrap();
    assert!(text(read.request_tags.expose()).contains("9F36020007"));
}

#[test]
fn options_in_format_80_are_read_too() {
    let card = FakeCard::mastercard().with(OPTIONS, &(object("80", "39800801010010020200") + "9000"));
    assert!(failure(card).is_none());
}

#[test]
fn an_answer_fetched_in_pieces_is_the_same_read() {
    let whole = fci(UNIONPAY, UNIONPAY_LIST);
    let body = whole.strip_suffix("9000").unwrap();
    let card = FakeCard::unionpay()
        .with(&select(UNIONPAY), &format!("61{:02X}", body.len() / 2))
        .with("00C00000", &whole)
        .with("00B2010C00", "6C15")
        .with("00B2010C15", &unionpay_record("301231"));
    assert_eq!(failure(card), None);
}

#[test]
fn without_a_directory_applications_are_tried_by_name() {
    let mut card = FakeCard::visa().with(SELECT_PPSE, "6A82");
    assert!(run(&mut card, 1234).is_ok());
    assert_eq!(heard(&card).iter().filter(|c| c.starts_with("00A40400")).count(), 5);
}

#[test]
fn a_card_that_knows_nothing_is_no_payment_card() {
    assert_eq!(failure(FakeCard::new(&[])), Some(TapFailure::WrongCard));
}

#[test]
fn a_directory_without_ours_is_no_common_application() {
    let card = FakeCard::new(&[(SELECT_PPSE, &ppse(&[("A0000001523010", 1)]))]);
    assert_eq!(failure(card), Some(TapFailure::NoCommonApplication));
    let blocked = FakeCard::unionpay().with(&select(UNIONPAY), "6283");
    assert_eq!(failure(blocked), Some(TapFailure::NoCommonApplication));
}

#[test]
fn a_blocked_application_gives_way_to_the_next() {
    let card = FakeCard::visa().with(SELECT_PPSE, &ppse(&[(UNIONPAY, 1), (VISA, 2)])).with(&select(UNIONPAY), "6A81");
    let mut card = card;
    assert_eq!(run(&mut card, 1234).unwrap().scheme, Scheme::Visa);
    let mut refusing = FakeCard::visa().with(SELECT_PPSE, &ppse(&[(MASTERCARD, 1), (VISA, 2)]));
    refusing.teach(&select(MASTERCARD), &fci(MASTERCARD, ""));
    refusing.teach("80A8000002", "6985");
    assert_eq!(run(&mut refusing, 1234).unwrap().scheme, Scheme::Visa);
}

#[test]
fn a_card_that_refuses_is_declined() {
    let aac = FakeCard::unionpay().with(OPTIONS, &unionpay_options(&[("9F27", "00")]));
    assert_eq!(failure(aac), Some(TapFailure::CardDeclined));
    let implied = [("9F10", "07010103802000010A010000000000A1B2C3D4")];
    let aac = FakeCard::unionpay().with(OPTIONS, &unionpay_options(&implied));
    assert_eq!(failure(aac), Some(TapFailure::CardDeclined));
    let aac = FakeCard::mastercard().with(GENERATE, &(object("77", &mastercard_cryptogram("00")) + "9000"));
    assert_eq!(failure(aac), Some(TapFailure::CardDeclined));
}

#[test]
fn an_offline_approval_nobody_asked_for_is_a_fault() {
    let tc = FakeCard::mastercard().with(GENERATE, &(object("77", &mastercard_cryptogram("40")) + "9000"));
    assert_eq!(failure(tc), Some(TapFailure::CardFaulty));
    let implied = [("9F10", "07010103902000010A010000000000A1B2C3D4")];
    let tc = FakeCard::unionpay().with(OPTIONS, &unionpay_options(&implied));
    assert_eq!(failure(tc), Some(TapFailure::CardFaulty));
}

#[test]
fn a_card_that_wants_the_chip_says_so_in_several_ways() {
    for card in [
        FakeCard::unionpay().with(OPTIONS, "6984"),
        FakeCard::unionpay().with(OPTIONS, "6985"),
        FakeCard::unionpay().with(&select(UNIONPAY), &fci(UNIONPAY, "9F02069F3704")),
        FakeCard::mastercard()
            .with(OPTIONS, &(object("77", &(object("82", "1900") + &object("94", "0801010010020200"))) + "9000")),
    ] {
        assert_eq!(failure(card), Some(TapFailure::UseChip));
    }
}

#[test]
fn an_expired_card_is_refused_unless_it_wants_to_go_online() {
    let expired = |card: FakeCard| card.with("00B2010C00", &unionpay_record("261123"));
    assert_eq!(failure(expired(FakeCard::unionpay())), Some(TapFailure::Expired));
    assert_eq!(failure(FakeCard::unionpay().with("00B2010C00", &unionpay_record("261124"))), None);
    let online = FakeCard::unionpay().with(OPTIONS, &unionpay_options(&[("9F6C", "0800")]));
    assert_eq!(failure(expired(online)), None);
}

#[test]
fn contradictions_and_gaps_are_faults() {
    let options = |changes| FakeCard::unionpay().with(OPTIONS, &unionpay_options(changes));
    let other_pan = object("70", &object("5A", "6200000000000013")) + "9000";
    let twice = object("70", &(object("5A", "6200000000000005") + &object("5F34", "01"))) + "9000";
    let cases = [
        ("another number in 5A", FakeCard::unionpay().with("00B2010C00", &other_pan)),
        ("an object twice", FakeCard::unionpay().with("00B2010C00", &twice)),
        ("no cryptogram", options(&[("9F26", "")])),
        ("no issuer data", options(&[("9F10", "")])),
        ("no counter", options(&[("9F36", "")])),
        ("no profile", options(&[("82", "")])),
        ("a counter too short", options(&[("9F36", "42")])),
        ("a locator that is no multiple of four", options(&[("94", "080101")])),
        ("a locator that runs backwards", options(&[("94", "08020100")])),
        ("a locator of too many records", options(&[("94", "08017F00")])),
        ("a locator of a missing record", options(&[("94", "08010200")])),
        ("a track without separator", options(&[("57", "6200000000000005")])),
        ("a date that is none", FakeCard::unionpay().with("00B2010C00", &unionpay_record("301331"))),
        ("a record that is no template", FakeCard::unionpay().with("00B2010C00", "5A0462000000059000")),
        ("a record with a false length", FakeCard::unionpay().with("00B2010C00", "70125A08620000000000000590 00")),
        ("another application's name", FakeCard::unionpay().with(&select(UNIONPAY), &fci(VISA, UNIONPAY_LIST))),
        ("a list cut short", FakeCard::unionpay().with(&select(UNIONPAY), &fci(UNIONPAY, "9F66049F"))),
        ("a list that asks for too much", FakeCard::unionpay().with(&select(UNIONPAY), &fci(UNIONPAY, "9F66FF9F02FF"))),
        ("an endless answer", FakeCard::unionpay().with(OPTIONS, "6100").with("00C00000", "6100")),
        ("no answer at all", FakeCard::unionpay().with(OPTIONS, "")),
        ("a directory that is no TLV", FakeCard::unionpay().with(SELECT_PPSE, "6F7F009000")),
        ("no list for the cryptogram", {
            let record = object("70", &object("5F34", "01")) + "9000";
            FakeCard::mastercard().with("00B2021400", &record)
        }),
    ];
    for (name, card) in cases {
        assert_eq!(failure(card), Some(TapFailure::CardFaulty), "{name}");
    }
}

#[test]
fn unknown_and_padded_list_entries_follow_the_rule() {
    // Unknown DF69: zeros; amount cut to 3 bytes on the left; serial number cut on the right; country padded left.
    let list = "9F6604DF69029F02039F1E029F1A03";
    let mut card = FakeCard::unionpay().with(&select(UNIONPAY), &fci(UNIONPAY, list));
    run(&mut card, 1234).unwrap();
    assert_eq!(heard(&card)[2], "80A8000010830E268000000000001234303000015600");
}

#[test]
fn a_proprietary_file_may_hold_anything() {
    let card = FakeCard::unionpay()
        .with(OPTIONS, &unionpay_options(&[("94", "08010100A8010100")]))
        .with("00B201AC00", "010203049000");
    assert_eq!(failure(card), None);
}

/// Every card, once answered truly up to one answer, which is changed.
fn with_change(card: &FakeCard, at: usize, change: impl Fn(&mut Vec<u8>)) -> Result<Box<CardRead>, TapFailure> {
    let mut card = card.clone();
    let mut tap = Tap::new(Arc::new(TerminalSettings::default()), request(1234));
    let mut step = tap.start();
    for turn in 0..500 {
        match step {
            Step::Transmit(bytes) => {
                let mut answer = card.answer(bytes.expose());
                if turn == at {
                    change(&mut answer);
                }
                step = tap.answered(&answer);
            }
            Step::Read(read) => return Ok(read),
            Step::Selected(_) => panic!("a payment goes on"),
            Step::Failed(failure) => return Err(failure),
        }
    }
    panic!("the sequence does not end");
}

#[test]
fn every_flipped_bit_and_every_cut_ends_in_a_failure_or_a_read_of_the_right_card() {
    for (card, number_given_twice) in
        [(FakeCard::unionpay(), true), (FakeCard::visa(), false), (FakeCard::mastercard(), true)]
    {
        let mut flawless = card.clone();
        let pan = run(&mut flawless, 1234).unwrap().pan;
        let answers: Vec<_> = flawless.heard.iter().map(|c| card.clone().answer(c)).collect();
        let check = |outcome: Result<Box<CardRead>, TapFailure>, what: &str| match outcome {
            Ok(read) => assert!(!number_given_twice || read.pan == pan, "{what} gave another number"),
            Err(failure) => assert!(failure != TapFailure::ReaderFailed, "{what}"),
        };
        for (at, answer) in answers.iter().enumerate() {
            for bit in 0..answer.len() * 8 {
                let outcome = with_change(&card, at, |a| a[bit / 8] ^= 1 << (bit % 8));
                check(outcome, &format!("answer {at}, bit {bit}"));
            }
            for cut in 0..answer.len() {
                check(with_change(&card, at, |a| a.truncate(cut)), &format!("answer {at} cut at {cut}"));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_answers_end_in_a_named_failure(
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..30)
    ) {
        let mut tap = Tap::new(Arc::new(TerminalSettings::default()), request(1));
        let mut step = tap.start();
        for answer in answers.iter().cycle().take(500) {
            match step {
                Step::Transmit(_) => step = tap.answered(answer),
                Step::Read(_) | Step::Selected(_) | Step::Failed(_) => break,
            }
        }
        prop_assert!(matches!(step, Step::Failed(_)));
    }

    #[test]
    fn any_bytes_in_place_of_one_good_answer_are_survived(
        at in 0usize..6, body in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        for card in [FakeCard::unionpay(), FakeCard::mastercard()] {
            let _named = with_change(&card, at, |a| *a = [&body[..], &hex("9000")].concat());
        }
    }
}

#[test]
fn a_card_that_is_only_tried_hears_two_selections_and_nothing_else() {
    let mut card = FakeCard::unionpay();
    let mut tap = Tap::new(Arc::new(TerminalSettings::default()), request(1)).until(Goal::Selection);
    let mut step = tap.start();
    while let Step::Transmit(bytes) = step {
        step = tap.answered(&card.answer(bytes.expose()));
    }
    assert!(matches!(step, Step::Selected(Scheme::UnionPay)));
    assert_eq!(heard(&card), ["00A404000E325041592E5359532E444446303100", "00A4040008A00000033301010100"]);
}
