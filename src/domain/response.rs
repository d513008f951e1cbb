//! What a response code (field 39) means. The table itself is acquirer data, see `host::profile`.

use crate::domain::outcome::words;

words! {
    /// The class of a response code in the standard's appendix.
    ResponseClass {
        /// Approved.
        Approved = "approved",
        /// Failed, may be tried again.
        Retry = "retry",
        /// Failed, not to be tried again.
        Refused = "refused",
        /// The operator must act.
        Operator = "operator",
        /// System fault, not to be tried again.
        System = "system",
    }
}

words! {
    /// What the terminal does by itself about a response code.
    ResponseAction {
        /// Nothing more.
        None = "none",
        /// Sign in again, then a new attempt is possible.
        SignIn = "sign-in",
        /// Block trading until a person has called the acquirer.
        Block = "block",
        /// The result is open: reverse.
        Reverse = "reverse",
        /// Temporary: try later with back-off.
        Later = "later",
        /// Our own message is at fault.
        Software = "software",
    }
}

/// One response code, resolved through the acquirer's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The two characters of field 39.
    pub code: String,
    /// Its class.
    pub class: ResponseClass,
    /// What to do by itself.
    pub action: ResponseAction,
    /// Text for the cashier, Chinese.
    pub zh: String,
    /// Text for the cashier, English.
    pub en: String,
}

impl Response {
    /// Whether money moved.
    pub fn approved(&self) -> bool {
        self.class == ResponseClass::Approved
    }
}
