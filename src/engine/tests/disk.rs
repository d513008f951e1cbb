//! What the store would hold, as strict as the store: it refuses what the store would refuse.

use std::collections::BTreeMap;

use crate::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use crate::domain::offline::{
    Forwarding, OfflineLimits, OfflineMoment, OfflineRefusal, OfflineSale, QueueTotals, ReversalStanding,
};
use crate::domain::pan::Pan;
use crate::domain::tamper::Tampered;
use crate::domain::time::{ClockAnchor, WallTime};
use crate::engine::command::Caller;
use crate::engine::record::{OpenReversal, OpenScript, OperatorRecord, QueueHead, Record, Recovered, Verdict};
use crate::engine::snapshot::TransactionView;

/// The committed state.
#[derive(Clone)]
pub struct Disk {
    pub payments: BTreeMap<TransactionId, (TransactionView, String)>,
    pub reversals: BTreeMap<TransactionId, OpenReversal>,
    pub scripts: BTreeMap<TransactionId, OpenScript>,
    /// Payments accepted offline whose card data are still there, with when and on which day.
    pub queue: BTreeMap<TransactionId, (OfflineSale, OfflineMoment)>,
    /// Cards used offline: number and day.
    pub used: Vec<(Pan, u32)>,
    pub denied: Vec<Pan>,
    pub clock: Option<ClockAnchor>,
    pub operators: BTreeMap<OperatorId, OperatorRecord>,
    pub on_duty: Option<OperatorId>,
    pub next_stan: Stan,
    pub batch: Batch,
    pub signed_in_at: Option<WallTime>,
    pub working_keys: bool,
    pub tampered: Option<Tampered>,
}

impl Disk {
    pub fn new() -> Self {
        Self {
            payments: BTreeMap::new(),
            reversals: BTreeMap::new(),
            scripts: BTreeMap::new(),
            queue: BTreeMap::new(),
            used: Vec::new(),
            denied: Vec::new(),
            clock: None,
            operators: BTreeMap::new(),
            on_duty: None,
            next_stan: Stan::FIRST,
            batch: Batch::new(1).unwrap(),
            signed_in_at: None,
            working_keys: false,
            tampered: None,
        }
    }

    /// One commit.
    pub fn commit(&mut self, records: &[Record]) -> Option<Verdict> {
        let mut verdict = None;
        for record in records {
            if let Record::Queued { view, next, sale, limits, moment } = record {
                assert!(verdict.is_none(), "two payments are stored at once");
                let result = self.judge(sale, limits, *moment);
                if result.is_ok() {
                    assert_eq!((view.stan, view.batch), (Some(sale.stan), Some(sale.batch)));
                    self.change(view);
                    self.queue.insert(view.id, ((**sale).clone(), *moment));
                    self.used.push((sale.pan.clone(), moment.day));
                    self.next_stan = *next;
                }
                verdict = Some(Verdict { id: view.id, result, totals: self.totals() });
            } else {
                self.write(record);
            }
        }
        verdict
    }

    fn judge(&self, sale: &OfflineSale, l: &OfflineLimits, moment: OfflineMoment) -> Result<(), OfflineRefusal> {
        let totals = self.totals();
        let amount = sale.money.amount.minor();
        // A host's clock may have set ours back a little meanwhile.
        let old =
            |at: WallTime, most: std::time::Duration| u128::from(moment.at.0.saturating_sub(at.0)) > most.as_micros();
        let today = self.used.iter().filter(|(pan, day)| *pan == sale.pan && *day == moment.day).count();
        let rules = [
            (OfflineRefusal::Disabled, !l.enabled),
            (OfflineRefusal::Amount, amount > l.per_sale),
            (OfflineRefusal::Sum, totals.sum + amount > l.sum),
            (OfflineRefusal::Count, totals.count() >= l.count),
            (OfflineRefusal::Age, totals.oldest.is_some_and(|t| old(t, l.oldest))),
            (OfflineRefusal::SignInAge, old(moment.signed_in_at, l.sign_in)),
            (OfflineRefusal::Card, today >= usize::try_from(l.per_card_per_day).unwrap()),
            (OfflineRefusal::Denied, self.denied.contains(&sale.pan)),
        ];
        rules.iter().find(|(_, broken)| *broken).map_or(Ok(()), |(refusal, _)| Err(*refusal))
    }

    /// What is unsent.
    pub fn totals(&self) -> QueueTotals {
        let mut totals = QueueTotals::default();
        for (view, _) in self.payments.values() {
            match view.forwarding {
                Some(Forwarding::Waiting | Forwarding::InFlight) => totals.waiting += 1,
                Some(Forwarding::Held) => totals.held += 1,
                Some(Forwarding::Accepted | Forwarding::Abandoned) | None => continue,
            }
            totals.sum += view.money.amount.minor();
            let at = self.queue[&view.id].1.at;
            totals.oldest = Some(totals.oldest.map_or(at, |old| old.min(at)));
        }
        totals
    }

