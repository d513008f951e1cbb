//! Whose turn it is when something is wrong: what the catalogue says, for those who note faults and name contacts.

use crate::diagnose::catalogue::{Actor, entry};
use crate::domain::cause::Cause;
use crate::domain::support::Party;

/// Whether a person has to do something, as opposed to waiting for the daemon.
pub fn needs_person(cause: Cause) -> bool {
    entry(cause).actor != Actor::Nobody
}

/// Whether it is a fault to be kept for a report: one that needs a person and is no slip of an operator.
pub fn is_reportable(cause: Cause) -> bool {
    needs_person(cause) && !cause.as_str().starts_with('O')
}

/// Whom to call about it, if it does not go away.
pub fn party(cause: Cause) -> Party {
    match entry(cause).actor {
        Actor::Acquirer => Party::Acquirer,
        Actor::Nobody
        | Actor::Cashier
        | Actor::Supervisor
        | Actor::Technician
        | Actor::NetworkProvider
        | Actor::Support => Party::Shop,
    }
}
