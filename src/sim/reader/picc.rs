//! One contactless card as the field sees it: identity, activation, ISO 14443-4 block protocol.
//!
//! Owns: states and blocks of the card side. Must not know: the reader chip, or what the card's application does.
//! Spec: ISO/IEC 14443-3 and -4, card rules 9 to 13 and D, E of §7.5.

/// What answers APDUs behind the block protocol.
pub trait Applet: Send {
    /// Power was lost: forget selections.
    fn reset(&mut self);
    /// Answers one command APDU with data and status words.
    fn exchange(&mut self, apdu: &[u8]) -> Vec<u8>;
}

/// What a card says of itself before any command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 4, 7 or 10 bytes.
    pub uid: Vec<u8>,
    /// SENS_RES, most significant byte first.
    pub atqa: [u8; 2],
    /// SEL_RES; bit 20 says that the card speaks ISO 14443-4.
    pub sak: u8,
    /// Answer to select with its length byte first; none for a card without ISO 14443-4.
    pub ats: Option<Vec<u8>>,
}

impl Identity {
    /// Whether the card speaks ISO 14443-4.
    #[must_use]
    pub fn has_blocks(&self) -> bool {
        self.sak & 0x20 != 0 && self.ats.is_some()
    }

    /// The largest frame this card takes, from its ATS.
    #[must_use]
    pub fn frame_size(&self) -> usize {
        let t0 = self.ats.as_ref().and_then(|ats| ats.get(1)).copied().unwrap_or(0x02);
        frame_size(t0 & 0x0F)
    }

    /// Whether the card understands a card identifier in its blocks (bit 2 of TC in the ATS).
    fn takes_cid(&self) -> bool {
        let Some([_, t0, rest @ ..]) = self.ats.as_deref() else { return false };
        let before_tc = usize::from(t0 & 0x10 != 0) + usize::from(t0 & 0x20 != 0);
        t0 & 0x40 != 0 && rest.get(before_tc).is_some_and(|tc| tc & 0x02 != 0)
    }
}

/// Frame size for the codes FSDI and FSCI.
fn frame_size(code: u8) -> usize {
    match code {
        0 => 16,
        1 => 24,
        2 => 32,
        3 => 40,
        4 => 48,
        5 => 64,
        6 => 96,
        7 => 128,
        _ => 256,
    }
}

enum State {
    /// No field.
    Off,
    /// In the field and told to be quiet until woken.
    Halted,
    /// Selected, before RATS.
    Active,
    /// Speaking blocks.
    Blocks(Blocks),
}

struct Blocks {
    number: u8,
    cid: u8,
    /// Largest frame the reader takes.
    frame_size: usize,
    received: Vec<u8>,
    to_send: Vec<u8>,
    last: Vec<u8>,
}

/// A card in a hand: identity, state and the applet behind it.
pub struct Picc {
    identity: Identity,
    state: State,
    applet: Box<dyn Applet>,
    apdus: u64,
}

impl Picc {
    /// A card that lies outside of any field.
    #[must_use]
    pub fn new(identity: Identity, applet: Box<dyn Applet>) -> Self {
        Self { identity, state: State::Off, applet, apdus: 0 }
    }

    /// Who the card is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// APDUs answered since the card was made.
    #[must_use]
    pub fn apdus(&self) -> u64 {
        self.apdus
    }

    /// Whether the card was told to be quiet (HLTA or S(DESELECT)).
    #[must_use]
    pub fn is_halted(&self) -> bool {
        matches!(self.state, State::Halted)
    }

    /// The field is gone.
    pub fn power_off(&mut self) {
        self.state = State::Off;
        self.applet.reset();
    }

    /// Wake-up, anticollision and select, as the reader chip does them in one go.
    pub fn select(&mut self) {
        match self.state {
            State::Off => self.applet.reset(),
            State::Halted | State::Active | State::Blocks(_) => {}
        }
        self.state = State::Active;
    }

    /// One frame from the reader, without its CRC; nothing when the card keeps silent.
    pub fn transceive(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        match &mut self.state {
            State::Off | State::Halted => None,
            State::Active => self.before_rats(frame),
            State::Blocks(_) => self.block(frame),
        }
    }

    fn before_rats(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        match *frame {
            [0xE0, parameter] if self.identity.has_blocks() => {
                self.state = State::Blocks(Blocks {
                    number: 1,
                    cid: parameter & 0x0F,
                    frame_size: frame_size(parameter >> 4),
                    received: Vec::new(),
                    to_send: Vec::new(),
                    last: Vec::new(),
                });
                self.identity.ats.clone()
            }
            [0x50, 0x00] => {
                self.state = State::Halted;
                None
            }
            _ => None,
        }
    }

    fn block(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let (&pcb, rest) = frame.split_first()?;
        let State::Blocks(blocks) = &self.state else { return None };
        let own_cid = blocks.cid;
        let with_cid = pcb & 0x08 != 0;
        let (cid, inf) = match (with_cid, rest) {
            (true, [cid, inf @ ..]) if self.identity.takes_cid() && cid & 0x0F == own_cid => (Some(own_cid), inf),
            (false, inf) if own_cid == 0 => (None, inf),
            _ => return None,
        };
        match pcb & 0xF7 {
            // I-block; a node address (bit 3) is more than this card understands.
            p if p & 0xE6 == 0x02 => self.information(p & 0x10 != 0, cid, inf),
            p if p & 0xE6 == 0xA2 && inf.is_empty() => self.receipt(p & 0x01, p & 0x10 != 0, cid),
            0xC2 if inf.is_empty() => {
                self.state = State::Halted;
                self.applet.reset();
                Some(framed(0xC2, cid, &[]))
            }
            _ => None,
        }
    }

