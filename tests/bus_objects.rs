//! What it proves: a payment's object is there when its path is known, stays the same for the same key, is bounded in
//! number for each user, and goes with Acknowledge. An unknown option is refused by name and never ignored.

#[path = "common/bus.rs"]
mod bus;

use std::collections::HashMap;
use std::sync::Arc;

use bus::{App, Called, PrivateBus, Stage, World, none, refuse, within};
use futures_util::StreamExt;
use smartpos::bus::names;
use smartpos::domain::cause::Cause;
use smartpos::domain::ids::{Batch, Stan, TerminalId, TransactionCode, TransactionId};
use smartpos::domain::outcome::{Outcome, TransactionState};
use smartpos::engine::command::{Command, RefusalKind};
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

fn text(row: &HashMap<String, OwnedVariant>, key: &str) -> String {
    row.get(key).map_or_else(|| "(missing)".to_owned(), |v| <&str>::try_from(v).unwrap().to_owned())
}

#[tokio::test]
async fn the_object_is_there_as_soon_as_its_path_is_known() {
    let Some(bus) = PrivateBus::start("the_object_is_there_as_soon_as_its_path_is_known") else { return };
    let _stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    for n in 0..50 {
        let path = app.create(&format!("key-{n}")).await;
        let state: String = app.property(&path, names::TRANSACTION_INTERFACE, "State").await;
        assert_eq!(state, "created");
    }
}

#[tokio::test]
async fn the_same_key_gives_the_same_object() {
    let Some(bus) = PrivateBus::start("the_same_key_gives_the_same_object") else { return };
    let _stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let (a, b) = tokio::join!(app.create("once"), app.create("once"));
    assert_eq!(a, b);
    assert_ne!(a, app.create("twice").await);
}

#[tokio::test]
async fn acknowledge_takes_the_object_away_and_says_so() {
    let Some(bus) = PrivateBus::start("acknowledge_takes_the_object_away_and_says_so") else { return };
    let _stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let manager = app.proxy(names::ROOT, "org.freedesktop.DBus.ObjectManager").await;
    let mut added = manager.receive_signal("InterfacesAdded").await.unwrap();
    let mut removed = manager.receive_signal("InterfacesRemoved").await.unwrap();
    let path = app.create("short-lived").await;
    let message = within("InterfacesAdded", added.next()).await.unwrap();
    type Added = (OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>);
    let (at, interfaces): Added = message.body().deserialize().unwrap();
    assert_eq!(at.as_str(), path);
    let mut shown: Vec<_> = interfaces[names::TRANSACTION_INTERFACE].keys().map(String::as_str).collect();
    shown.sort_unstable();
    assert_eq!(shown, ["Forwarding", "Kind", "Outcome", "State", "Training"], "a broadcast shows no more than these");
    app.payment(&path, "Acknowledge").await.unwrap();
    let message = within("InterfacesRemoved", removed.next()).await.unwrap();
    let (at, _): (OwnedObjectPath, Vec<String>) = message.body().deserialize().unwrap();
    assert_eq!(at.as_str(), path);
    assert_eq!(app.payment(&path, "Start").await.unwrap_err().0, "UnknownObject");
    assert_eq!(
        app.terminal::<_, OwnedObjectPath>("FindTransaction", &("short-lived",)).await.unwrap_err().0,
        "NotFound"
    );
}

#[tokio::test]
async fn a_payment_is_found_by_its_code_and_shows_everything_to_its_owner() {
    let Some(bus) = PrivateBus::start("a_payment_is_found_by_its_code_and_shows_everything_to_its_owner") else {
        return;
    };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let path = app.create("with-code").await;
    let early = app.result(&path).await.unwrap();
    assert!(!early.contains_key("outcome") && !early.contains_key("code"), "nothing is invented: {early:?}");
    let code =
        TransactionCode::new(&TerminalId::new("99000001").unwrap(), Batch::new(7).unwrap(), Stan::new(3).unwrap());
    let known = code.clone();
    stage
        .core(move |world| {
            world.change_payment(TransactionId(1), Vec::new(), |v| {
                v.code = Some(known);
                v.stan = Stan::new(3);
                v.masked_pan = Some("620000******0018".to_owned());
                v.response_code = Some("00".to_owned());
                v.response_text = Some(("承兑或交易成功".to_owned(), "Approved".to_owned()));
            });
            world.finish_payment(TransactionId(1), Outcome::Approved);
        })
        .await;
    let typed = code.to_string().to_lowercase();
    let found: OwnedObjectPath = app.terminal("FindTransaction", &(typed.as_str(),)).await.unwrap();
    assert_eq!(found.as_str(), path);
    let row = app.result(&path).await.unwrap();
    for (key, value) in [
        ("kind", "sale"),
        ("key", "with-code"),
        ("state", "finished"),
        ("outcome", "approved"),
        ("currency", "CNY"),
        ("code", code.as_str()),
        ("card", "620000******0018"),
        ("response-code", "00"),
        ("response-text-zh", "承兑或交易成功"),
        ("response-text-en", "Approved"),
        ("rrn", "(missing)"),
    ] {
        assert_eq!(text(&row, key), value, "{key}");
    }
    assert_eq!(u64::try_from(&row["amount"]), Ok(1234));
    assert_eq!(u32::try_from(&row["trace"]), Ok(3));
    assert_eq!(bool::try_from(&row["reversed"]), Ok(false));
}

