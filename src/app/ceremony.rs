//! The key ceremony as the daemon runs it: a first component waits in memory only, and not long.

use std::time::Duration;

use crate::domain::secret::{DoubleKey, SecretBytes};
use crate::domain::time::Instant;
use crate::engine::command::{Refusal, RefusalKind, Reply};
use crate::host::ceremony::{Ceremony, CeremonyError, Progress};

/// How long the first component waits for the second.
const PATIENCE: Duration = Duration::from_secs(900);

/// A key load under way.
#[derive(Default)]
pub struct KeyLoad {
    ceremony: Ceremony,
    until: Option<Instant>,
    /// The component that the keypad asks for, and its custodian.
    pub at_keypad: Option<(u8, String)>,
}

impl KeyLoad {
    /// Takes one component. The key comes with the reply once it is whole.
    pub fn enter(
        &mut self,
        now: Instant,
        index: u8,
        custodian: &str,
        component: &SecretBytes,
    ) -> Result<(Reply, Option<DoubleKey>), Refusal> {
        self.expire(now);
        if custodian.len() > 64 {
            return Err(Refusal::new(RefusalKind::InvalidArgument, "a custodian's name has at most 64 characters"));
        }
        match self.ceremony.enter(index, custodian, component).map_err(|e| refusal(&e))? {
            Progress::FirstIn { check } => {
                self.until = Some(now.after(PATIENCE));
                Ok((Reply::KeyComponent { component_check: check, key_check: None }, None))
            }
            Progress::Complete { check, key_check, key } => {
                self.until = None;
                Ok((Reply::KeyComponent { component_check: check, key_check: Some(key_check) }, Some(key)))
            }
        }
    }

    /// Forgets everything.
    pub fn abandon(&mut self) {
        *self = Self::default();
    }

    /// Forgets a first component that has waited too long; says whether it did.
    pub fn expire(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|t| t <= now);
        if over {
            self.ceremony.abandon();
            self.until = None;
        }
        over
    }

    /// When [`Self::expire`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Check value of the component that waits.
    pub fn pending_check(&self) -> Option<String> {
        self.ceremony.waiting()
    }
}

fn refusal(error: &CeremonyError) -> Refusal {
    let kind = match error {
        CeremonyError::FirstMissing | CeremonyError::FirstWaiting { .. } => RefusalKind::WrongState,
        CeremonyError::SameCustodian { .. } => RefusalKind::NotAuthorized,
        CeremonyError::Length
        | CeremonyError::Index
        | CeremonyError::NoCustodian
        | CeremonyError::Trivial
        | CeremonyError::Equal
        | CeremonyError::WeakKey => RefusalKind::InvalidArgument,
    };
    Refusal::new(kind, error.to_string())
}
