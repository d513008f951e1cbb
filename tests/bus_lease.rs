//! What it proves: Inhibit holds a device as long as its file descriptor lives, and no longer: closed, or its holder
//! dead, the core is told; a second holder is refused meanwhile.

#[path = "common/bus.rs"]
mod bus;

use std::io::Read;
use std::sync::{Arc, Mutex};

use bus::{App, Called, PrivateBus, Stage, World, refuse};
use smartpos::bus::names;
use smartpos::engine::command::{Command, Device, RefusalKind, Reply};
use zbus::OwnedFd;

async fn inhibit(app: &App) -> Called<OwnedFd> {
    app.call(names::READER, names::READER_INTERFACE, "Inhibit", &("technician", "cleaning")).await
}

#[tokio::test]
async fn closing_the_descriptor_ends_the_lease() {
    let Some(bus) = PrivateBus::start("closing_the_descriptor_ends_the_lease") else { return };
    let notes = Arc::new(Mutex::new(Vec::new()));
    let log = notes.clone();
    let script = move |world: &mut World, command: Command| {
        match &command {
            Command::Inhibit { device: Device::Reader, why, .. } => log.lock().unwrap().push(why.clone()),
            Command::InhibitEnded { device: Device::Reader } => log.lock().unwrap().push("ended".to_owned()),
            _ => {}
        }
        world.usual(command)
    };
    let stage = Stage::open(&bus, Box::new(script)).await;
    let (app, second) = (App::on(&bus).await, App::on(&bus).await);
    let lease = inhibit(&app).await.unwrap();
    assert_eq!(inhibit(&second).await.unwrap_err().0, "Busy", "one holder at a time");
    assert!(app.call::<_, OwnedFd>(names::KEYPAD, names::KEYPAD_INTERFACE, "Inhibit", &("a", "b")).await.is_ok());
    assert_eq!(*notes.lock().unwrap(), ["technician: cleaning"]);
    drop(lease);
    stage.asked("inhibit-ended").await;
    bus::within("the next holder", async {
        while inhibit(&second).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_holder_that_dies_holds_no_more() {
    let Some(bus) = PrivateBus::start("a_holder_that_dies_holds_no_more") else { return };
    let stage = Stage::usual(&bus).await;
    // A process of its own asks for the lease, and is killed while it holds it.
    let holder = std::process::Command::new("/usr/bin/python3")
        .args(["-c", HOLDER, &bus.address])
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut holder) = holder else { return bus::skip("a_holder_that_dies_holds_no_more", "no python3") };
    let mut out = holder.stdout.take().unwrap();
    let said = tokio::task::spawn_blocking(move || {
        let mut word = [0u8; 4];
        out.read_exact(&mut word).map(|()| word)
    });
    let said = bus::within("the holder", said).await.unwrap();
    if said.is_err() {
        let _ = holder.wait();
        return bus::skip("a_holder_that_dies_holds_no_more", "no python3-dbus");
    }
    assert!(!stage.commands().contains(&"inhibit-ended"));
    holder.kill().unwrap();
    holder.wait().unwrap();
    stage.asked("inhibit-ended").await;
}

/// Takes the lease, says so, and holds it until it is killed.
const HOLDER: &str = r#"
import signal, sys
import dbus
bus = dbus.bus.BusConnection(sys.argv[1])
reader = bus.get_object("org.smartposd.Pos1", "/org/smartposd/Pos1/Reader0")
lease = reader.Inhibit("script", "test", dbus_interface="org.smartposd.Pos1.Reader").take()
sys.stdout.write("held")
sys.stdout.flush()
while True:
    signal.pause()
"#;

#[tokio::test]
async fn a_refused_lease_holds_nothing() {
    let Some(bus) = PrivateBus::start("a_refused_lease_holds_nothing") else { return };
    let mut first = true;
    let script = move |_: &mut World, command: Command| match command {
        Command::Inhibit { .. } if std::mem::take(&mut first) => {
            refuse(RefusalKind::Busy, None, "a payment is under way; try again when it is over")
        }
        _ => Reply::Done.into(),
    };
    let stage = Stage::open(&bus, Box::new(script)).await;
    let app = App::on(&bus).await;
    assert_eq!(inhibit(&app).await.unwrap_err().0, "Busy");
    let lease = inhibit(&app).await;
    assert!(lease.is_ok(), "the refused one left no trace");
    assert!(!stage.commands().contains(&"inhibit-ended"), "nothing has ended, since nothing had begun");
}

#[test]
fn the_holder_sees_when_the_daemon_has_gone() {
    let Some(bus) = PrivateBus::start("the_holder_sees_when_the_daemon_has_gone") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (lease, stage) = runtime.block_on(async {
        let stage = Stage::usual(&bus).await;
        (inhibit(&App::on(&bus).await).await.unwrap(), stage)
    });
    let mut lease = std::fs::File::from(std::os::fd::OwnedFd::from(lease));
    let early = lease.read(&mut [0u8; 1]).map_err(|e| e.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "as long as the daemon lives there is nothing to read");
    drop(stage);
    drop(runtime);
    assert_eq!(lease.read(&mut [0u8; 1]).unwrap(), 0);
}
