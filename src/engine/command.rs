//! What callers may ask for, and what they get back.

use crate::domain::amount::{Currency, Money};
use crate::domain::cause::Cause;
use crate::domain::fault::{FaultNote, Moment};
use crate::domain::heal::Fault;
use crate::domain::ids::{IdempotencyKey, OperatorId, TransactionCode, TransactionId};
use crate::domain::offline::{OfflineMode, Resolution};
use crate::domain::outcome::{Outcome, Role, TransactionKind};
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::domain::self_test::{Checked, CoreCheck};
use crate::domain::time::WallTime;
use crate::domain::upkeep::{UpkeepAnswer, UpkeepQuestion};
use crate::engine::snapshot::TransactionView;

/// Names one pending command, so that its reply finds the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// Who asks: the uid is the authority, the connection receives the signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Unix user id, as the bus vouches for it.
    pub uid: u32,
    /// Unique bus name, `:1.42`.
    pub connection: String,
}

/// A payment to be made. Amount, currency and options are part of what the idempotency key protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransaction {
    /// Who asks.
    pub caller: Caller,
    /// What kind.
    pub kind: TransactionKind,
    /// Unique per uid.
    pub key: IdempotencyKey,
    /// How much.
    pub money: Money,
    /// Whether the customer confirms the amount on the keypad; `None` = as configured.
    pub confirm_amount: Option<bool>,
    /// Not tied to the caller's connection: it gets no signals, and does not end when the connection does. For scripts.
    pub detached: bool,
    /// The app's own reference, shown in lists; up to 64 printable characters.
    pub reference: Option<String>,
    /// Whether it may be accepted without the host.
    pub mode: OfflineMode,
}

/// Which payments to list; newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFilter {
    /// Only this caller's.
    pub uid: Option<u32>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only with an id below this (paging).
    pub before: Option<TransactionId>,
    /// At most so many, 1 ..= 500.
    pub limit: u16,
}