#[tokio::test]
async fn one_user_cannot_have_more_than_sixty_four_payments() {
    let Some(bus) = PrivateBus::start("one_user_cannot_have_more_than_sixty_four_payments") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let mut paths = Vec::new();
    for n in 0..64 {
        paths.push(app.create(&format!("key-{n}")).await);
    }
    let (error, text) = app.try_create("one-more").await.unwrap_err();
    assert_eq!(error, "LimitExceeded");
    assert!(text.contains("acknowledge"), "{text}");
    assert_eq!(app.create("key-3").await, paths[3], "what exists is found all the same");
    app.payment(&paths[0], "Acknowledge").await.unwrap();
    let known = stage.commands().len();
    app.create("one-more").await;
    assert!(stage.commands().len() > known);
}

#[tokio::test]
async fn an_unknown_option_is_refused_by_its_name() {
    let Some(bus) = PrivateBus::start("an_unknown_option_is_refused_by_its_name") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let tip = HashMap::from([("tip", Variant::new(500u64))]);
    let pipe = bus::pipe_with(b"13579a");
    let refused: [(&str, Called<()>); 5] = [
        (
            "CreateTransaction",
            app.terminal::<_, OwnedObjectPath>("CreateTransaction", &("sale", "k", 1u64, "CNY", tip.clone()))
                .await
                .map(drop),
        ),
        ("SignIn", app.terminal::<_, HashMap<String, OwnedVariant>>("SignIn", &(tip.clone(),)).await.map(drop)),
        ("OperatorSignIn", app.terminal("OperatorSignIn", &("01", zbus::Fd::from(&pipe), tip.clone())).await),
        (
            "ListTransactions",
            app.terminal::<_, Vec<HashMap<String, OwnedVariant>>>("ListTransactions", &(tip.clone(),)).await.map(drop),
        ),
        (
            "RunDiagnosis",
            app.call::<_, Vec<HashMap<String, OwnedVariant>>>(
                names::ROOT,
                names::MANAGER_INTERFACE,
                "RunDiagnosis",
                &(tip,),
            )
            .await
            .map(drop),
        ),
    ];
    for (method, came) in refused {
        let (error, text) = came.expect_err(method);
        assert_eq!(error, "InvalidArgument", "{method}");
        assert!(text.contains("'tip'"), "{method}: {text}");
    }
    assert!(stage.commands().is_empty(), "the core was asked: {:?}", stage.commands());
}

#[tokio::test]
async fn every_refusal_of_the_core_reaches_the_caller_under_its_own_name() {
    let Some(bus) = PrivateBus::start("every_refusal_of_the_core_reaches_the_caller_under_its_own_name") else {
        return;
    };
    const KINDS: [(RefusalKind, &str); 12] = [
        (RefusalKind::InvalidArgument, "InvalidArgument"),
        (RefusalKind::NotAuthorized, "NotAuthorized"),
        (RefusalKind::WrongState, "WrongState"),
        (RefusalKind::Busy, "Busy"),
        (RefusalKind::NotSignedIn, "NotSignedIn"),
        (RefusalKind::ReaderUnavailable, "ReaderUnavailable"),
        (RefusalKind::HostUnreachable, "HostUnreachable"),
        (RefusalKind::HostTimeout, "HostTimeout"),
        (RefusalKind::LimitExceeded, "LimitExceeded"),
        (RefusalKind::IdempotencyMismatch, "IdempotencyMismatch"),
        (RefusalKind::NotFound, "NotFound"),
        (RefusalKind::Internal, "Internal"),
    ];
    let mut next = KINDS.iter();
    let script = move |_: &mut World, _: Command| refuse(next.next().unwrap().0, Some(Cause::N05), "say what to do");
    let _stage = Stage::open(&bus, Box::new(script)).await;
    let app = App::on(&bus).await;
    for (_, name) in KINDS {
        let refused = app.terminal::<_, HashMap<String, OwnedVariant>>("SignIn", &(none(),)).await;
        assert_eq!(refused.map(drop), Err((name.to_owned(), "N05: say what to do".to_owned())));
    }
}

