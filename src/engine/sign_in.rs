//! Terminal sign-in: when it is tried, what a refusal means, and when the loop stops.
//!
//! Every move there is; a test compares this list with what thousands of random sequences did:
//!
//! ```text
//! off     → wanted     master key loaded, a caller asks, a payment waits
//! wanted  → asking     the line stands, 0800 leaves
//! wanted  → off        master key removed
//! wanted  → stopped    a second refusal while the renewal waited for the line
//! asking  → on         00 and all check values right
//! asking  → wanted     no answer, temporary refusal, first wrong check value: again after a growing wait;
//!                      the network was away meanwhile: again at once
//! asking  → off        master key removed
//! asking  → stopped    permanent refusal, second wrong check value, unreadable key block
//! on      → wanted     a caller or the host asks, keys refused or too old, another master key
//! on      → off        signed out, master key removed
//! on      → stopped    second refusal right after a good sign-in, or a refusal of the terminal itself
//! stopped → wanted     only by a person: a caller asks, another master key
//! stopped → off        master key removed
//! ```
//! What ends or changes the keys in use is in `keys.rs`.

use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::host::{
    HostFailure, HostRequest, HostTime, KeyCheck, ProcessingRequest, SignInAnswer, SignInRequest,
};
use crate::domain::ids::Batch;
use crate::domain::response::{Response, ResponseAction};
use crate::domain::time::{Civil, Instant, WallTime};
use crate::engine::action::Action;
use crate::engine::answer::cause_of;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::sale::{Sale, Step};
use crate::engine::settings::{MAX_WAITING, REFUSED_BACKOFF, SIGN_IN_BACKOFF, SIGN_IN_REPLY};

/// Where the sign-in stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not signed in and not trying.
    Off {
        /// Why.
        cause: Option<Cause>,
    },
    /// To be tried at this moment.
    Wanted {
        /// When.
        at: Instant,
        /// Failures so far.
        attempt: u32,
        /// What went wrong last.
        cause: Option<Cause>,
    },
    /// The exchange is under way.
    Asking {
        /// Failures so far.
        attempt: u32,
    },
    /// Working keys are in use.
    On {
        /// When they are to be renewed.
        renew_at: Instant,
    },
    /// A person has to act; only a command leaves this state.
    Stopped {
        /// Why.
        cause: Cause,
    },
}

/// The sign-in machine's memory.
pub struct SignIn {
    /// Where it stands.
    pub state: State,
    /// What was seen, for the technician.
    pub evidence: String,
    /// When the last one succeeded.
    pub last_good: Option<WallTime>,
    /// Host clock minus ours, seconds, at the last success.
    pub clock_difference: Option<i64>,
    waiting: Vec<(CommandId, Instant)>,
    wrong_checks: u8,
    /// A refusal that a sign-in should cure; cleared by the next accepted message.
    pub on_trial: Option<Cause>,
}

impl SignIn {
    /// As after a start.
    pub fn new(last_good: Option<WallTime>) -> Self {
        Self {
            state: State::Off { cause: None },
            evidence: String::new(),
            last_good,
            clock_difference: None,
            waiting: Vec::new(),
            wrong_checks: 0,
            on_trial: None,
        }
    }

    /// Whether working keys are in use.
    pub fn is_on(&self) -> bool {
        matches!(self.state, State::On { .. })
    }

    /// Why not, if not.
    pub fn cause(&self) -> Option<Cause> {
        match &self.state {
            State::Off { cause } | State::Wanted { cause, .. } => *cause,
            State::Stopped { cause } => Some(*cause),
            State::Asking { .. } | State::On { .. } => None,
        }
    }

    /// When the next sign-in is planned, tried again or renewed.
    pub fn due_at(&self) -> Option<Instant> {
        match self.state {
            State::Wanted { at, .. } => Some(at),
            State::On { renew_at } => Some(renew_at),
            State::Off { .. } | State::Asking { .. } | State::Stopped { .. } => None,
        }
    }

    /// When it is tried next, if it is planned.
    pub fn wanted_at(&self) -> Option<Instant> {
        self.due_at().filter(|_| matches!(self.state, State::Wanted { .. }))
    }

