//! A bus of its own for each test, a scripted core behind the real bus face, and clients.
//!
//! The core here decides nothing: each test says what it answers and which states it shows.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smartpos::bus::authority::Authority;
use smartpos::bus::{BusAddress, Core, Examination, Request, ServeError, Service, Update, names, serve};
use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::cause::Cause;
use smartpos::domain::device::DeviceState;
use smartpos::domain::diagnosis::{Fault, Finding, Found, Step, Verdict};
use smartpos::domain::ids::{Batch, IdempotencyKey, Stan, TerminalId, TransactionCode, TransactionId};
use smartpos::domain::offline::{Forwarding, OfflineMode};
use smartpos::domain::outcome::{Outcome, TerminalState, TransactionKind, TransactionState};
use smartpos::domain::prompt::Prompt;
use smartpos::domain::time::WallTime;
use smartpos::engine::command::{
    Caller, Command, JournalCheck, JournalRow, NewTransaction, QueueFilter, Refusal, RefusalKind, Reply,
};
use smartpos::engine::signal::Signal;
use smartpos::engine::snapshot::{
    Capability, DeviceView, HostView, KeysView, QueueView, Snapshot, TerminalView, TransactionView,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Proxy, Variant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The product's own bus policy.
pub const POLICY: &str = include_str!("../../systemd/org.smartposd.Pos1.conf");

/// The answer of a future, which has to come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Says that a test could not run here, in the form that the test script counts.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
}

/// A dbus-daemon that serves this test only and ends with it.
pub struct PrivateBus {
    daemon: Child,
    directory: TempDir,
    pub address: String,
}

impl PrivateBus {
    /// A bus where everybody may do everything; `None`, loudly, where there is no dbus-daemon.
    pub fn start(test: &str) -> Option<Self> {
        Self::with_policy(test, "")
    }

    /// A bus with one more policy file, as the system bus reads it from `system.d`.
    pub fn with_policy(test: &str, policy: &str) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("smartpos-bus").tempdir().unwrap();
        // Other users have to reach the socket.
        let open: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
        std::fs::create_dir(directory.path().join("policy.d")).unwrap();
        if !policy.is_empty() {
            std::fs::write(directory.path().join("policy.d/policy.conf"), policy).unwrap();
        }
        let config = directory.path().join("bus.conf");
        std::fs::write(&config, bus_config(directory.path())).unwrap();
        let started = Process::new("dbus-daemon")
            .arg("--nofork")
            .arg("--print-address=1")
            .arg(format!("--config-file={}", config.display()))
            .stdout(Stdio::piped())
            // Its complaints about limits are expected here and would drown the tests' own words.
            .stderr(std::fs::File::create(directory.path().join("bus.log")).unwrap())
            .spawn();
        let mut daemon = match started {
            Ok(daemon) => daemon,
            Err(why) => {
                skip(test, &format!("no dbus-daemon: {why}"));
                return None;
            }
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("unix:"), "dbus-daemon gave no address: {address:?}");
        Some(Self { daemon, directory, address })
    }

    /// One more client.
    pub async fn client(&self) -> Connection {
        within("the bus", zbus::connection::Builder::address(self.address.as_str()).build()).await.unwrap()
    }

    /// Ends the bus before the test ends.
    pub fn stop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bus_config(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={directory}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
  <includedir>{directory}/policy.d</includedir>
</busconfig>
"#
    )
}

/// What the scripted core does about one command.
pub enum Answer {
    /// Answers.
    Give(Result<Reply, Refusal>),
    /// Never answers, as a core that hangs.
    Never,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Give(Ok(reply))
    }
}

/// Refuses.
pub fn refuse(kind: RefusalKind, cause: Option<Cause>, text: &str) -> Answer {
    Answer::Give(Err(Refusal { kind, cause, text: text.to_owned() }))
}

/// What the core shows and tells.
pub struct World {
    now: Arc<Snapshot>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    updates: mpsc::UnboundedSender<Update>,
    next: u64,
}

impl World {
    pub fn snapshot(&self) -> &Snapshot {
        &self.now
    }

    /// Changes the state and tells the bus of it.
    pub fn change(&mut self, signals: Vec<Signal>, change: impl FnOnce(&mut Snapshot)) {
        let mut next = Snapshot::clone(&self.now);
        change(&mut next);
        self.now = Arc::new(next);
        self.snapshots.send_replace(self.now.clone());
        let _ = self.updates.send(Update { snapshot: self.now.clone(), signals });
    }

