//! One exchange: the request leaves, frames come, one of them is the answer.

use std::time::Duration;

use super::past::Kinship;
use super::{Departure, Exchange, Host, HostOutput, Link, NoticeKind, Prepared, State};
use crate::codec::frame::Header;
use crate::codec::iso8583::Message;
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, HostFailure, HostRequest};
use crate::domain::link::ConnectionId;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Instant;
use crate::host::message::{Fit, Kind, Reader, SignInResult, Writer};

/// How long the verdict on a write may take once the connection has ended.
const VERDICT_WITHIN: Duration = Duration::from_secs(2);
/// So many frames that answer nothing, and the peer is left.
const MOST_UNMATCHED: u8 = 32;

impl Host {
    pub(super) fn ask(&mut self, now: Instant, request: &HostRequest) {
        let (state, tainted) = match std::mem::replace(&mut self.state, State::Idle) {
            // Nothing waits for its answer any more, but it has left: whoever asks must not hear "nothing was sent".
            State::Asking { link, exchange } => {
                self.notice(
                    NoticeKind::Abandoned,
                    format!("{} was dropped for another request", exchange.request.expected),
                );
                self.past.abandoned(exchange.request.expected);
                self.disconnect(link.connection);
                (State::Idle, true)
            }
            State::Reaching(reaching) => {
                let tainted = reaching.request.as_ref().is_some_and(|request| request.tainted);
                (State::Reaching(reaching), tainted)
            }
            other => (other, false),
        };
        let prepared = match self.prepare(request, tainted) {
            Ok(prepared) => prepared,
            Err(failure) => {
                self.state = state;
                self.outputs.push_back(HostOutput::Failed(failure));
                return;
            }
        };
        match state {
            State::Connected { link, .. } => self.send(now, link, prepared),
            State::Reaching(mut reaching) => {
                reaching.request = Some(prepared);
                self.state = State::Reaching(reaching);
            }
            State::Idle | State::Asking { .. } => self.start_reaching(now, false, Some(prepared)),
        }
    }

    fn prepare(&mut self, request: &HostRequest, tainted: bool) -> Result<Prepared, HostFailure> {
        let failed = |cause, evidence| HostFailure { cause, sent: tainted, connect: None, evidence };
        if matches!(request, HostRequest::SignIn(_)) {
            // Keys of an earlier answer must not be installed for this one's.
            self.keys.set_pending(None);
            if !self.keys.has_master() {
                let evidence = "no master key is loaded; run `posctl keys load`".to_owned();
                return Err(failed(Cause::K04, evidence));
            }
        }
        let writer = Writer { profile: &self.profile, identity: &self.identity, keys: self.keys.working() };
        let (frame, expected) =
            writer.write(request).map_err(|error| failed(error.cause(), format!("request not written: {error}")))?;
        let timers = &self.profile.timers;
        let within = if expected.kind.financial() { timers.answer } else { timers.sign_in };
        Ok(Prepared { frame, expected, within, retried: false, tainted })
    }

    pub(super) fn send(&mut self, now: Instant, link: Link, request: Prepared) {
        self.outputs.push_back(HostOutput::Write { connection: link.connection, bytes: request.frame.clone() });
        let deadline = now.after(request.within);
        self.state = State::Asking { link, exchange: Exchange { request, deadline, departure: Departure::Handed } };
    }

