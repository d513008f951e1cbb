//! The engine itself: one state, four verbs.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::cause::Cause;
use crate::domain::ids::{Batch, OperatorId, Stan, TransactionId};
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::time::{Instant, Now, WallTime};
use crate::engine::action::Action;
use crate::engine::book::Book;
use crate::engine::clock::Clock;
use crate::engine::command::{Command, CommandId, Refusal, RefusalKind, Reply};
use crate::engine::devices::{absent, shown};
use crate::engine::event::Event;
use crate::engine::forward::Forwarder;
use crate::engine::habits::Habits;
use crate::engine::host_history::HostHistory;
use crate::engine::jitter::Jitter;
use crate::engine::keys::Deferred;
use crate::engine::line::{Errands, Line, Purpose};
use crate::engine::link::Flapping;
use crate::engine::operator::Operators;
use crate::engine::record::{Record, Recovered};
use crate::engine::reversal::Reversals;
use crate::engine::sale::Sale;
use crate::engine::script::Scripts;
use crate::engine::settings::Settings;
use crate::engine::sign_in::SignIn;
use crate::engine::signal::Signal;
use crate::engine::snapshot::{DeviceView, KeysView, Snapshot, TerminalView, TransactionView};
use crate::engine::tamper::Case;

/// One thing the core loop has to do. All records in the queue are committed before any action is released.
pub enum Output {
    /// Write this.
    Record(Record),
    /// Then do this.
    Act(Action),
}

