//! The PN532 itself: power states, serial rate, dialogue of command, acknowledgement and answer.
//!
//! Owns: when the chip listens, what it is busy with, when an answer leaves. Must not know: ptys, threads, the real
//! time, card applications. Spec: UM0701-02 §6 and §7.2.

use std::time::Duration;

use super::command::{self, Configured, Reaction, Settings};
use super::field::Field;
use super::frame::{Deframer, HostFrame};
use super::line::Line;
use super::picc::Picc;
use super::registers::Registers;
use crate::domain::time::Instant;

/// Serial rates by their codes in SetSerialBaudRate.
pub const RATES: [u32; 9] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_288_000];
const POWER_UP_RATE: u32 = 115_200;
/// Rising edges on RX that wake the chip.
const WAKING_EDGES: u32 = 5;
/// The chip changes its rate by itself if the host's ACK is lost.
const RATE_CHANGE: Duration = Duration::from_millis(20);

/// What reaches the chip.
pub enum Event<'a> {
    /// Bytes from the host.
    Bytes(&'a [u8]),
    /// The rate of the host's end of the line; none when it cannot be told.
    LineRate(Option<u32>),
    /// Cards are put on the antenna.
    CardsPlaced(Vec<Picc>),
    /// The reset line was pulled.
    Reset,
}

enum Power {
    /// Sleeping; the number counts the edges seen so far.
    Asleep(u32),
    Awake,
}

/// Work that takes time.
enum Work {
    /// The answer is ready and leaves at this time.
    Answer { at: Instant, bytes: Vec<u8> },
    /// Waiting for a card; the answer without one leaves at the end, if there is an end.
    Polling { command: Vec<u8>, give_up: Option<(Instant, Vec<u8>)> },
}

/// The chip, told of bytes and time, giving bytes.
pub struct Chip {
    /// How the chip is set up.
    pub(super) settings: Settings,
    /// Antenna and cards.
    pub field: Field,
    /// The way out, with the faults ordered by the test.
    pub line: Line,
    pub(super) registers: Registers,
    pub(super) configured: Configured,
    power: Power,
    deframer: Deframer,
    sam_done: bool,
    sleep_after_answer: bool,
    rate: u32,
    next_rate: Option<(u32, Instant)>,
    line_rate: Option<u32>,
    work: Option<Work>,
    now: Instant,
    commands: u64,
    polls: u64,
}

