//! The host as a machine: bytes and time in, bytes out.
//!
//! Owns: connections as numbers, framing, addresses, faults, answers that wait for their time. Must not know: sockets,
//! TLS, files, any clock. What a request means is the `centre`'s business.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zeroize::Zeroizing;

use super::centre::Centre;
use super::delivery::{self, Parcel, Then};
use super::fault::{Door, Fault, Faults, GRAMMAR, Path, Plan};
use super::forced::{Forced, by_amount};
use crate::codec::frame::{Framer, Header};
use crate::codec::iso8583::{EncodeError, Message, Mti};
use crate::domain::time::{Instant, Now};
use crate::domain::training::GREETING;

/// Answers that may wait for their time.
const MAX_WAITING: usize = 4_096;

/// Uploads whose amount forces something that are remembered to have come; beyond that it is forced again.
const MAX_FORCED: usize = 65_536;

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// What has happened on the network.
pub enum Event<'a> {
    /// A terminal has connected.
    Connected {
        /// Its connection.
        link: LinkId,
    },
    /// Bytes have come, out of TLS if there is any.
    Received {
        /// On which connection.
        link: LinkId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The terminal has gone.
    Closed {
        /// Which connection.
        link: LinkId,
    },
}

/// What is to be done.
#[derive(PartialEq, Eq)]
pub enum Output {
    /// Bytes to a terminal, through TLS if there is any.
    Send {
        /// On which connection.
        link: LinkId,
        /// The bytes.
        bytes: Zeroizing<Vec<u8>>,
    },
    /// Bytes to a terminal past TLS, as from something that is not this host.
    SendBare {
        /// On which connection.
        link: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// End a connection once everything is sent.
    Close {
        /// Which connection.
        link: LinkId,
    },
    /// End a connection at once with a reset.
    Reset {
        /// Which connection.
        link: LinkId,
    },
    /// Listen for connections, or refuse them.
    Listen(bool),
    /// A line for the ledger's file.
    Record(String),
    /// A captured frame: `in` or `out`, its connection, the bytes.
    Captured {
        /// Whether it came from the terminal.
        inward: bool,
        /// Which connection.
        link: LinkId,
        /// The frame with its length.
        frame: Zeroizing<Vec<u8>>,
    },
    /// A line for a person; no card data.
    Remark(String),
}

struct Link {
    framer: Framer,
    /// Nothing is answered any more.
    mute: bool,
    /// Answers wait until then.
    hold: Instant,
}

struct Waiting {
    due: Instant,
    link: LinkId,
    parcel: Parcel,
}

/// The host.
pub struct Host {
    centre: Centre,
    faults: Faults,
    links: BTreeMap<LinkId, Link>,
    /// In the order in which they are due.
    waiting: VecDeque<Waiting>,
    /// Uploads to which their amount has been done: batch and trace.
    forced: BTreeSet<(String, String)>,
    outputs: VecDeque<Output>,
    listening: bool,
}

impl Host {
    /// A host that listens.
    pub fn new(centre: Centre) -> Self {
        Self {
            centre,
            faults: Faults::default(),
            links: BTreeMap::new(),
            waiting: VecDeque::new(),
            forced: BTreeSet::new(),
            outputs: VecDeque::new(),
            listening: true,
        }
    }

    /// Takes notice of what has happened.
    pub fn handle(&mut self, now: Now, event: Event<'_>) {
        match event {
            Event::Connected { link } => self.connected(link),
            Event::Received { link, bytes } => self.received(now, link, bytes),
            Event::Closed { link } => {
                self.links.remove(&link);
                self.waiting.retain(|waiting| waiting.link != link);
            }
        }
    }

    /// Sends the answers whose time has come.
    pub fn expire(&mut self, now: Now) {
        while self.waiting.front().is_some_and(|waiting| waiting.due <= now.mono) {
            if let Some(Waiting { link, parcel, .. }) = self.waiting.pop_front() {
                self.send(link, parcel);
            }
        }
    }

