//! What is told on the bus, in order, after it is on disk.

use crate::domain::cause::Cause;
use crate::domain::ids::TransactionId;
use crate::domain::offline::Forwarding;
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::scan::{ScanAnswer, ScanKind};

/// One signal. Those of a payment go to its owner's connection only.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// The terminal changed.
    TerminalStateChanged {
        /// Before.
        old: TerminalState,
        /// After.
        new: TerminalState,
        /// Why.
        cause: Option<Cause>,
    },
    /// A payment moved on.
    TransactionStateChanged {
        /// Which.
        id: TransactionId,
        /// The owner's unique name.
        connection: String,
        /// Before.
        old: TransactionState,
        /// After.
        new: TransactionState,
    },
    /// A person is told something.
    PromptChanged {
        /// Which payment.
        id: TransactionId,
        /// The owner's unique name.
        connection: String,
        /// What.
        prompt: Prompt,
    },
    /// A payment that was accepted offline moved on its way to the host. Goes to its owner.
    ForwardingChanged {
        /// Which.
        id: TransactionId,
        /// The owner's unique name.
        connection: String,
        /// Where it stands now.
        forwarding: Forwarding,
        /// Why, if it is held.
        cause: Option<Cause>,
    },
    /// The queue moved on: for everybody, nothing private.
    QueueProgress {
        /// Answered since this drain began.
        sent: u32,
        /// Still to be sent.
        left: u32,
        /// Held for a person.
        held: u32,
        /// Estimated seconds until the rest is sent.
        seconds_left: Option<u32>,
    },
    /// A code was scanned: for everybody, and nothing of the code.
    CodeScanned {
        /// What kind of code.
        kind: ScanKind,
        /// What became of it.
        answer: ScanAnswer,
        /// Why, where a cause applies.
        cause: Option<Cause>,
    },
    /// A payment ended; after `unknown`, once more when its reversal is through (then `cancelled`).
    TransactionFinished {
        /// Which.
        id: TransactionId,
        /// The owner's unique name.
        connection: String,
        /// How.
        outcome: Outcome,
    },
}

impl Signal {
    /// Whether it concerns no single payment and holds nothing private.
    pub fn is_for_everybody(&self) -> bool {
        match self {
            Self::TerminalStateChanged { .. } | Self::QueueProgress { .. } | Self::CodeScanned { .. } => true,
            Self::TransactionStateChanged { .. }
            | Self::PromptChanged { .. }
            | Self::ForwardingChanged { .. }
            | Self::TransactionFinished { .. } => false,
        }
    }
}
