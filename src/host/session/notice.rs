//! What is worth a line in the journal and a count, and changes nothing.

use super::{Host, HostOutput};
use crate::domain::outcome::words;

words! {
    /// What was noticed.
    NoticeKind {
        /// The answer to a request that was given up.
        Late = "late",
        /// A second answer to the same request.
        Duplicate = "duplicate",
        /// An answer to nothing that was asked here.
        Foreign = "foreign",
        /// Bytes that are no message.
        Garbage = "garbage",
        /// An address did not work; the next one is tried.
        AddressFailed = "address-failed",
        /// A kept connection turned out to be dead before anything was sent.
        StaleConnection = "stale-connection",
        /// A request was dropped for another one.
        Abandoned = "abandoned",
    }
}

/// One thing noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub kind: NoticeKind,
    /// What was seen; no card data.
    pub evidence: String,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Late answers.
    pub late: u64,
    /// Duplicate answers.
    pub duplicate: u64,
    /// Foreign answers.
    pub foreign: u64,
    /// Times that bytes were no message.
    pub garbage: u64,
}

impl Host {
    pub(super) fn notice(&mut self, kind: NoticeKind, evidence: String) {
        let count = match kind {
            NoticeKind::Late => Some(&mut self.tally.late),
            NoticeKind::Duplicate => Some(&mut self.tally.duplicate),
            NoticeKind::Foreign => Some(&mut self.tally.foreign),
            NoticeKind::Garbage => Some(&mut self.tally.garbage),
            NoticeKind::AddressFailed | NoticeKind::StaleConnection | NoticeKind::Abandoned => None,
        };
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
        self.outputs.push_back(HostOutput::Noticed(super::Notice { kind, evidence }));
    }
}
