//! The harness around one engine: commits before it acts, keeps what came out, and checks on every drain what must
//! never be otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::disk::Disk;
use crate::domain::amount::{Amount, Currency, Money};
use crate::domain::card::{CardRead, Scheme, TapFailure, TapRequest};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::{
    HostAnswer, HostFailure, HostRequest, HostTime, KeyCheck, MacCheck, ProcessingRequest, ReversalReason, SaleAnswer,
    SignInAnswer,
};
use crate::domain::ids::{
    AuthCode, Batch, IdempotencyKey, MerchantId, OperatorId, Rrn, Stan, TerminalId, TransactionId,
};
use crate::domain::offline::{Forwarding, OfflineLimits, OfflineMode};
use crate::domain::outcome::{Outcome, TransactionKind, TransactionState};
use crate::domain::pan::Pan;
use crate::domain::prompt::Prompt;
use crate::domain::response::{Response, ResponseAction, ResponseClass};
use crate::domain::secret::{PinBlock, SecretBytes};
use crate::domain::time::{Instant, Now, WallTime};
use crate::engine::action::Action;
use crate::engine::command::{Caller, Command, CommandId, Device, NewTransaction, Refusal, RefusalKind, Reply};
use crate::engine::event::Event;
use crate::engine::machine::{Engine, Output};
use crate::engine::record::Record;
use crate::engine::settings::{ForwardSettings, Settings};
use crate::engine::sign_in::State;
use crate::engine::signal::Signal;
use crate::engine::snapshot::TransactionView;

/// What the host was asked, as far as tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    SignIn { stan: Stan, batch: Batch },
    SignOut { stan: Stan },
    Echo,
    Sale { stan: Stan, batch: Batch, pin: bool },
    Reversal { stan: Stan, batch: Batch, reason: ReversalReason, auth_code: Option<AuthCode> },
    OfflineSale { stan: Stan, batch: Batch, repeat: bool },
    ScriptReport { stan: Stan },
}

/// What was done besides replies and signals.
#[derive(Clone, Debug, PartialEq)]
pub enum Did {
    Show(Prompt),
    ReachHost,
    AskHost(Asked),
    LeaveHost,
    InstallKeys,
    DiscardKeys,
    PollCard(TapRequest),
    StopPolling,
    ResetReader,
    PowerCycleReader,
    AskConfirmation(Money),
    AskPin,
    AskOperatorNumber,
    AskPassword,
    StopEntry,
    CheckPassword(CommandId),
    HashPassword(CommandId),
}

/// The line as the host machine sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wire {
    Idle,
    Reaching,
    Up,
    Asked(Asked),
}

pub struct Bench {
    pub engine: Engine,
    pub settings: Settings,
    pub now: Now,
    pub disk: Disk,
    /// How many drains had records, each one commit.
    pub commits: usize,
    pub did: Vec<Did>,
    pub signals: Vec<Signal>,
    pub wire: Wire,
    /// Commands without a reply.
    pub open: BTreeMap<CommandId, Instant>,
    replies: BTreeMap<CommandId, Result<Reply, Refusal>>,
    next_command: u64,
    used: BTreeSet<Stan>,
    forwarded: BTreeSet<(Stan, u32)>,
    told: BTreeMap<TransactionId, (TransactionState, Option<Outcome>)>,
    /// Every move of a payment that was told.
    pub moves: BTreeSet<(TransactionState, TransactionState)>,
    /// Every move of the sign-in, seen between events.
    pub sign_in_moves: BTreeSet<(&'static str, &'static str)>,
    sign_in_was: &'static str,
    seed: u64,
}

fn word(state: &State) -> &'static str {
    match state {
        State::Off { .. } => "off",
        State::Wanted { .. } => "wanted",
        State::Asking { .. } => "asking",
        State::On { .. } => "on",
        State::Stopped { .. } => "stopped",
    }
}

