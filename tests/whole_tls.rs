//! The line to the acquirer under TLS, through the whole daemon.
//!
//! Proves, with the shipped daemon and real certificates: with the pinned authority or the pinned certificate it signs in
//! and sells; with any other certificate it names N09 and sends nothing, also when the certificate is changed under a
//! running daemon; whatever answers instead of TLS, no message ever leaves in clear.

#[path = "common/books.rs"]
mod books;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rig::{Rig, Setup, eventually};
use site::{TERMINAL, Till};

const AMOUNT: u64 = 1_234;

/// Arguments for an acquirer that makes its own certificate in this directory.
fn tls(directory: &Path, flaw: Option<&str>) -> Vec<String> {
    let mut arguments = vec!["--tls-self-signed".to_owned(), directory.display().to_string()];
    arguments.extend(flaw.map(|flaw| format!("--tls-flaw={flaw}")));
    arguments
}

/// Lines of the profile that trust the authority of this directory alone.
fn pinned_ca(directory: &Path) -> String {
    format!(
        "connect = 1\nreach = 2\nidle_close = 0\n[tls]\nmode = \"pinned-ca\"\nca = {:?}\n",
        directory.join("ca.pem")
    )
}

/// The daemon with operator and keys, whether or not it reaches its acquirer.
fn shop(test: &str, acquirer: Vec<String>, profile: String) -> Option<(Rig, Till)> {
    let reader = vec!["--tap-delay-ms".into(), "0".into()];
    let mut rig = site::rig(test, Setup { acquirer, profile, reader, ..Setup::default() })?;
    site::edit_profile(&rig, "pin_above = 0", "pin_above = 100000");
    rig.start_daemon();
    rig.provision();
    let till = Till::new(&rig.bus_address);
    Some((rig, till))
}

fn sells(till: &Till, key: &str) {
    till.wait_ready();
    let sale = till.begin(AMOUNT, key);
    till.wait_outcome(&sale, "approved");
}

/// A sign-in that has to fail with this cause; what was said about it.
fn refused(rig: &Rig, till: &Till, cause: &str) -> String {
    let said = till.sign_in().unwrap_err().to_string();
    assert!(said.contains(&format!("HostUnreachable: {cause}: ")), "{said}");
    assert_eq!(till.property(TERMINAL, "Terminal", "Cause").as_deref(), Some(cause));
    rig.wait_log(&format!("cause={cause}"));
    said
}

/// The acquirer has read no message at all, and nothing that might have been one.
fn heard_nothing(rig: &Rig) {
    let report = rig.ledger();
    assert_eq!((&report["requests"], &report["dropped"]), (&serde_json::json!({}), &serde_json::json!({})), "{report}");
}

#[test]
fn under_the_pinned_authority_it_signs_in_and_sells() {
    let directory = tempfile::tempdir().unwrap();
    let test = "under_the_pinned_authority_it_signs_in_and_sells";
    let Some((rig, till)) = shop(test, tls(directory.path(), None), pinned_ca(directory.path())) else { return };
    sells(&till, "one");
    sells(&till, "two");
    assert_eq!(books::agree(&rig), (2, 2 * AMOUNT));
}

