//! The state of everything at one moment, for readers that must never wait: bus getters, `posctl status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::amount::Money;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::habit::Seen;
use crate::domain::host::HostFailure;
use crate::domain::ids::{AuthCode, Batch, IdempotencyKey, OperatorId, Rrn, Stan, TransactionCode, TransactionId};
use crate::domain::offline::{Forwarding, OfflineMode, OfflineRefusal, QueueTotals};
use crate::domain::outcome::{Outcome, TerminalState, TransactionKind, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::time::WallTime;
use crate::domain::upkeep::Notices;
use crate::engine::command::{Caller, NewTransaction};

/// Everything that can be read without asking the core.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The terminal.
    pub terminal: TerminalView,
    /// The card reader.
    pub reader: DeviceView,
    /// The keypad.
    pub keypad: DeviceView,
    /// The code scanner, where one is configured.
    pub scanner: Option<DeviceView>,
    /// Payments with an object on the bus: active, or finished and not acknowledged. Bounded.
    pub transactions: BTreeMap<TransactionId, Arc<TransactionView>>,
    /// What can be paid now, one row each way.
    pub capabilities: [Capability; 4],
    /// The keys.
    pub keys: KeysView,
    /// Reversals not yet acknowledged by the host.
    pub open_reversals: u32,
    /// Of these, how many have used up their tries and wait for a person.
    pub held_reversals: u32,
    /// Payments accepted offline that the host does not have yet.
    pub queue: QueueView,
    /// How the last exchanges with the host went.
    pub host: HostView,
    /// Mistakes that people made, in the order of their words.
    pub habits: Vec<Seen>,
    /// What wants to be seen to before it fails.
    pub notices: Notices,
}

/// The line to the host as the exchanges on it show it: evidence that costs no probe.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HostView {
    /// Valid answers since the start.
    pub answers: u64,
    /// Exchanges that failed since the start.
    pub failures: u64,
    /// What the last exchange failed with; `None` once an answer came.
    pub failure: Option<HostFailure>,
}

/// The forwarder and what it has before it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct QueueView {
    /// What is unsent.
    pub totals: QueueTotals,
    /// Its currency, `CNY`.
    pub currency: &'static str,
    /// Whether it is being sent now.
    pub draining: bool,
    /// Answered since this drain began.
    pub sent: u32,
    /// Estimated seconds until the rest is sent, from the pace so far.
    pub seconds_left: Option<u32>,
    /// Why it stands still, if it does.
    pub cause: Option<Cause>,
}

/// The terminal as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct TerminalView {
    /// What it is doing.
    pub state: TerminalState,
    /// Why it is not ready, if it is not.
    pub cause: Option<Cause>,
    /// What was seen, for the technician.
    pub evidence: String,
    /// Field 41.
    pub terminal_id: String,
    /// Field 42.
    pub merchant_id: String,
    /// Field 60.2.
    pub batch: Batch,
    /// Who is signed in here.
    pub operator: Option<OperatorId>,
    /// Whether a supervisor exists; until then the first step is to set one.
    pub supervisor_set: bool,
    /// The payment that has reader and keypad.
    pub active: Option<TransactionId>,
    /// Whose it is, for people: `uid 1000`.
    pub active_owner: Option<String>,
    /// What a person should do next.
    pub prompt: Prompt,
    /// When sign-in is tried again by itself.
    pub next_sign_in: Option<WallTime>,
    /// When the last sign-in succeeded.
    pub signed_in_at: Option<WallTime>,
    /// Host clock minus ours in seconds, at the last sign-in.
    pub clock_difference: Option<i64>,
}

/// An attached device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceView {
    /// How it is.
    pub state: DeviceState,
    /// What it calls itself, e.g. `PN532`.
    pub model: String,
    /// Its firmware, e.g. `1.6`.
    pub firmware: String,
    /// The last thing that was wrong with it.
    pub last_cause: Option<Cause>,
    /// Who keeps it inhibited and why.
    pub inhibited_by: Option<String>,
}

/// The keys, without any key.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct KeysView {
    /// Check value of the master key, hex; `None` if there is none.
    pub master_check: Option<String>,
    /// Whether working keys are installed.
    pub working: bool,
    /// Check value of a first component that waits for the second.
    pub pending_component: Option<String>,
    /// The component the keypad asks for now.
    pub asking_component: Option<u8>,
}

/// Ways to be paid, in the order of [`Snapshot::capabilities`].
pub const WAYS: [&str; 4] = ["card-online", "card-offline", "qr", "cash"];

/// Whether one way to be paid works now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Whether it works.
    pub available: bool,
    /// Why not.
    pub cause: Option<Cause>,
    /// Which offline rule stands in the way, for card-offline.
    pub refusal: Option<OfflineRefusal>,
    /// Until when it is expected to last, if bounded.
    pub until: Option<WallTime>,
    /// The largest payment that a limit leaves room for now, minor units.
    pub amount_left: Option<u64>,
    /// What is left of a count limit.
    pub count_left: Option<u32>,
}

/// One payment, without anything secret. Details go to its owner only.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionView {
    /// The daemon's number.
    pub id: TransactionId,
    /// Who owns it.
    pub owner: Caller,
    /// What kind.
    pub kind: TransactionKind,
    /// The app's key.
    pub key: IdempotencyKey,
    /// How much.
    pub money: Money,
    /// The app's reference.
    pub reference: Option<String>,
    /// Where it stands.
    pub state: TransactionState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it ended so, where a cause applies.
    pub cause: Option<Cause>,
    /// What was seen: for the technician.
    pub evidence: String,
    /// The unique code, once a trace number is taken.
    pub code: Option<TransactionCode>,
    /// Field 11.
    pub stan: Option<Stan>,
    /// Field 60.2 at the time.
    pub batch: Option<Batch>,
    /// Masked card number.
    pub masked_pan: Option<String>,
    /// Card scheme.
    pub scheme: Option<String>,
    /// Field 37.
    pub rrn: Option<Rrn>,
    /// Field 38.
    pub auth_code: Option<AuthCode>,
    /// Field 39.
    pub response_code: Option<String>,
    /// The acquirer's words for it, (zh, en).
    pub response_text: Option<(String, String)>,
    /// Whether the host has acknowledged taking it back.
    pub reversed: bool,
    /// Whether its app allows it to be accepted without the host.
    pub mode: OfflineMode,
    /// Where it stands on its way to the host, if it was accepted offline.
    pub forwarding: Option<Forwarding>,
    /// How often forwarding or reversal was tried.
    pub attempts: u32,
    /// What a person decided about it: operator, uid, decision, note.
    pub resolution: Option<String>,
    /// When it was created.
    pub created_at: WallTime,
    /// When it ended.
    pub finished_at: Option<WallTime>,
}

impl TransactionView {
    /// A payment as it is when it is made.
    pub fn new(id: TransactionId, new: NewTransaction, created_at: WallTime) -> Self {
        Self {
            id,
            owner: new.caller,
            kind: new.kind,
            key: new.key,
            money: new.money,
            reference: new.reference,
            mode: new.mode,
            state: TransactionState::Created,
            outcome: None,
            cause: None,
            evidence: String::new(),
            code: None,
            stan: None,
            batch: None,
            masked_pan: None,
            scheme: None,
            rrn: None,
            auth_code: None,
            response_code: None,
            response_text: None,
            reversed: false,
            forwarding: None,
            attempts: 0,
            resolution: None,
            created_at,
            finished_at: None,
        }
    }
}
