//! The core: one thread that runs all machines. Takes one event, lets the machines decide, commits, then acts.
//!
//! Nothing here decides about money; it carries events to the machines and their outputs to store, drivers and bus.

mod books;
mod devices;
mod ends;
mod heal;
mod inspection;
mod keys;
mod news;
mod orders;
mod record;
mod repair;
mod scanner;
mod self_test;
mod storage;
mod tamper;
mod upkeep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::app::ceremony::KeyLoad;
use crate::app::faults::Faults;
use crate::app::record::Recorder;
use crate::app::watchdog::Progress;
use crate::bus::Update;
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::prompt::Language;
use crate::domain::tamper::TamperReading;
use crate::domain::time::Now;
use crate::engine::command::{CommandId, Refusal, Reply};
use crate::engine::event::Event;
use crate::engine::signal::Signal;
use crate::engine::snapshot::Snapshot;
use crate::host::session::Host;
use crate::keypad::Keypad;
use crate::reader::Reader;
use crate::store::teller::{Settled, Teller};

pub use ends::{CoreError, Inlets, Parts, Wires};
pub use scanner::ScannerPost;
pub use upkeep::UpkeepSettings;

/// The machines and the store, with what is under way between them.
pub struct Core {
    teller: Teller,
    host: Host,
    reader: Reader,
    keypad: Keypad,
    /// The code scanner, where one is configured.
    scanner: Option<ScannerPost>,
    card_wait: Duration,
    key_load: KeyLoad,
    wires: Wires,
    clock: fn() -> Now,
    synchronised: fn() -> bool,
    /// The check of the journal under way.
    check: Option<books::Check>,
    /// The test under way that somebody at the terminal takes part in, or a device.
    trial: Option<self_test::Trial>,
    /// What the watchdog looks at.
    progress: Progress,
    /// The thread that seals a backup.
    sealing: Option<JoinHandle<()>>,
    replies: BTreeMap<CommandId, oneshot::Sender<Result<Reply, Refusal>>>,
    next_command: u64,
    signals: Vec<Signal>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    published: Arc<Snapshot>,
    /// What the journal was told last.
    news: news::News,
    /// Why the drivers of reader and keypad have no device, while they have none.
    missing: [String; 2],
    /// What the tamper input said last; `None` where there is none.
    tamper_reading: Option<TamperReading>,
    /// Whether somebody watches it.
    watched: bool,
    /// What mends.
    mending: heal::Mending,
    /// What wears, and what is due.
    upkeep: upkeep::Upkeep,
    /// What went wrong lately.
    faults: Faults,
    /// The capture under way.
    recorder: Option<Recorder>,
    /// Where the reader was opened last.
    reader_port: Option<PathBuf>,
    /// The prompt that was shown last, for the journal.
    shown: &'static str,
    /// The language of prompts.
    language: Language,
    /// Whether nothing of this is real.
    training: bool,
}

/// The longest sleep; only a guard against a deadline that a machine forgot to give.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Rounds of one pump; machines answer each other, and two that never stop must not freeze the daemon unseen.
const MAX_ROUNDS: u32 = 10_000;

