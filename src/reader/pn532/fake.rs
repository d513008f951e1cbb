//! A PN532 for the tests of this room, written from the manual's frame layout without the machines under test.

use std::collections::VecDeque;

/// What lies in the field.
pub(crate) type Card = Box<dyn FnMut(&[u8]) -> CardSays>;

/// What a card does with a command.
pub(crate) enum CardSays {
    /// Answers.
    Answer(Vec<u8>),
    /// The chip reports this status instead.
    Status(u8),
    /// The chip acknowledges and never answers.
    Nothing,
}

/// The chip.
pub(crate) struct FakeChip {
    pub(crate) powered: bool,
    pub(crate) rate: u32,
    pub(crate) host_rate: u32,
    awake: bool,
    new_rate: Option<u32>,
    last_answer: Vec<u8>,
    /// Bytes of the target list in type A (without the count), one per card.
    pub(crate) targets_a: Vec<Vec<u8>>,
    pub(crate) targets_b: Vec<Vec<u8>>,
    pub(crate) card: Option<Card>,
    chained: VecDeque<Vec<u8>>,
    /// Answers of cards longer than this go out in pieces.
    pub(crate) chunk: usize,
    /// Bodies of all commands understood.
    pub(crate) heard: Vec<Vec<u8>>,
    /// Rates at which the line garbles everything.
    pub(crate) bad_rate: Option<u32>,
    /// Commands (codes) that get an error frame.
    pub(crate) refuses: Vec<u8>,
    /// Applied to whatever the chip sends; for noise.
    pub(crate) damage: Option<Box<dyn FnMut(&mut Vec<u8>)>>,
}

const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];
const RATES: [u32; 9] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_288_000];

/// An ISO-DEP card of type A: ATQA 0004, SAK 20, a made-up number, an ATS.
pub(crate) const ISO_DEP_CARD: &str = "01 0004 20 04 08112233 0578807002";

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x00, 0x00, 0xFF];
    if body.len() < 256 {
        let len = body.len() as u8;
        out.extend([len, 0u8.wrapping_sub(len)]);
    } else {
        let [high, low] = (body.len() as u16).to_be_bytes();
        out.extend([0xFF, 0xFF, high, low, 0u8.wrapping_sub(high).wrapping_sub(low)]);
    }
    out.extend(body);
    out.push(0u8.wrapping_sub(body.iter().fold(0u8, |a, b| a.wrapping_add(*b))));
    out.push(0x00);
    out
}

impl Default for FakeChip {
    fn default() -> Self {
        Self {
            powered: true,
            rate: 115_200,
            host_rate: 115_200,
            awake: false,
            new_rate: None,
            last_answer: Vec::new(),
            targets_a: Vec::new(),
            targets_b: Vec::new(),
            card: None,
            chained: VecDeque::new(),
            chunk: 240,
            heard: Vec::new(),
            bad_rate: None,
            refuses: Vec::new(),
            damage: None,
        }
    }
}

impl FakeChip {
    /// With one payment card in the field.
    pub(crate) fn present(&mut self, card: Card) {
        self.targets_a = vec![hex(ISO_DEP_CARD)];
        self.card = Some(card);
    }

    /// Power off and on.
    pub(crate) fn reset(&mut self) {
        self.rate = 115_200;
        self.awake = false;
        self.new_rate = None;
    }

    /// The host wrote these bytes; what comes back.
    pub(crate) fn written(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !self.powered || self.rate != self.host_rate {
            return Vec::new();
        }
        let mut reply = self.reply(bytes);
        if let Some(damage) = &mut self.damage {
            damage(&mut reply);
        }
        if self.bad_rate == Some(self.rate) {
            reply.iter_mut().for_each(|b| *b ^= 0x5A);
        }
        reply
    }

    fn reply(&mut self, bytes: &[u8]) -> Vec<u8> {
        if bytes == ACK {
            if let Some(rate) = self.new_rate.take() {
                self.rate = rate;
            }
            return Vec::new();
        }
        if bytes == [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00] {
            return self.last_answer.clone();
        }
        if bytes.first() == Some(&0x55) {
            self.awake = true;
            return Vec::new();
        }
        if !self.awake {
            return Vec::new();
        }
        let body = match bytes {
            [0, 0, 0xFF, 0xFF, 0xFF, h, l, _, rest @ ..] => &rest[..usize::from(*h) * 256 + usize::from(*l)],
            [0, 0, 0xFF, len, _, rest @ ..] => &rest[..usize::from(*len)],
            _ => panic!("not a host frame: {}", text(bytes)),
        };
        assert_eq!(frame(body), bytes, "the host's frame is not as the manual says");
        self.heard.push(body.to_vec());
        let Some(answer) = self.answer(body) else {
            return ACK.to_vec();
        };
        self.last_answer = answer;
        [&ACK[..], &self.last_answer].concat()
    }

    fn answer(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let (code, parameters) = (body[1], &body[2..]);
        if self.refuses.contains(&code) {
            return Some(vec![0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00]);
        }
        let mut answer = vec![0xD5, code + 1];
        match code {
            0x00 => answer.extend(parameters),
            0x02 => answer.extend([0x32, 0x01, 0x06, 0x07]),
            0x10 => self.new_rate = Some(RATES[usize::from(parameters[0])]),
            0x12 | 0x14 | 0x32 => {}
            0x4A => {
                let found = if parameters[1] == 0 { &self.targets_a } else { &self.targets_b };
                let count = found.len().min(usize::from(parameters[0]));
                answer.push(count as u8);
                found.iter().take(count).for_each(|t| answer.extend(t));
            }
            0x40 => match self.exchange(&parameters[1..]) {
                Ok(bytes) => answer.extend(bytes),
                Err(true) => return None,
                Err(false) => answer.push(0x01),
            },
            0x52 => answer.push(0x00),
            other => panic!("command {other:02X} is not in this chip"),
        }
        Some(frame(&answer))
    }

    fn exchange(&mut self, apdu: &[u8]) -> Result<Vec<u8>, bool> {
        if !apdu.is_empty() {
            let says = self.card.as_mut().map_or(CardSays::Status(1), |card| card(apdu));
            match says {
                CardSays::Answer(bytes) => self.chained = bytes.chunks(self.chunk).map(<[u8]>::to_vec).collect(),
                CardSays::Status(status) => return Ok(vec![status]),
                CardSays::Nothing => return Err(true),
            }
        }
        let piece = self.chained.pop_front().ok_or(false)?;
        let more = if self.chained.is_empty() { 0x00 } else { 0x40 };
        Ok([&[more][..], &piece].concat())
    }
}
