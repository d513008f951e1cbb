//! A whole point of sale on one machine: private bus, simulated acquirer, reader and keypad, and the shipped daemon.
//!
//! Everything is a process of its own behind a socket, a pty or an input device; dropping the rig ends them all. Where
//! the kernel has no uinput, the keypad's input device is faked below the daemon's system calls (`rig/fake_evdev.c`).

#![allow(dead_code, reason = "each test file uses its own part of the rig")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const SMARTPOSD: &str = env!("CARGO_BIN_EXE_smartposd");
pub const POSCTL: &str = env!("CARGO_BIN_EXE_posctl");
pub const SIM: &str = env!("CARGO_BIN_EXE_smartpos-sim");

/// The two halves of the simulated acquirer's test master key 0123456789ABCDEFFEDCBA9876543210.
pub const COMPONENTS: [&str; 2] = ["A1B2C3D4E5F60718293A4B5C6D7E8F90", "A09186B36C5DCAF7D7E6F1C41B2ABD80"];

/// The card number of the simulated UnionPay card, and its PIN.
pub const PAN: &str = "6200000000000000018";
pub const PIN: &str = "123456";

/// How long anything on the rig may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for a condition without sleeping for a fixed time; panics with `what` when it does not come.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        pause();
    }
}

/// Gives the other processes a turn between two probes.
pub fn pause() {
    let nobody = UnixDatagram::unbound().unwrap();
    nobody.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let _ = nobody.recv(&mut [0u8; 1]);
}

/// Says that a test could not run here, in the form that the test script counts.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
}

pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the daemon needs to differ from the usual.
#[derive(Default)]
pub struct Setup {
    /// More lines for the acquirer profile.
    pub profile: String,
    /// More arguments for `smartpos-sim acquirer`.
    pub acquirer: Vec<String>,
    /// More arguments for `smartpos-sim reader`.
    pub reader: Vec<String>,
    /// More arguments for `smartpos-sim keypad`.
    pub keypad: Vec<String>,
    /// More lines for smartposd.toml, before its tables.
    pub config: String,
    /// Lines for its table `[heal]`; `None` turns safe mode off: a rig kills its daemon more often than it dies by itself.
    pub heal_config: Option<String>,
    /// More of the daemon's environment.
    pub environment: Vec<(&'static str, String)>,
    /// More lines for its table `[reader]`.
    pub reader_config: String,
    /// More lines for its table `[keypad]`.
    pub keypad_config: String,
    /// Lines for its table `[scanner]`; `None`: there is no scanner.
    pub scanner_config: Option<String>,
    /// More arguments for `smartpos-sim scanner`.
    pub scanner: Vec<String>,
    /// More arguments for the daemon.
    pub arguments: Vec<String>,
    /// A command that becomes the daemon, such as `nsenter …`; empty starts it as it is.
    pub through: Vec<String>,
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub bus_address: String,
    pub acquirer_address: String,
    notify: UnixDatagram,
    daemon: Option<Process>,
    acquirer: Option<Process>,
    /// What the bus carried, if it is watched.
    pub monitor: Option<Process>,
    reader: Process,
    keypad: Process,
    scanner: Option<Process>,
    bus: Process,
    setup: Setup,
}

impl Rig {
    /// Starts all but the daemon; `None` (and a line that is counted) where something is missing.
    pub fn new(test: &str, setup: Setup) -> Option<Self> {
        let Some(dbus) = which("dbus-daemon") else {
            skip(test, "no dbus-daemon; install the package dbus");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("smartpos-rig").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let (bus, bus_address) = start_bus(&dbus, dir.path());
        let (acquirer, acquirer_address) = start_acquirer(dir.path(), "127.0.0.1:0", &setup.acquirer);
        let mut reader = Command::new(SIM);
        reader
            .arg("reader")
            .arg("--link")
            .arg(at("ttyReader"))
            .arg("--control")
            .arg(at("reader.sock"))
            .args(&setup.reader);
        let (reader, _) = spawn_ready(reader);
        let mut keypad = Command::new(SIM);
        keypad.arg("keypad").arg("--socket").arg(at("keys.sock")).arg("--control").arg(at("keypad.sock"));
        keypad.args(&setup.keypad);
        let (keypad, _) = spawn_ready(keypad);
        let scanner = setup.scanner_config.as_ref().map(|_| {
            let mut scanner = Command::new(SIM);
            scanner.arg("scanner").arg("--link").arg(at("ttyScanner")).arg("--control").arg(at("scanner.sock"));
            scanner.args(&setup.scanner);
            spawn_ready(scanner).0
        });
        let notify = UnixDatagram::bind(at("notify.sock")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        hurry(&[&reader, &keypad]);
        let rig = Self {
            bus_address,
            acquirer_address,
            notify,
            daemon: None,
            acquirer: Some(acquirer),
            monitor: None,
            reader,
            keypad,
            scanner,
            bus,
            setup,
            dir,
        };
        rig.write_config();
        Some(rig)
    }

    /// A rig whose daemon runs, with keys, supervisor and operator, signed in and ready.
    pub fn ready(test: &str, setup: Setup) -> Option<Self> {
        let mut rig = Self::new(test, setup)?;
        rig.start_daemon();
        rig.provision();
        rig.wait_terminal("ready");
        Some(rig)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write_config(&self) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/profiles");
        let own = self.path("profiles");
        fs::create_dir_all(&own).unwrap();
        let profile = format!(
            "base = \"unionpay-example\"\naddresses = [\"{}\"]\n[limits]\npin_above = 0\n[timers]\nanswer = 5\n{}",
            self.acquirer_address, self.setup.profile
        );
        fs::write(own.join("rig.toml"), profile).unwrap();
        let scanner = self.setup.scanner_config.as_ref();
        let scanner = scanner
            .map_or_else(String::new, |lines| format!("[scanner]\npath = {:?}\n{lines}\n", self.path("ttyScanner")));
        let config = format!(
            "terminal_id = \"99000001\"\nmerchant_id = \"999000000000001\"\nprofile = \"rig\"\n\
             profile_dirs = [{shipped:?}, {own:?}]\nstate_dir = {:?}\nlanguage = \"en\"\n{}\n\
             [reader]\npath = {:?}\n{}\n[keypad]\npath = {:?}\n{}\n[heal]\n{}\n{}",
            self.path("state"),
            self.setup.config,
            self.path("ttyReader"),
            self.setup.reader_config,
            self.path("event0"),
            self.setup.keypad_config,
            self.setup.heal_config.as_deref().unwrap_or("safe_mode_after = 0"),
            scanner,
        );
        fs::write(self.path("smartposd.toml"), config).unwrap();
        // The path has to exist as a file, so that the daemon finds something to open.
        fs::write(self.path("event0"), "").unwrap();
    }

    /// Other arguments for the daemon's next start.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.setup.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    }

    /// One more variable of the daemon's next start.
    pub fn set_environment(&mut self, name: &'static str, value: String) {
        self.setup.environment.push((name, value));
    }

    /// Starts the daemon and waits for `READY=1`.
    pub fn start_daemon(&mut self) {
        self.launch_daemon();
        self.wait_notify("READY=1");
    }

    /// Starts the daemon without waiting.
    pub fn launch_daemon(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("daemon.log")).unwrap();
        let mut words = self.setup.through.iter().map(String::as_str).chain([SMARTPOSD]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.arg("--config").arg(self.path("smartposd.toml")).arg("--bus").arg(&self.bus_address);
        command.args(&self.setup.arguments);
        command.env("NOTIFY_SOCKET", self.path("notify.sock")).stderr(log).stdin(Stdio::null());
        command.env("LD_PRELOAD", fake_evdev());
        command.env("FAKE_EVDEV", format!("{}={}", self.path("event0").display(), self.path("keys.sock").display()));
        command.envs(self.setup.environment.iter().map(|(name, value)| (name, value)));
        self.daemon = Some(Process(command.spawn().unwrap()));
    }

    pub fn wait_notify(&self, wanted: &str) {
        let mut buffer = [0u8; 512];
        loop {
            let n = self
                .notify
                .recv(&mut buffer)
                .unwrap_or_else(|e| panic!("{wanted} did not come ({e}):\n{}", self.log()));
            if String::from_utf8_lossy(&buffer[..n]).lines().any(|l| l == wanted) {
                return;
            }
        }
    }

    pub fn daemon_pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().0.id()
    }

    /// Waits until somebody else has killed the daemon.
    pub fn wait_daemon_killed(&mut self) {
        use std::os::unix::process::ExitStatusExt;
        let status = self.daemon.as_mut().unwrap().0.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "the daemon ended in another way:\n{}", self.log());
        self.kill_daemon();
    }

