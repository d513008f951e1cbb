//! What must be on disk before anything is done about it.

use crate::domain::cause::Cause;
use crate::domain::host::{HostTime, ReversalReason, ReversalRequest};
use crate::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use crate::domain::offline::{
    OfflineLimits, OfflineMoment, OfflineRefusal, OfflineSale, QueueTotals, ReversalStanding, ScriptReport,
};
use crate::domain::outcome::Role;
use crate::domain::tamper::Tampered;
use crate::domain::time::{ClockAnchor, WallTime};
use crate::engine::snapshot::TransactionView;

/// One change of the store. All records of one decision are committed in one SQLite transaction.
pub enum Record {
    /// A payment exists.
    Created {
        /// The payment.
        view: Box<TransactionView>,
        /// The arguments its key stands for.
        fingerprint: String,
    },
    /// A request is about to leave: the trace is used, and the reversal stands ready.
    Sent {
        /// The payment with its code, trace and batch.
        view: Box<TransactionView>,
        /// The trace to use next.
        next: Stan,
        /// What takes it back.
        reversal: Box<ReversalRequest>,
    },
    /// A payment changed: answered, finished, reversed.
    Changed {
        /// The payment as it is now.
        view: Box<TransactionView>,
    },
    /// The reversal of a payment is due for this reason.
    ReversalDue {
        /// Which payment.
        id: TransactionId,
        /// Field 39 of the 0400.
        reason: ReversalReason,
    },
    /// A reversal is no longer needed, or the host has acknowledged it.
    ReversalClosed {
        /// Which payment.
        id: TransactionId,
        /// The host's code; `None` when the sale itself was answered.
        response_code: Option<String>,
    },
    /// How far the reversal of a payment has come.
    ReversalTried {
        /// Which payment.
        id: TransactionId,
        /// Tries without an end so far.
        attempts: u32,
        /// Where it stands now.
        standing: ReversalStanding,
    },
    /// A payment is to be accepted offline: trace, code and sealed card data with it. The store checks every limit in the
    /// same transaction and answers with [`Verdict`]; refused, nothing of this record is written.
    Queued {
        /// The payment with its code, trace and batch, finished and approved offline.
        view: Box<TransactionView>,
        /// The trace to use next.
        next: Stan,
        /// What will be sent.
        sale: Box<OfflineSale>,
        /// The limits in force.
        limits: Box<OfflineLimits>,
        /// The moment, by trusted time.
        moment: OfflineMoment,
    },
    /// The host has a payment that was accepted offline, or a person gave it up: its card data are wiped.
    CardDataWiped {
        /// Which payment.
        id: TransactionId,
    },
    /// The card of a payment accepted offline was refused by the host: it is not accepted offline again.
    CardDenied {
        /// Which payment.
        id: TransactionId,
    },
    /// A script result is to be reported before the next payment.
    ScriptDue {
        /// Of which payment.
        id: TransactionId,
        /// What to report.
        report: Box<ScriptReport>,
    },
    /// The script result is about to leave; it is sent once. Its card data are wiped.
    ScriptSent {
        /// Of which payment.
        id: TransactionId,
        /// The trace to use next.
        next: Stan,
    },
    /// The host's clock agreed with ours, or the system's was synchronised.
    ClockTrusted(ClockAnchor),
    /// A trace number was used by a message that is no payment.
    TraceTaken {
        /// The trace to use next.
        next: Stan,
    },
    /// Signed in with the host.
    SignedIn {
        /// When.
        at: WallTime,
        /// The batch in force.
        batch: Batch,
        /// Working keys, still wrapped under the master key.
        wrapped: Vec<u8>,
        /// The host's clock.
        host_time: Option<HostTime>,
    },
    /// Signed out, or the keys were discarded.
    SignedOut {
        /// Why.
        cause: Option<Cause>,
    },
    /// The terminal was opened. The store erases the master key and the working keys in the same commit; what is unsent
    /// stays, since it is the merchant's money.
    Tampered(Tampered),
    /// An operator as of now.
    OperatorStored(OperatorRecord),
    /// An operator signed in or out here.
    OperatorOnDuty(Option<OperatorId>),
}

/// One operator on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorRecord {
    /// Number.
    pub id: OperatorId,
    /// Rights.
    pub role: Role,
    /// PHC string of the password hash.
    pub hash: String,
    /// The same of the secret part of the operator code, if one was issued.
    pub code: Option<String>,
    /// Wrong tries since the last good one.
    pub failed: u32,
    /// Locked until a supervisor unlocks.
    pub locked: bool,
}

/// A reversal that the store holds.
#[derive(Clone)]
pub struct OpenReversal {
    /// Whose.
    pub id: TransactionId,
    /// What to send.
    pub request: ReversalRequest,
    /// Tries without an end so far.
    pub attempts: u32,
    /// Where it stands.
    pub standing: ReversalStanding,
}

/// A script result that the store holds.
#[derive(Clone)]
pub struct OpenScript {
    /// Whose.
    pub id: TransactionId,
    /// What to report.
    pub report: ScriptReport,
}

/// The store's word on a [`Record::Queued`], given with the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which payment.
    pub id: TransactionId,
    /// Stored, or the rule that stood in the way.
    pub result: Result<(), OfflineRefusal>,
    /// What is unsent now.
    pub totals: QueueTotals,
}

/// The next payment to forward.
pub struct QueueHead {
    /// The payment, waiting or in flight.
    pub view: TransactionView,
    /// When it was accepted.
    pub accepted_at: WallTime,
    /// What to send.
    pub sale: OfflineSale,
}

/// What the store knows at start.
pub struct Recovered {
    /// The trace to use next.
    pub next_stan: Stan,
    /// The batch in force.
    pub batch: Batch,
    /// The number of the next payment.
    pub next_id: TransactionId,
    /// Payments that have no outcome, or whose outcome is unknown.
    pub open: Vec<TransactionView>,
    /// Reversals, oldest first.
    pub reversals: Vec<OpenReversal>,
    /// Script results to report, oldest first.
    pub scripts: Vec<OpenScript>,
    /// What is unsent of payments accepted offline.
    pub queue: QueueTotals,
    /// The last moment the time was known for sure.
    pub clock: Option<ClockAnchor>,
    /// Operators.
    pub operators: Vec<OperatorRecord>,
    /// Who was signed in.
    pub on_duty: Option<OperatorId>,
    /// When the last sign-in succeeded.
    pub signed_in_at: Option<WallTime>,
    /// That the terminal was opened, and no new master key has been loaded since.
    pub tampered: Option<Tampered>,
}
