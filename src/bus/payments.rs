//! Making, finding and listing payments: arguments checked here, everything about money decided in the core.

use zbus::{Connection, OwnedObjectPath};

use crate::bus::authority::Right;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate, Visit};
use crate::bus::names::transaction_path;
use crate::bus::options::{Given, Options, printable};
use crate::bus::result::{Row, listed};
use crate::bus::terminal::unexpected;
use crate::domain::amount::{Amount, Currency, MAX_MINOR, Money};
use crate::domain::ids::{IdempotencyKey, TransactionCode, TransactionId};
use crate::domain::offline::OfflineMode;
use crate::domain::outcome::{Outcome, TransactionKind};
use crate::engine::command::{Caller, Command, ListFilter, NewTransaction, RefusalKind, Reply};

/// Rows of one list when the caller does not say.
const PAGE: u64 = 50;
/// Rows of one list at most.
const MAX_PAGE: u64 = 500;
/// Characters of an app's own reference.
const REFERENCE: usize = 64;

/// The object path of a payment.
pub(super) fn object(id: TransactionId) -> Result<OwnedObjectPath> {
    OwnedObjectPath::try_from(transaction_path(id)).map_err(|e| Error::internal(format!("no object path: {e}")))
}

/// The arguments of `CreateTransaction`; `training` says what the terminal is used for.
pub(super) fn order(
    training: bool,
    caller: &Caller,
    kind: &str,
    key: &str,
    amount: u64,
    currency: &str,
    options: Given,
) -> Result<NewTransaction> {
    let kind = TransactionKind::from_word(kind).ok_or_else(|| {
        let known: Vec<_> = TransactionKind::ALL.iter().map(|k| k.as_str()).collect();
        Error::invalid(format!("unknown kind of payment; known: {}", known.join(", ")))
    })?;
    let key = idempotency_key(key)?;
    let amount = Amount::new(amount)
        .ok_or_else(|| Error::invalid(format!("an amount is 1 to {MAX_MINOR} minor units (fen, cents)")))?;
    let currency = currency.parse::<Currency>().map_err(|e| Error::invalid(e.to_string()))?;
    let mut options = Options::new(options);
    let confirm_amount = options.flag("confirm-amount")?;
    let detached = options.flag("detached")?.unwrap_or(false);
    let reference = options.text("reference")?;
    let mode = options.text("mode")?;
    let knows = options.flag("training")?.unwrap_or(false);
    options.finish()?;
    same_kind(training, knows)?;
    if let Some(reference) = &reference {
        printable("option 'reference'", reference, REFERENCE)?;
    }
    let mode = match mode {
        None => OfflineMode::OnlineOnly,
        Some(word) => OfflineMode::from_word(&word).ok_or_else(|| {
            let known: Vec<_> = OfflineMode::ALL.iter().map(|m| m.as_str()).collect();
            Error::invalid(format!("option 'mode' is one of: {}", known.join(", ")))
        })?,
    };
    let money = Money { amount, currency };
    Ok(NewTransaction { caller: caller.clone(), kind, key, money, confirm_amount, detached, reference, mode })
}

/// A payment is made only for who knows whether it is real: an app that was never told of training books no sale of it, and
/// a lesson charges no card.
fn same_kind(training: bool, wanted: bool) -> Result<()> {
    let text = match (training, wanted) {
        (true, false) => {
            "the terminal is in training mode and moves no money; a payment is made only with option 'training' = true \
             (posctl sale --training). To take real payments: posctl training stop"
        }
        (false, true) => {
            "the terminal is not in training mode: this would charge the card. To train: posctl training start"
        }
        (true, true) | (false, false) => return Ok(()),
    };
    Err(Error::new(RefusalKind::WrongState, text))
}

fn idempotency_key(text: &str) -> Result<IdempotencyKey> {
    IdempotencyKey::new(text)
        .ok_or_else(|| Error::invalid("an idempotency key has 1 to 64 printable ASCII characters without blanks"))
}

/// `CreateTransaction`.
pub(super) async fn create(gate: &Gate, visit: &Visit, new: NewTransaction) -> Result<OwnedObjectPath> {
    gate.room_for(visit.caller.uid, Some(&new.key))?;
    let id = transaction(gate.ask(visit, Command::Create(new), ANSWER).await?)?;
    gate.exported(id).await?;
    object(id)
}

/// `FindTransaction`: the caller's own by key, or any by code.
pub(super) async fn find(gate: &Gate, connection: &Connection, visit: &Visit, text: &str) -> Result<OwnedObjectPath> {
    let caller = visit.caller.clone();
    let code = text.parse::<TransactionCode>();
    let key = IdempotencyKey::new(text);
    if let (None, Err(why)) = (&key, &code) {
        return Err(Error::invalid(format!("neither an idempotency key nor a transaction code: {why}")));
    }
    gate.room_for(caller.uid, key.as_ref())?;
    if let Some(key) = key {
        match gate.ask(visit, Command::FindByKey { caller: caller.clone(), key }, ANSWER).await {
            Err(why) if why.kind() == RefusalKind::NotFound && code.is_ok() => {}
            other => return found(gate, transaction(other?)?).await,
        }
    }
    let code = code.map_err(|why| Error::invalid(why.to_string()))?;
    let id = transaction(gate.ask(visit, Command::FindByCode { caller: caller.clone(), code }, ANSWER).await?)?;
    // Only now is known whose it is; without the right a foreign one is as good as none.
    if gate.exported(id).await?.owner.uid != caller.uid {
        gate.allow(connection, visit, Right::ReadAll).await?;
    }
    object(id)
}