pub fn settings() -> Settings {
    Settings {
        terminal_id: TerminalId::new("99000001").unwrap(),
        merchant_id: MerchantId::new("104110045110001").unwrap(),
        currency: Currency::CNY,
        max_amount: 5_000_000,
        pin_above: 100_000,
        operator_required: false,
        confirm_amount: false,
        utc_offset_minutes: 480,
        card_wait: Duration::from_secs(60),
        start_wait: Duration::from_secs(300),
        keys_max_age: Duration::from_secs(86_400),
        clock_tolerance: Duration::from_secs(300),
        reader_power: false,
        scanner: false,
        reversal_ends: ["00", "12", "22", "25", "94"].map(str::to_owned).to_vec(),
        reversal_retries: 3,
        offline: OfflineLimits::default(),
        forwarding: ForwardSettings::default(),
        safe_mode: None,
        boot: "boot-1".to_owned(),
    }
}

pub fn caller(uid: u32) -> Caller {
    Caller { uid, connection: format!(":1.{uid}") }
}

pub fn money(minor: u64) -> Money {
    Money { amount: Amount::new(minor).unwrap(), currency: Currency::CNY }
}

pub fn new_sale(uid: u32, key: &str, minor: u64) -> NewTransaction {
    NewTransaction {
        caller: caller(uid),
        kind: TransactionKind::Sale,
        key: IdempotencyKey::new(key).unwrap(),
        money: money(minor),
        confirm_amount: None,
        detached: false,
        reference: None,
        mode: OfflineMode::OnlineOnly,
    }
}

pub fn card(pin_required: bool) -> Box<CardRead> {
    Box::new(CardRead {
        scheme: Scheme::UnionPay,
        pan: Pan::new("6200000000000000018").unwrap(),
        expiry: Some("3012".to_owned()),
        sequence_number: Some(1),
        track2: None,
        request_tags: SecretBytes::new(vec![0x9F, 0x26]),
        reversal_tags: SecretBytes::new(vec![0x95, 0x05]),
        script_tags: SecretBytes::new(vec![0x95, 0x05]),
        pin_required,
    })
}

/// Offline payments are on, with the usual limits.
pub fn offline_settings() -> Settings {
    Settings { offline: OfflineLimits { enabled: true, ..OfflineLimits::default() }, ..settings() }
}

/// A card of its own that needs no PIN.
pub fn card_of(pan: &str) -> Box<CardRead> {
    Box::new(CardRead { pan: Pan::new(pan).unwrap(), ..*card(false) })
}

/// The acquirer's table, as far as these tests need it.
pub fn response(code: &str) -> Response {
    use ResponseAction as A;
    use ResponseClass as C;
    let (class, action) = match code {
        "00" | "11" => (C::Approved, A::None),
        "10" => (C::Approved, A::Reverse),
        "68" => (C::Refused, A::Reverse),
        "77" | "99" | "A0" => (C::Operator, A::SignIn),
        "03" | "97" => (C::Operator, A::Block),
        "30" => (C::Refused, A::Software),
        "90" | "91" | "96" | "98" => (C::System, A::Later),
        _ => (C::Refused, A::None),
    };
    Response { code: code.to_owned(), class, action, zh: format!("应答{code}"), en: format!("answer {code}") }
}

pub fn sale_answer(code: &str, mac: MacCheck, asks: ProcessingRequest) -> HostAnswer {
    HostAnswer::Sale(sale_parts(code, mac, asks))
}

pub fn sale_parts(code: &str, mac: MacCheck, asks: ProcessingRequest) -> SaleAnswer {
    SaleAnswer {
        response: response(code),
        rrn: Rrn::new("000000000042"),
        auth_code: AuthCode::new("A1B2C3"),
        settlement_date: None,
        card_org: None,
        issuer: None,
        host_date: Some("1124".to_owned()),
        acquirer: None,
        issuer_script: false,
        mac,
        asks,
    }
}

pub fn sign_in_answer(code: &str, keys: KeyCheck, asks: ProcessingRequest) -> HostAnswer {
    HostAnswer::SignIn(SignInAnswer {
        response: response(code),
        batch: Batch::new(7),
        host_time: Some(HostTime { month: 11, day: 24, hour: 12, minute: 0, second: 0 }),
        keys,
        asks,
    })
}

