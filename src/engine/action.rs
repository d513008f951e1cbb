//! What is to be done, in the imperative. Released only after the records decided with it are on disk.

use crate::domain::amount::Money;
use crate::domain::card::TapRequest;
use crate::domain::host::HostRequest;
use crate::domain::ids::TransactionId;
use crate::domain::pan::Pan;
use crate::domain::prompt::Prompt;
use crate::domain::secret::SecretBytes;
use crate::engine::command::{CommandId, Refusal, Reply};
use crate::engine::signal::Signal;

/// One outward act.
pub enum Action {
    /// Answer a command.
    Reply(CommandId, Result<Reply, Refusal>),
    /// Tell the bus.
    Tell(Signal),
    /// Show a prompt on the display, if there is one.
    Show(Prompt),
    /// Connect to the host.
    ReachHost,
    /// Send a request over the standing connection.
    AskHost(HostRequest),
    /// Give up on the host exchange under way.
    LeaveHost,
    /// Put the checked working keys of the last sign-in answer to use.
    InstallKeys,
    /// Stop using the working keys.
    DiscardKeys,
    /// Poll for a card.
    PollCard(Box<TapRequest>),
    /// Stop polling.
    StopPolling,
    /// Bring the reader up anew.
    ResetReader,
    /// Switch the reader's power off and on.
    PowerCycleReader,
    /// Ask for confirmation of the amount on the keypad.
    AskConfirmation(Money),
    /// Ask for the PIN of this card on the keypad.
    AskPin {
        /// The card, for the PIN block.
        pan: Pan,
    },
    /// Ask for an operator number on the keypad.
    AskOperatorNumber,
    /// Ask for the operator's password on the keypad.
    AskPassword,
    /// End the keypad entry under way.
    StopEntry,
    /// Read the oldest payment to forward behind this one; answered by `QueueHeadLoaded`.
    LoadQueueHead {
        /// The one before it; `None` for the very oldest.
        after: Option<TransactionId>,
    },
    /// Check a password against its hash; answered by `PasswordChecked`.
    CheckPassword {
        /// Which check.
        id: CommandId,
        /// PHC string.
        hash: String,
        /// What was given.
        password: SecretBytes,
    },
    /// Hash a new password; answered by `PasswordHashed`.
    HashPassword {
        /// Which.
        id: CommandId,
        /// The new password.
        password: SecretBytes,
    },
}
