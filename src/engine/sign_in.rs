//! Terminal sign-in: when it is tried, what a refusal means, and when the loop stops.
//!
//! ```text
//! Off ──want──▶ Wanted ──reached──▶ Asking ──00, keys good──▶ On
//!  ▲              ▲  ◀──back-off──────┤                        │
//!  └─sign-out─────│───────────────────│────────────────────────┤
//!                 └── A0, 99, 77, host asks, keys too old ─────┘
//! Stopped ◀── permanent refusal, second wrong check value, second refusal after a good sign-in; left by command only
//! ```

use crate::domain::cause::Cause;
use crate::domain::host::{HostFailure, HostRequest, KeyCheck, ProcessingRequest, SignInAnswer, SignInRequest};
use crate::domain::response::{Response, ResponseAction};
use crate::domain::time::{Instant, WallTime};
use crate::engine::action::Action;
use crate::engine::answer::cause_of;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::line::Purpose;
use crate::engine::machine::Engine;
use crate::engine::record::Record;
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
    /// Set by a refusal that a sign-in should cure; cleared by the next accepted message.
    on_trial: Option<Cause>,
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

    /// When it wants to be looked at again.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Wanted { at, .. } => Some(*at),
            State::On { renew_at } => Some(*renew_at),
            State::Off { .. } | State::Asking { .. } | State::Stopped { .. } => None,
        };
        own.into_iter().chain(self.waiting.iter().map(|(_, t)| *t)).min()
    }

    /// The host accepted a message under the present keys: they are good.
    pub fn keys_proved(&mut self) {
        self.on_trial = None;
    }
}

