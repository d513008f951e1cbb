//! The real evdev driver on real kernel input devices (uinput), and PIN entry through it from key to PIN block.
//!
//! Needs `/dev/uinput`; `tests/rig/evdev-vm.sh` runs this in a virtual machine that has it. Each test makes a device
//! directory of its own with links to the nodes it made, as udev would, so that no other keypad is ever touched.
//! A finger taps to a beat here, because the kernel stamps what it does: a key must be down for longer than a bounce.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use evdev::raw_stream::RawDevice;
use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, EventType, InputEvent, KeyCode};
use smartpos::domain::secret::{Pin, PinBlock, PinCipher};
use smartpos::domain::time::Instant;
use smartpos::driver::evdev::{self as driver, Choice, EvdevError, KeypadCommand, KeypadDeviceEvent, Settings};
use smartpos::keypad::{Entry, Event, Keypad, Output, TimeLimits};
use tempfile::TempDir;
use tokio::sync::mpsc;

const KP: [u16; 10] = [82, 79, 80, 81, 75, 76, 77, 71, 72, 73];
const ENTER: u16 = 96;
const PATIENCE: Duration = Duration::from_secs(10);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A device directory, and the right to make devices.
struct Rig {
    devices: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Rig {
    /// `None`, said on stderr, where there is no uinput.
    fn new(test: &str) -> Option<Self> {
        if !Path::new("/dev/uinput").exists() {
            eprintln!("skipped: {test}: no /dev/uinput");
            return None;
        }
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(|broken| broken.into_inner());
        Some(Self { devices: tempfile::tempdir().unwrap(), _turn: turn })
    }

    fn settings(&self, choice: Choice) -> Settings {
        Settings { choice, devices: self.devices.path().into(), udev: "/nonexistent".into(), ..Settings::default() }
    }

    fn link(&self, name: &str, pad: &Pad) -> PathBuf {
        let link = self.devices.path().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&pad.node, &link).unwrap();
        link
    }

    fn unlink(&self, name: &str) {
        fs::remove_file(self.devices.path().join(name)).unwrap();
    }
}

/// A virtual pad with a finger on it; dropping it unplugs it.
struct Pad {
    device: VirtualDevice,
    node: PathBuf,
}

/// From one move of the finger to the next.
const BEAT: Duration = Duration::from_millis(25);

impl Pad {
    fn with_keys(name: &str, codes: impl IntoIterator<Item = u16>) -> Self {
        let mut keys = AttributeSet::<KeyCode>::new();
        codes.into_iter().for_each(|code| keys.insert(KeyCode::new(code)));
        let builder = VirtualDevice::builder().unwrap().name(name);
        let mut device = builder.with_keys(&keys).unwrap().build().unwrap();
        let node = device.enumerate_dev_nodes_blocking().unwrap().find_map(|node| {
            let node = node.unwrap();
            node.file_name()?.to_str()?.starts_with("event").then_some(node)
        });
        Self { device, node: node.expect("an event node") }
    }

    fn numeric(name: &str) -> Self {
        Self::with_keys(name, KP.into_iter().chain([ENTER, 14, 83, 55]))
    }

    fn keyboard(name: &str) -> Self {
        Self::with_keys(name, 1..=111)
    }

    fn change(&mut self, code: u16, value: i32) {
        self.device.emit(&[InputEvent::new(EventType::KEY.0, code, value)]).unwrap();
    }

    async fn tap(&mut self, code: u16) {
        let mut beat = tokio::time::interval(BEAT);
        // A beat that comes late on a busy machine must not shorten the next: that would be a bounce.
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for value in [1, 0] {
            beat.tick().await;
            self.change(code, value);
        }
        beat.tick().await;
    }

    /// More events than the kernel keeps for a reader. Nothing runs in between: the runtime has one thread, and this
    /// does not let go of it.
    fn flood(&mut self, code: u16) {
        for _ in 0..200 {
            self.change(code, 1);
            self.change(code, 0);
        }
    }
}

/// A running driver.
struct Driver {
    commands: mpsc::Sender<KeypadCommand>,
    told: mpsc::UnboundedReceiver<KeypadDeviceEvent>,
    task: tokio::task::JoinHandle<()>,
}

