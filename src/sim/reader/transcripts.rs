//! The recorded dialogues of two clients that nobody here wrote, played to the simulated chip.
//!
//! `->raw` lines go in, `<-` lines must come out byte for byte.

use super::card::recorded::Recorded;
use super::card::settings::{CardSettings, hex};
use super::chip::{Chip, Event};
use super::command::Settings;
use super::picc::{Identity, Picc};
use crate::domain::time::Instant;

const LIBNFC: &str = include_str!("../../../tests/transcripts/libnfc-nfc-list-card.log");
const NFCPY: &str = include_str!("../../../tests/transcripts/nfcpy-activate-and-apdu.log");

/// One thing that the host said and all that the reader said to it.
struct Turn {
    said: Vec<u8>,
    rate: Option<u32>,
    answers: Vec<Vec<u8>>,
}

fn bytes(text: &str) -> Vec<u8> {
    let text = text.split(';').next().unwrap();
    hex(&text.split_whitespace().collect::<String>()).expect("hex in the transcript")
}

fn turns(log: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for line in log.lines() {
        let (_, text) = line.trim_start().split_once(' ').unwrap();
        if let Some(said) = text.strip_prefix("->raw ") {
            turns.push(Turn { said: bytes(said), rate: None, answers: Vec::new() });
        } else if let Some(answer) = text.strip_prefix("<- ") {
            turns.last_mut().unwrap().answers.push(bytes(answer));
        } else if let Some((_, rate)) = text.split_once("speed=") {
            turns.last_mut().unwrap().rate = Some(rate.trim().parse().unwrap());
        }
    }
    assert!(turns.len() > 50, "the transcript was not understood");
    turns
}

/// The card of the recordings.
fn recorded_card(exchanges: Vec<(Vec<u8>, Vec<u8>)>) -> Picc {
    let settings = CardSettings::default();
    let identity = Identity { uid: settings.uid, atqa: [0x00, 0x04], sak: 0x20, ats: Some(settings.ats) };
    Picc::new(identity, Box::new(Recorded::new(exchanges)))
}

/// Plays one turn and gives what the chip said.
fn play(chip: &mut Chip, now: &mut Instant, turn: &Turn) -> Vec<u8> {
    if turn.rate.is_some() {
        chip.handle(*now, Event::LineRate(turn.rate));
    }
    chip.handle(*now, Event::Bytes(&turn.said));
    let mut said = Vec::new();
    loop {
        while let Some(out) = chip.poll() {
            said.extend(out);
        }
        let Some(next) = chip.deadline() else { return said };
        *now = next.max(*now);
        chip.expire(*now);
    }
}

#[test]
fn nfc_list_gets_the_recorded_answers() {
    // To five raw blocks that ISO 14443-4 does not know, the card of the recording gave an answer all the same.
    let malformed: [&[u8]; 5] = [&[0x01, 0x0B, 0x3F, 0x80], &[0x06, 0x00], &[0x10], &[0x0A], &[0x0C]];
    let no_answer = [0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD5, 0x43, 0x01, 0xE7, 0x00];
    let mut skipped = 0;
    let mut chip = Chip::new(Settings::default());
    let mut now = Instant(0);
    chip.handle(now, Event::CardsPlaced(vec![recorded_card(Vec::new())]));
    for turn in turns(LIBNFC) {
        let said = play(&mut chip, &mut now, &turn);
        let raw_block = turn.said.get(5..turn.said.len() - 2).and_then(|b| b.strip_prefix(&[0xD4, 0x42]));
        if raw_block.is_some_and(|block| malformed.contains(&block)) {
            assert_eq!(said[6..], no_answer);
            skipped += 1;
        } else {
            assert_eq!(said, turn.answers.concat(), "after {:02X?}", turn.said);
        }
    }
    assert_eq!(skipped, malformed.len());
}

#[test]
fn nfcpy_gets_the_recorded_answers_at_both_rates() {
    let turns = turns(NFCPY);
    let mut exchanges = Vec::new();
    for turn in &turns {
        // D4 42 <block> in, ACK and D5 43 00 <block> out.
        let command = turn.said.iter().position(|b| *b == 0xD4).map(|at| &turn.said[at..turn.said.len() - 2]);
        if let (Some([0xD4, 0x42, 0x02 | 0x03, command @ ..]), [_, answer]) = (command, turn.answers.as_slice()) {
            exchanges.push((command.to_vec(), answer[9..answer.len() - 2].to_vec()));
        }
    }
    assert_eq!(exchanges.len(), 10, "APDUs in the recording");
    let mut chip = Chip::new(Settings::default());
    let mut now = Instant(0);
    chip.handle(now, Event::CardsPlaced(vec![recorded_card(exchanges)]));
    for turn in &turns {
        assert_eq!(play(&mut chip, &mut now, turn), turn.answers.concat(), "after {:02X?}", turn.said);
    }
    assert_eq!(chip.rate(), 115_200);
}
