//! The engine itself: one state, four verbs.

use std::collections::VecDeque;

use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::ids::{Batch, Stan, TransactionId};
use crate::domain::outcome::{Outcome, TerminalState, TransactionState};
use crate::domain::prompt::Prompt;
use crate::domain::time::{Instant, Now};
use crate::engine::action::Action;
use crate::engine::book::Book;
use crate::engine::command::{Command, CommandId, Device, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::jitter::Jitter;
use crate::engine::line::{Line, Purpose};
use crate::engine::operator::Operators;
use crate::engine::record::{Record, Recovered};
use crate::engine::reversal::Reversals;
use crate::engine::sale::{Sale, Step};
use crate::engine::settings::Settings;
use crate::engine::sign_in::SignIn;
use crate::engine::signal::Signal;
use crate::engine::snapshot::{DeviceView, KeysView, Snapshot, TerminalView, TransactionView};

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
    pub(super) errands: VecDeque<Purpose>,
    pub(super) sale: Option<Sale>,
    pub(super) reversals: Reversals,
    pub(super) book: Book,
    pub(super) operators: Operators,
    pub(super) operator_trouble: Option<Cause>,
    pub(super) reader: DeviceView,
    pub(super) keypad: DeviceView,
    pub(super) keys: KeysView,
    pub(super) storage_fault: Option<String>,
    pub(super) notice: Option<Cause>,
    pub(super) next_id: TransactionId,
    prompt: Prompt,
    told: TerminalState,
    outputs: VecDeque<Output>,
}

/// Errands that may wait for the line.
const MAX_ERRANDS: usize = 16;

fn absent() -> DeviceView {
    DeviceView {
        state: DeviceState::Absent,
        model: String::new(),
        firmware: String::new(),
        last_cause: None,
        inhibited_by: None,
    }
}