async fn found(gate: &Gate, id: TransactionId) -> Result<OwnedObjectPath> {
    gate.exported(id).await?;
    object(id)
}

fn transaction(reply: Reply) -> Result<TransactionId> {
    match reply {
        Reply::Transaction(id) => Ok(id),
        other => Err(unexpected(&other)),
    }
}

/// `ListTransactions`.
pub(super) async fn list(gate: &Gate, connection: &Connection, visit: &Visit, options: Given) -> Result<Vec<Row>> {
    let (filter, all) = filter(options)?;
    if all {
        gate.allow(connection, visit, Right::ReadAll).await?;
    }
    let filter = ListFilter { uid: (!all).then_some(visit.caller.uid), ..filter };
    match gate.ask(visit, Command::List(filter), ANSWER).await? {
        Reply::List(views) => Ok(views.iter().map(|view| listed(view, gate.training())).collect()),
        other => Err(unexpected(&other)),
    }
}

fn filter(options: Given) -> Result<(ListFilter, bool)> {
    let mut options = Options::new(options);
    let outcome = options.text("outcome")?;
    let before = options.number("before")?.map(TransactionId);
    let limit = options.number("limit")?.unwrap_or(PAGE);
    let all = options.flag("all")?.unwrap_or(false);
    options.finish()?;
    let outcome = outcome.map(|word| {
        Outcome::from_word(&word).ok_or_else(|| {
            let known: Vec<_> = Outcome::ALL.iter().map(|o| o.as_str()).collect();
            Error::invalid(format!("option 'outcome' is one of: {}", known.join(", ")))
        })
    });
    let limit = u16::try_from(limit).ok().filter(|l| (1..=MAX_PAGE).contains(&u64::from(*l)));
    let limit = limit.ok_or_else(|| Error::invalid(format!("option 'limit' is 1 to {MAX_PAGE}")))?;
    Ok((ListFilter { uid: None, outcome: outcome.transpose()?, before, limit }, all))
}

#[cfg(test)]
mod tests {
    use zbus::{OwnedVariant, Variant};

    use super::*;

    fn with(key: &str, value: Variant<'static>) -> Given {
        Given::from([(key.to_owned(), OwnedVariant::try_from(value).unwrap())])
    }

    fn caller() -> Caller {
        Caller { uid: 1000, connection: ":1.7".to_owned() }
    }

    #[test]
    fn an_order_carries_what_was_asked_for() {
        let new =
            order(false, &caller(), "sale", "k-1", 1234, "CNY", with("confirm-amount", Variant::new(false))).unwrap();
        assert_eq!(new.money.to_string(), "CNY 12.34");
        assert_eq!(new.confirm_amount, Some(false));
        assert_eq!(new.reference, None);
        assert_eq!(new.mode, OfflineMode::OnlineOnly, "nothing goes offline that did not say so");
        let new =
            order(false, &caller(), "sale", "k-1", 1234, "CNY", with("mode", Variant::new("prefer-online"))).unwrap();
        assert_eq!(new.mode, OfflineMode::PreferOnline);
    }

    #[test]
    fn each_wrong_argument_is_named() {
        let text = |kind, key, amount, currency, options| {
            order(false, &caller(), kind, key, amount, currency, options).unwrap_err().text().to_owned()
        };
        assert!(text("gift", "k", 1, "CNY", Given::new()).contains("kind"));
        assert!(text("sale", "k k", 1, "CNY", Given::new()).contains("idempotency key"));
        assert!(text("sale", "k", 0, "CNY", Given::new()).contains("amount"));
        assert!(text("sale", "k", 1, "XXX", Given::new()).contains("currency"));
        assert!(text("sale", "k", 1, "CNY", with("tip", Variant::new(1u64))).contains("'tip'"));
        let modes = text("sale", "k", 1, "CNY", with("mode", Variant::new("offline")));
        assert!(modes.contains("online-only, prefer-online, offline-only"), "{modes}");
        assert!(text("sale", "k", 1, "CNY", with("reference", Variant::new("a\u{7}"))).contains("reference"));
    }

    #[test]
    fn a_payment_is_made_only_for_who_knows_whether_it_is_real() {
        let made = |training, options| order(training, &caller(), "sale", "k", 1, "CNY", options).map(drop);
        let says = |knows: bool| with("training", Variant::new(knows));
        assert!(
            made(false, Given::new()).is_ok() && made(false, says(false)).is_ok() && made(true, says(true)).is_ok()
        );
        for (training, options) in [(true, Given::new()), (true, says(false)), (false, says(true))] {
            let refused = made(training, options).unwrap_err();
            assert_eq!(refused.kind(), RefusalKind::WrongState, "{refused:?}");
            assert!(refused.text().contains("training"), "{refused:?}");
        }
    }

    #[test]
    fn a_list_is_bounded_and_its_outcome_a_known_word() {
        assert_eq!(filter(Given::new()).unwrap().0.limit, 50);
        assert!(filter(with("limit", Variant::new(501u32))).is_err());
        assert!(filter(with("limit", Variant::new(0u32))).is_err());
        assert!(filter(with("outcome", Variant::new("lost"))).is_err());
        assert_eq!(filter(with("outcome", Variant::new("unknown"))).unwrap().0.outcome, Some(Outcome::Unknown));
    }
}
