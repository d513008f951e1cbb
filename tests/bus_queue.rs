//! What it proves: the queue's properties are the snapshot's sums; its lists show a caller its own rows and others' only
//! with the right; decisions reach the core with caller, code, word and note, or are refused before it is asked.

#[path = "common/bus.rs"]
mod bus;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bus::{App, Called, PrivateBus, Stage, World, accepted_offline, code, none, pipe_with, refuse, reversing};
use smartpos::bus::names;
use smartpos::domain::cause::Cause;
use smartpos::domain::ids::TransactionId;
use smartpos::domain::offline::{Forwarding, QueueTotals, Resolution};
use smartpos::domain::time::WallTime;
use smartpos::engine::command::{Command, RefusalKind, Reply};
use smartpos::engine::snapshot::{QueueView, Snapshot, TransactionView};
use zbus::{Fd, OwnedVariant, Variant};

type Rows = Vec<HashMap<String, OwnedVariant>>;

/// A snapshot with these payments on the bus.
fn with(views: Vec<TransactionView>) -> Snapshot {
    let mut snapshot = bus::snapshot();
    snapshot.transactions.extend(views.into_iter().map(|view| (view.id, Arc::new(view))));
    snapshot
}

async fn stage(bus: &PrivateBus, views: Vec<TransactionView>) -> Stage {
    Stage::starting_with(bus, with(views), Box::new(World::usual), bus::same_user()).await.unwrap()
}

fn options<const N: usize>(pairs: [(&'static str, Variant<'static>); N]) -> HashMap<&'static str, Variant<'static>> {
    HashMap::from(pairs)
}

fn ids(rows: &Rows) -> Vec<u64> {
    rows.iter().map(|row| u64::try_from(&row["id"]).unwrap()).collect()
}

async fn property<T>(app: &App, name: &str) -> T
where
    T: TryFrom<OwnedVariant>,
    T::Error: std::fmt::Debug,
{
    app.property(names::TERMINAL, names::QUEUE_INTERFACE, name).await
}

#[tokio::test]
async fn the_properties_are_the_sums_of_what_is_unsent() {
    let Some(bus) = PrivateBus::start("the_properties_are_the_sums_of_what_is_unsent") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    assert_eq!(property::<u32>(&app, "Depth").await, 0);
    assert_eq!(property::<HashMap<String, u64>>(&app, "PendingAmounts").await, HashMap::new());
    assert_eq!(property::<u64>(&app, "OldestAt").await, 0);
    stage
        .core(|world| {
            world.change(Vec::new(), |s| {
                let totals = QueueTotals { waiting: 3, held: 2, sum: 15_000, oldest: Some(WallTime(77)) };
                s.queue = QueueView {
                    totals,
                    currency: "CNY",
                    draining: true,
                    cause: Some(Cause::N05),
                    ..QueueView::default()
                };
                s.open_reversals = 4;
                s.held_reversals = 1;
            });
        })
        .await;
    assert_eq!(property::<u32>(&app, "Depth").await, 3, "the held ones are not counted twice");
    assert_eq!(property::<u32>(&app, "Held").await, 3, "payments and reversals together");
    assert_eq!(property::<u32>(&app, "Reversals").await, 4);
    assert_eq!(property::<u64>(&app, "OldestAt").await, 77);
    let amounts = property::<HashMap<String, u64>>(&app, "PendingAmounts").await;
    assert_eq!(amounts, HashMap::from([("CNY".to_owned(), 15_000)]));
    assert!(property::<bool>(&app, "Draining").await);
    assert_eq!(property::<String>(&app, "Cause").await, "N05");
}

#[tokio::test]
async fn drain_says_how_many_wait_and_knows_no_option() {
    let Some(bus) = PrivateBus::start("drain_says_how_many_wait_and_knows_no_option") else { return };
    let mut first = bus::snapshot();
    first.queue.totals.waiting = 5;
    let stage = Stage::starting_with(&bus, first, Box::new(World::usual), bus::same_user()).await.unwrap();
    let app = App::on(&bus).await;
    let odd = options([("fast", Variant::new(true))]);
    assert_eq!(app.queue::<_, u32>("Drain", &(odd,)).await.unwrap_err().0, "InvalidArgument");
    assert!(stage.commands().is_empty());
    assert_eq!(app.queue::<_, u32>("Drain", &(none(),)).await, Ok(5));
}

