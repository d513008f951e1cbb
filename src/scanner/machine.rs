//! The one scanner machine that the core loop drives: bytes and the state of the port in, scans and states out.
//!
//! Owns: whether the scanner is there and answers, what is asked of it when, repeats of one code, the bound on how many codes
//! are taken. A device that knows commands is asked whether it is there, when the port opens and whenever it has been quiet
//! for a while; of one that knows none, an open port is all there is to see.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::scan::{CodeRange, Scan};
use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::scanner::gm65::{self, Reply};
use crate::scanner::stream::{Piece, Stream};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_millis(500);
/// So often it is asked before it counts as mute.
const TRIES: u8 = 3;
/// After so long without a word from it, it is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);
/// The rest before a mute one is asked again: at first, and at most.
const RESTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long the port may take to come back when it is reopened.
const REOPEN: Duration = Duration::from_secs(3);
/// The same code again within this is the same scan, seen twice.
const REPEAT: Duration = Duration::from_secs(2);
/// So many codes are taken at once, and one more each [`PACE`].
const BURST: u32 = 5;
const PACE: Duration = Duration::from_millis(500);
/// What is not taken is told at most so often.
const TELL: Duration = Duration::from_secs(60);
/// A Honeywell's light goes out by command: after a code, or after this.
const LIGHT: Duration = Duration::from_secs(10);

const HONEYWELL_ON: [u8; 3] = [0x16, b'T', b'\r'];
const HONEYWELL_OFF: [u8; 3] = [0x16, b'U', b'\r'];

/// What the scanner understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GM65 commands.
    Gm65,
    /// None: it sends what it reads.
    Line,
}

/// How it is told to read a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By its own button or stand.
    None,
    /// By `16 54 0D`, and `16 55 0D` to stop.
    Honeywell,
    /// By a GM65 command.
    Gm65,
}

/// How it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it understands.
    pub kind: Kind,
    /// How it is told to read.
    pub trigger: Trigger,
    /// The customers' payment codes of this acquirer.
    pub ranges: Vec<CodeRange>,
}

/// What happened.
pub enum Event {
    /// The port is open.
    Opened,
    /// The port is gone.
    Closed,
    /// Bytes came.
    Received(SecretBytes),
    /// Somebody wants it brought up anew.
    ResetAsked,
    /// Somebody wants it to read a code.
    TriggerAsked,
}

/// What is to be done or known.
pub enum Output {
    /// Write these bytes.
    Write(SecretBytes),
    /// Close the port and open it again.
    Reopen,
    /// It is in another state.
    StateChanged(DeviceState, Option<Cause>),
    /// It said what it is.
    Identified {
        /// Model.
        model: String,
        /// Version of its program; "" if it does not tell.
        firmware: String,
    },
    /// A code was scanned.
    Scanned(Scan),
    /// So much was not taken since this was told last.
    NotTaken {
        /// Too long, not text, or without its end.
        rejected: u64,
        /// Too many at once.
        dropped: u64,
    },
}

/// Counted since the start. Nothing here says which codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Codes that were taken.
    pub scans: u64,
    /// Repeats of the code before.
    pub repeats: u64,
    /// Too long, not text, or without an end.
    pub rejected: u64,
    /// Above the bound.
    pub dropped: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is known of the port yet.
    Starting,
    Absent,
    /// The port is being reopened.
    Reopening {
        until: Instant,
    },
    /// It was asked whether it is there.
    Asked {
        tries: u8,
        until: Instant,
    },
    /// It is there and was asked for its version.
    AskedVersion {
        until: Instant,
    },
    /// It works; asked again at `check`, where it can be.
    Ready {
        check: Option<Instant>,
    },
    /// It works as far as known, and was asked whether it is still there.
    Checking {
        tries: u8,
        until: Instant,
    },
    /// It does not answer.
    Mute {
        again: Instant,
    },
}

/// The scanner.
pub struct Scanner {
    settings: Settings,
    state: State,
    /// Whether it was mute and has not answered since.
    mute: bool,
    rest: Duration,
    stream: Stream,
    /// The last code, until it may be scanned again.
    last: Option<(SecretBytes, Instant)>,
    room: u32,
    refill: Option<Instant>,
    /// When the light goes out.
    light: Option<Instant>,
    told: (Statistics, Option<Instant>),
    statistics: Statistics,
    announced: (DeviceState, Option<Cause>),
    outputs: VecDeque<Output>,
}

