//! The way to the acquirer and back, and the host machine at the terminal's end of it.
//!
//! Owns: what becomes of each request and each answer on the way (lost, late, doubled, reordered, damaged), and what the
//! terminal's host machine promises its engine: one end for each exchange, and an answer only for the request that is under
//! way. A message once on its way is not called back by a crash of the terminal.

use std::collections::BTreeMap;

use super::acquirer::Acquirer;
use super::dice::Dice;
use super::message::Message;
use super::responses::response;
use super::tally::Tally;
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, HostFailure, KeyCheck, MacCheck, SaleAnswer};
use crate::engine::event::Event;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
/// The host machine waits so long for an answer.
const PATIENCE: u64 = 45 * SECOND;

/// The line as the terminal's host machine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing is asked of it.
    Idle,
    /// A connection is being made.
    Reaching,
    /// It stands; the request comes next.
    Up,
    /// The request has left.
    Asked(Message),
}

/// What arrives somewhere at some time.
enum Parcel {
    /// The connection stands.
    Reached(u64),
    /// It does not come.
    Unreachable(u64),
    /// A request at the acquirer's.
    Request(Message, Fate),
    /// An answer at the terminal.
    Answer(Message, Box<HostAnswer>),
    /// The host machine gives the exchange up; whether anything was sent.
    GivenUp(u64, bool),
}

/// What becomes of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    Lost,
    Late,
    Doubled,
    Damaged,
    /// The acquirer had it, and has lost it again together with the answer.
    Forgotten,
}

/// Network and host machine.
pub struct Wire {
    /// The line as the terminal has it.
    pub line: Line,
    /// The number of the exchange under way; what belongs to an earlier one finds nobody.
    exchange: u64,
    post: BTreeMap<(u64, u64), Parcel>,
    posted: u64,
    /// The working keys in use, and those of the last sign-in answer.
    pub installed: Option<u32>,
    pending: Option<u32>,
    /// Whether no host can be reached.
    pub down: bool,
    /// Nothing goes wrong any more.
    pub calm: bool,
}

impl Wire {
    /// Idle, no keys.
    pub fn new() -> Self {
        Self {
            line: Line::Idle,
            exchange: 0,
            post: BTreeMap::new(),
            posted: 0,
            installed: None,
            pending: None,
            down: false,
            calm: false,
        }
    }

    fn send(&mut self, at: u64, parcel: Parcel) {
        self.posted += 1;
        self.post.insert((at, self.posted), parcel);
    }

    /// When the next thing arrives.
    pub fn next_at(&self) -> Option<u64> {
        self.post.first_key_value().map(|((at, _), _)| *at)
    }

    /// Whether a message is still on its way to the acquirer.
    pub fn request_on_its_way(&self) -> bool {
        self.post.values().any(|p| matches!(p, Parcel::Request(..)))
    }

    /// The terminal's end of the line is gone: it hung up, or it died.
    pub fn hang_up(&mut self) {
        self.exchange += 1;
        self.line = Line::Idle;
    }

    /// The terminal's process is gone, and the keys in its memory with it.
    pub fn forget(&mut self) {
        self.hang_up();
        (self.installed, self.pending) = (None, None);
    }

    /// Another master key: what was wrapped under the old one is worth nothing.
    pub fn forget_keys(&mut self) {
        (self.installed, self.pending) = (None, None);
    }

    /// The checked keys are put to use. Says whether there were any.
    pub fn install(&mut self) -> bool {
        match self.pending.take() {
            Some(keys) => {
                self.installed = Some(keys);
                true
            }
            None => false,
        }
    }

    /// A connection is wanted. `false`: the line is not idle.
    pub fn reach(&mut self, now: u64, dice: &mut Dice, tally: &mut Tally) -> bool {
        if self.line != Line::Idle {
            return false;
        }
        self.exchange += 1;
        self.line = Line::Reaching;
        let exchange = self.exchange;
        if self.down || (!self.calm && dice.percent(8)) {
            tally.fault("host unreachable");
            let at = now + dice.between(MS, 10 * SECOND);
            self.send(at, Parcel::Unreachable(exchange));
        } else {
            let at = now + dice.between(MS, 400 * MS);
            self.send(at, Parcel::Reached(exchange));
        }
        true
    }

