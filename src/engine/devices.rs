//! Reader, keypad and scanner as the engine sees them: how they are, who holds them, what becomes of an entry when they go.

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::engine::action::Action;
use crate::engine::command::{CommandId, Device, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;
use crate::engine::sale::{Sale, Step};
use crate::engine::snapshot::DeviceView;

/// As long as nobody has said anything of it.
pub(super) fn absent() -> DeviceView {
    DeviceView {
        state: DeviceState::Absent,
        model: String::new(),
        firmware: String::new(),
        last_cause: None,
        inhibited_by: None,
    }
}

/// A device under a lease is shown as inhibited, whatever it could do.
pub(super) fn shown(view: &DeviceView) -> DeviceView {
    let held = view.inhibited_by.is_some() && view.state == DeviceState::Ready;
    DeviceView { state: if held { DeviceState::Inhibited } else { view.state }, ..view.clone() }
}

/// Whether a payment can use a device in this state.
pub(super) fn usable(state: DeviceState) -> bool {
    match state {
        DeviceState::Ready | DeviceState::Active => true,
        DeviceState::Absent | DeviceState::Starting | DeviceState::Failed | DeviceState::Inhibited => false,
    }
}

impl Engine {
    pub(super) fn device(&mut self, device: Device) -> &mut DeviceView {
        match device {
            Device::Reader => &mut self.reader,
            Device::Keypad => &mut self.keypad,
            Device::Scanner => &mut self.scanner,
        }
    }

    pub(super) fn device_changed(&mut self, device: Device, state: DeviceState, cause: Option<Cause>) {
        let view = self.device(device);
        view.state = state;
        if cause.is_some() || state == DeviceState::Ready {
            view.last_cause = cause;
        }
        if usable(state) {
            return;
        }
        match device {
            // One that is away or being woken may be back in time; the reader machine waits for that as long as it makes
            // sense, and then says that the tap has failed.
            Device::Reader if state != DeviceState::Failed => {}
            Device::Reader => self.reader_lost(),
            // No payment waits for a code.
            Device::Scanner => {}
            Device::Keypad => {
                let cause = self.keypad.last_cause.or(Some(Cause::H05));
                let why = if state == DeviceState::Failed { "the keypad failed" } else { "the keypad is gone" };
                self.entry_over(cause, why);
            }
        }
    }

    pub(super) fn reset_asked(&mut self, id: CommandId) {
        self.act_on_reader(id, Action::ResetReader);
    }

    pub(super) fn power_cycle_asked(&mut self, id: CommandId) {
        if !self.settings.reader_power {
            let text = "no power switch is configured; on USB set reader.power_cycle = \"usb\" in smartposd.toml";
            return self.refuse(id, Refusal::new(RefusalKind::WrongState, text));
        }
        if self.reader.state == DeviceState::Absent {
            // The switch is found by the port, and there is none.
            let text = "there is no card reader; plug it in";
            return self.refuse(id, Refusal::because(RefusalKind::ReaderUnavailable, Cause::H01, text));
        }
        self.act_on_reader(id, Action::PowerCycleReader);
    }

    /// Takes the reader away for a moment, but not from under a card.
    fn act_on_reader(&mut self, id: CommandId, action: Action) {
        if matches!(&self.sale, Some(Sale { step: Step::Presenting { .. }, .. })) {
            let text = "a card is being waited for; cancel that payment first";
            return self.refuse(id, Refusal::new(RefusalKind::Busy, text));
        }
        self.act(action);
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    pub(super) fn inhibit_asked(&mut self, id: CommandId, device: Device, by: String) {
        if self.sale.is_some() {
            let text = "a payment is under way; try again when it is over";
            return self.refuse(id, Refusal::new(RefusalKind::Busy, text));
        }
        let entry = self.operators.uses_keypad() || self.keys.asking_component.is_some();
        if device == Device::Keypad && entry {
            let text = "an entry at the keypad is under way; try again when it is over";
            return self.refuse(id, Refusal::new(RefusalKind::Busy, text));
        }
        let view = self.device(device);
        if let Some(holder) = &view.inhibited_by {
            let text = format!("already inhibited by {holder}");
            return self.refuse(id, Refusal::new(RefusalKind::Busy, text));
        }
        view.inhibited_by = Some(by);
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    pub(super) fn inhibit_ended(&mut self, id: CommandId, device: Device) {
        self.device(device).inhibited_by = None;
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    /// An entry at the keypad ended without a result, whosever it was.
    pub(super) fn entry_over(&mut self, cause: Option<Cause>, why: &str) {
        self.operator_entry_ended();
        self.entry_ended(cause, why);
    }

    /// Whether the keypad serves something else than a payment.
    pub(super) fn keypad_taken(&self) -> bool {
        self.operators.uses_keypad() || self.keys.asking_component.is_some() || self.keypad.inhibited_by.is_some()
    }

    /// Whether a test may take the reader now.
    pub fn reader_is_free(&self) -> bool {
        self.sale.is_none() && self.reader.inhibited_by.is_none() && self.reader.state == DeviceState::Ready
    }

    /// Whether the key ceremony may use the keypad now.
    pub fn keypad_is_free(&self) -> bool {
        self.sale.is_none() && !self.keypad_taken() && self.keypad.state == DeviceState::Ready
    }
}
