//! The payment that has reader, keypad and host: from `Start` to the request that is ready to leave.
//!
//! Every move there is; a test compares this list with what thousands of random sequences did:
//!
//! ```text
//! created               → connecting               Start, but sign-in or an open reversal comes first
//! created               → awaiting-confirmation    Start, the customer confirms the amount
//! created               → awaiting-card            Start, no confirmation
//! created               → finished                 cancelled, client gone, not started in time
//! connecting            → awaiting-confirmation    signed in, nothing left to reverse
//! connecting            → awaiting-card            the same without confirmation
//! connecting            → authorising              the line stands: trace, reversal and request on disk, then sent
//! connecting            → finished                 host not reached, cancelled, client gone: nothing was sent
//! connecting            → storing                  host not reached after the card was read, the app allows offline
//! awaiting-confirmation → awaiting-card            OK
//! awaiting-confirmation → finished                 cancelled, time-out, keypad gone, reader gone, client gone
//! awaiting-card         → awaiting-pin             card read, PIN wanted
//! awaiting-card         → connecting               card read, no PIN
//! awaiting-card         → storing                  card read, no host: trace and card data go to disk with every limit
//! awaiting-card         → finished                 card refused or not shown, reader gone, cancelled, client gone
//! awaiting-pin          → connecting               PIN in, or bypassed
//! awaiting-pin          → finished                 cancelled, time-out, keypad gone, client gone
//! authorising           → finished                 answered, or certainly not sent
//! authorising           → reversing                no valid answer, or an answer that is not to stand
//! storing               → finished                 stored and approved offline, or a limit stood in the way
//! reversing             → finished                 the host acknowledged the reversal, or a supervisor gave it up
//! ```
//! The reversal is committed with the request before its first byte leaves, so every power cut after that is covered.

use crate::domain::amount::Money;
use crate::domain::card::{CardRead, TapFailure, TapRequest};
use crate::domain::cause::Cause;
use crate::domain::host::ReversalRequest;
use crate::domain::ids::TransactionId;
use crate::domain::offline::OfflineMode;
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::secret::{PinBlock, SecretBytes};
use crate::domain::time::Instant;
use crate::engine::action::Action;
use crate::engine::command::{Caller, CommandId, Refusal, RefusalKind, Reply};
use crate::engine::devices::usable;
use crate::engine::line::{Line, Purpose};
use crate::engine::machine::Engine;
use crate::engine::offline::leaves_offline;
use crate::engine::settings::{ENTRY_WAIT, MAX_CARD_TRIES, PREPARE_WAIT};
use crate::engine::snapshot::TransactionView;

/// How far the payment in hand has come. What has been read travels with the step and is wiped with it.
pub enum Step {
    /// Waits until the terminal is signed in and nothing is left to reverse.
    Preparing,
    /// Waits for OK.
    Confirming,
    /// Waits for a card.
    Presenting {
        /// Wrong cards so far.
        tries: u8,
    },
    /// Waits for the PIN.
    EnteringPin {
        /// The card.
        card: Box<CardRead>,
    },
    /// Waits for the line.
    Connecting {
        /// The card.
        card: Box<CardRead>,
        /// The PIN.
        pin_block: Option<PinBlock>,
    },
    /// Sent.
    Authorising {
        /// What takes it back.
        reversal: Box<ReversalRequest>,
        /// For a report, should the issuer answer with a script.
        script_tags: SecretBytes,
    },
    /// The store judges whether it may be accepted offline.
    Storing {
        /// As it is if it may.
        view: Box<TransactionView>,
    },
}

/// The payment in hand.
pub struct Sale {
    /// Which.
    pub id: TransactionId,
    /// How much.
    pub money: Money,
    /// Whether the customer confirms the amount.
    pub confirm: bool,
    /// Whether it goes on without the host.
    pub offline: bool,
    /// How far.
    pub step: Step,
    /// Until when this step may take; devices have their own shorter ones. Once sent, the line has it.
    pub deadline: Option<Instant>,
}

/// A payment that may start.
struct Start {
    money: Money,
    confirm: bool,
    offline: bool,
}

