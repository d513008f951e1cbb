//! What every cause means, what the daemon does about it, who acts, and what each person is told. Data only.
//!
//! Owns: the texts, and the message ids that stand in the journal. A cause without an entry does not compile. Whoever
//! explains a cause, on the bus, in `posctl` or in the journal's catalogue, takes the words from here.

mod bank;
mod hardware;
mod keys;
mod network;
mod operator;
mod power;
mod software;

use crate::diagnose::text::{MessageId, Text};
use crate::domain::cause::Cause;
use crate::domain::outcome::words;

words! {
    /// Who has to act.
    Actor {
        /// Nobody: the daemon mends it, or waits for what mends itself.
        Nobody = "nobody",
        /// Whoever sells.
        Cashier = "cashier",
        /// Whoever may unlock, resolve and void.
        Supervisor = "supervisor",
        /// Whoever looks after terminal and network in the shop.
        Technician = "technician",
        /// The provider of the internet connection.
        NetworkProvider = "network-provider",
        /// The acquirer.
        Acquirer = "acquirer",
        /// The support of terminal or program.
        Support = "support",
    }
}

impl Actor {
    /// For a person.
    pub const fn text(self) -> Text {
        match self {
            Self::Nobody => Text::new("无需人工", "nobody; it mends itself"),
            Self::Cashier => Text::new("收银员", "the cashier"),
            Self::Supervisor => Text::new("主管", "a supervisor"),
            Self::Technician => Text::new("技术人员", "the technician"),
            Self::NetworkProvider => Text::new("宽带运营商", "the internet provider"),
            Self::Acquirer => Text::new("收单机构", "the acquirer"),
            Self::Support => Text::new("技术支持", "support"),
        }
    }
}

/// One cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What its lines bear in the journal; never changes.
    pub id: MessageId,
    /// Who has to act.
    pub actor: Actor,
    /// What is wrong, in a few words.
    pub title: Text,
    /// What has to be seen for it to be named.
    pub evidence: Text,
    /// What the daemon does by itself.
    pub action: Text,
    /// What the person who acts does.
    pub remedy: Text,
    /// What the cashier is told.
    pub cashier: Text,
    /// What the technician is told.
    pub technician: Text,
    /// What the customer is told.
    pub customer: Text,
}

/// Entries as a list: one line a text, Chinese first.
macro_rules! entries {
    ($($name:ident $id:literal $actor:ident
        title $title_zh:literal $title_en:literal
        evidence $evidence_zh:literal $evidence_en:literal
        action $action_zh:literal $action_en:literal
        remedy $remedy_zh:literal $remedy_en:literal
        cashier $cashier_zh:literal $cashier_en:literal
        technician $technician_zh:literal $technician_en:literal
        customer $customer:expr;)+) => {$(
        pub(super) static $name: $crate::diagnose::catalogue::Entry = $crate::diagnose::catalogue::Entry {
            id: $crate::diagnose::text::MessageId($id),
            actor: $crate::diagnose::catalogue::Actor::$actor,
            title: $crate::diagnose::text::Text::new($title_zh, $title_en),
            evidence: $crate::diagnose::text::Text::new($evidence_zh, $evidence_en),
            action: $crate::diagnose::text::Text::new($action_zh, $action_en),
            remedy: $crate::diagnose::text::Text::new($remedy_zh, $remedy_en),
            cashier: $crate::diagnose::text::Text::new($cashier_zh, $cashier_en),
            technician: $crate::diagnose::text::Text::new($technician_zh, $technician_en),
            customer: $customer,
        };
    )+};
}
use entries;

/// What a customer is told where no card can be taken.
const CARD_NOT_NOW: Text =
    Text::new("暂时不能刷卡，请稍候或用其他方式付款", "cards cannot be taken just now; please wait or pay another way");
/// What a customer is told where no code can be scanned.
const SCAN_NOT_NOW: Text = Text::new(
    "暂时不能扫码，请刷卡或用其他方式付款",
    "codes cannot be scanned just now; please pay by card or another way",
);
/// What a customer is told where it takes a moment, or nothing at all.
const WAIT: Text = Text::new("请稍候", "one moment, please");
/// What a customer is told where somebody may be listening in.
const SAFETY: Text =
    Text::new("为了安全暂不能刷卡，请用其他方式付款", "for safety no cards are taken just now; please pay another way");

