//! A day of the terminal, commit by commit, and what has to be on disk after each of them.

use std::collections::BTreeMap;

use smartpos::domain::host::{HostTime, ReversalReason, ReversalRequest};
use smartpos::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use smartpos::domain::outcome::{Outcome, Role, TransactionState};
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::WallTime;
use smartpos::engine::command::{Caller, ListFilter};
use smartpos::engine::record::{OperatorRecord, Record};
use smartpos::engine::snapshot::TransactionView;
use smartpos::store::{Store, StoreError};

use crate::store_common::*;

/// Sales of the day: enough for the log to be copied into the database and begun again, twice.
const SALES: u64 = 220;
/// After so many there is another sign-in.
const SHIFT: u64 = 40;

/// What is acknowledged as one.
pub enum Step {
    Commit(Vec<Record>),
    MasterKey(u8),
}

impl Step {
    pub fn run(&self, store: &mut Store) {
        match self {
            Self::Commit(records) => store.commit(records).map(drop).unwrap(),
            Self::MasterKey(byte) => store.set_master_key(&SecretBytes::new(vec![*byte; 16])).unwrap(),
        }
    }

    /// Whether this payment's request leaves after it.
    pub fn sends(&self, id: u64) -> bool {
        let sends = |r: &Record| matches!(r, Record::Sent { view, .. } if view.id.0 == id);
        matches!(self, Self::Commit(records) if records.iter().any(sends))
    }
}

fn operator(failed: u32) -> OperatorRecord {
    let hash = "$argon2id$v=19$salt$hash".to_owned();
    OperatorRecord { id: OperatorId::new("01").unwrap(), role: Role::Supervisor, hash, failed, locked: false }
}

fn signed_in(shift: u64, next: Stan) -> Vec<Record> {
    let host_time = Some(HostTime { month: 11, day: 24, hour: 12, minute: 0, second: 0 });
    let wrapped = vec![u8::try_from(shift).unwrap(); 56];
    let at = WallTime(1_795_492_801_000_000 + shift);
    let batch = Batch::new(7).unwrap();
    vec![Record::TraceTaken { next }, Record::SignedIn { at, batch, wrapped, host_time }]
}

fn declined(id: u64) -> TransactionView {
    TransactionView {
        outcome: Some(Outcome::Declined),
        auth_code: None,
        response_code: Some("51".to_owned()),
        ..approved(id)
    }
}

fn taken_back(id: u64) -> TransactionView {
    TransactionView {
        state: TransactionState::Finished,
        outcome: Some(Outcome::Cancelled),
        reversed: true,
        finished_at: Some(WallTime(1_795_492_900_000_000 + id)),
        ..reversing(id)
    }
}

/// How a sale goes on once it was sent: answered, or taken back.
fn answered(id: u64) -> Vec<Vec<Record>> {
    match id % 5 {
        0 => vec![vec![close(id), change(declined(id))]],
        1 => {
            let due = Record::ReversalDue { id: TransactionId(id), reason: ReversalReason::NoAnswer };
            vec![vec![change(reversing(id)), due], vec![close(id), change(taken_back(id))]]
        }
        _ => vec![vec![close(id), change(approved(id))]],
    }
}

/// The whole day.
pub fn day() -> Vec<Step> {
    let mut commits = vec![vec![Record::OperatorStored(operator(0)), Record::OperatorOnDuty(Some(operator(0).id))]];
    let mut steps = vec![Step::MasterKey(1)];
    for id in 1..=SALES {
        if id % SHIFT == 1 {
            commits.push(signed_in(id / SHIFT, stan(id)));
            commits.push(vec![Record::OperatorStored(operator(u32::try_from(1 + id / SHIFT).unwrap()))]);
        }
        commits.push(vec![create(id)]);
        commits.push(vec![send(id)]);
        commits.extend(answered(id));
        steps.extend(commits.drain(..).map(Step::Commit));
        if id == SALES / 2 {
            // Takes the working keys with it.
            steps.push(Step::MasterKey(2));
        }
    }
    steps
}

