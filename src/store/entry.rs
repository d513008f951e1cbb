//! What the journal says of a record: compact JSON without card data.
//!
//! Owns: the words. Only what a bookkeeper asks for: which payment, its code, amounts, states, outcomes, response codes,
//! who decided.

use serde::{Deserialize, Serialize};

use crate::domain::cause::Cause;
use crate::domain::ids::{Batch, OperatorId, Stan, TransactionCode, TransactionId};
use crate::domain::offline::{Forwarding, OfflineMode};
use crate::domain::outcome::Outcome;
use crate::domain::pan;
use crate::domain::time::WallTime;
use crate::engine::record::{Record, Verdict};
use crate::engine::snapshot::TransactionView;

/// One thing in an entry. What does not apply is left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'l> {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reversed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<bool>,
    /// Whether an operator code is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    scannable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// The entry of one commit.
pub fn of(records: &[Record], verdict: Option<&Verdict>) -> String {
    let lines: Vec<Line<'_>> = records.iter().map(|record| line(record, verdict)).collect();
    text(&lines)
}

/// The first entry of all. Payments of before are those of a database that is older than the journal.
pub fn begun(has_payments: bool) -> String {
    let note = has_payments.then(|| "payments made before this are not in the journal".to_owned());
    text(&[Line { what: "journal-begun", note, ..Line::default() }])
}

/// A break that was found.
pub fn broken(what: &str) -> String {
    text(&[Line { what: BROKEN, note: Some(what.to_owned()), ..Line::default() }])
}

const BROKEN: &str = "journal-broken";

/// What a break entry says, if this is one.
pub fn break_of(entry: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Found {
        what: String,
        note: Option<String>,
    }
    if !entry.contains(BROKEN) {
        return None;
    }
    let found: Vec<Found> = serde_json::from_str(entry).ok()?;
    found.into_iter().find(|f| f.what == BROKEN).and_then(|f| f.note)
}

/// A master key was loaded.
pub fn master_key() -> String {
    text(&[Line { what: "master-key", ..Line::default() }])
}

/// A person put a card on the deny list.
pub fn card_listed(note: &str) -> String {
    text(&[Line { what: "card-listed", note: Some(without_card_numbers(note)), ..Line::default() }])
}

/// A backup was brought back.
pub fn restored(next: Stan, repeated: u32) -> String {
    let note = format!("from a backup; {repeated} unsent payments may have been sent since and go out as repeats");
    text(&[Line { what: "restored", next: Some(next.get()), note: Some(note), ..Line::default() }])
}

