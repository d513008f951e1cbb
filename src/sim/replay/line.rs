//! The reader's line: frames from the daemon, and whether they are those of the capture.

use std::path::Path;
use std::time::Duration;

use super::capture::Event;
use crate::sim::reader::frame::{ACK, Deframer, ERROR, HostFrame, NACK};
use crate::sim::reader::port::Port;
use crate::sim::wait::{readable, wait};

/// InDataExchange, InCommunicateThru's frames with a card.
const EXCHANGE: u8 = 0x40;
/// Class, instruction, two parameters and a length: what a capture shows of a command to a card.
const SHOWN: usize = 5;
/// Commands that a capture shows whole.
const WHOLE: [u8; 11] = [0x00, 0x02, 0x06, 0x08, 0x10, 0x12, 0x14, 0x32, 0x44, 0x4A, 0x52];
/// SetSerialBaudRate.
const SET_RATE: u8 = 0x10;
/// Diagnose.
const DIAGNOSE: u8 = 0x00;

/// The port with what has come and was not taken yet.
pub struct Line {
    port: Port,
    deframer: Deframer,
    come: std::collections::VecDeque<HostFrame>,
}

impl Line {
    pub fn plug(link: &Path) -> Result<Self, String> {
        Ok(Self { port: Port::plug(link)?, deframer: Deframer::default(), come: std::collections::VecDeque::new() })
    }

    /// The next frame, if one comes within this time.
    pub fn next(&mut self, within: Duration) -> Result<Option<HostFrame>, String> {
        if self.come.is_empty() {
            wait(&mut [readable(self.port.fd())], Some(within))?;
            while let Some(bytes) = self.port.read().map_err(|e| format!("the reader's line: {e}"))? {
                self.come.extend(bytes.iter().filter_map(|byte| self.deframer.push(*byte)));
            }
        }
        Ok(self.come.pop_front())
    }

    /// Bytes to the daemon.
    pub fn say(&self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let written = self.port.write(bytes).map_err(|e| format!("the reader's line: {e}"))?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Something of the capture to the daemon.
    pub fn say_shown(&self, shown: &str) -> Result<(), String> {
        match shown {
            "ack" => self.say(&ACK),
            "nack" => self.say(&NACK),
            "error" => self.say(&ERROR),
            // How it was damaged is not known; a length that does not fit its sum always is.
            _ if shown.starts_with("damaged") => self.say(&[0x00, 0x00, 0xFF, 0x02, 0x00, 0xD5, 0x00, 0x00]),
            hex => self.say(&unhex(hex).ok_or_else(|| format!("{hex} is no frame"))?),
        }
    }

    /// Answers a command that brings the reader up, whatever it is answered with in the capture; not at all if there is none.
    pub fn bring_up(&self, command: &[u8], answers: &[(Vec<u8>, Vec<String>)]) -> Result<(), String> {
        let known = answers.iter().find(|(asked, _)| asked == command);
        match (known, command) {
            (Some((_, shown)), _) => shown.iter().try_for_each(|shown| self.say_shown(shown)),
            (None, [SET_RATE, ..]) => self.accept(&[SET_RATE + 1]),
            (None, [DIAGNOSE, rest @ ..]) => self.accept(&[&[DIAGNOSE + 1], rest].concat()),
            (None, _) => Ok(()),
        }
    }

    fn accept(&self, answer: &[u8]) -> Result<(), String> {
        self.say(&ACK)?;
        self.say(&crate::sim::reader::frame::answer(answer))
    }
}

/// The commands of a capture and what each was answered with first.
pub fn answers(text: &str) -> Vec<(Vec<u8>, Vec<String>)> {
    let mut all: Vec<(Vec<u8>, Vec<String>)> = Vec::new();
    // With the bringing up, which the capture leaves out.
    for line in text.lines().filter_map(|line| line.split_once(" reader ").map(|(_, what)| what)) {
        if let Some(shown) = line.strip_prefix("-> ") {
            all.push((body(shown).unwrap_or_default(), Vec::new()));
        } else if let (Some(shown), Some((_, said))) = (line.strip_prefix("<- "), all.last_mut()) {
            said.push(shown.to_owned());
        }
    }
    all.retain(|(command, said)| !command.is_empty() && !said.is_empty());
    all
}

/// Whether the daemon's frame is what the capture shows there.
pub fn same(event: &Event, frame: &HostFrame) -> bool {
    match (event.sent(), frame) {
        (Some("ack"), HostFrame::Ack) | (Some("nack"), HostFrame::Nack) => true,
        (Some(shown), HostFrame::Command(command)) => body(shown).is_some_and(|was| alike(&was, command)),
        _ => false,
    }
}

/// What a capture hides is not compared, but for its length.
fn alike(was: &[u8], now: &[u8]) -> bool {
    let select = matches!(now, [EXCHANGE, _, 0x00, 0xA4, ..]);
    let seen = match now {
        [EXCHANGE, ..] if !select => 2 + SHOWN,
        [code, ..] if select || WHOLE.contains(code) => now.len(),
        _ => 1,
    };
    was.len() == now.len() && was.iter().zip(now).take(seen).all(|(was, now)| was == now)
}

/// Code and parameters of a frame to the chip.
fn body(shown: &str) -> Option<Vec<u8>> {
    let bytes = unhex(shown)?;
    let mut deframer = Deframer::default();
    match bytes.iter().find_map(|byte| deframer.push(*byte))? {
        HostFrame::Command(command) => Some(command),
        HostFrame::Ack | HostFrame::Nack => None,
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// For people.
pub fn shown(frame: &HostFrame) -> String {
    match frame {
        HostFrame::Ack => "ack".to_owned(),
        HostFrame::Nack => "nack".to_owned(),
        HostFrame::Command(command) => command.iter().map(|byte| format!("{byte:02X}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_a_card_is_compared_by_its_head_and_a_selection_whole() {
        let command = |hex: &str| unhex(hex).unwrap();
        assert!(alike(&command("400180A8000003000000"), &command("400180A8000003123456")));
        assert!(!alike(&command("400180A8000003000000"), &command("400180A80000031234")), "another length");
        assert!(!alike(&command("400180A8000003000000"), &command("400180AE000003000000")), "another command");
        assert!(!alike(&command("400100A4040002A00000"), &command("400100A4040002A00100")), "another application");
        assert!(!alike(&command("4A0200"), &command("4A0100")));
    }
}