pub fn good_keys() -> KeyCheck {
    KeyCheck::Good { wrapped: vec![1, 2, 3] }
}

pub fn bad_keys(cause: Cause) -> KeyCheck {
    KeyCheck::Bad { cause, evidence: "PIK: check value differs".to_owned() }
}

pub fn failure(cause: Cause, sent: bool) -> HostFailure {
    HostFailure { cause, sent, connect: None, evidence: format!("{cause} was seen") }
}

impl Bench {
    pub fn new(settings: Settings) -> Self {
        // 2026-11-24 12:00:00 at the acquirer.
        let now = Now { mono: Instant(1_000_000_000), wall: WallTime(1_795_492_800_000_000) };
        let disk = Disk::new();
        let engine = Engine::recover(settings.clone(), disk.recovered(), 1, now);
        let mut bench = Self {
            engine,
            settings,
            now,
            disk,
            commits: 0,
            did: Vec::new(),
            signals: Vec::new(),
            wire: Wire::Idle,
            open: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_command: 1,
            used: BTreeSet::new(),
            forwarded: BTreeSet::new(),
            told: BTreeMap::new(),
            moves: BTreeSet::new(),
            sign_in_moves: BTreeSet::new(),
            sign_in_was: "off",
            seed: 1,
        };
        bench.drain();
        bench
    }

    /// Master key loaded, signed in, reader and keypad ready.
    pub fn ready_with(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        bench.devices_up();
        bench.load_master_key();
        bench.sign_in_well();
        bench
    }

    pub fn ready() -> Self {
        Self::ready_with(settings())
    }

    pub fn devices_up(&mut self) {
        self.device(Device::Reader, DeviceState::Ready, None);
        self.device(Device::Keypad, DeviceState::Ready, None);
    }

    pub fn device(&mut self, device: Device, state: DeviceState, cause: Option<Cause>) {
        self.event(Event::DeviceChanged { device, state, cause });
    }

    pub fn load_master_key(&mut self) {
        self.master_key(Some("8CA64D"));
    }

    pub fn master_key(&mut self, check: Option<&str>) {
        let master_check = check.map(str::to_owned);
        self.event(Event::KeysChanged { master_check, pending_component: None, asking_component: None });
    }

    /// Lets the sign-in that is under way succeed.
    pub fn sign_in_well(&mut self) {
        self.reach();
        assert!(matches!(self.wire, Wire::Asked(Asked::SignIn { .. })), "{:?}", self.wire);
        self.reply(sign_in_answer("00", good_keys(), ProcessingRequest::None));
    }

    /// The connection that is being made stands.
    pub fn reach(&mut self) {
        assert_eq!(self.wire, Wire::Reaching);
        self.event(Event::HostReached);
    }

    /// The connection that is being made does not come to be.
    pub fn reach_fails(&mut self) {
        assert_eq!(self.wire, Wire::Reaching);
        self.fail(Cause::N05, false);
    }

    pub fn reply(&mut self, answer: HostAnswer) {
        self.event(Event::HostReplied(answer));
    }

    pub fn fail(&mut self, cause: Cause, sent: bool) {
        self.event(Event::HostFailed(failure(cause, sent)));
    }

    pub fn answer_sale(&mut self, code: &str) {
        let mac = if response(code).approved() { MacCheck::Good } else { MacCheck::NotDue };
        self.reply(sale_answer(code, mac, ProcessingRequest::None));
    }

    pub fn answer_reversal(&mut self, code: &str) {
        let mac = if response(code).approved() { MacCheck::Good } else { MacCheck::NotDue };
        self.reply(HostAnswer::Reversal { response: response(code), mac, asks: ProcessingRequest::None });
    }

