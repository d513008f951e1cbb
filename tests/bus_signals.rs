//! What it proves: signals of a payment reach its owner's connection and nobody else; broadcasts carry nothing private;
//! two apps at once each hear their own; a property change is told before the signal that speaks of it.

#[path = "common/bus.rs"]
mod bus;

use bus::{App, PrivateBus, Stage, within};
use futures_util::StreamExt;
use smartpos::bus::names;
use smartpos::domain::cause::Cause;
use smartpos::domain::ids::TransactionId;
use smartpos::domain::offline::Forwarding;
use smartpos::domain::outcome::{Outcome, TerminalState};
use smartpos::engine::signal::Signal;
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

/// Everything that the daemon says to this client by itself, as `member path body`.
struct Ear(MessageStream);

impl Ear {
    async fn of(app: &App) -> Self {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(names::BUS_NAME).build().unwrap();
        Self(MessageStream::for_match_rule(rule, &app.connection, None).await.unwrap())
    }

    async fn next(&mut self) -> Message {
        within("a signal", self.0.next()).await.unwrap().unwrap()
    }

    /// Everything up to the terminal's own signal, which the test lets the core tell last.
    async fn until_terminal(&mut self) -> Vec<(String, String, String)> {
        let mut heard = Vec::new();
        loop {
            let message = self.next().await;
            let header = message.header();
            let member = header.member().unwrap().to_string();
            let path = header.path().unwrap().to_string();
            if path == names::TERMINAL && member == "StateChanged" {
                return heard;
            }
            let body = message.body();
            let text = body.deserialize::<zbus::OwnedStructure>().map_or_else(|_| String::new(), |s| format!("{s:?}"));
            heard.push((member, path, text));
        }
    }
}

async fn last_word(stage: &Stage) {
    let signal = Signal::TerminalStateChanged { old: TerminalState::Busy, new: TerminalState::Ready, cause: None };
    stage.core(move |world| world.change(vec![signal], |_| {})).await;
}

fn of<'a>(heard: &'a [(String, String, String)], path: &str) -> Vec<&'a str> {
    let own = |h: &&(String, String, String)| h.1 == path && h.0 != "PropertiesChanged";
    heard.iter().filter(own).map(|h| h.0.as_str()).collect()
}

#[tokio::test]
async fn only_the_owners_connection_hears_a_payment() {
    let Some(bus) = PrivateBus::start("only_the_owners_connection_hears_a_payment") else { return };
    let stage = Stage::usual(&bus).await;
    let (owner, stranger) = (App::on(&bus).await, App::on(&bus).await);
    let (mut owner_ear, mut stranger_ear) = (Ear::of(&owner).await, Ear::of(&stranger).await);
    let path = owner.create("mine").await;
    owner.payment(&path, "Start").await.unwrap();
    stage.core(|world| world.finish_payment(TransactionId(1), Outcome::Approved)).await;
    last_word(&stage).await;

    let heard = owner_ear.until_terminal().await;
    assert_eq!(of(&heard, &path), ["StateChanged", "Prompt", "StateChanged", "Finished"]);
    let heard = stranger_ear.until_terminal().await;
    assert!(of(&heard, &path).is_empty(), "{heard:?}");
    assert!(!heard.is_empty(), "the stranger hears broadcasts, so its ear works");
    for secret in ["1234", "CNY", "mine", "12.34"] {
        assert!(!heard.iter().any(|h| h.2.contains(secret)), "a broadcast carries {secret}: {heard:?}");
    }
}

#[tokio::test]
async fn two_apps_at_once_each_hear_their_own() {
    let Some(bus) = PrivateBus::start("two_apps_at_once_each_hear_their_own") else { return };
    let stage = Stage::usual(&bus).await;
    let (first, second) = (App::on(&bus).await, App::on(&bus).await);
    let (mut first_ear, mut second_ear) = (Ear::of(&first).await, Ear::of(&second).await);
    let (a, b) = tokio::join!(first.create("a"), second.create("b"));
    assert_ne!(a, b);
    let (x, y) = tokio::join!(first.payment(&a, "Start"), second.payment(&b, "Start"));
    assert_eq!((x, y), (Ok(()), Ok(())));
    last_word(&stage).await;
    let (heard_first, heard_second) = (first_ear.until_terminal().await, second_ear.until_terminal().await);
    assert_eq!((of(&heard_first, &a).len(), of(&heard_first, &b).len()), (2, 0), "{heard_first:?}");
    assert_eq!((of(&heard_second, &a).len(), of(&heard_second, &b).len()), (0, 2), "{heard_second:?}");
}

