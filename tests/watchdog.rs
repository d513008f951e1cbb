//! What it proves: the shipped daemon feeds systemd's watchdog again and again while it has nothing to do.

#[path = "common/rig.rs"]
mod rig;

use rig::{Rig, Setup};

#[test]
fn an_idle_daemon_feeds_the_watchdog_again_and_again() {
    let environment = vec![("WATCHDOG_USEC", "200000".into())];
    let setup = Setup { environment, ..Setup::default() };
    let Some(mut rig) = Rig::new("an_idle_daemon_feeds_the_watchdog_again_and_again", setup) else { return };
    rig.start_daemon();
    for _ in 0..4 {
        rig.wait_notify("WATCHDOG=1");
    }
}
