//! A day of the terminal, commit by commit, and what has to be on disk after each of them.

use std::collections::BTreeMap;

use smartpos::domain::host::{HostTime, ReversalReason, ReversalRequest};
use smartpos::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use smartpos::domain::offline::{Forwarding, OfflineMode, QueueTotals};
use smartpos::domain::outcome::{Outcome, Role};
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::WallTime;
use smartpos::engine::command::{Caller, ListFilter, QueueFilter};
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
            Self::Commit(records) => store.commit(AT, records).map(drop).unwrap(),
            Self::MasterKey(byte) => store.set_master_key(AT, &SecretBytes::new(vec![*byte; 16])).unwrap(),
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
    let id = OperatorId::new("01").unwrap();
    OperatorRecord { id, role: Role::Supervisor, hash, code: None, failed, locked: false }
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

/// A sale that is accepted offline, and what becomes of it.
fn without_the_host(id: u64) -> Vec<Vec<Record>> {
    let wiped = Record::CardDataWiped { id: TransactionId(id) };
    let made = TransactionView { mode: OfflineMode::PreferOnline, ..created(id) };
    let made = Record::Created { view: Box::new(made), fingerprint: format!("sale|{id}") };
    let mut commits = vec![vec![made], vec![queue(id)], vec![forwarded(id, Forwarding::InFlight)]];
    match id % 3 {
        0 => commits.push(vec![forwarded(id, Forwarding::Accepted), wiped]),
        1 => commits.push(vec![Record::CardDenied { id: TransactionId(id) }, forwarded(id, Forwarding::Held)]),
        // No answer: it stays in flight.
        _ => {}
    }
    commits
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
        if id % 7 == 4 {
            commits.extend(without_the_host(id));
        } else {
            commits.push(vec![create(id)]);
            commits.push(vec![send(id)]);
            commits.extend(answered(id));
        }
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
    /// Accepted offline and unsent: when, and whether what will be sent is as it was sealed.
    unsent: BTreeMap<u64, (WallTime, bool)>,
    counted: QueueTotals,
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
            unsent: BTreeMap::new(),
            counted: QueueTotals::default(),
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
        self.count();
    }

    /// What a recount of the payments gives.
    fn count(&mut self) {
        let mut counted = QueueTotals::default();
        for (view, _) in self.payments.values() {
            match view.forwarding {
                Some(Forwarding::Waiting | Forwarding::InFlight) => counted.waiting += 1,
                Some(Forwarding::Held) => counted.held += 1,
                Some(Forwarding::Accepted | Forwarding::Abandoned) | None => continue,
            }
            counted.sum += view.money.amount.minor();
        }
        counted.oldest = self.unsent.values().map(|(at, _)| *at).min();
        self.counted = counted;
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
            Record::Queued { view, next, moment, .. } => {
                self.change(view);
                self.unsent.insert(view.id.0, (moment.at, true));
                self.next_stan = *next;
            }
            Record::CardDataWiped { id } => {
                self.unsent.remove(&id.0);
            }
            Record::CardDenied { .. } => {}
            Record::ReversalTried { .. }
            | Record::ScriptDue { .. }
            | Record::ScriptSent { .. }
            | Record::Tampered(_)
            | Record::ClockTrusted(_) => unreachable!("not in this day"),
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

    /// What would be sent, in its order; what is held, by the list.
    fn read_unsent(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut after = None;
        while let Some(head) = store.next_queued(after)? {
            let id = head.view.id;
            self.unsent.insert(id.0, (head.accepted_at, head.sale == offline_sale(id.0)));
            after = Some(id);
        }
        let filter = QueueFilter { held: true, after: None, limit: 500 };
        for view in store.list_queue(&filter)?.into_iter().filter(|v| v.forwarding == Some(Forwarding::Held)) {
            // It has no place among what is sent; its moment is the one it was made with.
            self.unsent.insert(view.id.0, (moment(view.id.0).at, true));
        }
        Ok(())
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
        ledger.counted = found.queue;
        ledger.read_unsent(store)?;
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