    fn information(&mut self, more: bool, cid: Option<u8>, inf: &[u8]) -> Option<Vec<u8>> {
        let State::Blocks(blocks) = &mut self.state else { return None };
        blocks.number ^= 1;
        blocks.received.extend_from_slice(inf);
        if more {
            let receipt = framed(0xA2 | blocks.number, cid, &[]);
            blocks.last.clone_from(&receipt);
            return Some(receipt);
        }
        let apdu = std::mem::take(&mut blocks.received);
        self.apdus += 1;
        blocks.to_send = self.applet.exchange(&apdu);
        Some(blocks.next(cid))
    }

    fn receipt(&mut self, number: u8, negative: bool, cid: Option<u8>) -> Option<Vec<u8>> {
        let State::Blocks(blocks) = &mut self.state else { return None };
        if number == blocks.number {
            return (!blocks.last.is_empty()).then(|| blocks.last.clone());
        }
        if negative {
            return Some(framed(0xA2 | blocks.number, cid, &[]));
        }
        if blocks.to_send.is_empty() {
            return None;
        }
        blocks.number ^= 1;
        Some(blocks.next(cid))
    }
}

impl Blocks {
    /// The next I-block of the answer.
    fn next(&mut self, cid: Option<u8>) -> Vec<u8> {
        let room = self.frame_size.saturating_sub(3 + usize::from(cid.is_some())).max(1);
        let rest = self.to_send.split_off(room.min(self.to_send.len()));
        let inf = std::mem::replace(&mut self.to_send, rest);
        let chaining = if self.to_send.is_empty() { 0x00 } else { 0x10 };
        self.last = framed(0x02 | chaining | self.number, cid, &inf);
        self.last.clone()
    }
}

fn framed(pcb: u8, cid: Option<u8>, inf: &[u8]) -> Vec<u8> {
    let mut out = match cid {
        Some(cid) => vec![pcb | 0x08, cid],
        None => vec![pcb],
    };
    out.extend_from_slice(inf);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every command with its own length in bytes, then 9000.
    struct Echo;

    impl Applet for Echo {
        fn reset(&mut self) {}
        fn exchange(&mut self, apdu: &[u8]) -> Vec<u8> {
            [apdu, &[0x90, 0x00]].concat()
        }
    }

    fn active() -> Picc {
        let identity = Identity {
            uid: vec![0x08, 0x11, 0x22, 0x33],
            atqa: [0x00, 0x04],
            sak: 0x20,
            ats: Some(vec![0x05, 0x78, 0x80, 0x70, 0x02]),
        };
        let mut card = Picc::new(identity, Box::new(Echo));
        card.select();
        assert_eq!(card.transceive(&[0xE0, 0x50]), Some(vec![0x05, 0x78, 0x80, 0x70, 0x02]));
        card
    }

    #[test]
    fn long_answers_are_chained_and_a_lost_block_is_sent_again() {
        let mut card = active();
        let command = vec![0x11; 100];
        let first = card.transceive(&[&[0x02][..], &command].concat()).unwrap();
        assert_eq!((first[0], first.len()), (0x12, 62));
        assert_eq!(card.transceive(&[0xB2]), Some(first.clone()), "R(NAK) with the card's number repeats");
        let second = card.transceive(&[0xA3]).unwrap();
        assert_eq!((second[0], second.len()), (0x03, 42));
        assert_eq!([&first[1..], &second[1..]].concat(), [&command[..], &[0x90, 0x00]].concat());
    }

    #[test]
    fn chained_commands_are_acknowledged_and_joined() {
        let mut card = active();
        assert_eq!(card.transceive(&[0x12, 0xAA]), Some(vec![0xA2]));
        assert_eq!(card.transceive(&[0x03, 0xBB]), Some(vec![0x03, 0xAA, 0xBB, 0x90, 0x00]));
    }

    #[test]
    fn a_presence_check_is_answered_and_nonsense_is_not() {
        let mut card = active();
        assert_eq!(card.transceive(&[0xB2]), Some(vec![0xA3]));
        let nonsense: [&[u8]; 7] =
            [&[], &[0x01, 0x0B, 0x3F, 0x80], &[0x06, 0x00], &[0x10], &[0x0A], &[0x0C], &[0x9F, 0xFF]];
        for frame in nonsense {
            assert_eq!(card.transceive(frame), None, "{frame:02X?}");
        }
        assert_eq!(card.transceive(&[0x0A, 0x00, 0x77]), Some(vec![0x0A, 0x00, 0x77, 0x90, 0x00]), "with CID 0");
    }

    #[test]
    fn a_deselected_card_is_silent_until_it_is_selected_again() {
        let mut card = active();
        assert_eq!(card.transceive(&[0xC2]), Some(vec![0xC2]));
        assert_eq!(card.transceive(&[0x02, 0x00]), None);
        card.select();
        assert!(card.transceive(&[0xE0, 0x80]).is_some());
    }
}
