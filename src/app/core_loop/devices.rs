//! Events of the three wires on their way to the machines, and the machines' outputs on their way to the wires.

use super::Core;
use crate::domain::time::Now;
use crate::driver::evdev::KeypadDeviceEvent;
use crate::driver::serial::{SerialCommand, SerialEvent};
use crate::driver::tcp::{TcpCommand, TcpEvent};
use crate::engine::command::Device;
use crate::engine::event::Event;
use crate::host::session::{HostEvent, HostOutput};
use crate::keypad::{Event as KeypadEvent, Output as KeypadOutput};
use crate::reader::{Event as ReaderEvent, Output as ReaderOutput};

impl Core {
    /// The serial line.
    pub(super) fn serial(&mut self, event: SerialEvent) {
        let now = (self.clock)().mono;
        match event {
            SerialEvent::Opened { path } => {
                tracing::info!(POS_COMPONENT = "reader", "serial line {} opened", path.display());
                self.reader.handle(now, ReaderEvent::Opened);
            }
            SerialEvent::Received(bytes) => self.reader.handle(now, ReaderEvent::Received(bytes)),
            SerialEvent::Closed { reason } => {
                tracing::warn!(POS_COMPONENT = "reader", POS_CAUSE = "H01", POS_EVIDENCE = %reason, "serial line closed");
                self.reader.handle(now, ReaderEvent::Closed);
            }
        }
    }
}
