//! Requests are, byte for byte, what an independent packer makes of the same fields.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

mod host_support;

use host_support::*;
use proptest::prelude::*;
use smartpos::codec::frame::strip_length;
use smartpos::codec::iso8583::{Message, Mti};
use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::cause::Cause;
use smartpos::domain::host::HostRequest;
use smartpos::domain::offline::OfflineSale;
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::SecretBytes;
use smartpos::host::mac::{MacMethod, MacRule};
use smartpos::host::session::HostEvent;

/// Field 60.4 as in the vectors; our own default says contactless.
const LIKE_VECTORS: &str = "[message]\nreader_ability = 5\n";

fn fields(frame: &[u8]) -> Message {
    Message::decode(strip_length(frame).unwrap()).unwrap().1
}

#[test]
fn a_sign_in_is_the_vector() {
    let (_, sent) = Rig::new(LIKE_VECTORS).send(sign_in());
    assert_eq!(hex(&sent), hex(&vector("signin_req_004")));
}

#[test]
fn a_sign_in_with_device_information_is_the_vector() {
    let local = "[message]\nsign_in_code = \"003\"\ndevice_info = true\noperator = \"001\"\n";
    let (_, sent) = Rig::new(local).send(sign_in());
    assert_eq!(hex(&sent), hex(&vector("signin_req_003_with_device_info")));
}

#[test]
fn echo_and_sign_out_are_the_vectors() {
    let (_, sent) = Rig::new("").send(HostRequest::Echo { batch: batch(2) });
    assert_eq!(hex(&sent), hex(&vector("echo_req")));
    let (_, sent) = Rig::new("").send(HostRequest::SignOut { stan: stan(2), batch: batch(2) });
    assert_eq!(hex(&sent), hex(&vector("signout_req")));
}

#[test]
fn a_sale_with_pin_is_the_vector_but_for_the_contactless_entry_mode() {
    let mut rig = Rig::signed_in(LIKE_VECTORS);
    let block = rig.host.pin_cipher(&Pan::new(PAN).unwrap()).unwrap().encipher(&pin());
    let (_, sent) = rig.send(sale_with(Some(block)));
    let expected = altered(&vector("sale_ic_pin_req"), |message| message.set_digits(22, "071").unwrap());
    assert_eq!(hex(&sent), hex(&expected));
}

#[test]
fn a_reversal_is_the_vector_but_for_the_contactless_entry_mode() {
    let (_, sent) = Rig::signed_in(LIKE_VECTORS).send(reversal());
    let expected = altered(&vector("reversal_req_98"), |message| message.set_digits(22, "071").unwrap());
    assert_eq!(hex(&sent), hex(&expected));
}

#[test]
fn an_upload_is_the_vector() {
    let (_, sent) = Rig::signed_in(LIKE_VECTORS).send(upload(false));
    assert_eq!(hex(&sent), hex(&vector("offline_sale_req")));
}

#[test]
fn a_repeated_upload_is_the_same_bytes_or_marked_as_the_profile_says() {
    let (_, sent) = Rig::signed_in(LIKE_VECTORS).send(upload(true));
    assert_eq!(hex(&sent), hex(&vector("offline_sale_req")));
    let marked = format!("{LIKE_VECTORS}[offline]\nrepeat = \"0221\"\n");
    let (_, sent) = Rig::signed_in(&marked).send(upload(true));
    assert_eq!(hex(&sent), hex(&vector("offline_sale_repeat_req")));
    let (_, sent) = Rig::signed_in(&marked).send(upload(false));
    assert_eq!(hex(&sent), hex(&vector("offline_sale_req")));
}

#[test]
fn a_script_report_is_the_vector() {
    let (_, sent) = Rig::signed_in(LIKE_VECTORS).send(script_report());
    assert_eq!(hex(&sent), hex(&vector("script_result_req")));
}

#[test]
fn the_profile_fills_the_authorisation_mode_and_the_card_organisation_of_an_upload() {
    let (_, sent) = Rig::signed_in("[offline]\nauth_mode = \"03\"\ncard_org = \"VIS\"\n").send(upload(false));
    let message = fields(&sent);
    assert_eq!((message.text(61), message.text(63)), (Some("000000000000000003"), Some("VIS")));
}

#[test]
fn an_upload_leaves_out_what_the_card_did_not_give() {
    let sale = OfflineSale { expiry: None, sequence_number: None, ..offline_sale() };
    let request = HostRequest::OfflineSale { sale: Box::new(sale), repeat: false };
    let message = fields(&Rig::signed_in("").send(request).1);
    assert!(!message.has(14) && !message.has(23) && message.has(55) && message.has(64));
}

#[test]
fn an_upload_names_the_batch_it_was_made_in_whatever_the_terminal_is_in_now() {
    let sale = OfflineSale { batch: batch(7), ..offline_sale() };
    let request = HostRequest::OfflineSale { sale: Box::new(sale), repeat: true };
    let message = fields(&Rig::signed_in("").send(request).1);
    assert_eq!((message.text(60), message.text(11)), (Some("3000000700060"), Some("000010")));
}

/// Trace, batch and amount; card number, expiry, sequence number; field 55. What is made of them does not print itself.
type Parts = ((u32, u32, u64), (String, Option<String>, Option<u16>), Vec<u8>);

fn parts() -> impl Strategy<Value = Parts> {
    let numbers = (1..=999_999_u32, 0..=999_999_u32, 1..=999_999_999_999_u64);
    let expiry = prop::option::of("[0-9]{2}(0[1-9]|1[0-2])");
    let card = ("[1-9][0-9]{12,18}", expiry, prop::option::of(0..=999_u16));
    (numbers, card, prop::collection::vec(any::<u8>(), 1..=255))
}

