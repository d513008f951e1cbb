//! Names and paths of the public contract, see `src/bus/xml`. The digit is the major version.

use crate::domain::ids::TransactionId;

/// The bus name.
pub const BUS_NAME: &str = "org.smartposd.Pos1";
/// Object of the Manager; every other object lies below it.
pub const ROOT: &str = "/org/smartposd/Pos1";
/// Object of Terminal, Keys and Queue.
pub const TERMINAL: &str = "/org/smartposd/Pos1/Terminal0";
/// Object of the card reader.
pub const READER: &str = "/org/smartposd/Pos1/Reader0";
/// Object of the keypad.
pub const KEYPAD: &str = "/org/smartposd/Pos1/Keypad0";
/// Object of the code scanner, where one is configured.
pub const SCANNER: &str = "/org/smartposd/Pos1/Scanner0";

/// Interface of [`ROOT`].
pub const MANAGER_INTERFACE: &str = "org.smartposd.Pos1.Manager";
/// Interface of [`TERMINAL`].
pub const TERMINAL_INTERFACE: &str = "org.smartposd.Pos1.Terminal";
/// Interface of [`TERMINAL`] for the master key.
pub const KEYS_INTERFACE: &str = "org.smartposd.Pos1.Keys";
/// Interface of [`TERMINAL`] for what the host does not have yet.
pub const QUEUE_INTERFACE: &str = "org.smartposd.Pos1.Queue";
/// Interface of [`READER`].
pub const READER_INTERFACE: &str = "org.smartposd.Pos1.Reader";
/// Interface of [`KEYPAD`].
pub const KEYPAD_INTERFACE: &str = "org.smartposd.Pos1.Keypad";
/// Interface of [`SCANNER`].
pub const SCANNER_INTERFACE: &str = "org.smartposd.Pos1.Scanner";
/// Interface of each payment.
pub const TRANSACTION_INTERFACE: &str = "org.smartposd.Pos1.Transaction";

/// What the errors' names begin with.
pub const ERROR_PREFIX: &str = "org.smartposd.Pos1.Error.";

const TRANSACTION_PREFIX: &str = "/org/smartposd/Pos1/Transaction/";

/// The object of a payment.
pub fn transaction_path(id: TransactionId) -> String {
    format!("{TRANSACTION_PREFIX}{id}")
}

/// The payment of an object path; `None` if it is not one.
pub fn transaction_of(path: &str) -> Option<TransactionId> {
    path.strip_prefix(TRANSACTION_PREFIX)?.parse().ok().map(TransactionId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payments_path_leads_back_to_it() {
        assert_eq!(transaction_of(&transaction_path(TransactionId(42))), Some(TransactionId(42)));
        assert_eq!(transaction_of(TERMINAL), None);
    }
}
