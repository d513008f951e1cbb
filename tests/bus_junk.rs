//! What it proves: ten thousand junk calls cost the daemon nothing but the answers: each gets a named error, it keeps
//! serving others meanwhile, and memory and objects are as before.

#[path = "common/bus.rs"]
mod bus;

use std::collections::HashMap;
use std::fs;

use bus::{App, PrivateBus, Stage, none, within};
use futures_util::StreamExt;
use smartpos::bus::names;
use zbus::message::Type;
use zbus::{Message, MessageStream, Variant};

const CALLS: usize = 10_000;

/// One of many ways to be wrong.
fn junk(n: usize) -> Message {
    let call = |path: &str, interface: &str, member: &str| {
        Message::method_call(path.to_owned(), member.to_owned())
            .destination(names::BUS_NAME)
            .interface(interface.to_owned())
    };
    let terminal = names::TERMINAL_INTERFACE;
    let many: HashMap<String, Variant<'_>> = (0..20).map(|i| (format!("k{i}"), Variant::new(i))).collect();
    let built = match n % 10 {
        0 => call("/no/such/object", terminal, "SignIn").build(&()),
        1 => call(names::TERMINAL, "no.such.interface", "SignIn").build(&()),
        2 => call(names::TERMINAL, terminal, "NoSuchMethod").build(&(n as u64,)),
        3 => call(names::TERMINAL, terminal, "SignIn").build(&("text instead of a dictionary",)),
        4 => call(names::TERMINAL, terminal, "SignIn").build(&(many,)),
        5 => call(names::TERMINAL, terminal, "CreateTransaction").build(&("gift", "", 0u64, "???", none())),
        6 => call(names::TERMINAL, terminal, "FindTransaction").build(&("\u{1F4A9}".repeat(500),)),
        7 => call("/org/smartposd/Pos1/Transaction/999999999", names::TRANSACTION_INTERFACE, "Start").build(&()),
        8 => call(names::TERMINAL, "org.freedesktop.DBus.Properties", "Set").build(&(
            terminal,
            "State",
            Variant::new("ready"),
        )),
        _ => call(names::READER, names::READER_INTERFACE, "Inhibit").build(&("", "\u{0007}".repeat(3000))),
    };
    built.unwrap()
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_junk_calls_each_get_an_error_and_the_daemon_keeps_serving() {
    const TEST: &str = "ten_thousand_junk_calls_each_get_an_error_and_the_daemon_keeps_serving";
    let Some(bus) = PrivateBus::start(TEST) else { return };
    let stage = Stage::usual(&bus).await;
    let (vandal, honest) = (App::on(&bus).await, App::on(&bus).await);
    // One round first, so that what is made once is not counted.
    flood(&vandal, &honest, CALLS / 10).await;
    let before = resident();
    let errors = flood(&vandal, &honest, CALLS).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more than before");
    for name in [
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.DBus.Error.UnknownInterface",
        "org.freedesktop.DBus.Error.UnknownMethod",
        "org.freedesktop.DBus.Error.InvalidArgs",
        "org.freedesktop.DBus.Error.UnknownProperty",
        "org.smartposd.Pos1.Error.InvalidArgument",
    ] {
        assert!(errors.contains_key(name), "{name} is missing: {errors:?}");
    }
    assert!(!errors.contains_key("org.smartposd.Pos1.Error.Internal"), "{errors:?}");
    assert!(!stage.commands().contains(&"start") && !stage.commands().contains(&"inhibit"));
    assert!(stage.commands().iter().all(|c| *c == "create" || *c == "acknowledge"), "{:?}", stage.commands());
}

/// Sends junk without waiting for answers, while an honest app sells; counts the errors by name.
async fn flood(vandal: &App, honest: &App, calls: usize) -> HashMap<String, usize> {
    let mut answers = MessageStream::from(&vandal.connection);
    answers.set_max_queued(std::num::NonZeroUsize::new(CALLS + 64).unwrap());
    let sender = vandal.connection.clone();
    let sending = tokio::spawn(async move {
        for n in 0..calls {
            sender.send(&junk(n)).await.unwrap();
            if n % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let honest = honest.clone();
    let selling = tokio::spawn(async move {
        for n in 0..20 {
            let path = honest.create(&format!("honest-{calls}-{n}")).await;
            honest.payment(&path, "Acknowledge").await.unwrap();
        }
    });
    let mut errors: HashMap<String, usize> = HashMap::new();
    let mut count = 0;
    while count < calls {
        let message = within("an answer to junk", answers.next()).await.unwrap().unwrap();
        match message.message_type() {
            Type::Error => {
                count += 1;
                *errors.entry(message.header().error_name().unwrap().to_string()).or_default() += 1;
            }
            Type::MethodReturn => panic!("junk was accepted: {message:?}"),
            Type::MethodCall | Type::Signal => {}
        }
    }
    within("the sender", sending).await.unwrap();
    within("the honest app", selling).await.unwrap();
    errors
}
