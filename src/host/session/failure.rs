//! Giving up: which cause is named, and what evidence goes with it.

use super::{Departure, Host, HostOutput, Link, NoticeKind, Prepared, State};
use crate::codec::frame::FrameError;
use crate::codec::iso8583::{DecodeError, DecodeErrorKind};
use crate::domain::cause::Cause;
use crate::domain::host::HostFailure;
use crate::domain::link::{ConnectFailure, ConnectFailureKind};

impl Host {
    /// No address worked. Nothing of a request has been sent, unless an earlier one was dropped for it.
    pub(super) fn unreachable(&mut self, failures: &[(usize, ConnectFailure)], tainted: bool) {
        let connect = failures.iter().map(|(_, failure)| failure.kind).max_by_key(|kind| telling(*kind));
        let cause = connect.map_or(Cause::N05, ConnectFailureKind::cause);
        let seen: Vec<String> =
            failures.iter().map(|(at, failure)| format!("{}: {}", self.endpoint(*at), failure.evidence)).collect();
        self.outputs.push_back(HostOutput::Failed(HostFailure {
            cause,
            sent: tainted,
            connect,
            evidence: seen.join("; "),
        }));
    }

    /// An exchange ends without its answer. The next attempt begins at the next address.
    pub(super) fn unanswered(&mut self, link: &Link, request: Prepared, sent: bool, why: &str) {
        let heard = self.heard.get(link.address).copied().unwrap_or_default();
        // Never a byte from there: the host may drop what it does not recognise (TPDU, header) without a word.
        let cause = match (sent, heard) {
            (_, false) => Cause::N10,
            (true, true) => Cause::B06,
            (false, true) => Cause::N05,
        };
        let half = if link.framer.is_mid_frame() { "; half a message had come" } else { "" };
        self.end(link, request, cause, sent, &format!("{why}{half}"));
    }

    fn end(&mut self, link: &Link, request: Prepared, cause: Cause, sent: bool, why: &str) {
        let evidence = format!("{} to {}: {why}", request.expected, self.endpoint(link.address));
        let sent = sent || request.tainted;
        if sent {
            self.past.abandoned(request.expected);
        }
        self.prefer_next(link);
        self.outputs.push_back(HostOutput::Failed(HostFailure { cause, sent, connect: None, evidence }));
    }

    /// An address that answers no connection or no request is not the one to begin with next time.
    pub(super) fn prefer_next(&mut self, link: &Link) {
        self.preferred = (link.address + 1) % self.profile.addresses.len().max(1);
    }

    /// The stream cannot be cut into frames.
    pub(super) fn garbage(&mut self, bytes: &[u8], error: &FrameError) {
        let seen = match http_status(bytes) {
            Some(status) => format!("a web page answered ({status})"),
            None if error.looks_like_http() => "a web page answered".to_owned(),
            // An alert or handshake record of any TLS version.
            None if matches!(bytes, [0x15 | 0x16, 3, ..]) => {
                "the host speaks TLS here: set tls.mode in the profile".to_owned()
            }
            None => error.to_string(),
        };
        self.notice(NoticeKind::Garbage, seen.clone());
        self.break_off(error.cause(), &seen);
    }

    /// A whole frame that is no message.
    pub(super) fn unreadable(&mut self, frame: &[u8], error: DecodeError) {
        // Behind a right TPDU and type it is the acquirer's host, and the formats differ; otherwise it is somebody else.
        let header_bad = error.field.is_none() && !matches!(error.kind, DecodeErrorKind::TrailingBytes { .. });
        let host = frame.first() == Some(&0x60) && !header_bad;
        let (cause, what) = if host { (Cause::S06, "an answer") } else { (Cause::N08, "something") };
        let seen = format!("{what} of {} bytes that cannot be read came: {error}", frame.len());
        self.notice(NoticeKind::Garbage, seen.clone());
        self.break_off(cause, &seen);
    }

    /// Leaves a peer that cannot be talked to.
    pub(super) fn break_off(&mut self, cause: Cause, why: &str) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Connected { link, .. } => self.disconnect(link.connection),
            State::Asking { link, exchange } => {
                self.disconnect(link.connection);
                // It may have left even if the driver has not said so yet.
                let sent = match exchange.departure {
                    Departure::Handed | Departure::HandedAndClosed { .. } | Departure::Left => true,
                };
                self.end(&link, exchange.request, cause, sent, why);
            }
            other @ (State::Idle | State::Reaching(_)) => self.state = other,
        }
    }
}

/// How telling a failed attempt is beside the failures of other addresses.
fn telling(kind: ConnectFailureKind) -> u8 {
    match kind {
        // Somebody may be listening in: that outweighs any line that is merely down.
        ConnectFailureKind::CertificateRefused => 6,
        ConnectFailureKind::Setup => 5,
        ConnectFailureKind::NotTls => 4,
        // Somebody answers there.
        ConnectFailureKind::Handshake | ConnectFailureKind::Refused => 3,
        ConnectFailureKind::TimedOut => 2,
        ConnectFailureKind::NameNotFound => 1,
        ConnectFailureKind::Unreachable => 0,
    }
}

/// `HTTP/1.1 302`, if the bytes begin like that. Nothing else of them is shown.
fn http_status(bytes: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(bytes.get(..12)?).ok()?;
    let rest = head.strip_prefix("HTTP/1.")?;
    rest.bytes().all(|b| b.is_ascii_digit() || b == b' ').then_some(head)
}
