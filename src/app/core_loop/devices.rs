//! Events of the three wires on their way to the machines, and the machines' outputs on their way to the wires.

use super::Core;
use super::news::Line;
use crate::diagnose::events::JournalEvent;
use crate::domain::card::TapFailure;
use crate::domain::heal::Rung;
use crate::domain::ids::OperatorId;
use crate::domain::time::Now;
use crate::driver::evdev::KeypadDeviceEvent;
use crate::driver::serial::{SerialCommand, SerialEvent};
use crate::driver::tcp;
use crate::engine::command::Device;
use crate::engine::event::Event;
use crate::host::session::{HostEvent, HostOutput};
use crate::keypad::{Event as KeypadEvent, Output as KeypadOutput};
use crate::reader::{Event as ReaderEvent, Output as ReaderOutput};

impl Core {
    /// The reader's serial line.
    pub(super) fn serial(&mut self, event: SerialEvent) {
        let now = (self.clock)().mono;
        self.record_serial(now, &event);
        let event = match event {
            SerialEvent::Opened { path } => {
                let event = JournalEvent::DeviceFound.as_str();
                tracing::info!(POS_EVENT = event, POS_COMPONENT = "reader", "serial line {} is open", path.display());
                self.reader_port = Some(path);
                self.missing[0].clear();
                ReaderEvent::Opened
            }
            SerialEvent::Received(bytes) => ReaderEvent::Received(bytes),
            SerialEvent::Closed { reason } => {
                self.missing[0] = reason;
                ReaderEvent::Closed
            }
        };
        self.reader.handle(now, event);
    }

    /// The keypad's input device.
    pub(super) fn key_event(&mut self, event: KeypadDeviceEvent) {
        let now = (self.clock)().mono;
        self.record_key(now, &event);
        let event = match event {
            KeypadDeviceEvent::Opened { name, path, keys_down } => {
                let event = JournalEvent::DeviceFound.as_str();
                tracing::info!(
                    POS_EVENT = event,
                    POS_COMPONENT = "keypad",
                    "keypad {name:?} at {} is ours alone",
                    path.display()
                );
                self.missing[1].clear();
                KeypadEvent::Opened { name, keys_down }
            }
            KeypadDeviceEvent::Closed { why } => {
                self.missing[1] = why.to_string();
                self.keypad_lost();
                KeypadEvent::Closed
            }
            KeypadDeviceEvent::Key { code, value, stamp } => {
                self.key_tried(now, code, value, stamp);
                KeypadEvent::Key { code, value, stamp }
            }
            KeypadDeviceEvent::SynDropped { keys_down } => KeypadEvent::SynDropped { keys_down },
        };
        self.keypad.handle(now, event);
    }

    /// The connection to the host.
    pub(super) fn network(&mut self, event: tcp::Event) {
        let now = (self.clock)().mono;
        self.record_network(now, &event);
        let event = match event {
            tcp::Event::Connected { connection } => HostEvent::Connected { connection },
            tcp::Event::ConnectFailed { connection, failure } => HostEvent::ConnectFailed { connection, failure },
            tcp::Event::Received { connection, bytes } => HostEvent::Received { connection, bytes },
            tcp::Event::Written { connection } => HostEvent::Written { connection },
            tcp::Event::WriteFailed { connection, nothing_written, evidence } => {
                HostEvent::WriteFailed { connection, nothing_written, evidence }
            }
            tcp::Event::Closed { connection, evidence } => HostEvent::Closed { connection, evidence },
        };
        self.host.handle(now, event);
    }

    /// What the host machine wants or says.
    pub(super) fn host_output(&mut self, now: Now, output: HostOutput) {
        match output {
            HostOutput::Connect { connection, address_index, deadline } => {
                let within = deadline.since(now.mono);
                self.hand_to_network(now, tcp::Command::Connect { connection, address_index, within });
            }
            HostOutput::Write { connection, bytes } => {
                self.hand_to_network(now, tcp::Command::Write { connection, bytes })
            }
            HostOutput::Disconnect { connection } => self.hand_to_network(now, tcp::Command::Disconnect { connection }),
            HostOutput::Reached => self.tell_engine(now, Event::HostReached),
            HostOutput::Answered(answer) => {
                self.news.host_answered().iter().for_each(Line::say);
                self.tell_engine(now, Event::HostReplied(answer));
            }
            HostOutput::Failed(failure) => {
                self.news.host_failed(&failure).iter().for_each(Line::say);
                self.tell_engine(now, Event::HostFailed(failure));
            }
            HostOutput::Noticed(notice) => {
                let event = JournalEvent::HostNotice.as_str();
                tracing::warn!(
                    POS_EVENT = event,
                    POS_COMPONENT = "host",
                    POS_EVIDENCE = %notice.evidence,
                    "host line: {}",
                    notice.kind
                );
            }
        }
    }

    /// The network driver takes commands at once; a full queue means that it hangs, which ends the attempt.
    fn hand_to_network(&mut self, now: Now, command: tcp::Command) {
        self.record_to_network(now.mono, &command);
        let Err(refused) = self.wires.tcp.try_send(command) else { return };
        let evidence = "the network driver takes no commands".to_owned();
        match refused.into_inner() {
            tcp::Command::Write { connection, .. } => {
                let event = HostEvent::WriteFailed { connection, nothing_written: true, evidence };
                self.host.handle(now.mono, event);
            }
            tcp::Command::Connect { connection, .. } | tcp::Command::Disconnect { connection } => {
                self.host.handle(now.mono, HostEvent::Closed { connection, evidence });
            }
        }
    }

