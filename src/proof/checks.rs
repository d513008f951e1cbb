//! The rules, checked after every step: what the acquirer charged, what apps were told and what is on disk must agree.

use std::time::Duration;

use super::acquirer::Entry;
use super::books::{Checked, broken};
use super::message::Trace;
use super::raw;
use super::world::World;
use crate::domain::cause::Cause;
use crate::domain::host::{HostAnswer, KeyCheck};
use crate::domain::ids::TransactionId;
use crate::domain::offline::{Forwarding, OfflineMode, Resolution, ReversalStanding};
use crate::domain::outcome::{Outcome, TransactionState};
use crate::domain::response::ResponseAction;
use crate::engine::event::Event;
use crate::engine::record::OpenReversal;
use crate::engine::snapshot::TransactionView;

/// The host's clock may be so wrong without being distrusted, and the terminal's trusted time with it. Microseconds.
const SLACK: u64 = 700_000_000;
const DAY: u64 = 86_400_000_000;
/// The acquirer's local time is so far ahead of UTC.
const OFFSET: u64 = 8 * 3_600_000_000;

fn trace_of(view: &TransactionView) -> Option<Trace> {
    view.stan.zip(view.batch).map(|(stan, batch)| (batch.get(), stan.get()))
}

/// Its request may have left, and no answer stands.
fn is_sent(view: &TransactionView) -> bool {
    matches!(view.state, TransactionState::Authorising | TransactionState::Reversing)
}

/// A person gave it up, knowing that nobody knows.
fn given_up(view: &TransactionView) -> bool {
    view.resolution.as_deref().is_some_and(|r| r.starts_with(Resolution::Abandon.as_str()))
}

