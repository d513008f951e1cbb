//! When the disk refuses: forget what was decided, stop the devices, refuse sales, and try again.

use std::time::Duration;

use super::{Core, CoreError};
use crate::domain::cause::Cause;
use crate::domain::time::Now;
use crate::engine::command::{Device, Refusal, RefusalKind};
use crate::engine::event::Event;
use crate::engine::machine::Engine;
use crate::host::session::HostEvent;
use crate::store::StoreError;

/// Between two tries.
const RETRY: Duration = Duration::from_secs(10);

impl Core {
    /// Rebuilds the engine from the store. An error here ends the daemon: then nothing can be known.
    pub(super) fn storage_failed(&mut self, now: Now, error: &StoreError) -> Result<(), CoreError> {
        let evidence = error.to_string();
        tracing::error!(POS_COMPONENT = "store", POS_CAUSE = "P02", POS_EVIDENCE = %evidence, "a commit was refused; no payment is taken until storage works");
        self.host.handle(now.mono, HostEvent::Leave);
        self.stop_devices(now);
        let seed = now.mono.0;
        self.engine = Engine::recover(self.settings.clone(), self.store.load()?, seed, now);
        // What the recovery wants to write cannot be written now either; it decides the same again after the next start.
        while self.engine.poll().is_some() {}
        for (_, reply) in std::mem::take(&mut self.replies) {
            let text = format!("storage refused, nothing was done: {evidence}");
            // The caller may have gone; then nobody waits.
            let _ = reply.send(Err(Refusal::because(RefusalKind::Internal, Cause::P02, text)));
        }
        self.tell_engine(now, Event::StorageChanged { fault: Some(evidence) });
        self.retell_devices(now);
        self.keys_changed(now);
        self.storage_retry = Some(now.mono.after(RETRY));
        Ok(())
    }

    /// Tries a write; when it succeeds, the engine is built anew once more, so that its recovery is written too.
    pub(super) fn retry_storage(&mut self, now: Now) {
        if self.storage_retry.is_none_or(|t| t > now.mono) {
            return;
        }
        match self.store.probe().and_then(|()| self.store.load()) {
            Ok(stored) => {
                tracing::info!(POS_COMPONENT = "store", "storage works again");
                self.storage_retry = None;
                self.engine = Engine::recover(self.settings.clone(), stored, now.mono.0, now);
                self.retell_devices(now);
                self.keys_changed(now);
            }
            Err(_) => self.storage_retry = Some(now.mono.after(RETRY)),
        }
    }

    fn retell_devices(&mut self, now: Now) {
        let (state, cause) = self.reader.state();
        self.tell_engine(now, Event::DeviceChanged { device: Device::Reader, state, cause });
        let (state, cause) = self.keypad.state();
        self.tell_engine(now, Event::DeviceChanged { device: Device::Keypad, state, cause });
    }
}
