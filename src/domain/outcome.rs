//! How a payment is going and how it ended: closed lists of kebab-case words, the same in store, bus and journal.

/// A closed list of words: one enum, its kebab-case text both ways.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word used on the bus, in the store and in the journal.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value of a word; `None` if it is not in the list.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// How a payment ended.
    Outcome {
        /// The host authorised it.
        Approved = "approved",
        /// Accepted here within the offline limits; the merchant carries the risk.
        ApprovedOffline = "approved-offline",
        /// Host or card refused it.
        Declined = "declined",
        /// Ended before any money could move, or taken back since (reversed).
        Cancelled = "cancelled",
        /// The request left and no valid answer came: a reversal is on its way. Never becomes approved.
        Unknown = "unknown",
    }
}

words! {
    /// What kind of payment.
    TransactionKind {
        /// Purchase, 0200 / 000000.
        Sale = "sale",
    }
}

words! {
    /// Where a payment stands.
    TransactionState {
        /// Made, not started.
        Created = "created",
        /// The customer is to confirm the amount on the keypad.
        AwaitingConfirmation = "awaiting-confirmation",
        /// A card is to be presented.
        AwaitingCard = "awaiting-card",
        /// The PIN is to be entered.
        AwaitingPin = "awaiting-pin",
        /// The host is being reached; nothing has been sent.
        Connecting = "connecting",
        /// Being stored within the offline limits.
        Storing = "storing",
        /// The request has left; the answer is awaited.
        Authorising = "authorising",
        /// No valid answer: the reversal waits or is on its way.
        Reversing = "reversing",
        /// Over.
        Finished = "finished",
    }
}

words! {
    /// What the terminal as a whole is doing.
    TerminalState {
        /// Recovering; nothing is possible yet.
        Starting = "starting",
        /// No valid sign-in with the acquirer.
        SignedOut = "signed-out",
        /// 0800 under way or about to be tried again.
        SigningIn = "signing-in",
        /// A payment can start.
        Ready = "ready",
        /// A payment is under way.
        Busy = "busy",
        /// Signed in, but something needed for payments is missing; `Cause` says what.
        Degraded = "degraded",
        /// Stopped until a person acts; `Cause` says why.
        OutOfService = "out-of-service",
    }
}

words! {
    /// What an operator may do.
    Role {
        /// Sells.
        Operator = "operator",
        /// Also voids, refunds, settles, unlocks.
        Supervisor = "supervisor",
        /// Also keys and configuration.
        Administrator = "administrator",
    }
}
