//! The scanner's events on their way to its machine, and what it says on its way to the engine.
//!
//! Owns: the machine, where one is configured, and the code of a payment that was scanned last. What was scanned goes to the
//! engine and nowhere else: no line, no capture and no signal holds it.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Core;
use super::news::Seen;
use crate::diagnose::events::JournalEvent;
use crate::domain::device::DeviceState;
use crate::domain::ids::TransactionCode;
use crate::domain::scan::Scan;
use crate::domain::time::{Instant, Now};
use crate::driver::serial::{SerialCommand, SerialEvent};
use crate::engine::command::{Device, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::scanner::{Event as ScannerEvent, Output, Scanner};

/// How long the code of a payment waits to be fetched.
const KEPT: Duration = Duration::from_secs(60);

/// The scanner with its wire.
pub struct ScannerPost {
    machine: Scanner,
    wire: mpsc::Sender<SerialCommand>,
    /// Why its driver has no port.
    missing: String,
    /// The code of a payment, until it is fetched or too old.
    found: Option<(TransactionCode, Instant)>,
    /// A person asked for the next reopening.
    by_hand: bool,
}

impl ScannerPost {
    /// A scanner of which nothing is known yet.
    pub fn new(machine: Scanner, wire: mpsc::Sender<SerialCommand>) -> Self {
        Self { machine, wire, missing: String::new(), found: None, by_hand: false }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let found = self.found.as_ref().map(|(_, until)| *until);
        [self.machine.deadline(), found].into_iter().flatten().min()
    }

    /// How it is, for the journal.
    pub(super) fn seen(&self) -> Seen<'_> {
        let (state, cause) = self.machine.state();
        Seen { state, cause, evidence: &self.missing }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.machine.expire(now);
        if self.found.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.found = None;
        }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.machine.poll()
    }

    /// As if nothing had been seen of it: its driver begins anew.
    pub(super) fn begin_anew(&mut self) -> DeviceState {
        self.machine = self.machine.anew();
        self.machine.state().0
    }

    fn hand(&self, command: SerialCommand) {
        // A full queue means that the driver hangs; the machine's own deadlines notice.
        if self.wire.try_send(command).is_err() {
            tracing::warn!(
                POS_EVENT = JournalEvent::Overload.as_str(),
                POS_COMPONENT = "scanner",
                POS_CAUSE = "H11",
                "the scanner's driver takes no commands"
            );
        }
    }
}

impl Core {
    /// The scanner's serial line.
    pub(super) fn scanner_event(&mut self, event: SerialEvent) {
        let now = (self.clock)().mono;
        let Some(post) = &mut self.scanner else { return };
        let event = match event {
            SerialEvent::Opened { path } => {
                tracing::info!(
                    POS_EVENT = JournalEvent::DeviceFound.as_str(),
                    POS_COMPONENT = "scanner",
                    "serial line {} is open",
                    path.display()
                );
                post.missing.clear();
                ScannerEvent::Opened
            }
            SerialEvent::Received(bytes) => ScannerEvent::Received(bytes),
            SerialEvent::Closed { reason } => {
                post.missing = reason;
                ScannerEvent::Closed
            }
        };
        post.machine.handle(now, event);
    }

    /// What the scanner machine wants or says.
    pub(super) fn scanner_output(&mut self, now: Now, output: Output) {
        let Some(post) = &mut self.scanner else { return };
        match output {
            Output::Write(bytes) => post.hand(SerialCommand::Write(bytes)),
            Output::Reopen => {
                post.hand(SerialCommand::Reopen);
                if !std::mem::take(&mut post.by_hand) {
                    self.scanner_reopened(now);
                }
            }
            Output::StateChanged(state, cause) => {
                self.tell_engine(now, Event::DeviceChanged { device: Device::Scanner, state, cause });
            }
            Output::Identified { model, firmware } => {
                tracing::info!(
                    POS_EVENT = JournalEvent::DeviceFound.as_str(),
                    POS_COMPONENT = "scanner",
                    "code scanner: {}",
                    format!("{model} {firmware}").trim_end()
                );
                self.tell_engine(now, Event::DeviceIdentified { device: Device::Scanner, model, firmware });
            }
            Output::Scanned(scan) => self.scanned(now, scan),
            Output::NotTaken { rejected, dropped } => tracing::warn!(
                POS_EVENT = JournalEvent::NoCode.as_str(),
                POS_COMPONENT = "scanner",
                POS_EVIDENCE = %format!("{rejected} without sense, {dropped} too many at once"),
                "not everything from the scanner was taken"
            ),
        }
    }

    fn scanned(&mut self, now: Now, scan: Scan) {
        let on_file = match &scan {
            Scan::Transaction(code) => matches!(self.teller.store().find_by_code(code), Ok(Some(_))),
            Scan::Operator(_)
            | Scan::DamagedOperator
            | Scan::Payment { .. }
            | Scan::DamagedTransaction
            | Scan::Unknown => false,
        };
        if let (Scan::Transaction(code), true, Some(post)) = (&scan, on_file, &mut self.scanner) {
            post.found = Some((code.clone(), now.mono.after(KEPT)));
        }
        self.tell_engine(now, Event::CodeScanned { scan, on_file });
    }

    pub(super) fn reset_scanner(&mut self, now: Now) -> Result<Reply, Refusal> {
        let post = self.scanner.as_mut().ok_or_else(no_scanner)?;
        post.by_hand = true;
        post.machine.handle(now.mono, ScannerEvent::ResetAsked);
        Ok(Reply::Done)
    }

    pub(super) fn trigger_scanner(&mut self, now: Now) -> Result<Reply, Refusal> {
        let post = self.scanner.as_mut().ok_or_else(no_scanner)?;
        if !post.machine.can_trigger() {
            let (state, cause) = post.machine.state();
            let text = format!("the scanner is {state}, or has no trigger; see scanner.trigger in smartposd.toml");
            return Err(Refusal { kind: RefusalKind::WrongState, cause, text });
        }
        post.machine.handle(now.mono, ScannerEvent::TriggerAsked);
        Ok(Reply::Done)
    }

    pub(super) fn take_scanned(&mut self, now: Now) -> Result<Reply, Refusal> {
        let post = self.scanner.as_mut().ok_or_else(no_scanner)?;
        match post.found.take().filter(|(_, until)| *until > now.mono) {
            Some((code, _)) => Ok(Reply::ScannedTransaction(code)),
            None => Err(Refusal::new(RefusalKind::NotFound, "no code of a payment was scanned within the last minute")),
        }
    }
}

fn no_scanner() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "no scanner is configured; see [scanner] in smartposd.toml")
}