    /// Changes one payment and tells the bus of it.
    pub fn change_payment(
        &mut self,
        id: TransactionId,
        signals: Vec<Signal>,
        change: impl FnOnce(&mut TransactionView),
    ) {
        self.change(signals, |s| {
            let mut view = TransactionView::clone(&s.transactions[&id]);
            change(&mut view);
            s.transactions.insert(id, Arc::new(view));
        });
    }

    /// Moves a payment on, with the signal to its owner.
    pub fn move_payment(&mut self, id: TransactionId, new: TransactionState) {
        let view = &self.now.transactions[&id];
        let (old, connection) = (view.state, view.owner.connection.clone());
        let signal = Signal::TransactionStateChanged { id, connection, old, new };
        self.change_payment(id, vec![signal], |v| v.state = new);
    }

    /// Ends a payment, with its signals.
    pub fn finish_payment(&mut self, id: TransactionId, outcome: Outcome) {
        let view = &self.now.transactions[&id];
        let (old, connection) = (view.state, view.owner.connection.clone());
        let new = TransactionState::Finished;
        let signals = vec![
            Signal::TransactionStateChanged { id, connection: connection.clone(), old, new },
            Signal::TransactionFinished { id, connection, outcome },
        ];
        self.change_payment(id, signals, |v| {
            v.state = new;
            v.outcome = Some(outcome);
            v.finished_at = Some(WallTime(1_800_000_001_000_000));
        });
    }

    fn create(&mut self, new: NewTransaction) -> Reply {
        let same = |t: &&Arc<TransactionView>| t.owner.uid == new.caller.uid && t.key == new.key;
        if let Some(found) = self.now.transactions.values().find(same) {
            return Reply::Transaction(found.id);
        }
        self.next += 1;
        let id = TransactionId(self.next);
        self.change(Vec::new(), |s| {
            s.transactions.insert(id, Arc::new(created(id, new)));
        });
        Reply::Transaction(id)
    }

    /// The plain life of a payment, without card and host: what most scripts leave to this.
    pub fn usual(&mut self, command: Command) -> Answer {
        match command {
            Command::Create(new) => self.create(new).into(),
            Command::Start { caller, id } => self.owned(&caller, id, |world| {
                world.move_payment(id, TransactionState::AwaitingCard);
                let connection = world.now.transactions[&id].owner.connection.clone();
                let prompt = Prompt::PresentCard(world.now.transactions[&id].money);
                world.change(vec![Signal::PromptChanged { id, connection, prompt }], |_| {});
            }),
            Command::Cancel { caller, id } => {
                self.owned(&caller, id, |world| world.finish_payment(id, Outcome::Cancelled))
            }
            Command::Acknowledge { caller, id } => self.owned(&caller, id, |world| {
                world.change(Vec::new(), |s| {
                    s.transactions.remove(&id);
                });
            }),
            Command::FindByKey { caller, key } => {
                let mine = |t: &&Arc<TransactionView>| t.owner.uid == caller.uid && t.key == key;
                match self.now.transactions.values().find(mine).map(|t| t.id) {
                    Some(id) => {
                        self.change_payment(id, Vec::new(), |v| v.owner = caller);
                        Reply::Transaction(id).into()
                    }
                    None => refuse(RefusalKind::NotFound, Some(Cause::O04), "no payment with this key or code"),
                }
            }
            Command::FindByCode { code, .. } => {
                match self.now.transactions.values().find(|t| t.code.as_ref() == Some(&code)) {
                    Some(found) => Reply::Transaction(found.id).into(),
                    None => refuse(RefusalKind::NotFound, Some(Cause::O04), "no payment with this key or code"),
                }
            }
            Command::List(filter) => {
                let views = self.now.transactions.values().rev();
                let views = views.filter(|t| filter.uid.is_none_or(|uid| uid == t.owner.uid));
                Reply::List(views.map(|t| TransactionView::clone(t)).collect()).into()
            }
            Command::ListQueue(filter) => Reply::List(self.unsent(&filter)).into(),
            Command::Drain => Reply::Draining { waiting: self.now.queue.totals.waiting }.into(),
            Command::VerifyJournal => Reply::JournalChecked(JournalCheck { rows: 3, broken: None }).into(),
            Command::ExportJournal { after, limit } => Reply::Journal(journal(after, limit)).into(),
            Command::LastFaults => Reply::Faults(Vec::new()).into(),
            Command::Timeline => Reply::Timeline(Vec::new()).into(),
            Command::Echo => Reply::Echo { milliseconds: 12 }.into(),
            Command::SignIn => Reply::SignedIn { batch: 7, clock_difference: Some(-2) }.into(),
            _ => Reply::Done.into(),
        }
    }

