//! What it proves: the reader machines speak and understand the frames that two independent programs (libnfc's `nfc-list`,
//! nfcpy) were recorded to exchange with a PN532, byte for byte, however the bytes are cut and whatever stands before.
//!
//! `->raw` lines are what the host wrote, `<-` lines what the chip answered. The card in the second recording is the public
//! test card of the emvpt project.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::card::{Scheme, TapFailure, TapRequest};
use smartpos::domain::device::DeviceState;
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::{Civil, Instant};
use smartpos::reader::pn532::command::{BaudRate, Command, Modulation};
use smartpos::reader::pn532::frame::{ACK, Decoder, Frame, WAKE_UP, encode};
use smartpos::reader::pn532::link::LinkSettings;
use smartpos::reader::tap::settings::{AcceptedApplication, TerminalSettings};
use smartpos::reader::tap::{Step, Tap};
use smartpos::reader::{Event, Output, Reader, ReaderSettings};

/// One thing on the line.
enum Line {
    Host(Vec<u8>),
    Chip(Vec<u8>),
}

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|b| u8::from_str_radix(b, 16).unwrap()).collect()
}

fn recording(name: &str) -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Line> = text
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.trim_start().split_once(' ')?;
            let (direction, rest) = rest.split_once(' ')?;
            let bytes = rest.split(';').next().unwrap_or_default();
            match direction {
                "->raw" => Some(Line::Host(hex(bytes))),
                "<-" => Some(Line::Chip(hex(bytes))),
                _ => None,
            }
        })
        .collect();
    assert!(lines.len() > 150, "{name} was not read");
    lines
}

const RECORDINGS: [&str; 2] = ["libnfc-nfc-list-card.log", "nfcpy-activate-and-apdu.log"];

fn read(decoder: &mut Decoder, mut bytes: &[u8]) -> Vec<Result<Frame, String>> {
    std::iter::from_fn(|| decoder.next(&mut bytes)).map(|item| item.map_err(|e| e.to_string())).collect()
}

/// The body between the recorded frame's head and checksum, taken by position and not by the decoder under test.
fn body_of(frame: &[u8]) -> Option<Vec<u8>> {
    let start = frame.windows(2).position(|w| w == [0x00, 0xFF])? + 2;
    match frame.get(start..)? {
        [0x00, 0xFF, ..] | [0xFF, 0x00, ..] => None,
        [0xFF, 0xFF, high, low, _, rest @ ..] => rest.get(..usize::from(*high) * 256 + usize::from(*low)),
        [length, _, rest @ ..] => rest.get(..usize::from(*length)),
        _ => None,
    }
    .map(<[u8]>::to_vec)
}

fn is(frame: &Frame, body: Option<&[u8]>) -> bool {
    match (frame, body) {
        (Frame::Body(read), Some(body)) => read.expose() == body,
        (Frame::Ack, None) => true,
        (Frame::Body(_) | Frame::Ack | Frame::Nack | Frame::Error, _) => false,
    }
}

