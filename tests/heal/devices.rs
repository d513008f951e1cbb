//! Reader and keypad.

use std::time::Instant;

use crate::desk::{AMOUNT, KEYPAD, READER, Row, charged, is, measures, seconds, sells, until};
use crate::rig::{Rig, Setup};
use crate::site::{self, Till};

fn reader_is(till: &Till, state: &str) -> bool {
    is(till, READER, "Reader", "State", state)
}

pub fn reader_unplugged(name: &str) -> Option<Row> {
    let (rig, till) = site::started(name, Setup::default())?;
    let start = Instant::now();
    rig.reader_order("unplug");
    let noticed = until("the reader to be missed", start, || reader_is(&till, "absent"));
    assert!(noticed < seconds(2), "noticed after {noticed:?}");
    let start = Instant::now();
    rig.reader_order("plug");
    let healed = until("the reader to be back", start, || reader_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "reader");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(3)), measures })
}

pub fn keypad_unplugged(name: &str) -> Option<Row> {
    let (rig, till) = site::started(name, Setup::default())?;
    let there = |state: &str| is(&till, KEYPAD, "Keypad", "State", state);
    let start = Instant::now();
    rig.keypad_order("unplug");
    let noticed = until("the keypad to be missed", start, || there("absent"));
    assert!(noticed < seconds(2), "noticed after {noticed:?}");
    let start = Instant::now();
    rig.keypad_order("plug");
    // The kernel would make the device's node anew.
    std::fs::remove_file(rig.path("event0")).unwrap();
    std::fs::write(rig.path("event0"), "").unwrap();
    let healed = until("the keypad to be back", start, || there("ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "keypad");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(3)), measures })
}

/// The chip acknowledges and never answers until it is reset. The rig's kernel has no GPIO line, so the hand of the test
/// pulls it.
pub fn reader_hangs(name: &str) -> Option<Row> {
    let (rig, till) = site::started(name, Setup::default())?;
    rig.reader_order("hang");
    // Nobody wants it: it is found when it is asked whether it is there, every half minute.
    let start = Instant::now();
    let noticed = until("the reader to fail", start, || reader_is(&till, "failed"));
    let start = Instant::now();
    rig.reader_order("reset");
    let healed = until("the reader to be back", start, || reader_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "reader");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(6)), measures })
}

/// Nothing comes back for a few seconds, then it is as if nothing had been.
pub fn reader_silent(name: &str) -> Option<Row> {
    let (rig, till) = site::started(name, Setup::default())?;
    rig.reader_order("silence on");
    let start = Instant::now();
    let sale = till.begin(AMOUNT, "silent");
    let noticed = until("the reader to fail", start, || reader_is(&till, "failed"));
    till.wait_outcome(&sale, "cancelled");
    let start = Instant::now();
    rig.reader_order("silence off");
    let healed = until("the reader to be back", start, || reader_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "reader");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(6)), measures })
}

pub fn reader_noisy(name: &str) -> Option<Row> {
    let (rig, till) = site::started(name, Setup::default())?;
    let cause = |word: &str| is(&till, READER, "Reader", "LastCause", word);
    // A reader that looks for a card says much.
    let sale = till.begin(AMOUNT, "noisy");
    till.wait_prompt("present-card");
    let start = Instant::now();
    let noticed = until("the noise to be named", start, || {
        // One frame now and again, as a bad cable does.
        rig.reader_order("corrupt 1");
        cause("H03")
    });
    let start = Instant::now();
    rig.reader_order("card in");
    till.wait_prompt("enter-pin");
    rig.keypad_order(&format!("type {} enter", crate::rig::PIN));
    rig.reader_order("card out");
    till.wait_outcome(&sale, "approved");
    assert_eq!(charged(&rig), (1, AMOUNT));
    let healed = until("the line to be clean", start, || cause(""));
    let measures = measures(&rig, "reader");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(10)), measures })
}

/// The ladder waits for the sale: nothing above reopening is done to the reader, and the money is right. Another payment of
/// the app holds it back until that is over, too.
pub fn reader_hangs_within_a_sale(name: &str) -> Option<Row> {
    let setup = Setup { reader_config: "power_cycle = \"usb\"".to_owned(), ..Setup::default() };
    let (rig, till) = site::started(name, setup)?;
    let other = till.create(AMOUNT, "waits").unwrap();
    let sale = till.begin(AMOUNT, "hangs");
    till.wait_prompt("present-card");
    let start = Instant::now();
    rig.reader_order("hang");
    let noticed = until("the reader to fail", start, || reader_is(&till, "failed") || reader_is(&till, "starting"));
    till.wait_outcome(&sale, "cancelled");
    assert_eq!(charged(&rig), (0, 0));
    till.acknowledge(&sale);
    until("the measure to be put off", start, || rig.log().contains("power-cycle is put off"));
    let taken = || rig.log().contains("its power cannot be switched");
    assert!(rig.log().contains("evidence=payment-at-hand") && !taken(), "{}", rig.log());
    till.cancel(&other).unwrap();
    until("the measure to be taken", start, taken);
    let start = Instant::now();
    rig.reader_order("reset");
    let healed = until("the reader to be back", start, || reader_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "reader");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(24)), measures })
}

/// For faults that are none of the devices': they are there.
pub fn all_ready(_: &Rig, till: &Till) -> bool {
    reader_is(till, "ready") && is(till, KEYPAD, "Keypad", "State", "ready")
}