    /// Payments accepted offline and not accepted by the host, and open reversals, which tell their standing the same way.
    /// Here a reversal is held once it has been tried more than three times.
    fn unsent(&self, filter: &QueueFilter) -> Vec<TransactionView> {
        let standing = |t: &TransactionView| match t.state {
            TransactionState::Reversing if t.attempts > 3 => Some(Forwarding::Held),
            TransactionState::Reversing => Some(Forwarding::Waiting),
            _ => t.forwarding,
        };
        let views = self.now.transactions.values();
        let views = views.map(|t| TransactionView { forwarding: standing(t), ..TransactionView::clone(t) });
        let views = views.filter(|t| t.forwarding.is_some_and(Forwarding::unsent));
        let views = views.filter(|t| filter.after.is_none_or(|after| t.id > after));
        let views = views.filter(|t| !filter.held || t.forwarding == Some(Forwarding::Held));
        views.take(filter.limit.into()).collect()
    }

    fn owned(&mut self, caller: &Caller, id: TransactionId, act: impl FnOnce(&mut Self)) -> Answer {
        match self.now.transactions.get(&id) {
            None => refuse(RefusalKind::NotFound, None, "no such payment"),
            Some(t) if t.owner.uid != caller.uid => {
                refuse(RefusalKind::NotAuthorized, None, "this payment is another user's")
            }
            Some(_) => {
                act(self);
                Reply::Done.into()
            }
        }
    }
}

/// A journal of three rows.
fn journal(after: u64, limit: u16) -> Vec<JournalRow> {
    let row = |number| JournalRow {
        number,
        at: WallTime(1_800_000_000_000_000 + number),
        entry: format!("{{\"n\":{number}}}"),
        chain: format!("{number:064x}"),
    };
    (after + 1..=3).take(limit.into()).map(row).collect()
}

/// What the scripted core was asked and has answered with; one for each command.
pub type Script = Box<dyn FnMut(&mut World, Command) -> Answer + Send>;

/// Orders from the test to the core.
type Order = Box<dyn FnOnce(&mut World) + Send>;

/// The bus face of the product with a scripted core behind it.
pub struct Stage {
    pub service: Service,
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<()>)>,
    pauses: mpsc::UnboundedSender<(oneshot::Sender<()>, oneshot::Receiver<()>)>,
    names: Arc<Mutex<Vec<&'static str>>>,
    heard: watch::Receiver<usize>,
}

impl Stage {
    /// Serves on the bus, everybody of this uid allowed.
    pub async fn open(bus: &PrivateBus, script: Script) -> Self {
        Self::with(bus, script, same_user()).await.unwrap()
    }

    /// The usual life of payments, everybody of this uid allowed.
    pub async fn usual(bus: &PrivateBus) -> Self {
        Self::open(bus, Box::new(World::usual)).await
    }

    /// Serves with the authority given.
    pub async fn with(bus: &PrivateBus, script: Script, authority: Authority) -> Result<Self, ServeError> {
        Self::starting_with(bus, snapshot(), script, authority).await
    }

