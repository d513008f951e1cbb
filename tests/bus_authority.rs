//! What it proves: nothing that needs a right works without polkit; with it, polkit's answer decides, asked anew each
//! time, for the right action and the caller's own connection. Played by a polkit of our own on the private bus.

#[path = "common/bus.rs"]
mod bus;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bus::{App, Called, PrivateBus, Stage, World, none, pipe_with};
use smartpos::bus::authority::Authority;
use smartpos::bus::names;
use smartpos::domain::ids::TransactionId;
use smartpos::domain::offline::Forwarding;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Fd, OwnedVariant, interface};

/// What this polkit was asked: bus name and action.
type Questions = Arc<Mutex<Vec<(String, String)>>>;

struct Polkit {
    allows: Arc<Mutex<bool>>,
    denied: Arc<Mutex<Vec<&'static str>>>,
    asked: Questions,
}

type Subject = (String, HashMap<String, OwnedVariant>);

#[interface(name = "org.freedesktop.PolicyKit1.Authority")]
impl Polkit {
    /// Has the signature of the real one: one struct goes out, not three values.
    fn check_authorization(
        &self,
        subject: Subject,
        action: String,
        _details: HashMap<String, String>,
        flags: u32,
        _cancellation: String,
    ) -> ((bool, bool, HashMap<String, String>),) {
        assert_eq!((subject.0.as_str(), flags), ("system-bus-name", 0), "nobody is there to be asked");
        let name = <&str>::try_from(&subject.1["name"]).unwrap().to_owned();
        let allowed = *self.allows.lock().unwrap() && !self.denied.lock().unwrap().contains(&action.as_str());
        self.asked.lock().unwrap().push((name, action));
        ((allowed, false, HashMap::new()),)
    }
}

struct FakePolkit {
    allows: Arc<Mutex<bool>>,
    /// Refused although everything else is allowed.
    denied: Arc<Mutex<Vec<&'static str>>>,
    asked: Questions,
    _connection: Connection,
}

impl FakePolkit {
    async fn on(bus: &PrivateBus, allows: bool) -> Self {
        let (allows, asked) = (Arc::new(Mutex::new(allows)), Questions::default());
        let denied = Arc::new(Mutex::new(Vec::new()));
        let polkit = Polkit { allows: allows.clone(), denied: denied.clone(), asked: asked.clone() };
        let connection = zbus::connection::Builder::address(bus.address.as_str())
            .serve_at("/org/freedesktop/PolicyKit1/Authority", polkit)
            .name("org.freedesktop.PolicyKit1")
            .build()
            .await
            .unwrap();
        Self { allows, denied, asked, _connection: connection }
    }

    fn last(&self) -> (String, String) {
        self.asked.lock().unwrap().last().cloned().unwrap()
    }
}

async fn stage(bus: &PrivateBus) -> Stage {
    Stage::with(bus, Box::new(World::usual), Authority::Polkit).await.unwrap()
}

/// Every verb with the action it needs.
async fn every_verb(app: &App) -> Vec<(&'static str, Called<()>)> {
    let secret = || pipe_with(b"13579a");
    let t = names::TERMINAL;
    let drop_row = |r: Called<HashMap<String, OwnedVariant>>| r.map(drop);
    let create = app.try_create("verb").await.map(drop);
    let find: Called<zbus::OwnedObjectPath> = app.terminal("FindTransaction", &("verb",)).await;
    let list: Called<Vec<HashMap<String, OwnedVariant>>> = app.terminal("ListTransactions", &(none(),)).await;
    let diagnosis: Called<Vec<HashMap<String, OwnedVariant>>> =
        app.call(names::ROOT, names::MANAGER_INTERFACE, "RunDiagnosis", &(none(),)).await;
    let (password, new, component) = (secret(), secret(), pipe_with(b"00112233445566778899AABBCCDDEEFF"));
    let load: Called<HashMap<String, OwnedVariant>> =
        app.call(t, names::KEYS_INTERFACE, "LoadComponent", &(1u32, "Li", Fd::from(&component), none())).await;
    let mut verbs = vec![
        ("trade", create),
        ("trade", find.map(drop)),
        ("trade", list.map(drop)),
        ("sign-in", drop_row(app.terminal("SignIn", &(none(),)).await)),
        ("sign-in", app.terminal("SignOut", &(none(),)).await),
        ("operate", app.terminal("OperatorSignIn", &("01", Fd::from(&password), none())).await),
        ("operate", app.terminal("OperatorSignInAtKeypad", &(none(),)).await),
        ("operate", app.terminal("OperatorSignOut", &()).await),
        ("administer-operators", app.terminal("SetOperator", &("01", "operator", Fd::from(&new), none())).await),
        ("administer-operators", app.terminal("UnlockOperator", &("01",)).await),
        ("load-keys", drop_row(load)),
        ("load-keys", app.call(t, names::KEYS_INTERFACE, "LoadComponentAtKeypad", &(1u32, "Li")).await),
        ("load-keys", app.call(t, names::KEYS_INTERFACE, "Abandon", &()).await),
        ("maintain", diagnosis.map(drop)),
        ("maintain", app.call(names::READER, names::READER_INTERFACE, "Reset", &()).await),
        ("maintain", app.call(names::READER, names::READER_INTERFACE, "PowerCycle", &()).await),
        ("maintain", app.call(names::KEYPAD, names::KEYPAD_INTERFACE, "PowerCycle", &()).await),
        (
            "maintain",
            app.call::<_, zbus::OwnedFd>(names::READER, names::READER_INTERFACE, "Inhibit", &("a", "b"))
                .await
                .map(drop),
        ),
        (
            "maintain",
            app.call::<_, zbus::OwnedFd>(names::KEYPAD, names::KEYPAD_INTERFACE, "Inhibit", &("a", "b"))
                .await
                .map(drop),
        ),
    ];
    verbs.extend(queue_and_journal(app).await);
    verbs
}