#[tokio::test]
async fn whoever_finds_its_payment_again_hears_it_from_then_on() {
    let Some(bus) = PrivateBus::start("whoever_finds_its_payment_again_hears_it_from_then_on") else { return };
    let stage = Stage::usual(&bus).await;
    let (before, after) = (App::on(&bus).await, App::on(&bus).await);
    let (mut ear_before, mut ear_after) = (Ear::of(&before).await, Ear::of(&after).await);
    let path = before.create("again").await;
    let found: zbus::OwnedObjectPath = after.terminal("FindTransaction", &("again",)).await.unwrap();
    assert_eq!(found.as_str(), path);
    stage.core(|world| world.finish_payment(TransactionId(1), Outcome::Declined)).await;
    last_word(&stage).await;
    assert!(of(&ear_before.until_terminal().await, &path).is_empty());
    assert_eq!(of(&ear_after.until_terminal().await, &path), ["StateChanged", "Finished"]);
}

#[tokio::test]
async fn a_connection_name_from_before_a_restart_gets_nothing() {
    let Some(bus) = PrivateBus::start("a_connection_name_from_before_a_restart_gets_nothing") else { return };
    let stage = Stage::usual(&bus).await;
    // A payment of another uid whose owner's old connection name is now a stranger's.
    let stranger = App::on(&bus).await;
    let mut ear = Ear::of(&stranger).await;
    let _: bool = stranger.property(names::TERMINAL, names::TERMINAL_INTERFACE, "SupervisorSet").await;
    let name = stranger.connection.unique_name().unwrap().to_string();
    stranger.create("known-to-the-daemon").await;
    stage
        .core(move |world| {
            let mut view = bus::foreign(TransactionId(50));
            view.owner.connection = name;
            world.change(Vec::new(), |s| {
                s.transactions.insert(view.id, std::sync::Arc::new(view));
            });
            world.finish_payment(TransactionId(50), Outcome::Approved);
        })
        .await;
    last_word(&stage).await;
    let heard = ear.until_terminal().await;
    assert!(of(&heard, &names::transaction_path(TransactionId(50))).is_empty(), "{heard:?}");
}

#[tokio::test]
async fn forwarding_is_told_to_the_owner_only_and_progress_to_everybody() {
    let Some(bus) = PrivateBus::start("forwarding_is_told_to_the_owner_only_and_progress_to_everybody") else { return };
    let stage = Stage::usual(&bus).await;
    let (owner, stranger) = (App::on(&bus).await, App::on(&bus).await);
    let (mut owner_ear, mut stranger_ear) = (Ear::of(&owner).await, Ear::of(&stranger).await);
    let path = owner.create("offline").await;
    stage
        .core(|world| {
            let id = TransactionId(1);
            world.finish_payment(id, Outcome::ApprovedOffline);
            let connection = world.snapshot().transactions[&id].owner.connection.clone();
            for (forwarding, cause) in [(Forwarding::InFlight, None), (Forwarding::Held, Some(Cause::B01))] {
                let signals = vec![
                    Signal::ForwardingChanged { id, connection: connection.clone(), forwarding, cause },
                    Signal::QueueProgress { sent: 4, left: 2, held: 1, seconds_left: cause.map(|_| 9) },
                ];
                world.change_payment(id, signals, |v| v.forwarding = Some(forwarding));
            }
        })
        .await;
    last_word(&stage).await;

    let heard = owner_ear.until_terminal().await;
    assert_eq!(of(&heard, &path), ["StateChanged", "Finished", "ForwardingChanged", "ForwardingChanged"]);
    let told: Vec<_> = heard.iter().filter(|h| h.0 == "ForwardingChanged").map(|h| h.2.as_str()).collect();
    assert!(told[0].contains("in-flight") && told[1].contains("held") && told[1].contains("B01"), "{told:?}");
    let changed =
        |h: &&(String, String, String)| h.0 == "PropertiesChanged" && h.1 == path && h.2.contains("in-flight");
    assert!(heard.iter().any(|h| changed(&h)), "the property changes with it: {heard:?}");

    let heard = stranger_ear.until_terminal().await;
    assert!(of(&heard, &path).is_empty(), "{heard:?}");
    let progress: Vec<_> = heard.iter().filter(|h| h.0 == "Progress").map(|h| h.2.as_str()).collect();
    assert_eq!(progress.len(), 2, "{heard:?}");
    assert!(progress[0].contains("4294967295") && progress[1].contains('9'), "{progress:?}");
    for secret in ["1234", "CNY", "12.34", "B01"] {
        assert!(!heard.iter().any(|h| h.2.contains(secret)), "a broadcast carries {secret}: {heard:?}");
    }
}

