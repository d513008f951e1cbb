//! Payments without the host: when one may be accepted, and how it is stored.
//!
//! Off unless the profile allows it and the app asks for it with the payment. The store has the last word: it checks
//! every limit in the transaction that stores the payment. What is checked here spares customer and cashier the way there
//! when it cannot come to anything. Follows the mission's offline rules.

use std::time::Duration;

use crate::domain::amount::Money;
use crate::domain::card::CardRead;
use crate::domain::cause::Cause;
use crate::domain::ids::{TransactionCode, TransactionId};
use crate::domain::offline::{Forwarding, OfflineMode, OfflineMoment, OfflineRefusal, OfflineSale, age};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::time::WallTime;
use crate::engine::command::{Refusal, RefusalKind};
use crate::engine::machine::Engine;
use crate::engine::record::{Record, Verdict};
use crate::engine::sale::{Sale, Step};
use crate::engine::sign_in::State;
use crate::engine::snapshot::TransactionView;

/// Whether what this cause stands for leaves offline payments possible. Those of the shop's line and of a bank that is
/// down do; what the acquirer has against this terminal, what makes the device unsafe and what touches the disk does not.
pub fn leaves_offline(cause: Cause) -> bool {
    match cause {
        Cause::N01
        | Cause::N02
        | Cause::N03
        | Cause::N04
        | Cause::N05
        | Cause::N06
        | Cause::N07
        | Cause::N08
        | Cause::N10
        | Cause::H04
        | Cause::H05
        | Cause::H06
        | Cause::H07
        | Cause::H08
        | Cause::S03
        | Cause::S04
        | Cause::S05
        | Cause::S06
        | Cause::O04
        | Cause::O05
        | Cause::B01
        | Cause::B04
        | Cause::B06
        | Cause::K01
        | Cause::K02
        | Cause::K03
        | Cause::K05
        | Cause::K06
        | Cause::H10
        | Cause::H11
        | Cause::P03
        | Cause::P04 => true,
        // Somebody pretends to be the host; the acquirer has closed the terminal; no reader; no operator; no key was ever
        // loaded or it was erased; the time, the disk or the program cannot be trusted.
        Cause::N09
        | Cause::H01
        | Cause::H02
        | Cause::H03
        | Cause::H09
        | Cause::S01
        | Cause::S02
        | Cause::S07
        | Cause::O01
        | Cause::O02
        | Cause::O03
        | Cause::B02
        | Cause::B03
        | Cause::K04
        | Cause::P01
        | Cause::P02 => false,
    }
}

/// What a person should know of a refusal.
fn sentence(refusal: OfflineRefusal) -> &'static str {
    match refusal {
        OfflineRefusal::Disabled => "the acquirer profile allows no offline payments",
        OfflineRefusal::Amount => "the amount is above the offline limit",
        OfflineRefusal::Sum => "the sum of what is not forwarded yet would become too large",
        OfflineRefusal::Count => "too many payments are not forwarded yet",
        OfflineRefusal::Age => "the oldest payment that is not forwarded yet is too old",
        OfflineRefusal::SignInAge => "the last good sign-in with the host is too long ago",
        OfflineRefusal::Card => "this card has been used offline often enough today",
        OfflineRefusal::Denied => "this card is not accepted offline",
        OfflineRefusal::OnlinePin => "card or amount needs a PIN that only the host can check",
        OfflineRefusal::Expired => "the card has expired",
        OfflineRefusal::Incomplete => "the card gave no complete chip data",
        OfflineRefusal::Clock => "the time is not known for sure",
        OfflineRefusal::Storage => "the disk is nearly full",
        OfflineRefusal::Stopped => "the terminal is stopped, or a reversal waits for a supervisor",
    }
}