#[tokio::test]
async fn payments_from_before_the_start_have_their_objects_when_the_name_appears() {
    const TEST: &str = "payments_from_before_the_start_have_their_objects_when_the_name_appears";
    let Some(bus) = PrivateBus::start(TEST) else { return };
    let mut view = bus::foreign(TransactionId(7));
    view.owner.uid = nix::unistd::geteuid().as_raw();
    view.state = TransactionState::Finished;
    let mut first = bus::snapshot();
    first.transactions.insert(view.id, Arc::new(view));
    let _stage = Stage::starting_with(&bus, first, Box::new(World::usual), bus::same_user()).await.unwrap();
    let app = App::on(&bus).await;
    let row = app.result("/org/smartposd/Pos1/Transaction/7").await.unwrap();
    assert_eq!(text(&row, "state"), "finished");
    let found: OwnedObjectPath = app.terminal("FindTransaction", &("foreign",)).await.unwrap();
    assert_eq!(found.as_str(), "/org/smartposd/Pos1/Transaction/7");
}

#[tokio::test]
async fn a_diagnosis_has_a_row_for_every_step_and_the_verdict_last() {
    let Some(bus) = PrivateBus::start("a_diagnosis_has_a_row_for_every_step_and_the_verdict_last") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let diagnose = async || -> Vec<HashMap<String, OwnedVariant>> {
        app.call(names::ROOT, names::MANAGER_INTERFACE, "RunDiagnosis", &(none(),)).await.unwrap()
    };
    let rows = diagnose().await;
    let parts: Vec<_> = rows.iter().map(|r| (text(r, "component"), text(r, "state"))).collect();
    let wanted = [
        ("host", "answered"),
        ("keys", "ready"),
        ("terminal", "ready"),
        ("reader", "ready"),
        ("keypad", "ready"),
        ("verdict", "well"),
    ];
    assert_eq!(parts, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(u64::try_from(&rows[0]["milliseconds"]), Ok(12));
    stage.core(|world| world.change(Vec::new(), |s| s.terminal.cause = Some(Cause::N05))).await;
    let rows = diagnose().await;
    let host = &rows[0];
    assert_eq!((text(host, "state").as_str(), text(host, "cause").as_str()), ("failed", "N05"));
    assert_eq!(text(host, "finding"), "failed");
    assert!(text(host, "evidence").contains("no address answers"));
    let verdict = rows.last().unwrap();
    let told = ["component", "state", "class", "cause", "step"].map(|key| text(verdict, key));
    assert_eq!(told, ["verdict", "fault", "bank", "N05", "host"]);
}

#[tokio::test]
async fn the_steps_of_a_diagnosis_are_told_to_its_caller_only() {
    use futures_util::StreamExt;
    let Some(bus) = PrivateBus::start("the_steps_of_a_diagnosis_are_told_to_its_caller_only") else { return };
    let _stage = Stage::usual(&bus).await;
    let (app, other) = (App::on(&bus).await, App::on(&bus).await);
    let mut heard = zbus::MessageStream::from(&app.connection);
    let mut overheard = zbus::MessageStream::from(&other.connection);
    let rule = "type='signal',interface='org.smartposd.Pos1.Manager',member='DiagnosisStep'";
    for one in [&app, &other] {
        let bus = Some("org.freedesktop.DBus");
        one.connection.call_method(bus, "/org/freedesktop/DBus", bus, "AddMatch", &(rule,)).await.unwrap();
    }
    let ask = async |one: &App| -> Vec<HashMap<String, OwnedVariant>> {
        one.call(names::ROOT, names::MANAGER_INTERFACE, "RunDiagnosis", &(none(),)).await.unwrap()
    };
    ask(&app).await;
    let mut steps = 0;
    while steps < 5 {
        let message = tokio::time::timeout(std::time::Duration::from_secs(20), heard.next()).await.unwrap();
        let message = message.unwrap().unwrap();
        steps += usize::from(message.header().member().is_some_and(|member| member.as_str() == "DiagnosisStep"));
    }
    // The other one's own call is answered after anything it could have overheard.
    let version: Vec<HashMap<String, OwnedVariant>> = ask(&other).await;
    assert_eq!(version.len(), 6);
    let mut own = 0;
    while let Ok(Some(Ok(message))) =
        tokio::time::timeout(std::time::Duration::from_millis(300), overheard.next()).await
    {
        own += usize::from(message.header().member().is_some_and(|member| member.as_str() == "DiagnosisStep"));
    }
    assert_eq!(own, 5, "only the steps of its own diagnosis");
}
