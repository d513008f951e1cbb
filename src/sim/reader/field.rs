//! The cards in the reader's field and the reader's half of ISO 14443-4.
//!
//! Owns: which cards lie there, which are listed as targets, block numbers on the reader's side. Must not know:
//! host frames or commands' codes. Spec: UM0701-02 §7.3, ISO/IEC 14443-4 §7.5.

use super::picc::Picc;

/// FSDI 5: the chip takes frames of 64 bytes, and chains above that.
const RATS: [u8; 2] = [0xE0, 0x50];
/// More blocks than any APDU needs; stops a card that chains for ever.
const MAX_BLOCKS: usize = 64;

/// Status byte of an RF command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RfError {
    /// 01: the card did not answer.
    Timeout,
    /// 0B: the card broke the block protocol.
    Protocol,
    /// 27: no such target, or nothing to go on with.
    Context,
}

impl RfError {
    /// As it stands in the answer.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Timeout => 0x01,
            Self::Protocol => 0x0B,
            Self::Context => 0x27,
        }
    }
}

struct Target {
    number: u8,
    card: usize,
    /// Block number and the card's frame size; none when the chip did not send RATS itself.
    blocks: Option<(u8, usize)>,
}

/// The antenna and what lies on it.
#[derive(Default)]
pub struct Field {
    on: bool,
    cards: Vec<Picc>,
    targets: Vec<Target>,
    /// The cards go once they have answered so many APDUs.
    remove_after: Option<u64>,
    /// Cards that went that way and wait to be handed back.
    pulled: Vec<Picc>,
}

impl Field {
    /// Puts these cards on the antenna in place of what lies there.
    pub fn place(&mut self, cards: Vec<Picc>) {
        // Targets stay listed: the chip does not notice that a card has gone.
        self.cards = cards;
        self.remove_after = None;
    }

    /// Takes all cards away and hands them back.
    pub fn take_away(&mut self) -> Vec<Picc> {
        let mut cards = std::mem::take(&mut self.pulled);
        cards.append(&mut self.cards);
        cards.iter_mut().for_each(Picc::power_off);
        self.remove_after = None;
        cards
    }

    /// The card will be pulled away after so many more APDUs.
    pub fn remove_after(&mut self, apdus: u64) {
        self.remove_after = Some(self.apdus().saturating_add(apdus));
    }

    /// APDUs that the cards now in the field have answered.
    #[must_use]
    pub fn apdus(&self) -> u64 {
        self.cards.iter().map(Picc::apdus).sum()
    }

    /// How many cards lie there.
    #[must_use]
    pub fn present(&self) -> usize {
        self.cards.len()
    }

    /// Whether the antenna is driven.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Drives the antenna or not; without field the cards forget everything.
    pub fn switch(&mut self, on: bool) {
        if !on {
            self.cards.iter_mut().for_each(Picc::power_off);
            self.targets.clear();
        }
        self.on = on;
    }

    /// Polls for type A cards; each found becomes a target, and its data come back as InListPassiveTarget gives them.
    pub fn list_type_a(&mut self, max: usize, uid: &[u8], auto_rats: bool) -> Vec<Vec<u8>> {
        self.on = true;
        self.targets.clear();
        let mut found = Vec::new();
        let mut in_order: Vec<(usize, &mut Picc)> = self.cards.iter_mut().enumerate().collect();
        // Cards that were halted answer only after those that were not.
        in_order.sort_by_key(|(_, card)| card.is_halted());
        for (index, card) in in_order {
            if found.len() == max {
                break;
            }
            if !uid.is_empty() && without_cascade_tags(uid) != card.identity().uid {
                continue;
            }
            let number = u8::try_from(found.len() + 1).unwrap_or(u8::MAX);
            card.select();
            let ats = if auto_rats && card.identity().has_blocks() { card.transceive(&RATS) } else { None };
            let identity = card.identity();
            let blocks = ats.is_some().then(|| (0, identity.frame_size()));
            self.targets.push(Target { number, card: index, blocks });
            let mut entry = vec![number];
            entry.extend(identity.atqa);
            entry.extend([identity.sak, u8::try_from(identity.uid.len()).unwrap_or(u8::MAX)]);
            entry.extend_from_slice(&identity.uid);
            entry.extend(ats.unwrap_or_default());
            found.push(entry);
        }
        found
    }

    /// Targets that are listed now.
    pub fn targets(&self) -> impl Iterator<Item = u8> {
        self.targets.iter().map(|t| t.number)
    }