impl Engine {
    /// Why no payment could be accepted offline now, whatever card comes.
    pub(super) fn offline_refusal(&self, money: Option<Money>) -> Option<OfflineRefusal> {
        let limits = &self.settings.offline;
        let totals = self.forwarder.totals();
        // The smallest payment is 1.
        let amount = money.map_or(1, |m| m.amount.minor());
        let stopped = match &self.sign_in.state {
            State::Stopped { cause } => !leaves_offline(*cause),
            State::Off { cause } | State::Wanted { cause, .. } => cause.is_some_and(|c| !leaves_offline(c)),
            State::Asking { .. } | State::On { .. } => false,
        };
        if !limits.enabled {
            return Some(OfflineRefusal::Disabled);
        }
        if self.storage_fault.is_some() {
            return Some(OfflineRefusal::Storage);
        }
        if stopped
            || self.settings.safe_mode.is_some()
            || self.keys.master_check.is_none()
            || self.reversals.undecided()
        {
            return Some(OfflineRefusal::Stopped);
        }
        if amount > limits.per_sale {
            return Some(OfflineRefusal::Amount);
        }
        let Some(now) = self.clock.trusted(self.now) else { return Some(OfflineRefusal::Clock) };
        let older = |at: WallTime, most: Duration| older(now, at, most);
        if self.sign_in.last_good.is_none_or(|at| older(at, limits.sign_in)) {
            return Some(OfflineRefusal::SignInAge);
        }
        if totals.oldest.is_some_and(|at| older(at, limits.oldest)) {
            return Some(OfflineRefusal::Age);
        }
        if totals.count() >= limits.count {
            return Some(OfflineRefusal::Count);
        }
        (totals.sum.saturating_add(amount) > limits.sum).then_some(OfflineRefusal::Sum)
    }

    /// The refusal of a `Start` that could only end offline and cannot.
    pub(super) fn offline_start_refused(&self, money: Money) -> Option<Refusal> {
        let refusal = self.offline_refusal(Some(money))?;
        let kind = match refusal {
            OfflineRefusal::Amount
            | OfflineRefusal::Sum
            | OfflineRefusal::Count
            | OfflineRefusal::Age
            | OfflineRefusal::SignInAge
            | OfflineRefusal::Card => RefusalKind::LimitExceeded,
            OfflineRefusal::Disabled
            | OfflineRefusal::Denied
            | OfflineRefusal::OnlinePin
            | OfflineRefusal::Expired
            | OfflineRefusal::Incomplete
            | OfflineRefusal::Clock
            | OfflineRefusal::Storage
            | OfflineRefusal::Stopped => RefusalKind::WrongState,
        };
        let text = format!("{refusal}: {}; see `posctl status`", sentence(refusal));
        Some(Refusal { kind, cause: offline_cause(refusal), text })
    }

    /// A payment that waited for the host goes on without it, if its app allows that and the rules do. Says whether.
    pub(super) fn goes_offline(&mut self, cause: Cause, evidence: &str) -> bool {
        let Some(sale) = &self.sale else { return false };
        let (id, money) = (sale.id, sale.money);
        let prefers = self.book.get(id).is_some_and(|v| v.mode == OfflineMode::PreferOnline);
        if !prefers || !leaves_offline(cause) || self.offline_refusal(Some(money)).is_some() {
            return false;
        }
        let Some(sale) = &mut self.sale else { return false };
        sale.offline = true;
        self.book.update(id, |v| {
            v.cause = Some(cause);
            v.evidence = evidence.to_owned();
        });
        match std::mem::replace(&mut sale.step, Step::Preparing) {
            Step::Preparing => self.begin(),
            Step::Connecting { card, .. } => {
                self.need_no_line(id);
                self.store_offline(card);
            }
            other @ (Step::Confirming
            | Step::Presenting { .. }
            | Step::EnteringPin { .. }
            | Step::Authorising { .. }
            | Step::Storing { .. }) => sale.step = other,
        }
        true
    }

    fn card_refusal(&self, card: &CardRead) -> Option<OfflineRefusal> {
        let now = self.clock.trusted(self.now)?;
        let today = now.civil(self.settings.utc_offset_minutes);
        let this_month = format!("{:02}{:02}", today.year % 100, today.month);
        if card.pin_required {
            return Some(OfflineRefusal::OnlinePin);
        }
        match &card.expiry {
            Some(expiry) if *expiry < this_month => Some(OfflineRefusal::Expired),
            Some(_) if !card.request_tags.expose().is_empty() => None,
            Some(_) | None => Some(OfflineRefusal::Incomplete),
        }
    }