impl Scanner {
    /// A scanner of which nothing is known yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            stream: Stream::new(settings.kind == Kind::Gm65),
            settings,
            state: State::Starting,
            mute: false,
            rest: RESTS.0,
            last: None,
            room: BURST,
            refill: None,
            light: None,
            told: (Statistics::default(), None),
            statistics: Statistics::default(),
            announced: (DeviceState::Starting, None),
            outputs: VecDeque::new(),
        }
    }

    /// The same, as if nothing had been seen of it; what it has counted stays.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { statistics: self.statistics, told: self.told, ..Self::new(self.settings.clone()) }
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened => self.opened(now),
            Event::Closed => self.closed(),
            Event::Received(bytes) => self.received(now, &bytes),
            Event::ResetAsked => self.reopen(now),
            Event::TriggerAsked => self.trigger(now),
        }
        self.announce();
    }

    /// Does what has become due.
    pub fn expire(&mut self, now: Instant) {
        self.stream.expire(now);
        self.heed_stream(now);
        if self.last.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.last = None;
        }
        if self.light.is_some_and(|t| t <= now) {
            self.light_out();
        }
        if self.told.1.is_some_and(|t| t <= now) {
            self.told.1 = None;
            self.tell_not_taken(now);
        }
        self.expire_state(now);
        self.announce();
    }

    /// When [`Scanner::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let state = match self.state {
            State::Starting | State::Absent => None,
            State::Reopening { until }
            | State::Asked { until, .. }
            | State::AskedVersion { until }
            | State::Checking { until, .. } => Some(until),
            State::Ready { check } => check,
            State::Mute { again } => Some(again),
        };
        let repeat = self.last.as_ref().map(|(_, until)| *until);
        [state, repeat, self.stream.deadline(), self.light, self.told.1].into_iter().flatten().min()
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// State and fault, as shown on the bus.
    pub fn state(&self) -> (DeviceState, Option<Cause>) {
        match self.state {
            State::Absent => (DeviceState::Absent, Some(Cause::H10)),
            State::Ready { .. } | State::Checking { .. } => (DeviceState::Ready, None),
            _ if self.mute => (DeviceState::Failed, Some(Cause::H11)),
            State::Starting
            | State::Reopening { .. }
            | State::Asked { .. }
            | State::AskedVersion { .. }
            | State::Mute { .. } => (DeviceState::Starting, None),
        }
    }

    /// Whether it can be told to read a code.
    pub fn can_trigger(&self) -> bool {
        self.settings.trigger != Trigger::None && self.state().0 == DeviceState::Ready
    }

    /// The counts so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    fn opened(&mut self, now: Instant) {
        self.stream = Stream::new(self.settings.kind == Kind::Gm65);
        self.light = None;
        match self.settings.kind {
            Kind::Gm65 => self.ask(now, 1),
            Kind::Line => self.ready(now, "line-mode scanner", String::new()),
        }
    }

    fn closed(&mut self) {
        self.stream = Stream::new(self.settings.kind == Kind::Gm65);
        self.light = None;
        if !matches!(self.state, State::Reopening { .. }) {
            self.state = State::Absent;
            self.mute = false;
            self.rest = RESTS.0;
        }
    }

    fn reopen(&mut self, now: Instant) {
        if matches!(self.state, State::Absent | State::Starting) {
            // Nothing is open; the driver looks for it all the time.
            return;
        }
        self.state = State::Reopening { until: now.after(REOPEN) };
        self.outputs.push_back(Output::Reopen);
    }

    fn ask(&mut self, now: Instant, tries: u8) {
        self.write(gm65::heartbeat());
        self.state = State::Asked { tries, until: now.after(ANSWER) };
    }

    fn ready(&mut self, now: Instant, model: &str, firmware: String) {
        self.mute = false;
        self.rest = RESTS.0;
        self.state = State::Ready { check: self.check_at(now) };
        self.outputs.push_back(Output::Identified { model: model.to_owned(), firmware });
    }

    fn check_at(&self, now: Instant) -> Option<Instant> {
        (self.settings.kind == Kind::Gm65).then(|| now.after(QUIET))
    }

    fn expire_state(&mut self, now: Instant) {
        match self.state {
            State::Starting | State::Absent | State::Ready { check: None } => {}
            // The driver has not said that it is open again: what it said last holds.
            State::Reopening { until } if until <= now => {
                self.mute = false;
                self.state = State::Absent;
            }
            State::Asked { tries, until } if until <= now => {
                if tries < TRIES {
                    self.ask(now, tries + 1)
                } else {
                    self.fell_mute(now)
                }
            }
            State::AskedVersion { until } if until <= now => self.ready(now, "GM65", String::new()),
            State::Ready { check: Some(check) } if check <= now => self.check(now, 1),
            State::Checking { tries, until } if until <= now => {
                if tries < TRIES {
                    self.check(now, tries + 1)
                } else {
                    self.fell_mute(now)
                }
            }
            // It may have been set to another rate or plugged into another port: everything from the start.
            State::Mute { again } if again <= now => self.reopen(now),
            State::Reopening { .. }
            | State::Asked { .. }
            | State::AskedVersion { .. }
            | State::Ready { .. }
            | State::Checking { .. }
            | State::Mute { .. } => {}
        }
    }

    fn check(&mut self, now: Instant, tries: u8) {
        self.write(gm65::heartbeat());
        self.state = State::Checking { tries, until: now.after(ANSWER) };
    }

    fn fell_mute(&mut self, now: Instant) {
        self.mute = true;
        self.state = State::Mute { again: now.after(self.rest) };
        self.rest = (self.rest * 2).min(RESTS.1);
    }

    fn received(&mut self, now: Instant, bytes: &SecretBytes) {
        self.stream.feed(now, bytes.expose());
        self.heed_stream(now);
    }

    fn heed_stream(&mut self, now: Instant) {
        while let Some(piece) = self.stream.poll() {
            match piece {
                Piece::Reply(reply) => self.replied(now, &reply),
                Piece::Code(code) => self.code(now, code),
                Piece::Rejected => {
                    self.statistics.rejected += 1;
                    self.tell_not_taken(now);
                }
            }
        }
    }

    fn replied(&mut self, now: Instant, reply: &Reply) {
        match self.state {
            State::Asked { .. } | State::Mute { .. } if reply.heartbeat => {
                self.write(gm65::ask_version());
                self.state = State::AskedVersion { until: now.after(ANSWER) };
            }
            State::AskedVersion { .. } if !reply.heartbeat => {
                let version = reply.data.first().filter(|v| reply.status == 0 && **v > 0);
                self.ready(now, "GM65", version.map_or_else(String::new, u8::to_string));
            }
            State::Ready { .. } | State::Checking { .. } => self.state = State::Ready { check: self.check_at(now) },
            State::Starting
            | State::Absent
            | State::Reopening { .. }
            | State::Asked { .. }
            | State::AskedVersion { .. }
            | State::Mute { .. } => {}
        }
    }

    fn code(&mut self, now: Instant, code: SecretBytes) {
        if let State::Ready { .. } | State::Checking { .. } = self.state {
            // Whoever reads codes is there.
            self.state = State::Ready { check: self.check_at(now) };
        }
        if self.light.is_some() {
            self.light_out();
        }
        let until = now.after(REPEAT);
        if let Some((last, again)) = &mut self.last
            && *again > now
            && *last == code
        {
            *again = until;
            self.statistics.repeats += 1;
            return;
        }
        if !self.take_room(now) {
            self.statistics.dropped += 1;
            return self.tell_not_taken(now);
        }
        self.statistics.scans += 1;
        self.outputs.push_back(Output::Scanned(Scan::classify(&code, &self.settings.ranges)));
        self.last = Some((code, until));
    }

    fn take_room(&mut self, now: Instant) -> bool {
        let since = self.refill.map_or(Duration::MAX, |t| now.since(t));
        let more = u32::try_from(since.as_millis() / PACE.as_millis()).unwrap_or(BURST);
        if more > 0 {
            self.room = self.room.saturating_add(more).min(BURST);
            self.refill = Some(now);
        }
        let free = self.room > 0;
        self.room = self.room.saturating_sub(1);
        free
    }

    fn tell_not_taken(&mut self, now: Instant) {
        let (before, wait) = self.told;
        let (rejected, dropped) =
            (self.statistics.rejected - before.rejected, self.statistics.dropped - before.dropped);
        if wait.is_none() && rejected + dropped > 0 {
            self.outputs.push_back(Output::NotTaken { rejected, dropped });
            self.told = (self.statistics, Some(now.after(TELL)));
        }
    }

    fn trigger(&mut self, now: Instant) {
        if !self.can_trigger() {
            return;
        }
        match self.settings.trigger {
            Trigger::None => {}
            Trigger::Gm65 => self.write(gm65::trigger()),
            Trigger::Honeywell => {
                self.write(HONEYWELL_ON.to_vec());
                self.light = Some(now.after(LIGHT));
            }
        }
    }

    fn light_out(&mut self) {
        self.light = None;
        self.write(HONEYWELL_OFF.to_vec());
    }

    fn write(&mut self, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Write(SecretBytes::new(bytes)));
    }

    fn announce(&mut self) {
        let state = self.state();
        if state != self.announced {
            self.announced = state;
            self.outputs.push_back(Output::StateChanged(state.0, state.1));
        }
    }
}

#[cfg(test)]
mod tests;