impl Driver {
    fn start(settings: Settings) -> Self {
        let (commands, receiver) = mpsc::channel(4);
        let (tell, told) = mpsc::unbounded_channel();
        let task = tokio::spawn(driver::run(settings, receiver, move |event| drop(tell.send(event))));
        Self { commands, told, task }
    }

    async fn next(&mut self) -> KeypadDeviceEvent {
        tokio::time::timeout(PATIENCE, self.told.recv()).await.expect("told in time").expect("running")
    }

    async fn opened(&mut self) -> (String, PathBuf, Vec<u16>) {
        match self.next().await {
            KeypadDeviceEvent::Opened { name, path, keys_down } => (name, path, keys_down),
            other => panic!("opened expected, {} came", word(&other)),
        }
    }

    async fn closed(&mut self) -> EvdevError {
        match self.next().await {
            KeypadDeviceEvent::Closed { why } => why,
            other => panic!("closed expected, {} came", word(&other)),
        }
    }

    async fn key(&mut self) -> (u16, i32, u64) {
        match self.next().await {
            KeypadDeviceEvent::Key { code, value, stamp } => (code, value, stamp.0),
            other => panic!("a key expected, {} came", word(&other)),
        }
    }

    async fn end(self) {
        drop(self.commands);
        tokio::time::timeout(PATIENCE, self.task).await.expect("ends in time").unwrap();
    }
}

fn word(event: &KeypadDeviceEvent) -> String {
    match event {
        KeypadDeviceEvent::Opened { .. } => "opened".into(),
        KeypadDeviceEvent::Closed { why } => format!("closed: {why}"),
        KeypadDeviceEvent::Key { .. } => "a key".into(),
        KeypadDeviceEvent::SynDropped { .. } => "lost events".into(),
    }
}

#[tokio::test]
async fn keys_arrive_in_order_with_the_kernels_stamps() {
    let Some(rig) = Rig::new("keys_arrive_in_order_with_the_kernels_stamps") else { return };
    let mut pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut driver = Driver::start(rig.settings(Choice::Path(link.clone())));
    assert_eq!(driver.opened().await, ("rig pad".into(), link, vec![]));
    pad.tap(KP[7]).await;
    pad.tap(ENTER).await;
    let (code, value, pressed) = driver.key().await;
    assert_eq!((code, value), (KP[7], 1));
    let (code, value, released) = driver.key().await;
    assert_eq!((code, value), (KP[7], 0));
    assert!(released > pressed, "pressed at {pressed}, released at {released} µs");
    let (code, value, _) = driver.key().await;
    assert_eq!((code, value), (ENTER, 1));
    driver.end().await;
}

#[tokio::test]
async fn a_key_that_is_down_when_the_pad_is_opened_is_named() {
    let Some(rig) = Rig::new("a_key_that_is_down_when_the_pad_is_opened_is_named") else { return };
    let mut pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    pad.change(KP[5], 1);
    let mut driver = Driver::start(rig.settings(Choice::Path(link)));
    assert_eq!(driver.opened().await.2, [KP[5]]);
    pad.change(KP[5], 0);
    let (code, value, _) = driver.key().await;
    assert_eq!((code, value), (KP[5], 0));
    driver.end().await;
}

/// How many events a second reader of the node gets now.
fn overheard(reader: &mut RawDevice) -> usize {
    reader.fetch_events().map(Iterator::count).unwrap_or(0)
}

