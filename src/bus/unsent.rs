//! The lists of what is unsent: whose rows a caller sees, and which page.

use zbus::{Connection, Variant};

use crate::bus::authority::Right;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate, Visit};
use crate::bus::options::{Given, Options};
use crate::bus::result::{Row, listed};
use crate::bus::terminal::unexpected;
use crate::domain::ids::{TransactionCode, TransactionId};
use crate::domain::offline::Forwarding;
use crate::domain::outcome::TransactionState;
use crate::engine::command::{Command, QueueFilter, Reply};
use crate::engine::snapshot::TransactionView;

/// Rows of one list when the caller does not say.
const PAGE: u64 = 50;
/// Rows of one list at most, and of one question to the core.
const MAX_PAGE: u16 = 500;

/// What a caller wants to see.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    held: bool,
    after: Option<TransactionId>,
    limit: usize,
    all: bool,
}

impl Wanted {
    /// From the options of `List`; where `held` is given, it is none of them.
    pub(super) fn from_options(given: Given, held: Option<bool>) -> Result<Self> {
        let mut options = Options::new(given);
        let held = match held {
            Some(held) => held,
            None => options.flag("held")?.unwrap_or(false),
        };
        let after = options.number("after")?.map(TransactionId);
        let limit = options.number("limit")?.unwrap_or(PAGE);
        let all = options.flag("all")?.unwrap_or(false);
        options.finish()?;
        if !(1..=u64::from(MAX_PAGE)).contains(&limit) {
            return Err(Error::invalid(format!("option 'limit' is 1 to {MAX_PAGE}")));
        }
        Ok(Self { held, after, limit: usize::try_from(limit).unwrap_or(1), all })
    }
}

/// `List` and `ListHeld`.
pub(super) async fn list(gate: &Gate, connection: &Connection, visit: &Visit, wanted: Wanted) -> Result<Vec<Row>> {
    if wanted.all {
        gate.allow(connection, visit, Right::ReadAll).await?;
    }
    let mine = |view: &TransactionView| wanted.all || view.owner.uid == visit.caller.uid;
    let found = search(gate, visit, wanted.held, wanted.after, wanted.limit, mine).await?;
    Ok(found.iter().map(|view| row(view, gate.training())).collect())
}

/// Whose unsent payment has this code.
pub(super) async fn owner(gate: &Gate, visit: &Visit, code: &TransactionCode) -> Result<Option<u32>> {
    let found = search(gate, visit, false, None, 1, |view| view.code.as_ref() == Some(code)).await?;
    Ok(found.first().map(|view| view.owner.uid))
}

/// Goes through what is unsent, oldest first, until so many are found that fit.
async fn search(
    gate: &Gate,
    visit: &Visit,
    held: bool,
    mut after: Option<TransactionId>,
    limit: usize,
    fits: impl Fn(&TransactionView) -> bool,
) -> Result<Vec<TransactionView>> {
    let mut found = Vec::new();
    loop {
        let page = page(gate, visit, QueueFilter { held, after, limit: MAX_PAGE }).await?;
        let last = page.len() < usize::from(MAX_PAGE);
        let behind = page.last().map(|view| view.id);
        found.extend(page.into_iter().filter(&fits).take(limit.saturating_sub(found.len())));
        // A core that gives the same page for ever must not be asked for ever.
        if last || found.len() >= limit || behind == after {
            return Ok(found);
        }
        after = behind;
    }
}

async fn page(gate: &Gate, visit: &Visit, filter: QueueFilter) -> Result<Vec<TransactionView>> {
    match gate.ask(visit, Command::ListQueue(filter), ANSWER).await? {
        Reply::List(views) => Ok(views),
        other => Err(unexpected(&other)),
    }
}

/// One row. The core tells the standing of a reversal as forwarding, too: waiting or held.
fn row(view: &TransactionView, training: bool) -> Row {
    let mut row = listed(view, training);
    let what = if view.state == TransactionState::Reversing { "reversal" } else { "payment" };
    row.insert("what", Variant::from(what));
    row.insert("held", Variant::from(view.forwarding == Some(Forwarding::Held)));
    row
}

#[cfg(test)]
mod tests {
    use zbus::OwnedVariant;

    use super::*;

    fn with(key: &str, value: Variant<'static>) -> Given {
        Given::from([(key.to_owned(), OwnedVariant::try_from(value).unwrap())])
    }

    #[test]
    fn a_list_is_bounded_and_its_own_unless_said_otherwise() {
        let usual = Wanted::from_options(Given::new(), None).unwrap();
        assert_eq!(usual, Wanted { held: false, after: None, limit: 50, all: false });
        assert!(Wanted::from_options(with("limit", Variant::new(0u32)), None).is_err());
        assert!(Wanted::from_options(with("limit", Variant::new(501u32)), None).is_err());
        assert!(Wanted::from_options(with("held", Variant::new(true)), None).unwrap().held);
    }

    #[test]
    fn the_list_of_held_ones_cannot_be_asked_for_others() {
        assert!(Wanted::from_options(Given::new(), Some(true)).unwrap().held);
        assert!(Wanted::from_options(with("held", Variant::new(false)), Some(true)).is_err());
    }
}
