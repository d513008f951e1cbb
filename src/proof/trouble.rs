//! What goes wrong: network, disk, power, devices, clocks, the acquirer.

use super::books::Checked;
use super::disk::Fault;
use super::process::Crash;
use super::world::{World, say};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::engine::command::Device;
use crate::engine::event::Event;

impl World<'_> {
    /// The network goes for a while, and comes back.
    pub(super) fn season(&mut self) {
        let (often, left) = &mut self.outages;
        match left {
            1.. => {
                *left -= 1;
                if *left == 0 {
                    self.wire.down = false;
                    say!(self, "the network is back");
                }
            }
            0 if self.dice.roll(1000) < *often => {
                *left = u32::try_from(self.dice.between(5, 30)).unwrap_or(5);
                self.wire.down = true;
                self.tally.fault("network outage");
                say!(self, "the network goes for {left} steps");
            }
            0 => {}
        }
    }

    /// The process ends between two events.
    pub(super) fn goes_now(&mut self) -> Checked {
        self.crash = Some((0, if self.dice.percent(50) { Crash::Killed } else { Crash::Power }));
        self.expire()
    }

    pub(super) fn device(&mut self) -> Checked {
        let states = [DeviceState::Ready, DeviceState::Absent, DeviceState::Failed, DeviceState::Starting];
        let state = self.dice.one_of(states);
        let device = self.dice.one_of([Device::Reader, Device::Keypad]);
        self.tally.fault("device away");
        // One that is ready and stays so goes on with what it does.
        match device {
            Device::Reader if self.reader != state => (self.reader, self.people.polling) = (state, false),
            Device::Keypad if self.keypad != state => (self.keypad, self.people.asked) = (state, None),
            Device::Reader | Device::Keypad | Device::Scanner => {}
        }
        let cause = self.dice.one_of([None, Some(Cause::H02)]);
        self.tell(Event::DeviceChanged { device, state, cause })
    }

    pub(super) fn devices_up(&mut self) -> Checked {
        (self.reader, self.keypad) = (DeviceState::Ready, DeviceState::Ready);
        for device in [Device::Reader, Device::Keypad] {
            self.tell(Event::DeviceChanged { device, state: DeviceState::Ready, cause: None })?;
        }
        Ok(())
    }

    pub(super) fn storage(&mut self) -> Checked {
        if self.disk.is_faulty() && self.dice.percent(70) {
            say!(self, "the disk works again");
            self.disk.repair();
            return Ok(());
        }
        let fault = self.dice.one_of([Fault::Full, Fault::Full, Fault::Write, Fault::Flush, Fault::Flush, Fault::Read]);
        let (good, times) = (self.dice.roll(20), self.dice.one_of([1, 1, 2, 5, 1_000]));
        say!(self, "{} after {good}, {times} times", fault.word());
        self.tally.fault(fault.word());
        self.disk.break_down(fault, u32::try_from(good).unwrap_or(0), times);
        Ok(())
    }

    /// In the middle of some later commit the power goes; or the network comes and goes.
    pub(super) fn weather(&mut self) -> Checked {
        if self.dice.percent(50) {
            let changes = u32::try_from(self.dice.roll(60)).unwrap_or(0);
            say!(self, "the power will go after {changes} writes");
            self.tally.fault("cut in the middle of a commit");
            self.disk.cut_in(Some(changes));
        } else {
            self.wire.down = !self.wire.down;
            say!(self, "network {}", if self.wire.down { "down" } else { "up" });
        }
        Ok(())
    }

    pub(super) fn clocks(&mut self) -> Checked {
        if self.dice.percent(50) {
            let off = self.clock.jump(&mut self.dice);
            say!(self, "the wall clock is {off} s ahead");
            self.tally.fault("wall clock jumps");
            return self.expire();
        }
        self.synchronise()
    }

    pub(super) fn synchronise(&mut self) -> Checked {
        self.clock.synchronise();
        say!(self, "the wall clock is synchronised");
        self.tell(Event::ClockSynchronised)
    }

    pub(super) fn acquirer_changes(&mut self) -> Checked {
        if self.dice.percent(60) {
            say!(self, "the acquirer has lost the working keys");
            self.tally.fault("acquirer loses keys");
            self.acquirer.lose_keys();
        } else {
            self.acquirer.clock_error = self.dice.one_of([0, 0, 0, 120, -120, 4_000, -86_400]);
            say!(self, "the acquirer's clock is {} s off", self.acquirer.clock_error);
        }
        Ok(())
    }
}