    /// When the first caller's patience ends.
    pub fn patience(&self) -> Option<Instant> {
        self.waiting.iter().map(|(_, t)| *t).min()
    }

    /// The host accepted a message under the present keys: they are good.
    pub fn keys_proved(&mut self) {
        self.on_trial = None;
    }

    /// A person has acted: what went wrong before says nothing any more.
    pub fn start_afresh(&mut self) {
        self.on_trial = None;
        self.wrong_checks = 0;
    }

    /// The exchange under way is given up and begun again.
    pub fn ask_anew(&mut self, now: Instant) {
        if let State::Asking { attempt } = self.state {
            self.state = State::Wanted { at: now, attempt, cause: None };
        }
    }

    fn is_tried(&self) -> bool {
        matches!(self.state, State::Wanted { .. } | State::Asking { .. })
    }

    fn attempt(&self) -> u32 {
        match self.state {
            State::Wanted { attempt, .. } | State::Asking { attempt } => attempt,
            State::Off { .. } | State::On { .. } | State::Stopped { .. } => 0,
        }
    }
}

impl Engine {
    /// A caller wants to be signed in.
    pub(super) fn sign_in_asked(&mut self, id: CommandId) {
        if let Some(refusal) = self.stands_still("nothing is sent") {
            return self.refuse(id, refusal);
        }
        if self.keys.master_check.is_none() {
            let text = "no master key is loaded; load it with `posctl keys load`";
            return self.refuse(id, Refusal::because(RefusalKind::WrongState, Cause::K04, text));
        }
        if self.sale.is_some() {
            let text = "a payment is under way; try again when it is over";
            return self.refuse(id, Refusal::new(RefusalKind::Busy, text));
        }
        if self.sign_in.waiting.len() >= MAX_WAITING {
            return self.refuse(id, Refusal::new(RefusalKind::Busy, "too many callers wait for this sign-in"));
        }
        self.recall_sign_outs();
        self.sign_in.waiting.push((id, self.now.mono.after(SIGN_IN_REPLY)));
        self.sign_in.start_afresh();
        self.want_sign_in(None);
    }

    /// Plans a sign-in as soon as the line is free.
    pub(super) fn want_sign_in(&mut self, cause: Option<Cause>) {
        match self.sign_in.state {
            State::Asking { .. } => {}
            State::Off { .. } | State::Wanted { .. } | State::On { .. } | State::Stopped { .. } => {
                self.sign_in.state = State::Wanted { at: self.now.mono, attempt: 0, cause };
            }
        }
    }

    /// A payment waits: try now. The back-off goes on growing from where it is.
    pub(super) fn hurry_sign_in(&mut self) {
        let now = self.now.mono;
        match &mut self.sign_in.state {
            State::Off { cause } => {
                let cause = *cause;
                self.sign_in.state = State::Wanted { at: now, attempt: 0, cause };
            }
            State::Wanted { at, .. } => *at = now,
            State::Asking { .. } | State::On { .. } | State::Stopped { .. } => {}
        }
    }

    /// Why no sign-in can come by itself, if a person has to act first.
    pub(super) fn sign_in_hopeless(&self) -> Option<Cause> {
        match self.sign_in.state {
            State::Stopped { cause } => Some(cause),
            State::On { .. } => None,
            State::Off { .. } | State::Wanted { .. } | State::Asking { .. } => {
                self.keys.master_check.is_none().then_some(Cause::K04)
            }
        }
    }

    /// Whether the sign-in wants the line now.
    pub(super) fn sign_in_due(&self) -> bool {
        matches!(self.sign_in.state, State::Wanted { at, .. } if at <= self.now.mono)
            && self.keys.master_check.is_some()
    }

    /// The line is ours: take a trace and ask.
    pub(super) fn send_sign_in(&mut self) {
        if !self.sign_in.is_tried() {
            return self.leave_line();
        }
        self.sign_in.state = State::Asking { attempt: self.sign_in.attempt() };
        let stan = self.take_stan();
        self.record(Record::TraceTaken { next: self.next_stan });
        self.act(Action::AskHost(HostRequest::SignIn(SignInRequest { stan, batch: self.batch })));
    }

