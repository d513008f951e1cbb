//! A shop, its router and the world behind it as network namespaces. Needs root, `ip` and `nft`; goes when dropped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rig::{Process, SIM};

/// Where the shop's part is broken or mended.
pub struct Net {
    tag: String,
}

/// The acquirer, by address.
pub const ACQUIRER: &str = "10.81.2.2:5610";
/// The same, by name.
pub const ACQUIRER_BY_NAME: &str = "pos.bank.example:5610";
/// One control host by address and one by name.
pub const CONTROL: &str = "control_hosts = [\"10.81.2.3:443\", \"control.example:80\"]";

impl Net {
    /// Builds it; an error says what is missing.
    pub fn build() -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("network namespaces need root".to_owned());
        }
        let net = Self { tag: format!("blame{}", std::process::id()) };
        for room in ["till", "router", "world"] {
            run("ip", &["netns", "add", &net.name(room)])?;
            net.ip(room, "link set lo up")?;
        }
        net.cable("till", "eth0", "router", "lan0")?;
        net.cable("router", "wan0", "world", "eth0")?;
        net.ip("router", "addr add 10.81.1.1/24 dev lan0")?;
        net.ip("router", "addr add 10.81.2.1/24 dev wan0")?;
        for own in ["10.81.2.2/24", "10.81.2.3/24", "10.81.2.53/24"] {
            net.ip("world", &format!("addr add {own} dev eth0"))?;
        }
        net.ip("world", "route add default via 10.81.2.1")?;
        net.ip("till", "addr add 10.81.1.2/24 dev eth0")?;
        net.ip("till", "route add default via 10.81.1.1")?;
        net.inside("router", "sh", &["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
        net.inside("router", "nft", &["list", "ruleset"])?;
        let etc = net.etc();
        std::fs::create_dir_all(&etc).map_err(|e| e.to_string())?;
        let resolver = "nameserver 10.81.2.53\noptions timeout:1 attempts:1\n";
        std::fs::write(etc.join("resolv.conf"), resolver).map_err(|e| e.to_string())?;
        Ok(net)
    }

    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(self.name("till"))
    }

    fn name(&self, room: &str) -> String {
        format!("{}{room}", self.tag)
    }

    fn cable(&self, a: &str, end: &str, b: &str, other: &str) -> Result<(), String> {
        let (a, b) = (self.name(a), self.name(b));
        run("ip", &["link", "add", end, "netns", &a, "type", "veth", "peer", "name", other, "netns", &b])?;
        run("ip", &["-n", &a, "link", "set", end, "up"])?;
        run("ip", &["-n", &b, "link", "set", other, "up"])
    }

    /// What makes a command run in this room.
    pub fn through(&self, room: &str) -> Vec<String> {
        ["ip", "netns", "exec"].map(str::to_owned).into_iter().chain([self.name(room)]).collect()
    }

    pub fn ip(&self, room: &str, words: &str) -> Result<(), String> {
        let name = self.name(room);
        let all: Vec<&str> = ["-n", &name].into_iter().chain(words.split(' ')).collect();
        run("ip", &all)
    }

    pub fn inside(&self, room: &str, program: &str, arguments: &[&str]) -> Result<(), String> {
        let name = self.name(room);
        run("ip", &[&["netns", "exec", &name, program], arguments].concat())
    }

    /// Rules of the router's packet filter: `forward` and `input` chains of a table of their own.
    pub fn filter(&self, forward: &str, input: &str) {
        let rules = format!(
            "table inet blame {{\nchain f {{\ntype filter hook forward priority 0\n{forward}\n}}\n\
             chain i {{\ntype filter hook input priority 0\n{input}\n}}\n}}\n"
        );
        self.inside("router", "nft", &[&rules]).unwrap();
    }

    pub fn no_filter(&self) {
        self.inside("router", "nft", &["flush", "ruleset"]).unwrap();
    }

    /// A process in a room that says `ready`.
    pub fn start(&self, room: &str, words: &[&str]) -> Process {
        let name = self.name(room);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &name]).args(words).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{words:?} said {line:?}");
        Process(child)
    }

    /// Name server, pages: see `rig/outside.py`.
    pub fn serve(&self, room: &str, words: &[&str]) -> Process {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/outside.py");
        self.start(room, &[&["python3", script.to_str().unwrap()], words].concat())
    }

    /// The acquirer in the world.
    pub fn acquirer(&self, dir: &Path, more: &[String]) -> Process {
        let at = |name: &str| dir.join(name).display().to_string();
        let (ledger, control) = (at("ledger.jsonl"), at("acquirer.sock"));
        let usual = [
            SIM,
            "acquirer",
            "--listen",
            ACQUIRER,
            "--terminal",
            "99000001",
            "--merchant",
            "999000000000001",
            "--ledger",
            &ledger,
            "--control",
            &control,
        ];
        let words: Vec<&str> = usual.into_iter().chain(more.iter().map(String::as_str)).collect();
        self.start("world", &words)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for room in ["till", "router", "world"] {
            let _ = run("ip", &["netns", "del", &self.name(room)]);
        }
        let _ = std::fs::remove_dir_all(self.etc());
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