    /// The oldest payment to forward behind this one.
    pub fn head(&self, after: Option<TransactionId>) -> Option<Box<QueueHead>> {
        let sendable = |v: &&(TransactionView, String)| {
            matches!(v.0.forwarding, Some(Forwarding::Waiting | Forwarding::InFlight)) && Some(v.0.id) > after
        };
        let (view, _) = self.payments.values().find(sendable)?;
        let (sale, moment) = &self.queue[&view.id];
        let owner = Caller { uid: view.owner.uid, connection: String::new() };
        let view = TransactionView { owner, ..view.clone() };
        Some(Box::new(QueueHead { view, accepted_at: moment.at, sale: sale.clone() }))
    }

    fn write(&mut self, record: &Record) {
        match record {
            Record::Created { view, fingerprint } => {
                let taken = self.payments.values().any(|(v, _)| v.owner.uid == view.owner.uid && v.key == view.key);
                assert!(!taken, "the key {} is used twice", view.key);
                let old = self.payments.insert(view.id, ((**view).clone(), fingerprint.clone()));
                assert!(old.is_none(), "payment {} is made twice", view.id);
            }
            Record::Sent { view, next, reversal } => {
                assert_eq!((view.stan, view.batch), (Some(reversal.stan), Some(reversal.batch)));
                assert_eq!(view.money, reversal.money);
                self.change(view);
                let open = OpenReversal {
                    id: view.id,
                    request: (**reversal).clone(),
                    attempts: 0,
                    standing: ReversalStanding::Due,
                };
                let old = self.reversals.insert(view.id, open);
                assert!(old.is_none(), "payment {} is sent twice", view.id);
                self.next_stan = *next;
            }
            Record::Changed { view } => self.change(view),
            Record::ReversalDue { id, reason } => {
                self.reversals.get_mut(id).expect("the reversal to be due is on disk").request.reason = *reason;
            }
            Record::ReversalClosed { id, .. } => {
                self.reversals.remove(id).expect("the reversal to be closed is on disk");
            }
            Record::ReversalTried { id, attempts, standing } => {
                let open = self.reversals.get_mut(id).expect("the reversal that was tried is on disk");
                (open.attempts, open.standing) = (*attempts, *standing);
            }
            Record::Queued { .. } => unreachable!("judged above"),
            Record::CardDataWiped { id } => {
                self.queue.remove(id).expect("the card data to be wiped are on disk");
            }
            Record::CardDenied { id } => {
                let pan = self.queue[id].0.pan.clone();
                self.denied.push(pan);
            }
            Record::ScriptDue { id, report } => {
                self.scripts.insert(*id, OpenScript { id: *id, report: (**report).clone() });
            }
            Record::ScriptSent { id, next } => {
                self.scripts.remove(id).expect("the script result is on disk");
                self.next_stan = *next;
            }
            Record::ClockTrusted(anchor) => self.clock = Some(anchor.clone()),
            Record::TraceTaken { next } => self.next_stan = *next,
            Record::SignedIn { at, batch, .. } => {
                self.signed_in_at = Some(*at);
                self.batch = *batch;
                self.working_keys = true;
            }
            Record::SignedOut { .. } => self.working_keys = false,
            Record::Tampered(opened) => {
                self.tampered = Some(opened.clone());
                self.working_keys = false;
            }
            Record::OperatorStored(operator) => {
                self.operators.insert(operator.id.clone(), operator.clone());
            }
            Record::OperatorOnDuty(operator) => self.on_duty.clone_from(operator),
        }
    }

    fn change(&mut self, view: &TransactionView) {
        let row = &mut self.payments.get_mut(&view.id).expect("the payment to be changed is on disk").0;
        let code = row.code.clone();
        *row = view.clone();
        assert!(code.is_none() || row.code == code, "a code once given stays");
    }

    /// What a start reads.
    pub fn recovered(&self) -> Recovered {
        use crate::domain::outcome::TransactionState::Finished;
        let next_id = self.payments.keys().next_back().map_or(1, |id| id.0 + 1);
        let nobody = |v: &TransactionView| Caller { uid: v.owner.uid, connection: String::new() };
        let open = self.payments.values().map(|(v, _)| v).filter(|v| v.state != Finished);
        Recovered {
            next_stan: self.next_stan,
            batch: self.batch,
            next_id: TransactionId(next_id),
            open: open.map(|v| TransactionView { owner: nobody(v), ..v.clone() }).collect(),
            reversals: self.reversals.values().cloned().collect(),
            scripts: self.scripts.values().cloned().collect(),
            queue: self.totals(),
            clock: self.clock.clone(),
            operators: self.operators.values().cloned().collect(),
            on_duty: self.on_duty.clone(),
            signed_in_at: self.signed_in_at,
            tampered: self.tampered.clone(),
        }
    }

    /// What a look-up finds.
    pub fn find(&self, wanted: impl Fn(&TransactionView) -> bool) -> Option<Box<(TransactionView, String)>> {
        let (view, print) = self.payments.values().rev().find(|(v, _)| wanted(v))?;
        let owner = Caller { uid: view.owner.uid, connection: String::new() };
        Some(Box::new((TransactionView { owner, ..view.clone() }, print.clone())))
    }
}
