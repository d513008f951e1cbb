//! What it proves: while the core is stuck, properties are read as if nothing were wrong, calls that need it are
//! refused with Busy or end by their deadline, and nobody else waits for them.

#[path = "common/bus.rs"]
mod bus;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bus::{App, PrivateBus, Stage, none};
use smartpos::bus::names;
use tokio::task::JoinSet;
use zbus::OwnedVariant;

/// Well above what a machine under load needs for a hundred reads, well below any deadline of a call.
const AT_ONCE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn properties_are_read_while_the_core_is_stuck() {
    let Some(bus) = PrivateBus::start("properties_are_read_while_the_core_is_stuck") else { return };
    let stage = Stage::usual(&bus).await;
    let (caller, reader) = (App::on(&bus).await, App::on(&bus).await);
    let path = caller.create("stuck").await;
    let _pause = stage.pause().await;
    let mut calls = JoinSet::new();
    for method in ["OperatorSignOut", "SignOut", "SignIn"] {
        let app = caller.clone();
        calls.spawn(async move {
            if method == "OperatorSignOut" {
                app.terminal::<_, ()>(method, &()).await
            } else {
                app.terminal::<_, HashMap<String, OwnedVariant>>(method, &(none(),)).await.map(drop)
            }
        });
    }
    let since = Instant::now();
    for _ in 0..100 {
        let state: String = reader.property(names::TERMINAL, names::TERMINAL_INTERFACE, "State").await;
        assert_eq!(state, "ready");
        let payment: String = reader.property(&path, names::TRANSACTION_INTERFACE, "State").await;
        assert_eq!(payment, "created");
    }
    let health: String = reader.property(names::ROOT, names::MANAGER_INTERFACE, "Health").await;
    assert_eq!(health, "ok");
    assert!(reader.result(&path).await.is_ok(), "what the owner may know does not wait either");
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    assert_eq!(calls.len(), 3);
    assert!(calls.try_join_next().is_none(), "the calls still wait for the core, as they should");
}

#[tokio::test]
async fn calls_that_find_no_room_are_refused_at_once() {
    let Some(bus) = PrivateBus::start("calls_that_find_no_room_are_refused_at_once") else { return };
    let stage = Stage::usual(&bus).await;
    let crowd = [App::on(&bus).await, App::on(&bus).await, App::on(&bus).await];
    let pause = stage.pause().await;
    let mut calls = JoinSet::new();
    for app in &crowd {
        for _ in 0..30 {
            let app = app.clone();
            calls.spawn(async move { app.terminal::<_, ()>("OperatorSignOut", &()).await });
        }
    }
    // The core's queue holds 64 of the 90.
    for _ in 0..26 {
        let refused = bus::within("a refusal", calls.join_next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(refused.0, "Busy");
        assert!(refused.1.contains("try again"), "{}", refused.1);
    }
    drop(pause);
    while let Some(came) = bus::within("an answer", calls.join_next()).await {
        assert_eq!(came.unwrap(), Ok(()), "what got in is answered");
    }
}

#[tokio::test]
async fn one_client_cannot_take_all_the_room() {
    let Some(bus) = PrivateBus::start("one_client_cannot_take_all_the_room") else { return };
    let stage = Stage::usual(&bus).await;
    let (greedy, modest) = (App::on(&bus).await, App::on(&bus).await);
    let pause = stage.pause().await;
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let app = greedy.clone();
        calls.spawn(async move { app.terminal::<_, ()>("OperatorSignOut", &()).await });
    }
    for _ in 0..8 {
        let refused = bus::within("a refusal", calls.join_next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(refused.0, "Busy");
        assert!(refused.1.contains("32"), "{}", refused.1);
    }
    let other = tokio::spawn(async move { modest.terminal::<_, ()>("OperatorSignOut", &()).await });
    drop(pause);
    assert_eq!(bus::within("the other client's answer", other).await.unwrap(), Ok(()));
    while let Some(came) = bus::within("an answer", calls.join_next()).await {
        assert_eq!(came.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_core_that_never_answers_costs_no_more_than_the_deadline() {
    let Some(bus) = PrivateBus::start("a_core_that_never_answers_costs_no_more_than_the_deadline") else { return };
    let _stage = Stage::open(&bus, Box::new(|_, _| bus::Answer::Never)).await;
    let app = App::on(&bus).await;
    let since = Instant::now();
    let (error, text) = app.terminal::<_, ()>("OperatorSignOut", &()).await.unwrap_err();
    assert_eq!(error, "Internal");
    assert!(text.contains("in time"), "{text}");
    assert!(since.elapsed() < Duration::from_secs(20), "D-Bus callers give up after about 25 s");
}
