//! The tamper input: keys leave memory at once, whatever the disk says; the rest the engine decides.

use super::Core;
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::tamper::TamperReading;
use crate::domain::time::Now;
use crate::engine::event::Event;

impl Core {
    /// The input says something else.
    pub(super) fn tamper(&mut self, now: Now, reading: TamperReading) {
        let event = JournalEvent::Tamper.as_str();
        let cause = Cause::H09.as_str();
        match &reading {
            TamperReading::Active => {
                tracing::error!(
                    POS_EVENT = event,
                    POS_COMPONENT = "tamper",
                    POS_CAUSE = cause,
                    "the terminal is open: its keys are erased"
                );
                self.host.clear_master();
                self.key_load.abandon();
            }
            TamperReading::Quiet => {
                tracing::info!(POS_EVENT = event, POS_COMPONENT = "tamper", "the terminal is closed");
            }
            TamperReading::Unreadable(why) => {
                tracing::error!(
                    POS_EVENT = event,
                    POS_COMPONENT = "tamper",
                    POS_CAUSE = cause,
                    POS_EVIDENCE = %why,
                    "the tamper input cannot be read: no payment is taken; the keys are kept"
                );
            }
        }
        self.tamper_reading = Some(reading.clone());
        self.tell_engine(now, Event::TamperRead(reading));
        self.keys_changed(now);
    }

    /// The thread that reads the input has something to say, or has ended: then nobody watches.
    pub(super) fn tamper_said(&mut self, reading: Option<TamperReading>) {
        let now = (self.clock)();
        let ended = || TamperReading::Unreadable("its thread has ended; restart smartposd".to_owned());
        self.watched = reading.is_some();
        self.tamper(now, reading.unwrap_or_else(ended));
    }
}