/// The entry of a cause.
pub const fn entry(cause: Cause) -> &'static Entry {
    match cause {
        Cause::N01 => &network::N01,
        Cause::N02 => &network::N02,
        Cause::N03 => &network::N03,
        Cause::N04 => &network::N04,
        Cause::N05 => &network::N05,
        Cause::N06 => &network::N06,
        Cause::N07 => &network::N07,
        Cause::N08 => &network::N08,
        Cause::N09 => &network::N09,
        Cause::N10 => &network::N10,
        Cause::H01 => &hardware::H01,
        Cause::H02 => &hardware::H02,
        Cause::H03 => &hardware::H03,
        Cause::H04 => &hardware::H04,
        Cause::H05 => &hardware::H05,
        Cause::H06 => &hardware::H06,
        Cause::H07 => &hardware::H07,
        Cause::H08 => &hardware::H08,
        Cause::H09 => &hardware::H09,
        Cause::H10 => &hardware::H10,
        Cause::H11 => &hardware::H11,
        Cause::S01 => &software::S01,
        Cause::S02 => &software::S02,
        Cause::S03 => &software::S03,
        Cause::S04 => &software::S04,
        Cause::S05 => &software::S05,
        Cause::S06 => &software::S06,
        Cause::S07 => &software::S07,
        Cause::O01 => &operator::O01,
        Cause::O02 => &operator::O02,
        Cause::O03 => &operator::O03,
        Cause::O04 => &operator::O04,
        Cause::O05 => &operator::O05,
        Cause::B01 => &bank::B01,
        Cause::B02 => &bank::B02,
        Cause::B03 => &bank::B03,
        Cause::B04 => &bank::B04,
        Cause::B06 => &bank::B06,
        Cause::K01 => &keys::K01,
        Cause::K02 => &keys::K02,
        Cause::K03 => &keys::K03,
        Cause::K04 => &keys::K04,
        Cause::K05 => &keys::K05,
        Cause::K06 => &keys::K06,
        Cause::P01 => &power::P01,
        Cause::P02 => &power::P02,
        Cause::P03 => &power::P03,
        Cause::P04 => &power::P04,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn texts(entry: &Entry) -> [(&'static str, Text); 7] {
        [
            ("title", entry.title),
            ("evidence", entry.evidence),
            ("action", entry.action),
            ("remedy", entry.remedy),
            ("cashier", entry.cashier),
            ("technician", entry.technician),
            ("customer", entry.customer),
        ]
    }

    #[test]
    fn every_cause_has_every_text_in_both_languages() {
        let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        for cause in Cause::ALL {
            for (what, text) in texts(entry(*cause)) {
                assert!(chinese(text.zh), "{cause} {what}: {}", text.zh);
                assert!(text.en.is_ascii() && text.en.len() > 8, "{cause} {what}: {}", text.en);
                for one in [text.zh, text.en] {
                    assert!(one.trim() == one && !one.contains('\n') && !one.ends_with(['.', '。']), "{cause}: {one}");
                }
            }
        }
    }

    #[test]
    fn no_two_causes_share_an_id_or_a_title() {
        let all = || Cause::ALL.iter().map(|cause| entry(*cause));
        assert_eq!(all().map(|e| e.id).collect::<BTreeSet<_>>().len(), Cause::ALL.len());
        assert_eq!(all().map(|e| e.title.zh).collect::<BTreeSet<_>>().len(), Cause::ALL.len());
        assert_eq!(all().map(|e| e.title.en).collect::<BTreeSet<_>>().len(), Cause::ALL.len());
    }

    #[test]
    fn what_needs_a_person_says_to_whom_it_falls_and_what_mends_itself_does_not() {
        for cause in Cause::ALL {
            let entry = entry(*cause);
            let alone = entry.actor == Actor::Nobody;
            assert!(!alone || entry.action.en.len() > 20, "{cause}: nobody acts, and the daemon does nothing");
        }
        assert_eq!(entry(Cause::N06).actor, Actor::NetworkProvider);
        assert_eq!(entry(Cause::B02).actor, Actor::Acquirer);
    }
}