    /// The card is read: trace, code and card data go to the store, which has the last word.
    pub(super) fn store_offline(&mut self, card: Box<CardRead>) {
        let Some(sale) = &self.sale else { return };
        let (id, money) = (sale.id, sale.money);
        let refusal = self.card_refusal(&card).or_else(|| self.offline_refusal(Some(money)));
        let moment = self.clock.trusted(self.now).zip(self.sign_in.last_good);
        let (at, signed_in_at) = match (refusal, moment) {
            (None, Some(moment)) => moment,
            (refusal, _) => return self.offline_refused(refusal.unwrap_or(OfflineRefusal::Clock)),
        };
        let Some(mut view) = self.book.get(id).cloned() else { return };
        let (stan, batch) = (self.take_stan(), self.batch);
        view.code = Some(TransactionCode::new(&self.settings.terminal_id, batch, stan));
        view.stan = Some(stan);
        view.batch = Some(batch);
        view.state = TransactionState::Finished;
        view.outcome = Some(Outcome::ApprovedOffline);
        view.forwarding = Some(Forwarding::Waiting);
        view.finished_at = Some(at);
        let stored = OfflineSale {
            stan,
            batch,
            money,
            pan: card.pan.clone(),
            expiry: card.expiry.clone(),
            sequence_number: card.sequence_number,
            tags: card.request_tags.clone(),
        };
        self.record(Record::Queued {
            view: Box::new(view.clone()),
            next: self.next_stan,
            sale: Box::new(stored),
            limits: Box::new(self.settings.offline.clone()),
            moment: OfflineMoment { at, day: day(at, self.settings.utc_offset_minutes), signed_in_at },
        });
        self.step_to(Step::Storing { view: Box::new(view) }, None, TransactionState::Storing);
    }

    /// The store has spoken.
    pub(super) fn offline_judged(&mut self, verdict: Verdict) {
        self.forwarder.count_anew(verdict.totals);
        let judged = self.sale.take_if(|s| s.id == verdict.id && matches!(s.step, Step::Storing { .. }));
        let Some(Sale { id, step: Step::Storing { view }, .. }) = judged else { return };
        match verdict.result {
            Ok(()) => self.accepted_offline(id, *view),
            Err(refusal) => self.finish(id, Outcome::Cancelled, offline_cause(refusal), text(refusal)),
        }
    }

    fn accepted_offline(&mut self, id: TransactionId, view: TransactionView) {
        let old = self.state_of(id);
        let connection = view.owner.connection.clone();
        self.show_result(id, Prompt::ApprovedOffline(view.money));
        self.book.update(id, |v| *v = view);
        self.tell_closed(id, connection, old, Outcome::ApprovedOffline);
        // Somebody may have signed out before; what was accepted has to reach the host.
        self.hurry_sign_in();
    }

    fn offline_refused(&mut self, refusal: OfflineRefusal) {
        let earlier = self.sale.as_ref().and_then(|s| self.book.get(s.id)).map(|v| v.evidence.clone());
        let evidence = match earlier.filter(|e| !e.is_empty()) {
            Some(online) => format!("{} (online: {online})", text(refusal)),
            None => text(refusal),
        };
        self.end_unsent(Outcome::Cancelled, offline_cause(refusal), evidence);
    }
}

fn text(refusal: OfflineRefusal) -> String {
    format!("{refusal}: {}", sentence(refusal))
}

/// The cause behind a refusal that is more than a limit.
pub(super) fn offline_cause(refusal: OfflineRefusal) -> Option<Cause> {
    match refusal {
        OfflineRefusal::Clock => Some(Cause::P01),
        OfflineRefusal::Storage => Some(Cause::P02),
        OfflineRefusal::Disabled
        | OfflineRefusal::Amount
        | OfflineRefusal::Sum
        | OfflineRefusal::Count
        | OfflineRefusal::Age
        | OfflineRefusal::SignInAge
        | OfflineRefusal::Card
        | OfflineRefusal::Denied
        | OfflineRefusal::OnlinePin
        | OfflineRefusal::Expired
        | OfflineRefusal::Incomplete
        | OfflineRefusal::Stopped => None,
    }
}

/// Whether a moment is further back than allowed. One of a clock that was wrong is as good as too old.
pub(super) fn older(now: WallTime, at: WallTime, most: Duration) -> bool {
    age(now, at).is_none_or(|age| age > most)
}

/// The number of a day in the acquirer's calendar.
fn day(at: WallTime, offset_minutes: i16) -> u32 {
    let local = i64::try_from(at.0 / 1_000_000).unwrap_or(0) + i64::from(offset_minutes) * 60;
    u32::try_from(local.div_euclid(86_400)).unwrap_or(0)
}
