//! The shipped `smartpos-sim keypad` through the `evdev` crate, as the daemon opens a keypad.
//!
//! Proves: keys, exclusive grab, lost events and unplugging look like the kernel's. The kernel here may have no uinput,
//! so each test runs itself again under `tests/rig/fake_evdev.c`. Without a C compiler they say `skipped: …`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use evdev::raw_stream::{EventStream, RawDevice};
use evdev::{EventType, InputEvent, KeyCode, SynchronizationCode};

const PATIENCE: Duration = Duration::from_secs(20);
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;

/// A running simulator; dropping it stops it.
struct Sim {
    child: Child,
    control: BufReader<UnixStream>,
    node: PathBuf,
}

impl Sim {
    /// Starts the simulator on the socket that FAKE_EVDEV names.
    fn start(arguments: &[&str]) -> Self {
        let fake = std::env::var("FAKE_EVDEV").unwrap();
        let (node, socket) = fake.split_once('=').unwrap();
        let control = Path::new(socket).with_extension("control");
        let mut child = Command::new(env!("CARGO_BIN_EXE_smartpos-sim"))
            .args(["keypad", "--socket", socket, "--control", control.to_str().unwrap()])
            .args(arguments)
            .env_remove("LD_PRELOAD")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ready = first_line(child.stdout.take().unwrap());
        assert_eq!(ready, format!("ready {socket}"));
        let control = UnixStream::connect(control).unwrap();
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { child, control: BufReader::new(control), node: node.into() }
    }