fn text(lines: &[Line<'_>]) -> String {
    // Plain values only: there is nothing in them that JSON has no form for.
    serde_json::to_string(lines).unwrap_or_default()
}

fn line<'l>(record: &'l Record, verdict: Option<&Verdict>) -> Line<'l> {
    let of = |what, id: &TransactionId| Line { what, id: Some(id.0), ..Line::default() };
    match record {
        Record::Created { view, .. } => Line {
            kind: Some(view.kind.as_str()),
            uid: Some(view.owner.uid),
            mode: Some(view.mode).filter(|m| *m != OfflineMode::OnlineOnly).map(OfflineMode::as_str),
            ..with_money("created", view)
        },
        Record::Sent { view, next, .. } => {
            Line { code: code(view), next: Some(next.get()), ..with_money("sent", view) }
        }
        Record::Changed { view } => Line {
            state: Some(view.state.as_str()),
            response: view.response_code.as_deref(),
            cause: view.cause.map(Cause::as_str),
            reversed: Some(view.reversed).filter(|r| *r),
            attempts: Some(view.attempts).filter(|a| *a > 0),
            resolution: view.resolution.as_deref().map(without_card_numbers),
            code: view.resolution.as_ref().and_then(|_| code(view)),
            outcome: view.outcome.map(Outcome::as_str),
            forwarding: view.forwarding.map(Forwarding::as_str),
            ..of("changed", &view.id)
        },
        Record::Queued { view, next, moment, .. } => {
            match verdict.filter(|v| v.id == view.id).and_then(|v| v.result.err()) {
                Some(refusal) => Line { refusal: Some(refusal.as_str()), ..with_money("offline-refused", view) },
                None => Line {
                    code: code(view),
                    next: Some(next.get()),
                    at: Some(moment.at.0),
                    outcome: view.outcome.map(Outcome::as_str),
                    forwarding: view.forwarding.map(Forwarding::as_str),
                    ..with_money("queued", view)
                },
            }
        }
        Record::ReversalDue { id, reason } => Line { reason: Some(reason.as_str()), ..of("reversal-due", id) },
        Record::ReversalClosed { id, response_code } => {
            Line { response: response_code.as_deref(), ..of("reversal-closed", id) }
        }
        Record::ReversalTried { id, attempts, standing } => {
            Line { attempts: Some(*attempts), standing: Some(standing.as_str()), ..of("reversal-tried", id) }
        }
        Record::CardDataWiped { id } => of("card-data-wiped", id),
        Record::CardDenied { id } => of("card-denied", id),
        Record::ScriptDue { id, .. } => of("script-due", id),
        Record::ScriptSent { id, next } => Line { next: Some(next.get()), ..of("script-sent", id) },
        Record::ClockTrusted(anchor) => {
            let WallTime(at) = anchor.wall;
            Line { what: "clock-trusted", at: Some(at), ..Line::default() }
        }
        Record::TraceTaken { next } => Line { what: "trace-taken", next: Some(next.get()), ..Line::default() },
        Record::SignedIn { batch, .. } => {
            Line { what: "signed-in", batch: Some(Batch::get(*batch)), ..Line::default() }
        }
        Record::Tampered(opened) => {
            Line { what: "tampered", at: Some(opened.at.0), cause: Some(Cause::H09.as_str()), ..Line::default() }
        }
        Record::SignedOut { cause } => Line { what: "signed-out", cause: cause.map(Cause::as_str), ..Line::default() },
        Record::OperatorStored(o) => Line {
            what: "operator",
            operator: Some(o.id.as_str()),
            role: Some(o.role.as_str()),
            failed: Some(o.failed).filter(|f| *f > 0),
            locked: Some(o.locked).filter(|l| *l),
            scannable: Some(o.code.is_some()).filter(|c| *c),
            ..Line::default()
        },
        Record::OperatorOnDuty(operator) => {
            Line { what: "on-duty", operator: operator.as_ref().map(OperatorId::as_str), ..Line::default() }
        }
    }
}

fn with_money<'l>(what: &'static str, view: &'l TransactionView) -> Line<'l> {
    Line {
        what,
        id: Some(view.id.0),
        amount: Some(view.money.amount.minor()),
        currency: Some(view.money.currency.alpha()),
        ..Line::default()
    }
}

fn code(view: &TransactionView) -> Option<&str> {
    view.code.as_ref().map(TransactionCode::as_str)
}

/// What a person wrote. The bus refuses card numbers in notes; what stands here stands for ever.
pub fn without_card_numbers(note: &str) -> String {
    if pan::stands_in(note) { "(left out: it held a card number)".to_owned() } else { note.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_leaves_out_what_does_not_apply() {
        let records = [Record::TraceTaken { next: Stan::FIRST }, Record::SignedOut { cause: Some(Cause::K01) }];
        let expected = r#"[{"what":"trace-taken","next":1},{"what":"signed-out","cause":"K01"}]"#;
        assert_eq!(of(&records, None), expected);
    }

    #[test]
    fn a_break_is_known_again_and_cannot_be_feigned_by_a_note() {
        assert_eq!(break_of(&broken("cut at 7")).as_deref(), Some("cut at 7"));
        assert_eq!(break_of(&card_listed("journal-broken")), None);
        assert_eq!(break_of(&begun(true)), None);
    }
}
