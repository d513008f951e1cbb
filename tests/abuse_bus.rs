//! Apps that die, quarrel or talk nonsense cost nobody money.
//!
//! Proves, with the shipped daemon: a client that dies at any step leaves its payment cancelled or, once the request has
//! left, finished and findable; two apps at once each get their sale exactly once; ten thousand junk calls during a sale
//! each get a named error and the sale is approved; another user can neither see nor touch a payment.

#[path = "common/books.rs"]
mod books;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/site.rs"]
mod site;

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rig::{PIN, Rig, Setup, eventually, skip};
use site::{SERVICE, TERMINAL, Till};
use zbus::{Message, Variant};

const AMOUNT: u64 = 1_234;
const JUNK: usize = 10_000;

/// What is left of a dead app's payment: outcome and evidence.
fn left_behind(till: &Till, key: &str) -> (String, String) {
    let sale = till.find(key);
    eventually("an end without its app", || (till.state(&sale)? == "finished").then_some(()));
    let end = (till.result(&sale, "outcome"), till.result(&sale, "evidence"));
    till.acknowledge(&sale);
    end
}

fn gone() -> (String, String) {
    ("cancelled".to_owned(), "the app has gone".to_owned())
}

#[test]
fn an_app_that_dies_before_anything_is_sent_leaves_a_cancelled_payment_and_a_free_terminal() {
    let test = "an_app_that_dies_before_anything_is_sent_leaves_a_cancelled_payment_and_a_free_terminal";
    let Some((rig, till)) = site::started(test, Setup::default()) else { return };

    let app = Till::new(&rig.bus_address);
    app.create(AMOUNT, "created").unwrap();
    app.die();
    assert_eq!(left_behind(&till, "created"), gone());

    let app = Till::new(&rig.bus_address);
    app.begin(AMOUNT, "at-the-card");
    till.wait_prompt("present-card");
    app.die();
    assert_eq!(left_behind(&till, "at-the-card"), gone());
    eventually("the reader to stop looking for cards", || {
        (till.property("/org/smartposd/Pos1/Reader0", "Reader", "State")? == "ready").then_some(())
    });

    let app = Till::new(&rig.bus_address);
    app.begin(AMOUNT, "at-the-pin");
    till.wait_prompt("present-card");
    rig.reader_order("card in");
    till.wait_prompt("enter-pin");
    app.die();
    assert_eq!(left_behind(&till, "at-the-pin"), gone());
    rig.reader_order("card out");

    assert_eq!(books::agree(&rig), (0, 0));
    till.wait_ready();
    till.sell(&rig, AMOUNT, "next", PIN, "approved");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}

#[test]
fn an_app_that_dies_after_the_request_has_left_finds_its_result_again() {
    let test = "an_app_that_dies_after_the_request_has_left_finds_its_result_again";
    let Some((rig, till)) = site::unattended(test, Setup::default()) else { return };
    for (fault, outcome, charged) in [
        ("0200 delay 700", "approved", 1),
        ("0200 code 51", "declined", 1),
        ("0200 drop", "cancelled", 1),
        ("0200 delay 700", "approved", 2),
    ] {
        rig.acquirer_order(&format!("fault {fault}"));
        let key = format!("sent-{outcome}-{charged}");
        let app = Till::new(&rig.bus_address);
        let sale = app.begin(AMOUNT, &key);
        eventually("the request to leave", || (app.state(&sale)? != "awaiting-card").then_some(()));
        eventually("the request at the acquirer", || (rig.acquirer_order("faults").trim() == "ok 0").then_some(()));
        app.die();
        assert_eq!(left_behind(&till, &key).0, outcome, "{fault}");
        // The app comes again and asks with the same key and arguments: it is the same payment, not another charge.
        let again = Till::new(&rig.bus_address);
        let same = again.create(AMOUNT, &key).unwrap();
        assert_eq!(again.result(&same, "outcome"), outcome);
        assert!(again.start(&same).unwrap_err().to_string().contains("WrongState"));
        assert_eq!(books::agree(&rig), (charged, charged * AMOUNT), "{fault}");
    }
}

