//! What can be seen of the terminal over the bus, as the judge takes it.

use serde_json::Value;

use crate::app::posctl::output::{number, text, truth};
use crate::app::posctl::training::trains;
use crate::bus::client::{Client, ClientError, ListOrder, Row};
use crate::diagnose::drill::{Payment, Sight};
use crate::domain::device::DeviceState;
use crate::domain::habit::Habit;
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};

/// Payments looked at; a drill that needs more has failed long before.
const PAYMENTS: u32 = 50;

/// What was there before the drill.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    last_payment: u64,
    wrong_passwords: u64,
}

/// Notes what was there before.
pub async fn before(client: &Client) -> Result<Before, ClientError> {
    let newest = payments(client, 1).await?;
    let last_payment = newest.first().map_or(0, |row| number(row, "id"));
    Ok(Before { last_payment, wrong_passwords: wrong(&client.manager().await?) })
}

/// One look. A daemon that is away is not called, since a call would start another one.
pub async fn look(client: &Client, before: &Before) -> Result<Sight, ClientError> {
    if !client.serves().await? {
        return Ok(Sight::default());
    }
    match seen(client, before).await {
        // It went away meanwhile, or is too busy: the next look tells.
        Err(ClientError::NoDaemon | ClientError::TimedOut | ClientError::Broken(_)) => Ok(Sight::default()),
        other => other,
    }
}

async fn seen(client: &Client, before: &Before) -> Result<Sight, ClientError> {
    let (manager, terminal, reader) = tokio::try_join!(client.manager(), client.terminal(), client.reader())?;
    if !trains(&manager) {
        return Ok(Sight::default());
    }
    let mut rows = payments(client, PAYMENTS).await?;
    rows.retain(|row| number(row, "id") > before.last_payment);
    rows.sort_by_key(|row| number(row, "id"));
    let wrong_passwords = wrong(&manager).saturating_sub(before.wrong_passwords);
    Ok(Sight {
        up: true,
        state: TerminalState::from_word(text(&terminal, "State")),
        reader: DeviceState::from_word(text(&reader, "State")),
        operator: !text(&terminal, "Operator").is_empty(),
        wrong_passwords: u32::try_from(wrong_passwords).unwrap_or(u32::MAX),
        payments: rows.iter().filter_map(payment).collect(),
    })
}

/// Everybody's, or at least one's own.
async fn payments(client: &Client, limit: u32) -> Result<Vec<Row>, ClientError> {
    let order = ListOrder { limit: Some(limit), all: true, ..ListOrder::default() };
    match client.list(&order).await {
        Err(ClientError::Refused { name, .. }) if name == "NotAuthorized" => {
            client.list(&ListOrder { all: false, ..order }).await
        }
        other => other,
    }
}

fn payment(row: &Row) -> Option<Payment> {
    let state = TransactionState::from_word(text(row, "state"))?;
    Some(Payment { state, outcome: Outcome::from_word(text(row, "outcome")), reversed: truth(row, "reversed") })
}

fn wrong(manager: &Row) -> u64 {
    let mistakes = manager.get("Mistakes").and_then(Value::as_object);
    mistakes.and_then(|all| all.get(Habit::WrongPassword.as_str())).and_then(Value::as_u64).unwrap_or(0)
}