#[test]
fn a_wrong_certificate_is_n09_nothing_is_sent_and_the_right_one_heals_it() {
    let directory = tempfile::tempdir().unwrap();
    let test = "a_wrong_certificate_is_n09_nothing_is_sent_and_the_right_one_heals_it";
    let acquirer = tls(directory.path(), Some("wrong-authority"));
    let Some((mut rig, till)) = shop(test, acquirer, pinned_ca(directory.path())) else { return };
    for (flaw, reason) in [
        ("wrong-authority", "somebody imitates the host or its authority"),
        ("expired", "expired on 2021-01-01"),
        ("wrong-name", "not for 127.0.0.1"),
    ] {
        // The first one is there from the start: a restart would meet the sign-in that begins by itself with the keys.
        if flaw != "wrong-authority" {
            rig.restart_acquirer(&tls(directory.path(), Some(flaw)));
        }
        let said = refused(&rig, &till, "N09");
        assert!(said.contains(reason) && said.contains("its SHA-256 is "), "{flaw}: {said}");
        heard_nothing(&rig);
    }
    // A sale waits for the sign-in that it hurries, and none of it is sent either.
    let sale = till.begin(AMOUNT, "meanwhile");
    till.cancel(&sale).unwrap();
    till.wait_outcome(&sale, "cancelled");
    heard_nothing(&rig);
    for name in ["ca.pem", "server.pem", "server.key"] {
        std::fs::remove_file(directory.path().join(name)).unwrap();
    }
    rig.restart_acquirer(&tls(directory.path(), None));
    till.sign_in().unwrap();
    sells(&till, "healed");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn a_certificate_changed_under_a_signed_in_terminal_stops_the_next_sale_before_a_byte() {
    let (right, wrong) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let test = "a_certificate_changed_under_a_signed_in_terminal_stops_the_next_sale_before_a_byte";
    let Some((mut rig, till)) = shop(test, tls(right.path(), None), pinned_ca(right.path())) else { return };
    sells(&till, "before");
    rig.restart_acquirer(&tls(wrong.path(), None));
    let sale = till.begin(AMOUNT, "to-an-impostor");
    till.wait_outcome(&sale, "cancelled");
    assert_eq!(till.result(&sale, "cause"), "N09");
    heard_nothing(&rig);
    rig.restart_acquirer(&tls(right.path(), None));
    till.sign_in().unwrap();
    sells(&till, "after");
    assert_eq!(books::agree(&rig), (2, 2 * AMOUNT));
}

#[test]
fn the_very_certificate_can_be_pinned_by_the_fingerprint_that_a_refusal_names() {
    let directory = tempfile::tempdir().unwrap();
    let test = "the_very_certificate_can_be_pinned_by_the_fingerprint_that_a_refusal_names";
    let zeros = "0".repeat(64);
    let pinned = format!("idle_close = 0\n[tls]\nmode = \"pinned-certificate\"\nfingerprint = \"{zeros}\"\n");
    let Some((mut rig, till)) = shop(test, tls(directory.path(), None), pinned) else { return };
    let said = refused(&rig, &till, "N09");
    heard_nothing(&rig);
    let (_, shown) = said.rsplit_once("its SHA-256 is ").unwrap();
    // As a technician who has compared it with the acquirer's sheet.
    site::edit_profile(&rig, &zeros, shown.get(..64).unwrap());
    rig.stop_daemon();
    rig.start_daemon();
    sells(&till, "pinned");
    // Another certificate for the same name, however well made, is not it.
    let other = tempfile::tempdir().unwrap();
    rig.restart_acquirer(&tls(other.path(), None));
    assert!(refused(&rig, &till, "N09").contains("not the pinned one"));
    heard_nothing(&rig);
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn a_missing_certificate_file_is_named_and_needs_no_restart_once_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let test = "a_missing_certificate_file_is_named_and_needs_no_restart_once_it_is_there";
    let profile = pinned_ca(directory.path()).replace("ca.pem", "authority.pem");
    let Some((rig, till)) = shop(test, tls(directory.path(), None), profile) else { return };
    let said = refused(&rig, &till, "N09");
    assert!(said.contains("authority.pem: No such file"), "{said}");
    heard_nothing(&rig);
    std::fs::copy(directory.path().join("ca.pem"), directory.path().join("authority.pem")).unwrap();
    till.sign_in().unwrap();
    sells(&till, "there");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

/// Somebody at the host's address who answers each connection with these bytes and keeps what the terminal sent.
fn impostor(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&kept);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let all = talk(stream, answer);
            sent.lock().unwrap().push(all);
        }
    });
    (address, kept)
}

fn talk(mut stream: TcpStream, answer: &[u8]) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // The terminal may be gone already.
    let _ = stream.write_all(answer);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn whatever_answers_instead_of_tls_no_message_leaves_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let test = "whatever_answers_instead_of_tls_no_message_leaves_in_clear";
    let acquirer = tls(directory.path(), None);
    let Some((mut rig, till)) = shop(test, acquirer, pinned_ca(directory.path())) else { return };
    till.wait_ready();
    let mut address = rig.acquirer_address.clone();
    for (answer, cause) in [
        (&b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n"[..], "N08"),
        // An answer in clear, as from a host that would rather not do TLS: length, TPDU, header, 0810.
        (
            b"\x00\x17\x60\x00\x00\x00\x03\x60\x31\x00\x31\x00\x00\x08\x10\x00\x20\x00\x00\x00\x00\x00\x00\x00\x01",
            "N08",
        ),
        // A fatal alert: no protocol version.
        (b"\x15\x03\x03\x00\x02\x02\x46", "N05"),
        (b"", "N05"),
    ] {
        let (other, sent) = impostor(answer);
        site::edit_profile(&rig, &address, &other);
        rig.stop_daemon();
        rig.start_daemon();
        refused(&rig, &till, cause);
        address = other;
        let sent = eventually("what the terminal sent", || {
            let sent = sent.lock().unwrap().clone();
            (!sent.is_empty()).then_some(sent)
        });
        for all in sent {
            // Handshake record, TLS 1.0 to 1.3; nothing that reads like a message of ours.
            assert!(all.starts_with(&[0x16, 0x03]), "{all:02X?}");
            assert!(!all.windows(8).any(|bytes| bytes == b"99000001"), "the terminal id in clear");
        }
    }
    site::edit_profile(&rig, &address, &rig.acquirer_address);
    rig.stop_daemon();
    rig.start_daemon();
    sells(&till, "at-last");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn a_host_with_tls_where_the_profile_has_none_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let test = "a_host_with_tls_where_the_profile_has_none_is_told_so";
    let Some((_rig, till)) = shop(test, tls(directory.path(), None), "idle_close = 0\n".to_owned()) else { return };
    let said = till.sign_in().unwrap_err().to_string();
    assert!(said.contains("N08: ") && said.contains("the host speaks TLS here: set tls.mode"), "{said}");
}
