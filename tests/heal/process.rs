//! The daemon itself: killed, hanging, without a bus, in a loop.

use std::time::Instant;

use crate::desk::{AMOUNT, Row, charged, seconds, sells, terminal_is, until};
use crate::devices::all_ready;
use crate::rig::{PIN, Setup, eventually, pause};
use crate::site::{self, TERMINAL, Till};

pub fn killed(name: &str) -> Option<Row> {
    let (mut rig, till) = site::started(name, Setup::default())?;
    rig.kill_daemon();
    let start = Instant::now();
    rig.start_daemon();
    let serving = start.elapsed();
    let healed = until("the terminal to be ready", start, || terminal_is(&till, "ready") && all_ready(&rig, &till));
    sells(&rig, &till, "after");
    let measures = format!("started again (serving after {:.3} s)", serving.as_secs_f64());
    Some(Row { noticed: None, healed: Some(healed), within: Some(seconds(6)), measures })
}

/// What systemd does with `WatchdogSec=2`: no ping for that long, and the daemon is killed and started again.
pub fn hangs(name: &str) -> Option<Row> {
    let environment = vec![("WATCHDOG_USEC", "2000000".to_owned())];
    let (mut rig, till) = site::started(name, Setup { environment, ..Setup::default() })?;
    rig.wait_notify("WATCHDOG=1");
    let pid = nix::unistd::Pid::from_raw(rig.daemon_pid().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let start = Instant::now();
    let noticed = rig.silent_for(seconds(2), start);
    rig.kill_daemon();
    let start = Instant::now();
    rig.start_daemon();
    let healed = until("the terminal to be ready", start, || terminal_is(&till, "ready") && all_ready(&rig, &till));
    sells(&rig, &till, "after");
    let measures = "watchdog, started again".to_owned();
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(6)), measures })
}

/// The bus goes when the request is with the host: the daemon ends the sale first, then itself.
pub fn bus_restarted_within_a_sale(name: &str) -> Option<Row> {
    let (mut rig, till) = site::started(name, Setup::default())?;
    rig.acquirer_order("fault 0200 late 3000 x1");
    let sale = till.begin(AMOUNT, "busless");
    till.customer(&rig, PIN);
    eventually("the request at the host", || (till.state(&sale)? == "authorising").then_some(()));
    let start = Instant::now();
    rig.restart_bus();
    let code = rig.wait_daemon();
    let noticed = start.elapsed();
    assert_ne!(code, Some(0));
    assert!(rig.log().contains("payment finished: approved"), "{}", rig.log());
    let start = Instant::now();
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    let healed = until("the terminal to be ready", start, || terminal_is(&till, "ready") && all_ready(&rig, &till));
    // The app asks for its sale: approved, and charged once.
    assert_eq!(till.outcome(&till.find("busless")).as_deref(), Some("approved"));
    assert_eq!(charged(&rig), (1, AMOUNT));
    sells(&rig, &till, "after");
    let measures = "sale finished, then started again".to_owned();
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(8)), measures })
}

pub fn restart_loop(name: &str) -> Option<Row> {
    let heal_config = Some("safe_mode_after = 3".to_owned());
    let (mut rig, till) = site::started(name, Setup { heal_config, ..Setup::default() })?;
    sells(&rig, &till, "before");
    let start = Instant::now();
    for _ in 0..3 {
        rig.kill_daemon();
        rig.start_daemon();
    }
    let cause = || till.property(TERMINAL, "Terminal", "Cause");
    let noticed = until("safe mode", start, || cause().as_deref() == Some("S01"));
    // It can be asked and read, and does nothing.
    let status = rig.json(&["status"]);
    assert_eq!(status["terminal"]["state"], "out-of-service", "{status}");
    assert!(till.sign_in().is_err_and(|e| e.to_string().contains("S01")));
    assert!(till.create(AMOUNT, "refused").is_err_and(|e| e.to_string().contains("S01")));
    assert_eq!(rig.json(&["journal", "verify"])["whole"], true);
    assert!(rig.posctl(&["queue", "guard", "--for", "upgrade"]).status.success());
    let before = rig.reader_order("status");
    (0..50).for_each(|_| pause());
    assert_eq!(before, rig.reader_order("status"), "a device was driven");
    // It holds the loop: one more kill, and it is in safe mode again.
    rig.kill_daemon();
    rig.start_daemon();
    until("safe mode", Instant::now(), || cause().as_deref() == Some("S01"));
    let start = Instant::now();
    rig.json(&["heal", "leave-safe-mode"]);
    assert_eq!(rig.wait_daemon(), Some(75));
    rig.start_daemon();
    let healed = until("the terminal to be ready", start, || terminal_is(&till, "ready") && all_ready(&rig, &till));
    sells(&rig, &till, "after");
    assert!(!rig.posctl(&["heal", "leave-safe-mode"]).status.success(), "there is none to leave");
    let measures = "S01: safe mode, left by a person".to_owned();
    Some(Row { noticed: Some(noticed), healed: Some(healed), within: Some(seconds(8)), measures })
}
