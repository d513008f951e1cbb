//! The matrix: every fault, how it is made and mended, and who is to blame, written down by hand.

use crate::net::ACQUIRER_BY_NAME;
use crate::shop::Shop;

type Act = fn(&mut Shop);

/// When the doctor is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// When the terminal shows a cause.
    Terminal,
    /// When reader or keypad shows one.
    Device,
}

/// One fault.
pub struct Fault {
    pub name: &'static str,
    /// The cause; "" where nothing is wrong that matters.
    pub cause: &'static str,
    /// Whether the daemon starts into it, or meets it while it works.
    pub from_start: bool,
    pub when: When,
    /// Whether it needs network namespaces.
    pub net: bool,
    pub make: Act,
    pub mend: Act,
}

const NOTHING: Act = |_| ();

const fn fault(name: &'static str, cause: &'static str, make: Act, mend: Act) -> Fault {
    Fault { name, cause, from_start: false, when: When::Now, net: false, make, mend }
}

/// A fault of the host from the daemon's start on.
const fn host(name: &'static str, cause: &'static str, make: Act) -> Fault {
    Fault { from_start: true, ..fault(name, cause, make, clear) }
}

/// What the host says to a sign-in.
const fn said(name: &'static str, cause: &'static str, make: Act) -> Fault {
    Fault { when: When::Terminal, ..host(name, cause, make) }
}

const fn device(name: &'static str, cause: &'static str, make: Act, mend: Act) -> Fault {
    Fault { when: When::Device, ..fault(name, cause, make, mend) }
}

const fn net(fault: Fault) -> Fault {
    Fault { net: true, ..fault }
}

const fn from_start(fault: Fault) -> Fault {
    Fault { from_start: true, ..fault }
}

fn clear(shop: &mut Shop) {
    order(shop, "clear");
}

fn order(shop: &Shop, order: &str) {
    shop.rig.acquirer_order(order);
}

fn sign_in(shop: &Shop) {
    let _ = shop.rig.posctl(&["sign-in"]);
}

fn unfiltered(shop: &mut Shop) {
    shop.net().no_filter();
}

fn ip(shop: &Shop, room: &str, words: &str) {
    shop.net().ip(room, words).unwrap();
}

fn named(shop: &mut Shop, mode: &str) {
    shop.names = None;
    if mode != "silent" {
        shop.names = Some(shop.net().serve("world", &["dns", "10.81.2.53", mode]));
    }
    shop.profile(ACQUIRER_BY_NAME, "");
}

fn names_well(shop: &mut Shop) {
    named(shop, "answer");
    shop.usual_profile();
}

fn secured(shop: &mut Shop, flaw: Option<&str>) {
    let right = shop.rig.path("tls").display().to_string();
    let shown = shop.rig.path("tls-shown").display().to_string();
    let name = "--tls-name=10.81.2.2";
    shop.acquirer(&["--tls-self-signed", &right, name]);
    match flaw {
        Some("plain") => shop.acquirer(&[]),
        // The authority pinned is the flawed one's own, so that only the flaw is wrong.
        Some(flaw) => shop.acquirer(&["--tls-self-signed", &shown, &format!("--tls-flaw={flaw}"), name]),
        None => {}
    }
    let pinned = if matches!(flaw, Some("expired" | "wrong-name" | "wrong-authority")) { shown } else { right };
    shop.profile_with(&format!("[tls]\nmode = \"pinned-ca\"\nca = \"{pinned}/ca.pem\"\n"));
}

fn page_for_tls(shop: &mut Shop) {
    secured(shop, Some("plain"));
    order(shop, "fault connect html sticky");
}

fn unsecured(shop: &mut Shop) {
    shop.acquirer(&[]);
    shop.usual_profile();
}

