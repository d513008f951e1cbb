//! The shop in which faults are made: the shipped daemon with its simulators, in namespaces where that is possible.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::net::{ACQUIRER, CONTROL, Net};
use crate::rig::{Process, Rig, Sale, Setup, eventually};

pub struct Shop {
    // Before the rig: what runs in its directory ends first.
    pub others: Vec<Process>,
    acquirer: Option<Process>,
    pub names: Option<Process>,
    pub rig: Rig,
    pub net: Option<Net>,
    /// A payment that is kept waiting.
    pub sale: Option<Sale>,
    mounted: bool,
}

impl Shop {
    /// A shop that is signed in and ready; in namespaces, or all on this machine.
    pub fn open(test: &str, net: Option<Net>) -> Option<Self> {
        let through = net.as_ref().map(|net| net.through("till")).unwrap_or_default();
        let keypad_config = if net.is_some() { format!("\n[diagnosis]\n{CONTROL}") } else { String::new() };
        let mut rig = Rig::new(test, Setup { through, keypad_config, ..Setup::default() })?;
        let mut shop = match net {
            Some(net) => {
                rig.stop_acquirer();
                fs::create_dir_all(rig.path("state")).unwrap();
                let mount = ["-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs"];
                let mounted = Command::new("mount").args(mount).arg(rig.path("state")).status().unwrap().success();
                let names = Some(net.serve("world", &["dns", "10.81.2.53", "answer"]));
                let others = [("443", "plain"), ("80", "plain")];
                let others = others.map(|(port, mode)| net.serve("world", &["web", "10.81.2.3", port, mode])).into();
                Self { others, acquirer: None, names, rig, net: Some(net), sale: None, mounted }
            }
            None => {
                Self { others: Vec::new(), acquirer: None, names: None, rig, net: None, sale: None, mounted: false }
            }
        };
        if shop.net.is_some() {
            shop.acquirer(&[]);
            shop.profile(ACQUIRER, "");
        }
        shop.rig.start_daemon();
        shop.rig.provision();
        shop.heal();
        Some(shop)
    }

    pub fn net(&self) -> &Net {
        self.net.as_ref().unwrap()
    }

    /// Another acquirer in the place of the present one.
    pub fn acquirer(&mut self, more: &[&str]) {
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        match &self.net {
            Some(net) => {
                self.acquirer = None;
                self.acquirer = Some(net.acquirer(self.rig.dir.path(), &more));
            }
            None => self.rig.restart_acquirer(&more),
        }
    }

    pub fn no_acquirer(&mut self) {
        self.acquirer = None;
        self.rig.stop_acquirer();
    }

    fn address(&self) -> String {
        if self.net.is_some() { ACQUIRER.to_owned() } else { self.rig.acquirer_address.clone() }
    }

    /// The acquirer's profile anew; read at the daemon's next start.
    pub fn profile(&self, address: &str, more: &str) {
        let text = format!(
            "base = \"unionpay-example\"\naddresses = [\"{address}\"]\n[limits]\npin_above = 0\n[timers]\nanswer = 5\n{more}"
        );
        fs::write(self.rig.path("profiles/rig.toml"), text).unwrap();
    }

    pub fn profile_with(&self, more: &str) {
        self.profile(&self.address(), more);
    }

    pub fn usual_profile(&self) {
        self.profile_with("");
    }

    pub fn status(&self) -> Value {
        self.rig.json(&["status"])
    }

    /// Signed in and ready again, without waiting for the back-off.
    pub fn heal(&mut self) {
        eventually(&format!("the shop to be well; log:\n{}", self.rig.log()), || {
            let status = self.status();
            let terminal = &status["terminal"];
            let idle = status["reader"]["state"] == "ready" && status["keypad"]["state"] == "ready";
            if terminal["state"] == "ready" && terminal["cause"] == "" && idle {
                return Some(());
            }
            let _ = self.rig.posctl(&["sign-in"]);
            None
        });
    }

    /// Fills the disk to the last byte.
    pub fn fill_disk(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.rig.path("state/filler")).unwrap();
        for size in [1 << 16, 512, 1] {
            let piece = vec![0u8; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    pub fn free_disk(&self) {
        fs::remove_file(self.rig.path("state/filler")).unwrap();
    }

    /// Puts what must survive aside.
    pub fn keep_state(&self) {
        copy(&self.rig.path("state"), &self.rig.path("state.kept"));
    }

    /// And back. The directory itself stays: it may be a mount.
    pub fn bring_state_back(&self) {
        let (state, kept) = (self.rig.path("state"), self.rig.path("state.kept"));
        for entry in fs::read_dir(&state).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        copy(&kept, &state);
        fs::remove_dir_all(kept).unwrap();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.rig.kill_daemon();
        if self.mounted {
            let _ = Command::new("umount").arg(self.rig.path("state")).status();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