/// The whole decision-making of the terminal.
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) now: Now,
    pub(super) jitter: Jitter,
    pub(super) next_stan: Stan,
    pub(super) batch: Batch,
    pub(super) sign_in: SignIn,
    pub(super) line: Line,
    pub(super) host: HostHistory,
    pub(super) habits: Habits,
    pub(super) flapping: Flapping,
    pub(super) errands: Errands,
    pub(super) sale: Option<Sale>,
    pub(super) scripts: Scripts,
    pub(super) reversals: Reversals,
    pub(super) forwarder: Forwarder,
    pub(super) clock: Clock,
    /// What uploads brought about the keys while a payment had reader or keypad.
    pub(super) deferred: Vec<Deferred>,
    pub(super) book: Book,
    pub(super) operators: Operators,
    pub(super) reader: DeviceView,
    pub(super) keypad: DeviceView,
    pub(super) scanner: DeviceView,
    pub(super) keys: KeysView,
    pub(super) storage_fault: Option<String>,
    pub(super) case: Case,
    pub(super) notice: Option<Cause>,
    pub(super) next_id: TransactionId,
    pub(super) prompt: Prompt,
    pub(super) prompt_until: Option<Instant>,
    told: TerminalState,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// Takes up where the store left off. Payments without an outcome whose request never left are cancelled; those
    /// with a reversal on file are reversed, since a request in flight at a crash counts as sent.
    pub fn recover(settings: Settings, stored: Recovered, seed: u64, now: Now) -> Self {
        let mut engine = Self {
            jitter: Jitter::new(seed),
            next_stan: stored.next_stan,
            batch: stored.batch,
            sign_in: SignIn::new(stored.signed_in_at),
            line: Line::Idle,
            host: HostHistory::default(),
            habits: Habits::default(),
            flapping: Flapping::default(),
            errands: Errands::default(),
            sale: None,
            scripts: Scripts::recovered(stored.scripts, now.mono),
            reversals: Reversals::recovered(stored.reversals, now.mono),
            forwarder: Forwarder::recovered(stored.queue, now.mono),
            clock: Clock::new(settings.boot.clone(), stored.clock),
            deferred: Vec::new(),
            book: Book::default(),
            operators: Operators::new(stored.operators, stored.on_duty),
            reader: absent(),
            keypad: absent(),
            scanner: absent(),
            keys: KeysView::default(),
            storage_fault: None,
            case: Case::recovered(stored.tampered),
            notice: None,
            next_id: stored.next_id,
            prompt: Prompt::Idle,
            prompt_until: None,
            told: TerminalState::Starting,
            outputs: VecDeque::new(),
            settings,
            now,
        };
        for view in stored.open {
            engine.take_up(view);
        }
        engine
    }

    fn take_up(&mut self, mut view: TransactionView) {
        let found = view.state;
        let reversal = self.reversals.holds(view.id);
        match found {
            TransactionState::Finished => {}
            TransactionState::Authorising | TransactionState::Reversing if reversal => {
                view.state = TransactionState::Reversing;
                view.outcome = Some(Outcome::Unknown);
                view.cause = view.cause.or(Some(Cause::P04));
            }
            TransactionState::Authorising | TransactionState::Reversing => {
                // Never written by this program; there is nothing to send, so a person has to ask the acquirer.
                view.state = TransactionState::Finished;
                view.outcome = Some(Outcome::Unknown);
                view.cause = Some(Cause::P04);
                view.evidence = "found without its reversal: ask the acquirer whether it was charged".to_owned();
                view.finished_at = Some(self.now.wall);
            }
            TransactionState::Created
            | TransactionState::AwaitingConfirmation
            | TransactionState::AwaitingCard
            | TransactionState::AwaitingPin
            | TransactionState::Connecting
            | TransactionState::Storing => {
                view.state = TransactionState::Finished;
                view.outcome = Some(Outcome::Cancelled);
                view.cause = Some(Cause::P04);
                view.evidence = "the daemon restarted before anything was sent".to_owned();
                view.finished_at = Some(self.now.wall);
            }
        }
        if view.state != found {
            self.record(Record::Changed { view: Box::new(view.clone()) });
        }
        self.book.insert(view, String::new(), None, None);
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.now = now;
        self.watch_people(&event);
        match event {
            Event::Asked { id, command, stored } => self.asked(id, command, stored),
            Event::DeviceChanged { device, state, cause } => self.device_changed(device, state, cause),
            Event::DeviceIdentified { device, model, firmware } => {
                let view = self.device(device);
                view.model = model;
                view.firmware = firmware;
            }
            Event::CardRead(card) => self.card_read(card),
            Event::CardFailed(failure) => self.card_failed(failure),
            Event::AmountConfirmed => self.amount_confirmed(),
            Event::PinEntered(block) => self.pin_done(Some(block)),
            Event::PinBypassed => self.pin_done(None),
            Event::EntryProgressed { digits } => self.entry_progressed(digits),
            Event::OperatorNumberEntered(operator) => self.operator_number(operator),
            Event::PasswordEntered(password) => self.operator_password(password),
            Event::EntryCancelled => self.cancel_pressed(),
            Event::EntryTimedOut => self.entry_over(None, "nobody typed in time"),
            Event::EntryFailed(cause) => self.entry_over(Some(cause), "the keypad failed"),
            Event::CodeScanned { scan, on_file } => self.code_scanned(scan, on_file),
            Event::PasswordChecked { id, good } => self.password_checked(id, good),
            Event::PasswordHashed { id, hash } => self.password_hashed(id, hash),
            Event::HostReached => self.host_reached(),
            Event::HostReplied(answer) => self.host_replied(answer),
            Event::HostFailed(failure) => self.host_failed(failure),
            Event::KeysChanged { master_check, pending_component, asking_component } => {
                self.keys_changed(master_check, pending_component, asking_component);
            }
            Event::OfflineJudged(verdict) => self.offline_judged(verdict),
            Event::QueueHeadLoaded { head, totals } => self.queue_head_loaded(head, totals),
            Event::LinkReturned => self.link_returned(),
            Event::ClockSynchronised => self.clock_synchronised(),
            Event::TamperRead(reading) => self.tamper_read(reading),
            Event::StorageChanged { fault } => self.storage_changed(fault),
        }
        // The event counts even where its deadline has just passed: an answer is an answer.
        self.let_pass();
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Now) {
        self.now = now;
        self.let_pass();
    }

    fn let_pass(&mut self) {
        self.expire_sign_in();
        self.expire_line();
        self.expire_sale();
        self.expire_operators();
        self.expire_prompt();
        for id in self.book.overdue(self.now.mono) {
            self.drop_unsent(id, "not started in time");
        }
        self.settle();
    }

    /// When `expire` wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        // A sign-in or reversal that is due but waits for the line is woken by the line, not by the clock.
        let forwarder = self.forwarder.deadline().filter(|_| self.sign_in.is_on());
        let due = [self.sign_in.due_at(), self.reversals.deadline(), self.scripts.deadline(), forwarder];
        let waits = due.into_iter().flatten().filter(|t| *t > self.now.mono);
        let others = [
            self.sign_in.patience(),
            self.line.deadline(),
            self.upload_must_end(),
            self.errands.deadline(),
            self.sale.as_ref().and_then(|s| s.deadline),
            self.operators.deadline(),
            self.book.deadline(),
            self.prompt_until,
        ];
        waits.chain(others.into_iter().flatten()).min()
    }

    /// Whether there is something to do.
    #[cfg(test)]
    pub(super) fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Everything that can be read.
    pub fn snapshot(&self) -> Snapshot {
        let (state, cause) = self.assess();
        Snapshot {
            terminal: TerminalView {
                state,
                cause,
                evidence: self.evidence(),
                terminal_id: self.settings.terminal_id.to_string(),
                merchant_id: self.settings.merchant_id.to_string(),
                batch: self.batch,
                operator: self.operators.on_duty.clone(),
                supervisor_set: self.operators.supervisor_set(),
                active: self.sale.as_ref().map(|s| s.id),
                active_owner: self.active_owner(),
                prompt: self.prompt.clone(),
                next_sign_in: self.next_sign_in(),
                signed_in_at: self.sign_in.last_good,
                clock_difference: self.sign_in.clock_difference,
            },
            reader: shown(&self.reader),
            keypad: shown(&self.keypad),
            scanner: self.settings.scanner.then(|| shown(&self.scanner)),
            transactions: self.book.views(),
            capabilities: self.capabilities(),
            keys: self.keys.clone(),
            open_reversals: u32::try_from(self.reversals.len()).unwrap_or(u32::MAX),
            held_reversals: u32::try_from(self.reversals.held()).unwrap_or(u32::MAX),
            queue: self.queue_view(),
            host: self.host.view.clone(),
            habits: self.habits.seen(self.now.mono),
            // The core knows them.
            notices: Arc::default(),
        }
    }

    /// Whose payment has reader and keypad, for people.
    pub(super) fn active_owner(&self) -> Option<String> {
        let view = self.sale.as_ref().and_then(|s| self.book.get(s.id))?;
        Some(format!("uid {}", view.owner.uid))
    }

    /// Has the queue counted and its head read again.
    pub(super) fn count_queue_anew(&mut self) {
        self.forwarder.look_again(self.now.mono);
        self.act(Action::LoadQueueHead { after: None });
    }

    fn next_sign_in(&self) -> Option<WallTime> {
        let at = self.sign_in.wanted_at().filter(|_| self.keys.master_check.is_some())?;
        let wait = u64::try_from(at.since(self.now.mono).as_micros()).unwrap_or(0);
        Some(WallTime(self.now.wall.0.saturating_add(wait)))
    }

    fn settle(&mut self) {
        self.catch_up_deferred();
        self.renew_old_keys();
        self.begin_if_prepared();
        self.forward_if_due();
        self.next_on_line();
        let (new, cause) = self.assess();
        let old = self.told;
        if old != new {
            self.told = new;
            self.act(Action::Tell(Signal::TerminalStateChanged { old, new, cause }));
        }
    }

    fn asked(&mut self, id: CommandId, command: Command, stored: Option<Box<(TransactionView, String)>>) {
        match command {
            Command::SignIn => self.sign_in_asked(id),
            Command::SignOut => self.sign_out_asked(id),
            Command::OperatorSignIn { operator, password } => self.operator_sign_in(id, operator, password, true),
            Command::OperatorSignInAtKeypad => self.operator_at_keypad(id),
            Command::OperatorSignOut => self.operator_sign_out(id),
            Command::OperatorSet { operator, role, password } => self.operator_set(id, operator, role, password),
            Command::OperatorCodeSet { operator, secret } => self.operator_code_set(id, operator, secret),
            Command::OperatorCodeRevoke { operator } => self.operator_code_revoked(id, &operator),
            Command::OperatorUnlock { operator } => self.operator_unlock(id, &operator),
            Command::Create(new) => self.create_asked(id, new, stored),
            Command::Start { caller, id: transaction } => self.start_asked(id, &caller, transaction),
            Command::Cancel { caller, id: transaction } => self.cancel_asked(id, &caller, transaction),
            Command::Acknowledge { caller, id: transaction } => self.acknowledge_asked(id, &caller, transaction),
            Command::FindByKey { caller, key } => self.find_by_key(id, caller, &key, stored.map(|s| *s)),
            Command::FindByCode { code, .. } => self.find_by_code(id, &code, stored.map(|s| *s)),
            Command::Echo => self.run_errand(id, Purpose::Echo(id)),
            Command::Diagnosed(refinement) => self.diagnosed(id, refinement),
            Command::ResetReader => self.reset_asked(id),
            Command::PowerCycleReader => self.power_cycle_asked(id),
            Command::Inhibit { caller, device, why } => {
                self.inhibit_asked(id, device, format!("{}: {why}", caller.connection))
            }
            Command::InhibitEnded { device } => self.inhibit_ended(id, device),
            Command::ClientGone { connection } => {
                for gone in self.book.of_connection(&connection) {
                    self.drop_unsent(gone, "the app has gone");
                }
                self.act(Action::Reply(id, Ok(Reply::Done)));
            }
            // The core answers these from the store and the key ceremony; here they would be a wiring fault.
            Command::Drain => self.drain_asked(id),
            Command::Hold { caller, note, .. } => self.hold_asked(id, &caller, &note, stored.map(|s| s.0)),
            Command::Resolve { caller, decision, note, .. } => {
                self.resolve_asked(id, &caller, decision, &note, stored.map(|s| s.0));
            }
            Command::List(_)
            | Command::ListQueue(_)
            | Command::DenyCard { .. }
            | Command::ResetScanner
            | Command::TriggerScanner
            | Command::TakeScannedTransaction
            | Command::VerifyJournal
            | Command::ExportJournal { .. }
            | Command::LastFaults
            | Command::Timeline
            | Command::Record { .. }
            | Command::StopRecording
            | Command::Backup { .. }
            | Command::HealLog { .. }
            | Command::LeaveSafeMode
            | Command::Upkeep(_)
            | Command::SelfTest(_)
            | Command::LoadKeyComponent { .. }
            | Command::LoadKeyComponentAtKeypad { .. }
            | Command::AbandonKeyLoad => {
                self.refuse(id, Refusal::new(RefusalKind::Internal, "this command is not the engine's"));
            }
        }
    }

    fn storage_changed(&mut self, fault: Option<String>) {
        if let Some(fault) = &fault {
            // Stopped before money is at risk: what is not sent yet is not sent any more.
            self.end_unsent(Outcome::Cancelled, Some(Cause::P02), format!("storage fault: {fault}"));
        }
        self.storage_fault = fault;
    }

    /// A payment at hand, for the journal.
    pub fn payment(&self, id: TransactionId) -> Option<&TransactionView> {
        self.book.get(id)
    }

    /// The operator signed in, if that is a supervisor.
    pub fn supervisor_on_duty(&self) -> Option<&OperatorId> {
        self.operators.on_duty.as_ref().filter(|_| self.operators.supervisor_on_duty())
    }

    /// Whether nothing is under way that a change of keys would hurt.
    pub fn keys_may_change(&self) -> bool {
        self.sale.is_none() && self.line == Line::Idle
    }

    pub(super) fn take_stan(&mut self) -> Stan {
        let stan = self.next_stan;
        self.next_stan = stan.next();
        stan
    }

    pub(super) fn record(&mut self, record: Record) {
        self.outputs.push_back(Output::Record(record));
    }

    pub(super) fn act(&mut self, action: Action) {
        self.outputs.push_back(Output::Act(action));
    }

    pub(super) fn refuse(&mut self, id: CommandId, refusal: Refusal) {
        self.act(Action::Reply(id, Err(refusal)));
    }
}