/// Every fault, those that need no namespaces first.
pub fn all() -> Vec<Fault> {
    let mut all = vec![
        fault("nothing is wrong", "", NOTHING, NOTHING),
        fault("acquirer refuses connections", "N05", |s| s.no_acquirer(), |s| s.acquirer(&[])),
        host("silent host from the start", "N10", |s| order(s, "fault any ignore sticky")),
        fault("silent host after good answers", "B06", |s| order(s, "fault any ignore sticky"), clear),
        host("host takes connections and says nothing", "N10", |s| order(s, "fault hang-accept sticky")),
        host("host closes connections at once", "N10", |s| order(s, "fault connect close sticky")),
        host("host closes after the request", "N10", |s| order(s, "fault any close before sticky")),
        from_start(fault(
            "wrong TPDU in the profile",
            "N10",
            |s| s.profile_with("[frame]\ntpdu = \"6000990000\"\n"),
            |s| s.usual_profile(),
        )),
        host("web page on the acquirer's port", "N08", |s| order(s, "fault any html sticky")),
        host("web page as soon as it connects", "N08", |s| order(s, "fault connect html sticky")),
        said("sign-in answered 03", "B03", |s| order(s, "fault 0800 code 03 sticky")),
        said("sign-in answered 97", "B02", |s| order(s, "fault 0800 code 97 sticky")),
        said("sign-in answered 40", "B02", |s| order(s, "fault 0800 code 40 sticky")),
        said("sign-in answered 96", "B01", |s| order(s, "fault 0800 code 96 sticky")),
        said("sign-in answered 91", "B01", |s| order(s, "fault 0800 code 91 sticky")),
        said("sign-in answered 92", "B01", |s| order(s, "fault 0800 code 92 sticky")),
        said("sign-in answered 90", "B01", |s| order(s, "fault 0800 code 90 sticky")),
        said("sign-in answered 98", "B01", |s| order(s, "fault 0800 code 98 sticky")),
        said("sign-in answered 30", "S06", |s| order(s, "fault 0800 code 30 sticky")),
        said("sign-in answered 77", "B04", |s| order(s, "fault 0800 code 77 sticky")),
        said("sign-in answered 99", "K02", |s| order(s, "fault 0800 code 99 sticky")),
        said("sign-in answered A0", "K01", |s| order(s, "fault 0800 code A0 sticky")),
        said("wrong check value of the PIN key", "K03", |s| order(s, "fault 0800 wrong-kcv sticky")),
        // The other keys are right, so the master key is; what differs is the length that the profile gives the MAC key.
        said("wrong check value of the MAC key alone", "K05", |s| order(s, "fault 0800 wrong-kcv mak sticky")),
        said("key block of no known length", "K05", |s| order(s, "fault 0800 bad-key-block sticky")),
        said("host wants newer software", "S03", |s| order(s, "fault 0800 asks 6 sticky")),
        said("host has newer parameters", "S04", |s| order(s, "fault 0800 asks 1 sticky")),
        said("host's clock two hours ahead", "P01", |s| order(s, "fault 0800 clock +7200 sticky")),
        Fault { when: When::Terminal, ..from_start(fault("no master key", "K04", no_key, |s| s.bring_state_back())) },
        Fault {
            when: When::Terminal,
            ..fault("every answer with a wrong MAC", "K05", wrong_macs, |s| {
                clear(s);
                sign_in(s);
            })
        },
        device("reader unplugged", "H01", |s| drop(s.rig.reader_order("unplug")), |s| drop(s.rig.reader_order("plug"))),
        device("reader hangs", "H02", reader_hangs, |s| drop(s.rig.reader_order("reset"))),
        device("reader says nothing", "H02", reader_mute, |s| drop(s.rig.reader_order("silence off"))),
        device("noise on the reader's line, while a card is waited for", "H03", reader_noisy, reader_quiet),
        device("keypad unplugged", "H05", |s| drop(s.rig.keypad_order("unplug")), |s| drop(s.rig.keypad_order("plug"))),
        device("key stuck", "H06", |s| drop(s.rig.keypad_order("down 5")), |s| drop(s.rig.keypad_order("up 5"))),
        device("key bounces", "H07", key_bounces, key_is_clean),
        Fault {
            when: When::Terminal,
            ..fault("operator has signed out", "O03", |s| drop(s.rig.posctl(&["operator", "sign-out"])), operator_back)
        },
    ];
    all.extend(of_the_network());
    all
}