#[tokio::test]
async fn the_list_shows_what_is_unsent_oldest_first_and_what_waits_for_a_person() {
    const TEST: &str = "the_list_shows_what_is_unsent_oldest_first_and_what_waits_for_a_person";
    let Some(bus) = PrivateBus::start(TEST) else { return };
    let first = with(vec![
        accepted_offline(TransactionId(2), Forwarding::Waiting),
        accepted_offline(TransactionId(3), Forwarding::Accepted),
        accepted_offline(TransactionId(4), Forwarding::Held),
        reversing(TransactionId(5), 1),
        reversing(TransactionId(6), 9),
    ]);
    let _stage = Stage::starting_with(&bus, first, Box::new(World::usual), bus::same_user()).await.unwrap();
    let app = App::on(&bus).await;
    let rows: Rows = app.queue("List", &(none(),)).await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let what = String::try_from(row["what"].try_clone().unwrap()).unwrap();
            (u64::try_from(&row["id"]).unwrap(), what, bool::try_from(&row["held"]).unwrap())
        })
        .collect();
    let wanted = [(2, "payment", false), (4, "payment", true), (5, "reversal", false), (6, "reversal", true)];
    assert_eq!(told, wanted.map(|(id, what, held)| (id, what.to_owned(), held)));
    let row = &rows[0];
    assert_eq!(<&str>::try_from(&row["forwarding"]), Ok("waiting"));
    assert_eq!(<&str>::try_from(&row["mode"]), Ok("prefer-online"));
    assert_eq!(u32::try_from(&row["attempts"]), Ok(0));
    assert_eq!(bool::try_from(&row["merchant-carries-risk"]), Ok(true));

    let held: Rows = app.queue("ListHeld", &(none(),)).await.unwrap();
    assert_eq!(ids(&held), [4, 6]);
    assert!(held.iter().all(|row| bool::try_from(&row["held"]) == Ok(true)));
    let held: Rows = app.queue("List", &(options([("held", Variant::new(true))]),)).await.unwrap();
    assert_eq!(ids(&held), [4, 6]);
    let page: Rows =
        app.queue("List", &(options([("after", Variant::new(2u64)), ("limit", Variant::new(2u32))]),)).await.unwrap();
    assert_eq!(ids(&page), [4, 5]);
}

#[tokio::test]
async fn a_page_is_full_of_ones_own_rows_however_many_of_others_lie_between() {
    const TEST: &str = "a_page_is_full_of_ones_own_rows_however_many_of_others_lie_between";
    let Some(bus) = PrivateBus::start(TEST) else { return };
    // Not on the bus as objects: what is unsent is in the store. 1200 rows, every 400th is the caller's.
    let script = |world: &mut World, command: Command| match command {
        Command::ListQueue(filter) => {
            let from = filter.after.map_or(1, |after| after.0 + 1);
            let view = |id| {
                let mut view = accepted_offline(TransactionId(id), Forwarding::Waiting);
                if id % 400 != 0 {
                    view.owner.uid = 4_000_000_000;
                }
                view
            };
            Reply::List((from..=1200).take(filter.limit.into()).map(view).collect()).into()
        }
        other => world.usual(other),
    };
    let _stage = Stage::open(&bus, Box::new(script)).await;
    let app = App::on(&bus).await;
    let own: Rows = app.queue("List", &(none(),)).await.unwrap();
    assert_eq!(ids(&own), [400, 800, 1200]);
    let two: Rows = app.queue("List", &(options([("limit", Variant::new(2u32))]),)).await.unwrap();
    assert_eq!(ids(&two), [400, 800]);
    let all = options([("all", Variant::new(true)), ("limit", Variant::new(500u32))]);
    let all: Rows = app.queue("List", &(all,)).await.unwrap();
    assert_eq!((all.len(), ids(&all)[499]), (500, 500));
}

