//! What ends or changes the working keys: a refusal, the host's wish, their age, sign-out, another master key.

use crate::domain::cause::Cause;
use crate::domain::host::ProcessingRequest;
use crate::domain::outcome::Outcome;
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Refusal, RefusalKind, Reply};
use crate::engine::line::Purpose;
use crate::engine::machine::Engine;
use crate::engine::record::Record;
use crate::engine::sign_in::State;

/// What an upload brought that would change the keys while a payment has reader or keypad: it waits until that is over.
pub(super) enum Deferred {
    /// The host refused one in a way that new keys should cure.
    KeysRefused(Cause, String),
    /// The host refused the terminal.
    Stopped(Cause, String),
    /// The header asks for a sign-in.
    SignIn,
}

impl Engine {
    /// Does it now, or when the payment in hand is over.
    pub(super) fn defer(&mut self, what: Deferred) {
        if self.sale_has_devices() {
            self.deferred.push(what);
        } else {
            self.catch_up(what);
        }
    }

    /// Does what has waited for the payment to be over.
    pub(super) fn catch_up_deferred(&mut self) {
        if !self.deferred.is_empty() && !self.sale_has_devices() {
            for what in std::mem::take(&mut self.deferred) {
                self.catch_up(what);
            }
        }
    }

    fn catch_up(&mut self, what: Deferred) {
        match what {
            // The payment's own answer has said the same of the same keys, and new ones are on their way: it is no second
            // refusal.
            Deferred::KeysRefused(..) if !self.sign_in.is_on() => {}
            Deferred::KeysRefused(cause, evidence) => self.keys_refused(cause, evidence),
            Deferred::Stopped(cause, evidence) => self.stop_sign_in(cause, evidence),
            Deferred::SignIn => self.host_asks(ProcessingRequest::SignIn),
        }
    }

    /// The host refused a message in a way that new keys should cure. The second time in a row the loop stops.
    pub(super) fn keys_refused(&mut self, cause: Cause, evidence: String) {
        if self.sign_in.on_trial.is_some() {
            let (cause, setting) = match cause {
                Cause::K02 => (Cause::K05, "`pin.format` (and the PIN key under the master key)"),
                Cause::B04 => (Cause::B04, "the batch the acquirer has for this terminal"),
                _ => (Cause::K05, "`mac.method` and `keys.mak`"),
            };
            let advice = format!(
                "{evidence}, again right after a good sign-in: check {setting} in the acquirer profile, and the master key"
            );
            return self.stop_sign_in(cause, advice);
        }
        self.drop_keys(Some(cause));
        self.sign_in.evidence = evidence;
        self.sign_in.on_trial = Some(cause);
        self.want_sign_in(Some(cause));
    }

    /// Stops using the working keys, on disk too.
    pub(super) fn drop_keys(&mut self, cause: Option<Cause>) {
        if std::mem::take(&mut self.keys.working) {
            self.record(Record::SignedOut { cause });
            self.act(Action::DiscardKeys);
        }
    }

    /// Acts on the header's request once the message it came with is settled.
    pub(super) fn host_asks(&mut self, asks: ProcessingRequest) {
        match asks {
            // Only from a working state: what has stopped, or is being tried already, is not the host's to restart.
            ProcessingRequest::SignIn if self.sign_in.is_on() => self.want_sign_in(None),
            ProcessingRequest::UpdateSoftware => self.notice = Some(Cause::S03),
            ProcessingRequest::DownloadParameters
            | ProcessingRequest::DownloadCaKeys
            | ProcessingRequest::DownloadIcParameters => self.notice = Some(Cause::S04),
            ProcessingRequest::SignIn
            | ProcessingRequest::None
            | ProcessingRequest::UploadStatus
            | ProcessingRequest::DownloadBlacklist => {}
        }
    }

    /// Keys older than policy are renewed at the next idle moment.
    pub(super) fn renew_old_keys(&mut self) {
        if let State::On { renew_at } = self.sign_in.state
            && renew_at <= self.now.mono
            && self.sale.is_none()
            && !matches!(self.line.purpose(), Some(Purpose::SignOut(_)))
        {
            self.want_sign_in(Some(Cause::K06));
        }
    }

    /// A caller wants to be signed out.
    pub(super) fn sign_out_asked(&mut self, id: CommandId) {
        if self.sale.is_some() {
            let text = "a payment is under way; try again when it is over";
            return self.refuse(id, Refusal::new(RefusalKind::Busy, text));
        }
        match self.may_sign_out() {
            Ok(()) => self.run_errand(id, Purpose::SignOut(id)),
            Err(refusal) => self.refuse(id, refusal),
        }
    }

    /// Whether nothing is left that needs the host.
    pub(super) fn may_sign_out(&self) -> Result<(), Refusal> {
        if !self.reversals.is_empty() || !self.scripts.is_empty() {
            let text = "a reversal has not been acknowledged by the host; it must be sent before sign-out, or given up with `posctl queue resolve`";
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        if self.forwarder.totals().count() > 0 {
            let text = format!(
                "{} payments accepted offline are not forwarded yet; drain the queue, or decide about them with `posctl queue resolve`",
                self.forwarder.totals().count()
            );
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        if !self.sign_in.is_on() {
            return Err(Refusal::new(RefusalKind::NotSignedIn, "not signed in"));
        }
        Ok(())
    }

    /// The host has been told, or could not be: either way no more keys here.
    pub(super) fn signed_out(&mut self, id: CommandId) {
        self.drop_keys(None);
        self.answer_errand(id, Ok(Reply::Done));
        // Somebody may have asked for a sign-in, or started a payment, while the sign-out was under way.
        if self.sale.is_some() || matches!(self.sign_in.state, State::Wanted { .. }) {
            return self.want_sign_in(None);
        }
        self.sign_in.evidence.clear();
        self.sign_in.state = State::Off { cause: None };
    }

    /// A master key was loaded or removed, or its loading moved on.
    pub(super) fn keys_changed(&mut self, master: Option<String>, pending: Option<String>, asking: Option<u8>) {
        let changed = self.keys.master_check != master;
        self.keys.pending_component = pending;
        self.keys.asking_component = asking;
        self.keys.master_check = master;
        if !changed {
            return;
        }
        self.sign_in.start_afresh();
        if self.keys.master_check.is_some() {
            self.provisioned_anew();
            self.drop_keys(None);
            // The core does not change keys under a payment; should it, a PIN under the old key must not leave.
            self.end_unsent(Outcome::Cancelled, None, "the master key was changed meanwhile".to_owned());
            return self.want_sign_in(None);
        }
        self.drop_keys(Some(Cause::K04));
        self.sign_in.evidence = "no master key is loaded".to_owned();
        self.sign_in.state = State::Off { cause: Some(Cause::K04) };
        self.answer_waiting(RefusalKind::WrongState, Some(Cause::K04));
        self.end_unsent(Outcome::Cancelled, Some(Cause::K04), "no master key is loaded".to_owned());
    }
}
