//! What it proves: bodies and answers are those that independent drivers exchanged with the chip.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
}

fn list(modulation: Modulation) -> Command {
    Command::InListPassiveTarget { max: 2, modulation }
}

#[test]
fn bodies_are_those_independent_drivers_send() {
    let cases = [
        (Command::DiagnoseLine(b"libnfc".to_vec()), "D4 00 00 6C 69 62 6E 66 63"),
        (Command::GetFirmwareVersion, "D4 02"),
        (Command::SetSerialBaudRate(BaudRate::B921600), "D4 10 07"),
        (Command::SetSerialBaudRate(BaudRate::B115200), "D4 10 04"),
        (Command::SetParameters, "D4 12 14"),
        (Command::SamConfiguration, "D4 14 01"),
        (Command::RfField { on: false }, "D4 32 01 00"),
        (Command::RfField { on: true }, "D4 32 01 01"),
        (Command::RfRetries { atr: 0, psl: 1, passive: 2 }, "D4 32 05 00 01 02"),
        (Command::InListPassiveTarget { max: 1, modulation: Modulation::TypeA }, "D4 4A 01 00"),
        (Command::InListPassiveTarget { max: 1, modulation: Modulation::TypeB }, "D4 4A 01 03 00"),
        (Command::InRelease { target: 0 }, "D4 52 00"),
        (
            Command::InDataExchange { target: 1, bytes: SecretBytes::new(bytes("00A4040000")) },
            "D4 40 01 00 A4 04 00 00",
        ),
    ];
    for (command, hex) in cases {
        assert_eq!(command.body().expose(), bytes(hex), "{hex}");
    }
}

#[test]
fn recorded_answers_are_understood() {
    let read = |command: &Command, hex: &str| Answer::parse(command, &bytes(hex));
    let firmware = Firmware { ic: 0x32, version: 1, revision: 6 };
    assert!(read(&Command::GetFirmwareVersion, "D5 03 32 01 06 07") == Ok(Answer::Firmware(firmware)));
    assert_eq!((firmware.model(), firmware.to_string()), ("PN532".into(), "1.6".into()));
    assert!(read(&Command::SamConfiguration, "D5 15") == Ok(Answer::Done));
    let echo = Command::DiagnoseLine(b"libnfc".to_vec());
    assert!(read(&echo, "D5 01 00 6C 69 62 6E 66 63") == Ok(Answer::Echo(b"libnfc".to_vec())));
    let dep = vec![Target { number: 1, iso_dep: true }];
    let plain = vec![Target { number: 1, iso_dep: false }];
    let a = list(Modulation::TypeA);
    let b = list(Modulation::TypeB);
    assert!(read(&a, "D5 4B 01 01 0004 20 04 08112233 0578807002") == Ok(Answer::Targets(dep.clone())));
    assert!(read(&a, "D5 4B 01 01 0004 20 04 08112233") == Ok(Answer::Targets(plain.clone())));
    assert!(read(&a, "D5 4B 01 01 0004 08 04 08112233") == Ok(Answer::Targets(plain)));
    assert!(read(&b, "D5 4B 01 01 50 11223344 00000000 008181 01 00") == Ok(Answer::Targets(dep)));
    assert!(read(&a, "D5 4B 00") == Ok(Answer::Targets(vec![])));
    let two = "D5 4B 02 01 0004 20 04 08112233 0578807002 02 0004 20 04 08445566 0578807002";
    assert!(matches!(read(&a, two), Ok(Answer::Targets(t)) if t.len() == 2));
}

#[test]
fn every_cut_of_a_target_list_is_refused_or_has_fewer_facts_but_never_panics() {
    let whole = bytes("D5 4B 02 01 0004 20 04 08112233 0578807002 02 0004 20 04 08445566 0578807002");
    for end in 0..whole.len() {
        let answer = Answer::parse(&list(Modulation::TypeA), &whole[..end]);
        // The only shorter list that is whole is one whose last card gave no ATS.
        assert!(answer.is_err() || end == whole.len() - 5, "cut at {end}");
    }
}

#[test]
fn a_chained_answer_and_its_status_are_told_apart() {
    let exchange = Command::InDataExchange { target: 1, bytes: SecretBytes::new(vec![]) };
    let read = |hex: &str| match Answer::parse(&exchange, &bytes(hex)) {
        Ok(Answer::Exchanged { status, more, bytes }) => (status, more, bytes.expose().len()),
        _ => panic!("not an exchange"),
    };
    assert_eq!(read("D5 41 40 01 02 03"), (Status::Ok, true, 3));
    assert_eq!(read("D5 41 00 90 00"), (Status::Ok, false, 2));
    assert_eq!(read("D5 41 01"), (Status::CardLost, false, 0));
    assert_eq!(read("D5 41 29"), (Status::CardLost, false, 0));
    assert_eq!(read("D5 41 06"), (Status::Collision, false, 0));
    assert_eq!(read("D5 41 27"), (Status::ChipFault(0x27), false, 0));
}

#[test]
fn an_answer_to_something_else_is_not_taken() {
    let parse = |hex: &str| Answer::parse(&Command::GetFirmwareVersion, &bytes(hex)).err();
    assert_eq!(parse("D5 41 00"), Some(AnswerError::OtherCommand));
    assert_eq!(parse("D4 03 32 01 06 07"), Some(AnswerError::Direction));
    assert_eq!(parse("D5 03 32 01 06"), Some(AnswerError::Shape(0x02)));
    assert_eq!(parse("D5"), Some(AnswerError::Shape(0x02)));
}
