//! Scripted cards for the tests of this room: an answer for each command, found by the command's beginning.
//!
//! The data are made up; the shapes are those of real cards of the three schemes.

use crate::reader::pn532::fake::hex;

/// Commands by their beginning, newest last; the last match answers.
#[derive(Clone)]
pub(crate) struct FakeCard {
    script: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) heard: Vec<Vec<u8>>,
}

/// One data object from tag and value, both in hex.
pub(crate) fn object(tag: &str, value: &str) -> String {
    let length = value.bytes().filter(|b| !b.is_ascii_whitespace()).count() / 2;
    let length = if length < 128 { format!("{length:02X}") } else { format!("81{length:02X}") };
    format!("{tag}{length}{value}")
}

pub(crate) const SELECT_PPSE: &str = "00A404000E325041592E5359532E4444463031";
pub(crate) const OPTIONS: &str = "80A80000";
pub(crate) const GENERATE: &str = "80AE";

pub(crate) const UNIONPAY: &str = "A000000333010101";
pub(crate) const VISA: &str = "A0000000031010";
pub(crate) const MASTERCARD: &str = "A0000000041010";

/// The beginning of SELECT for an application.
pub(crate) fn select(aid: &str) -> String {
    format!("00A40400{:02X}{aid}", aid.len() / 2)
}

/// The answer to SELECT PPSE listing these applications, each with a priority.
pub(crate) fn ppse(entries: &[(&str, u8)]) -> String {
    let entry = |(aid, priority): &(&str, u8)| {
        object("61", &(object("4F", aid) + &object("50", "54455354") + &object("87", &format!("{priority:02X}"))))
    };
    let list = object("BF0C", &entries.iter().map(entry).collect::<String>());
    object("6F", &(object("84", "325041592E5359532E4444463031") + &object("A5", &list))) + "9000"
}

/// The answer to SELECT of an application with this list.
pub(crate) fn fci(aid: &str, list: &str) -> String {
    let own = object("50", "54455354") + &if list.is_empty() { String::new() } else { object("9F38", list) };
    object("6F", &(object("84", aid) + &object("A5", &own))) + "9000"
}

pub(crate) const UNIONPAY_LIST: &str = "9F66049F02069F03069F1A0295055F2A029A039C019F3704";
pub(crate) const UNIONPAY_TRACK: &str = "6200000000000005D30122010000000000";
pub(crate) const VISA_TRACK: &str = "4761739001010119D30122011758928889";
pub(crate) const MASTERCARD_TRACK: &str = "5413330089010442D3012201000000000000";

impl FakeCard {
    pub(crate) fn new(script: &[(&str, &str)]) -> Self {
        let mut card = Self { script: Vec::new(), heard: Vec::new() };
        script.iter().for_each(|(command, answer)| card.teach(command, answer));
        card
    }

    /// A better answer to commands that begin so.
    pub(crate) fn teach(&mut self, command: &str, answer: &str) {
        self.script.push((hex(command), hex(answer)));
    }

    pub(crate) fn with(mut self, command: &str, answer: &str) -> Self {
        self.teach(command, answer);
        self
    }

    pub(crate) fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        self.heard.push(command.to_vec());
        let known = self.script.iter().rev().find(|(beginning, _)| command.starts_with(beginning));
        known.map_or(vec![0x6A, 0x82], |(_, answer)| answer.clone())
    }

    /// A QuickPass card: cryptogram with the options, one record.
    pub(crate) fn unionpay() -> Self {
        Self::new(&[
            (SELECT_PPSE, &ppse(&[(UNIONPAY, 1)])),
            (&select(UNIONPAY), &fci(UNIONPAY, UNIONPAY_LIST)),
            (OPTIONS, &unionpay_options(&[])),
            ("00B2010C00", &unionpay_record("301231")),
        ])
    }

    /// A Visa card that gives everything with its options, no record.
    pub(crate) fn visa() -> Self {
        let objects = object("82", "2000")
            + &object("57", VISA_TRACK)
            + &object("5F34", "01")
            + &object("9F10", "06011203A00000")
            + &object("9F26", "0102030405060708")
            + &object("9F36", "0021")
            + &object("9F6C", "8000");
        Self::new(&[
            (SELECT_PPSE, &ppse(&[(VISA, 1)])),
            (&select(VISA), &fci(VISA, "9F66049F02069F3704")),
            (OPTIONS, &(object("77", &objects) + "9000")),
        ])
    }

    /// A Mastercard: two records, then GENERATE AC.
    pub(crate) fn mastercard() -> Self {
        let first = object("57", MASTERCARD_TRACK) + &object("5A", "5413330089010442") + &object("5F24", "301231");
        let second = object("5F34", "01")
            + &object("5F25", "200101")
            + &object("8C", "9F02069F03069F1A0295055F2A029A039C019F37049F35019F34039F4C08")
            + &object("8E", "000000000000000042031F03")
            + &object("9F4C", "1122334455667788");
        Self::new(&[
            (SELECT_PPSE, &ppse(&[(MASTERCARD, 1)])),
            (&select(MASTERCARD), &fci(MASTERCARD, "")),
            (OPTIONS, "770A820239809404080101009000"),
            (OPTIONS, &(object("77", &(object("82", "3980") + &object("94", "0801010010020200"))) + "9000")),
            ("00B2010C00", &(object("70", &first) + "9000")),
            ("00B2021400", &(object("70", &second) + "9000")),
            (GENERATE, &(object("77", &mastercard_cryptogram("80")) + "9000")),
        ])
    }
}

/// The objects of a Mastercard's answer to GENERATE AC, of this kind.
pub(crate) fn mastercard_cryptogram(information: &str) -> String {
    object("9F27", information)
        + &object("9F36", "0007")
        + &object("9F26", "A1A2A3A4A5A6A7A8")
        + &object("9F10", "0110A00003220000000000000000000000FF")
}

/// A QuickPass card's options; replaces objects by tag.
pub(crate) fn unionpay_options(changes: &[(&str, &str)]) -> String {
    let mut objects = vec![
        ("82", "7C00"),
        ("94", "08010100"),
        ("57", UNIONPAY_TRACK),
        ("5F34", "01"),
        ("9F10", "07010103A02000010A010000000000A1B2C3D4"),
        ("9F26", "1122334455667788"),
        ("9F36", "0042"),
        ("9F6C", "0000"),
        ("9F63", "30313032303030308000000000000000"),
    ];
    for (tag, value) in changes {
        objects.retain(|(t, _)| t != tag);
        if !value.is_empty() {
            objects.push((tag, value));
        }
    }
    let all: String = objects.iter().map(|(tag, value)| object(tag, value)).collect();
    object("77", &all) + "9000"
}

/// A QuickPass card's record with this last day.
pub(crate) fn unionpay_record(last_day: &str) -> String {
    object("70", &(object("5A", "6200000000000005") + &object("5F24", last_day))) + "9000"
}
