//! What it proves: the core learns of every client that may own a payment and has gone, after everything that client
//! has asked for, and of nobody else; nothing is done for a client that went while its call was being looked at.

#[path = "common/bus.rs"]
mod bus;

use std::sync::{Arc, Mutex};

use bus::{App, PrivateBus, Stage, World};
use smartpos::bus::names;
use smartpos::domain::ids::TransactionId;
use smartpos::engine::command::{Command, Reply};

#[tokio::test]
async fn the_core_learns_that_an_owner_has_gone() {
    let Some(bus) = PrivateBus::start("the_core_learns_that_an_owner_has_gone") else { return };
    let gone = Arc::new(Mutex::new(Vec::new()));
    let log = gone.clone();
    let script = move |world: &mut World, command: Command| match command {
        Command::ClientGone { connection } => {
            log.lock().unwrap().push(connection);
            Reply::Done.into()
        }
        other => world.usual(other),
    };
    let stage = Stage::open(&bus, Box::new(script)).await;
    let (owner, onlooker) = (App::on(&bus).await, App::on(&bus).await);
    let name = owner.connection.unique_name().unwrap().to_string();
    owner.create("orphan").await;
    let _: String = onlooker.property(names::TERMINAL, names::TERMINAL_INTERFACE, "State").await;
    onlooker.connection.close().await.unwrap();
    owner.connection.close().await.unwrap();
    stage.asked("client-gone").await;
    assert_eq!(*gone.lock().unwrap(), [name], "the onlooker owns nothing, so the core is not bothered");
}

#[tokio::test]
async fn the_owner_of_a_payment_from_before_a_restart_counts_too() {
    let Some(bus) = PrivateBus::start("the_owner_of_a_payment_from_before_a_restart_counts_too") else { return };
    let stage = Stage::usual(&bus).await;
    let owner = App::on(&bus).await;
    let name = owner.connection.unique_name().unwrap().to_string();
    stage
        .core(move |world| {
            let mut view = bus::foreign(TransactionId(3));
            view.owner.connection = name;
            world.change(Vec::new(), |s| {
                s.transactions.insert(view.id, Arc::new(view));
            });
        })
        .await;
    owner.connection.close().await.unwrap();
    stage.asked("client-gone").await;
}

#[tokio::test]
async fn the_news_comes_after_what_the_client_has_asked_for() {
    let Some(bus) = PrivateBus::start("the_news_comes_after_what_the_client_has_asked_for") else { return };
    let stage = Stage::usual(&bus).await;
    for round in 0..40 {
        let owner = App::on(&bus).await;
        let key = format!("round-{round}");
        let body = ("sale", key.as_str(), 1u64, "CNY", bus::none());
        // Asks and is gone in the same moment, without waiting for an answer.
        let call = zbus::Message::method_call(names::TERMINAL, "CreateTransaction")
            .destination(names::BUS_NAME)
            .interface(names::TERMINAL_INTERFACE)
            .build(&body)
            .unwrap();
        owner.connection.send(&call).await.unwrap();
        owner.connection.close().await.unwrap();
    }
    // One who stays shows that everything before has been looked at.
    let last = App::on(&bus).await;
    last.create("last").await;
    let commands = stage.commands();
    let mut open = 0i32;
    for command in &commands[..commands.len() - 1] {
        match *command {
            "create" => open += 1,
            "client-gone" => open -= 1,
            other => panic!("unexpected {other}"),
        }
        assert!(open >= 0, "news of a client came before its request: {commands:?}");
    }
    bus::within("news of every owner", async {
        loop {
            let commands = stage.commands();
            let count = |name| commands.iter().filter(|c| **c == name).count();
            if count("create") == count("client-gone") + 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_core_with_no_room_hears_of_it_as_soon_as_it_has() {
    let Some(bus) = PrivateBus::start("a_core_with_no_room_hears_of_it_as_soon_as_it_has") else { return };
    let stage = Stage::usual(&bus).await;
    let owner = App::on(&bus).await;
    owner.create("kept").await;
    let crowd = [App::on(&bus).await, App::on(&bus).await, App::on(&bus).await];
    let pause = stage.pause().await;
    // More calls than the core's queue holds: some get in and wait, the rest are told that the daemon is busy.
    let mut calls = tokio::task::JoinSet::new();
    for app in &crowd {
        for _ in 0..30 {
            let app = app.clone();
            calls.spawn(async move { app.terminal::<_, ()>("OperatorSignOut", &()).await });
        }
    }
    let first = bus::within("a refusal", calls.join_next()).await.unwrap().unwrap();
    assert_eq!(first.unwrap_err().0, "Busy");
    owner.connection.close().await.unwrap();
    drop(pause);
    stage.asked("client-gone").await;
}