impl Core {
    /// Takes up where the store left off; gives the state for readers that never wait along with itself.
    pub fn new(parts: Parts, wires: Wires, seed: u64) -> Result<(Self, watch::Receiver<Arc<Snapshot>>), CoreError> {
        let now = (parts.clock)();
        let card_wait = parts.settings.card_wait;
        let safe_mode = parts.settings.safe_mode.is_some();
        let mending = heal::Mending::new(parts.heal, now, &parts.store, safe_mode);
        let upkeep = upkeep::Upkeep::new(parts.upkeep, now, &parts.store);
        let teller = Teller::new(parts.settings, parts.store, seed, now)?;
        let published = Arc::new(teller.engine().snapshot());
        let (snapshots, readers) = watch::channel(Arc::clone(&published));
        let mut core = Self {
            teller,
            host: parts.host,
            reader: parts.reader,
            keypad: parts.keypad,
            scanner: parts.scanner,
            card_wait,
            key_load: KeyLoad::default(),
            wires,
            clock: parts.clock,
            synchronised: parts.synchronised,
            check: None,
            trial: None,
            progress: Progress::default(),
            sealing: None,
            replies: BTreeMap::new(),
            next_command: 1,
            signals: Vec::new(),
            snapshots,
            published,
            news: news::News::default(),
            missing: Default::default(),
            tamper_reading: None,
            watched: parts.tamper.is_some(),
            mending,
            upkeep,
            faults: parts.faults,
            recorder: None,
            reader_port: None,
            shown: "idle",
            language: parts.language,
            training: parts.training,
        };
        core.tell_what_was_open();
        core.faults.observe(now, &Arc::clone(&core.published));
        match parts.tamper {
            Some(reading) => core.tamper(now, reading),
            None => core.keys_changed(now),
        }
        core.check_clock(now);
        core.pump(now)?;
        Ok((core, readers))
    }

    /// Runs until something outside ends.
    pub async fn run(mut self, inlets: Inlets, progress: Progress) -> Result<(), CoreError> {
        self.progress = progress;
        let ended = self.serve(inlets).await;
        // What was counted since the last look, unless a payment is at hand: then the next start has other things to do.
        self.look_at_counters((self.clock)(), true);
        ended
    }

    async fn serve(&mut self, mut inlets: Inlets) -> Result<(), CoreError> {
        loop {
            let sleep = self.sleep();
            tokio::select! {
                biased;
                reading = inlets.tamper.recv(), if self.watched => self.tamper_said(reading),
                event = inlets.tcp.recv() => self.network(event.ok_or(CoreError::Ended("the network driver"))?),
                event = inlets.serial.recv() => self.serial(event.ok_or(CoreError::Ended("the serial driver"))?),
                event = inlets.keypad.recv() => self.key_event(event.ok_or(CoreError::Ended("the keypad driver"))?),
                event = inlets.scanner.recv(), if self.scanner.is_some() => {
                    self.scanner_event(event.ok_or(CoreError::Ended("the scanner's driver"))?);
                }
                event = inlets.repair.recv(), if self.wires.repair.is_some() => self.repair_said(event),
                Some(()) = inlets.link.recv() => self.link_returned(),
                request = inlets.requests.recv() => self.request(request.ok_or(CoreError::Ended("the bus"))?),
                nudge = inlets.nudges.recv() => nudge.ok_or(CoreError::Ended("the main thread"))?,
                () = tokio::time::sleep(sleep) => {
                    self.expire();
                    self.check_on();
                }
            }
            let now = (self.clock)();
            self.pump(now)?;
            self.progress.turn();
        }
    }

    fn sleep(&self) -> Duration {
        if self.check.is_some() {
            return Duration::ZERO;
        }
        let now = (self.clock)().mono;
        let deadlines = [
            self.teller.deadline(),
            self.host.deadline(),
            self.reader.deadline(),
            self.keypad.deadline(),
            self.scanner.as_ref().and_then(ScannerPost::deadline),
            self.key_load.deadline(),
            self.mending.deadline(),
            self.upkeep.deadline(),
            self.trial.as_ref().map(self_test::Trial::deadline),
            self.faults.chronicle.deadline(),
            self.recorder.as_ref().map(Recorder::deadline),
        ];
        // One microsecond more, because a timer that fires early would only be set again.
        let first = deadlines.into_iter().flatten().min().map(|d| d.since(now) + Duration::from_micros(1));
        first.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }

    fn expire(&mut self) {
        let now = (self.clock)();
        self.host.expire(now.mono);
        self.reader.expire(now.mono);
        self.keypad.expire(now.mono);
        if let Some(scanner) = &mut self.scanner {
            scanner.expire(now.mono);
        }
        self.teller.expire(now);
        if self.key_load.expire(now.mono) {
            self.keys_changed(now);
        }
        self.retry_storage(now);
        self.keep_up(now);
        self.expire_trial(now);
        self.faults.expire(now);
        self.expire_recording(now.mono);
    }