/// What the store says, in a form that can be compared and printed: no card number is in it.
#[derive(Debug, PartialEq)]
pub struct Ledger {
    next_stan: Stan,
    payments: BTreeMap<u64, (TransactionView, String)>,
    /// The reason, and whether the rest is as it was sealed.
    reversals: BTreeMap<u64, (ReversalReason, bool)>,
    batch: Batch,
    signed_in_at: Option<WallTime>,
    operators: Vec<OperatorRecord>,
    on_duty: Option<OperatorId>,
    master_key: Option<u8>,
    working_keys: Option<Vec<u8>>,
}

impl Ledger {
    /// Of a database that was just made.
    pub fn new() -> Self {
        Self {
            next_stan: Stan::FIRST,
            payments: BTreeMap::new(),
            reversals: BTreeMap::new(),
            batch: Batch::new(1).unwrap(),
            signed_in_at: None,
            operators: Vec::new(),
            on_duty: None,
            master_key: None,
            working_keys: None,
        }
    }

    /// What has to be on disk when a step is, that is on disk before it.
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Commit(records) => records.iter().for_each(|r| self.write(r)),
            Step::MasterKey(byte) => {
                self.master_key = Some(*byte);
                self.working_keys = None;
            }
        }
    }

    fn write(&mut self, record: &Record) {
        match record {
            Record::Created { view, fingerprint } => self.put(view, fingerprint.clone()),
            Record::Sent { view, next, reversal } => {
                self.change(view);
                self.reversals.insert(view.id.0, (reversal.reason, true));
                self.next_stan = *next;
            }
            Record::Changed { view } => self.change(view),
            Record::ReversalDue { id, reason } => {
                self.reversals.insert(id.0, (*reason, true));
            }
            Record::ReversalClosed { id, .. } => {
                self.reversals.remove(&id.0);
            }
            Record::TraceTaken { next } => self.next_stan = *next,
            Record::SignedIn { at, batch, wrapped, .. } => {
                (self.batch, self.signed_in_at, self.working_keys) = (*batch, Some(*at), Some(wrapped.clone()));
            }
            Record::SignedOut { .. } => self.working_keys = None,
            Record::OperatorStored(operator) => {
                self.operators.retain(|o| o.id != operator.id);
                self.operators.push(operator.clone());
            }
            Record::OperatorOnDuty(operator) => self.on_duty.clone_from(operator),
        }
    }

    fn change(&mut self, view: &TransactionView) {
        let fingerprint = self.payments[&view.id.0].1.clone();
        self.put(view, fingerprint);
    }

    fn put(&mut self, view: &TransactionView, fingerprint: String) {
        // Who is connected is not stored.
        let owner = Caller { uid: view.owner.uid, connection: String::new() };
        self.payments.insert(view.id.0, (TransactionView { owner, ..view.clone() }, fingerprint));
    }

    /// What a store holds.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let found = store.load()?;
        let mut ledger = Self {
            next_stan: found.next_stan,
            batch: found.batch,
            signed_in_at: found.signed_in_at,
            operators: found.operators,
            on_duty: found.on_duty,
            master_key: store.master_key()?.map(|k| k.expose()[0]),
            working_keys: store.working_keys()?.map(|k| k.expose().to_vec()),
            ..Self::new()
        };
        for open in found.reversals {
            let reason = open.request.reason;
            let whole = open.request == ReversalRequest { reason, ..reversal(open.id.0) };
            ledger.reversals.insert(open.id.0, (reason, whole));
        }
        let mut before = None;
        loop {
            let page = store.list(&ListFilter { before, ..EVERYTHING })?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            for view in page {
                let fingerprint = store.find_by_key(view.owner.uid, &view.key)?.map(|f| f.1).unwrap_or_default();
                ledger.payments.insert(view.id.0, (view, fingerprint));
            }
        }
        Ok(ledger)
    }
}
