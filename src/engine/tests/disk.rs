//! What the store would hold, as strict as the store: it refuses what the store would refuse.

use std::collections::BTreeMap;

use crate::domain::host::ReversalRequest;
use crate::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use crate::domain::time::WallTime;
use crate::engine::command::Caller;
use crate::engine::record::{OpenReversal, OperatorRecord, Record, Recovered};
use crate::engine::snapshot::TransactionView;

/// The committed state.
#[derive(Clone)]
pub struct Disk {
    pub payments: BTreeMap<TransactionId, (TransactionView, String)>,
    pub reversals: BTreeMap<TransactionId, ReversalRequest>,
    pub operators: BTreeMap<OperatorId, OperatorRecord>,
    pub on_duty: Option<OperatorId>,
    pub next_stan: Stan,
    pub batch: Batch,
    pub signed_in_at: Option<WallTime>,
    pub working_keys: bool,
}

impl Disk {
    pub fn new() -> Self {
        Self {
            payments: BTreeMap::new(),
            reversals: BTreeMap::new(),
            operators: BTreeMap::new(),
            on_duty: None,
            next_stan: Stan::FIRST,
            batch: Batch::new(1).unwrap(),
            signed_in_at: None,
            working_keys: false,
        }
    }

    /// One commit.
    pub fn commit(&mut self, records: &[Record]) {
        for record in records {
            self.write(record);
        }
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
                let old = self.reversals.insert(view.id, (**reversal).clone());
                assert!(old.is_none(), "payment {} is sent twice", view.id);
                self.next_stan = *next;
            }
            Record::Changed { view } => self.change(view),
            Record::ReversalDue { id, reason } => {
                self.reversals.get_mut(id).expect("the reversal to be due is on disk").reason = *reason;
            }
            Record::ReversalClosed { id, .. } => {
                self.reversals.remove(id).expect("the reversal to be closed is on disk");
            }
            Record::TraceTaken { next } => self.next_stan = *next,
            Record::SignedIn { at, batch, .. } => {
                self.signed_in_at = Some(*at);
                self.batch = *batch;
                self.working_keys = true;
            }
            Record::SignedOut { .. } => self.working_keys = false,
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
            reversals: self.reversals.iter().map(|(id, r)| OpenReversal { id: *id, request: r.clone() }).collect(),
            operators: self.operators.values().cloned().collect(),
            on_duty: self.on_duty.clone(),
            signed_in_at: self.signed_in_at,
        }
    }

    /// What a look-up finds.
    pub fn find(&self, wanted: impl Fn(&TransactionView) -> bool) -> Option<Box<(TransactionView, String)>> {
        let (view, print) = self.payments.values().rev().find(|(v, _)| wanted(v))?;
        let owner = Caller { uid: view.owner.uid, connection: String::new() };
        Some(Box::new((TransactionView { owner, ..view.clone() }, print.clone())))
    }
}
