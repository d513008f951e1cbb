//! Keys: the ceremony, the master key in the store, the working keys in the host machine.

use super::Core;
use crate::diagnose::events::JournalEvent;
use crate::domain::secret::{DoubleKey, SecretBytes};
use crate::domain::time::Now;
use crate::domain::training::MASTER_KEY;
use crate::engine::command::{Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::keypad::{Entry, Event as KeypadEvent, TimeLimits};

impl Core {
    /// Tells the engine what keys there are.
    pub(super) fn keys_changed(&mut self, now: Now) {
        let event = Event::KeysChanged {
            master_check: self.host.master_check(),
            pending_component: self.key_load.pending_check(),
            asking_component: self.key_load.at_keypad.as_ref().map(|(index, _)| *index),
        };
        self.tell_engine(now, event);
    }

    /// One component, from the bus or the keypad.
    pub(super) fn load_component(
        &mut self,
        now: Now,
        index: u8,
        custodian: &str,
        component: &SecretBytes,
    ) -> Result<Reply, Refusal> {
        self.refuse_in_training()?;
        self.teller.engine().tamper_refusal().map_or(Ok(()), Err)?;
        if !self.teller.engine().keys_may_change() {
            return Err(Refusal::new(
                RefusalKind::Busy,
                "a payment or a sign-in is under way; try again when it is over",
            ));
        }
        let (reply, key) = self.key_load.enter(now.mono, index, custodian, component)?;
        tracing::info!(
            POS_EVENT = JournalEvent::KeyComponent.as_str(),
            POS_COMPONENT = "keys",
            "component {index} of the master key was entered by {custodian}"
        );
        let installed = key.map_or(Ok(()), |key| self.install_master(now, &key));
        self.keys_changed(now);
        installed.map(|()| reply)
    }

    /// Training has its key already, and no component of a real one is ever typed there.
    fn refuse_in_training(&self) -> Result<(), Refusal> {
        if !self.training {
            return Ok(());
        }
        let text = "training has a key of its own; components of a real key are never entered here";
        Err(Refusal::new(RefusalKind::WrongState, text))
    }

    fn install_master(&mut self, now: Now, key: &DoubleKey) -> Result<(), Refusal> {
        if key.0 == MASTER_KEY {
            let text = "these components make the key of training, which everybody knows; enter the acquirer's";
            return Err(Refusal::new(RefusalKind::InvalidArgument, text));
        }
        let bytes = SecretBytes::new(key.0.to_vec());
        self.teller
            .store_mut()
            .set_master_key(now.wall, &bytes)
            .map_err(|e| Refusal::new(RefusalKind::Internal, e.to_string()))?;
        self.host.set_master(key.clone());
        let check = self.host.master_check().unwrap_or_default();
        tracing::info!(
            POS_EVENT = JournalEvent::KeysLoaded.as_str(),
            POS_COMPONENT = "keys",
            "a master key was loaded, check value {check}"
        );
        Ok(())
    }

    /// Asks for a component on the keypad.
    pub(super) fn ask_component(&mut self, now: Now, index: u8, custodian: String) -> Result<Reply, Refusal> {
        self.refuse_in_training()?;
        self.teller.engine().tamper_refusal().map_or(Ok(()), Err)?;
        if !self.teller.engine().keypad_is_free() {
            return Err(Refusal::new(RefusalKind::Busy, "the keypad is missing or in use; see `posctl status`"));
        }
        self.key_load.at_keypad = Some((index, custodian));
        let start = KeypadEvent::Start { entry: Entry::Component, limits: TimeLimits::default() };
        self.keypad.handle(now.mono, start);
        self.keys_changed(now);
        Ok(Reply::Done)
    }

    /// A component was typed on the keypad.
    pub(super) fn component_typed(&mut self, now: Now, component: &SecretBytes) {
        let Some((index, custodian)) = self.key_load.at_keypad.take() else { return };
        if let Err(refusal) = self.load_component(now, index, &custodian, component) {
            tracing::warn!(
                POS_EVENT = JournalEvent::KeyComponent.as_str(),
                POS_COMPONENT = "keys",
                "component {index} typed on the keypad was refused: {}",
                refusal.text
            );
            self.keys_changed(now);
        }
    }

    /// The keypad entry ended without a component.
    pub(super) fn component_entry_ended(&mut self, now: Now) {
        if self.key_load.at_keypad.take().is_some() {
            self.keys_changed(now);
        }
    }

    /// Forgets a first component.
    pub(super) fn abandon_keys(&mut self, now: Now) -> Result<Reply, Refusal> {
        if self.key_load.at_keypad.is_some() {
            self.keypad.handle(now.mono, KeypadEvent::Stop);
        }
        self.key_load.abandon();
        self.keys_changed(now);
        Ok(Reply::Done)
    }
}