type Rows = Vec<HashMap<String, OwnedVariant>>;
type Journal = Vec<(u64, u64, String, String)>;

async fn queue_and_journal(app: &App) -> Vec<(&'static str, Called<()>)> {
    let code = bus::code(TransactionId(2)).to_string();
    let (pan, passphrase) = (pipe_with(b"6200000000000000018"), pipe_with(b"a long passphrase"));
    let file = tempfile::tempfile().unwrap();
    let backup = (Fd::from(&passphrase), Fd::from(&file), none());
    vec![
        ("queue", app.queue::<_, u32>("Drain", &(none(),)).await.map(drop)),
        ("queue", app.queue::<_, Rows>("List", &(none(),)).await.map(drop)),
        ("queue", app.queue::<_, Rows>("ListHeld", &(none(),)).await.map(drop)),
        ("resolve", app.queue("Resolve", &(code.as_str(), "retry", "why", none())).await),
        ("resolve", app.queue("DenyCard", &(Fd::from(&pan), "lost")).await),
        ("maintain", app.manager::<_, (u64, u64, String)>("VerifyJournal", &()).await.map(drop)),
        ("read-all", app.manager::<_, Journal>("ExportJournal", &(0u64, 10u32)).await.map(drop)),
        ("maintain", app.manager("Backup", &backup).await),
        ("maintain", app.manager::<_, Rows>("MaintenanceDue", &(none(),)).await.map(drop)),
        ("maintain", app.manager::<_, Rows>("MaintenanceTrends", &(none(),)).await.map(drop)),
        ("maintain", app.manager::<_, Rows>("MaintenanceLog", &(none(),)).await.map(drop)),
        ("maintain", app.manager("MaintenanceDone", &("cleaning", "wiped", none())).await),
    ]
}

#[tokio::test]
async fn another_users_unsent_payment_is_held_and_seen_only_with_a_further_right() {
    const TEST: &str = "another_users_unsent_payment_is_held_and_seen_only_with_a_further_right";
    let Some(bus) = PrivateBus::start(TEST) else { return };
    let polkit = FakePolkit::on(&bus, true).await;
    let mut first = bus::snapshot();
    for (id, own) in [(2, true), (3, false)] {
        let mut view = bus::accepted_offline(TransactionId(id), Forwarding::Waiting);
        if !own {
            view.owner.uid = 4_000_000_000;
        }
        first.transactions.insert(view.id, Arc::new(view));
    }
    let stage = Stage::starting_with(&bus, first, Box::new(World::usual), Authority::Polkit).await.unwrap();
    let app = App::on(&bus).await;
    let hold = async |id| -> Called<()> {
        let code = bus::code(TransactionId(id)).to_string();
        app.queue("Hold", &(code.as_str(), "why")).await
    };
    assert_eq!(hold(2).await, Ok(()));
    assert_eq!(polkit.last().1, "org.smartposd.pos1.queue");
    assert_eq!(hold(3).await, Ok(()));
    assert_eq!(polkit.last().1, "org.smartposd.pos1.resolve");
    assert_eq!(hold(4).await, Ok(()), "the core says that there is none");
    assert_eq!(polkit.last().1, "org.smartposd.pos1.resolve");
    let own: Rows = app.queue("List", &(none(),)).await.unwrap();
    assert_eq!((own.len(), polkit.last().1.as_str()), (1, "org.smartposd.pos1.queue"));
    let all: Rows = app.queue("List", &(HashMap::from([("all", zbus::Variant::new(true))]),)).await.unwrap();
    assert_eq!((all.len(), polkit.last().1.as_str()), (2, "org.smartposd.pos1.read-all"));

    *polkit.denied.lock().unwrap() = vec!["org.smartposd.pos1.resolve", "org.smartposd.pos1.read-all"];
    let holds = || stage.commands().iter().filter(|c| **c == "hold").count();
    let before = holds();
    assert_eq!(hold(3).await.unwrap_err().0, "NotAuthorized");
    assert_eq!(hold(4).await.unwrap_err().0, "NotAuthorized", "and not whether there is one");
    assert_eq!(holds(), before);
    assert_eq!(hold(2).await, Ok(()));
    let all: Called<Rows> = app.queue("List", &(HashMap::from([("all", zbus::Variant::new(true))]),)).await;
    assert_eq!(all.map(drop).unwrap_err().0, "NotAuthorized");
}