    /// Takes an event in and drains.
    pub fn event(&mut self, event: Event) {
        match &event {
            Event::HostReached if self.wire == Wire::Reaching => self.wire = Wire::Up,
            Event::HostReplied(_) | Event::HostFailed(_) => self.wire = Wire::Idle,
            _ => {}
        }
        self.engine.handle(self.now, event);
        self.drain();
    }

    /// Sends a command without looking at its reply.
    pub fn send(&mut self, command: Command) -> CommandId {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        self.open.insert(id, self.now.mono);
        let stored = match &command {
            Command::Create(new) => self.disk.find(|v| v.owner.uid == new.caller.uid && v.key == new.key),
            Command::FindByKey { caller, key } => self.disk.find(|v| v.owner.uid == caller.uid && v.key == *key),
            Command::FindByCode { code, .. } | Command::Hold { code, .. } | Command::Resolve { code, .. } => {
                self.disk.find(|v| v.code.as_ref() == Some(code))
            }
            _ => None,
        };
        self.event(Event::Asked { id, command, stored });
        id
    }

    /// The reply to a command, if it has come.
    pub fn reply_to(&self, id: CommandId) -> Option<&Result<Reply, Refusal>> {
        self.replies.get(&id)
    }

    /// Sends a command that is replied to at once.
    pub fn ask(&mut self, command: Command) -> Result<Reply, Refusal> {
        let id = self.send(command);
        self.reply_to(id).expect("a reply at once").clone()
    }

    pub fn refused(&mut self, command: Command) -> RefusalKind {
        self.ask(command).expect_err("a refusal").kind
    }

    pub fn create(&mut self, uid: u32, key: &str, minor: u64) -> TransactionId {
        self.create_as(new_sale(uid, key, minor))
    }

    /// A payment that its app lets go offline.
    pub fn create_offline(&mut self, key: &str, minor: u64, mode: OfflineMode) -> TransactionId {
        self.create_as(NewTransaction { mode, ..new_sale(1000, key, minor) })
    }

    /// A payment accepted offline, of a card of its own.
    pub fn accepted_offline(&mut self, key: &str, minor: u64, pan: &str) -> TransactionId {
        let id = self.create_offline(key, minor, OfflineMode::OfflineOnly);
        self.start(id).unwrap();
        self.event(Event::CardRead(card_of(pan)));
        assert_eq!(self.outcome(id), Some(Outcome::ApprovedOffline), "{}", self.view(id).evidence);
        id
    }

    pub fn answer_upload(&mut self, code: &str) {
        let mac = if response(code).approved() { MacCheck::Good } else { MacCheck::NotDue };
        self.reply(HostAnswer::OfflineSale(sale_parts(code, mac, ProcessingRequest::None)));
    }