fn second_reader(node: &Path) -> RawDevice {
    let reader = RawDevice::open(node).unwrap();
    nix::fcntl::fcntl(&reader, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
    reader
}

#[tokio::test]
async fn nobody_else_hears_the_keys_while_the_driver_holds_the_pad() {
    let Some(rig) = Rig::new("nobody_else_hears_the_keys_while_the_driver_holds_the_pad") else { return };
    let mut pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut other = second_reader(&pad.node);
    pad.tap(KP[1]).await;
    assert!(overheard(&mut other) > 0, "without a grab everybody hears");

    let mut driver = Driver::start(rig.settings(Choice::Path(link)));
    driver.opened().await;
    pad.tap(KP[1]).await;
    driver.key().await;
    driver.key().await;
    assert_eq!(overheard(&mut other), 0, "the grab is exclusive");

    driver.end().await;
    pad.tap(KP[1]).await;
    assert!(overheard(&mut other) > 0, "the grab ends with the driver");
}

#[tokio::test]
async fn a_pad_held_by_another_program_is_named_busy_and_taken_when_it_is_free() {
    let Some(rig) = Rig::new("a_pad_held_by_another_program_is_named_busy_and_taken_when_it_is_free") else { return };
    let pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut first = Driver::start(rig.settings(Choice::Path(link.clone())));
    first.opened().await;
    let mut second = Driver::start(rig.settings(Choice::Path(link.clone())));
    assert_eq!(second.closed().await, EvdevError::Busy(link.clone()));
    let mut raw = RawDevice::open(&pad.node).unwrap();
    assert_eq!(raw.grab().unwrap_err().raw_os_error(), Some(nix::errno::Errno::EBUSY as i32));
    first.end().await;
    second.opened().await;
    second.end().await;
}

#[tokio::test]
async fn a_flood_is_told_as_lost_events_with_what_is_down_now() {
    let Some(rig) = Rig::new("a_flood_is_told_as_lost_events_with_what_is_down_now") else { return };
    let mut pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut driver = Driver::start(rig.settings(Choice::Path(link)));
    driver.opened().await;
    pad.flood(KP[1]);
    pad.change(KP[5], 1);
    let mut delivered = 0;
    let keys_down = loop {
        match driver.next().await {
            KeypadDeviceEvent::Key { .. } => delivered += 1,
            KeypadDeviceEvent::SynDropped { keys_down } => break keys_down,
            other => panic!("{} came", word(&other)),
        }
    };
    assert!(delivered < 401, "some were lost");
    assert_eq!(keys_down, [KP[5]]);
    // What was read or queued with the loss must not turn up later as if it were new.
    pad.change(KP[5], 0);
    let (code, value, _) = driver.key().await;
    assert_eq!((code, value), (KP[5], 0));
    driver.end().await;
}

#[tokio::test]
async fn unplugging_is_told_and_the_pad_is_taken_again_under_its_stable_name() {
    let Some(rig) = Rig::new("unplugging_is_told_and_the_pad_is_taken_again_under_its_stable_name") else { return };
    let pad = Pad::numeric("rig pad");
    let name = "by-id/usb-rig-event-kbd";
    let link = rig.link(name, &pad);
    let mut driver = Driver::start(rig.settings(Choice::Path(link.clone())));
    driver.opened().await;
    // As udev does: the last link's directory goes with it.
    fs::remove_dir_all(link.parent().unwrap()).unwrap();
    drop(pad);
    assert_eq!(driver.closed().await, EvdevError::Unplugged(link.clone()));
    let mut again = Pad::numeric("rig pad again");
    rig.link(name, &again);
    assert_eq!(driver.opened().await, ("rig pad again".into(), link, vec![]));
    again.tap(KP[3]).await;
    assert_eq!(driver.key().await.0, KP[3]);
    driver.end().await;
}

#[tokio::test]
async fn a_command_reopens_the_pad() {
    let Some(rig) = Rig::new("a_command_reopens_the_pad") else { return };
    let pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut driver = Driver::start(rig.settings(Choice::Path(link.clone())));
    driver.opened().await;
    driver.commands.send(KeypadCommand::Reopen).await.unwrap();
    assert_eq!(driver.closed().await, EvdevError::Reopening(link));
    driver.opened().await;
    driver.end().await;
}

#[tokio::test]
async fn a_numeric_pad_is_found_among_other_devices_and_when_it_comes_later() {
    let Some(rig) = Rig::new("a_numeric_pad_is_found_among_other_devices_and_when_it_comes_later") else { return };
    let buttons = Pad::with_keys("power button", [116]);
    let remote = Pad::with_keys("remote control", (0x200..=0x20b).chain([0x160]));
    let keyboard = Pad::keyboard("keyboard");
    for (name, device) in [("event0", &buttons), ("event1", &remote), ("event2", &keyboard)] {
        rig.link(name, device);
    }
    let mut driver = Driver::start(rig.settings(Choice::Auto { keyboards: false }));
    assert_eq!(driver.closed().await, EvdevError::OnlyKeyboard(rig.devices.path().join("event2")));
    let pad = Pad::numeric("late pad");
    let stable = rig.link("by-path/platform-rig-event-kbd", &pad);
    rig.link("event3", &pad);
    assert_eq!(driver.opened().await, ("late pad".into(), stable.clone(), vec![]));

    rig.unlink("event3");
    drop(pad);
    assert_eq!(driver.closed().await, EvdevError::Unplugged(stable));
    assert_eq!(driver.closed().await, EvdevError::OnlyKeyboard(rig.devices.path().join("event2")));
    driver.end().await;

    let mut driver = Driver::start(rig.settings(Choice::Auto { keyboards: true }));
    assert_eq!(driver.opened().await.0, "keyboard");
    driver.end().await;
}

/// Times this thread went to sleep and was woken again.
fn wake_ups(thread: nix::unistd::Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn an_idle_pad_and_a_missing_pad_cost_no_wake_ups() {
    let Some(rig) = Rig::new("an_idle_pad_and_a_missing_pad_cost_no_wake_ups") else { return };
    let pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let settings = rig.settings(Choice::Path(link));
    let (tell, told) = std::sync::mpsc::channel();
    let (tell_thread, thread) = std::sync::mpsc::channel();
    let (commands, receiver) = mpsc::channel(1);
    let running = std::thread::spawn(move || {
        tell_thread.send(nix::unistd::gettid()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(driver::run(settings, receiver, move |event| drop(tell.send(word(&event)))));
    });
    let thread = thread.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "opened");
    // Nothing is told; the first while is the driver's to finish its work, in the second it must not wake.
    let idle = || {
        told.recv_timeout(Duration::from_millis(700)).unwrap_err();
        let before = wake_ups(thread);
        told.recv_timeout(Duration::from_secs(1)).unwrap_err();
        wake_ups(thread) - before
    };
    assert_eq!(idle(), 0, "while the pad is open");
    drop(pad);
    rig.unlink("event7");
    assert!(told.recv_timeout(PATIENCE).unwrap().starts_with("closed"));
    assert_eq!(idle(), 0, "while the pad is missing");
    drop(commands);
    running.join().unwrap();
}

/// Notes the PINs it was given, and makes a block that depends on nothing.
#[derive(Clone, Default)]
struct Ciphered(Arc<Mutex<Vec<Vec<u8>>>>);

impl PinCipher for Ciphered {
    fn encipher(&self, pin: &Pin) -> PinBlock {
        self.0.lock().unwrap().push(pin.expose().to_vec());
        PinBlock([0xB1; 8])
    }
}

/// The keypad machine on the real driver, as the core loop runs it.
struct Till {
    driver: Driver,
    keypad: Keypad,
    ciphered: Ciphered,
    epoch: std::time::Instant,
}

impl Till {
    fn start(settings: Settings) -> Self {
        Self {
            driver: Driver::start(settings),
            keypad: Keypad::new(smartpos::keypad::Settings::default()),
            ciphered: Ciphered::default(),
            epoch: std::time::Instant::now(),
        }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.epoch.elapsed().as_micros()).unwrap())
    }

    fn ask_pin(&mut self) {
        let entry = Entry::Pin { cipher: Box::new(self.ciphered.clone()), min: 4, max: 6, bypass: false };
        let now = self.now();
        self.keypad.handle(now, Event::Start { entry, limits: TimeLimits::default() });
    }

    /// Runs the machine until it says this, and returns what it said before.
    async fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut said = Vec::new();
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            while let Some(output) = self.keypad.poll() {
                let output = words(&output);
                if output == wanted {
                    return said;
                }
                said.push(output);
            }
            let due = self.keypad.deadline().map_or(PATIENCE, |due| due.since(self.now()));
            let due = tokio::time::Instant::now() + due;
            tokio::select! {
                event = self.driver.told.recv() => {
                    let event = machine_event(event.expect("driver runs"));
                    self.keypad.handle(self.now(), event);
                }
                () = tokio::time::sleep_until(due) => self.keypad.expire(self.now()),
                () = tokio::time::sleep_until(patience) => panic!("{wanted} did not come, but {said:?}"),
            }
        }
    }

    fn pins(&self) -> Vec<Vec<u8>> {
        self.ciphered.0.lock().unwrap().clone()
    }
}

