//! Getting a connection: one address after the other, within a bounded time.

use super::{Exchange, GRACE, Host, HostOutput, Link, NoticeKind, Prepared, Reaching, State};
use crate::codec::frame::Framer;
use crate::domain::link::{ConnectFailure, ConnectFailureKind, ConnectionId};
use crate::domain::time::Instant;

impl Host {
    pub(super) fn reach(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => self.start_reaching(now, true, None),
            State::Reaching(reaching) => {
                self.state = State::Reaching(Reaching { tell_reached: true, ..reaching });
            }
            State::Connected { link, .. } => {
                self.outputs.push_back(HostOutput::Reached);
                self.state = State::Connected { link, close_at: self.keep_until(now) };
            }
            asking @ State::Asking { .. } => {
                self.outputs.push_back(HostOutput::Reached);
                self.state = asking;
            }
        }
    }

    pub(super) fn start_reaching(&mut self, now: Instant, tell_reached: bool, request: Option<Prepared>) {
        let reaching = Reaching {
            connection: self.last_connection,
            address: self.preferred,
            attempt_until: now,
            until: now.after(self.profile.timers.reach),
            failures: Vec::new(),
            tell_reached,
            request,
        };
        self.attempt(now, reaching);
    }

    /// Tries the address that `reaching` names.
    fn attempt(&mut self, now: Instant, mut reaching: Reaching) {
        self.last_connection = self.last_connection.next();
        reaching.connection = self.last_connection;
        reaching.attempt_until = now.after(self.profile.timers.connect).min(reaching.until);
        self.outputs.push_back(HostOutput::Connect {
            connection: reaching.connection,
            address_index: reaching.address,
            deadline: reaching.attempt_until,
        });
        self.state = State::Reaching(reaching);
    }

    pub(super) fn connected(&mut self, now: Instant, connection: ConnectionId) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Reaching(reaching) if reaching.connection == connection => self.reached(now, reaching),
            // News of an attempt that was given up; the driver has dropped it.
            other => self.state = other,
        }
    }

    fn reached(&mut self, now: Instant, reaching: Reaching) {
        self.preferred = reaching.address;
        let framer = Framer::new(Framer::USUAL_MAX);
        let link =
            Link { connection: reaching.connection, address: reaching.address, framer, used: false, unmatched: 0 };
        if reaching.tell_reached {
            self.outputs.push_back(HostOutput::Reached);
        }
        match reaching.request {
            Some(request) => self.send(now, link, request),
            None => self.state = State::Connected { link, close_at: self.keep_until(now) },
        }
    }

    pub(super) fn connect_failed(&mut self, now: Instant, connection: ConnectionId, failure: ConnectFailure) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Reaching(reaching) if reaching.connection == connection => self.next(now, reaching, failure),
            other => self.state = other,
        }
    }

    pub(super) fn attempt_expired(&mut self, now: Instant, reaching: Reaching) {
        self.disconnect(reaching.connection);
        let evidence = "no connection in time".to_owned();
        self.next(now, reaching, ConnectFailure { kind: ConnectFailureKind::TimedOut, evidence });
    }

    /// Goes on to the next address, or gives up.
    fn next(&mut self, now: Instant, mut reaching: Reaching, failure: ConnectFailure) {
        let evidence = format!("{}: {}", self.endpoint(reaching.address), failure.evidence);
        self.notice(NoticeKind::AddressFailed, evidence);
        reaching.failures.push((reaching.address, failure));
        let count = self.profile.addresses.len().max(1);
        if reaching.failures.len() < count && now < reaching.until {
            reaching.address = (reaching.address + 1) % count;
            self.attempt(now, reaching);
        } else {
            let tainted = reaching.request.as_ref().is_some_and(|request| request.tainted);
            self.unreachable(&reaching.failures, tainted);
        }
    }

    /// How long a connection nobody has used yet is kept.
    pub(super) fn keep_until(&self, now: Instant) -> Instant {
        now.after(self.profile.timers.idle_close.max(GRACE))
    }

    /// A connection that is being opened waits for the kernel's next repetition, seconds away by now: it begins anew, at the
    /// same address and within the same time. No byte of a request has left on it. A standing connection stays: it survives
    /// an interruption.
    pub(super) fn link_returned(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Reaching(reaching) => self.attempt(now, reaching),
            other @ (State::Idle | State::Connected { .. } | State::Asking { .. }) => self.state = other,
        }
    }

    pub(super) fn leave(&mut self) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Reaching(Reaching { connection, .. }) => self.disconnect(connection),
            connected @ State::Connected { .. } => self.state = connected,
            State::Asking { link, exchange: Exchange { request, .. } } => {
                // Its answer may still come, over this line or another; it must be known as late then.
                self.past.abandoned(request.expected);
                self.disconnect(link.connection);
            }
        }
    }
}