    /// Carries outputs to where they belong until all machines rest, then tells the bus.
    fn pump(&mut self, now: Now) -> Result<(), CoreError> {
        for _ in 0..MAX_ROUNDS {
            let mut rest = true;
            while let Some(output) = self.host.poll() {
                rest = false;
                self.host_output(now, output);
            }
            while let Some(output) = self.reader.poll() {
                rest = false;
                self.reader_output(now, output);
            }
            while let Some(output) = self.keypad.poll() {
                rest = false;
                self.keypad_output(now, output);
            }
            while let Some(output) = self.scanner.as_mut().and_then(ScannerPost::poll) {
                rest = false;
                self.scanner_output(now, output);
            }
            rest &= self.decide(now)?;
            if rest {
                self.publish();
                if self.mend(now) {
                    continue;
                }
                return Ok(());
            }
        }
        Err(CoreError::Restless)
    }

    /// Takes all that the engine decided: first to disk, then done. Says whether it was idle.
    fn decide(&mut self, now: Now) -> Result<bool, CoreError> {
        match self.teller.settle(now)? {
            Settled::Idle => return Ok(true),
            Settled::Done(actions) => {
                for action in actions {
                    self.act(now, action);
                }
            }
            Settled::Refused(evidence) => self.storage_failed(now, &evidence),
        }
        Ok(false)
    }

    /// Makes the new state visible, then sends the signals that lead to it.
    fn publish(&mut self) {
        let mut snapshot = self.teller.engine().snapshot();
        snapshot.notices = Arc::clone(&self.upkeep.notices);
        let changed = snapshot != *self.published;
        self.tell_journal(&snapshot);
        if !changed && self.signals.is_empty() {
            return;
        }
        if changed {
            self.published = Arc::new(snapshot);
            self.snapshots.send_replace(Arc::clone(&self.published));
            self.faults.observe((self.clock)(), &self.published);
        }
        let update = Update { snapshot: Arc::clone(&self.published), signals: std::mem::take(&mut self.signals) };
        if self.wires.updates.try_send(update).is_err() {
            // The bus is slower than the payments. The state stays readable; only signals are lost, and said to be.
            let event = JournalEvent::Overload.as_str();
            tracing::warn!(POS_EVENT = event, POS_COMPONENT = "core", "the bus did not keep up: signals were dropped");
        }
    }

    /// Payments that a stop without order has left behind are settled by themselves; a person should know.
    fn tell_what_was_open(&self) {
        let open = self.published.transactions.values().filter(|payment| payment.cause == Some(Cause::P04)).count();
        if open > 0 {
            tracing::warn!(
                POS_EVENT = JournalEvent::UncleanStop.as_str(),
                POS_COMPONENT = "service",
                POS_CAUSE = Cause::P04.as_str(),
                POS_EVIDENCE = %format!("{open} payments were open"),
                "the last stop was no orderly one"
            );
        }
    }

    /// A line for each thing that is new.
    fn tell_journal(&mut self, now: &Snapshot) {
        let [reader, keypad] = &self.missing;
        let ((reader_state, reader_cause), (keypad_state, keypad_cause)) = (self.reader.state(), self.keypad.state());
        let devices = [
            Some(news::Seen { state: reader_state, cause: reader_cause, evidence: reader }),
            Some(news::Seen { state: keypad_state, cause: keypad_cause, evidence: keypad }),
            self.scanner.as_ref().map(ScannerPost::seen),
        ];
        self.news.lines(&self.published, now, devices).iter().for_each(news::Line::say);
    }

    /// Only a payment that may go offline asks for the time to be known; a look at each start is enough.
    fn check_clock(&mut self, now: Now) {
        if (self.synchronised)() {
            self.tell_engine(now, Event::ClockSynchronised);
        }
    }

    fn tell_engine(&mut self, now: Now, event: Event) {
        self.teller.handle(now, event);
    }
}