    pub(super) fn written(&mut self, connection: ConnectionId) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking { link, mut exchange } if link.connection == connection => match exchange.departure {
                Departure::Handed | Departure::Left => {
                    exchange.departure = Departure::Left;
                    self.state = State::Asking { link, exchange };
                }
                Departure::HandedAndClosed { evidence } => {
                    let why = format!("the host closed the connection: {evidence}");
                    self.unanswered(&link, exchange.request, true, &why);
                }
            },
            other => self.state = other,
        }
    }

    pub(super) fn write_failed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        nothing_written: bool,
        evidence: &str,
    ) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking { link, exchange } if link.connection == connection => {
                self.disconnect(connection);
                let mut request = exchange.request;
                if nothing_written && !request.retried {
                    // Nothing left, so another connection is as good as the first: to the same address if this one had
                    // merely been kept too long, else to the next.
                    self.notice(NoticeKind::StaleConnection, format!("{evidence}; connecting anew"));
                    if !link.used {
                        self.prefer_next(&link);
                    }
                    request.retried = true;
                    self.start_reaching(now, false, Some(request));
                } else {
                    let why = format!("writing failed: {evidence}");
                    self.unanswered(&link, request, !nothing_written, &why);
                }
            }
            other => self.state = other,
        }
    }

    pub(super) fn closed(&mut self, now: Instant, connection: ConnectionId, evidence: String) {
        match std::mem::replace(&mut self.state, State::Idle) {
            // Idle connections end without anybody's harm.
            State::Connected { link, .. } if link.connection == connection => {}
            State::Asking { link, mut exchange } if link.connection == connection => match exchange.departure {
                Departure::Left => {
                    let why = format!("the host closed the connection: {evidence}");
                    self.unanswered(&link, exchange.request, true, &why);
                }
                Departure::Handed | Departure::HandedAndClosed { .. } => {
                    exchange.departure = Departure::HandedAndClosed { evidence };
                    exchange.deadline = exchange.deadline.min(now.after(VERDICT_WITHIN));
                    self.state = State::Asking { link, exchange };
                }
            },
            other => self.state = other,
        }
    }

    pub(super) fn answer_overdue(&mut self, link: Link, exchange: Exchange) {
        self.disconnect(link.connection);
        let why = match exchange.departure {
            Departure::Handed | Departure::Left => {
                format!("no answer in {} s", exchange.request.within.as_secs())
            }
            Departure::HandedAndClosed { evidence } => format!("the host closed the connection: {evidence}"),
        };
        self.unanswered(&link, exchange.request, true, &why);
    }

    pub(super) fn received(&mut self, now: Instant, connection: ConnectionId, bytes: &SecretBytes) {
        let current = match &self.state {
            State::Connected { link, .. } | State::Asking { link, .. } => link,
            State::Idle | State::Reaching(_) => return,
        };
        if current.connection != connection || bytes.expose().is_empty() {
            return;
        }
        if let Some(heard) = self.heard.get_mut(current.address) {
            *heard = true;
        }
        let mut rest = bytes.expose();
        loop {
            let framer = match &mut self.state {
                State::Connected { link, .. } | State::Asking { link, .. } => &mut link.framer,
                State::Idle | State::Reaching(_) => return,
            };
            match framer.push(&mut rest) {
                Ok(None) => return,
                Ok(Some(frame)) => self.frame(now, &frame),
                Err(error) => return self.garbage(bytes.expose(), &error),
            }
        }
    }

    fn frame(&mut self, now: Instant, frame: &[u8]) {
        let (header, message) = match Message::decode(frame) {
            Ok(decoded) => decoded,
            Err(error) => return self.unreadable(frame, error),
        };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking { link, exchange } => {
                let reader = Reader { profile: &self.profile, identity: &self.identity, keys: &self.keys };
                let expected = &exchange.request.expected;
                match reader.fit(expected, &message) {
                    Fit::No { why } => {
                        let why = format!("{why} while {expected} waits");
                        self.state = State::Asking { link, exchange };
                        self.unmatched(&message, &why);
                    }
                    fit @ (Fit::Yes | Fit::OtherTerminal { .. }) => {
                        let answer = self.read(expected.kind, &header, &message, &fit);
                        self.answered(now, link, exchange, answer);
                    }
                }
            }
            other => {
                self.state = other;
                self.unmatched(&message, "nothing was asked");
            }
        }
    }

    fn read(&mut self, kind: Kind, header: &Header, message: &Message, fit: &Fit) -> HostAnswer {
        let reader = Reader { profile: &self.profile, identity: &self.identity, keys: &self.keys };
        match kind {
            Kind::SignIn => {
                let SignInResult { answer, keys } = reader.sign_in(header, message, fit);
                self.keys.set_pending(keys);
                HostAnswer::SignIn(answer)
            }
            Kind::SignOut
            | Kind::Echo
            | Kind::Sale
            | Kind::Reversal
            | Kind::OfflineSale { .. }
            | Kind::ScriptReport => reader.read(kind, header, message),
        }
    }

    fn answered(&mut self, now: Instant, link: Link, exchange: Exchange, answer: HostAnswer) {
        self.past.answered(exchange.request.expected);
        self.outputs.push_back(HostOutput::Answered(answer));
        let idle_close = self.profile.timers.idle_close;
        if idle_close.is_zero() {
            self.disconnect(link.connection);
        } else {
            self.state = State::Connected { link: Link { used: true, ..link }, close_at: now.after(idle_close) };
        }
    }

    /// A good message that answers nothing that is being asked now.
    fn unmatched(&mut self, message: &Message, why: &str) {
        let kin = self.past.kin(message, &self.identity, &self.profile);
        let trace = message.text(11).unwrap_or("none");
        let about = format!("{} trace {trace}: {why}", message.mti());
        let kind = match kin {
            Kinship::Late => NoticeKind::Late,
            Kinship::Duplicate => NoticeKind::Duplicate,
            Kinship::None => NoticeKind::Foreign,
        };
        self.notice(kind, about);
        let link = match &mut self.state {
            State::Connected { link, .. } | State::Asking { link, .. } => link,
            State::Idle | State::Reaching(_) => return,
        };
        link.unmatched += 1;
        if link.unmatched >= MOST_UNMATCHED {
            self.break_off(Cause::B06, "the host keeps sending answers to nothing");
        }
    }
}