    /// A request leaves. `false`: there is no connection.
    pub fn ask(&mut self, message: Message, now: u64, dice: &mut Dice, tally: &mut Tally) -> bool {
        if self.line != Line::Up {
            return false;
        }
        self.line = Line::Asked(message.clone());
        let there = now + dice.between(10 * MS, 300 * MS);
        let exchange = self.exchange;
        let fault = if self.calm { 99 } else { dice.roll(100) };
        // Whatever happens to the messages, the host machine ends the exchange in time; but for one case in a hundred.
        if fault != 0 {
            self.send(now + PATIENCE, Parcel::GivenUp(exchange, true));
        }
        let request = |wire: &mut Self, at: u64, fate: Fate| {
            wire.send(at, Parcel::Request(message.clone(), fate));
        };
        match fault {
            0 => {
                tally.fault("host machine hangs");
                request(self, there, Fate::Lost);
            }
            1..5 => tally.fault("request lost"),
            5..7 => {
                tally.fault("taken in and forgotten");
                request(self, there, Fate::Forgotten);
            }
            7..14 => {
                tally.fault("answer lost");
                request(self, there, Fate::Lost);
            }
            14..19 => {
                tally.fault("request late");
                let at = there + dice.between(SECOND, 200 * SECOND);
                request(self, at, Fate::Delivered);
            }
            19..24 => {
                tally.fault("answer late");
                request(self, there, Fate::Late);
            }
            24..28 => {
                tally.fault("request doubled");
                let again = there + dice.between(MS, 100 * SECOND);
                request(self, there, Fate::Delivered);
                request(self, again, Fate::Delivered);
            }
            28..32 => {
                tally.fault("answer doubled");
                request(self, there, Fate::Doubled);
            }
            32..35 => {
                tally.fault("answer damaged");
                request(self, there, Fate::Damaged);
            }
            35..39 => {
                tally.fault("connection broken");
                self.send(now + dice.between(MS, SECOND), Parcel::GivenUp(exchange, true));
                if dice.percent(50) {
                    request(self, there, Fate::Lost);
                }
            }
            39..42 => {
                tally.fault("nothing written");
                self.send(now + dice.between(MS, SECOND), Parcel::GivenUp(exchange, false));
            }
            _ => request(self, there, Fate::Delivered),
        }
        true
    }

    /// The next thing arrives; what the terminal's host machine makes of it.
    pub fn deliver(&mut self, acquirer: &mut Acquirer, right_master: bool, dice: &mut Dice) -> Option<Event> {
        let ((at, _), parcel) = self.post.pop_first()?;
        match parcel {
            Parcel::Reached(exchange) if exchange == self.exchange && self.line == Line::Reaching => {
                self.line = Line::Up;
                Some(Event::HostReached)
            }
            Parcel::Unreachable(exchange) if exchange == self.exchange && self.line == Line::Reaching => {
                self.hang_up();
                let cause =
                    dice.one_of([Cause::N05, Cause::N06, Cause::N01, Cause::N02, Cause::N04, Cause::N05, Cause::N09]);
                Some(failed(cause, false))
            }
            Parcel::GivenUp(exchange, sent) if exchange == self.exchange && matches!(self.line, Line::Asked(_)) => {
                self.hang_up();
                let cause = if sent { dice.one_of([Cause::B06, Cause::N10]) } else { Cause::N05 };
                Some(failed(cause, sent))
            }
            Parcel::Reached(_) | Parcel::Unreachable(_) | Parcel::GivenUp(..) => None,
            Parcel::Request(_, Fate::Forgotten) => None,
            Parcel::Request(message, fate) => {
                let answer = acquirer.take(&message, right_master, at, dice);
                self.answer(at, message, answer, fate, dice);
                None
            }
            Parcel::Answer(message, answer) => self.answered(&message, *answer),
        }
    }

    fn answer(&mut self, at: u64, message: Message, answer: HostAnswer, fate: Fate, dice: &mut Dice) {
        let back = at + dice.between(10 * MS, 300 * MS);
        let send = |wire: &mut Self, at: u64, answer: HostAnswer| {
            wire.send(at, Parcel::Answer(message.clone(), Box::new(answer)));
        };
        match fate {
            Fate::Lost | Fate::Forgotten => {}
            Fate::Delivered => send(self, back, answer),
            Fate::Late => send(self, back + dice.between(30 * SECOND, 200 * SECOND), answer),
            Fate::Doubled => {
                send(self, back, answer.clone());
                send(self, back + dice.between(MS, 60 * SECOND), answer);
            }
            Fate::Damaged => send(self, back, damaged(answer)),
        }
    }

    /// An answer that fits no request under way is dropped, as the real host machine drops it.
    fn answered(&mut self, to: &Message, answer: HostAnswer) -> Option<Event> {
        match &self.line {
            Line::Asked(message) if message.same_exchange(to) => {}
            _ => return None,
        }
        self.hang_up();
        if let HostAnswer::SignIn(sign_in) = &answer
            && let KeyCheck::Good { wrapped } = &sign_in.keys
        {
            self.pending = wrapped.as_slice().try_into().ok().map(u32::from_be_bytes);
        }
        Some(Event::HostReplied(answer))
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}

fn failed(cause: Cause, sent: bool) -> Event {
    Event::HostFailed(HostFailure { cause, sent, connect: None, evidence: format!("{cause} was seen") })
}

/// Somebody on the way changed it: whatever it said, it says "approved" now, but its MAC is wrong, or its keys do not check.
fn damaged(answer: HostAnswer) -> HostAnswer {
    match answer {
        HostAnswer::Sale(parts) => {
            HostAnswer::Sale(SaleAnswer { response: response("00"), mac: MacCheck::Bad, ..parts })
        }
        HostAnswer::OfflineSale(parts) => {
            HostAnswer::OfflineSale(SaleAnswer { response: response("00"), mac: MacCheck::Bad, ..parts })
        }
        HostAnswer::Reversal { asks, .. } => {
            HostAnswer::Reversal { response: response("00"), mac: MacCheck::Bad, asks }
        }
        HostAnswer::SignIn(mut parts) => {
            if let KeyCheck::Good { .. } = parts.keys {
                let evidence = "key block damaged".to_owned();
                parts.keys = KeyCheck::Bad { cause: Cause::K03, evidence };
            }
            HostAnswer::SignIn(parts)
        }
        other => other,
    }
}