    /// What the reader machine wants or says.
    pub(super) fn reader_output(&mut self, now: Now, output: ReaderOutput) {
        let Some(output) = self.reader_tried(now, output) else { return };
        match output {
            ReaderOutput::Write(bytes) => self.hand_to_reader(SerialCommand::Write(bytes)),
            ReaderOutput::SetBaud(rate) => self.hand_to_reader(SerialCommand::SetBaud(rate)),
            ReaderOutput::Reopen => {
                if self.may_take(now, Rung::Reopen) {
                    self.hand_to_reader(SerialCommand::Reopen);
                }
            }
            ReaderOutput::StateChanged(state, cause) => {
                self.tell_engine(now, Event::DeviceChanged { device: Device::Reader, state, cause });
            }
            ReaderOutput::Identified { model, firmware } => {
                let event = JournalEvent::DeviceFound.as_str();
                tracing::info!(POS_EVENT = event, POS_COMPONENT = "reader", "card reader {model}, firmware {firmware}");
                self.tell_engine(now, Event::DeviceIdentified { device: Device::Reader, model, firmware });
            }
            ReaderOutput::PulseReset => {
                if self.may_take(now, Rung::ResetLine) {
                    self.pulse_reset();
                }
            }
            ReaderOutput::PowerCycle => {
                if self.may_take(now, Rung::PowerCycle) {
                    self.switch_power();
                }
            }
            ReaderOutput::PresentAgain(failure) => {
                self.upkeep.tapped(Some(failure));
                card_not_read(failure, "card to be tried again");
                self.tell_engine(now, Event::CardFailed(failure));
            }
            ReaderOutput::RemoveCard => {
                let event = JournalEvent::CardNotRead.as_str();
                tracing::info!(
                    POS_EVENT = event,
                    POS_COMPONENT = "reader",
                    "the card that could not be used has to go first"
                );
            }
            ReaderOutput::CardRead(card) => {
                self.upkeep.tapped(None);
                self.tell_engine(now, Event::CardRead(card));
            }
            // Only a test wants these; one that is over no longer does.
            ReaderOutput::CardSelected(_) | ReaderOutput::LineProved(_) => {}
            ReaderOutput::TapFailed(failure) => {
                self.upkeep.tapped(Some(failure));
                card_not_read(failure, "card not read");
                self.tell_engine(now, Event::CardFailed(failure));
            }
        }
    }

    /// A full queue means that the serial driver hangs; the reader machine's own deadlines notice.
    pub(super) fn hand_to_reader(&mut self, command: SerialCommand) {
        self.record_to_reader(&command);
        if self.wires.serial.try_send(command).is_err() {
            let event = JournalEvent::Overload.as_str();
            tracing::warn!(
                POS_EVENT = event,
                POS_COMPONENT = "reader",
                POS_CAUSE = "H02",
                "the serial driver takes no commands"
            );
        }
    }

    /// What the keypad machine wants or says.
    pub(super) fn keypad_output(&mut self, now: Now, output: KeypadOutput) {
        if self.keypad_is_tried() && matches!(output, KeypadOutput::CancelPressed) {
            // Part of the test, not of anybody's wish to leave.
            return;
        }
        let typing_key = self.key_load.at_keypad.is_some();
        let event = match output {
            KeypadOutput::StateChanged(state, cause) => {
                if let Some(model) = self.keypad.name().map(str::to_owned) {
                    let identified = Event::DeviceIdentified { device: Device::Keypad, model, firmware: String::new() };
                    self.tell_engine(now, identified);
                }
                Event::DeviceChanged { device: Device::Keypad, state, cause }
            }
            KeypadOutput::Progress { digits } => Event::EntryProgressed { digits },
            KeypadOutput::Cleared { .. } => Event::EntryProgressed { digits: 0 },
            KeypadOutput::Confirmed => Event::AmountConfirmed,
            KeypadOutput::PinEntered(block) => Event::PinEntered(block),
            KeypadOutput::PinBypassed => Event::PinBypassed,
            KeypadOutput::NumberEntered(number) => match OperatorId::new(&number) {
                Some(operator) => Event::OperatorNumberEntered(operator),
                None => Event::EntryCancelled,
            },
            KeypadOutput::PasswordEntered(password) => Event::PasswordEntered(password),
            KeypadOutput::ComponentEntered(component) => return self.component_typed(now, &component),
            KeypadOutput::Cancelled if typing_key => return self.component_entry_ended(now),
            KeypadOutput::TimedOut if typing_key => return self.component_entry_ended(now),
            KeypadOutput::Failed(_) if typing_key => return self.component_entry_ended(now),
            KeypadOutput::Cancelled | KeypadOutput::CancelPressed => Event::EntryCancelled,
            KeypadOutput::TimedOut => Event::EntryTimedOut,
            KeypadOutput::Failed(cause) => Event::EntryFailed(cause),
        };
        self.tell_engine(now, event);
    }

    /// Stops whatever the devices do for a payment.
    pub(super) fn stop_devices(&mut self, now: Now) {
        self.reader.handle(now.mono, ReaderEvent::StopTap);
        self.keypad.handle(now.mono, KeypadEvent::Stop);
        self.key_load.at_keypad = None;
    }
}

fn card_not_read(failure: TapFailure, what: &str) {
    tracing::info!(
        POS_EVENT = JournalEvent::CardNotRead.as_str(),
        POS_COMPONENT = "reader",
        POS_STATE = failure.as_str(),
        "{what}: {failure}"
    );
}
