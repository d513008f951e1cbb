//! Errors at both edges: what callers see (`org.smartposd.Pos1.Error.*`, a closed list) and why serving failed.

use zbus::message::{Header, Message};
use zbus::names::ErrorName;

use crate::bus::names::BUS_NAME;
use crate::domain::cause::Cause;
use crate::engine::command::{Refusal, RefusalKind};

/// A refused call, as the caller sees it: a name of the closed list and a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    kind: RefusalKind,
    cause: Option<Cause>,
    text: String,
}

/// What a method of the bus gives back.
pub(super) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn new(kind: RefusalKind, text: impl Into<String>) -> Self {
        Self { kind, cause: None, text: text.into() }
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(RefusalKind::InvalidArgument, text)
    }

    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self::new(RefusalKind::Internal, text)
    }

    pub(super) fn kind(&self) -> RefusalKind {
        self.kind
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = match refusal.cause {
            Some(cause) => format!("{cause}: {}", refusal.text),
            None => refusal.text,
        };
        Self { kind: refusal.kind, cause: refusal.cause, text }
    }
}

/// The whole name of an error.
pub(super) const fn error_name(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::InvalidArgument => "org.smartposd.Pos1.Error.InvalidArgument",
        RefusalKind::NotAuthorized => "org.smartposd.Pos1.Error.NotAuthorized",
        RefusalKind::WrongState => "org.smartposd.Pos1.Error.WrongState",
        RefusalKind::Busy => "org.smartposd.Pos1.Error.Busy",
        RefusalKind::NotSignedIn => "org.smartposd.Pos1.Error.NotSignedIn",
        RefusalKind::ReaderUnavailable => "org.smartposd.Pos1.Error.ReaderUnavailable",
        RefusalKind::HostUnreachable => "org.smartposd.Pos1.Error.HostUnreachable",
        RefusalKind::HostTimeout => "org.smartposd.Pos1.Error.HostTimeout",
        RefusalKind::LimitExceeded => "org.smartposd.Pos1.Error.LimitExceeded",
        RefusalKind::IdempotencyMismatch => "org.smartposd.Pos1.Error.IdempotencyMismatch",
        RefusalKind::NotFound => "org.smartposd.Pos1.Error.NotFound",
        RefusalKind::Internal => "org.smartposd.Pos1.Error.Internal",
    }
}

impl zbus::DBusError for Error {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&self.text)
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(error_name(self.kind))
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }
}

/// Why the daemon could not take its place on the bus.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No bus at this address.
    #[error("no connection to the bus at {address}: {source}; is dbus running, and is the address right?")]
    NoBus {
        /// Where it was looked for.
        address: String,
        /// What was seen.
        source: zbus::Error,
    },
    /// Somebody else has the name.
    #[error("{BUS_NAME} is taken: another smartposd runs on this bus; stop it first")]
    NameTaken,
    /// The bus policy does not let this user have the name.
    #[error(
        "the bus does not let this user own {BUS_NAME}: {source}; run as user smartposd with \
         org.smartposd.Pos1.conf in /usr/share/dbus-1/system.d, or use --bus with a private bus"
    )]
    NameRefused {
        /// What the bus said.
        source: zbus::Error,
    },
    /// An object could not be exported.
    #[error("an object could not be put on the bus: {source}")]
    NotExported {
        /// What was seen.
        source: zbus::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use zbus::DBusError;

    use super::*;
    use crate::bus::names::ERROR_PREFIX;

    const ALL: [RefusalKind; 12] = [
        RefusalKind::InvalidArgument,
        RefusalKind::NotAuthorized,
        RefusalKind::WrongState,
        RefusalKind::Busy,
        RefusalKind::NotSignedIn,
        RefusalKind::ReaderUnavailable,
        RefusalKind::HostUnreachable,
        RefusalKind::HostTimeout,
        RefusalKind::LimitExceeded,
        RefusalKind::IdempotencyMismatch,
        RefusalKind::NotFound,
        RefusalKind::Internal,
    ];

    #[test]
    fn every_refusal_has_its_own_error_name() {
        let names: BTreeSet<_> = ALL.iter().map(|k| Error::new(*k, "").name().to_string()).collect();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            // Names are taken unchecked on the way out, so they are checked here.
            assert!(ErrorName::try_from(name.as_str()).is_ok() && name.starts_with(ERROR_PREFIX), "{name}");
        }
    }

    #[test]
    fn the_cause_stands_in_front_of_the_text() {
        let refusal = Refusal::because(RefusalKind::HostUnreachable, Cause::N05, "no address answers");
        assert_eq!(Error::from(refusal).text(), "N05: no address answers");
    }
}
