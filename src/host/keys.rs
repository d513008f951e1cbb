//! The keys in memory: the master key, the working keys in use, and those of the last sign-in answer that wait.
//!
//! Owns: unwrapping, checking, installing all or none. Must not know: where the master key is kept, messages. Everything
//! is wiped on drop; nothing here prints a key.

use crate::domain::cause::Cause;
use crate::domain::pan::Pan;
use crate::domain::secret::{DoubleKey, PinCipher};
use crate::host::des::DesKey;
use crate::host::key_block::{KeyBlockError, WorkingKeys};
use crate::host::pin_block::PinSealer;
use crate::host::profile::{PinFormat, Profile};

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: {evidence}")]
pub struct KeyFault {
    /// K03, K04 or K05.
    pub cause: Cause,
    /// What is wrong and which setting to check; never a key.
    pub evidence: String,
}

impl KeyFault {
    fn new(cause: Cause, evidence: impl Into<String>) -> Self {
        Self { cause, evidence: evidence.into() }
    }
}

impl From<KeyBlockError> for KeyFault {
    fn from(error: KeyBlockError) -> Self {
        Self::new(error.cause(), error.to_string())
    }
}

/// All keys of one terminal.
#[derive(Default)]
pub struct KeyRing {
    master: Option<DoubleKey>,
    working: Option<WorkingKeys>,
    pending: Option<WorkingKeys>,
}

impl KeyRing {
    /// Takes the master key over. Working keys that came under another one go.
    pub fn set_master(&mut self, key: DoubleKey) {
        *self = Self { master: Some(key), working: None, pending: None };
    }

    /// Forgets everything.
    pub fn clear_master(&mut self) {
        *self = Self::default();
    }

    /// Whether there is a master key.
    pub fn has_master(&self) -> bool {
        self.master.is_some()
    }

    /// The master key's check value: eight hexadecimal digits, of which custodians usually compare six.
    pub fn master_check(&self) -> Option<String> {
        self.master.as_ref().map(check_text)
    }

    /// The installed keys.
    pub fn working(&self) -> Option<&WorkingKeys> {
        self.working.as_ref()
    }

    /// Unwraps and checks a key block, and that its keys fit the profile. Installs nothing.
    pub fn unwrap(&self, block: &[u8], profile: &Profile) -> Result<WorkingKeys, KeyFault> {
        let Some(master) = &self.master else {
            return Err(KeyFault::new(Cause::K04, "no master key is loaded; run `posctl keys load`"));
        };
        let keys = WorkingKeys::unwrap_block(master, block, profile.keys.block)?;
        if let Err(error) = profile.mac.rule.field(&keys.mak, &[]) {
            return Err(KeyFault::new(Cause::K05, error.to_string()));
        }
        if profile.encrypt_track && keys.tdk.is_none() {
            let evidence = format!(
                "key block of {} bytes brings no track key, but track.encryption is on: check message.sign_in_code in the profile",
                block.len()
            );
            return Err(KeyFault::new(Cause::K05, evidence));
        }
        Ok(keys)
    }

    /// Keeps checked keys until [`KeyRing::install_pending`].
    pub fn set_pending(&mut self, keys: Option<WorkingKeys>) {
        self.pending = keys;
    }

    /// Puts the waiting keys to use; `false` if none wait.
    pub fn install_pending(&mut self) -> bool {
        match self.pending.take() {
            Some(keys) => {
                self.working = Some(keys);
                true
            }
            None => false,
        }
    }

    /// Puts keys to use that an earlier run of the daemon received.
    pub fn restore(&mut self, wrapped: &[u8], profile: &Profile) -> Result<(), KeyFault> {
        self.working = Some(self.unwrap(wrapped, profile)?);
        Ok(())
    }

    /// Stops using the working keys, waiting ones included.
    pub fn discard(&mut self) {
        self.working = None;
        self.pending = None;
    }

    /// The cipher for one PIN and one card, if there is a PIN key.
    pub fn pin_cipher(&self, pan: &Pan, format: PinFormat) -> Option<Box<dyn PinCipher>> {
        let pik = self.working.as_ref()?.pik.clone();
        Some(Box::new(match format {
            PinFormat::WithPan => PinSealer::with_pan(pik, pan),
            PinFormat::WithoutPan => PinSealer::without_pan(pik),
        }))
    }
}

/// The check value of a double-length key as people compare it.
pub fn check_text(key: &DoubleKey) -> String {
    let value = DesKey::from(key).check_value();
    value.iter().take(4).map(|byte| format!("{byte:02X}")).collect()
}