impl Chip {
    /// A chip that has just been powered: asleep (LowVbat), 115200 baud.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let line = Line::new(settings.seed);
        Self {
            settings,
            field: Field::default(),
            line,
            registers: Registers::default(),
            configured: Configured::default(),
            power: Power::Asleep(0),
            deframer: Deframer::default(),
            sam_done: false,
            sleep_after_answer: false,
            rate: POWER_UP_RATE,
            next_rate: None,
            line_rate: None,
            work: None,
            now: Instant(0),
            commands: 0,
            polls: 0,
        }
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) {
        self.now = now;
        match event {
            Event::Bytes(bytes) => bytes.iter().for_each(|b| self.byte(*b)),
            Event::LineRate(rate) => {
                self.line_rate = rate;
                if let (Some(seen), Some((next, _))) = (rate, self.next_rate)
                    && close(seen, next)
                {
                    self.change_rate();
                }
            }
            Event::CardsPlaced(cards) => {
                self.field.place(cards);
                self.look_for_cards();
            }
            Event::Reset => self.reset(),
        }
    }

    /// Does what is due by now.
    pub fn expire(&mut self, now: Instant) {
        self.now = now;
        if self.next_rate.is_some_and(|(_, at)| at <= now) {
            self.change_rate();
        }
        match self.work.take() {
            Some(Work::Answer { at, bytes }) if at <= now => self.finish(&bytes),
            Some(Work::Polling { give_up: Some((at, bytes)), .. }) if at <= now => self.finish(&bytes),
            other => self.work = other,
        }
    }

    /// When `expire` is wanted next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let work = match &self.work {
            Some(Work::Answer { at, .. } | Work::Polling { give_up: Some((at, _)), .. }) => Some(*at),
            Some(Work::Polling { give_up: None, .. }) | None => None,
        };
        let rate = self.next_rate.map(|(_, at)| at);
        [work, rate, self.line.deadline()].into_iter().flatten().min()
    }

    /// Bytes for the host whose time has come.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        self.line.poll(self.now, self.rate_matches())
    }

    /// Whether a poll for a card is going on.
    #[must_use]
    pub fn is_polling(&self) -> bool {
        match &self.work {
            Some(Work::Polling { command, .. }) => command::is_poll(command),
            Some(Work::Answer { .. }) | None => false,
        }
    }

    /// Polls for cards since power-up.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// The chip's own serial rate.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Host commands taken since power-up.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    fn reset(&mut self) {
        self.field.switch(false);
        self.line.reset();
        self.registers = Registers::default();
        self.configured = Configured::default();
        self.power = Power::Asleep(0);
        self.deframer = Deframer::default();
        self.sam_done = false;
        self.sleep_after_answer = false;
        self.rate = POWER_UP_RATE;
        self.next_rate = None;
        self.work = None;
    }

    fn rate_matches(&self) -> bool {
        self.line_rate.is_none_or(|line| close(line, self.rate))
    }

    fn change_rate(&mut self) {
        if let Some((rate, _)) = self.next_rate.take() {
            self.rate = rate;
        }
    }

    fn byte(&mut self, byte: u8) {
        if let Power::Asleep(edges) = self.power {
            let edges = edges + rising_edges(byte);
            self.power = if edges >= WAKING_EDGES { Power::Awake } else { Power::Asleep(edges) };
            // What wakes the chip is not read by it; all before the frame of a well-behaved client.
            return;
        }
        if !self.rate_matches() {
            return;
        }
        match self.deframer.push(byte) {
            Some(HostFrame::Ack) => {
                self.work = None;
                self.line.cancel(self.now);
                self.change_rate();
            }
            Some(HostFrame::Nack) => self.line.repeat(self.now),
            Some(HostFrame::Command(command)) => self.command(command),
            None => {}
        }
    }

    fn command(&mut self, command: Vec<u8>) {
        // A new command ends the old one, as an ACK does.
        self.work = None;
        self.line.cancel(self.now);
        let is_sam = command.first() == Some(&command::SAM_CONFIGURATION);
        if self.settings.strict_sam && !self.sam_done && !is_sam {
            return;
        }
        self.commands += 1;
        if !self.line.acknowledge(self.now) || self.line.faults.hung {
            return;
        }
        if self.line.faults.error > 0 {
            self.line.faults.error -= 1;
            self.line.error(self.now);
            return;
        }
        self.sam_done |= is_sam;
        self.polls += u64::from(command::is_poll(&command));
        let reaction = command::react(self, &command);
        self.start(command, reaction);
    }

    fn start(&mut self, command: Vec<u8>, reaction: Reaction) {
        match reaction {
            Reaction::Answer { after, bytes } if after.is_zero() => self.finish(&bytes),
            Reaction::Answer { after, bytes } => {
                self.work = Some(Work::Answer { at: self.now.after(after), bytes });
            }
            Reaction::Poll { give_up } => {
                let give_up = give_up.map(|(after, bytes)| (self.now.after(after), bytes));
                self.work = Some(Work::Polling { command, give_up });
            }
            Reaction::SyntaxError => self.line.error(self.now),
            Reaction::ChangeRate { rate, bytes } => {
                self.finish(&bytes);
                self.next_rate = Some((rate, self.now.after(RATE_CHANGE)));
            }
            Reaction::Sleep { bytes } => {
                self.sleep_after_answer = true;
                self.finish(&bytes);
            }
        }
    }

    /// A card came while a poll is on: try again.
    fn look_for_cards(&mut self) {
        if let Some(Work::Polling { command, .. }) = &self.work {
            let command = command.clone();
            match command::react(self, &command) {
                Reaction::Answer { after, bytes } => {
                    self.work = Some(Work::Answer { at: self.now.after(after), bytes });
                }
                // Not the kind of card that is looked for; the old poll goes on to its old end.
                Reaction::Poll { .. }
                | Reaction::SyntaxError
                | Reaction::ChangeRate { .. }
                | Reaction::Sleep { .. } => {}
            }
        }
    }

    fn finish(&mut self, bytes: &[u8]) {
        self.line.answer(self.now, bytes);
        if std::mem::take(&mut self.sleep_after_answer) {
            self.field.switch(false);
            self.power = Power::Asleep(0);
        }
    }
}

/// Within 5 %: what a UART tolerates.
fn close(a: u32, b: u32) -> bool {
    u64::from(a.abs_diff(b)) * 20 <= u64::from(b)
}

/// Rising edges of one character on an idle-high line: start bit 0, data from the lowest bit, stop bit 1.
fn rising_edges(byte: u8) -> u32 {
    let bits = (u16::from(byte) << 1) | 0x200;
    let rises = !bits & (bits >> 1) & 0x1FF;
    rises.count_ones()
}

#[cfg(test)]
mod tests {
    use super::rising_edges;

    #[test]
    fn edges_are_counted_as_a_scope_would() {
        assert_eq!([0x55, 0x00, 0xFF, 0x03].map(rising_edges), [5, 1, 1, 2]);
    }
}
