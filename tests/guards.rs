//! What it proves: dpkg upgrades, removes and purges the package only when the daemon, or the database of a stopped one,
//! says that nothing is unsent, or a person has put on record that it is set aside; what is set aside is never deleted.
//!
//! Runs the real dpkg on a package that holds the real maintainer scripts, with stand-ins for `posctl` and `smartposd`
//! that say what the test wants.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A machine of its own for dpkg.
struct Machine {
    dir: TempDir,
}

/// Says that a test could not run here, in the form that the test script counts.
fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
}

impl Machine {
    /// With version 0.2 installed and a database in place; `None`, loudly, where dpkg cannot run.
    fn new(test: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skip(test, "only root can install packages, even below a directory");
            return None;
        }
        if Command::new("dpkg-deb").arg("--version").output().is_err() {
            skip(test, "no dpkg-deb");
            return None;
        }
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        for directory in ["root/var/lib/dpkg/info", "root/var/lib/dpkg/updates", "root/etc/smartposd"] {
            fs::create_dir_all(machine.path(directory)).unwrap();
        }
        for file in ["status", "available"] {
            fs::write(machine.path("root/var/lib/dpkg").join(file), "").unwrap();
        }
        machine.build("0.2.0");
        machine.build("0.3.0");
        machine.says("posctl", 0);
        machine.says("smartposd", 0);
        let installed = machine.dpkg(&["--install", "smartposd_0.2.0.deb"]);
        assert!(installed.status.success(), "{}", told(&installed));
        fs::create_dir_all(machine.state()).unwrap();
        fs::write(machine.state().join("pos.db"), "payments").unwrap();
        fs::write(machine.state().join("pos.db-wal"), "log").unwrap();
        Some(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("root/var/lib/smartposd")
    }

    fn token(&self) -> PathBuf {
        self.path("root/etc/smartposd/set-aside")
    }

    /// A package with the real scripts. Its programs exit with what stands in a file.
    fn build(&self, version: &str) {
        let tree = self.path(&format!("tree-{version}"));
        for directory in ["DEBIAN", "usr/bin", "usr/sbin"] {
            fs::create_dir_all(tree.join(directory)).unwrap();
        }
        let control = format!(
            "Package: smartposd\nVersion: {version}\nArchitecture: all\nMaintainer: test <test@invalid>\nDescription: test\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        for script in ["preinst", "prerm", "postrm"] {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("debian/smartposd.{script}"));
            executable(&tree.join("DEBIAN").join(script), &fs::read_to_string(source).unwrap());
        }
        for (program, place) in [("posctl", "usr/bin/posctl"), ("smartposd", "usr/sbin/smartposd")] {
            let said = self.path(&format!("{program}.exit"));
            let asked = self.path("asked");
            let stand_in = format!(
                "#!/bin/sh\necho \"{program} $*\" >>{asked}\necho \"{program} was asked\"\nexit \"$(cat {said})\"\n",
                asked = asked.display(),
                said = said.display()
            );
            executable(&tree.join(place), &stand_in);
        }
        let mut dpkg_deb = Command::new("dpkg-deb");
        dpkg_deb.args(["--root-owner-group", "--build"]).arg(&tree).arg(self.path(&format!("smartposd_{version}.deb")));
        let built = dpkg_deb.output().unwrap();
        assert!(built.status.success(), "{}", told(&built));
    }

    /// What a program answers from now on: its exit code.
    fn says(&self, program: &str, code: i32) {
        fs::write(self.path(&format!("{program}.exit")), code.to_string()).unwrap();
    }

