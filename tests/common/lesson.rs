//! A terminal in training mode: the rig's daemon with `--training`, and a training host beside the live one.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;
use std::process::Command;

use super::rig::{Process, Rig, SIM, Setup, order_to, spawn_ready};

pub const PASSWORD: &str = "271828";

pub struct Lesson {
    pub rig: Rig,
    host: Option<Process>,
    pub host_address: String,
}

/// The training host alone, with its control socket in this directory; and where it listens.
pub fn start_host(dir: &Path, address: &str) -> (Process, String) {
    let mut host = Command::new(SIM);
    host.args(["acquirer", "--training", "--listen", address]);
    host.arg("--ledger").arg(dir.join("training-ledger.jsonl"));
    host.arg("--control").arg(dir.join("training-host.sock"));
    spawn_ready(host)
}

/// What a setup has to add to be one of training.
pub fn setup(setup: Setup) -> Setup {
    Setup { arguments: vec!["--training".to_owned()], ..setup }
}

impl Lesson {
    /// Everything but the daemon.
    pub fn prepared(test: &str, more: Setup) -> Option<Self> {
        let rig = Rig::new(test, setup(more))?;
        let (host, host_address) = start_host(rig.dir.path(), "127.0.0.1:0");
        let lesson = Self { rig, host: Some(host), host_address };
        lesson.write_profile(&lesson.host_address, "");
        Some(lesson)
    }

    /// The same in a network namespace of its own, as the units have it.
    pub fn prepared_within(test: &str, namespace: &str) -> Option<Self> {
        let through = ["ip", "netns", "exec", namespace].map(str::to_owned).to_vec();
        let rig = Rig::new(test, setup(Setup { through, ..Setup::default() }))?;
        let mut host = Command::new("ip");
        host.args(["netns", "exec", namespace, SIM, "acquirer", "--training", "--listen", "127.0.0.1:0"]);
        let (host, host_address) = spawn_ready(host);
        let lesson = Self { rig, host: Some(host), host_address };
        lesson.write_profile(&lesson.host_address, "");
        Some(lesson)
    }

    /// The daemon ready to sell, with its supervisor signed in.
    pub fn ready(test: &str, more: Setup) -> Option<Self> {
        let mut lesson = Self::prepared(test, more)?;
        lesson.rig.start_daemon();
        lesson.rig.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], PASSWORD);
        lesson.rig.posctl_with_secret(&["operator", "sign-in", "01"], PASSWORD);
        lesson.rig.wait_terminal("ready");
        Some(lesson)
    }

    /// The training profile: its host, and more lines before its tables.
    pub fn write_profile(&self, host: &str, more: &str) {
        let profile = format!(
            "addresses = [\"{host}\"]\n{more}\n[limits]\npin_above = 100000\n[timers]\nanswer = 5\nconnect = 2\n"
        );
        std::fs::write(self.rig.path("profiles/training.toml"), profile).unwrap();
    }

    pub fn host_order(&self, order: &str) -> String {
        order_to("acquirer", &self.rig.path("training-host.sock"), order)
    }
}