#[test]
fn two_apps_at_once_are_served_one_after_the_other_and_each_once() {
    let test = "two_apps_at_once_are_served_one_after_the_other_and_each_once";
    let Some((rig, _till)) = site::unattended(test, Setup::default()) else { return };
    let sell = |name: &'static str| {
        let app = Till::new(&rig.bus_address);
        let mut busy = 0;
        for round in 0..20 {
            let sale = app.create(AMOUNT, &format!("{name}-{round}")).unwrap();
            eventually("a free terminal", || match app.start(&sale) {
                Ok(_) => Some(()),
                Err(why) => {
                    assert!(why.to_string().contains("Busy"), "{why}");
                    busy += 1;
                    None
                }
            });
            app.wait_outcome(&sale, "approved");
            app.acknowledge(&sale);
        }
        busy
    };
    let refused: u32 = std::thread::scope(|scope| {
        let apps = ["one", "two", "three"].map(|name| scope.spawn(move || sell(name)));
        apps.into_iter().map(|app| app.join().unwrap()).sum()
    });
    assert!(refused > 0, "they never met");
    assert_eq!(books::agree(&rig), (60, 60 * AMOUNT));
}

/// One of many ways to be wrong, about this payment among other things.
fn junk(n: usize, sale: &str) -> Message {
    let none = HashMap::<&str, Variant<'_>>::new;
    let call = |path: &str, interface: &str, member: &str| {
        let named = |what: &str| format!("{SERVICE}.{what}");
        let interface = if interface.contains('.') { interface.to_owned() } else { named(interface) };
        Message::method_call(path.to_owned(), member.to_owned()).destination(SERVICE).interface(interface)
    };
    let many: HashMap<String, Variant<'_>> = (0..30).map(|i| (format!("k{i}"), Variant::new(i))).collect();
    let option = |key: &'static str, value: Variant<'static>| HashMap::from([(key, value)]);
    let create = || call(TERMINAL, "Terminal", "CreateTransaction");
    let built = match n % 20 {
        0 => call("/no/such/object", "Terminal", "SignIn").build(&()),
        1 => call(TERMINAL, "no.such.interface", "SignIn").build(&()),
        2 => call(TERMINAL, "Terminal", "NoSuchMethod").build(&(n as u64,)),
        3 => call(TERMINAL, "Terminal", "SignIn").build(&("text instead of a dictionary",)),
        4 => call(TERMINAL, "Terminal", "SignIn").build(&(many,)),
        5 => create().build(&("gift", "k", 1u64, "CNY", none())),
        6 => create().build(&("sale", "", 1u64, "CNY", none())),
        7 => create().build(&("sale", "x".repeat(100_000), 1u64, "CNY", none())),
        8 => create().build(&("sale", "k", u64::MAX, "CNY", none())),
        9 => create().build(&("sale", "k", 1u64, "???", none())),
        10 => create().build(&("sale", "k", 1u64, "CNY", option("tip", Variant::new(5u64)))),
        11 => create().build(&("sale", "k", 1u64, "CNY", option("confirm-amount", Variant::new("yes")))),
        12 => create().build(&("sale", "k", -1i64, "CNY", none())),
        13 => call(TERMINAL, "Terminal", "FindTransaction").build(&("\u{1F4A9}".repeat(5_000),)),
        14 => call("/org/smartposd/Pos1/Transaction/999999999", "Transaction", "Start").build(&()),
        // The payment under way: it cannot be started twice.
        15 => call(sale, "Transaction", "Start").build(&()),
        16 => call(sale, "Transaction", "Acknowledge").build(&(1u32,)),
        17 => call(sale, "Transaction", "Cancel").build(&("now",)),
        18 => call(TERMINAL, "org.freedesktop.DBus.Properties", "Set").build(&(
            format!("{SERVICE}.Terminal"),
            "State",
            Variant::new("ready"),
        )),
        _ => call("/org/smartposd/Pos1/Reader0", "Reader", "Inhibit").build(&("", "\u{7}".repeat(3_000))),
    };
    built.unwrap()
}