#[tokio::test]
async fn wrong_arguments_are_named_and_the_core_is_not_asked() {
    let Some(bus) = PrivateBus::start("wrong_arguments_are_named_and_the_core_is_not_asked") else { return };
    let stage = stage(&bus, Vec::new()).await;
    let app = App::on(&bus).await;
    let good = code(TransactionId(2)).to_string();
    let mut typo = good.clone();
    typo.replace_range(19..20, if good.as_bytes()[19] == b'1' { "2" } else { "1" });
    let long = "x".repeat(129);
    let list = async |pairs: HashMap<&'static str, Variant<'static>>| -> Called<()> {
        app.queue::<_, Rows>("List", &(pairs,)).await.map(drop)
    };
    let pan = pipe_with(b"6200000000000000018");
    let short = pipe_with(b"123");
    let resolve = async |code: &str, decision: &str, note: &str| -> Called<()> {
        app.queue("Resolve", &(code, decision, note, none())).await
    };
    let cases: Vec<(&str, &str, Called<()>)> = vec![
        ("List", "limit", list(options([("limit", Variant::new(0u32))])).await),
        ("List", "'tip'", list(options([("tip", Variant::new(1u32))])).await),
        ("ListHeld", "'held'", {
            app.queue::<_, Rows>("ListHeld", &(options([("held", Variant::new(true))]),)).await.map(drop)
        }),
        ("Hold", "check digit", app.queue("Hold", &(typo.as_str(), "why")).await),
        ("Hold", "note", app.queue("Hold", &(good.as_str(), "")).await),
        ("Hold", "note", app.queue("Hold", &(good.as_str(), long.as_str())).await),
        ("Hold", "card number", app.queue("Hold", &(good.as_str(), "card 6200000000000000018")).await),
        ("Resolve", "21 letters", resolve("short", "retry", "why").await),
        ("Resolve", "retry, abandon, proceed", resolve(&good, "forget", "why").await),
        ("Resolve", "note", resolve(&good, "retry", "a\nb").await),
        ("Resolve", "'tip'", {
            let tip = options([("tip", Variant::new(1u32))]);
            app.queue("Resolve", &(good.as_str(), "retry", "why", tip)).await
        }),
        ("DenyCard", "note", app.queue("DenyCard", &(Fd::from(&pan), "")).await),
        ("DenyCard", "8 to 19 digits", app.queue("DenyCard", &(Fd::from(&short), "lost")).await),
    ];
    for (method, wanted, came) in cases {
        let (error, text) = came.expect_err(method);
        assert_eq!(error, "InvalidArgument", "{method}: {text}");
        assert!(text.contains(wanted), "{method}: {text}");
        assert!(!text.contains("6200"), "{method} repeats the card number: {text}");
    }
    assert!(stage.commands().is_empty(), "the core was asked: {:?}", stage.commands());
}

#[tokio::test]
async fn a_decision_reaches_the_core_with_everything_the_record_needs() {
    let Some(bus) = PrivateBus::start("a_decision_reaches_the_core_with_everything_the_record_needs") else { return };
    let came = Arc::new(Mutex::new(Vec::new()));
    let log = came.clone();
    let script = move |world: &mut World, command: Command| match command {
        Command::Hold { caller, code, note } => {
            log.lock().unwrap().push((caller.connection, code, None, note));
            Reply::Done.into()
        }
        Command::Resolve { caller, code, decision, note } => {
            log.lock().unwrap().push((caller.connection, code, Some(decision), note));
            match decision {
                Resolution::Proceed => refuse(RefusalKind::WrongState, None, "not held"),
                Resolution::Retry | Resolution::Abandon => Reply::Done.into(),
            }
        }
        other => world.usual(other),
    };
    let first = with(vec![accepted_offline(TransactionId(2), Forwarding::Waiting)]);
    let _stage = Stage::starting_with(&bus, first, Box::new(script), bus::same_user()).await.unwrap();
    let app = App::on(&bus).await;
    let me = app.connection.unique_name().unwrap().to_string();
    let known = code(TransactionId(2));
    let typed = known.to_string().to_lowercase();
    assert_eq!(app.queue("Hold", &(typed.as_str(), "disputed")).await, Ok(()));
    assert_eq!(app.queue("Resolve", &(known.as_str(), "retry", "settled", none())).await, Ok(()));
    assert_eq!(app.queue("Resolve", &(known.as_str(), "abandon", "卡已注销", none())).await, Ok(()));
    let refused: Called<()> = app.queue("Resolve", &(known.as_str(), "proceed", "busy day", none())).await;
    assert_eq!(refused, Err(("WrongState".to_owned(), "not held".to_owned())));
    let row = |decision, note: &str| (me.clone(), known.clone(), decision, note.to_owned());
    let wanted = [
        row(None, "disputed"),
        row(Some(Resolution::Retry), "settled"),
        row(Some(Resolution::Abandon), "卡已注销"),
        row(Some(Resolution::Proceed), "busy day"),
    ];
    assert_eq!(*came.lock().unwrap(), wanted);
}