    /// `kill -9`.
    pub fn kill_daemon(&mut self) {
        self.daemon = None;
        // Notices of the killed one must not be taken for the next one's.
        self.notify.set_nonblocking(true).unwrap();
        while self.notify.recv(&mut [0u8; 512]).is_ok() {}
        self.notify.set_nonblocking(false).unwrap();
    }

    /// Ends the daemon as the service manager would.
    pub fn stop_daemon(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let pid = nix::unistd::Pid::from_raw(daemon.0.id().try_into().unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            assert!(daemon.0.wait().unwrap().success(), "the daemon did not end well:\n{}", self.log());
        }
        self.kill_daemon();
    }

    /// Waits until the daemon has ended by itself; its exit code.
    pub fn wait_daemon(&mut self) -> Option<i32> {
        let daemon = &mut self.daemon.as_mut().unwrap().0;
        let ended = eventually("the daemon to end", || daemon.try_wait().unwrap());
        self.kill_daemon();
        ended.code()
    }

    /// Waits until the daemon has said nothing to the service manager for so long; the time since `start`.
    pub fn silent_for(&self, span: Duration, start: Instant) -> Duration {
        self.notify.set_read_timeout(Some(span)).unwrap();
        while self.notify.recv(&mut [0u8; 512]).is_ok() {}
        self.notify.set_read_timeout(Some(PATIENCE)).unwrap();
        start.elapsed()
    }

    /// The bus ends and comes back at the same address.
    pub fn restart_bus(&mut self) {
        let _ = self.bus.0.kill();
        let _ = self.bus.0.wait();
        let _ = fs::remove_file(self.path("bus"));
        self.bus = start_bus(&which("dbus-daemon").unwrap(), self.dir.path()).0;
    }

    pub fn stop_acquirer(&mut self) {
        self.acquirer = None;
    }

    /// The acquirer again at the same address, with the same ledger, or another one in its place.
    pub fn restart_acquirer(&mut self, arguments: &[String]) {
        self.acquirer = None;
        self.acquirer = Some(start_acquirer(self.dir.path(), &self.acquirer_address, arguments).0);
    }

    /// Sets the supervisor, loads both key components, signs the operator in.
    pub fn provision(&self) {
        self.posctl_with_secret(&["operator", "set", "01", "--role", "supervisor"], "271828");
        self.posctl_with_secret(&["operator", "sign-in", "01"], "271828");
        for (index, component) in ["1", "2"].iter().zip(COMPONENTS) {
            let who = format!("custodian-{index}");
            self.posctl_with_component(&["keys", "load", "--component", index, "--custodian", &who], component);
        }
    }