    fn order(&mut self, line: &str) -> String {
        self.control.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.control.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn do_it(&mut self, line: &str) {
        assert_eq!(self.order(line), "ok", "{line}");
    }

    fn open(&self) -> RawDevice {
        RawDevice::open(&self.node).unwrap()
    }

    /// Asks for the status until it holds this word.
    fn await_status(&mut self, word: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.order("status").contains(word) {
            assert!(Instant::now() < end, "no {word}");
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn first_line(stdout: impl Read + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let _late = sender.send(read.map(|_| line.trim_end().to_owned()));
    });
    receiver.recv_timeout(PATIENCE).expect("the simulator says that it is ready").unwrap()
}

/// The preloaded library, built anew; none without a C compiler.
fn library(into: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/fake_evdev.c");
    let library = into.join("fake_evdev.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).args([&library, &source]);
    match compiler.output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(library)
        }
        Err(_) => None,
    }
}

/// Runs a test's body in a child process that has the library preloaded.
fn under_the_library(test: &str, body: impl FnOnce()) {
    if std::env::var_os("FAKE_EVDEV").is_some() {
        return body();
    }
    let dir = tempfile::tempdir().unwrap();
    let Some(library) = library(dir.path()) else {
        eprintln!("skipped: {test}: no C compiler here; apt-get install gcc libc6-dev");
        return;
    };
    let fake = format!("{}={}", dir.path().join("event0").display(), dir.path().join("keypad").display());
    let output = Command::new("timeout")
        .arg("60")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("LD_PRELOAD", library)
        .env("FAKE_EVDEV", fake)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Runs a body that waits for events.
fn with_events(body: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(body());
}

async fn next(stream: &mut EventStream) -> std::io::Result<InputEvent> {
    tokio::time::timeout(PATIENCE, stream.next_event()).await.expect("an event comes")
}

/// The next key event, as code and value; SYN_DROPPED must not come before it.
async fn next_key(stream: &mut EventStream) -> (KeyCode, i32) {
    loop {
        let event = next(stream).await.unwrap();
        assert!(!is_dropped(event));
        if event.event_type() == EventType::KEY {
            return (KeyCode::new(event.code()), event.value());
        }
    }
}

fn is_dropped(event: InputEvent) -> bool {
    event.event_type() == EventType::SYNCHRONIZATION && event.code() == SynchronizationCode::SYN_DROPPED.0
}

#[test]
fn typed_keys_arrive_at_a_grabbed_raw_device() {
    under_the_library("typed_keys_arrive_at_a_grabbed_raw_device", || {
        with_events(async || {
            let mut sim = Sim::start(&["--name", "Numeric pad", "--press-ms", "5", "--gap-ms", "5"]);
            let mut device = sim.open();
            assert_eq!((device.name(), device.physical_path()), (Some("Numeric pad"), None));
            assert_eq!(device.input_id().product(), 0x5350);
            let keys = device.supported_keys().unwrap();
            assert!(keys.contains(KeyCode::KEY_KP0) && keys.contains(KeyCode::KEY_KPENTER));
            assert!(!keys.contains(KeyCode::KEY_1));
            assert!(device.supported_events().contains(EventType::REPEAT));
            assert_eq!(device.get_auto_repeat().map(|r| (r.delay, r.period)), Some((250, 33)));
            device.grab().unwrap();
            let mut stream = device.into_event_stream().unwrap();
            sim.do_it("type 10 enter");
            for code in [KeyCode::KEY_KP1, KeyCode::KEY_KP0, KeyCode::KEY_KPENTER] {
                assert_eq!(next_key(&mut stream).await, (code, 1));
                assert_eq!(next_key(&mut stream).await, (code, 0));
            }
        });
    });
}

#[test]
fn a_second_grab_is_busy_and_the_other_program_hears_nothing() {
    under_the_library("a_second_grab_is_busy_and_the_other_program_hears_nothing", || {
        with_events(async || {
            let mut sim = Sim::start(&["--press-ms", "5", "--gap-ms", "5"]);
            let (mut first, mut second) = (sim.open(), sim.open());
            first.grab().unwrap();
            assert_eq!(second.grab().unwrap_err().raw_os_error(), Some(EBUSY));
            sim.do_it("key 1");
            assert!(first.fetch_events().unwrap().any(|e| e.code() == KeyCode::KEY_KP1.code()));
            drop(first);
            sim.await_status("grabbed=no");
            second.grab().unwrap();
            sim.do_it("key 2");
            let mut stream = second.into_event_stream().unwrap();
            assert_eq!(next_key(&mut stream).await, (KeyCode::KEY_KP2, 1), "and no key 1 before it");
        });
    });
}

#[test]
fn lost_events_are_announced_and_the_state_of_the_keys_can_be_asked() {
    under_the_library("lost_events_are_announced_and_the_state_of_the_keys_can_be_asked", || {
        with_events(async || {
            let mut sim = Sim::start(&[]);
            let mut stream = sim.open().into_event_stream().unwrap();
            sim.do_it("down 7");
            assert_eq!(next_key(&mut stream).await, (KeyCode::KEY_KP7, 1));
            sim.do_it("syn-dropped");
            while !is_dropped(next(&mut stream).await.unwrap()) {}
            assert_eq!(stream.device().get_key_state().unwrap().iter().collect::<Vec<_>>(), [KeyCode::KEY_KP7]);
            sim.do_it("up 7");
            assert_eq!(next_key(&mut stream).await, (KeyCode::KEY_KP7, 0));
            assert_eq!(stream.device().get_key_state().unwrap().iter().count(), 0);
        });
    });
}

#[test]
fn a_program_that_reads_too_slowly_loses_events_and_is_told() {
    under_the_library("a_program_that_reads_too_slowly_loses_events_and_is_told", || {
        with_events(async || {
            let mut sim = Sim::start(&["--press-ms", "0", "--gap-ms", "0"]);
            let mut stream = sim.open().into_event_stream().unwrap();
            let line = format!("keys {}", "5".repeat(4_000));
            sim.do_it(&line);
            let mut events = 0;
            while stream.device_mut().fetch_events().is_ok_and(|batch| batch.map(|_| events += 1).count() > 0) {}
            assert!(0 < events && events < 2 * 3 * 4_000, "{events}");
            sim.do_it("key 1");
            assert!(is_dropped(next(&mut stream).await.unwrap()));
        });
    });
}

#[test]
fn an_unplugged_keypad_is_gone_for_ever_and_a_new_one_can_be_opened() {
    under_the_library("an_unplugged_keypad_is_gone_for_ever_and_a_new_one_can_be_opened", || {
        with_events(async || {
            let mut sim = Sim::start(&["--press-ms", "5", "--gap-ms", "5", "--layout", "pinpad"]);
            let mut device = sim.open();
            device.grab().unwrap();
            let mut stream = device.into_event_stream().unwrap();
            sim.do_it("unplug");
            for _ in 0..3 {
                assert_eq!(next(&mut stream).await.unwrap_err().raw_os_error(), Some(ENODEV));
            }
            assert_eq!(stream.device().get_key_state().unwrap_err().raw_os_error(), Some(ENODEV));
            assert_eq!(RawDevice::open(&sim.node).unwrap_err().kind(), std::io::ErrorKind::NotFound);
            assert!(sim.order("key 1").starts_with("error: the keypad is unplugged"));
            sim.do_it("plug");
            let mut device = sim.open();
            device.grab().unwrap();
            let mut stream = device.into_event_stream().unwrap();
            sim.do_it("cancel");
            assert_eq!(next_key(&mut stream).await, (KeyCode::KEY_CANCEL, 1));
        });
    });
}

#[test]
fn a_held_key_repeats_and_a_worn_one_bounces() {
    under_the_library("a_held_key_repeats_and_a_worn_one_bounces", || {
        with_events(async || {
            let mut sim = Sim::start(&[]);
            let mut stream = sim.open().into_event_stream().unwrap();
            sim.do_it("hold 5 0.3");
            for value in [1, 2, 2, 0] {
                assert_eq!(next_key(&mut stream).await, (KeyCode::KEY_KP5, value));
            }
            sim.do_it("bounce 5 2");
            for value in [1, 0, 1, 0, 1, 0] {
                assert_eq!(next_key(&mut stream).await, (KeyCode::KEY_KP5, value));
            }
            assert!(sim.order("key nonsense").starts_with("error: no key nonsense here"));
        });
    });
}