fn machine_event(event: KeypadDeviceEvent) -> Event {
    match event {
        KeypadDeviceEvent::Opened { name, keys_down, .. } => Event::Opened { name, keys_down },
        KeypadDeviceEvent::Closed { .. } => Event::Closed,
        KeypadDeviceEvent::Key { code, value, stamp } => Event::Key { code, value, stamp },
        KeypadDeviceEvent::SynDropped { keys_down } => Event::SynDropped { keys_down },
    }
}

fn words(output: &Output) -> String {
    match output {
        Output::StateChanged(state, None) => state.to_string(),
        Output::StateChanged(state, Some(cause)) => format!("{state} {cause}"),
        Output::Progress { digits } => format!("digits {digits}"),
        Output::Cleared { why } => format!("cleared {why}"),
        Output::Failed(cause) => format!("failed {cause}"),
        other => other.word().into(),
    }
}

async fn type_in(pad: &mut Pad, codes: &[u16]) {
    for code in codes {
        pad.tap(*code).await;
    }
}

#[tokio::test]
async fn a_pin_typed_on_a_real_pad_becomes_a_block() {
    let Some(rig) = Rig::new("a_pin_typed_on_a_real_pad_becomes_a_block") else { return };
    let mut pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut till = Till::start(rig.settings(Choice::Path(link)));
    till.until("ready").await;
    till.ask_pin();
    till.until("active").await;
    let (said, ()) =
        tokio::join!(till.until("pin-entered"), type_in(&mut pad, &[KP[9], 14, KP[4], KP[3], KP[2], KP[1], ENTER]));
    assert_eq!(said, ["digits 1", "digits 0", "digits 1", "digits 2", "digits 3", "digits 4", "ready"]);
    assert_eq!(till.pins(), [[4, 3, 2, 1]]);
    till.driver.end().await;
}