#[test]
fn every_recorded_frame_is_read_whole_split_anywhere_and_behind_noise() {
    let noises: [&[u8]; 4] = [&[], &[0x13, 0x37, 0xFE], &[0x55, 0x00, 0x00, 0x55], &[0xFF, 0x00]];
    let mut seen = 0;
    for name in RECORDINGS {
        for line in recording(name) {
            let (Line::Host(bytes) | Line::Chip(bytes)) = line;
            let body = body_of(&bytes);
            for noise in noises {
                let stream = [noise, &bytes].concat();
                for cut in 0..=stream.len() {
                    let (first, second) = stream.split_at(cut);
                    let mut decoder = Decoder::default();
                    let mut items = read(&mut decoder, first);
                    items.extend(read(&mut decoder, second));
                    let frames: Vec<_> = items.iter().flatten().collect();
                    assert!(
                        matches!(frames[..], [frame] if is(frame, body.as_deref())),
                        "{name}: {bytes:02X?} at {cut}"
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 10_000, "{seen} cases");
}

#[test]
fn a_whole_recording_is_one_stream_without_an_error() {
    for name in RECORDINGS {
        let chip = |line: &Line| match line {
            Line::Chip(bytes) => Some(bytes.clone()),
            Line::Host(_) => None,
        };
        let sent: Vec<_> = recording(name).iter().filter_map(chip).collect();
        for piece in [1, 7, 64, 4_096] {
            let mut decoder = Decoder::default();
            let items: Vec<_> = sent.concat().chunks(piece).flat_map(|c| read(&mut decoder, c)).collect();
            assert_eq!(items.iter().filter(|i| i.is_err()).count(), 0, "{name}, pieces of {piece}");
            assert_eq!(items.len(), sent.len(), "{name}, pieces of {piece}");
        }
    }
}

#[test]
fn every_recorded_host_frame_is_built_byte_for_byte() {
    let mut built = 0;
    for name in RECORDINGS {
        for line in recording(name) {
            let Line::Host(bytes) = line else { continue };
            // Wake-up bytes and extra preamble stand before; the frame proper begins with 00 00 FF.
            let start = bytes.windows(3).position(|w| w == [0x00, 0x00, 0xFF]).unwrap();
            let Some(body) = body_of(&bytes) else { continue };
            assert_eq!(encode(&body).unwrap().expose(), &bytes[start..], "{name}");
            built += 1;
        }
    }
    assert!(built > 100, "{built} frames");
}

/// Our command for a recorded body, where we have one.
fn command(body: &[u8]) -> Option<Command> {
    Some(match body {
        [0xD4, 0x00, 0x00, echo @ ..] => Command::DiagnoseLine(echo.to_vec()),
        [0xD4, 0x02] => Command::GetFirmwareVersion,
        [0xD4, 0x10, 0x04] => Command::SetSerialBaudRate(BaudRate::B115200),
        [0xD4, 0x10, 0x07] => Command::SetSerialBaudRate(BaudRate::B921600),
        [0xD4, 0x12, 0x14] => Command::SetParameters,
        [0xD4, 0x14, 0x01] => Command::SamConfiguration,
        [0xD4, 0x32, 0x01, on @ (0 | 1)] => Command::RfField { on: *on == 1 },
        [0xD4, 0x32, 0x05, atr, psl, passive] => Command::RfRetries { atr: *atr, psl: *psl, passive: *passive },
        [0xD4, 0x4A, max, 0x00] => Command::InListPassiveTarget { max: *max, modulation: Modulation::TypeA },
        [0xD4, 0x4A, max, 0x03, 0x00] => Command::InListPassiveTarget { max: *max, modulation: Modulation::TypeB },
        [0xD4, 0x52, target] => Command::InRelease { target: *target },
        _ => return None,
    })
}

#[test]
fn our_commands_have_the_recorded_bodies() {
    let mut codes = std::collections::BTreeSet::new();
    for name in RECORDINGS {
        for line in recording(name) {
            let Line::Host(bytes) = line else { continue };
            let Some(body) = body_of(&bytes) else { continue };
            if let Some(command) = command(&body) {
                assert_eq!(command.body().expose(), body);
                codes.insert(command.code());
            }
        }
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [0x00, 0x02, 0x10, 0x12, 0x14, 0x32, 0x4A, 0x52]);
}

/// The chip's recorded replies (ACK and answer), by the host's body.
fn replies(name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in recording(name) {
        match line {
            Line::Host(bytes) => all.extend(body_of(&bytes).map(|body| (body, Vec::new()))),
            Line::Chip(bytes) => all.last_mut().unwrap().1.extend(bytes),
        }
    }
    all
}

fn request(local_time: Civil) -> TapRequest {
    TapRequest {
        money: Money { amount: Amount::new(100).unwrap(), currency: Currency::CNY },
        local_time,
        unpredictable: [1, 2, 3, 4],
        sequence: 1,
        pin_above: 100_000,
    }
}

const MIDDAY: Civil = Civil { year: 2018, month: 1, day: 1, hour: 12, minute: 0, second: 0 };

/// Drives the reader with the recorded answers, each cut by `cut`, until it looks for cards a second time.
fn bring_up(cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> (Vec<Vec<u8>>, Vec<String>) {
    let recorded = replies("libnfc-nfc-list-card.log");
    let link = LinkSettings { raise_to: None, ..LinkSettings::default() };
    let mut reader = Reader::new(ReaderSettings { link, health_check: None, ..ReaderSettings::default() });
    let mut now = Instant(0);
    let (mut written, mut said) = (Vec::new(), Vec::new());
    reader.handle(now, Event::Opened);
    let deadline = now.after(Duration::from_secs(60));
    reader.handle(now, Event::StartTap { request: request(MIDDAY), deadline });
    for _ in 0..200 {
        let Some(output) = reader.poll() else {
            now = reader.deadline().unwrap();
            reader.expire(now);
            continue;
        };
        match output {
            Output::Write(bytes) => {
                written.push(bytes.expose().to_vec());
                let Some(body) = body_of(bytes.expose()) else { continue };
                if body.starts_with(&[0xD4, 0x40]) {
                    return (written, said);
                }
                // The recorded reply to this very body, else to the same command with other parameters.
                let reply = recorded.iter().find(|(b, _)| *b == body);
                let (_, reply) = reply.or(recorded.iter().find(|(b, _)| b[..2] == body[..2])).unwrap();
                for piece in cut(reply) {
                    now = now.after(Duration::from_micros(100));
                    reader.handle(now, Event::Received(SecretBytes::new(piece)));
                }
            }
            Output::StateChanged(state, cause) => said.push(format!("{state} {}", cause.is_some())),
            Output::Identified { model, firmware } => said.push(format!("{model} {firmware}")),
            Output::SetBaud(_) | Output::Reopen | Output::PulseReset | Output::PowerCycle => {
                said.push("trouble".into())
            }
            Output::CardRead(_)
            | Output::PresentAgain(_)
            | Output::RemoveCard
            | Output::CardSelected(_)
            | Output::LineProved(_)
            | Output::TapFailed(_) => {
                said.push("too early".into());
            }
        }
    }
    panic!("the recorded card was not found: {said:?}");
}

#[test]
fn the_reader_comes_up_and_finds_the_card_on_recorded_answers() {
    let whole = |reply: &[u8]| vec![reply.to_vec()];
    let (written, said) = bring_up(whole);
    assert_eq!(said, ["starting false", "PN532 1.6", "active false"]);
    assert_eq!(written[0], WAKE_UP);
    assert_eq!(written[1], hex("00 00 FF 03 FD D4 14 01 17 00"), "as libnfc and the manual begin");
    let select = hex("00 00 FF 17 E9 D4 40 01 00 A4 04 00 0E 32 50 41 59 2E 53 59 53 2E 44 44 46 30 31 00 8F 00");
    assert_eq!(written.last(), Some(&select));
    assert!(!written.iter().any(|w| w == &ACK), "nothing had to be stopped");
    let bytewise = |reply: &[u8]| reply.iter().map(|b| vec![*b]).collect();
    assert_eq!(bring_up(bytewise), (written.clone(), said.clone()));
    for at in 1..30 {
        let split = |reply: &[u8]| {
            let (first, second) = reply.split_at(at.min(reply.len()));
            vec![first.to_vec(), second.to_vec()]
        };
        assert_eq!(bring_up(split), (written.clone(), said.clone()), "split at {at}");
    }
    let noisy = |reply: &[u8]| vec![vec![0x13, 0x37], reply.to_vec(), vec![0x00, 0x55]];
    let (behind_noise, state) = bring_up(noisy);
    assert_eq!(behind_noise, written);
    assert!(state.iter().any(|s| s.starts_with(DeviceState::Active.as_str())));
}

/// Answers of the recorded card by command, out of the blocks that nfcpy exchanged with it.
fn recorded_card() -> HashMap<Vec<u8>, Vec<u8>> {
    let mut card = HashMap::new();
    for (body, reply) in replies("nfcpy-activate-and-apdu.log") {
        // InCommunicateThru with an information block: D4 42, block byte, command. Answer: D5 43, status, block byte.
        let [0xD4, 0x42, 0x02 | 0x03, command @ ..] = &body[..] else { continue };
        let answer = body_of(&reply[6..]).unwrap();
        // READ RECORD means two things, before and behind the choice of the application: the later one is meant.
        card.insert(command.to_vec(), answer[4..].to_vec());
    }
    assert!(card.len() >= 9, "{} commands", card.len());
    card
}

/// Reads the recorded card, which has no contactless directory, by its application's name.
fn tap_recorded(local_time: Civil) -> (Result<(), TapFailure>, usize) {
    let aid = hex("AF FF FF FF FF 12 34");
    let applications = vec![AcceptedApplication { scheme: Scheme::Mastercard, aid, version: [0, 2] }];
    let settings = TerminalSettings { applications, ..TerminalSettings::default() };
    let mut tap = Tap::new(Arc::new(settings), request(local_time));
    let card = recorded_card();
    let (mut step, mut known) = (tap.start(), 0);
    loop {
        match step {
            Step::Transmit(bytes) => {
                let answer = card.get(bytes.expose());
                known += usize::from(answer.is_some());
                step = tap.answered(answer.map_or(&[0x6A, 0x82], Vec::as_slice));
            }
            Step::Read(_) | Step::Selected(_) => return (Ok(()), known),
            Step::Failed(failure) => return (Err(failure), known),
        }
    }
}

#[test]
fn the_recorded_contact_card_is_understood_to_its_last_record_and_sent_to_the_chip_slot() {
    // SELECT, options, five records: all our commands are those that the other program sent. It is no contactless
    // application (its interchange profile says so), and it expired in 2018.
    assert_eq!(tap_recorded(MIDDAY), (Err(TapFailure::UseChip), 7));
    let today = Civil { year: 2026, ..MIDDAY };
    assert_eq!(tap_recorded(today), (Err(TapFailure::Expired), 7));
}
