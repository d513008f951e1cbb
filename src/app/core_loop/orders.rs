//! Requests from the bus on their way in, the engine's actions on their way out.

use tracing::Level;

use super::news::Line;
use super::{Core, books};
use crate::app::password;
use crate::bus::Request;
use crate::diagnose::events::JournalEvent;
use crate::domain::ids::TransactionId;
use crate::domain::offline::Forwarding;
use crate::domain::outcome::TransactionState;
use crate::domain::prompt::Prompt;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Now;
use crate::engine::action::Action;
use crate::engine::command::{Command, CommandId, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::signal::Signal;
use crate::engine::snapshot::TransactionView;
use crate::host::session::HostEvent;
use crate::keypad::{Entry, Event as KeypadEvent, TimeLimits};
use crate::reader::Event as ReaderEvent;
use crate::store::StoreError;

impl Core {
    /// A caller asks. Queries are answered from the store; the rest goes to the engine.
    pub(super) fn request(&mut self, request: Request) {
        let now = (self.clock)();
        let Request { command, reply } = request;
        self.record_request(now.mono, &command);
        if let Command::ClientGone { connection } = &command {
            self.leave_recording(now.mono, connection);
        }
        let answered = match command {
            Command::List(filter) => {
                let listed = self.teller.store().list(&filter);
                Ok(listed.map(Reply::List).map_err(|e| books::refusal(&e)))
            }
            Command::ListQueue(filter) => {
                let listed = self.teller.store().list_queue(&filter);
                Ok(listed.map(Reply::List).map_err(|e| books::refusal(&e)))
            }
            Command::ExportJournal { after, limit } => {
                let rows = self.teller.store().export_journal(after, limit);
                Ok(rows.map(Reply::Journal).map_err(|e| books::refusal(&e)))
            }
            Command::ResetScanner => Ok(self.reset_scanner(now)),
            Command::TriggerScanner => Ok(self.trigger_scanner(now)),
            Command::TakeScannedTransaction => Ok(self.take_scanned(now)),
            Command::HealLog { limit } => Ok(self.heal_log(limit)),
            Command::LeaveSafeMode => Ok(self.leave_safe_mode()),
            Command::Upkeep(question) => Ok(self.answer_upkeep(now, question)),
            Command::Record { connection, to, span, bytes } => {
                Ok(self.begin_recording(now, connection, to, span, bytes))
            }
            Command::StopRecording => Ok(Ok(self.stop_recording(now.mono))),
            Command::LastFaults => Ok(Ok(Reply::LastFaults(self.faults.chronicle.notes()))),
            Command::Timeline => Ok(Ok(Reply::Timeline(self.faults.chronicle.moments()))),
            Command::DenyCard { pan, note } => Ok(self.deny_card(now, &pan, &note)),
            Command::SelfTest(check) => return self.begin_check(now, check, reply),
            Command::VerifyJournal => return self.check_journal(reply),
            Command::Backup { passphrase, to } => return self.back_up(passphrase, to, reply),
            Command::LoadKeyComponent { index, custodian, component } => {
                Ok(self.load_component(now, index, &custodian, &component))
            }
            Command::LoadKeyComponentAtKeypad { index, custodian } => Ok(self.ask_component(now, index, custodian)),
            Command::AbandonKeyLoad => Ok(self.abandon_keys(now)),
            other => Err(other),
        };
        match answered {
            // The caller may have gone; then nobody waits.
            Ok(answer) => drop(reply.send(answer)),
            Err(command) => {
                let stored = match self.look_up(&command) {
                    Ok(stored) => stored.map(Box::new),
                    Err(error) => {
                        let refusal = Refusal::new(RefusalKind::Internal, error.to_string());
                        return drop(reply.send(Err(refusal)));
                    }
                };
                if matches!(command, Command::Start { .. }) {
                    self.check_clock(now);
                }
                let id = CommandId(self.next_command);
                self.next_command = self.next_command.saturating_add(1);
                self.replies.insert(id, reply);
                self.tell_engine(now, Event::Asked { id, command, stored });
            }
        }
    }

    /// What the store knows of the payment a command is about.
    fn look_up(&self, command: &Command) -> Result<Option<(TransactionView, String)>, StoreError> {
        match command {
            Command::Create(new) => self.teller.store().find_by_key(new.caller.uid, &new.key),
            Command::FindByKey { caller, key } => self.teller.store().find_by_key(caller.uid, key),
            Command::FindByCode { code, .. } | Command::Hold { code, .. } | Command::Resolve { code, .. } => {
                self.teller.store().find_by_code(code)
            }
            _ => Ok(None),
        }
    }

    /// Releases one action; everything decided with it is on disk.
    pub(super) fn act(&mut self, now: Now, action: Action) {
        match action {
            Action::Reply(id, answer) => self.reply(id, answer),
            Action::Tell(signal) => self.tell(signal),
            Action::Show(prompt) => self.show(&prompt),
            Action::ReachHost => self.host.handle(now.mono, HostEvent::Reach),
            Action::AskHost(request) => self.host.handle(now.mono, HostEvent::Ask(request)),
            Action::LeaveHost => self.host.handle(now.mono, HostEvent::Leave),
            Action::InstallKeys => {
                if !self.host.install_pending() {
                    tracing::error!(
                        POS_EVENT = JournalEvent::KeyTrouble.as_str(),
                        POS_COMPONENT = "keys",
                        "no working keys waited to be installed"
                    );
                }
            }
            Action::DiscardKeys => self.host.discard(),
            Action::PollCard(mut request) => {
                // The engine's number is repeatable for simulations; a real card gets a real one.
                if getrandom::fill(&mut request.unpredictable).is_err() {
                    return self.tell_engine(now, Event::CardFailed(crate::domain::card::TapFailure::ReaderFailed));
                }
                let deadline = now.mono.after(self.card_wait);
                self.reader.handle(now.mono, ReaderEvent::StartTap { request: *request, deadline });
            }
            Action::StopPolling => self.reader.handle(now.mono, ReaderEvent::StopTap),
            Action::ResetReader => {
                self.mending.by_hand = true;
                self.reader.handle(now.mono, ReaderEvent::ResetAsked);
            }
            Action::PowerCycleReader => {
                self.mending.by_hand = true;
                self.reader.handle(now.mono, ReaderEvent::PowerCycleAsked);
            }
            Action::AskConfirmation(_) => self.start_entry(now, Entry::ConfirmAmount),
            Action::AskPin { pan } => match self.host.pin_cipher(&pan) {
                Some(cipher) => self.start_entry(now, Entry::Pin { cipher, min: 4, max: 12, bypass: false }),
                None => self.tell_engine(now, Event::EntryFailed(crate::domain::cause::Cause::K02)),
            },
            Action::AskOperatorNumber => self.start_entry(now, Entry::Number { max: 8 }),
            Action::AskPassword => self.start_entry(now, Entry::Password),
            Action::StopEntry => self.keypad.handle(now.mono, KeypadEvent::Stop),
            // The teller answers it.
            Action::LoadQueueHead { .. } => {}
            Action::CheckPassword { id, hash, password } => self.check_password(now, id, &hash, &password),
            Action::HashPassword { id, password } => self.hash_password(now, id, &password),
        }
    }

    /// A line for each new prompt, in the configured language; the digits that come in are nobody's business.
    fn show(&mut self, prompt: &Prompt) {
        let word = prompt.word();
        if *prompt != Prompt::Idle && self.shown != word {
            tracing::info!(
                POS_EVENT = JournalEvent::Prompted.as_str(),
                POS_COMPONENT = "display",
                POS_STATE = word,
                "{}",
                prompt.shown(self.language, self.training).trim_end()
            );
        }
        self.shown = word;
    }

    fn start_entry(&mut self, now: Now, entry: Entry) {
        self.keypad.handle(now.mono, KeypadEvent::Start { entry, limits: TimeLimits::default() });
    }

    fn check_password(&mut self, now: Now, id: CommandId, hash: &str, password: &SecretBytes) {
        let good = password::matches(password, hash);
        self.tell_engine(now, Event::PasswordChecked { id, good });
    }

    fn hash_password(&mut self, now: Now, id: CommandId, password: &SecretBytes) {
        match password::hash(password) {
            Some(hash) => self.tell_engine(now, Event::PasswordHashed { id, hash }),
            None => self.reply(id, Err(Refusal::new(RefusalKind::Internal, "the system gave no random bytes"))),
        }
    }

    fn reply(&mut self, id: CommandId, answer: Result<Reply, Refusal>) {
        // What the answer speaks of must be visible before the answer is.
        self.publish();
        if let Some(waiting) = self.replies.remove(&id) {
            // The caller may have gone; then nobody waits.
            let _ = waiting.send(answer);
        }
    }

    fn tell(&mut self, signal: Signal) {
        self.log(&signal);
        self.record_signal(&signal);
        self.signals.push(signal);
    }

    /// One line a change of a payment's state; of everything else `news` tells.
    fn log(&self, signal: &Signal) {
        match signal {
            Signal::TransactionStateChanged { id, old, new, .. } => {
                let event = match (old, new) {
                    // How it ended is told by the next signal.
                    (_, TransactionState::Finished) => return,
                    (_, TransactionState::Reversing) => JournalEvent::ReversalOpened,
                    (TransactionState::Created, _) => JournalEvent::PaymentBegan,
                    (_, _) => JournalEvent::PaymentState,
                };
                let (level, message) = (reversal_level(*new), format!("payment #{id}: {old} -> {new}"));
                self.payment_line(level, event, *id, new.as_str(), message).say();
            }
            Signal::TransactionFinished { id, outcome, .. } => {
                let reversed = self.teller.engine().payment(*id).is_some_and(|payment| payment.reversed);
                let event = if reversed { JournalEvent::ReversalDone } else { JournalEvent::PaymentEnded };
                let message = format!("payment finished: {outcome}");
                self.payment_line(Level::INFO, event, *id, outcome.as_str(), message).say();
            }
            Signal::ForwardingChanged { id, forwarding, cause, .. } => {
                let (level, event) = match forwarding {
                    // From one try to the next.
                    Forwarding::Waiting | Forwarding::InFlight => return,
                    Forwarding::Held => (Level::WARN, JournalEvent::QueueHeld),
                    Forwarding::Accepted | Forwarding::Abandoned => (Level::INFO, JournalEvent::QueueMoved),
                };
                let message = format!("payment accepted offline: {forwarding}");
                let mut line = self.payment_line(level, event, *id, forwarding.as_str(), message);
                (line.component, line.cause, line.evidence) = ("queue", *cause, String::new());
                line.say();
            }
            Signal::CodeScanned { kind, answer, cause } => {
                let event = JournalEvent::CodeScanned;
                let mut line = Line::new(event, "scanner", format!("scanned a code ({kind}): {answer}"));
                (line.state, line.cause) = (Some(answer.as_str()), *cause);
                line.say();
            }
            Signal::TerminalStateChanged { .. } | Signal::PromptChanged { .. } | Signal::QueueProgress { .. } => {}
        }
    }

    fn payment_line(
        &self,
        level: Level,
        event: JournalEvent,
        id: TransactionId,
        state: &'static str,
        message: String,
    ) -> Line {
        let payment = self.teller.engine().payment(id);
        Line {
            level,
            event,
            component: "transaction",
            txn: Some(self.name_of(id)),
            state: Some(state),
            cause: payment.and_then(|p| p.cause),
            evidence: payment.map_or_else(String::new, |p| p.evidence.clone()),
            message,
        }
    }

    /// A payment's code, or its number before it has one.
    fn name_of(&self, id: TransactionId) -> String {
        let code = self.teller.engine().payment(id).and_then(|payment| payment.code.as_ref());
        code.map_or_else(|| format!("#{id}"), ToString::to_string)
    }
}

/// A payment that has to be taken back is worth a second look.
fn reversal_level(new: TransactionState) -> Level {
    if new == TransactionState::Reversing { Level::WARN } else { Level::INFO }
}
