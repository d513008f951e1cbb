//! The last exchanges, so that what comes too late or twice is known for what it is.

use std::collections::VecDeque;

use crate::codec::iso8583::Message;
use crate::host::keys::KeyRing;
use crate::host::message::{Expected, Fit, Identity, Reader};
use crate::host::profile::Profile;

/// So many are remembered.
const MEMORY: usize = 16;

/// The last exchanges, newest first.
#[derive(Default)]
pub(super) struct Past(VecDeque<(Expected, bool)>);

/// How a message is related to an earlier exchange.
pub(super) enum Kinship {
    /// It answers one that was given up.
    Late,
    /// It answers one that was answered.
    Duplicate,
    /// It answers none that is remembered.
    None,
}

impl Past {
    pub(super) fn answered(&mut self, expected: Expected) {
        self.remember(expected, true);
    }

    pub(super) fn abandoned(&mut self, expected: Expected) {
        self.remember(expected, false);
    }

    pub(super) fn kin(&self, message: &Message, identity: &Identity, profile: &Profile) -> Kinship {
        let reader = Reader { profile, identity, keys: &KeyRing::default() };
        let found = self.0.iter().find(|(expected, _)| reader.fit(expected, message) == Fit::Yes);
        match found {
            Some((_, false)) => Kinship::Late,
            Some((_, true)) => Kinship::Duplicate,
            None => Kinship::None,
        }
    }

    fn remember(&mut self, expected: Expected, answered: bool) {
        self.0.truncate(MEMORY - 1);
        self.0.push_front((expected, answered));
    }
}
