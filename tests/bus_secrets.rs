//! What it proves: a password, key component, passphrase or card number reaches the core through a file descriptor and never stands in a message
//! of the bus, not even in part; descriptors that could hurt are refused.

#[path = "common/bus.rs"]
mod bus;

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bus::{App, PrivateBus, Stage, World, none, pipe_with, within};
use futures_util::StreamExt;
use nix::sys::memfd::{MFdFlags, memfd_create};
use smartpos::bus::names;
use smartpos::engine::command::{Command, Reply};
use zbus::{Connection, Fd, MessageStream, OwnedVariant};

const PASSWORD: &[u8] = b"Tr0ub4dor&3";
const CARD: &[u8] = b"6200 0000 4711 0815 018";
const PASSPHRASE: &[u8] = b"correct horse battery";
const COMPONENT: &[u8] = b"A1B2C3D4E5F60718293A4B5C6D7E8F90";

/// Everything that goes over the bus, as bytes.
async fn monitor(bus: &PrivateBus) -> (Connection, MessageStream) {
    let connection = bus.client().await;
    let everything: Vec<&str> = Vec::new();
    connection
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus.Monitoring"),
            "BecomeMonitor",
            &(everything, 0u32),
        )
        .await
        .unwrap();
    let stream = MessageStream::from(&connection);
    (connection, stream)
}

fn memory_with(bytes: &[u8]) -> OwnedFd {
    let memory = memfd_create(c"secret", MFdFlags::MFD_CLOEXEC).unwrap();
    std::fs::File::from(memory.try_clone().unwrap()).write_all(bytes).unwrap();
    memory
}

#[tokio::test]
async fn secrets_reach_the_core_and_never_stand_in_a_message() {
    let Some(bus) = PrivateBus::start("secrets_reach_the_core_and_never_stand_in_a_message") else { return };
    let came = Arc::new(Mutex::new(Vec::new()));
    let log = came.clone();
    let script = move |world: &mut World, command: Command| {
        let keep = |secret: &[u8]| log.lock().unwrap().push(secret.to_vec());
        match &command {
            Command::OperatorSignIn { password, .. } | Command::OperatorSet { password, .. } => keep(password.expose()),
            Command::DenyCard { pan, .. } => keep(pan.expose().as_bytes()),
            Command::Backup { passphrase, .. } => keep(passphrase.expose()),
            Command::LoadKeyComponent { component, .. } => {
                keep(component.expose());
                return Reply::KeyComponent { component_check: "1A2B3C".to_owned(), key_check: None }.into();
            }
            _ => {}
        }
        world.usual(command)
    };
    let _stage = Stage::open(&bus, Box::new(script)).await;
    let app = App::on(&bus).await;
    let (_listener, mut overheard) = monitor(&bus).await;

    let (piped, stored) = (pipe_with(PASSWORD), memory_with(PASSWORD));
    app.terminal::<_, ()>("OperatorSignIn", &("01", Fd::from(&piped), none())).await.unwrap();
    app.terminal::<_, ()>("SetOperator", &("01", "supervisor", Fd::from(&stored), none())).await.unwrap();
    let component = pipe_with(COMPONENT);
    let body = (1u32, "Wang", Fd::from(&component), none());
    let checks: HashMap<String, OwnedVariant> =
        app.call(names::TERMINAL, names::KEYS_INTERFACE, "LoadComponent", &body).await.unwrap();
    assert_eq!(<&str>::try_from(&checks["component-check"]), Ok("1A2B3C"));
    let (card, passphrase, file) = (pipe_with(CARD), pipe_with(PASSPHRASE), tempfile::tempfile().unwrap());
    app.queue::<_, ()>("DenyCard", &(Fd::from(&card), "reported lost")).await.unwrap();
    app.manager::<_, ()>("Backup", &(Fd::from(&passphrase), Fd::from(&file), none())).await.unwrap();
    app.property::<String>(names::TERMINAL, names::TERMINAL_INTERFACE, "MerchantId").await;

    let binary: Vec<u8> =
        COMPONENT.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    let digits: Vec<u8> = CARD.iter().copied().filter(|b| *b != b' ').collect();
    let wanted = [PASSWORD, PASSWORD, &binary, &digits, PASSPHRASE].map(<[u8]>::to_vec);
    assert!(*came.lock().unwrap() == wanted);

    let mut seen = Vec::new();
    while !seen.iter().any(|m: &Vec<u8>| contains(m, b"MerchantId")) {
        seen.push(within("the monitor", overheard.next()).await.unwrap().unwrap().data().to_vec());
    }
    assert!(seen.iter().any(|m| contains(m, b"SetOperator")), "the monitor hears what is said");
    for message in seen {
        for secret in [PASSWORD, COMPONENT, &binary, PASSPHRASE] {
            assert!(!secret.windows(4).any(|part| contains(&message, part)), "a message holds part of a secret");
        }
        // Its zeros are in every message.
        for part in [CARD, &digits, b"4711", b"0815"] {
            assert!(!contains(&message, part), "a message holds part of a card number");
        }
    }
}

fn contains(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|w| w == part)
}

#[tokio::test]
async fn descriptors_that_could_hurt_are_refused() {
    let Some(bus) = PrivateBus::start("descriptors_that_could_hurt_are_refused") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let file = |path: &str| OwnedFd::from(std::fs::File::open(path).unwrap());
    let socket = OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
    let flood = vec![b'x'; 5000];
    let cases = [
        ("a device", file("/dev/zero")),
        ("a directory", file("/")),
        ("a file", file("/proc/self/cmdline")),
        ("a socket", socket),
        ("too long a pipe", pipe_with(&flood)),
        ("too long a memory file", memory_with(&flood)),
        ("an empty pipe", pipe_with(b"")),
        ("a lone line end", pipe_with(b"\n")),
    ];
    for (what, fd) in cases {
        let refused = app.terminal::<_, ()>("OperatorSignIn", &("01", Fd::from(&fd), none())).await;
        assert_eq!(refused.expect_err(what).0, "InvalidArgument", "{what}");
    }
    assert!(stage.commands().is_empty(), "the core was asked: {:?}", stage.commands());
}

#[tokio::test]
async fn a_writer_that_never_ends_holds_up_nobody() {
    let Some(bus) = PrivateBus::start("a_writer_that_never_ends_holds_up_nobody") else { return };
    let _stage = Stage::usual(&bus).await;
    let (slow, other) = (App::on(&bus).await, App::on(&bus).await);
    let (reader, _writer) = std::io::pipe().unwrap();
    let since = Instant::now();
    let waiting = tokio::spawn(async move {
        let fd = OwnedFd::from(reader);
        slow.terminal::<_, ()>("OperatorSignIn", &("01", Fd::from(&fd), none())).await
    });
    let password = pipe_with(PASSWORD);
    other.terminal::<_, ()>("OperatorSignIn", &("02", Fd::from(&password), none())).await.unwrap();
    assert!(!waiting.is_finished());
    let refused = within("the end of patience", waiting).await.unwrap().unwrap_err();
    assert_eq!(refused.0, "InvalidArgument");
    assert!(refused.1.contains("in time"), "{}", refused.1);
    assert!(since.elapsed() < Duration::from_secs(15));
}
