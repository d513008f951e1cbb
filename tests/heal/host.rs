//! The way to the acquirer.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

use crate::desk::{AMOUNT, Row, charged, measures, seconds, sells, terminal_is, until};
use crate::rig::{Process, Setup, skip};
use crate::site::{self, Till};

pub fn down_and_back(name: &str) -> Option<Row> {
    let (mut rig, till) = site::started(name, Setup::default())?;
    rig.stop_acquirer();
    let start = Instant::now();
    assert!(till.sign_in().is_err());
    let noticed = until("the host to be missed", start, || terminal_is(&till, "signing-in"));
    rig.restart_acquirer(&[]);
    let start = Instant::now();
    let healed = until("the sign-in", start, || terminal_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "host");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(12)), measures })
}

/// The host closes the connection while nobody uses it: nobody notices but the next sale, which goes through.
pub fn restarted_between_sales(name: &str) -> Option<Row> {
    let (mut rig, till) = site::started(name, Setup::default())?;
    sells(&rig, &till, "before");
    rig.restart_acquirer(&[]);
    let start = Instant::now();
    let before = charged(&rig);
    // The host has forgotten the working keys: the first sale may fail for that, is charged then neither here nor there,
    // and leads to a sign-in.
    let sale = till.begin(AMOUNT, "first");
    till.customer(&rig, crate::rig::PIN);
    let outcome = crate::rig::eventually("an outcome", || till.outcome(&sale).filter(|o| o != "unknown"));
    let noticed = start.elapsed();
    let right = if outcome == "approved" { (before.0 + 1, before.1 + AMOUNT) } else { before };
    assert_eq!(charged(&rig), right, "{outcome}");
    till.acknowledge(&sale);
    let start = Instant::now();
    let healed = until("the sign-in", start, || terminal_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = format!("first sale {outcome}, new connection, sign-in");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(20)), measures })
}

/// The charge stands at the host, its answer is lost with the line: reversed, and both ledgers agree.
pub fn dies_within_a_sale(name: &str) -> Option<Row> {
    let (mut rig, till) = site::started(name, Setup::default())?;
    rig.acquirer_order("fault 0200 drop x1");
    let sale = till.begin(AMOUNT, "lost");
    till.customer(&rig, crate::rig::PIN);
    until("the charge", Instant::now(), || charged(&rig).0 == 1);
    let start = Instant::now();
    rig.restart_acquirer(&[]);
    let noticed = until("an outcome", start, || till.outcome(&sale).is_some());
    let start = Instant::now();
    till.wait_outcome(&sale, "cancelled");
    let healed = start.elapsed();
    assert_eq!(charged(&rig), (0, 0));
    sells(&rig, &till, "after");
    let measures = "reversed".to_owned();
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(20)), measures })
}

pub fn silent_at_sign_in(name: &str) -> Option<Row> {
    let (rig, till) = site::started(name, Setup::default())?;
    rig.acquirer_order("fault 0800 drop x1");
    let start = Instant::now();
    assert!(till.sign_in().is_err());
    let noticed = until("the silence to be named", start, || terminal_is(&till, "signing-in"));
    let start = Instant::now();
    let healed = until("the sign-in", start, || terminal_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "host");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(12)), measures })
}

/// A network of the daemon's own, with one cable to this machine.
struct Cable {
    space: String,
    near: String,
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip").args(words).output().is_ok_and(|o| o.status.success())
}

impl Cable {
    const HERE: &'static str = "10.213.77.1";

    fn new() -> Option<Self> {
        let id = std::process::id() % 100_000;
        let cable = Self { space: format!("heal{id}"), near: format!("heal{id}a") };
        let far = format!("heal{id}b");
        let made = ip(&["netns", "add", &cable.space])
            && ip(&["link", "add", &cable.near, "type", "veth", "peer", "name", &far, "netns", &cable.space])
            && ip(&["addr", "add", "10.213.77.1/30", "dev", &cable.near])
            && ip(&["link", "set", &cable.near, "up"])
            && ip(&["-n", &cable.space, "addr", "add", "10.213.77.2/30", "dev", &far])
            && ip(&["-n", &cable.space, "link", "set", &far, "up"]);
        made.then_some(cable)
    }

    fn plug(&self, state: &str) {
        assert!(ip(&["link", "set", &self.near, state]));
        if state == "up" {
            // This end's address goes with the link only where IPv6 alone is used; said again it does no harm.
            ip(&["addr", "replace", "10.213.77.1/30", "dev", &self.near]);
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        ip(&["link", "del", &self.near]);
        ip(&["netns", "del", &self.space]);
    }
}

/// Carries connections from this end of the cable to the acquirer.
fn relay(to: String) -> String {
    let listener = TcpListener::bind((Cable::HERE, 0)).unwrap();
    let place = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(&to) else { continue };
            for (mut from, mut into) in
                [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far.try_clone().unwrap(), near)]
            {
                std::thread::spawn(move || {
                    let mut bytes = [0u8; 4096];
                    while let Ok(n) = from.read(&mut bytes)
                        && n > 0
                        && into.write_all(&bytes[..n]).is_ok()
                    {}
                    let _ = into.shutdown(Shutdown::Both);
                });
            }
        }
    });
    place
}

/// The cable is pulled; the terminal has long pauses between its tries; the cable is back, and it is signed in at once.
pub fn link_down_and_up(name: &str) -> Option<Row> {
    let Some(cable) = Cable::new() else {
        skip(name, "network namespaces need root and iproute2");
        return None;
    };
    let through = ["nsenter", &format!("--net=/run/netns/{}", cable.space), "--"].map(str::to_owned).to_vec();
    let mut rig = site::rig(name, Setup { through, ..Setup::default() })?;
    site::edit_profile(&rig, &rig.acquirer_address.clone(), &relay(rig.acquirer_address.clone()));
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    let start = Instant::now();
    cable.plug("down");
    let sign_in = Process(rig.posctl_command(&["sign-in"]).spawn().unwrap());
    let noticed = until("the host to be missed", start, || {
        till.property(crate::site::TERMINAL, "Terminal", "Cause").is_some_and(|c| c.starts_with('N'))
    });
    // The pause grows: without the watch the next try would be many seconds away.
    let mut tries = BTreeSet::new();
    until("a few tries in vain", start, || {
        tries.extend(rig.json(&["status"])["terminal"]["next_sign_in_at"].as_u64().filter(|at| *at > 0));
        tries.len() >= 3
    });
    drop(sign_in);
    let start = Instant::now();
    cable.plug("up");
    let healed = until("the sign-in", start, || terminal_is(&till, "ready"));
    sells(&rig, &till, "after");
    let measures = measures(&rig, "host");
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(2)), measures })
}
