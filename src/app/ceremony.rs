//! The key ceremony: two people, two components, one master key. A first component waits in memory only, and not long.

use std::time::Duration;

use crate::domain::secret::{DoubleKey, SecretBytes};
use crate::domain::time::Instant;
use crate::engine::command::{Refusal, RefusalKind};
use crate::host::ceremony::{self, Component};

/// How long the first component waits for the second.
const PATIENCE: Duration = Duration::from_secs(900);

struct First {
    index: u8,
    custodian: String,
    component: Component,
    until: Instant,
}

/// What came of one component.
pub enum Progress {
    /// The other one is still to come.
    Waiting {
        /// Check value of this component.
        component_check: String,
    },
    /// The key is whole.
    Complete {
        /// Check value of this component.
        component_check: String,
        /// Check value of the key.
        key_check: String,
        /// The key.
        key: DoubleKey,
    },
}

/// A key load under way.
#[derive(Default)]
pub struct KeyCeremony {
    first: Option<First>,
    /// The component that the keypad asks for, and its custodian.
    pub at_keypad: Option<(u8, String)>,
}

impl KeyCeremony {
    /// Takes one component of 16 bytes.
    pub fn take(&mut self, now: Instant, index: u8, custodian: &str, clear: &SecretBytes) -> Result<Progress, Refusal> {
        let refuse = |text: &str| Err(Refusal::new(RefusalKind::InvalidArgument, text));
        if !(1..=2).contains(&index) {
            return refuse("a master key has components 1 and 2");
        }
        if custodian.trim().is_empty() || custodian.len() > 64 {
            return refuse("name the custodian of this component, 1 to 64 characters");
        }
        let component = match Component::new(clear) {
            Ok(component) => component,
            Err(why) => return refuse(&why.to_string()),
        };
        let component_check = component.check_value();
        self.expire(now);
        match self.first.take() {
            Some(first) if first.index != index => {
                if first.custodian.eq_ignore_ascii_case(custodian.trim()) {
                    self.first = Some(first);
                    return refuse("the two components must come from two people");
                }
                let (key, key_check) = match ceremony::combine(&first.component, &component) {
                    Ok(whole) => whole,
                    Err(why) => return refuse(&why.to_string()),
                };
                Ok(Progress::Complete { component_check, key_check, key })
            }
            // The same component again replaces it: a typing mistake seen by its check value.
            _ => {
                let until = now.after(PATIENCE);
                let custodian = custodian.trim().to_owned();
                self.first = Some(First { index, custodian, component, until });
                Ok(Progress::Waiting { component_check })
            }
        }
    }

    /// Forgets everything.
    pub fn abandon(&mut self) {
        self.first = None;
        self.at_keypad = None;
    }

    /// Forgets a first component that has waited too long; says whether it did.
    pub fn expire(&mut self, now: Instant) -> bool {
        if self.first.as_ref().is_some_and(|f| f.until <= now) {
            self.first = None;
            return true;
        }
        false
    }

    /// When [`Self::expire`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.first.as_ref().map(|f| f.until)
    }

    /// Check value of the component that waits.
    pub fn pending_check(&self) -> Option<String> {
        self.first.as_ref().map(|f| f.component.check_value())
    }
}