    /// When the next answer is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.due)
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Carries out a line of the control socket.
    pub fn order(&mut self, line: &str) -> Result<String, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("fault", fault) => self.faults.arm(Fault::parse(fault)?)?,
            ("clear", "") => self.faults.clear(),
            ("hang-up", "") => {
                let all: Vec<LinkId> = self.links.keys().copied().collect();
                all.into_iter().for_each(|link| self.end(link));
            }
            ("ledger", "") => return Ok(self.centre.report()),
            ("faults", "") => return Ok(self.faults.count().to_string()),
            ("batch", number) => match number.parse() {
                Ok(batch @ 1..=999_998) => self.centre.set_batch(batch),
                _ => return Err("batch takes a number from 1 to 999998".to_owned()),
            },
            ("find", numbers) => return self.find(numbers),
            ("forget-keys", "") => self.centre.forget_keys(),
            ("help", "") => return Ok(help()),
            _ => return Err(format!("no order '{line}'; {}", help())),
        }
        if self.listening == self.faults.is_shut() {
            self.listening = !self.listening;
            self.outputs.push_back(Output::Listen(self.listening));
        }
        Ok(String::new())
    }

    fn find(&self, numbers: &str) -> Result<String, String> {
        let mut numbers = numbers.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(batch)), Some(Ok(trace)), None) => {
                Ok(self.centre.find(batch, trace).unwrap_or_else(|| "none".to_owned()))
            }
            _ => Err("find takes a batch and a trace".to_owned()),
        }
    }

    fn connected(&mut self, link: LinkId) {
        self.centre.counters.connections += 1;
        let door = self.faults.at_the_door();
        match door {
            Some(Door::Refuse) => return self.outputs.push_back(Output::Reset { link }),
            Some(Door::Close) => return self.outputs.push_back(Output::Close { link }),
            Some(Door::Garbage) => {
                let bytes = self.centre.random(200);
                self.outputs.extend([Output::SendBare { link, bytes }, Output::Close { link }]);
                return;
            }
            Some(Door::Html) => {
                let bytes = delivery::html().to_vec();
                self.outputs.extend([Output::SendBare { link, bytes }, Output::Close { link }]);
                return;
            }
            Some(Door::Hang) => {}
            None if self.centre.settings.training => {
                self.outputs.push_back(Output::SendBare { link, bytes: GREETING.to_vec() });
            }
            None => {}
        }
        let framer = Framer::new(Framer::USUAL_MAX);
        self.links.insert(link, Link { framer, mute: door.is_some(), hold: Instant(0) });
    }

    fn received(&mut self, now: Now, link: LinkId, mut bytes: &[u8]) {
        loop {
            let Some(Link { framer, mute: false, .. }) = self.links.get_mut(&link) else { return };
            match framer.push(&mut bytes) {
                Ok(Some(body)) => self.frame(now, link, &body),
                Ok(None) => return,
                Err(error) => {
                    self.drop_request("unframed");
                    self.remark(format!("connection {}: {error}", link.0));
                    self.end(link);
                    return;
                }
            }
        }
    }

    fn frame(&mut self, now: Now, link: LinkId, body: &[u8]) {
        self.capture(true, link, || delivery::framed(body));
        let (header, request) = match Message::decode(body) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.drop_request("undecodable");
                return self.remark(format!("connection {}: {error}", link.0));
            }
        };
        let [id, destination @ .., _, _] = header.tpdu;
        let [application, ..] = header.header;
        if id != 0x60 || destination != self.centre.settings.address || !matches!(application, 0x60 | 0x61) {
            return self.drop_request("misaddressed");
        }
        if request.mti().is_answer() {
            return self.drop_request("answer");
        }
        if let Err(error) = self.request(now, link, &header, &request) {
            // Only if the request's own fields do not fit an answer.
            self.drop_request("unanswerable");
            self.remark(format!("{}: {error}", request.mti()));
        }
    }

    fn request(&mut self, now: Now, link: LinkId, header: &Header, request: &Message) -> Result<(), EncodeError> {
        *self.centre.counters.requests.entry(request.mti().to_string()).or_default() += 1;
        let plan = self.plan(request);
        match &plan.path {
            Some(Path::Ignore) => {
                self.remark(format!("{}: ignored", named(request)));
                return Ok(());
            }
            Some(Path::CloseBefore) => {
                self.end(link);
                return Ok(());
            }
            Some(Path::Html) => {
                let bytes = Zeroizing::new(delivery::html().to_vec());
                self.send(link, Parcel { bytes: vec![bytes], then: Then::Close });
                return Ok(());
            }
            Some(_) | None => {}
        }
        let decision = self.centre.decide(now.wall, request, &plan)?;
        self.outputs.extend(decision.record.map(Output::Record));
        self.remark(format!("{}: {}", named(request), decision.remark));
        let header = header.swapped().with_processing_request(plan.asks);
        let answer = delivery::Answer { header, message: decision.answer, sign: decision.sign };
        let wrong_mac = plan.wrong_mac;
        let parcel = delivery::pack(&mut self.centre, &answer, plan.path.as_ref(), wrong_mac)?;
        self.schedule(now.mono, link, plan.path.as_ref(), parcel);
        Ok(())
    }

    /// What is to go wrong: the armed faults, else what the amount asks for.
    fn plan(&mut self, request: &Message) -> Plan {
        let mut plan = self.faults.for_request(request.mti().to_bytes());
        let amount = request.text(4).and_then(|digits| digits.parse().ok());
        let upload = matches!(request.mti(), Mti::FINANCIAL_ADVICE | Mti::FINANCIAL_ADVICE_REPEAT);
        if (upload || request.mti() == Mti::FINANCIAL)
            && let Some(forced) = amount.and_then(|minor| by_amount(minor, self.centre.settings.late))
        {
            match forced {
                // The centre looks at the amount itself.
                Forced::Code(_) => {}
                Forced::Script(_) if upload => {}
                Forced::Script(template) => plan.script = plan.script.or(Some(template)),
                Forced::Path(_) | Forced::WrongMac if upload && !self.is_first(request) => {}
                Forced::Path(path) => plan.path = plan.path.or(Some(path)),
                Forced::WrongMac => plan.wrong_mac = true,
            }
        }
        plan
    }

    /// Whether this upload comes for the first time.
    fn is_first(&mut self, request: &Message) -> bool {
        if self.forced.len() >= MAX_FORCED {
            self.forced.clear();
        }
        let text = |field| request.text(field).unwrap_or_default();
        let batch = text(60).get(2..8).unwrap_or_default();
        self.forced.insert((batch.to_owned(), text(11).to_owned()))
    }

    fn schedule(&mut self, now: Instant, link: LinkId, path: Option<&Path>, parcel: Parcel) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let due = match path {
            Some(Path::Late(span)) => now.after(*span),
            Some(Path::Delay(span)) => {
                state.hold = state.hold.max(now.after(*span));
                state.hold
            }
            _ => state.hold,
        };
        if due <= now {
            return self.send(link, parcel);
        }
        if self.waiting.len() >= MAX_WAITING {
            return self.drop_request("too-many-waiting");
        }
        let place = self.waiting.partition_point(|waiting| waiting.due <= due);
        self.waiting.insert(place, Waiting { due, link, parcel });
    }

    fn send(&mut self, link: LinkId, parcel: Parcel) {
        for bytes in parcel.bytes {
            self.capture(false, link, || bytes.clone());
            self.outputs.push_back(Output::Send { link, bytes });
        }
        match parcel.then {
            Then::Nothing => {}
            Then::Close => self.end(link),
            Then::Silence => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.mute = true;
                }
            }
        }
    }

    /// Ends a connection from this side.
    fn end(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.waiting.retain(|waiting| waiting.link != link);
        self.outputs.push_back(Output::Close { link });
    }

    fn drop_request(&mut self, why: &'static str) {
        *self.centre.counters.dropped.entry(why).or_default() += 1;
    }

    fn remark(&mut self, line: String) {
        self.outputs.push_back(Output::Remark(line));
    }

    fn capture(&mut self, inward: bool, link: LinkId, frame: impl FnOnce() -> Zeroizing<Vec<u8>>) {
        if self.centre.settings.capture {
            self.outputs.push_back(Output::Captured { inward, link, frame: frame() });
        }
    }
}

/// A request in a remark: what it is, never whose card.
fn named(request: &Message) -> String {
    let field = |number| request.text(number).unwrap_or("-");
    format!("{} trace {} amount {} field 60 {}", request.mti(), field(11), field(4), field(60))
}

/// One line for people.
fn help() -> String {
    let grammar: Vec<String> =
        GRAMMAR.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    format!(
        "orders: ledger / find BATCH TRACE / faults / clear / batch N / forget-keys / quit / {}",
        grammar.join(" / ")
    )
}