    /// No answer to the sign-in.
    pub(super) fn sign_in_failed(&mut self, failure: HostFailure) {
        if !self.sign_in.is_tried() {
            return;
        }
        self.sign_in.evidence = failure.evidence;
        self.retry_sign_in(SIGN_IN_BACKOFF, failure.cause);
        let kind = if failure.sent { RefusalKind::HostTimeout } else { RefusalKind::HostUnreachable };
        self.answer_waiting(kind, Some(failure.cause));
        self.sale_need_not_wait(failure.cause);
    }

    /// A payment that waits for a sign-in that has just failed goes offline, if it may; else it waits for the next try.
    fn sale_need_not_wait(&mut self, cause: Cause) {
        if matches!(&self.sale, Some(Sale { step: Step::Preparing, .. })) {
            let evidence = self.sign_in.evidence.clone();
            self.goes_offline(cause, &evidence);
        }
    }

    fn retry_sign_in(&mut self, limits: (Duration, Duration), cause: Cause) {
        let attempt = self.sign_in.attempt();
        let at = self.now.mono.after(self.jitter.back_off(attempt, limits));
        self.sign_in.state = State::Wanted { at, attempt: attempt.saturating_add(1), cause: Some(cause) };
    }

    /// 0810 came.
    pub(super) fn sign_in_answered(&mut self, answer: SignInAnswer) {
        // The master key may have gone meanwhile.
        if !self.sign_in.is_tried() {
            return;
        }
        if !answer.response.approved() {
            return self.sign_in_refused(&answer.response);
        }
        match answer.keys {
            KeyCheck::Good { wrapped } => {
                self.signed_in(answer.batch, answer.host_time, wrapped);
                // The request digit of a sign-in answer cannot mean "sign in" again: that would loop.
                if answer.asks != ProcessingRequest::SignIn {
                    self.host_asks(answer.asks);
                }
            }
            KeyCheck::Bad { cause, evidence } => self.check_failed(cause, evidence),
            KeyCheck::NotSent => {
                self.check_failed(Cause::K05, "the host said 00 but sent no keys (field 62)".to_owned())
            }
        }
    }

    fn check_failed(&mut self, cause: Cause, evidence: String) {
        self.sign_in.wrong_checks = self.sign_in.wrong_checks.saturating_add(1);
        if cause != Cause::K03 || self.sign_in.wrong_checks >= 2 {
            return self.stop_sign_in(cause, evidence);
        }
        // The host has changed the keys, so the old ones are worth nothing, should there be any.
        self.drop_keys(Some(cause));
        self.sign_in.evidence = evidence;
        self.retry_sign_in(SIGN_IN_BACKOFF, cause);
    }

    fn sign_in_refused(&mut self, response: &Response) {
        let evidence = format!("sign-in refused with {}: {}", response.code, response.en);
        let temporary = match response.action {
            ResponseAction::Later | ResponseAction::Reverse | ResponseAction::SignIn => true,
            // 94 says that the trace was used before; the next attempt has another one.
            ResponseAction::None => response.code == "94",
            ResponseAction::Block | ResponseAction::Software => false,
        };
        if temporary {
            let cause = cause_of(response).unwrap_or(Cause::B01);
            self.sign_in.evidence = evidence;
            self.retry_sign_in(REFUSED_BACKOFF, cause);
            self.answer_waiting(RefusalKind::WrongState, Some(cause));
            self.sale_need_not_wait(cause);
        } else {
            // A refusal that is no fault of today is between merchant and acquirer.
            self.stop_sign_in(cause_of(response).unwrap_or(Cause::B02), evidence);
        }
    }

    fn signed_in(&mut self, batch: Option<Batch>, host_time: Option<HostTime>, wrapped: Vec<u8>) {
        if let Some(batch) = batch.filter(|b| b.adoptable()) {
            self.batch = batch;
        }
        self.host_clock(host_time);
        let at = self.wall();
        self.record(Record::SignedIn { at, batch: self.batch, wrapped, host_time });
        self.act(Action::InstallKeys);
        self.keys.working = true;
        self.sign_in.wrong_checks = 0;
        self.sign_in.evidence.clear();
        self.sign_in.last_good = Some(at);
        let ours = self.now.wall.civil(self.settings.utc_offset_minutes);
        self.sign_in.clock_difference = host_time.and_then(|theirs| clock_difference(theirs, ours));
        self.sign_in.state = State::On { renew_at: self.now.mono.after(self.settings.keys_max_age) };
        let reply = Reply::SignedIn { batch: self.batch.get(), clock_difference: self.sign_in.clock_difference };
        for (id, _) in std::mem::take(&mut self.sign_in.waiting) {
            self.act(Action::Reply(id, Ok(reply.clone())));
        }
        self.scripts.hurry(self.now.mono);
        self.reversals.hurry(self.now.mono);
        self.forwarder.look_again(self.now.mono);
    }

