//! Requests are, byte for byte, what an independent packer makes of the same fields.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

mod host_support;

use host_support::*;
use smartpos::codec::frame::strip_length;
use smartpos::codec::iso8583::Message;
use smartpos::domain::cause::Cause;
use smartpos::domain::host::HostRequest;
use smartpos::domain::pan::Pan;
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
    for request in [sale(), reversal()] {
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
    sale.card.request_tags = smartpos::domain::secret::SecretBytes::new(vec![0; 256]);
    let failure = the_failure(rig.tell(HostEvent::Ask(HostRequest::Sale(sale))));
    assert_eq!((failure.cause, failure.sent), (Cause::S06, false));
    assert_eq!(failure.evidence, "request not written: field 55: 256 given, at most 255 fit");
}