#[test]
fn ten_thousand_junk_calls_during_a_sale_each_get_a_named_error_and_the_sale_is_approved() {
    let test = "ten_thousand_junk_calls_during_a_sale_each_get_a_named_error_and_the_sale_is_approved";
    let Some((rig, till)) = site::started(test, Setup::default()) else { return };
    let sale = till.begin(AMOUNT, "honest");
    till.wait_prompt("present-card");
    let errors: BTreeMap<String, usize> = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let vandal = Till::new(&rig.bus_address);
            vandal.flood(JUNK, |n| junk(n, &sale))
        });
        // Meanwhile the customer pays.
        till.customer(&rig, PIN);
        till.wait_outcome(&sale, "approved");
        flood.join().unwrap()
    });
    assert_eq!(errors.values().sum::<usize>(), JUNK);
    for name in errors.keys() {
        let last = name.rsplit('.').next().unwrap();
        let known = match name.strip_suffix(last) {
            Some("org.freedesktop.DBus.Error.") => {
                ["UnknownObject", "UnknownInterface", "UnknownMethod", "UnknownProperty", "InvalidArgs"].contains(&last)
            }
            // Busy: so many calls of one client at once are not let in.
            Some("org.smartposd.Pos1.Error.") => {
                ["InvalidArgument", "NotFound", "WrongState", "LimitExceeded", "Busy"].contains(&last)
            }
            _ => false,
        };
        assert!(known, "{name}: {errors:?}");
    }
    assert!(errors.len() >= 7, "{errors:?}");
    till.sell(&rig, AMOUNT, "after", PIN, "approved");
    assert_eq!(books::agree(&rig), (2, 2 * AMOUNT));
    assert_eq!(books::rows(&rig).len(), 2, "junk made payments");
}

/// A call by a user of this machine: the error's name, or "" if it was answered.
fn as_user(rig: &Rig, user: &nix::unistd::User, path: &str, method: &str) -> Option<String> {
    let mut command = Command::new("dbus-send");
    command.arg(format!("--bus={}", rig.bus_address)).arg("--print-reply").arg(format!("--dest={SERVICE}"));
    command.args([path, &format!("{SERVICE}.{method}")]).current_dir("/");
    let output = command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(said.strip_prefix("Error ").map(|e| e.split(':').next().unwrap().to_owned()).unwrap_or(said))
}

#[test]
fn another_user_can_neither_read_nor_move_a_payment() {
    let test = "another_user_can_neither_read_nor_move_a_payment";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "only root can call as other users");
    }
    let Some(nobody) = nix::unistd::User::from_name("nobody").unwrap() else { return skip(test, "no user nobody") };
    let Some((rig, till)) = site::started(test, Setup::default()) else { return };
    // Others have to reach the bus's socket.
    std::fs::set_permissions(rig.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let sale = till.begin(AMOUNT, "mine");
    till.wait_prompt("present-card");
    for (path, method, error) in [
        (sale.as_str(), "Transaction.GetResult", "NotAuthorized"),
        (&sale, "Transaction.Start", "NotAuthorized"),
        (&sale, "Transaction.Cancel", "NotFound"),
        (&sale, "Transaction.Acknowledge", "NotFound"),
        (TERMINAL, "Terminal.OperatorSignOut", "NotAuthorized"),
        (TERMINAL, "Keys.Abandon", "NotAuthorized"),
        ("/org/smartposd/Pos1/Reader0", "Reader.Reset", "NotAuthorized"),
    ] {
        let Some(said) = as_user(&rig, &nobody, path, method) else { return skip(test, "no dbus-send") };
        assert_eq!(said, format!("{SERVICE}.Error.{error}"), "{method}");
    }
    till.customer(&rig, PIN);
    till.wait_outcome(&sale, "approved");
    assert_eq!(books::agree(&rig), (1, AMOUNT));
}
