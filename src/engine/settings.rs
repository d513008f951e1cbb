//! What configuration and acquirer profile tell the engine.

use std::time::Duration;

use crate::domain::amount::Currency;
use crate::domain::cause::Cause;
use crate::domain::ids::{MerchantId, TerminalId};
use crate::domain::offline::OfflineLimits;

/// Fixed while the daemon runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Field 41.
    pub terminal_id: TerminalId,
    /// Field 42.
    pub merchant_id: MerchantId,
    /// The one currency the acquirer settles in.
    pub currency: Currency,
    /// The largest sale, minor units.
    pub max_amount: u64,
    /// From this amount on a PIN is asked for whatever the card says.
    pub pin_above: u64,
    /// Whether an operator has to be signed in to sell.
    pub operator_required: bool,
    /// Whether the card reader's power can be switched.
    pub reader_power: bool,
    /// Whether there is to be a code scanner.
    pub scanner: bool,
    /// Whether the customer confirms the amount on the keypad unless the app says otherwise.
    pub confirm_amount: bool,
    /// The acquirer's local time, minutes east of UTC.
    pub utc_offset_minutes: i16,
    /// How long a card is waited for.
    pub card_wait: Duration,
    /// How long a payment may wait for `Start`.
    pub start_wait: Duration,
    /// Working keys older than this are renewed at the next idle moment.
    pub keys_max_age: Duration,
    /// Largest difference between host and terminal clock.
    pub clock_tolerance: Duration,
    /// Response codes that end a reversal.
    pub reversal_ends: Vec<String>,
    /// Repeats of a reversal after the first attempt until a person is asked.
    pub reversal_retries: u32,
    /// What may be accepted offline.
    pub offline: OfflineLimits,
    /// How what was accepted offline is forwarded.
    pub forwarding: ForwardSettings,
    /// Why the daemon keeps still: it has ended again and again, or cannot work with what is on disk. Nothing is sent and
    /// no payment taken then; what is on file can be read.
    pub safe_mode: Option<Standstill>,
    /// This boot (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
}

/// Why nothing is done at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// The code of the catalogue.
    pub cause: Cause,
    /// What was seen.
    pub evidence: String,
}

/// How payments accepted offline are forwarded. Source: the acquirer profile, `[offline]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSettings {
    /// Shortest time between two of them.
    pub pace: Duration,
    /// Response codes that mean "already there" for a repeat.
    pub done_codes: Vec<String>,
    /// Temporary refusals of one payment until it is held.
    pub retries: u32,
    /// What is older than this is held instead of being sent.
    pub hold_after: Duration,
}

impl Default for ForwardSettings {
    fn default() -> Self {
        Self {
            pace: Duration::ZERO,
            done_codes: vec!["94".to_owned()],
            retries: 3,
            hold_after: Duration::from_secs(30 * 86_400),
        }
    }
}

/// How long a caller of `SignIn` waits at most; D-Bus callers give up after 25 s.
pub const SIGN_IN_REPLY: Duration = Duration::from_secs(20);
/// How long a caller of `SignOut` or `Echo` waits at most.
pub const ERRAND_REPLY: Duration = Duration::from_secs(20);
/// After this an exchange counts as lost even if the host machine says nothing. Longer than any of its own timers, which
/// the acquirer profile bounds: several addresses to connect to, up to 90 s for an answer.
pub const LINE_WAIT: Duration = Duration::from_secs(150);
/// The same for an entry at the keypad.
pub const ENTRY_WAIT: Duration = Duration::from_secs(150);
/// How long a started payment waits for sign-in and open reversals before the card is asked for.
pub const PREPARE_WAIT: Duration = Duration::from_secs(30);
/// How long a result stays on the display.
pub const RESULT_SHOWN: Duration = Duration::from_secs(15);
/// How long a password may take to be checked or hashed.
pub const PASSWORD_WAIT: Duration = Duration::from_secs(20);
/// Errands whose callers may wait.
pub const MAX_ERRANDS: usize = 16;
/// Waits between sign-in attempts grow from the first to the last, plus jitter.
pub const SIGN_IN_BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Waits after a temporary refusal by the host.
pub const REFUSED_BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(600));
/// Waits between attempts at a reversal.
pub const REVERSAL_BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Waits between passes of the forwarder that did not come through.
pub const FORWARD_BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// A payment that wants the line waits so long for an upload that is under way.
pub const UPLOAD_GRACE: Duration = Duration::from_secs(2);
/// Progress of a drain is told at most so often.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Payments whose temporary refusals are counted at once.
pub const MAX_REFUSALS: usize = 1024;
/// Payments a uid may have created and not finished.
pub const MAX_UNFINISHED: usize = 16;
/// Payments with an object on the bus; above it the oldest finished one goes (the store keeps it).
pub const MAX_OBJECTS: usize = 64;
/// Cards that may be presented wrongly within one payment.
pub const MAX_CARD_TRIES: u8 = 5;
/// Wrong passwords until an operator is locked.
pub const MAX_PASSWORD_TRIES: u32 = 5;
/// Callers that may wait for the same sign-in.
pub const MAX_WAITING: usize = 32;
/// How long a supervisor waits after as many wrong passwords.
pub const SUPERVISOR_WAIT: Duration = Duration::from_secs(900);