/// A device under a lease is shown as inhibited, whatever it could do.
fn shown(view: &DeviceView) -> DeviceView {
    let held = view.inhibited_by.is_some() && view.state == DeviceState::Ready;
    DeviceView { state: if held { DeviceState::Inhibited } else { view.state }, ..view.clone() }
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
            errands: VecDeque::new(),
            sale: None,
            reversals: Reversals::recovered(stored.reversals, now.mono),
            book: Book::default(),
            operators: Operators::new(stored.operators, stored.on_duty),
            operator_trouble: None,
            reader: absent(),
            keypad: absent(),
            keys: KeysView::default(),
            storage_fault: None,
            notice: None,
            next_id: stored.next_id,
            prompt: Prompt::Idle,
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

    fn take_up(&mut self, view: TransactionView) {
        let id = view.id;
        let state = view.state;
        self.book.insert(view, String::new(), None, None);
        match state {
            TransactionState::Finished => {}
            TransactionState::Authorising | TransactionState::Reversing => {
                let view = self.book.update(id, |v| {
                    v.state = TransactionState::Reversing;
                    v.outcome = Some(Outcome::Unknown);
                    v.cause = v.cause.or(Some(Cause::P04));
                });
                if let Some(view) = view.filter(|_| state == TransactionState::Authorising) {
                    self.record(Record::Changed { view: Box::new((*view).clone()) });
                }
            }
            TransactionState::Created
            | TransactionState::AwaitingConfirmation
            | TransactionState::AwaitingCard
            | TransactionState::AwaitingPin
            | TransactionState::Connecting => {
                let evidence = "the daemon restarted before anything was sent".to_owned();
                self.finish(id, Outcome::Cancelled, Some(Cause::P04), evidence);
            }
        }
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.now = now;
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
            Event::EntryCancelled => self.entry_over(None, "cancelled at the keypad"),
            Event::EntryTimedOut => self.entry_over(None, "nobody typed in time"),
            Event::EntryFailed(cause) => self.entry_over(Some(cause), "the keypad failed"),
            Event::PasswordChecked { id, good } => self.password_checked(id, good),
            Event::PasswordHashed { id, hash } => self.password_hashed(id, hash),
            Event::HostReached => self.host_reached(),
            Event::HostReplied(answer) => self.host_replied(answer),
            Event::HostFailed(failure) => self.host_failed(failure),
            Event::KeysChanged { master_check, pending_component, asking_component } => {
                self.keys_changed(master_check, pending_component, asking_component);
            }
            Event::StorageChanged { fault } => self.storage_fault = fault,
        }
        self.settle();
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Now) {
        self.now = now;
        self.expire_sign_in();
        self.expire_sale();
        for id in self.book.overdue(now.mono) {
            self.drop_unsent(id, "not started in time");
        }
        self.settle();
    }

    /// When `expire` wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        // A sign-in or reversal that is due but waits for the line is woken by the line, not by the clock.
        let later = |t: &Instant| *t > self.now.mono;
        let sale = self.sale.as_ref().and_then(|s| s.deadline);
        let all = [self.sign_in.deadline(), self.reversals.deadline(), self.book.deadline(), sale];
        all.into_iter().flatten().filter(later).min()
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Everything that can be read.
    pub fn snapshot(&self) -> Snapshot {
        let (state, cause) = self.assess();
        let next = match self.sign_in.state {
            crate::engine::sign_in::State::Wanted { at, .. } => {
                let wait = u64::try_from(at.since(self.now.mono).as_micros()).unwrap_or(0);
                Some(crate::domain::time::WallTime(self.now.wall.0.saturating_add(wait)))
            }
            _ => None,
        };
        Snapshot {
            terminal: TerminalView {
                state,
                cause,
                evidence: self.storage_fault.clone().unwrap_or_else(|| self.sign_in.evidence.clone()),
                terminal_id: self.settings.terminal_id.to_string(),
                merchant_id: self.settings.merchant_id.to_string(),
                batch: self.batch,
                operator: self.operators.on_duty.clone(),
                supervisor_set: self.operators.supervisor_set(),
                active: self.sale.as_ref().map(|s| s.id),
                prompt: self.prompt.clone(),
                next_sign_in: next,
                signed_in_at: self.sign_in.last_good,
                clock_difference: self.sign_in.clock_difference,
            },
            reader: shown(&self.reader),
            keypad: shown(&self.keypad),
            transactions: self.book.views(),
            capabilities: self.capabilities(),
            keys: self.keys.clone(),
            open_reversals: u32::try_from(self.reversals.len()).unwrap_or(u32::MAX),
        }
    }

    fn settle(&mut self) {
        self.renew_old_keys();
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
            Command::OperatorUnlock { operator } => self.operator_unlock(id, &operator),
            Command::Create(new) => self.create_asked(id, new, stored),
            Command::Start { caller, id: transaction } => self.start_asked(id, &caller, transaction),
            Command::Cancel { caller, id: transaction } => self.cancel_asked(id, &caller, transaction),
            Command::Acknowledge { caller, id: transaction } => self.acknowledge_asked(id, &caller, transaction),
            Command::FindByKey { caller, key } => {
                if let Some((found, _)) = self.book.by_key(caller.uid, &key) {
                    self.book.adopt(found, &caller);
                    return self.act(Action::Reply(id, Ok(Reply::Transaction(found))));
                }
                self.found(id, stored.map(|s| s.0).map(|v| TransactionView { owner: caller, ..v }));
            }
            Command::FindByCode { code, .. } => {
                let at_hand = self.book.views().values().find(|v| v.code.as_ref() == Some(&code)).map(|v| v.id);
                match at_hand {
                    Some(found) => self.act(Action::Reply(id, Ok(Reply::Transaction(found)))),
                    None => self.found(id, stored.map(|s| s.0)),
                }
            }
            Command::Echo => self.echo_asked(id),
            Command::ResetReader => self.reset_asked(id),
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
            Command::List(_)
            | Command::LoadKeyComponent { .. }
            | Command::LoadKeyComponentAtKeypad { .. }
            | Command::AbandonKeyLoad => {
                self.refuse(id, Refusal::new(RefusalKind::Internal, "this command is not the engine's"));
            }
        }
    }

    fn echo_asked(&mut self, id: CommandId) {
        if self.errands.len() >= MAX_ERRANDS || self.sale.is_some() {
            return self.refuse(id, Refusal::new(RefusalKind::Busy, "the line to the host is in use; try again"));
        }
        self.errands.push_back(Purpose::Echo(id));
    }

    fn reset_asked(&mut self, id: CommandId) {
        if matches!(&self.sale, Some(Sale { step: Step::Presenting { .. }, .. })) {
            return self
                .refuse(id, Refusal::new(RefusalKind::Busy, "a card is being waited for; cancel that payment first"));
        }
        self.act(Action::ResetReader);
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    fn inhibit_asked(&mut self, id: CommandId, device: Device, by: String) {
        if self.sale.is_some() {
            return self
                .refuse(id, Refusal::new(RefusalKind::Busy, "a payment is under way; try again when it is over"));
        }
        let view = self.device(device);
        if let Some(holder) = &view.inhibited_by {
            let text = format!("already inhibited by {holder}");
            return self.refuse(id, Refusal::new(RefusalKind::Busy, text));
        }
        view.inhibited_by = Some(by);
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    fn inhibit_ended(&mut self, id: CommandId, device: Device) {
        self.device(device).inhibited_by = None;
        self.act(Action::Reply(id, Ok(Reply::Done)));
    }

    fn device(&mut self, device: Device) -> &mut DeviceView {
        match device {
            Device::Reader => &mut self.reader,
            Device::Keypad => &mut self.keypad,
        }
    }

    fn device_changed(&mut self, device: Device, state: DeviceState, cause: Option<Cause>) {
        let view = self.device(device);
        view.state = state;
        if cause.is_some() || state == DeviceState::Ready {
            view.last_cause = cause;
        }
        if device == Device::Reader
            && matches!(state, DeviceState::Absent | DeviceState::Failed | DeviceState::Starting)
        {
            self.reader_lost();
        }
    }

    fn keys_changed(&mut self, master: Option<String>, pending: Option<String>, asking: Option<u8>) {
        let changed = self.keys.master_check != master;
        self.keys.pending_component = pending;
        self.keys.asking_component = asking;
        self.keys.master_check = master;
        if changed {
            self.keys.working = false;
            if self.keys.master_check.is_some() {
                self.want_sign_in(None);
            }
        }
    }

    fn entry_progressed(&mut self, digits: u8) {
        match &self.prompt {
            Prompt::EnterPin { .. } => self.prompt(Prompt::EnterPin { digits }),
            Prompt::EnterOperator { .. } => self.show(Prompt::EnterOperator { digits }),
            Prompt::EnterPassword { .. } => self.show(Prompt::EnterPassword { digits }),
            _ => {}
        }
    }

    fn entry_over(&mut self, cause: Option<Cause>, why: &str) {
        self.operator_entry_ended();
        self.entry_ended(cause, why);
    }

    /// Whether the keypad serves something else than a payment.
    pub(super) fn keypad_taken(&self) -> bool {
        self.operators.uses_keypad() || self.keys.asking_component.is_some() || self.keypad.inhibited_by.is_some()
    }

    /// Whether the key ceremony may use the keypad now.
    pub fn keypad_is_free(&self) -> bool {
        self.sale.is_none() && !self.keypad_taken() && self.keypad.state == DeviceState::Ready
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

    /// Shows a prompt to whoever stands there.
    pub(super) fn show(&mut self, prompt: Prompt) {
        if self.prompt != prompt {
            self.prompt = prompt.clone();
            self.act(Action::Show(prompt));
        }
    }

    pub(super) fn show_idle(&mut self) {
        if self.sale.is_none() {
            self.show(Prompt::Idle);
        }
    }

    /// Shows a prompt of the payment in hand, and tells its owner.
    pub(super) fn prompt(&mut self, prompt: Prompt) {
        if let Some(id) = self.sale.as_ref().map(|s| s.id) {
            self.prompt_for(id, prompt);
        }
    }

    pub(super) fn prompt_for(&mut self, id: TransactionId, prompt: Prompt) {
        if let Some(connection) = self.book.get(id).map(|v| v.owner.connection.clone()) {
            self.act(Action::Tell(Signal::PromptChanged { id, connection, prompt: prompt.clone() }));
        }
        self.show(prompt);
    }

    pub(super) fn state_of(&self, id: TransactionId) -> TransactionState {
        self.book.get(id).map_or(TransactionState::Finished, |v| v.state)
    }

    /// Moves a payment on where nothing has to be on disk for it: nothing has been sent yet.
    pub(super) fn move_to(&mut self, id: TransactionId, new: TransactionState) {
        let old = self.state_of(id);
        self.book.update(id, |v| v.state = new);
        self.tell_moved(id, old, new);
    }

    pub(super) fn tell_moved(&mut self, id: TransactionId, old: TransactionState, new: TransactionState) {
        if let Some(connection) = self.book.get(id).map(|v| v.owner.connection.clone()) {
            self.act(Action::Tell(Signal::TransactionStateChanged { id, connection, old, new }));
        }
    }

    pub(super) fn tell_finished(&mut self, id: TransactionId, outcome: Outcome) {
        if let Some(connection) = self.book.get(id).map(|v| v.owner.connection.clone()) {
            self.act(Action::Tell(Signal::TransactionFinished { id, connection, outcome }));
        }
    }
}