    fn dpkg(&self, arguments: &[&str]) -> Output {
        let root = self.path("root");
        let programs = format!("{}:{}:", root.join("usr/bin").display(), root.join("usr/sbin").display());
        Command::new("dpkg")
            .arg(format!("--root={}", root.display()))
            .args(["--force-script-chrootless", "--force-not-root", "--force-bad-path"])
            .args(arguments)
            .current_dir(self.dir.path())
            .env("PATH", programs + "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap()
    }

    fn upgrade(&self) -> Output {
        self.dpkg(&["--install", "smartposd_0.3.0.deb"])
    }

    fn version(&self) -> String {
        let mut query = Command::new("dpkg-query");
        query.arg(format!("--admindir={}", self.path("root/var/lib/dpkg").display()));
        let output = query.args(["-W", "-f=${Version} ${db:Status-Status}", "smartposd"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.path("asked")).unwrap_or_default()
    }

    fn set_aside(&self) {
        fs::write(self.token(), "Li Lei: the shop closes, settled with the bank\n").unwrap();
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn refused(output: &Output) {
    let said = told(output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("refused") && said.contains("拒绝") && said.contains("NAME: REASON"), "{said}");
}

#[test]
fn with_nothing_unsent_upgrade_removal_and_purge_go_through() {
    let Some(machine) = Machine::new("with_nothing_unsent_upgrade_removal_and_purge_go_through") else { return };
    let upgraded = machine.upgrade();
    assert!(upgraded.status.success(), "{}", told(&upgraded));
    assert_eq!(machine.version(), "0.3.0 installed");
    assert!(machine.asked().contains("posctl queue guard --for upgrade"), "{}", machine.asked());
    let removed = machine.dpkg(&["--remove", "smartposd"]);
    assert!(removed.status.success(), "{}", told(&removed));
    assert!(machine.asked().contains("posctl queue guard --for removal"), "{}", machine.asked());
    assert!(machine.state().join("pos.db").exists(), "a removal leaves the database");
    let purged = machine.dpkg(&["--purge", "smartposd"]);
    assert!(purged.status.success(), "{}", told(&purged));
    assert!(!machine.state().exists());
}

#[test]
fn with_something_unsent_each_of_them_is_refused_and_nothing_has_changed() {
    const TEST: &str = "with_something_unsent_each_of_them_is_refused_and_nothing_has_changed";
    let Some(machine) = Machine::new(TEST) else { return };
    machine.says("posctl", 1);
    machine.says("smartposd", 1);
    for arguments in [["--install", "smartposd_0.3.0.deb"], ["--remove", "smartposd"], ["--purge", "smartposd"]] {
        refused(&machine.dpkg(&arguments));
        assert_eq!(machine.version(), "0.2.0 installed", "{arguments:?}");
        assert!(machine.state().join("pos.db").exists());
    }
    machine.says("posctl", 0);
    assert!(machine.upgrade().status.success(), "once it is sent, it goes through");
}

#[test]
fn the_database_of_a_daemon_that_does_not_run_is_looked_into() {
    let Some(machine) = Machine::new("the_database_of_a_daemon_that_does_not_run_is_looked_into") else { return };
    machine.says("posctl", 1);
    let upgraded = machine.upgrade();
    assert!(upgraded.status.success(), "{}", told(&upgraded));
    assert!(machine.asked().contains("smartposd --queue-state"), "{}", machine.asked());
}

#[test]
fn a_purge_needs_to_have_seen_this_very_database_empty() {
    let Some(machine) = Machine::new("a_purge_needs_to_have_seen_this_very_database_empty") else { return };
    // Removed by force, with nobody asked: no program is left to look.
    machine.says("smartposd", 1);
    let removed = machine.dpkg(&["--remove", "smartposd"]);
    assert!(removed.status.success(), "the daemon said yes: {}", told(&removed));
    refused(&machine.dpkg(&["--purge", "smartposd"]));
    assert!(machine.state().join("pos.db").exists());
    // Seen empty, but another one since.
    let Some(machine) = Machine::new("a_purge_needs_to_have_seen_this_very_database_empty") else { return };
    assert!(machine.dpkg(&["--remove", "smartposd"]).status.success());
    fs::write(machine.state().join("pos.db"), "other payments").unwrap();
    refused(&machine.dpkg(&["--purge", "smartposd"]));
    assert!(machine.state().join("pos.db").exists());
}

#[test]
fn what_a_person_set_aside_on_record_is_kept_through_upgrade_and_purge() {
    const TEST: &str = "what_a_person_set_aside_on_record_is_kept_through_upgrade_and_purge";
    let Some(machine) = Machine::new(TEST) else { return };
    machine.says("posctl", 1);
    machine.says("smartposd", 1);
    machine.set_aside();
    let upgraded = machine.upgrade();
    assert!(upgraded.status.success(), "{}", told(&upgraded));
    let record = fs::read_to_string(machine.state().join("set-aside.log")).unwrap();
    assert!(record.contains("upgrade: Li Lei: the shop closes"), "{record}");
    assert!(!machine.token().exists(), "it counts once");
    refused(&machine.dpkg(&["--purge", "smartposd"]));

    machine.set_aside();
    let purged = machine.dpkg(&["--purge", "smartposd"]);
    assert!(purged.status.success(), "{}", told(&purged));
    assert!(!machine.state().exists() && !machine.token().exists());
    let kept: Vec<_> = fs::read_dir(machine.path("root/var/backups")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read_to_string(kept[0].join("pos.db")).unwrap(), "payments");
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o700);
    let record = fs::read_to_string(kept[0].join("set-aside.log")).unwrap();
    assert!(record.contains("purge: Li Lei"), "{record}");
}

#[test]
fn a_version_without_a_queue_is_not_asked_about_one() {
    let Some(machine) = Machine::new("a_version_without_a_queue_is_not_asked_about_one") else { return };
    let preinst = |version: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("debian/smartposd.preinst");
        let root = machine.path("root");
        let path = format!("{}:{}:/usr/bin:/bin", root.join("usr/bin").display(), root.join("usr/sbin").display());
        let mut sh = Command::new("sh");
        sh.arg(script).args(["upgrade", version]).env("PATH", path).env("DPKG_ROOT", &root);
        sh.output().unwrap()
    };
    machine.says("posctl", 1);
    machine.says("smartposd", 1);
    assert!(preinst("0.1.0-1").status.success());
    refused(&preinst("0.2.0-1"));
    refused(&preinst("1.0"));
}