    pub fn create_as(&mut self, new: NewTransaction) -> TransactionId {
        match self.ask(Command::Create(new)).unwrap() {
            Reply::Transaction(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub fn start(&mut self, id: TransactionId) -> Result<Reply, Refusal> {
        let caller = caller(self.disk.payments[&id].0.owner.uid);
        self.ask(Command::Start { caller, id })
    }

    pub fn cancel(&mut self, id: TransactionId) -> Result<Reply, Refusal> {
        let caller = caller(self.disk.payments[&id].0.owner.uid);
        self.ask(Command::Cancel { caller, id })
    }

    /// A payment of 12.34 that waits for its card.
    pub fn presenting(&mut self, key: &str) -> TransactionId {
        let id = self.create(1000, key, 1234);
        self.start(id).unwrap();
        assert_eq!(self.state(id), TransactionState::AwaitingCard);
        id
    }

    /// The same, with its request just sent.
    pub fn authorising(&mut self, key: &str) -> TransactionId {
        let id = self.presenting(key);
        self.event(Event::CardRead(card(false)));
        self.reach();
        assert_eq!(self.state(id), TransactionState::Authorising);
        id
    }

    /// The same, unanswered; the line is already being taken for the reversal.
    pub fn reversing(&mut self, key: &str) -> TransactionId {
        let id = self.authorising(key);
        self.fail(Cause::B06, true);
        assert_eq!(self.state(id), TransactionState::Reversing);
        id
    }

    pub fn pin(&mut self) {
        self.event(Event::PinEntered(PinBlock([9; 8])));
    }

    pub fn fail_card(&mut self, failure: TapFailure) {
        self.event(Event::CardFailed(failure));
    }

    pub fn view(&self, id: TransactionId) -> TransactionView {
        match self.engine.snapshot().transactions.get(&id) {
            Some(view) => (**view).clone(),
            None => self.disk.payments[&id].0.clone(),
        }
    }

    pub fn state(&self, id: TransactionId) -> TransactionState {
        self.view(id).state
    }

    pub fn outcome(&self, id: TransactionId) -> Option<Outcome> {
        self.view(id).outcome
    }

    /// State, outcome and cause in one.
    pub fn ended(&self, id: TransactionId) -> (TransactionState, Option<Outcome>, Option<Cause>) {
        let view = self.view(id);
        (view.state, view.outcome, view.cause)
    }

    /// Lets time pass, waking the engine exactly when it asked to be woken.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.mono.after(span);
        for _ in 0..10_000 {
            match self.engine.deadline().filter(|t| *t <= end) {
                Some(at) => self.expire_at(at),
                None => return self.set(end),
            }
        }
        panic!("the engine wants to be woken for ever");
    }

    /// Wakes the engine at this moment.
    pub fn expire_at(&mut self, at: Instant) {
        self.set(at);
        self.engine.expire(self.now);
        self.drain();
    }

    /// Moves the clock without waking the engine: it is late.
    pub fn set(&mut self, at: Instant) {
        let span = at.0.saturating_sub(self.now.mono.0);
        self.now = Now { mono: Instant(self.now.mono.0 + span), wall: WallTime(self.now.wall.0 + span) };
    }

    /// The daemon dies and starts again; what the disk holds is all that is left.
    pub fn restart(&mut self) {
        self.seed += 1;
        self.engine = Engine::recover(self.settings.clone(), self.disk.recovered(), self.seed, self.now);
        self.wire = Wire::Idle;
        self.open.clear();
        self.sign_in_was = "off";
        // Moves of payments whose request never left are not on disk, and their signals died with the clients' hopes.
        for (id, (view, _)) in &self.disk.payments {
            self.told.insert(*id, (view.state, view.outcome));
        }
        self.drain();
        for (id, (view, _)) in &self.disk.payments {
            self.told.insert(*id, (view.state, view.outcome));
        }
    }

    /// Dies after taking an event in, before anything of it is committed.
    pub fn die_before_commit(&mut self, event: Event) {
        self.engine.handle(self.now, event);
        self.restart();
    }

    /// Dies after taking an event in and committing, before anything is done. Returns what was decided.
    pub fn die_before_act(&mut self, event: Event) {
        self.engine.handle(self.now, event);
        let mut records = Vec::new();
        let mut requests = Vec::new();
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Record(record) => records.push(record),
                Output::Act(Action::AskHost(request)) => requests.push(request),
                Output::Act(_) => {}
            }
        }
        self.disk.commit(&records);
        for request in requests {
            self.check_request(&request, &records);
        }
        self.restart();
    }