/// One request to the core. Authority has been checked by the bus; ownership is checked here.
pub enum Command {
    /// Terminal sign-in now; the reply comes when it is decided, at most 20 s later.
    SignIn,
    /// Terminal sign-out with the host.
    SignOut,
    /// Operator sign-in by password.
    OperatorSignIn {
        /// Operator number.
        operator: OperatorId,
        /// Password, wiped after the check.
        password: SecretBytes,
    },
    /// Operator sign-in typed on the keypad; the reply says only that the keypad asks now.
    OperatorSignInAtKeypad,
    /// Operator sign-out.
    OperatorSignOut,
    /// Adds an operator or sets a new password. The first one ever must be a supervisor.
    OperatorSet {
        /// Operator number.
        operator: OperatorId,
        /// What this operator may do.
        role: Role,
        /// New password: 6 to 32 characters.
        password: SecretBytes,
    },
    /// Issues an operator code; an earlier one of this operator ends.
    OperatorCodeSet {
        /// Operator number.
        operator: OperatorId,
        /// Its secret part, wiped once it is hashed.
        secret: SecretBytes,
    },
    /// Ends an operator code.
    OperatorCodeRevoke {
        /// Operator number.
        operator: OperatorId,
    },
    /// Ends a lock-out.
    OperatorUnlock {
        /// Operator number.
        operator: OperatorId,
    },
    /// Makes a payment object, or finds the one of the same key and arguments.
    Create(NewTransaction),
    /// Starts a payment that its caller created.
    Start {
        /// Who asks.
        caller: Caller,
        /// Which.
        id: TransactionId,
    },
    /// Cancels a payment as long as nothing has been sent.
    Cancel {
        /// Who asks.
        caller: Caller,
        /// Which.
        id: TransactionId,
    },
    /// The caller has the result; the object may go.
    Acknowledge {
        /// Who asks.
        caller: Caller,
        /// Which.
        id: TransactionId,
    },
    /// Finds a payment of this uid by idempotency key; takes over its signals.
    FindByKey {
        /// Who asks.
        caller: Caller,
        /// The key.
        key: IdempotencyKey,
    },
    /// Finds a payment by its code. Any uid's: the bus asks for the right to read all.
    FindByCode {
        /// Who asks.
        caller: Caller,
        /// The code.
        code: TransactionCode,
    },
    /// Lists payments from the store.
    List(ListFilter),
    /// Takes one component of the master key.
    LoadKeyComponent {
        /// 1 or 2.
        index: u8,
        /// Name of the person who holds it; the two must differ.
        custodian: String,
        /// 16 bytes.
        component: SecretBytes,
    },
    /// Asks for a component on the keypad; the reply says only that the keypad asks now.
    LoadKeyComponentAtKeypad {
        /// 1 or 2.
        index: u8,
        /// Name of the person who holds it.
        custodian: String,
    },
    /// Forgets a first component.
    AbandonKeyLoad,
    /// Reopens the card reader and brings it up anew.
    ResetReader,
    /// Switches the card reader's power off and on.
    PowerCycleReader,
    /// Brings the scanner up anew.
    ResetScanner,
    /// Has the scanner read a code.
    TriggerScanner,
    /// The code of a payment that was scanned last. It is given once.
    TakeScannedTransaction,
    /// Keeps payments away from a device while the lease lives.
    Inhibit {
        /// Who holds it.
        caller: Caller,
        /// Which device.
        device: Device,
        /// Why, for people.
        why: String,
    },
    /// The lease has ended: its holder closed it or died.
    InhibitEnded {
        /// Which device.
        device: Device,
    },
    /// Sends an echo test to the host.
    Echo,
    /// A diagnosis has found what is behind a failure of the line.
    Diagnosed(Refinement),
    /// Sends what is queued now, without waiting for the back-off.
    Drain,
    /// Lists what is unsent: payments accepted offline and open reversals, oldest first.
    ListQueue(QueueFilter),
    /// Keeps a waiting payment from being sent until a person decides.
    Hold {
        /// Who asks.
        caller: Caller,
        /// Which, by code.
        code: TransactionCode,
        /// Why, for the record.
        note: String,
    },
    /// A supervisor decides about something held.
    Resolve {
        /// Who asks.
        caller: Caller,
        /// Which, by code.
        code: TransactionCode,
        /// What.
        decision: Resolution,
        /// Why, for the record.
        note: String,
    },
    /// Puts a card on the deny list of offline payments.
    DenyCard {
        /// The card.
        pan: Pan,
        /// Why, for the record.
        note: String,
    },
    /// Checks the journal's chain from its first row to its last.
    VerifyJournal,
    /// Reads rows of the journal, oldest first.
    ExportJournal {
        /// Only rows behind this one.
        after: u64,
        /// At most so many, 1 ..= 1000.
        limit: u16,
    },
    /// The last faults that needed a person.
    LastFaults,
    /// The last changes of state.
    Timeline,
    /// Begins a redacted capture of all wires.
    Record {
        /// Whose capture it is; it ends when this one leaves the bus.
        connection: String,
        /// An empty file of the caller's.
        to: std::os::fd::OwnedFd,
        /// How long at most.
        span: std::time::Duration,
        /// How many bytes at most.
        bytes: usize,
    },
    /// Ends the capture.
    StopRecording,
    /// A consistent copy of everything that must survive, sealed under a passphrase.
    Backup {
        /// 12 to 128 bytes.
        passphrase: SecretBytes,
        /// An empty file of the caller's. Writing to it may hang, so nobody else may have to wait for that.
        to: std::os::fd::OwnedFd,
    },
    /// What was broken and what was done about it.
    HealLog {
        /// At most so many, newest first, 1 ..= 1000.
        limit: u16,
    },
    /// One check of a self-test.
    SelfTest(CoreCheck),
    /// Ends safe mode: the daemon starts anew.
    LeaveSafeMode,
    /// About maintenance.
    Upkeep(UpkeepQuestion),
    /// A bus client is gone.
    ClientGone {
        /// Its unique name.
        connection: String,
    },
}

/// A better name for a failure of the line to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refinement {
    /// The cause that the line itself gave.
    pub was: Cause,
    /// The cause behind it.
    pub found: Cause,
    /// What the probes saw.
    pub evidence: String,
}

