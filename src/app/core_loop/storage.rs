//! When the disk refuses, and when it works again: what the machines and callers outside the engine are told.

use super::Core;
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::time::Now;
use crate::engine::command::{Device, Refusal, RefusalKind};
use crate::engine::event::Event;
use crate::host::session::HostEvent;

impl Core {
    /// What was decided is undone: stop the devices, leave the host, tell the callers.
    pub(super) fn storage_failed(&mut self, now: Now, evidence: &str) {
        tracing::error!(POS_EVENT = JournalEvent::StorageTrouble.as_str(), POS_COMPONENT = "store", POS_CAUSE = "P02", POS_EVIDENCE = %evidence, "a commit was refused; no payment is taken until storage works");
        self.host.handle(now.mono, HostEvent::Leave);
        self.stop_devices(now);
        for (_, reply) in std::mem::take(&mut self.replies) {
            let text = format!("storage refused, nothing was done: {evidence}");
            // The caller may have gone; then nobody waits.
            let _ = reply.send(Err(Refusal::because(RefusalKind::Internal, Cause::P02, text)));
        }
        self.tell_again(now);
    }

    /// Tries the disk when its time has come.
    pub(super) fn retry_storage(&mut self, now: Now) {
        if self.teller.retry(now) {
            tracing::info!(
                POS_EVENT = JournalEvent::StorageBack.as_str(),
                POS_COMPONENT = "store",
                "storage works again"
            );
            self.tell_again(now);
        }
    }

    /// The engine stands on the disk anew and knows nothing of what is outside.
    fn tell_again(&mut self, now: Now) {
        let (state, cause) = self.reader.state();
        self.tell_engine(now, Event::DeviceChanged { device: Device::Reader, state, cause });
        let (state, cause) = self.keypad.state();
        self.tell_engine(now, Event::DeviceChanged { device: Device::Keypad, state, cause });
        if let Some(reading) = self.tamper_reading.clone() {
            self.tell_engine(now, Event::TamperRead(reading));
        }
        if let Some((state, cause)) = self.scanner.as_ref().map(|post| (post.seen().state, post.seen().cause)) {
            self.tell_engine(now, Event::DeviceChanged { device: Device::Scanner, state, cause });
        }
        self.keys_changed(now);
    }
}
