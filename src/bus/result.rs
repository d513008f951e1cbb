//! A payment as the `a{sv}` of `GetResult` and `ListTransactions`: what is not known is left out.

use std::collections::BTreeMap;

use zbus::Variant;

use crate::domain::offline::Forwarding;
use crate::domain::outcome::Outcome;
use crate::engine::snapshot::TransactionView;

/// One row.
pub(super) type Row = BTreeMap<&'static str, Variant<'static>>;

/// Puts a text in, unless there is none.
pub(super) fn put_text(row: &mut Row, key: &'static str, text: Option<impl ToString>) {
    if let Some(text) = text.map(|t| t.to_string()).filter(|t| !t.is_empty()) {
        row.insert(key, Variant::from(text));
    }
}

/// Whether the money is not sure: accepted here, and the host has not said yes.
fn merchant_carries_risk(view: &TransactionView) -> bool {
    view.outcome == Some(Outcome::ApprovedOffline) && view.forwarding != Some(Forwarding::Accepted)
}

/// The keys of `GetResult`.
pub(super) fn result(view: &TransactionView, training: bool) -> Row {
    let mut row = Row::from([
        ("kind", Variant::from(view.kind.as_str())),
        ("key", Variant::from(view.key.to_string())),
        ("state", Variant::from(view.state.as_str())),
        ("amount", Variant::from(view.money.amount.minor())),
        ("currency", Variant::from(view.money.currency.alpha())),
        ("reversed", Variant::from(view.reversed)),
        ("training", Variant::from(training)),
        ("created-at", Variant::from(view.created_at.0)),
        ("mode", Variant::from(view.mode.as_str())),
        ("attempts", Variant::from(view.attempts)),
        ("merchant-carries-risk", Variant::from(merchant_carries_risk(view))),
    ]);
    put_text(&mut row, "outcome", view.outcome);
    put_text(&mut row, "code", view.code.as_ref());
    put_text(&mut row, "reference", view.reference.as_ref());
    put_text(&mut row, "cause", view.cause);
    put_text(&mut row, "evidence", Some(&view.evidence));
    put_text(&mut row, "response-code", view.response_code.as_ref());
    put_text(&mut row, "response-text-zh", view.response_text.as_ref().map(|t| &t.0));
    put_text(&mut row, "response-text-en", view.response_text.as_ref().map(|t| &t.1));
    put_text(&mut row, "rrn", view.rrn.as_ref());
    put_text(&mut row, "auth-code", view.auth_code.as_ref());
    put_text(&mut row, "card", view.masked_pan.as_ref());
    put_text(&mut row, "scheme", view.scheme.as_ref());
    put_text(&mut row, "forwarding", view.forwarding);
    put_text(&mut row, "resolution", view.resolution.as_ref());
    if let Some(stan) = view.stan {
        row.insert("trace", Variant::from(stan.get()));
    }
    if let Some(batch) = view.batch {
        row.insert("batch", Variant::from(batch.get()));
    }
    if let Some(at) = view.finished_at {
        row.insert("finished-at", Variant::from(at.0));
    }
    row
}

/// The keys of `ListTransactions`.
pub(super) fn listed(view: &TransactionView, training: bool) -> Row {
    let mut row = result(view, training);
    row.insert("id", Variant::from(view.id.0));
    row.insert("uid", Variant::from(view.owner.uid));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amount::{Amount, Currency, Money};
    use crate::domain::ids::{IdempotencyKey, TransactionId};
    use crate::domain::offline::OfflineMode;
    use crate::domain::outcome::TransactionKind;
    use crate::domain::time::WallTime;
    use crate::engine::command::{Caller, NewTransaction};

    fn view() -> TransactionView {
        let new = NewTransaction {
            caller: Caller { uid: 1000, connection: ":1.7".to_owned() },
            kind: TransactionKind::Sale,
            key: IdempotencyKey::new("k").unwrap(),
            money: Money { amount: Amount::new(100).unwrap(), currency: Currency::CNY },
            confirm_amount: None,
            detached: false,
            reference: None,
            mode: OfflineMode::OfflineOnly,
        };
        TransactionView::new(TransactionId(1), new, WallTime(1))
    }

    #[test]
    fn the_merchant_carries_the_risk_until_the_host_has_said_yes() {
        let risk = |outcome, forwarding| {
            let row = result(&TransactionView { outcome, forwarding, ..view() }, false);
            bool::try_from(&row["merchant-carries-risk"]).unwrap()
        };
        let offline = Some(Outcome::ApprovedOffline);
        for forwarding in [Forwarding::Waiting, Forwarding::InFlight, Forwarding::Held, Forwarding::Abandoned] {
            assert!(risk(offline, Some(forwarding)), "{forwarding}");
        }
        assert!(!risk(offline, Some(Forwarding::Accepted)));
        assert!(!risk(Some(Outcome::Approved), None) && !risk(None, None));
    }

    #[test]
    fn what_is_not_known_about_forwarding_is_left_out() {
        let row = result(&view(), false);
        assert!(!row.contains_key("forwarding") && !row.contains_key("resolution"));
        assert_eq!(row["mode"], Variant::from("offline-only"));
        let resolution = Some("01 uid 0 abandon: card gone".to_owned());
        let row = result(&TransactionView { resolution, attempts: 4, ..view() }, false);
        assert_eq!(row["resolution"], Variant::from("01 uid 0 abandon: card gone"));
        assert_eq!(row["attempts"], Variant::from(4u32));
    }
}
