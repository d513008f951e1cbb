//! Host messages: requests written, answers recognised and read (protocol reference §2 and §5).
//!
//! Owns: which fields go where, what identifies an answer, which MAC is due. Must not know: connections, time, who is
//! waiting. No text made here carries a field that could hold card data.

mod answer;
mod offline;
mod request;

use crate::domain::ids::{MerchantId, Stan, TerminalId};

pub use answer::{Fit, Reader, SignInResult};
pub use request::{RequestError, Writer};

/// Who this terminal is to the acquirer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Field 41.
    pub terminal: TerminalId,
    /// Field 42.
    pub merchant: MerchantId,
    /// Licence and serial number behind `Sequence No` in field 62, where the acquirer wants them.
    pub device: Option<String>,
}

/// Which of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0800.
    SignIn,
    /// 0820 / 002.
    SignOut,
    /// 0820 / 301.
    Echo,
    /// 0200.
    Sale,
    /// 0400.
    Reversal,
    /// Upload of a payment accepted offline.
    OfflineSale {
        /// Whether its type says that it may have been sent before: 0221 instead of 0220.
        marked: bool,
    },
    /// 0620.
    ScriptReport,
}

impl Kind {
    /// The type of the request.
    pub const fn mti(self) -> crate::codec::iso8583::Mti {
        use crate::codec::iso8583::Mti;
        match self {
            Self::SignIn => Mti::SIGN_IN,
            Self::SignOut | Self::Echo => Mti::MANAGEMENT,
            Self::Sale => Mti::FINANCIAL,
            Self::Reversal => Mti::REVERSAL,
            Self::OfflineSale { marked: false } => Mti::FINANCIAL_ADVICE,
            Self::OfflineSale { marked: true } => Mti::FINANCIAL_ADVICE_REPEAT,
            Self::ScriptReport => Mti::SCRIPT_RESULT,
        }
    }

    /// Whether money is concerned: such answers are matched by amount too and carry a MAC. A script report only tells,
    /// and nothing depends on what comes back.
    pub const fn financial(self) -> bool {
        match self {
            Self::Sale | Self::Reversal | Self::OfflineSale { .. } => true,
            Self::SignIn | Self::SignOut | Self::Echo | Self::ScriptReport => false,
        }
    }
}

/// What identifies the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Which request it answers.
    pub kind: Kind,
    /// Field 11; an echo has none.
    pub stan: Option<Stan>,
    /// Field 4 of the request, minor units.
    pub amount: Option<u64>,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.stan {
            Some(stan) => write!(f, "{} trace {stan}", self.kind.mti()),
            None => write!(f, "{}", self.kind.mti()),
        }
    }
}

/// Field 3 of a purchase, of its reversal and of its script report.
const PURCHASE: &str = "000000";
/// Field 60.3 of an echo test.
const ECHO: &str = "301";
/// Field 60.3 of a sign-out.
const SIGN_OUT: &str = "002";