    /// Serves with a state from before.
    pub async fn starting_with(
        bus: &PrivateBus,
        first: Snapshot,
        mut script: Script,
        authority: Authority,
    ) -> Result<Self, ServeError> {
        let first = Arc::new(first);
        let (snapshots, seen) = watch::channel(first.clone());
        let (requests, mut inlet) = mpsc::channel::<Request>(64);
        let (loose, mut told) = mpsc::unbounded_channel();
        let (updates, outlet) = mpsc::channel(64);
        let (orders, mut ordered) = mpsc::unbounded_channel::<(Order, oneshot::Sender<()>)>();
        let (pauses, mut paused) = mpsc::unbounded_channel::<(oneshot::Sender<()>, oneshot::Receiver<()>)>();
        let names = Arc::new(Mutex::new(Vec::new()));
        let (hear, heard) = watch::channel(0);
        let mut world = World { now: first, snapshots, updates: loose, next: 0 };
        tokio::spawn(async move {
            while let Some(update) = told.recv().await {
                if updates.send(update).await.is_err() {
                    return;
                }
            }
        });
        let log = names.clone();
        tokio::spawn(async move {
            let mut forgotten = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    Some((stopped, released)) = paused.recv() => {
                        let _ = stopped.send(());
                        let _ = released.await;
                    }
                    order = ordered.recv() => match order {
                        Some((order, done)) => {
                            order(&mut world);
                            let _ = done.send(());
                        }
                        None => return,
                    },
                    request = inlet.recv() => match request {
                        Some(Request { command, reply }) => {
                            log.lock().unwrap().push(name(&command));
                            hear.send_modify(|n| *n += 1);
                            match script(&mut world, command) {
                                Answer::Give(answer) => drop(reply.send(answer)),
                                Answer::Never => forgotten.push(reply),
                            }
                        }
                        None => return,
                    },
                }
            }
        });
        let address = BusAddress::Address(bus.address.clone());
        let (doctor, calls) = mpsc::channel(1);
        tokio::spawn(examine(calls, seen.clone()));
        let served = serve(address, Core::new(requests, seen, doctor), outlet, authority);
        let service = within("the service", served).await?;
        Ok(Self { service, orders, pauses, names, heard })
    }

    /// Lets the core do something by itself, as when a card is presented.
    pub async fn core(&self, order: impl FnOnce(&mut World) + Send + 'static) {
        let (done, finished) = oneshot::channel();
        assert!(self.orders.send((Box::new(order), done)).is_ok(), "the scripted core has ended");
        within("the scripted core", finished).await.unwrap();
    }

    /// Stops the core, as a disk that does not answer would, until the guard is dropped.
    pub async fn pause(&self) -> oneshot::Sender<()> {
        let (guard, released) = oneshot::channel();
        let (stopped, stops) = oneshot::channel();
        assert!(self.pauses.send((stopped, released)).is_ok(), "the scripted core has ended");
        within("the scripted core", stops).await.unwrap();
        guard
    }

    /// Names of the commands the core was given, in order.
    pub fn commands(&self) -> Vec<&'static str> {
        self.names.lock().unwrap().clone()
    }

    /// Waits until the core was given this command.
    pub async fn asked(&self, command: &str) {
        let mut heard = self.heard.clone();
        let what = format!("the command {command}");
        let names = self.names.clone();
        let there = heard.wait_for(|_| names.lock().unwrap().contains(&command));
        let _ = within(&what, there).await.unwrap();
    }
}

/// A doctor who looks at the terminal's cause only.
async fn examine(mut calls: mpsc::Receiver<Examination>, seen: watch::Receiver<Arc<Snapshot>>) {
    while let Some(Examination { steps, reply }) = calls.recv().await {
        let cause = seen.borrow().terminal.cause;
        let host = match cause {
            Some(_) => Finding::new(Step::Host, Found::Failed(Fault::Overdue), "no address answers"),
            None => Finding::new(Step::Host, Found::Worked, "").took(12),
        };
        let others = [Step::Keys, Step::Terminal, Step::Reader, Step::Keypad];
        let others = others.map(|step| Finding::new(step, Found::Worked, ""));
        let findings: Vec<Finding> = std::iter::once(host).chain(others).collect();
        for finding in &findings {
            let _ = steps.send(finding.clone()).await;
        }
        let ruled_out = vec![Step::Keys, Step::Reader];
        let (step, evidence) = (cause.map(|_| Step::Host), String::new());
        let _ = reply.send(Verdict { cause, step, evidence, sure: true, ruled_out, findings, milliseconds: 34 });
    }
}