impl Engine {
    /// A caller wants to be signed in.
    pub(super) fn sign_in_asked(&mut self, id: CommandId) {
        if self.keys.master_check.is_none() {
            let text = "no master key is loaded; load it with `posctl keys load`";
            return self.refuse(id, Refusal::because(RefusalKind::WrongState, Cause::K04, text));
        }
        if self.sale.is_some() {
            return self
                .refuse(id, Refusal::new(RefusalKind::Busy, "a payment is under way; try again when it is over"));
        }
        if self.sign_in.waiting.len() >= MAX_WAITING {
            return self.refuse(id, Refusal::new(RefusalKind::Busy, "too many callers wait for this sign-in"));
        }
        self.sign_in.waiting.push((id, self.now.mono.after(SIGN_IN_REPLY)));
        self.sign_in.on_trial = None;
        self.sign_in.wrong_checks = 0;
        match self.sign_in.state {
            State::Asking { .. } => {}
            State::Off { .. } | State::Wanted { .. } | State::On { .. } | State::Stopped { .. } => {
                self.want_sign_in(None)
            }
        }
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

    /// The host refused a message in a way that new keys should cure. The second time in a row the loop stops.
    pub(super) fn keys_refused(&mut self, cause: Cause) {
        self.drop_keys(Some(cause));
        if self.sign_in.on_trial.is_some() {
            let setting = match cause {
                Cause::K02 => "`pin.format` (and the PIN key under the master key)",
                Cause::B04 => "the batch the acquirer has for this terminal",
                _ => "`mac.method` and `keys.mak`",
            };
            let evidence = format!(
                "refused again right after a good sign-in: check {setting} in the acquirer profile, and the master key"
            );
            return self.stop_sign_in(if cause == Cause::B04 { Cause::B04 } else { Cause::K05 }, evidence);
        }
        self.sign_in.on_trial = Some(cause);
        self.want_sign_in(Some(cause));
    }

    fn drop_keys(&mut self, cause: Option<Cause>) {
        self.keys.working = false;
        self.record(Record::SignedOut { cause });
        self.act(Action::DiscardKeys);
    }

    fn stop_sign_in(&mut self, cause: Cause, evidence: String) {
        self.sign_in.evidence = evidence;
        self.sign_in.state = State::Stopped { cause };
        self.answer_waiting(RefusalKind::WrongState, Some(cause));
    }

    /// Blocks trading after a permanent refusal of a payment (03, 97 …).
    pub(super) fn block(&mut self, cause: Cause, evidence: String) {
        self.drop_keys(Some(cause));
        self.stop_sign_in(cause, evidence);
    }

    /// The line is ours: take a trace and ask.
    pub(super) fn send_sign_in(&mut self) {
        let attempt = match self.sign_in.state {
            State::Wanted { attempt, .. } | State::Asking { attempt } => attempt,
            State::Off { .. } | State::On { .. } | State::Stopped { .. } => 0,
        };
        self.sign_in.state = State::Asking { attempt };
        let stan = self.take_stan();
        self.record(Record::TraceTaken { next: self.next_stan });
        self.act(Action::AskHost(HostRequest::SignIn(SignInRequest { stan, batch: self.batch })));
    }

    /// No answer to the sign-in.
    pub(super) fn sign_in_failed(&mut self, failure: HostFailure) {
        let attempt = match self.sign_in.state {
            State::Wanted { attempt, .. } | State::Asking { attempt } => attempt,
            State::Off { .. } | State::On { .. } | State::Stopped { .. } => 0,
        };
        self.sign_in.evidence = failure.evidence;
        let wait = self.jitter.back_off(attempt, SIGN_IN_BACKOFF);
        self.retry_sign_in(attempt, wait, failure.cause);
        let kind = if failure.sent { RefusalKind::HostTimeout } else { RefusalKind::HostUnreachable };
        self.answer_waiting(kind, Some(failure.cause));
    }

    fn retry_sign_in(&mut self, attempt: u32, wait: std::time::Duration, cause: Cause) {
        let at = self.now.mono.after(wait);
        self.sign_in.state = State::Wanted { at, attempt: attempt.saturating_add(1), cause: Some(cause) };
    }

    /// 0810 came.
    pub(super) fn sign_in_answered(&mut self, answer: SignInAnswer) {
        if !answer.response.approved() {
            return self.sign_in_refused(&answer.response);
        }
        match answer.keys {
            KeyCheck::Good { ref wrapped } => {
                let wrapped = wrapped.clone();
                self.signed_in(answer, wrapped);
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
        self.sign_in.evidence = evidence;
        let wait = self.jitter.back_off(0, SIGN_IN_BACKOFF);
        self.retry_sign_in(0, wait, cause);
    }

    fn sign_in_refused(&mut self, response: &Response) {
        let attempt = match self.sign_in.state {
            State::Asking { attempt } | State::Wanted { attempt, .. } => attempt,
            State::Off { .. } | State::On { .. } | State::Stopped { .. } => 0,
        };
        let cause = cause_of(response).unwrap_or(Cause::B01);
        let evidence = format!("sign-in refused with {}: {}", response.code, response.en);
        match response.action {
            ResponseAction::Later | ResponseAction::Reverse | ResponseAction::SignIn => {
                self.sign_in.evidence = evidence;
                let wait = self.jitter.back_off(attempt, REFUSED_BACKOFF);
                self.retry_sign_in(attempt, wait, cause);
                self.answer_waiting(RefusalKind::WrongState, Some(cause));
            }
            ResponseAction::Block | ResponseAction::Software | ResponseAction::None => {
                self.stop_sign_in(cause, evidence)
            }
        }
    }

    fn signed_in(&mut self, answer: SignInAnswer, wrapped: Vec<u8>) {
        if let Some(batch) = answer.batch {
            self.batch = batch;
        }
        self.record(Record::SignedIn { at: self.now.wall, batch: self.batch, wrapped, host_time: answer.host_time });
        self.act(Action::InstallKeys);
        self.keys.working = true;
        self.sign_in.wrong_checks = 0;
        self.sign_in.evidence.clear();
        self.sign_in.last_good = Some(self.now.wall);
        self.sign_in.clock_difference = answer.host_time.and_then(|t| self.clock_difference(t));
        self.sign_in.state = State::On { renew_at: self.now.mono.after(self.settings.keys_max_age) };
        let reply = Reply::SignedIn { batch: self.batch.get(), clock_difference: self.sign_in.clock_difference };
        for (id, _) in std::mem::take(&mut self.sign_in.waiting) {
            self.act(Action::Reply(id, Ok(reply.clone())));
        }
        self.reversals.hurry(self.now.mono);
        // The request digit of a sign-in answer cannot mean "sign in" again: that would loop.
        if answer.asks != ProcessingRequest::SignIn {
            self.host_asks(answer.asks);
        }
    }

    /// Acts on the header's request once the message it came with is settled.
    pub(super) fn host_asks(&mut self, asks: ProcessingRequest) {
        match asks {
            ProcessingRequest::SignIn => self.want_sign_in(None),
            ProcessingRequest::UpdateSoftware => self.notice = Some(Cause::S03),
            ProcessingRequest::DownloadParameters
            | ProcessingRequest::DownloadCaKeys
            | ProcessingRequest::DownloadIcParameters => self.notice = Some(Cause::S04),
            ProcessingRequest::None | ProcessingRequest::UploadStatus | ProcessingRequest::DownloadBlacklist => {}
        }
    }

    fn answer_waiting(&mut self, kind: RefusalKind, cause: Option<Cause>) {
        let text = if self.sign_in.evidence.is_empty() {
            "sign-in did not succeed; see `posctl status`".to_owned()
        } else {
            self.sign_in.evidence.clone()
        };
        for (id, _) in std::mem::take(&mut self.sign_in.waiting) {
            self.act(Action::Reply(id, Err(Refusal { kind, cause, text: text.clone() })));
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

    /// Keys older than policy are renewed at the next idle moment.
    pub(super) fn renew_old_keys(&mut self) {
        if let State::On { renew_at } = self.sign_in.state
            && renew_at <= self.now.mono
            && self.sale.is_none()
        {
            self.want_sign_in(Some(Cause::K06));
        }
    }

    /// Whether the sign-in wants the line now.
    pub(super) fn sign_in_due(&self) -> bool {
        matches!(self.sign_in.state, State::Wanted { at, .. } if at <= self.now.mono)
            && self.keys.master_check.is_some()
            && self.storage_fault.is_none()
    }

    /// A caller wants to be signed out.
    pub(super) fn sign_out_asked(&mut self, id: CommandId) {
        if self.sale.is_some() {
            return self
                .refuse(id, Refusal::new(RefusalKind::Busy, "a payment is under way; try again when it is over"));
        }
        if !self.reversals.is_empty() {
            let text = "a reversal has not been acknowledged by the host; it must be sent before sign-out";
            return self.refuse(id, Refusal::new(RefusalKind::WrongState, text));
        }
        if !self.sign_in.is_on() {
            return self.refuse(id, Refusal::new(RefusalKind::NotSignedIn, "not signed in"));
        }
        self.errands.push_back(Purpose::SignOut(id));
    }

    /// The host has been told, or could not be: either way no more keys here.
    pub(super) fn signed_out(&mut self, id: CommandId) {
        self.drop_keys(None);
        self.sign_in.evidence.clear();
        self.sign_in.state = State::Off { cause: None };
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    /// Seconds the host's clock is ahead of ours, taking the nearest day since no year is sent.
    fn clock_difference(&self, host: crate::domain::host::HostTime) -> Option<i64> {
        let ours = self.now.wall.civil(self.settings.utc_offset_minutes);
        let day_of_year = |month: u8, day: u8| -> Option<i64> {
            const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
            let before = *BEFORE.get(usize::from(month.checked_sub(1)?))?;
            Some(before + i64::from(day))
        };
        let seconds = |d: i64, h: u8, m: u8, s: u8| ((d * 24 + i64::from(h)) * 60 + i64::from(m)) * 60 + i64::from(s);
        let theirs = seconds(day_of_year(host.month, host.day)?, host.hour, host.minute, host.second);
        let mine = seconds(day_of_year(ours.month, ours.day)?, ours.hour, ours.minute, ours.second);
        const YEAR: i64 = 365 * 86_400;
        let mut difference = (theirs - mine).rem_euclid(YEAR);
        if difference > YEAR / 2 {
            difference -= YEAR;
        }
        Some(difference)
    }
}
