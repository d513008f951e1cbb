//! The life of the daemon's process: it opens the database, it ends at any moment, it comes up again from the disk alone.

use std::time::Duration;

use super::books::{Checked, broken};
use super::disk::Cut;
use super::template;
use super::world::{World, say};
use crate::domain::device::DeviceState;
use crate::store::teller::Teller;
use crate::store::vault::Vault;
use crate::store::{Store, StoreError};

/// How the daemon's process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Killed: what it wrote stays with the system.
    Killed,
    /// The power goes: what was not flushed meets its fate.
    Power,
}

impl World<'_> {
    /// A moment at which the process may end: before a commit, before an action.
    pub(super) fn crash_here(&mut self) -> bool {
        match &mut self.crash {
            Some((0, kind)) => {
                let kind = *kind;
                // It cannot fail: it only notes that the process is gone.
                self.goes_down(kind).is_ok()
            }
            Some((left, _)) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// The process is gone.
    pub(super) fn goes_down(&mut self, kind: Crash) -> Checked {
        self.disk.power_off();
        if self.teller.take().is_some() {
            self.died_at = self.clock.now;
        }
        self.down = Some(kind);
        self.crash = None;
        Ok(())
    }

    /// The process comes up again, from what the disk has; it may go down again on the way.
    pub(super) fn come_up(&mut self) -> Checked {
        while let Some(kind) = self.down.take() {
            say!(self, "down: {kind:?}");
            self.tally.fault(match kind {
                Crash::Killed => "process killed",
                Crash::Power => "power cut",
            });
            self.teller = None;
            if kind == Crash::Power {
                let cut = Cut { keep: self.dice.one_of([0, 0, 10, 50, 90, 100]), garbage: self.dice.percent(30) };
                self.disk.lose_unflushed(&mut self.dice, cut);
                self.clock.reboot(&mut self.dice);
            }
            self.wire.forget();
            self.people.forget();
            self.calls.clear();
            (self.reader, self.keypad) = (DeviceState::Absent, DeviceState::Absent);
            self.start()?;
        }
        Ok(())
    }

    /// Opens the database and takes up where it left off.
    pub(super) fn start(&mut self) -> Checked {
        self.disk.power_on();
        // Not while a failed flush is being made good: a third thing that goes wrong at that very moment does lose data, and
        // no program can help it.
        if !self.calm && !self.disk.has_ghosts() && self.dice.percent(8) {
            let changes = u32::try_from(self.dice.roll(40)).unwrap_or(0);
            self.disk.cut_in(Some(changes));
        }
        self.starts += 1;
        let hits = self.disk.hits();
        let opened = self.open();
        if self.disk.is_off() {
            drop(opened);
            return self.goes_down(Crash::Power);
        }
        self.disk.cut_in(None);
        match opened {
            Ok(teller) => {
                self.master = match teller.store().master_key() {
                    Ok(key) => key.map(|k| k.expose().first() == Some(&1)),
                    Err(error) => return self.does_not_start(&error, hits),
                };
                self.teller = Some(teller);
                self.check_after_start()?;
                self.tell_keys();
                self.pump()
            }
            Err(error) => self.does_not_start(&error, hits),
        }
    }

    fn open(&mut self) -> Result<Teller, StoreError> {
        let options = template::options(self.rack);
        let store = Store::open_on(&self.slot.path(), Vault::new(&[7; 32]), &options)?;
        let mut settings = self.settings.clone();
        settings.boot = self.clock.boot();
        Teller::new(settings, store, self.dice.number(), self.clock.read())
    }

    /// It may fail while the disk does; then the system tries again later. With a good disk it must come up.
    fn does_not_start(&mut self, error: &StoreError, hits: u64) -> Checked {
        if self.disk.hits() == hits {
            return broken("it comes up again", error.to_string());
        }
        say!(self, "does not start: {error}");
        self.clock.pass(Duration::from_secs(5));
        if self.dice.percent(40) {
            self.disk.repair();
        }
        self.goes_down(Crash::Killed)
    }
}
