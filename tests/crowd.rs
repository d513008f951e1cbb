//! A thousand clients at once cannot pass a limit, nor get two charges for one key.
//!
//! Proves, with the shipped daemon, a real bus and a thousand connections of their own: the same key from everybody is one
//! payment and one charge; and of a thousand payments that want to go offline exactly as many do as the limits allow.

#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rig::{PATIENCE, Rig, Setup, eventually, skip};
use site::{SERVICE, TERMINAL, Till, edit_profile};
use tokio::task::JoinSet;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

const CLIENTS: usize = 1_000;
const ROOM: u32 = 10;
const AMOUNT: u64 = 700;

/// Connections cost a descriptor here, and one in the bus that inherits our limit.
fn room_for_connections(test: &str) -> bool {
    let wanted = 4 * u64::try_from(CLIENTS).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < wanted {
        skip(test, &format!("only {hard} file descriptors are allowed here; {wanted} are needed"));
        return false;
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).unwrap();
    true
}

async fn connect(address: &str) -> Connection {
    zbus::connection::Builder::address(address).build().await.unwrap()
}

/// Calls until the answer is another than that there is no room for it at the moment.
async fn insist<B>(bus: &Connection, path: &str, face: &str, method: &str, body: &B) -> zbus::Result<zbus::Message>
where
    B: serde::Serialize + zbus::DynamicType + Sync,
{
    let face = format!("{SERVICE}.{face}");
    let end = Instant::now() + 3 * PATIENCE;
    loop {
        let answer = bus.call_method(Some(SERVICE), path, Some(face.as_str()), method, body).await;
        let later = match &answer {
            Err(zbus::Error::MethodError(name, text, _)) => {
                // A reader that is being brought back is back in a moment.
                let passing = [".Busy", ".ReaderUnavailable"].iter().any(|end| name.as_str().ends_with(end));
                passing || text.as_deref().is_some_and(|t| t.contains("wait to be started"))
            }
            _ => false,
        };
        if !later {
            return answer;
        }
        assert!(Instant::now() < end, "{method} found no room: {answer:?}");
        tokio::task::yield_now().await;
    }
}

async fn property(bus: &Connection, path: &str, name: &str) -> String {
    let of = (format!("{SERVICE}.Transaction"), name);
    let asked = bus.call_method(Some(SERVICE), path, Some("org.freedesktop.DBus.Properties"), "Get", &of).await;
    let value = asked.ok().and_then(|m| m.body().deserialize::<OwnedVariant>().ok());
    value.and_then(|v| String::try_from(v).ok()).unwrap_or_default()
}

/// One client's payment: its outcome, or the error that refused it.
async fn pay(bus: Connection, key: String, mode: &'static str) -> (String, String) {
    let options = HashMap::from([("mode", Variant::from(mode)), ("detached", Variant::from(true))]);
    let arguments = ("sale", key.as_str(), AMOUNT, "CNY", options);
    let created = match insist(&bus, TERMINAL, "Terminal", "CreateTransaction", &arguments).await {
        Ok(message) => message.body().deserialize::<OwnedObjectPath>().unwrap(),
        Err(refused) => return (String::new(), refused.to_string()),
    };
    let path = created.as_str().to_owned();
    let started = insist(&bus, &path, "Transaction", "Start", &()).await;
    if let Err(refused) = started {
        let text = refused.to_string();
        // Somebody else started the same payment; then its end is everybody's.
        if !text.contains("WrongState") || text.contains("offline-") {
            drop(insist(&bus, &path, "Transaction", "Cancel", &()).await);
            drop(insist(&bus, &path, "Transaction", "Acknowledge", &()).await);
            return (path, text);
        }
    }
    let end = Instant::now() + 3 * PATIENCE;
    loop {
        let outcome = property(&bus, &path, "Outcome").await;
        if !outcome.is_empty() {
            return (path, outcome);
        }
        assert!(Instant::now() < end, "payment {path} does not end");
        tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await.unwrap_err();
    }
}

fn everybody(rig: &Rig, key: impl Fn(usize) -> String, mode: &'static str) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut all = Vec::new();
        for _ in 0..CLIENTS {
            all.push(connect(&rig.bus_address).await);
        }
        let mut set = JoinSet::new();
        for (number, bus) in all.into_iter().enumerate() {
            set.spawn(pay(bus, key(number), mode));
        }
        set.join_all().await
    })
}

#[test]
fn a_thousand_clients_cannot_pass_an_offline_limit_nor_get_two_charges_for_one_key() {
    let test = "a_thousand_clients_cannot_pass_an_offline_limit_nor_get_two_charges_for_one_key";
    if !room_for_connections(test) {
        return;
    }
    let profile = format!("[offline]\nenabled = true\nper_card_per_day = 100\ncount = {ROOM}\n");
    let Some(mut rig) = Rig::new(test, Setup { profile, ..Setup::default() }) else { return };
    edit_profile(&rig, "pin_above = 0", "pin_above = 5000000");
    rig.reader_order("card in");
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();

    let ends = everybody(&rig, |_| "everybodys".to_owned(), "online-only");
    let paths: std::collections::BTreeSet<_> = ends.iter().map(|(path, _)| path).collect();
    assert_eq!(paths.len(), 1, "one key, one payment");
    assert!(
        ends.iter().all(|(_, outcome)| outcome == "approved"),
        "{:?}\n{}",
        ends.iter().find(|e| e.1 != "approved"),
        rig.log()
    );
    assert_eq!(rig.ledger()["charged"], 1, "one key, one charge");

    rig.stop_acquirer();
    let ends = everybody(&rig, |number| format!("own-{number}"), "offline-only");
    let accepted = ends.iter().filter(|(_, outcome)| outcome == "approved-offline").count();
    assert_eq!(accepted, usize::try_from(ROOM).unwrap(), "the limit is a limit");
    // A card may be missed on a busy machine; that payment is cancelled.
    let named = |end: &str| end == "approved-offline" || end == "cancelled" || end.contains("offline-count");
    assert!(ends.iter().all(|(_, end)| named(end)), "{:?}", ends.iter().find(|e| !named(&e.1)));
    let of = ("org.smartposd.Pos1.Queue", "Depth");
    let depth = eventually("the depth of the queue", || {
        let answer = till.plain_call(TERMINAL, "org.freedesktop.DBus.Properties", "Get", &of).ok()?;
        u32::try_from(answer.body().deserialize::<OwnedVariant>().ok()?).ok()
    });
    assert_eq!(depth, ROOM);
}