/// The daemon's own user, as on a development machine.
pub fn same_user() -> Authority {
    Authority::SameUser { uid: nix::unistd::geteuid().as_raw() }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::SignIn => "sign-in",
        Command::SignOut => "sign-out",
        Command::OperatorSignIn { .. } => "operator-sign-in",
        Command::OperatorSignInAtKeypad => "operator-sign-in-at-keypad",
        Command::OperatorSignOut => "operator-sign-out",
        Command::OperatorSet { .. } => "operator-set",
        Command::OperatorCodeSet { .. } => "operator-code-set",
        Command::OperatorCodeRevoke { .. } => "operator-code-revoke",
        Command::OperatorUnlock { .. } => "operator-unlock",
        Command::Create(_) => "create",
        Command::Start { .. } => "start",
        Command::Cancel { .. } => "cancel",
        Command::Acknowledge { .. } => "acknowledge",
        Command::FindByKey { .. } => "find-by-key",
        Command::FindByCode { .. } => "find-by-code",
        Command::List(_) => "list",
        Command::LoadKeyComponent { .. } => "load-key-component",
        Command::LoadKeyComponentAtKeypad { .. } => "load-key-component-at-keypad",
        Command::AbandonKeyLoad => "abandon-key-load",
        Command::ResetReader => "reset-reader",
        Command::PowerCycleReader => "power-cycle-reader",
        Command::ResetScanner => "reset-scanner",
        Command::TriggerScanner => "trigger-scanner",
        Command::TakeScannedTransaction => "take-scanned-transaction",
        Command::Inhibit { .. } => "inhibit",
        Command::InhibitEnded { .. } => "inhibit-ended",
        Command::Echo => "echo",
        Command::Diagnosed(_) => "diagnosed",
        Command::Drain => "drain",
        Command::ListQueue(_) => "list-queue",
        Command::Hold { .. } => "hold",
        Command::Resolve { .. } => "resolve",
        Command::DenyCard { .. } => "deny-card",
        Command::VerifyJournal => "verify-journal",
        Command::ExportJournal { .. } => "export-journal",
        Command::LastFaults => "last-faults",
        Command::Timeline => "timeline",
        Command::Record { .. } => "record",
        Command::StopRecording => "stop-recording",
        Command::Backup { .. } => "backup",
        Command::HealLog { .. } => "heal-log",
        Command::LeaveSafeMode => "leave-safe-mode",
        Command::Upkeep(_) => "upkeep",
        Command::SelfTest(_) => "self-test",
        Command::ClientGone { .. } => "client-gone",
    }
}

/// A terminal that is signed in and ready.
pub fn snapshot() -> Snapshot {
    let device = |model: &str| DeviceView {
        state: DeviceState::Ready,
        model: model.to_owned(),
        firmware: "1.6".to_owned(),
        last_cause: None,
        inhibited_by: None,
    };
    let works =
        Capability { available: true, cause: None, refusal: None, until: None, amount_left: None, count_left: None };
    let not = Capability { available: false, cause: Some(Cause::S04), ..works.clone() };
    Snapshot {
        terminal: TerminalView {
            state: TerminalState::Ready,
            cause: None,
            evidence: String::new(),
            terminal_id: "99000001".to_owned(),
            merchant_id: "990000000000001".to_owned(),
            batch: Batch::new(7).unwrap(),
            operator: None,
            supervisor_set: true,
            active: None,
            active_owner: None,
            prompt: Prompt::Idle,
            next_sign_in: None,
            signed_in_at: Some(WallTime(1_800_000_000_000_000)),
            clock_difference: Some(0),
        },
        reader: device("PN532"),
        keypad: device("Keypad"),
        scanner: Some(device("GM65")),
        transactions: BTreeMap::new(),
        capabilities: [works.clone(), not.clone(), not, works],
        keys: KeysView { master_check: Some("82E136".to_owned()), working: true, ..KeysView::default() },
        open_reversals: 0,
        held_reversals: 0,
        queue: QueueView::default(),
        host: HostView::default(),
        habits: Vec::new(),
        notices: Default::default(),
    }
}

/// A payment as it is right after `CreateTransaction`.
pub fn created(id: TransactionId, new: NewTransaction) -> TransactionView {
    TransactionView::new(id, new, WallTime(1_800_000_000_000_000))
}

/// A payment of this uid that was accepted offline.
pub fn accepted_offline(id: TransactionId, forwarding: Forwarding) -> TransactionView {
    let mut view = foreign(id);
    view.owner.uid = nix::unistd::geteuid().as_raw();
    view.mode = OfflineMode::PreferOnline;
    view.state = TransactionState::Finished;
    view.outcome = Some(Outcome::ApprovedOffline);
    view.forwarding = Some(forwarding);
    view.code = Some(code(id));
    view
}

/// A payment of this uid that is being reversed, tried this often.
pub fn reversing(id: TransactionId, attempts: u32) -> TransactionView {
    let mut view = foreign(id);
    view.owner.uid = nix::unistd::geteuid().as_raw();
    view.state = TransactionState::Reversing;
    view.outcome = Some(Outcome::Unknown);
    view.code = Some(code(id));
    view.attempts = attempts;
    view
}

