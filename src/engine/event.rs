//! What has happened, in the past tense.

use crate::domain::card::{CardRead, TapFailure};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::{HostAnswer, HostFailure};
use crate::domain::ids::OperatorId;
use crate::domain::offline::QueueTotals;
use crate::domain::scan::Scan;
use crate::domain::secret::{PinBlock, SecretBytes};
use crate::domain::tamper::TamperReading;
use crate::engine::command::{Command, CommandId, Device};
use crate::engine::record::{QueueHead, Verdict};
use crate::engine::snapshot::TransactionView;

/// One thing that happened.
pub enum Event {
    /// A caller asked for something. `stored` is what the store knows of the same uid and key, for `Create`.
    Asked {
        /// Where the reply goes.
        id: CommandId,
        /// What was asked.
        command: Command,
        /// A payment found in the store: for `Create` (with its fingerprint), `FindByKey` and `FindByCode`.
        stored: Option<Box<(TransactionView, String)>>,
    },
    /// A device changed.
    DeviceChanged {
        /// Which.
        device: Device,
        /// How it is now.
        state: DeviceState,
        /// Why.
        cause: Option<Cause>,
    },
    /// A device told what it is.
    DeviceIdentified {
        /// Which.
        device: Device,
        /// Model.
        model: String,
        /// Firmware.
        firmware: String,
    },
    /// A card was read completely.
    CardRead(Box<CardRead>),
    /// A card read failed; where `may_retry`, the reader keeps polling until told to stop.
    CardFailed(TapFailure),
    /// The customer confirmed the amount.
    AmountConfirmed,
    /// The PIN is in, enciphered.
    PinEntered(PinBlock),
    /// The customer chose to go on without a PIN (only where configured).
    PinBypassed,
    /// So many digits are in.
    EntryProgressed {
        /// Digits.
        digits: u8,
    },
    /// The operator number was typed.
    OperatorNumberEntered(OperatorId),
    /// The operator password was typed.
    PasswordEntered(SecretBytes),
    /// Somebody pressed cancel on the keypad.
    EntryCancelled,
    /// Nobody typed in time.
    EntryTimedOut,
    /// The keypad failed or vanished during an entry.
    EntryFailed(Cause),
    /// A code was scanned.
    CodeScanned {
        /// What it is.
        scan: Scan,
        /// Whether the store knows a payment of this code.
        on_file: bool,
    },
    /// The password check asked for by `CheckPassword` is done.
    PasswordChecked {
        /// Which check.
        id: CommandId,
        /// Whether it matched.
        good: bool,
    },
    /// The password hash asked for by `HashPassword` is made.
    PasswordHashed {
        /// Which.
        id: CommandId,
        /// PHC string; empty if it could not be made (no randomness).
        hash: String,
    },
    /// The connection to the host stands; nothing has been sent.
    HostReached,
    /// A matched answer came.
    HostReplied(HostAnswer),
    /// No connection, or no valid answer.
    HostFailed(HostFailure),
    /// The store has judged a payment that was to be accepted offline.
    OfflineJudged(Verdict),
    /// The next payment to forward, as asked for by `LoadQueueHead`.
    QueueHeadLoaded {
        /// `None`: there is none behind that one.
        head: Option<Box<QueueHead>>,
        /// What is unsent altogether.
        totals: QueueTotals,
    },
    /// A link, address or route has come back: the way to the host may be open again.
    LinkReturned,
    /// The system's clock is synchronised with a time server now.
    ClockSynchronised,
    /// The key ceremony moved on, or a master key was loaded or removed.
    KeysChanged {
        /// Check value of the master key, hex.
        master_check: Option<String>,
        /// Check value of a first component that waits for the second.
        pending_component: Option<String>,
        /// The component the keypad asks for now; the keypad is taken meanwhile.
        asking_component: Option<u8>,
    },
    /// The tamper input says something else than before.
    TamperRead(TamperReading),
    /// The storage refuses commits (`Some`: what was seen) or works again. What was decided with a refused commit has
    /// been undone by recovery.
    StorageChanged {
        /// What was seen, if it fails.
        fault: Option<String>,
    },
}