#[tokio::test]
async fn a_change_is_told_once_and_before_its_signal() {
    let Some(bus) = PrivateBus::start("a_change_is_told_once_and_before_its_signal") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let mut ear = Ear::of(&app).await;
    let signal = Signal::TerminalStateChanged { old: TerminalState::Ready, new: TerminalState::Busy, cause: None };
    stage
        .core(move |world| {
            world.change(vec![signal], |s| s.terminal.state = TerminalState::Busy);
            // Nothing that is shown changes here, so nothing is to be told.
            world.change(Vec::new(), |s| s.terminal.clock_difference = Some(3));
        })
        .await;
    let changed = ear.next().await;
    assert_eq!(changed.header().member().unwrap().as_str(), "PropertiesChanged");
    let body = changed.body();
    let (interface, values, gone): (String, std::collections::HashMap<String, zbus::OwnedVariant>, Vec<String>) =
        body.deserialize().unwrap();
    assert_eq!((interface.as_str(), values.len(), gone.len()), (names::TERMINAL_INTERFACE, 1, 0));
    assert_eq!(<&str>::try_from(&values["State"]).unwrap(), "busy");
    // Components of the Manager speaks of the terminal too.
    let heard = ear.until_terminal().await;
    assert!(
        matches!(heard.as_slice(), [(member, path, _)] if member == "PropertiesChanged" && path == names::ROOT),
        "{heard:?}"
    );
    last_word(&stage).await;
    assert!(ear.until_terminal().await.is_empty());
}

#[tokio::test]
async fn the_owner_of_a_payment_hears_of_it_before_of_the_terminal() {
    let Some(bus) = PrivateBus::start("the_owner_of_a_payment_hears_of_it_before_of_the_terminal") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let mut ear = Ear::of(&app).await;
    let path = app.create("mine").await;
    let connection = app.connection.unique_name().unwrap().to_string();
    stage
        .core(move |world| {
            let id = TransactionId(1);
            let signals = vec![
                Signal::TerminalStateChanged { old: TerminalState::Ready, new: TerminalState::Busy, cause: None },
                Signal::TransactionFinished { id, connection, outcome: Outcome::Declined },
            ];
            world.change(signals, |s| {
                s.terminal.state = TerminalState::Busy;
                let mut view = smartpos::engine::snapshot::TransactionView::clone(&s.transactions[&id]);
                view.outcome = Some(Outcome::Declined);
                s.transactions.insert(id, std::sync::Arc::new(view));
            });
        })
        .await;
    let heard = ear.until_terminal().await;
    let order: Vec<_> = heard.iter().map(|h| (h.0.as_str(), h.1.as_str())).collect();
    let changed = "PropertiesChanged";
    // Each change comes before the signal that speaks of it; the terminal's own signal ended the list.
    let expected = [(changed, path.as_str()), ("Finished", &path), (changed, names::TERMINAL), (changed, names::ROOT)];
    assert!(order.ends_with(&expected), "{order:?}");
}
