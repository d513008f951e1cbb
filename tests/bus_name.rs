//! What it proves: everything is there when the name appears; a name that is taken or refused, and a bus that is not
//! there or goes away, are each said clearly.

#[path = "common/bus.rs"]
mod bus;

use bus::{App, POLICY, PrivateBus, Stage, World, same_user, skip, within};
use futures_util::StreamExt;
use smartpos::bus::{ServeError, names};

#[tokio::test]
async fn a_second_daemon_is_told_that_the_name_is_taken() {
    let Some(bus) = PrivateBus::start("a_second_daemon_is_told_that_the_name_is_taken") else { return };
    let _first = Stage::usual(&bus).await;
    let second = Stage::with(&bus, Box::new(World::usual), same_user()).await;
    let why = second.err().unwrap();
    assert!(matches!(why, ServeError::NameTaken), "{why}");
    assert!(why.to_string().contains("stop it first"), "{why}");
    let app = App::on(&bus).await;
    app.create("the-first-still-serves").await;
}

#[tokio::test]
async fn a_bus_that_refuses_the_name_is_named_with_what_to_install() {
    const TEST: &str = "a_bus_that_refuses_the_name_is_named_with_what_to_install";
    // The product's own policy: the name is for the user smartposd alone, so not for whoever runs this test.
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().map(|u| u.name);
    if user.as_deref() == Some("smartposd") {
        return skip(TEST, "runs as smartposd");
    }
    let Some(bus) = PrivateBus::with_policy(TEST, POLICY) else { return };
    let why = Stage::with(&bus, Box::new(World::usual), same_user()).await.err().unwrap();
    assert!(matches!(why, ServeError::NameRefused { .. }), "{why}");
    assert!(why.to_string().contains("org.smartposd.Pos1.conf"), "{why}");
}

#[tokio::test]
async fn no_bus_is_said_with_its_address() {
    let Some(mut bus) = PrivateBus::start("no_bus_is_said_with_its_address") else { return };
    bus.stop();
    let why = Stage::with(&bus, Box::new(World::usual), same_user()).await.err().unwrap();
    assert!(matches!(why, ServeError::NoBus { .. }), "{why}");
    assert!(why.to_string().contains(&bus.address), "{why}");
}

#[tokio::test]
async fn a_lost_bus_ends_the_service() {
    let Some(mut bus) = PrivateBus::start("a_lost_bus_ends_the_service") else { return };
    let mut stage = Stage::usual(&bus).await;
    bus.stop();
    within("the end of the service", stage.service.lost()).await;
}

#[tokio::test]
async fn everything_answers_in_the_moment_the_name_appears() {
    let Some(bus) = PrivateBus::start("everything_answers_in_the_moment_the_name_appears") else { return };
    let app = App::on(&bus).await;
    let dbus = zbus::fdo::DBusProxy::new(&app.connection).await.unwrap();
    let mut owners = dbus.receive_name_owner_changed_with_args(&[(0, names::BUS_NAME)]).await.unwrap();
    let opening = Stage::usual(&bus);
    let reading = async {
        within("the name", owners.next()).await.unwrap();
        for (path, interface, property) in [
            (names::ROOT, names::MANAGER_INTERFACE, "Version"),
            (names::TERMINAL, names::TERMINAL_INTERFACE, "State"),
            (names::TERMINAL, names::KEYS_INTERFACE, "MasterKeyCheck"),
            (names::READER, names::READER_INTERFACE, "State"),
            (names::KEYPAD, names::KEYPAD_INTERFACE, "State"),
        ] {
            app.property::<String>(path, interface, property).await;
        }
    };
    let (stage, ()) = tokio::join!(opening, reading);
    stage.service.leave().await;
    within("the name to go", owners.next()).await.unwrap();
}