impl Engine {
    /// `Start`. A terminal that is not signed in does not refuse: the payment waits for the sign-in it triggers.
    pub(super) fn start_asked(&mut self, command: CommandId, caller: &Caller, id: TransactionId) {
        let Start { money, confirm, offline } = match self.may_start(caller, id) {
            Ok(found) => found,
            Err(refusal) => return self.refuse(command, refusal),
        };
        self.book.adopt(id, caller);
        self.act(Action::Reply(command, Ok(Reply::Done)));
        let deadline = Some(self.now.mono.after(PREPARE_WAIT));
        self.sale = Some(Sale { id, money, confirm, offline, step: Step::Preparing, deadline });
        if offline || self.prepared() {
            return self.begin();
        }
        self.move_to(id, TransactionState::Connecting);
        self.prompt(Prompt::Wait);
        self.scripts.hurry(self.now.mono);
        self.reversals.hurry(self.now.mono);
        self.hurry_sign_in();
    }

    fn may_start(&self, caller: &Caller, id: TransactionId) -> Result<Start, Refusal> {
        let view = self.book.owned(caller, id)?;
        if view.state != TransactionState::Created {
            let text = format!("this payment is {}; only a created one can be started", view.state);
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        if self.sale.is_some() {
            let owner = self.active_owner().unwrap_or_default();
            return Err(Refusal::new(RefusalKind::Busy, format!("another payment is under way, of {owner}")));
        }
        if self.keypad_taken() {
            return Err(Refusal::new(RefusalKind::Busy, "the keypad is in use; try again when the entry is over"));
        }
        let offline = self.may_trade(view.mode, view.money)?;
        if let Some(holder) = &self.reader.inhibited_by {
            let text = format!("the card reader is inhibited by {holder}");
            return Err(Refusal::new(RefusalKind::ReaderUnavailable, text));
        }
        let reader = self.reader.state;
        if !usable(reader) {
            let text = format!("the card reader is {reader}; see `posctl status`");
            let cause = self.reader.last_cause.or(Some(Cause::H01));
            return Err(Refusal { kind: RefusalKind::ReaderUnavailable, cause, text });
        }
        let confirm = self.book.confirm_amount(id).unwrap_or(self.settings.confirm_amount);
        if confirm && !usable(self.keypad.state) {
            let text = format!("the keypad is {}; the amount cannot be confirmed", self.keypad.state);
            return Err(Refusal::because(RefusalKind::WrongState, Cause::H05, text));
        }
        Ok(Start { money: view.money, confirm, offline })
    }

    /// Whether a card payment could be sent to the host, now or after a sign-in that needs nobody (`false`), or must do
    /// without it (`true`).
    fn may_trade(&self, mode: OfflineMode, money: Money) -> Result<bool, Refusal> {
        if let Some(refusal) = self.stands_still("no payment is safe") {
            return Err(refusal);
        }
        if self.settings.operator_required && self.operators.on_duty.is_none() {
            let text = "no operator is signed in; use `posctl operator sign-in`";
            return Err(Refusal::because(RefusalKind::NotSignedIn, Cause::O03, text));
        }
        let refused = || self.offline_start_refused(money);
        match (self.sign_in_hopeless(), mode) {
            (_, OfflineMode::OfflineOnly) => refused().map_or(Ok(true), Err),
            (None, OfflineMode::OnlineOnly | OfflineMode::PreferOnline) => Ok(false),
            (Some(cause), OfflineMode::PreferOnline) if leaves_offline(cause) && refused().is_none() => Ok(true),
            (Some(cause), OfflineMode::OnlineOnly | OfflineMode::PreferOnline) => {
                let text = format!("the terminal cannot sign in with the host by itself: {}", self.sign_in.evidence);
                Err(Refusal::because(RefusalKind::NotSignedIn, cause, text))
            }
        }
    }

    /// Signed in, nothing to reverse, and no exchange under way that could change the keys.
    fn prepared(&self) -> bool {
        let line = match self.line.purpose() {
            None | Some(Purpose::Echo(_) | Purpose::Upload(_)) => true,
            Some(
                Purpose::SignIn | Purpose::SignOut(_) | Purpose::Reversal(_) | Purpose::Sale(_) | Purpose::Script(_),
            ) => false,
        };
        line && self.sign_in.is_on() && self.nothing_first() && self.standstill().is_none()
    }

    /// Nothing that has to be sent before the next payment.
    fn nothing_first(&self) -> bool {
        self.scripts.is_empty() && !self.reversals.block()
    }

    /// Lets a payment that waited for the terminal go on.
    pub(super) fn begin_if_prepared(&mut self) {
        if matches!(&self.sale, Some(Sale { step: Step::Preparing, .. })) && self.prepared() {
            self.begin();
        }
    }

    pub(super) fn begin(&mut self) {
        let Some(sale) = &mut self.sale else { return };
        if !sale.confirm {
            return self.present_card();
        }
        sale.step = Step::Confirming;
        sale.deadline = Some(self.now.mono.after(ENTRY_WAIT));
        let (id, money) = (sale.id, sale.money);
        self.move_to(id, TransactionState::AwaitingConfirmation);
        self.prompt(Prompt::ConfirmAmount(money));
        self.act(Action::AskConfirmation(money));
    }

    fn present_card(&mut self) {
        // The reader may have gone while somebody pressed OK.
        if !usable(self.reader.state) {
            let cause = self.reader.last_cause.or(Some(Cause::H01));
            return self.end_unsent(Outcome::Cancelled, cause, TapFailure::ReaderFailed.as_str().to_owned());
        }
        let unpredictable = self.jitter.bytes();
        let Some(sale) = &mut self.sale else { return };
        sale.step = Step::Presenting { tries: 0 };
        sale.deadline = Some(self.now.mono.after(self.settings.card_wait));
        let (id, money) = (sale.id, sale.money);
        let request = TapRequest {
            money,
            local_time: self.now.wall.civil(self.settings.utc_offset_minutes),
            unpredictable,
            sequence: u32::try_from(id.0 % 100_000_000).unwrap_or(0),
            pin_above: self.settings.pin_above,
        };
        self.move_to(id, TransactionState::AwaitingCard);
        self.prompt(Prompt::PresentCard(money));
        self.act(Action::PollCard(Box::new(request)));
    }

    /// The customer pressed OK.
    pub(super) fn amount_confirmed(&mut self) {
        if matches!(&self.sale, Some(Sale { step: Step::Confirming, .. })) {
            self.present_card();
        }
    }

    /// A card was read completely.
    pub(super) fn card_read(&mut self, card: Box<CardRead>) {
        let Some(Sale { id, offline, step: Step::Presenting { .. }, .. }) = self.sale else { return };
        let masked = card.pan.masked();
        let scheme = card.scheme.as_str().to_owned();
        self.book.update(id, |v| {
            v.masked_pan = Some(masked);
            v.scheme = Some(scheme);
        });
        if offline {
            return self.store_offline(card);
        }
        if !card.pin_required {
            return self.connect(card, None);
        }
        if !usable(self.keypad.state) {
            let evidence = "the card needs a PIN, but there is no keypad".to_owned();
            return self.end_unsent(Outcome::Cancelled, Some(Cause::H05), evidence);
        }
        let pan = card.pan.clone();
        let deadline = Some(self.now.mono.after(ENTRY_WAIT));
        self.step_to(Step::EnteringPin { card }, deadline, TransactionState::AwaitingPin);
        self.prompt(Prompt::EnterPin { digits: 0 });
        self.act(Action::AskPin { pan });
    }

    pub(super) fn step_to(&mut self, step: Step, deadline: Option<Instant>, state: TransactionState) {
        if let Some(sale) = &mut self.sale {
            sale.step = step;
            sale.deadline = deadline;
            let id = sale.id;
            self.move_to(id, state);
        }
    }

    /// A card could not be read.
    pub(super) fn card_failed(&mut self, failure: TapFailure) {
        let Some(Sale { step: Step::Presenting { ref mut tries }, .. }) = self.sale else { return };
        *tries = tries.saturating_add(1);
        self.prompt_again(failure);
    }

    fn prompt_again(&mut self, failure: TapFailure) {
        let Some(Sale { step: Step::Presenting { tries }, .. }) = self.sale else { return };
        self.prompt(Prompt::PresentAgain(failure));
        if failure.may_retry() && tries < MAX_CARD_TRIES {
            return;
        }
        let outcome = match failure {
            TapFailure::CardDeclined | TapFailure::Expired => Outcome::Declined,
            TapFailure::TwoCards
            | TapFailure::RemovedEarly
            | TapFailure::ReaderFailed
            | TapFailure::WrongCard
            | TapFailure::NoCommonApplication
            | TapFailure::UseChip
            | TapFailure::CardFaulty
            | TapFailure::NoCard => Outcome::Cancelled,
        };
        // What the reader says of itself is more than that it failed.
        let of_reader = self.reader.last_cause.filter(|_| failure == TapFailure::ReaderFailed);
        let cause = of_reader.or(failure.cause());
        self.end_unsent(outcome, cause, failure.as_str().to_owned());
    }

    /// The PIN is in, or was bypassed.
    pub(super) fn pin_done(&mut self, pin_block: Option<PinBlock>) {
        let Some(sale) = &mut self.sale else { return };
        match std::mem::replace(&mut sale.step, Step::Preparing) {
            Step::EnteringPin { card } => self.connect(card, pin_block),
            other => sale.step = other,
        }
    }

    fn connect(&mut self, card: Box<CardRead>, pin_block: Option<PinBlock>) {
        let deadline = Some(self.now.mono.after(self.settings.card_wait));
        self.step_to(Step::Connecting { card, pin_block }, deadline, TransactionState::Connecting);
        self.prompt(Prompt::Wait);
    }

    /// Whether a payment in hand has come as far as reader or keypad.
    pub(super) fn sale_has_devices(&self) -> bool {
        self.sale.as_ref().is_some_and(|s| !matches!(s.step, Step::Preparing))
    }

    /// The payment that waits for the line.
    pub(super) fn sale_ready(&self) -> Option<TransactionId> {
        match &self.sale {
            Some(Sale { id, step: Step::Connecting { .. }, .. }) if self.sign_in.is_on() && self.nothing_first() => {
                Some(*id)
            }
            _ => None,
        }
    }

    /// A step took too long.
    pub(super) fn expire_sale(&mut self) {
        let Some(Sale { deadline: Some(deadline), step, .. }) = &self.sale else { return };
        if *deadline > self.now.mono {
            return;
        }
        match step {
            Step::Preparing => {
                let cause = self.sign_in.cause().or(self.reversals.trouble).unwrap_or(Cause::B06);
                self.end_preparing(cause, self.why_not_prepared());
            }
            Step::Confirming | Step::EnteringPin { .. } => self.entry_ended(None, "nobody typed in time"),
            Step::Presenting { .. } => self.card_failed(TapFailure::NoCard),
            Step::Connecting { .. } => {
                let evidence = "the line to the host did not become free in time".to_owned();
                self.end_unreached(Cause::B06, evidence);
            }
            Step::Authorising { .. } | Step::Storing { .. } => {}
        }
    }

    fn why_not_prepared(&self) -> String {
        let what = match (self.sign_in.is_on(), &self.line) {
            (false, _) => "the terminal did not get signed in in time",
            (true, Line::Idle) => "an open reversal must be acknowledged first",
            (true, Line::Reaching { .. } | Line::Asking { .. }) => "the line to the host did not become free in time",
        };
        if self.sign_in.evidence.is_empty() { what.to_owned() } else { format!("{what}: {}", self.sign_in.evidence) }
    }

    /// A payment that waited for sign-in or reversal cannot go on online; nothing of it has been sent.
    pub(super) fn end_preparing(&mut self, cause: Cause, evidence: String) {
        if matches!(&self.sale, Some(Sale { step: Step::Preparing, .. })) {
            self.end_unreached(cause, evidence);
        }
    }

    /// The host could not be asked: the payment goes offline if its app allows that and the rules do, or ends.
    pub(super) fn end_unreached(&mut self, cause: Cause, evidence: String) {
        if !self.goes_offline(cause, &evidence) {
            self.end_unsent(Outcome::Cancelled, Some(cause), evidence);
        }
    }

    /// The reader failed: a payment that waits for a card cannot go on.
    pub(super) fn reader_lost(&mut self) {
        if matches!(&self.sale, Some(Sale { step: Step::Presenting { .. }, .. })) {
            self.card_failed(TapFailure::ReaderFailed);
        }
    }
}