fn accepted(((trace, of, minor), (pan, expiry, sequence_number), tags): Parts) -> OfflineSale {
    OfflineSale {
        stan: stan(trace),
        batch: batch(of),
        money: Money { amount: Amount::new(minor).unwrap(), currency: Currency::CNY },
        pan: Pan::new(&pan).unwrap(),
        expiry,
        sequence_number,
        tags: SecretBytes::new(tags),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_was_accepted_is_on_the_wire_and_a_repeat_differs_in_type_and_mac_only(parts in parts()) {
        let sale = accepted(parts);
        let mut rig = Rig::signed_in("[offline]\nrepeat = \"0221\"\n[timers]\nidle_close = 0\n");
        let mut send = |repeat| {
            let (_, sent) = rig.send(HostRequest::OfflineSale { sale: Box::new(sale.clone()), repeat });
            rig.tell(HostEvent::Leave);
            fields(&sent)
        };
        let (first, mut again) = (send(false), send(true));
        prop_assert!(first.text(2) == Some(sale.pan.expose()) && first.bytes(55) == Some(sale.tags.expose()));
        let number = sale.sequence_number.map(|n| format!("{n:03}"));
        for (field, expected) in [
            (4, Some(format!("{:012}", sale.money.amount.minor()))),
            (11, Some(sale.stan.to_string())),
            (14, sale.expiry.clone()),
            (23, number),
            (60, Some(format!("30{}00060", sale.batch))),
        ] {
            prop_assert_eq!(first.text(field), expected.as_deref(), "field {}", field);
        }
        let kept = [22, 25, 41, 42, 49, 61, 63, 64];
        prop_assert!(kept.into_iter().all(|field| first.has(field)));
        prop_assert!([26, 35, 36, 37, 38, 39, 52, 53].into_iter().all(|field| !first.has(field)));
        for message in [&first, &again] {
            let right = MacRule::from(MacMethod::Ecb).field(&mak(), &message.mab()).unwrap();
            prop_assert_eq!(message.bytes(64), Some(&right[..]));
        }
        prop_assert_eq!(again.mti(), Mti::FINANCIAL_ADVICE_REPEAT);
        again.set_mti(first.mti());
        again.set_bytes(64, first.bytes(64).unwrap()).unwrap();
        prop_assert!(again == first);
    }
}

#[test]
fn a_sale_without_pin_says_so_and_carries_no_pin_fields() {
    let (_, sent) = Rig::signed_in("").send(sale());
    let message = fields(&sent);
    assert_eq!(message.text(22), Some("072"));
    assert_eq!(message.text(53), Some("0600000000000000"));
    assert_eq!(message.text(60), Some("2200000200060"));
    assert!(!message.has(26) && !message.has(52));
    assert!(message.has(2) && message.has(35) && message.has(55) && message.has(64));
}

#[test]
fn an_enciphered_track_is_the_vectors_track_and_is_announced() {
    let (_, sent) = Rig::signed_in("[track]\nencryption = true\n").send(sale());
    let message = fields(&sent);
    assert_eq!(message.text(35), Some("6200000000000000018DF7B4F079492E64E70"));
    assert_eq!(message.text(53), Some("0610000000000000"));
}

#[test]
fn the_pin_format_of_the_profile_reaches_block_and_field_53() {
    let mut rig = Rig::signed_in("[pin]\nformat = \"without-pan\"\n[message]\nlongest_pin = 6\n");
    let block = rig.host.pin_cipher(&Pan::new(PAN).unwrap()).unwrap().encipher(&pin());
    assert_ne!(hex(&block.0), "3E97ED7227D0DB0F");
    let (_, sent) = rig.send(sale_with(Some(block)));
    let message = fields(&sent);
    assert_eq!((message.text(53), message.text(26)), (Some("1600000000000000"), Some("06")));
}

#[test]
fn management_messages_may_carry_a_long_field_60() {
    let (_, sent) = Rig::new("[message]\nmanagement_f60_digits = 13\n").send(HostRequest::Echo { batch: batch(2) });
    assert_eq!(fields(&sent).text(60), Some("0000000230160"));
}

#[test]
fn without_working_keys_no_payment_is_written_and_nothing_is_connected() {
    for request in [sale(), reversal(), upload(false), script_report()] {
        let mut rig = Rig::new("");
        let failure = the_failure(rig.tell(HostEvent::Ask(request)));
        assert_eq!((failure.cause, failure.sent), (Cause::K06, false));
        assert_eq!(rig.host.deadline(), None);
    }
}

#[test]
fn without_a_master_key_no_sign_in_is_written() {
    let mut rig = Rig::new("");
    rig.host.clear_master();
    let failure = the_failure(rig.tell(HostEvent::Ask(sign_in())));
    assert_eq!((failure.cause, failure.sent), (Cause::K04, false));
    assert!(failure.evidence.contains("posctl keys load"));
}

#[test]
fn a_value_that_does_not_fit_its_field_fails_before_anything_is_connected() {
    let mut rig = Rig::signed_in("");
    let HostRequest::Sale(mut sale) = sale() else { panic!() };
    sale.card.request_tags = SecretBytes::new(vec![0; 256]);
    let failure = the_failure(rig.tell(HostEvent::Ask(HostRequest::Sale(sale))));
    assert_eq!((failure.cause, failure.sent), (Cause::S06, false));
    assert_eq!(failure.evidence, "request not written: field 55: 256 given, at most 255 fit");
}