fn no_key(shop: &mut Shop) {
    shop.keep_state();
    for entry in std::fs::read_dir(shop.rig.path("state")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

/// The sale's answer and then its reversal's, right after a good sign-in: the keys are not the matter, their use is.
fn wrong_macs(shop: &mut Shop) {
    order(shop, "fault any wrong-mac sticky");
    let _ = shop.rig.sell("1.23", &format!("mac-{}", std::process::id())).result();
    shop.rig.reader_order("card out");
    until(|| shop.status()["terminal"]["state"] == "out-of-service");
}

/// Waits for it, in vain if it does not come: that is for the verdict to say.
fn until(mut seen: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !seen() && std::time::Instant::now() < end {
        crate::rig::pause();
    }
}

fn reader_hangs(shop: &mut Shop) {
    shop.rig.reader_order("hang");
    let _ = shop.rig.posctl(&["reader", "reset"]);
}

fn reader_mute(shop: &mut Shop) {
    shop.rig.reader_order("silence on");
    let _ = shop.rig.posctl(&["reader", "reset"]);
}

fn reader_noisy(shop: &mut Shop) {
    // Only while a card is waited for does the line carry much.
    let sale = shop.rig.begin_sale("1.23", &format!("noise-{}", std::process::id()));
    sale.wait_prompt("present-card");
    // One damaged frame in several; nothing but damaged ones would be a mute reader.
    until(|| {
        shop.rig.reader_order("corrupt 1");
        (0..5).for_each(|_| crate::rig::pause());
        shop.status()["reader"]["last_cause"] == "H03"
    });
    shop.sale = Some(sale);
}

fn reader_quiet(shop: &mut Shop) {
    shop.rig.keypad_order("cancel");
    let _ = shop.sale.take().map(crate::rig::Sale::result);
    let _ = shop.rig.posctl(&["reader", "reset"]);
}

fn key_bounces(shop: &mut Shop) {
    for digit in ["1", "2", "3", "4", "5", "6"] {
        shop.rig.keypad_order(&format!("bounce {digit} 4"));
    }
}

fn key_is_clean(shop: &mut Shop) {
    for _ in 0..8 {
        shop.rig.keypad_order("type 123456789012345678901234567890");
    }
}

fn operator_back(shop: &mut Shop) {
    shop.rig.posctl_with_secret(&["operator", "sign-in", "01"], "271828");
}

fn portal(shop: &mut Shop) {
    let page = shop.net().serve("router", &["web", "10.81.1.1", "8080", "log-in"]);
    shop.others.push(page);
    let rules = "table ip portal {\nchain p {\ntype nat hook prerouting priority -100\n\
                 iifname \"lan0\" ip daddr != 10.81.1.1 meta l4proto tcp redirect to :8080\n}\n}\n";
    shop.net().inside("router", "nft", &[rules]).unwrap();
}

fn cable_out(shop: &mut Shop) {
    ip(shop, "router", "link set lan0 down");
}

fn cable_in(shop: &mut Shop) {
    ip(shop, "router", "link set lan0 up");
}

fn of_the_network() -> Vec<Fault> {
    let all = [
        fault("cable pulled at the router", "N01", cable_out, cable_in),
        from_start(fault("cable pulled before the start", "N01", cable_out, cable_in)),
        fault(
            "interface switched off",
            "N01",
            |s| ip(s, "till", "link set eth0 down"),
            |s| {
                ip(s, "till", "link set eth0 up");
                ip(s, "till", "route add default via 10.81.1.1");
            },
        ),
        fault(
            "no address",
            "N02",
            |s| ip(s, "till", "addr flush dev eth0"),
            |s| {
                ip(s, "till", "addr add 10.81.1.2/24 dev eth0");
                ip(s, "till", "route add default via 10.81.1.1");
            },
        ),
        fault(
            "no default route",
            "N02",
            |s| ip(s, "till", "route del default"),
            |s| ip(s, "till", "route add default via 10.81.1.1"),
        ),
        fault(
            "router gone from the link",
            "N03",
            |s| {
                ip(s, "router", "addr del 10.81.1.1/24 dev lan0");
                ip(s, "till", "neigh flush dev eth0");
            },
            |s| {
                ip(s, "router", "addr add 10.81.1.1/24 dev lan0");
            },
        ),
        fault("router silent", "N03", |s| s.net().filter("policy drop", "policy drop"), unfiltered),
        fault("shop's own network loses most of what is sent", "N07", lossy, unfiltered),
        from_start(fault("the same, from the start", "N07", lossy, unfiltered)),
        fault("router ignores everything but routes", "", |s| s.net().filter("", "policy drop"), unfiltered),
        from_start(fault("name server silent", "N04", |s| named(s, "silent"), names_well)),
        from_start(fault("name server knows no name", "N04", |s| named(s, "unknown"), names_well)),
        from_start(fault("name server gives wrong addresses", "N04", |s| named(s, "wrong"), names_well)),
        from_start(fault("only the acquirer's name is unknown", "N05", |s| named(s, "others"), names_well)),
        from_start(fault("acquirer by name, all well", "", |s| named(s, "answer"), names_well)),
        fault("name server silent, acquirer by address", "", |s| s.names = None, named_only),
        fault("acquirer refuses, others answer", "N05", |s| s.no_acquirer(), |s| s.acquirer(&[])),
        fault("acquirer swallowed on the way", "N05", |s| s.net().filter("ip daddr 10.81.2.2 drop", ""), unfiltered),
        fault("everything outside swallowed", "N06", |s| s.net().filter("policy drop", ""), unfiltered),
        from_start(fault(
            "everything outside swallowed, from the start",
            "N06",
            |s| s.net().filter("policy drop", ""),
            unfiltered,
        )),
        fault(
            "provider's line down",
            "N06",
            |s| ip(s, "router", "link set wan0 down"),
            |s| ip(s, "router", "link set wan0 up"),
        ),
        fault(
            "router says network unreachable",
            "N06",
            |s| s.net().filter("reject with icmpx type no-route", ""),
            unfiltered,
        ),
        fault(
            "firewall resets every connection",
            "N06",
            |s| s.net().filter("meta l4proto tcp reject with tcp reset", ""),
            unfiltered,
        ),
        from_start(fault("log-in page for everything", "N08", portal, |s| {
            unfiltered(s);
            s.others.pop();
        })),
        from_start(fault("TLS, all well", "", |s| secured(s, None), unsecured)),
        from_start(fault(
            "certificate of another authority",
            "N09",
            |s| secured(s, Some("wrong-authority")),
            unsecured,
        )),
        from_start(fault("certificate expired", "N09", |s| secured(s, Some("expired")), unsecured)),
        from_start(fault("certificate for another name", "N09", |s| secured(s, Some("wrong-name")), unsecured)),
        // The acquirer's own machine breaks the handshake off: that is between profile and acquirer, not the shop's network.
        from_start(fault("acquirer's host without TLS", "N05", |s| secured(s, Some("plain")), unsecured)),
        from_start(fault("web page where TLS is expected", "N08", page_for_tls, unsecured)),
        fault("host silent, others answer", "B06", |s| order(s, "fault any ignore sticky"), clear),
        host("host silent from the start, others answer", "N10", |s| order(s, "fault any ignore sticky")),
        fault("disk full", "P02", |s| s.fill_disk(), |s| s.free_disk()),
        from_start(fault("restart loop", "S01", restart_loop, |s| safe_mode_after(s, 3, 0))),
        from_start(fault("database damaged", "S02", damaged, |s| s.bring_state_back())),
    ];
    all.into_iter().map(net).collect()
}

/// Half of what goes to the router is lost, and nearly all of what goes through it.
fn lossy(shop: &mut Shop) {
    shop.net().filter("numgen inc mod 20 < 19 drop", "numgen inc mod 2 == 0 drop");
}

fn named_only(shop: &mut Shop) {
    shop.names = Some(shop.net().serve("world", &["dns", "10.81.2.53", "answer"]));
}

fn safe_mode_after(shop: &Shop, was: u8, starts: u8) {
    let file = shop.rig.path("smartposd.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let wanted = format!("safe_mode_after = {was}\n");
    assert!(text.contains(&wanted), "{text}");
    std::fs::write(file, text.replace(&wanted, &format!("safe_mode_after = {starts}\n"))).unwrap();
}

fn restart_loop(shop: &mut Shop) {
    safe_mode_after(shop, 0, 3);
    for _ in 0..3 {
        shop.rig.start_daemon();
        shop.rig.kill_daemon();
    }
}

fn damaged(shop: &mut Shop) {
    use std::os::unix::fs::FileExt;
    shop.keep_state();
    let file = std::fs::File::options().write(true).open(shop.rig.path("state/pos.db")).unwrap();
    let size = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xA5; usize::try_from(size).unwrap() - 4096], 4096).unwrap();
}
