//! Self-healing on the core thread: what the machine is told, how its measures are handed on, the ledger, the journal.
//!
//! Owns: the ledger's rows that are not written yet. Must not know: when a measure is due.

use super::{Core, books};
use crate::app::supervisor::Order;
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::heal::{Effect, Fault, Part, Rung};
use crate::domain::outcome::TerminalState;
use crate::domain::time::{Instant, Now};
use crate::engine::command::{Device, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::heal::{Guards, HealSettings, Healer, Health, Output};
use crate::host::session::HostEvent;
use crate::store::Store;
use crate::store::heal::MOST_FAULTS;

/// Rows that may wait for a disk that refuses; the oldest go first.
const MOST_UNWRITTEN: usize = 64;

/// The machine and what lies between it and the ledger.
pub(super) struct Mending {
    healer: Healer,
    /// Nothing is driven in safe mode, so nothing is mended.
    off: bool,
    /// A person asked for the measure that comes next: it is taken whatever the budget says.
    pub(super) by_hand: bool,
    /// How often the reader was woken, as counted last.
    wakes: u64,
    /// How the reader was then.
    reader: DeviceState,
    unwritten: Vec<Fault>,
}

impl Mending {
    /// Takes up what the ledger holds. One that cannot be read allows no reboot: nobody knows when the last one was.
    pub(super) fn new(mut settings: HealSettings, now: Now, store: &Store, off: bool) -> Self {
        let past = store.faults(MOST_FAULTS).unwrap_or_else(|error| {
            tracing::warn!(POS_EVENT = JournalEvent::StorageTrouble.as_str(), POS_COMPONENT = "heal", POS_EVIDENCE = %error, "the ledger of self-healing cannot be read");
            settings.reboot = false;
            Vec::new()
        });
        let healer = Healer::new(settings, now, past);
        Self { healer, off, by_hand: false, wakes: 0, reader: DeviceState::Absent, unwritten: Vec::new() }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.off { None } else { self.healer.deadline() }
    }
}

impl Core {
    /// A link, address or route has come back.
    pub(super) fn link_returned(&mut self) {
        let now = (self.clock)();
        self.host.handle(now.mono, HostEvent::LinkReturned);
        self.tell_engine(now, Event::LinkReturned);
    }

    /// Looks at all parts, takes what is due; says whether the machines have something to do now.
    pub(super) fn mend(&mut self, now: Now) -> bool {
        if self.mending.off {
            return false;
        }
        let guards = self.guards();
        self.count_wakes(now, guards);
        let health = Health::from(&*self.published);
        self.mending.healer.observe(now, &health, guards);
        let mut restarted = false;
        while let Some(output) = self.mending.healer.poll() {
            restarted |= self.obey_healer(now, output);
        }
        if !guards.payment && !guards.storage {
            self.write_ledger();
        }
        restarted
    }

    /// What must not be disturbed now.
    pub(super) fn guards(&self) -> Guards {
        let terminal = &self.published.terminal;
        let unfinished = || self.published.transactions.values().any(|t| t.outcome.is_none());
        let sealing = self.sealing.as_ref().is_some_and(|thread| !thread.is_finished());
        Guards {
            payment: terminal.active.is_some() || unfinished(),
            busy: !self.teller.engine().keys_may_change()
                || self.key_load.at_keypad.is_some()
                || self.check.is_some()
                || sealing,
            storage: terminal.state == TerminalState::OutOfService && terminal.cause == Some(Cause::P02),
        }
    }

    /// A chip that was at work and had to be woken: the mildest rung, which needs nobody's leave.
    fn count_wakes(&mut self, now: Now, guards: Guards) {
        let (state, _) = self.reader.state();
        let wakes = self.reader.statistics().wakes;
        let worked = matches!(self.mending.reader, DeviceState::Ready | DeviceState::Active);
        if wakes > self.mending.wakes && worked && state != DeviceState::Absent && !self.mending.by_hand {
            self.mending.healer.may(now, Part::Reader, Rung::SoftReset, guards);
        }
        (self.mending.wakes, self.mending.reader) = (wakes, state);
    }

    /// Whether the reader machine's measure may be taken now; one that may not is left out, and the next follows.
    pub(super) fn may_take(&mut self, now: Now, rung: Rung) -> bool {
        if std::mem::take(&mut self.mending.by_hand) {
            return true;
        }
        let guards = self.guards();
        let may = self.mending.healer.may(now, Part::Reader, rung, guards);
        if may {
            tracing::warn!(
                POS_EVENT = JournalEvent::Measure.as_str(),
                POS_COMPONENT = "heal",
                POS_STATE = rung.as_str(),
                "reader: {rung}"
            );
        }
        may
    }

    /// The scanner's port is being reopened: for the ledger. The machine's rests keep that far below its budget.
    pub(super) fn scanner_reopened(&mut self, now: Now) {
        let guards = self.guards();
        self.mending.healer.may(now, Part::Scanner, Rung::Reopen, guards);
    }

    /// A measure at the reader could not be taken.
    pub(super) fn measure_failed(&mut self, rung: Rung) {
        let now = (self.clock)();
        self.mending.healer.failed(now, Part::Reader, rung);
    }

    fn obey_healer(&mut self, now: Now, output: Output) -> bool {
        match output {
            Output::Noticed(Fault { part, cause, .. }) => {
                tracing::warn!(
                    POS_EVENT = JournalEvent::FaultNoticed.as_str(),
                    POS_COMPONENT = "heal",
                    POS_CAUSE = cause.as_str(),
                    "{part}: a fault, {cause}"
                );
            }
            Output::Denied { part, rung, why } => {
                tracing::info!(
                    POS_EVENT = JournalEvent::Measure.as_str(),
                    POS_COMPONENT = "heal",
                    POS_STATE = rung.as_str(),
                    POS_EVIDENCE = why.as_str(),
                    "{part}: {rung} is put off"
                );
            }
            Output::Take { rung, fault, on_record } => return self.take_rung(now, rung, fault, on_record),
            Output::Healed(fault) => {
                let took = fault.lasted.unwrap_or_default().as_millis();
                let helped = fault.measures.iter().find(|m| m.effect == Effect::Helped).map(|m| m.rung.as_str());
                tracing::info!(
                    POS_EVENT = JournalEvent::Mended.as_str(),
                    POS_COMPONENT = "heal",
                    POS_CAUSE = fault.cause.as_str(),
                    POS_STATE = helped,
                    "{}: works again after {took} ms",
                    fault.part
                );
                if self.mending.unwritten.len() >= MOST_UNWRITTEN {
                    self.mending.unwritten.remove(0);
                }
                self.mending.unwritten.push(fault);
            }
        }
        false
    }

    /// Takes a measure that this program takes on itself or the machine.
    fn take_rung(&mut self, now: Now, rung: Rung, fault: Fault, on_record: bool) -> bool {
        let part = fault.part;
        if on_record {
            // One that is not on disk would not be counted after it.
            match self.teller.store_mut().note_fault(&fault) {
                Ok(number) => self.mending.healer.numbered(part, number),
                Err(error) => {
                    tracing::warn!(POS_EVENT = JournalEvent::StorageTrouble.as_str(), POS_COMPONENT = "heal", POS_EVIDENCE = %error, "{part}: no {rung} without its record");
                    self.mending.healer.failed(now, part, rung);
                    return false;
                }
            }
        }
        tracing::warn!(
            POS_EVENT = JournalEvent::Measure.as_str(),
            POS_COMPONENT = "heal",
            POS_CAUSE = fault.cause.as_str(),
            POS_STATE = rung.as_str(),
            "{part}: {rung}"
        );
        let order = match rung {
            Rung::RestartService => Order::RestartService,
            Rung::Reboot => Order::Reboot,
            _ => Order::RestartComponent(part),
        };
        if self.wires.orders.try_send(order).is_err() {
            self.mending.healer.failed(now, part, rung);
            return false;
        }
        if rung == Rung::RestartComponent && part == Part::Reader {
            self.reader = self.reader.anew();
            let (state, cause) = self.reader.state();
            self.tell_engine(now, Event::DeviceChanged { device: Device::Reader, state, cause });
            return true;
        }
        if let (Rung::RestartComponent, Part::Scanner, Some(scanner)) = (rung, part, &mut self.scanner) {
            let state = scanner.begin_anew();
            self.tell_engine(now, Event::DeviceChanged { device: Device::Scanner, state, cause: None });
            return true;
        }
        false
    }

    /// Brings what has ended to the ledger; a disk that refuses is asked again after the next event.
    fn write_ledger(&mut self) {
        while let Some(fault) = self.mending.unwritten.first() {
            if let Err(error) = self.teller.store_mut().note_fault(fault) {
                tracing::warn!(POS_EVENT = JournalEvent::StorageTrouble.as_str(), POS_COMPONENT = "heal", POS_EVIDENCE = %error, "the ledger was not written");
                return;
            }
            self.mending.unwritten.remove(0);
        }
    }

    /// The ledger with what is under way, newest first.
    pub(super) fn heal_log(&self, limit: u16) -> Result<Reply, Refusal> {
        let written = self.teller.store().faults(limit).map_err(|error| books::refusal(&error))?;
        let mut faults: Vec<Fault> = self.mending.healer.open_faults().cloned().collect();
        faults.extend(self.mending.unwritten.iter().rev().cloned());
        let known: Vec<_> = faults.iter().filter_map(|f| f.number).collect();
        faults.extend(written.into_iter().filter(|f| f.number.is_none_or(|n| !known.contains(&n))));
        faults.truncate(usize::from(limit));
        Ok(Reply::Faults(faults))
    }

    /// Starts anew, if this is safe mode.
    pub(super) fn leave_safe_mode(&self) -> Result<Reply, Refusal> {
        if !self.mending.off {
            return Err(Refusal::new(RefusalKind::WrongState, "the daemon is not in safe mode"));
        }
        match self.wires.orders.try_send(Order::LeaveSafeMode) {
            Ok(()) => Ok(Reply::Done),
            Err(_) => Err(Refusal::new(RefusalKind::Busy, "the daemon is about to restart already")),
        }
    }
}