#[tokio::test]
async fn a_pin_of_which_keys_were_lost_is_wiped_and_typed_again() {
    let Some(rig) = Rig::new("a_pin_of_which_keys_were_lost_is_wiped_and_typed_again") else { return };
    let mut pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut till = Till::start(rig.settings(Choice::Path(link)));
    till.until("ready").await;
    till.ask_pin();
    tokio::join!(till.until("digits 2"), type_in(&mut pad, &[KP[4], KP[3]]));
    pad.flood(KP[9]);
    till.until("cleared events-lost").await;
    tokio::join!(till.until("pin-entered"), type_in(&mut pad, &[KP[1], KP[2], KP[3], KP[4], ENTER]));
    assert_eq!(till.pins(), [[1, 2, 3, 4]]);
    till.driver.end().await;
}

#[tokio::test]
async fn unplugging_during_a_pin_fails_it_and_the_next_pad_takes_a_new_one() {
    let Some(rig) = Rig::new("unplugging_during_a_pin_fails_it_and_the_next_pad_takes_a_new_one") else { return };
    let mut pad = Pad::numeric("rig pad");
    let link = rig.link("event7", &pad);
    let mut till = Till::start(rig.settings(Choice::Path(link)));
    till.until("ready").await;
    till.ask_pin();
    tokio::join!(till.until("digits 2"), type_in(&mut pad, &[KP[4], KP[3]]));
    rig.unlink("event7");
    drop(pad);
    assert_eq!(till.until("failed H05").await.last().unwrap(), "absent H05");

    let mut pad = Pad::numeric("rig pad");
    rig.link("event7", &pad);
    till.until("ready").await;
    till.ask_pin();
    tokio::join!(till.until("pin-entered"), type_in(&mut pad, &[KP[1], KP[2], KP[3], KP[4], ENTER]));
    assert_eq!(till.pins(), [[1, 2, 3, 4]]);
    till.driver.end().await;
}
