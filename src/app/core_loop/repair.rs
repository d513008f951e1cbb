//! The strong measures against a mute card reader, on their way to the thread that takes them, and how they went.

use super::Core;
use crate::diagnose::events::JournalEvent;
use crate::domain::heal::Rung;
use crate::driver::repair::{RepairCommand, RepairEvent};
use crate::driver::serial::SerialCommand;

impl Core {
    /// Resets the chip by its line; where none is configured, reopening the port is the strongest measure.
    pub(super) fn pulse_reset(&mut self) {
        self.repair_or_reopen(Some(RepairCommand::PulseReset));
    }

    /// Switches the reader's power off and on, or reopens the port where there is no switch.
    pub(super) fn switch_power(&mut self) {
        self.repair_or_reopen(self.reader_port.clone().map(|port| RepairCommand::PowerCycle { port }));
    }

    fn repair_or_reopen(&mut self, command: Option<RepairCommand>) {
        match (&self.wires.repair, command) {
            (Some(repair), Some(command)) => {
                // The last measure hangs in the kernel; the reader machine goes on with its ladder.
                if repair.try_send(command).is_err() {
                    tracing::warn!(
                        POS_EVENT = JournalEvent::DeviceRepair.as_str(),
                        POS_COMPONENT = "reader",
                        POS_CAUSE = "H02",
                        "the last repair is still under way"
                    );
                }
            }
            (Some(_) | None, _) => self.hand_to_reader(SerialCommand::Reopen),
        }
    }

    /// What the thread of the strong measures says; when it has ended, reopening is the strongest measure left.
    pub(super) fn repair_said(&mut self, event: Option<RepairEvent>) {
        match event {
            Some(event) => self.repaired(event),
            None => {
                tracing::error!(
                    POS_EVENT = JournalEvent::DeviceRepair.as_str(),
                    POS_COMPONENT = "repair",
                    "the thread for reset line and power has ended"
                );
                self.wires.repair = None;
            }
        }
    }

    /// A line in the journal; whether it helped, the chip itself says.
    pub(super) fn repaired(&mut self, event: RepairEvent) {
        match event {
            RepairEvent::LineHeld => {
                tracing::info!(
                    POS_EVENT = JournalEvent::DeviceRepair.as_str(),
                    POS_COMPONENT = "reader",
                    "the card reader's reset line is in hand"
                )
            }
            RepairEvent::Pulsed => tracing::info!(
                POS_EVENT = JournalEvent::DeviceRepair.as_str(),
                POS_COMPONENT = "reader",
                "the card reader was reset by its line"
            ),
            RepairEvent::PowerCycled { device } => {
                tracing::info!(
                    POS_EVENT = JournalEvent::DeviceRepair.as_str(),
                    POS_COMPONENT = "reader",
                    "the card reader's power was off and is on: USB device {device}"
                );
            }
            RepairEvent::PowerRestored { switch } => {
                let switch = switch.display();
                tracing::warn!(
                    POS_EVENT = JournalEvent::DeviceRepair.as_str(),
                    POS_COMPONENT = "reader",
                    "the card reader had been left without power: {switch} is on again"
                );
            }
            RepairEvent::LineFailed(why) => {
                self.measure_failed(Rung::ResetLine);
                tracing::warn!(POS_EVENT = JournalEvent::DeviceRepair.as_str(), POS_COMPONENT = "reader", POS_EVIDENCE = %why, "the reset line is of no use");
            }
            RepairEvent::PowerFailed(why) => {
                self.measure_failed(Rung::PowerCycle);
                tracing::warn!(POS_EVENT = JournalEvent::DeviceRepair.as_str(), POS_COMPONENT = "reader", POS_EVIDENCE = %why, "the card reader's power is not switched");
                // The machine waits for a port that comes back.
                self.hand_to_reader(SerialCommand::Reopen);
            }
        }
    }
}