impl World<'_> {
    /// Compares the acquirer's books, what was told, and the store.
    pub(super) fn audit(&mut self) -> Checked {
        let Some(teller) = &self.teller else { return Ok(()) };
        // A disk that cannot be read now is looked at again when it can.
        let Ok(views) = self.views() else { return Ok(()) };
        let open = views.iter().any(|v| is_sent(v) || v.outcome == Some(Outcome::Unknown));
        let stored = if open { teller.store().load().map(|r| r.reversals) } else { Ok(Vec::new()) };
        let Ok(stored) = stored else { return Ok(()) };
        for view in views.iter() {
            self.check_payment(view, &stored)?;
        }
        for (trace, entry) in self.acquirer.books.iter().filter(|(_, e)| e.charged()) {
            self.check_charge(*trace, entry, &views, &stored)?;
        }
        for (id, promise) in &self.books.promises {
            match views.iter().find(|v| v.id == *id) {
                Some(v) if v.owner.uid == promise.uid && v.key == promise.key => {}
                other => return broken("no payment is lost", format!("payment {id} is {other:?} on disk")),
            }
        }
        for reversal in &stored {
            let over = views.iter().find(|v| v.id == reversal.id && v.state == TransactionState::Finished);
            if let Some(view) = over {
                return broken("card data go with their use", format!("the reversal of {} is kept", view.id));
            }
        }
        if self.disk.leaked() {
            return broken("no card number on disk", "a card number was written in the clear");
        }
        Ok(())
    }

    fn check_payment(&self, view: &TransactionView, stored: &[OpenReversal]) -> Checked {
        let id = view.id;
        let reversal = stored.iter().any(|r| r.id == id);
        let sent = is_sent(view);
        let unknown = view.outcome == Some(Outcome::Unknown);
        if (sent || unknown) && !reversal && !given_up(view) {
            return broken("what is unknown is reversed", format!("payment {id} is {} without a reversal", view.state));
        }
        let on_disk = (view.state == TransactionState::Finished).then_some(view.outcome).flatten();
        let told = self.books.promises.get(&id).and_then(|p| p.told);
        let kept = match told {
            None => true,
            // What was not sent is cancelled again after any restart; what was sent is unknown again.
            Some(Outcome::Cancelled) => !sent && on_disk.is_none_or(|o| o == Outcome::Cancelled),
            Some(Outcome::Unknown) => sent || matches!(on_disk, Some(Outcome::Unknown | Outcome::Cancelled)),
            Some(word) => on_disk == Some(word),
        };
        if !kept {
            return broken(
                "what is told is on disk",
                format!("payment {id} was told {told:?}, on disk it is {on_disk:?}, {}", view.state),
            );
        }
        let entry = trace_of(view).and_then(|t| self.acquirer.books.get(&t)).copied().unwrap_or_default();
        let charged = entry.charged() && entry.minor == view.money.amount.minor();
        if on_disk == Some(Outcome::Approved) && !charged {
            return broken("approved is charged", format!("payment {id} is approved, the acquirer has {entry:?}"));
        }
        if view.forwarding == Some(Forwarding::Accepted) && !charged {
            return broken("accepted is charged", format!("payment {id} is accepted, the acquirer has {entry:?}"));
        }
        if entry.times > 1 {
            return broken("nobody is charged twice", format!("payment {id}: {entry:?}"));
        }
        Ok(())
    }

    /// A cardholder is out of pocket: there must be an approval, or something that takes it back.
    fn check_charge(&self, trace: Trace, entry: &Entry, views: &[TransactionView], stored: &[OpenReversal]) -> Checked {
        let Some(view) = views.iter().find(|v| trace_of(v) == Some(trace)) else {
            return broken("no charge without a payment", format!("{trace:?} {entry:?}"));
        };
        let approved = matches!(view.outcome, Some(Outcome::Approved | Outcome::ApprovedOffline));
        let reversal = stored.iter().any(|r| r.id == view.id);
        if approved || reversal || given_up(view) {
            return Ok(());
        }
        broken(
            "no charge without a record",
            format!("payment {} is {:?}, {}: {entry:?}", view.id, view.outcome, view.state),
        )
    }

    /// After a restart: everything as after a step, and the file itself, by other eyes than the store's.
    pub(super) fn check_after_start(&mut self) -> Checked {
        self.audit()?;
        // What was accepted in the last moment, and never told.
        for view in self.views().unwrap_or_default().iter() {
            if view.forwarding.is_some() {
                self.accepted(view.id, self.died_at)?;
            }
        }
        self.note_held();
        if !self.disk.is_faulty() && self.dice.percent(20) {
            raw::check(self.rack, &self.disk)?;
            self.check_journal()?;
        }
        Ok(())
    }

    fn check_journal(&self) -> Checked {
        let Some(teller) = &self.teller else { return Ok(()) };
        match teller.store().verify_journal() {
            Ok(check) => match check.broken {
                Some((row, what)) => broken("the journal is whole", format!("row {row}: {what}")),
                None => Ok(()),
            },
            Err(error) => broken("the journal is whole", error.to_string()),
        }
    }

    /// The last look: also the journal, and that nothing is open.
    pub(super) fn check_at_the_end(&mut self) -> Checked {
        self.audit()?;
        raw::check(self.rack, &self.disk)?;
        let Some(teller) = &self.teller else { return broken("it comes up again", "the terminal is down at the end") };
        self.check_journal()?;
        let (Ok(views), Ok(stored)) = (self.views(), teller.store().load()) else {
            return broken("it comes up again", "the disk is good, but cannot be read");
        };
        if !stored.reversals.is_empty() || !stored.scripts.is_empty() || stored.queue.count() > 0 {
            let (reversals, scripts) = (stored.reversals.len(), stored.scripts.len());
            let what = format!("{reversals} reversals, {scripts} scripts, {:?}", stored.queue);
            return broken("everything drains", what);
        }
        for view in views.iter() {
            let entry = trace_of(view).and_then(|t| self.acquirer.books.get(&t)).copied().unwrap_or_default();
            let owed = match view.outcome {
                Some(Outcome::Approved) => true,
                // A person may give up what the acquirer has had after all.
                Some(Outcome::ApprovedOffline) if view.forwarding == Some(Forwarding::Abandoned) => entry.charged(),
                Some(Outcome::ApprovedOffline) => true,
                Some(Outcome::Unknown) if given_up(view) => entry.charged(),
                Some(Outcome::Declined | Outcome::Cancelled) => false,
                Some(Outcome::Unknown) | None => {
                    return broken("everything ends", format!("{}: {:?}", view.id, view.outcome));
                }
            };
            if owed != entry.charged() {
                let what = format!("payment {} is {:?}, the acquirer has {entry:?}", view.id, view.outcome);
                return broken("both ledgers agree", what);
            }
            let word = match (view.outcome, view.forwarding) {
                (Some(outcome), Some(forwarding)) => format!("{outcome}, {forwarding}"),
                (Some(Outcome::Cancelled), None) if view.reversed => "cancelled, reversed".to_owned(),
                (Some(outcome), None) => outcome.to_string(),
                (None, _) => "open".to_owned(),
            };
            *self.tally.payments.entry(word).or_default() += 1;
        }
        Ok(())
    }

    /// An upload leaves: is it its turn? By what is on disk, in the order in which the payments were accepted.
    pub(super) fn check_order(&mut self, id: TransactionId) -> Checked {
        let Ok(views) = self.views() else { return Ok(()) };
        let mut waiting: Vec<_> = views
            .iter()
            .filter(|v| matches!(v.forwarding, Some(Forwarding::Waiting | Forwarding::InFlight)))
            .filter_map(|v| Some((v.finished_at?, v.id)))
            .collect();
        waiting.sort_unstable();
        let Some(place) = waiting.iter().find(|(_, n)| *n == id).copied() else {
            return broken("what is settled is not sent", format!("payment {id} does not wait to be sent"));
        };
        self.books.upload(place, &waiting)
    }

    /// A payment was accepted offline at this true time, as far as is known: no limit may have stood in the way.
    pub(super) fn accepted(&mut self, id: TransactionId, at: u64) -> Checked {
        if self.books.accepted.contains_key(&id) {
            return Ok(());
        }
        self.books.accepted.insert(id, at);
        self.check_limits(id, at)
    }

    /// By the checker's own count. What is true of one of two near moments only is not taken for a breach: the terminal's
    /// time may be a little off.
    fn check_limits(&self, id: TransactionId, now: u64) -> Checked {
        let limits = &self.settings.offline;
        let refuse = |what: String| broken("offline limits hold", format!("payment {id}: {what}"));
        let Ok(views) = self.views() else { return Ok(()) };
        let unsent: Vec<_> = views.iter().filter(|v| v.forwarding.is_some_and(Forwarding::unsent)).collect();
        let Some(view) = unsent.iter().find(|v| v.id == id) else {
            return refuse("it is not stored".to_owned());
        };
        let minor = view.money.amount.minor();
        if !limits.enabled || minor > limits.per_sale || view.mode == OfflineMode::OnlineOnly {
            return refuse(format!("{minor} is accepted, {}, limit {}", view.mode, limits.per_sale));
        }
        let sum: u64 = unsent.iter().map(|v| v.money.amount.minor()).sum();
        if sum > limits.sum || u32::try_from(unsent.len()).unwrap_or(u32::MAX) > limits.count {
            return refuse(format!("{} unsent, {sum} in all", unsent.len()));
        }
        let held = |r: &OpenReversal| r.standing == ReversalStanding::Held;
        let stored = self.teller.as_ref().and_then(|t| t.store().load().ok());
        if now == self.clock.now && stored.is_some_and(|s| s.reversals.iter().any(held)) {
            return refuse("a reversal waits for a supervisor".to_owned());
        }
        let Some(card) = self.books.cards.get(&id) else { return refuse("without a card".to_owned()) };
        if card.pin || card.expired || !card.complete {
            return refuse(format!("{card:?}"));
        }
        if self.books.denied.contains(&card.index) {
            return refuse(format!("card {} was refused before", card.index));
        }
        if self.misled {
            return Ok(());
        }
        let too_old =
            |at: u64, most: Duration| u128::from(now.saturating_sub(at)) > most.as_micros() + u128::from(SLACK);
        let oldest = unsent.iter().filter(|v| v.id != id).filter_map(|v| self.books.accepted.get(&v.id)).min();
        if oldest.is_some_and(|at| too_old(*at, limits.oldest)) {
            return refuse("the oldest unsent is too old".to_owned());
        }
        if self.signed_in_at.is_none_or(|at| too_old(at, limits.sign_in)) {
            return refuse("the last sign-in is too long ago".to_owned());
        }
        let day = |at: u64| (at + OFFSET) / DAY;
        let surely = |at: u64| day(at.saturating_sub(SLACK)) == day(now + SLACK);
        let today = |id: &TransactionId| self.books.accepted.get(id).is_some_and(|at| surely(*at));
        let used = self.books.cards.iter().filter(|(id, c)| c.index == card.index && today(id)).count();
        if u32::try_from(used).unwrap_or(u32::MAX) > limits.per_card_per_day {
            return refuse(format!("card {} was used too often today", card.index));
        }
        Ok(())
    }

    /// What an answer that is about to be told to the engine will mean to the limits.
    pub(super) fn note_answer(&mut self, event: &Event) {
        if let Event::HostReplied(HostAnswer::SignIn(answer)) = event
            && let KeyCheck::Good { .. } = answer.keys
        {
            self.signed_in_at = Some(self.clock.now);
            // The one thing no terminal can notice: both clocks are wrong, and by the same.
            let (theirs, ours) = (self.acquirer.clock_error, self.clock.off_by());
            self.misled |= theirs.abs() > 300 && theirs.abs_diff(ours) <= 700;
        }
    }

    /// Cards whose payments are held because the host refused them for good are on the deny list.
    pub(super) fn note_held(&mut self) {
        let Ok(views) = self.views() else { return };
        for view in views.iter().filter(|v| v.forwarding == Some(Forwarding::Held)) {
            let refused = view.response_code.as_deref().map(super::responses::response);
            let for_good = refused.is_some_and(|r| !r.approved() && r.action == ResponseAction::None && r.code != "94");
            let card = self.books.cards.get(&view.id);
            if let Some(card) = card.filter(|_| for_good && view.cause != Some(Cause::B01)) {
                self.books.denied.insert(card.index);
            }
        }
    }
}