#[tokio::test]
async fn without_polkit_every_verb_is_refused_with_what_to_do() {
    let Some(bus) = PrivateBus::start("without_polkit_every_verb_is_refused_with_what_to_do") else { return };
    let stage = stage(&bus).await;
    let app = App::on(&bus).await;
    for (right, came) in every_verb(&app).await {
        let (error, text) = came.expect_err(right);
        assert_eq!(error, "NotAuthorized", "{right}: {text}");
        assert!(text.contains("polkit") && text.contains(&format!("org.smartposd.pos1.{right}")), "{text}");
    }
    assert!(stage.commands().is_empty(), "the core was asked: {:?}", stage.commands());
    let state: String = app.property(names::TERMINAL, names::TERMINAL_INTERFACE, "State").await;
    assert_eq!(state, "ready", "what is public can be read all the same");
}

#[tokio::test]
async fn a_polkit_that_says_no_is_obeyed() {
    let Some(bus) = PrivateBus::start("a_polkit_that_says_no_is_obeyed") else { return };
    let polkit = FakePolkit::on(&bus, false).await;
    let stage = stage(&bus).await;
    let app = App::on(&bus).await;
    for (right, came) in every_verb(&app).await {
        assert_eq!(came.expect_err(right).0, "NotAuthorized");
    }
    assert!(stage.commands().is_empty(), "the core was asked: {:?}", stage.commands());
    assert_eq!(polkit.asked.lock().unwrap().len(), 31);
}

#[tokio::test]
async fn each_verb_asks_for_its_own_action_and_for_the_caller_itself() {
    let Some(bus) = PrivateBus::start("each_verb_asks_for_its_own_action_and_for_the_caller_itself") else { return };
    let polkit = FakePolkit::on(&bus, true).await;
    let stage = stage(&bus).await;
    let app = App::on(&bus).await;
    let rights: Vec<_> = every_verb(&app).await.into_iter().map(|v| v.0).collect();
    let me = app.connection.unique_name().map(OwnedUniqueName::to_string).unwrap();
    let asked = polkit.asked.lock().unwrap().clone();
    let wanted: Vec<_> = rights.iter().map(|r| (me.clone(), format!("org.smartposd.pos1.{r}"))).collect();
    // LoadComponent is tried first above and listed later.
    let mut asked = asked;
    let mut wanted = wanted;
    asked.sort();
    wanted.sort();
    assert_eq!(asked, wanted);
    assert!(stage.commands().contains(&"create"));
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_gone_at_once() {
    let Some(bus) = PrivateBus::start("a_right_that_is_taken_away_is_gone_at_once") else { return };
    let polkit = FakePolkit::on(&bus, true).await;
    let _stage = stage(&bus).await;
    let app = App::on(&bus).await;
    let path = app.create("while-allowed").await;
    *polkit.allows.lock().unwrap() = false;
    assert_eq!(app.payment(&path, "Start").await.unwrap_err().0, "NotAuthorized");
    // Its own payment remains its own: cancel, look, acknowledge need no right.
    assert!(app.result(&path).await.is_ok());
    assert_eq!(app.payment(&path, "Cancel").await, Ok(()));
    assert_eq!(app.payment(&path, "Acknowledge").await, Ok(()));
}

#[tokio::test]
async fn another_users_payments_need_the_right_to_read_all() {
    let Some(bus) = PrivateBus::start("another_users_payments_need_the_right_to_read_all") else { return };
    let polkit = FakePolkit::on(&bus, true).await;
    let stage = stage(&bus).await;
    let app = App::on(&bus).await;
    let foreign = bus::foreign(TransactionId(9));
    stage
        .core(move |world| {
            world.change(Vec::new(), |s| {
                s.transactions.insert(foreign.id, Arc::new(foreign));
            });
        })
        .await;
    let path = "/org/smartposd/Pos1/Transaction/9";
    bus::within("the object", async {
        while app.result(path).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(polkit.last().1, "org.smartposd.pos1.read-all");
    let all = HashMap::from([("all", zbus::Variant::new(true))]);
    let listed: Called<Vec<HashMap<String, OwnedVariant>>> = app.terminal("ListTransactions", &(all,)).await;
    assert_eq!(listed.map(|l| l.len()), Ok(1));
    assert_eq!(polkit.last().1, "org.smartposd.pos1.read-all");
    *polkit.allows.lock().unwrap() = false;
    assert_eq!(app.result(path).await.unwrap_err().0, "NotAuthorized");
    *polkit.allows.lock().unwrap() = true;
    for method in ["Start", "Cancel", "Acknowledge"] {
        assert_eq!(app.payment(path, method).await.unwrap_err().0, "NotAuthorized", "{method} is for the owner only");
    }
}
