//! What the engine asks of the acquirer's host and what comes back, free of any wire format.

use crate::domain::amount::Money;
use crate::domain::card::CardRead;
use crate::domain::cause::Cause;
use crate::domain::ids::{AuthCode, Batch, Rrn, Stan};
use crate::domain::link::ConnectFailureKind;
use crate::domain::offline::{OfflineSale, ScriptReport};
use crate::domain::outcome::words;
use crate::domain::pan::Pan;
use crate::domain::response::Response;
use crate::domain::secret::{PinBlock, SecretBytes};

/// One message to the host.
pub enum HostRequest {
    /// 0800.
    SignIn(SignInRequest),
    /// 0820 / 002.
    SignOut {
        /// Field 11.
        stan: Stan,
        /// Field 60.2.
        batch: Batch,
    },
    /// 0820 / 301.
    Echo {
        /// Field 60.2.
        batch: Batch,
    },
    /// 0200 purchase.
    Sale(Box<SaleRequest>),
    /// 0400.
    Reversal(Box<ReversalRequest>),
    /// 0220 of a payment accepted offline.
    OfflineSale {
        /// What was accepted.
        sale: Box<OfflineSale>,
        /// Whether it may have been sent before: same trace, marked as a repeat where the acquirer wants that.
        repeat: bool,
    },
    /// 0620.
    ScriptReport {
        /// Field 11, its own.
        stan: Stan,
        /// What is reported.
        report: Box<ScriptReport>,
    },
}

/// 0800: asks for working keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRequest {
    /// Field 11.
    pub stan: Stan,
    /// Field 60.2 as known here.
    pub batch: Batch,
}

/// 0200 purchase with a contactless card.
pub struct SaleRequest {
    /// Field 11.
    pub stan: Stan,
    /// Field 60.2.
    pub batch: Batch,
    /// Fields 4 and 49.
    pub money: Money,
    /// Fields 2, 14, 22, 23, 35, 55.
    pub card: CardRead,
    /// Fields 26, 52, 53.
    pub pin_block: Option<PinBlock>,
}

words! {
    /// Field 39 of a 0400.
    ReversalReason {
        /// No answer in time.
        NoAnswer = "98",
        /// An approval came, but the terminal could not finish.
        CouldNotFinish = "96",
        /// The answer's MAC was wrong.
        WrongMac = "A0",
        /// Anything else; also what a power cut leaves.
        Other = "06",
    }
}

/// 0400: takes back a sale whose result is open. Kept on disk (sealed) from before the sale left until answered.
#[derive(Clone, PartialEq, Eq)]
pub struct ReversalRequest {
    /// Field 11 of the original.
    pub stan: Stan,
    /// Field 60.2 of the original.
    pub batch: Batch,
    /// Fields 4 and 49 of the original.
    pub money: Money,
    /// Field 2.
    pub pan: Pan,
    /// Field 14.
    pub expiry: Option<String>,
    /// Field 23.
    pub sequence_number: Option<u16>,
    /// Field 22 third digit: whether a PIN was sent.
    pub pin_sent: bool,
    /// Field 55.
    pub tags: SecretBytes,
    /// Field 38, if an answer supplied it.
    pub auth_code: Option<AuthCode>,
    /// Field 39.
    pub reason: ReversalReason,
}

/// A matched, checked answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAnswer {
    /// 0810.
    SignIn(SignInAnswer),
    /// 0830 to a sign-out.
    SignOut(Response),
    /// 0830 to an echo.
    Echo(Response),
    /// 0210.
    Sale(SaleAnswer),
    /// 0410.
    Reversal {
        /// Field 39.
        response: Response,
        /// Whether the MAC was present and right, where one is due.
        mac: MacCheck,
        /// The header's request.
        asks: ProcessingRequest,
    },
    /// 0230.
    OfflineSale(SaleAnswer),
    /// 0630.
    ScriptReport(Response),
}

/// 0810 with its keys already checked. The keys themselves stay in `host` until the engine says install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInAnswer {
    /// Field 39.
    pub response: Response,
    /// Field 60.2 if it is one a host may hand out.
    pub batch: Option<Batch>,
    /// Fields 12 and 13 as (MMDD, hhmmss).
    pub host_time: Option<HostTime>,
    /// What came of field 62 when the response was 00.
    pub keys: KeyCheck,
    /// The header's request.
    pub asks: ProcessingRequest,
}

/// The host's clock: no year is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTime {
    /// Month and day.
    pub month: u8,
    /// Day of month.
    pub day: u8,
    /// Hour.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
    /// Second.
    pub second: u8,
}

/// Result of unwrapping the key block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// All check values match; the keys wait to be installed. The block is still wrapped under the master key.
    Good {
        /// Field 62 as received, to be kept for a restart.
        wrapped: Vec<u8>,
    },
    /// None can be installed.
    Bad {
        /// K03, K04 or K05.
        cause: Cause,
        /// What did not match, for the technician; never a key.
        evidence: String,
    },
    /// Not asked: the response was not 00.
    NotSent,
}

/// 0210.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleAnswer {
    /// Field 39.
    pub response: Response,
    /// Field 37.
    pub rrn: Option<Rrn>,
    /// Field 38.
    pub auth_code: Option<AuthCode>,
    /// Field 15, `MMDD`.
    pub settlement_date: Option<String>,
    /// Field 63, first three characters (`CUP` …).
    pub card_org: Option<String>,
    /// Field 44, issuer id.
    pub issuer: Option<String>,
    /// Field 13, `MMDD`.
    pub host_date: Option<String>,
    /// Field 32, digits.
    pub acquirer: Option<String>,
    /// Whether field 55 carries a script for the card (71, 72).
    pub issuer_script: bool,
    /// Whether the MAC was present and right.
    pub mac: MacCheck,
    /// The header's request.
    pub asks: ProcessingRequest,
}

words! {
    /// What came of checking an answer's MAC.
    MacCheck {
        /// Right.
        Good = "good",
        /// Present and wrong, or missing where it is due.
        Bad = "bad",
        /// Not due for this answer.
        NotDue = "not-due",
    }
}

words! {
    /// The processing-request digit the host writes in the header.
    ProcessingRequest {
        /// 0.
        None = "none",
        /// 1.
        DownloadParameters = "download-parameters",
        /// 2.
        UploadStatus = "upload-status",
        /// 3.
        SignIn = "sign-in",
        /// 4.
        DownloadCaKeys = "download-ca-keys",
        /// 5.
        DownloadIcParameters = "download-ic-parameters",
        /// 6.
        UpdateSoftware = "update-software",
        /// 7.
        DownloadBlacklist = "download-blacklist",
    }
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFailure {
    /// N05, N08, N09, N10, B06, K04 …
    pub cause: Cause,
    /// Whether any byte of the request may have reached the host. `false` means certainly nothing was sent.
    pub sent: bool,
    /// How the connection attempt failed, the most telling one of several; `None` where a connection stood.
    pub connect: Option<ConnectFailureKind>,
    /// What was seen, for the technician; no card data.
    pub evidence: String,
}