/// The transaction code of the payment with this number.
pub fn code(id: TransactionId) -> TransactionCode {
    let trace = Stan::new(id.0.try_into().unwrap()).unwrap();
    TransactionCode::new(&TerminalId::new("99000001").unwrap(), Batch::new(7).unwrap(), trace)
}

/// A payment of another uid.
pub fn foreign(id: TransactionId) -> TransactionView {
    let new = NewTransaction {
        caller: Caller { uid: 4_000_000_000, connection: ":9.9".to_owned() },
        kind: TransactionKind::Sale,
        key: IdempotencyKey::new("foreign").unwrap(),
        money: Money { amount: Amount::new(100).unwrap(), currency: Currency::CNY },
        confirm_amount: None,
        detached: false,
        reference: None,
        mode: OfflineMode::OnlineOnly,
    };
    created(id, new)
}

/// No options.
pub fn none() -> HashMap<&'static str, Variant<'static>> {
    HashMap::new()
}

/// What a call came to: an answer, or the error's last word and its text.
pub type Called<T> = Result<T, (String, String)>;

/// A client of the daemon.
#[derive(Clone)]
pub struct App {
    pub connection: Connection,
}

impl App {
    pub async fn on(bus: &PrivateBus) -> Self {
        Self { connection: bus.client().await }
    }

    /// Calls a method.
    pub async fn call<B, R>(&self, path: &str, interface: &str, method: &str, body: &B) -> Called<R>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        let call = self.connection.call_method(Some(names::BUS_NAME), path, Some(interface), method, body);
        match within(method, call).await {
            Ok(message) => Ok(message.body().deserialize().unwrap()),
            Err(zbus::Error::MethodError(name, text, _)) => Err((last_word(name.as_str()), text.unwrap_or_default())),
            Err(zbus::Error::FDO(error)) => Err((last_word(zbus::DBusError::name(&error).as_str()), error.to_string())),
            Err(other) => panic!("{method}: {other}"),
        }
    }

    pub async fn terminal<B, R>(&self, method: &str, body: &B) -> Called<R>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        self.call(names::TERMINAL, names::TERMINAL_INTERFACE, method, body).await
    }

    pub async fn queue<B, R>(&self, method: &str, body: &B) -> Called<R>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        self.call(names::TERMINAL, names::QUEUE_INTERFACE, method, body).await
    }

    pub async fn manager<B, R>(&self, method: &str, body: &B) -> Called<R>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        self.call(names::ROOT, names::MANAGER_INTERFACE, method, body).await
    }

    /// A sale that has to be made.
    pub async fn create(&self, key: &str) -> String {
        self.try_create(key).await.unwrap()
    }

    pub async fn try_create(&self, key: &str) -> Called<String> {
        let body = ("sale", key, 1234u64, "CNY", none());
        self.terminal::<_, OwnedObjectPath>("CreateTransaction", &body).await.map(|p| p.to_string())
    }

    /// A method of a payment without arguments.
    pub async fn payment(&self, path: &str, method: &str) -> Called<()> {
        self.call(path, names::TRANSACTION_INTERFACE, method, &()).await
    }

    pub async fn result(&self, path: &str) -> Called<HashMap<String, OwnedVariant>> {
        self.call(path, names::TRANSACTION_INTERFACE, "GetResult", &()).await
    }

    /// A property, asked for and not remembered.
    pub async fn property<T>(&self, path: &str, interface: &str, name: &str) -> T
    where
        T: TryFrom<OwnedVariant>,
        T::Error: std::fmt::Debug,
    {
        let value: OwnedVariant =
            self.call(path, "org.freedesktop.DBus.Properties", "Get", &(interface, name)).await.unwrap();
        T::try_from(value).unwrap()
    }

    /// A proxy that remembers nothing.
    pub async fn proxy(&self, path: &str, interface: &'static str) -> Proxy<'static> {
        zbus::proxy::Builder::new(&self.connection)
            .destination(names::BUS_NAME)
            .path(path.to_owned())
            .interface(interface)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
            .unwrap()
    }
}

/// A pipe that holds these bytes, its writer closed.
pub fn pipe_with(bytes: &[u8]) -> std::os::fd::OwnedFd {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, bytes).unwrap();
    reader.into()
}

fn last_word(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().to_owned()
}