    /// One raw frame to the first target, as InCommunicateThru does it.
    pub fn communicate(&mut self, frame: &[u8]) -> Result<Vec<u8>, RfError> {
        let index = self.targets.first().map_or(0, |t| t.card);
        let answer = match self.cards.get_mut(index) {
            Some(card) if self.on => card.transceive(frame).ok_or(RfError::Timeout),
            Some(_) | None => Err(RfError::Timeout),
        };
        self.pull_away_when_due();
        answer
    }

    /// A whole command to a target, as InDataExchange does it: in blocks where the chip sent RATS, raw otherwise.
    pub fn exchange(&mut self, target: u8, command: &[u8]) -> Result<Vec<u8>, RfError> {
        let answer = self.exchange_blocks(target, command);
        self.pull_away_when_due();
        answer
    }

    fn exchange_blocks(&mut self, target: u8, command: &[u8]) -> Result<Vec<u8>, RfError> {
        let target = self.targets.iter_mut().find(|t| t.number == target).ok_or(RfError::Context)?;
        let card = self.cards.get_mut(target.card).ok_or(RfError::Timeout)?;
        match &mut target.blocks {
            None => card.transceive(command).ok_or(RfError::Timeout),
            Some((number, frame_size)) => {
                let mut pcd = Pcd { number, frame_size: *frame_size, card };
                let first = pcd.send(command)?;
                pcd.receive(first)
            }
        }
    }

    /// Whether a target still answers: R(NAK) for cards with blocks.
    pub fn is_there(&mut self) -> bool {
        self.communicate(&[0xB2]).is_ok()
    }

    /// Sends S(DESELECT) to a target or, for 0, to all.
    pub fn deselect(&mut self, number: u8) -> Result<(), RfError> {
        if number != 0 && !self.targets().any(|n| n == number) {
            return Err(RfError::Context);
        }
        for target in self.targets.iter_mut().filter(|t| number == 0 || t.number == number) {
            if let (Some(card), Some((block, _))) = (self.cards.get_mut(target.card), &mut target.blocks) {
                // A card that has gone does not answer, and the chip does not mind.
                let _gone = card.transceive(&[0xC2]);
                *block = 0;
            }
        }
        Ok(())
    }

    /// Deselects and forgets a target or, for 0, all.
    pub fn release(&mut self, number: u8) -> Result<(), RfError> {
        self.deselect(number)?;
        self.targets.retain(|t| number != 0 && t.number != number);
        Ok(())
    }

    fn pull_away_when_due(&mut self) {
        if self.remove_after.is_some_and(|limit| self.apdus() >= limit) {
            self.pulled = self.take_away();
        }
    }
}

/// A UID as InListPassiveTarget takes it has 88 in front of each cascade part.
fn without_cascade_tags(uid: &[u8]) -> Vec<u8> {
    match uid {
        [0x88, a, b, c, 0x88, rest @ ..] => [&[*a, *b, *c][..], rest].concat(),
        [0x88, rest @ ..] => rest.to_vec(),
        plain => plain.to_vec(),
    }
}

/// The reader's half of the block protocol with one card.
struct Pcd<'a> {
    number: &'a mut u8,
    frame_size: usize,
    card: &'a mut Picc,
}

impl Pcd<'_> {
    fn send(&mut self, command: &[u8]) -> Result<Vec<u8>, RfError> {
        let room = self.frame_size.saturating_sub(3).max(1);
        let mut parts = command.chunks(room).peekable();
        if parts.peek().is_none() {
            return self.block(0x02, &[]);
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return self.block(0x02, part);
            }
            let receipt = self.block(0x12, part)?;
            if receipt != [0xA2 | *self.number] {
                return Err(RfError::Protocol);
            }
            *self.number ^= 1;
        }
        Err(RfError::Protocol)
    }

    fn receive(&mut self, first: Vec<u8>) -> Result<Vec<u8>, RfError> {
        let mut block = first;
        let mut answer = Vec::new();
        for _ in 0..MAX_BLOCKS {
            let (&pcb, inf) = block.split_first().ok_or(RfError::Protocol)?;
            if pcb & 0xEE != 0x02 || pcb & 0x01 != *self.number {
                return Err(RfError::Protocol);
            }
            answer.extend_from_slice(inf);
            *self.number ^= 1;
            if pcb & 0x10 == 0 {
                return Ok(answer);
            }
            block = self.block(0xA2, &[])?;
        }
        Err(RfError::Protocol)
    }

    fn block(&mut self, pcb: u8, inf: &[u8]) -> Result<Vec<u8>, RfError> {
        let frame = [&[pcb | *self.number][..], inf].concat();
        self.card.transceive(&frame).ok_or(RfError::Timeout)
    }
}