    pub fn posctl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(POSCTL);
        command.arg("--bus").arg(&self.bus_address).args(arguments).env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs posctl and gives its output, whatever its exit code.
    pub fn posctl(&self, arguments: &[&str]) -> Output {
        self.posctl_command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs posctl with `--json`, which must succeed.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.posctl(&[&["--json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "posctl {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("posctl {arguments:?}: {e}: {text}"))
    }

    /// Runs posctl with `--json`, which prints one object a line.
    pub fn json_lines(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let output = self.posctl(&[&["--json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {line}"));
        text.lines().map(read).collect()
    }

    /// Runs posctl with a secret on its standard input, named by this option.
    pub fn with_secret(&self, arguments: &[&str], option: &str, secret: &str) {
        self.posctl_with_fd(arguments, option, secret);
    }

    pub fn posctl_with_secret(&self, arguments: &[&str], secret: &str) {
        self.posctl_with_fd(arguments, "--password-fd", secret);
    }

    fn posctl_with_component(&self, arguments: &[&str], secret: &str) {
        self.posctl_with_fd(arguments, "--component-fd", secret);
    }

    fn posctl_with_fd(&self, arguments: &[&str], flag: &str, secret: &str) {
        let output = self.run_with_fd(arguments, flag, secret);
        assert!(output.status.success(), "posctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The same where a refusal is expected: what posctl says.
    pub fn refused_with_secret(&self, arguments: &[&str], option: &str, secret: &str) -> String {
        let output = self.run_with_fd(arguments, option, secret);
        assert!(!output.status.success(), "posctl {arguments:?} was not refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub fn run_with_fd(&self, arguments: &[&str], flag: &str, secret: &str) -> Output {
        use std::io::Write;
        let mut command = self.posctl_command(arguments);
        command.args([flag, "0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whoever refuses before it reads the secret has closed it.
        let _ = writeln!(child.stdin.take().unwrap(), "{secret}");
        child.wait_with_output().unwrap()
    }

    /// Waits until the terminal is in this state.
    pub fn wait_terminal(&self, state: &str) {
        eventually(&format!("terminal {state}; log:\n{}", self.log()), || {
            (self.json(&["status"])["terminal"]["state"] == state).then_some(())
        });
    }

    pub fn acquirer_order(&self, order: &str) -> String {
        order_to("acquirer", &self.path("acquirer.sock"), order)
    }

    pub fn reader_order(&self, order: &str) -> String {
        order_to("reader", &self.path("reader.sock"), order)
    }

    /// The customer, who has shown a card, does what the prompts ask for until the sale is over.
    pub fn serve(&self, sale: &Sale, pin: &str) {
        let (mut shown, mut typed) = (0, false);
        eventually("the end of the sale", || {
            let asked = sale.prompts("present-again").len();
            if sale.is_over() {
                return Some(());
            }
            if asked > shown {
                shown = asked;
                self.lift_card(|| sale.is_over());
                self.reader_order("card in");
            }
            if !typed && !sale.prompts("enter-pin").is_empty() {
                typed = true;
                self.keypad_order(&format!("type {pin} enter"));
            }
            None
        });
        self.reader_order("card out");
    }

    /// The customer takes the card away and gives the reader time to see that, unless nobody looks any more.
    pub fn lift_card(&self, over: impl Fn() -> bool) {
        self.reader_order("card out");
        let looks = || {
            let status = self.reader_order("status");
            let count = status.split_whitespace().find_map(|word| word.strip_prefix("polls=")).unwrap().to_owned();
            count.parse::<u64>().unwrap()
        };
        let before = looks();
        // Both kinds of card once after the look that is under way.
        eventually("the reader to look for cards again", || (over() || looks() >= before + 3).then_some(()));
    }

    pub fn keypad_order(&self, order: &str) -> String {
        order_to("keypad", &self.path("keypad.sock"), order)
    }

    pub fn scanner_order(&self, order: &str) -> String {
        order_to("scanner", &self.path("scanner.sock"), order)
    }

    /// Another simulator on the scanner's port.
    pub fn replace_scanner(&mut self, simulator: &str) {
        self.scanner = None;
        let mut other = Command::new(SIM);
        other.arg(simulator).arg("--link").arg(self.path("ttyScanner")).arg("--control").arg(self.path("other.sock"));
        self.scanner = Some(spawn_ready(other).0);
    }

    /// The acquirer's own account of what cardholders were charged.
    pub fn ledger(&self) -> serde_json::Value {
        serde_json::from_str(self.acquirer_order("ledger").trim()).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// Until this stands in the daemon's log, which answers do not wait for.
    pub fn wait_log(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), || self.log().contains(text).then_some(()));
    }

    /// A sale by posctl, its prompts answered as a customer would: card, PIN, card away.
    pub fn sell(&self, amount: &str, key: &str) -> Sale {
        let sale = self.begin_sale(amount, key);
        sale.wait_prompt("present-card");
        self.reader_order("card in");
        sale.wait_prompt("enter-pin");
        self.keypad_order(&format!("type {PIN} enter"));
        sale
    }

    pub fn begin_sale(&self, amount: &str, key: &str) -> Sale {
        let mut command = self.posctl_command(&["--json", "sale", amount, "--key", key]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Sale::follow(command.spawn().unwrap())
    }
}

/// A `posctl --json sale` under way: one JSON object a line.
pub struct Sale {
    child: Process,
    lines: Arc<Mutex<Vec<serde_json::Value>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Sale {
    fn follow(mut child: Child) -> Self {
        let out: ChildStdout = child.stdout.take().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    kept.lock().unwrap().push(value);
                }
            }
        });
        Self { child: Process(child), lines, reader: Some(reader) }
    }

    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Every prompt with this word so far.
    pub fn prompts(&self, word: &str) -> Vec<serde_json::Value> {
        self.lines().into_iter().filter(|l| l["event"] == "prompt" && l["prompt"] == word).collect()
    }

    /// Whether the daemon has said how it ended.
    pub fn is_over(&self) -> bool {
        self.lines().iter().any(|l| l["event"] == "finished" || l["event"] == "result")
    }

    pub fn wait_prompt(&self, word: &str) {
        eventually(&format!("prompt {word}"), || {
            let lines = self.lines();
            assert!(
                !lines.iter().any(|l| l["event"] == "finished"),
                "the sale ended before the prompt {word}: {lines:?}"
            );
            lines.iter().any(|l| l["event"] == "prompt" && l["prompt"] == word).then_some(())
        });
    }

    /// Waits for the end and gives the last line, the result.
    pub fn result(mut self) -> serde_json::Value {
        eventually("the end of the sale", || self.child.0.try_wait().unwrap());
        self.reader.take().unwrap().join().unwrap();
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.0.stderr.take() {
            stderr.read_to_string(&mut errors).unwrap();
        }
        self.lines().last().cloned().unwrap_or_else(|| panic!("no result: {errors}"))
    }
}

fn which(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin"].iter().map(|d| Path::new(d).join(name)).find(|p| p.exists())
}

fn start_bus(dbus: &Path, dir: &Path) -> (Process, String) {
    let address = format!("unix:path={}", dir.join("bus").display());
    let config = format!(
        "<busconfig><type>custom</type><listen>{address}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow user=\"*\"/><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\
         <limit name=\"max_completed_connections\">4096</limit><limit name=\"max_incomplete_connections\">4096</limit>\
         <limit name=\"max_connections_per_user\">4096</limit></busconfig>"
    );
    let file = dir.join("bus.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(dbus);
    command.arg(format!("--config-file={}", file.display())).args(["--nofork", "--print-address"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "dbus-daemon did not start");
    (Process(child), address)
}

/// Lets simulated devices go before other processes, where that is allowed: real ones do not wait for a processor.
fn hurry(devices: &[&Process]) {
    for device in devices {
        // Refused to all but root; then they wait like everybody.
        let _ = Command::new("renice").args(["-n", "-10", "-p", &device.0.id().to_string()]).output();
    }
}

/// The simulated acquirer alone, with ledger and control socket in this directory; and where it listens.
pub fn start_acquirer(dir: &Path, address: &str, arguments: &[String]) -> (Process, String) {
    let mut acquirer = Command::new(SIM);
    acquirer.args(["acquirer", "--listen", address, "--terminal", "99000001", "--merchant", "999000000000001"]);
    acquirer.args(arguments).arg("--ledger").arg(dir.join("ledger.jsonl"));
    acquirer.arg("--control").arg(dir.join("acquirer.sock")).arg("--capture").arg(dir.join("wire.log"));
    spawn_ready(acquirer)
}

/// Starts a simulator and waits for its line `ready WHERE`.
pub fn spawn_ready(mut command: Command) -> (Process, String) {
    let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let place = line.trim().strip_prefix("ready").unwrap_or_else(|| panic!("{command:?} said {line:?}"));
    (Process(child), place.trim().to_owned())
}

pub fn order_to(simulator: &str, socket: &Path, order: &str) -> String {
    let output = Command::new(SIM).arg(simulator).arg("--send").arg(socket).arg(order).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{simulator} {order:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Builds the input-device fake once for all tests.
fn fake_evdev() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT
        .get_or_init(|| {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/fake_evdev.c");
            let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fake_evdev-{}.so", std::process::id()));
            let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&out).arg(&source).status();
            assert!(built.is_ok_and(|s| s.success()), "cc could not build {}", source.display());
            out
        })
        .clone()
}