    /// Ends the loop until a person acts.
    pub(super) fn stop_sign_in(&mut self, cause: Cause, evidence: String) {
        self.drop_keys(Some(cause));
        self.sign_in.evidence.clone_from(&evidence);
        self.sign_in.state = State::Stopped { cause };
        self.answer_waiting(RefusalKind::WrongState, Some(cause));
        self.end_preparing(cause, evidence);
    }

    /// Tells everybody who waits that it did not succeed.
    pub(super) fn answer_waiting(&mut self, kind: RefusalKind, cause: Option<Cause>) {
        let text = if self.sign_in.evidence.is_empty() {
            "sign-in did not succeed; see `posctl status`".to_owned()
        } else {
            self.sign_in.evidence.clone()
        };
        for (id, _) in std::mem::take(&mut self.sign_in.waiting) {
            self.refuse(id, Refusal { kind, cause, text: text.clone() });
        }
    }

    /// Callers whose patience is over.
    pub(super) fn expire_sign_in(&mut self) {
        let now = self.now.mono;
        let (over, rest) = std::mem::take(&mut self.sign_in.waiting).into_iter().partition(|(_, t)| *t <= now);
        self.sign_in.waiting = rest;
        for (id, _) in over {
            let text = "the host has not answered yet; sign-in goes on in the background";
            self.refuse(id, Refusal::because(RefusalKind::HostTimeout, Cause::B06, text));
        }
    }
}

/// Seconds the host's clock is ahead of ours. No year is sent: ours is taken, and the nearer side of its turn.
pub(super) fn clock_difference(theirs: HostTime, ours: Civil) -> Option<i64> {
    let leap = ours.year.is_multiple_of(4) && (!ours.year.is_multiple_of(100) || ours.year.is_multiple_of(400));
    let seconds = |month: u8, day: u8, hour: u8, minute: u8, second: u8| -> Option<i64> {
        const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let before = *BEFORE.get(usize::from(month.checked_sub(1)?))?;
        let days = before + i64::from(day) + i64::from(leap && month > 2);
        Some(((days * 24 + i64::from(hour)) * 60 + i64::from(minute)) * 60 + i64::from(second))
    };
    let year = (365 + i64::from(leap)) * 86_400;
    let theirs = seconds(theirs.month, theirs.day, theirs.hour, theirs.minute, theirs.second)?;
    let ours = seconds(ours.month, ours.day, ours.hour, ours.minute, ours.second)?;
    let ahead = (theirs - ours).rem_euclid(year);
    Some(if ahead > year / 2 { ahead - year } else { ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_difference_survives_new_year_and_leap_day() {
        let host = |month, day, hour, minute, second| HostTime { month, day, hour, minute, second };
        let ours = |year, month, day, hour, minute, second| Civil { year, month, day, hour, minute, second };
        let same = clock_difference(host(11, 24, 12, 0, 0), ours(2026, 11, 24, 12, 0, 0));
        assert_eq!(same, Some(0));
        assert_eq!(clock_difference(host(1, 1, 0, 0, 5), ours(2026, 12, 31, 23, 59, 55)), Some(10));
        assert_eq!(clock_difference(host(12, 31, 23, 59, 55), ours(2027, 1, 1, 0, 0, 5)), Some(-10));
        assert_eq!(clock_difference(host(3, 1, 0, 0, 1), ours(2028, 2, 29, 23, 59, 59)), Some(2));
        assert_eq!(clock_difference(host(3, 1, 0, 0, 1), ours(2027, 2, 28, 23, 59, 59)), Some(2));
        assert_eq!(clock_difference(host(13, 1, 0, 0, 0), ours(2027, 2, 28, 0, 0, 0)), None);
    }
}
