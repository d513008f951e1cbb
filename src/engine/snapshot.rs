//! The state of everything at one moment, for readers that must never wait: bus getters, `posctl status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::amount::Money;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::ids::{AuthCode, Batch, IdempotencyKey, OperatorId, Rrn, Stan, TransactionCode, TransactionId};
use crate::domain::outcome::{Outcome, TerminalState, TransactionKind, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::time::WallTime;
use crate::engine::command::Caller;

/// Everything that can be read without asking the core.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The terminal.
    pub terminal: TerminalView,
    /// The card reader.
    pub reader: DeviceView,
    /// The keypad.
    pub keypad: DeviceView,
    /// Payments with an object on the bus: active, or finished and not acknowledged. Bounded.
    pub transactions: BTreeMap<TransactionId, Arc<TransactionView>>,
    /// What can be paid now, one row each way.
    pub capabilities: [Capability; 4],
    /// The keys.
    pub keys: KeysView,
    /// Reversals not yet acknowledged by the host.
    pub open_reversals: u32,
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
    /// Until when it is expected to last, if bounded.
    pub until: Option<WallTime>,
    /// What is left of a sum limit, minor units.
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
    /// When it was created.
    pub created_at: WallTime,
    /// When it ended.
    pub finished_at: Option<WallTime>,
}
