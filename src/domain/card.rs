//! What is asked of a card and what it gave.

use crate::domain::amount::Money;
use crate::domain::cause::Cause;
use crate::domain::outcome::words;
use crate::domain::pan::Pan;
use crate::domain::secret::{SecretBytes, Track2};
use crate::domain::time::Civil;

/// Everything the card sequence needs to know of the payment before the card comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapRequest {
    /// Amount and currency for tags 9F02 and 5F2A.
    pub money: Money,
    /// Local date and time for tags 9A and 9F21.
    pub local_time: Civil,
    /// Tag 9F37; fresh random for each payment.
    pub unpredictable: [u8; 4],
    /// Tag 9F41, the transaction sequence counter (the last eight digits of the transaction id).
    pub sequence: u32,
    /// At and above this amount (minor units) the terminal asks for a PIN whatever the card says.
    pub pin_above: u64,
}

words! {
    /// Card schemes this terminal selects, in order of preference.
    Scheme {
        /// UnionPay QuickPass (kernel 7).
        UnionPay = "unionpay",
        /// Visa, online only (kernel 3).
        Visa = "visa",
        /// Mastercard, online only (kernel 2).
        Mastercard = "mastercard",
    }
}

/// A complete contactless read, ready for an online request. Not printable.
#[derive(Clone, PartialEq, Eq)]
pub struct CardRead {
    /// Which scheme's application was used.
    pub scheme: Scheme,
    /// Field 2.
    pub pan: Pan,
    /// Field 14, `YYMM`.
    pub expiry: Option<String>,
    /// Field 23.
    pub sequence_number: Option<u16>,
    /// Field 35.
    pub track2: Option<Track2>,
    /// Field 55 of the request: the tags of PROTOCOL §2 in order.
    pub request_tags: SecretBytes,
    /// Field 55 of a reversal: 95, 9F1E, 9F10, 9F36 as present.
    pub reversal_tags: SecretBytes,
    /// Field 55 of a script report, for the case that the issuer answers with a script: by then the card is gone.
    pub script_tags: SecretBytes,
    /// Whether card or amount demands an online PIN.
    pub pin_required: bool,
}

words! {
    /// Why a card read did not succeed. Each has its own prompt.
    TapFailure {
        /// Two cards answered: show only one.
        TwoCards = "two-cards",
        /// The card left the field before the read was complete.
        RemovedEarly = "removed-early",
        /// Not a payment card (no PPSE, or no ISO-DEP).
        WrongCard = "wrong-card",
        /// A payment card, but of no scheme that is accepted here.
        NoCommonApplication = "no-common-application",
        /// The card itself refused (AAC).
        CardDeclined = "card-declined",
        /// The card asks for a contact transaction.
        UseChip = "use-chip",
        /// Data that break the rules: impossible TLV, missing PAN, contradicting numbers.
        CardFaulty = "card-faulty",
        /// The card's expiry date has passed.
        Expired = "expired",
        /// Nobody presented a card in time.
        NoCard = "no-card",
        /// The reader failed meanwhile.
        ReaderFailed = "reader-failed",
    }
}

impl TapFailure {
    /// The cause of the catalogue, where it is one of this terminal; the rest is about this card or this customer.
    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::TwoCards | Self::RemovedEarly => Some(Cause::O05),
            Self::ReaderFailed => Some(Cause::H02),
            Self::WrongCard
            | Self::NoCommonApplication
            | Self::CardDeclined
            | Self::UseChip
            | Self::CardFaulty
            | Self::Expired
            | Self::NoCard => None,
        }
    }

    /// Whether asking for the card again makes sense within the same payment.
    pub fn may_retry(self) -> bool {
        match self {
            Self::TwoCards | Self::RemovedEarly | Self::WrongCard | Self::CardFaulty => true,
            Self::NoCommonApplication
            | Self::CardDeclined
            | Self::UseChip
            | Self::Expired
            | Self::NoCard
            | Self::ReaderFailed => false,
        }
    }
}