/// Which unsent things to list; oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFilter {
    /// Only what waits for a person.
    pub held: bool,
    /// Only with an id above this (paging).
    pub after: Option<TransactionId>,
    /// At most so many, 1 ..= 500.
    pub limit: u16,
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// 1, 2, 3 …
    pub number: u64,
    /// When it was written.
    pub at: WallTime,
    /// What was written, as JSON.
    pub entry: String,
    /// The chain's value behind this row, hex.
    pub chain: String,
}

/// What came of checking the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalCheck {
    /// Rows that were read.
    pub rows: u64,
    /// The first row that is missing or altered, and what is wrong with it.
    pub broken: Option<(u64, String)>,
}

/// An attached device, as addressed on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// `Reader0`.
    Reader,
    /// `Keypad0`.
    Keypad,
    /// `Scanner0`.
    Scanner,
}

/// The good end of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Nothing more to say.
    Done,
    /// Signed in with the host.
    SignedIn {
        /// The batch the host uses.
        batch: u32,
        /// Host time minus terminal time in seconds, if the host sent its clock.
        clock_difference: Option<i64>,
    },
    /// The payment that was made or found. Its object is exported by the time this is read.
    Transaction(TransactionId),
    /// Payments, newest first.
    List(Vec<TransactionView>),
    /// A key component is in, or the key is complete.
    KeyComponent {
        /// Check value of this component, hex.
        component_check: String,
        /// Check value of the whole key once both are in, hex.
        key_check: Option<String>,
    },
    /// Rows of the journal.
    Journal(Vec<JournalRow>),
    /// Faults and what was done about them, newest first.
    Faults(Vec<Fault>),
    /// About maintenance.
    Upkeep(UpkeepAnswer),
    /// What came of one check of a self-test.
    SelfTested(Checked),
    /// The journal was checked.
    JournalChecked(JournalCheck),
    /// Faults that needed a person, oldest first.
    LastFaults(Vec<FaultNote>),
    /// Changes, oldest first.
    Timeline(Vec<Moment>),
    /// So many payments were there to be sent.
    Draining {
        /// How many.
        waiting: u32,
    },
    /// The code of a payment that was scanned last.
    ScannedTransaction(TransactionCode),
    /// The echo came back.
    Echo {
        /// Round trip in milliseconds.
        milliseconds: u64,
    },
}

/// Why a command was refused: the closed list of bus errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// An argument is not acceptable.
    InvalidArgument,
    /// The caller may not do this.
    NotAuthorized,
    /// Not possible in this state.
    WrongState,
    /// Something else is under way.
    Busy,
    /// Terminal or operator is not signed in.
    NotSignedIn,
    /// The card reader is missing or failed.
    ReaderUnavailable,
    /// No address of the host could be reached.
    HostUnreachable,
    /// The host did not answer in time.
    HostTimeout,
    /// A limit would be exceeded.
    LimitExceeded,
    /// The key was used with other arguments.
    IdempotencyMismatch,
    /// No such object.
    NotFound,
    /// The daemon itself failed.
    Internal,
}

/// A refusal with its reason and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which bus error.
    pub kind: RefusalKind,
    /// The cause code, where one applies.
    pub cause: Option<Cause>,
    /// A sentence for the caller: what is wrong and what to do.
    pub text: String,
}

impl Refusal {
    /// A refusal without a cause code.
    pub fn new(kind: RefusalKind, text: impl Into<String>) -> Self {
        Self { kind, cause: None, text: text.into() }
    }

    /// A refusal with its cause.
    pub fn because(kind: RefusalKind, cause: Cause, text: impl Into<String>) -> Self {
        Self { kind, cause: Some(cause), text: text.into() }
    }
}

impl NewTransaction {
    /// The arguments the idempotency key stands for, as one comparable text.
    pub fn fingerprint(&self) -> String {
        let Money { amount, currency } = self.money;
        let confirm = self.confirm_amount.map_or("default", |c| if c { "yes" } else { "no" });
        let currency: Currency = currency;
        let mode = match self.mode {
            // As it was written before there were modes.
            OfflineMode::OnlineOnly => String::new(),
            mode => format!("|{mode}"),
        };
        format!(
            "{}|{}|{}|{confirm}|{}{mode}",
            self.kind,
            amount.minor(),
            currency.alpha(),
            self.reference.as_deref().unwrap_or("")
        )
    }
}