    /// Commit, then act; and what must hold every time.
    pub fn drain(&mut self) {
        let mut records = Vec::new();
        let mut actions = Vec::new();
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Record(record) => records.push(record),
                Output::Act(action) => actions.push(action),
            }
        }
        if !records.is_empty() {
            let verdict = self.disk.commit(&records);
            self.commits += 1;
            if let Some(verdict) = verdict {
                self.engine.handle(self.now, Event::OfflineJudged(verdict));
            }
        }
        for action in actions {
            if let Action::LoadQueueHead { after } = action {
                let (head, totals) = (self.disk.head(after), self.disk.totals());
                self.engine.handle(self.now, Event::QueueHeadLoaded { head, totals });
            } else {
                self.act(action, &records);
            }
        }
        if self.engine.has_output() {
            return self.drain();
        }
        let sign_in = word(&self.engine.sign_in.state);
        if self.sign_in_was != sign_in {
            self.sign_in_moves.insert((self.sign_in_was, sign_in));
            self.sign_in_was = sign_in;
        }
        self.check();
    }

    /// How many commands have been replied to.
    pub fn replied(&self) -> u64 {
        u64::try_from(self.replies.len()).unwrap()
    }

    fn act(&mut self, action: Action, records: &[Record]) {
        let did = match action {
            Action::Reply(id, result) => {
                assert!(self.open.remove(&id).is_some(), "{id:?} is replied to twice: {result:?}");
                self.replies.insert(id, result);
                return;
            }
            Action::Tell(signal) => return self.tell(signal),
            Action::Show(prompt) => Did::Show(prompt),
            Action::ReachHost => {
                assert_eq!(self.wire, Wire::Idle, "the line is taken twice");
                self.wire = Wire::Reaching;
                Did::ReachHost
            }
            Action::AskHost(request) => {
                assert_eq!(self.wire, Wire::Up, "asked without a connection");
                let asked = self.check_request(&request, records);
                self.wire = Wire::Asked(asked.clone());
                Did::AskHost(asked)
            }
            Action::LeaveHost => {
                self.wire = Wire::Idle;
                Did::LeaveHost
            }
            Action::InstallKeys => {
                let active = self.engine.snapshot().terminal.active.map(|id| self.view(id));
                let card_read = active.is_some_and(|v| v.masked_pan.is_some());
                assert!(!card_read, "the keys change between the card and its request");
                Did::InstallKeys
            }
            Action::DiscardKeys => Did::DiscardKeys,
            Action::PollCard(request) => Did::PollCard(*request),
            Action::LoadQueueHead { .. } => unreachable!("answered above"),
            Action::StopPolling => Did::StopPolling,
            Action::ResetReader => Did::ResetReader,
            Action::PowerCycleReader => Did::PowerCycleReader,
            Action::AskConfirmation(money) => Did::AskConfirmation(money),
            Action::AskPin { .. } => Did::AskPin,
            Action::AskOperatorNumber => Did::AskOperatorNumber,
            Action::AskPassword => Did::AskPassword,
            Action::StopEntry => Did::StopEntry,
            Action::CheckPassword { id, .. } => Did::CheckPassword(id),
            Action::HashPassword { id, .. } => Did::HashPassword(id),
        };
        self.did.push(did);
    }

    /// The request leaves only after what takes it back is on disk, and no trace is used twice.
    fn check_request(&mut self, request: &HostRequest, records: &[Record]) -> Asked {
        let mut take = |stan: Stan| assert!(self.used.insert(stan), "trace {stan} is used twice");
        match request {
            HostRequest::SignIn(r) => {
                take(r.stan);
                let taken = records.iter().any(|x| matches!(x, Record::TraceTaken { next } if *next == r.stan.next()));
                assert!(taken, "a trace is on disk before it is used");
                Asked::SignIn { stan: r.stan, batch: r.batch }
            }
            HostRequest::SignOut { stan, .. } => {
                take(*stan);
                assert!(self.disk.reversals.is_empty(), "signed out with an open reversal");
                Asked::SignOut { stan: *stan }
            }
            HostRequest::Echo { .. } => Asked::Echo,
            HostRequest::Sale(sale) => {
                take(sale.stan);
                let sent = records.iter().find_map(|x| match x {
                    Record::Sent { view, next, reversal } if view.stan == Some(sale.stan) => Some((next, reversal)),
                    _ => None,
                });
                let (next, reversal) = sent.expect("the record of the request is in the same drain");
                assert_eq!(*next, sale.stan.next());
                assert_eq!((reversal.stan, reversal.batch), (sale.stan, sale.batch));
                assert!(reversal.money == sale.money && reversal.pan == sale.card.pan);
                assert_eq!(reversal.pin_sent, sale.pin_block.is_some());
                Asked::Sale { stan: sale.stan, batch: sale.batch, pin: sale.pin_block.is_some() }
            }
            HostRequest::Reversal(r) => {
                let first = self.disk.reversals.values().next().expect("what is sent is on disk");
                let first = &first.request;
                assert_eq!((first.stan, first.reason), (r.stan, r.reason), "oldest first, as on disk");
                Asked::Reversal { stan: r.stan, batch: r.batch, reason: r.reason, auth_code: r.auth_code.clone() }
            }
            HostRequest::OfflineSale { sale, repeat } => {
                let stored = self.disk.queue.values().find(|(s, _)| s.stan == sale.stan && s.batch == sale.batch);
                assert!(stored.is_some_and(|(s, _)| s == &**sale), "what is forwarded is on disk as it is sent");
                let view = self.disk.payments.values().find(|(v, _)| v.stan == Some(sale.stan)).map(|(v, _)| v);
                assert_eq!(view.and_then(|v| v.forwarding), Some(Forwarding::InFlight), "committed before it leaves");
                let first = self.forwarded.insert((sale.stan, sale.batch.get()));
                assert_eq!(*repeat, !first, "a repeat is known as one");
                Asked::OfflineSale { stan: sale.stan, batch: sale.batch, repeat: *repeat }
            }
            HostRequest::ScriptReport { stan, .. } => {
                take(*stan);
                Asked::ScriptReport { stan: *stan }
            }
        }
    }

    fn tell(&mut self, signal: Signal) {
        match &signal {
            Signal::TransactionStateChanged { id, old, new, .. } => {
                let known = self.told.entry(*id).or_insert((TransactionState::Created, None));
                assert_eq!(known.0, *old, "payment {id} moved from where it was not");
                assert_ne!(old, new, "payment {id} moved nowhere");
                known.0 = *new;
                self.moves.insert((*old, *new));
            }
            Signal::TransactionFinished { id, outcome, .. } => {
                let known = self.told.get_mut(id).expect("a payment that moved");
                assert_ne!(known.1, Some(*outcome), "the end of payment {id} is told twice");
                let before_is_final =
                    matches!(known.1, Some(Outcome::Approved | Outcome::Declined | Outcome::Cancelled));
                assert!(!before_is_final, "payment {id} ended as {:?} and then as {outcome}", known.1);
                known.1 = Some(*outcome);
            }
            Signal::TerminalStateChanged { old, new, .. } => assert_ne!(old, new),
            Signal::PromptChanged { .. }
            | Signal::ForwardingChanged { .. }
            | Signal::QueueProgress { .. }
            | Signal::CodeScanned { .. } => {}
        }
        self.signals.push(signal);
    }

    /// What holds between events.
    fn check(&self) {
        if let Some(at) = self.engine.deadline() {
            assert!(at > self.now.mono, "a deadline in the past would wake for ever");
        }
        for (id, since) in &self.open {
            assert!(self.now.mono.since(*since) < Duration::from_secs(20), "{id:?} is left without a reply");
        }
        let under_way = self.disk.payments.values().filter(|(v, _)| v.state == TransactionState::Authorising);
        assert!(under_way.count() <= 1, "two sales are under way");
        for (view, _) in self.disk.payments.values() {
            let id = view.id;
            let open = self.disk.reversals.contains_key(&id);
            match view.state {
                TransactionState::Authorising => assert!(open, "payment {id} is sent without its reversal"),
                TransactionState::Reversing => {
                    assert!(open && view.outcome == Some(Outcome::Unknown), "payment {id} is not being reversed");
                }
                TransactionState::Finished => {
                    assert!(!open, "payment {id} is over, and its reversal stays");
                    assert!(view.outcome.is_some() && view.finished_at.is_some());
                    let given_up = view.resolution.is_some() && view.outcome == Some(Outcome::Unknown);
                    assert!(given_up || view.outcome != Some(Outcome::Unknown), "payment {id} has no end");
                    let sealed = self.disk.queue.contains_key(&id);
                    assert_eq!(sealed, view.forwarding.is_some_and(Forwarding::unsent), "card data of {id}");
                    assert_eq!(view.forwarding.is_some(), view.outcome == Some(Outcome::ApprovedOffline));
                    assert!(!(view.reversed && view.outcome != Some(Outcome::Cancelled)));
                }
                TransactionState::Created => assert!(!open),
                other => panic!("{other} is never on disk"),
            }
        }
        let snapshot = self.engine.snapshot();
        if let Some(active) = snapshot.terminal.active {
            assert!(snapshot.transactions.contains_key(&active));
        }
        let due = self.disk.payments.values().filter(|(v, _)| v.state == TransactionState::Reversing).count();
        assert_eq!(usize::try_from(snapshot.open_reversals).unwrap(), due);
        for view in snapshot.transactions.values() {
            let stored = &self.disk.payments[&view.id].0;
            if view.code.is_some() {
                assert_eq!((stored.state, stored.outcome, &stored.code), (view.state, view.outcome, &view.code));
            }
        }
    }

    /// What was done since the last look.
    pub fn take_did(&mut self) -> Vec<Did> {
        std::mem::take(&mut self.did)
    }

    /// What the host has been asked since the last look.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        let did = self.take_did();
        did.into_iter().filter_map(|d| if let Did::AskHost(asked) = d { Some(asked) } else { None }).collect()
    }

    /// The ends of a payment as they were told.
    pub fn told_ends(&self, wanted: TransactionId) -> Vec<Outcome> {
        let ends = self.signals.iter().filter_map(|s| match s {
            Signal::TransactionFinished { id, outcome, .. } if *id == wanted => Some(*outcome),
            _ => None,
        });
        ends.collect()
    }

    /// A supervisor 01 is set and on duty, with the operator 10 beside.
    pub fn staffed(&mut self) {
        use crate::domain::outcome::Role;
        self.set_operator("01", Role::Supervisor).unwrap();
        self.operator_in("01", true).unwrap();
        self.set_operator("10", Role::Operator).unwrap();
    }

    pub fn set_operator(&mut self, number: &str, role: crate::domain::outcome::Role) -> Result<Reply, Refusal> {
        let operator = OperatorId::new(number).unwrap();
        let password = SecretBytes::new(b"270361".to_vec());
        let id = self.send(Command::OperatorSet { operator, role, password });
        if self.did.contains(&Did::HashPassword(id)) {
            self.event(Event::PasswordHashed { id, hash: "$argon2id$".to_owned() });
        }
        self.reply_to(id).expect("a reply").clone()
    }

    /// Signs an operator in with the right or a wrong password.
    pub fn operator_in(&mut self, number: &str, good: bool) -> Result<Reply, Refusal> {
        let operator = OperatorId::new(number).unwrap();
        let password = SecretBytes::new(b"whatever".to_vec());
        let id = self.send(Command::OperatorSignIn { operator, password });
        if self.did.contains(&Did::CheckPassword(id)) {
            self.event(Event::PasswordChecked { id, good });
        }
        self.reply_to(id).expect("a reply").clone()
    }
}

/// Different cards, for limits that count by card.
pub const PANS: [&str; 4] =
    ["6200000000000000018", "6200000000000000026", "6200000000000000034", "6200000000000000042"];

/// So many payments accepted offline; the first is being connected for.
pub fn queued(settings: Settings, count: usize) -> (Bench, Vec<TransactionId>) {
    let mut bench = Bench::ready_with(settings);
    let mut ids = Vec::new();
    for (number, pan) in PANS.iter().enumerate().take(count) {
        // The line is taken by the first one's upload; it fails, so that all are there together.
        ids.push(bench.accepted_offline(&format!("k{number}"), 1000, pan));
        if bench.wire == Wire::Reaching {
            bench.reach_fails();
        }
    }
    (bench, ids)
}

/// Where a payment stands in the queue.
pub fn forwarding(bench: &Bench, id: TransactionId) -> Forwarding {
    bench.disk.payments[&id].0.forwarding.unwrap()
}
