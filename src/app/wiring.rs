//! The wiring of the daemon on one page: what is made of the configuration, and which channel leads where.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::app::config::Config;
use crate::app::core_loop::{Core, Inlets, Parts, ScannerPost, UpkeepSettings, Wires};
use crate::app::doctor::{Doctor, Place};
use crate::app::faults::Faults;
use crate::app::machine;
use crate::app::self_test::Tested;
use crate::app::service::ServiceError;
use crate::app::supervisor::{KeyOutlet, KeypadDevice, Links, Network, Order, SerialLine};
use crate::app::training;
use crate::bus;
use crate::driver::evdev as keypad_device;
use crate::driver::gpio::LineName;
use crate::driver::usb::UsbPower;
use crate::driver::{clock, device_path, repair, serial, tamper, tcp};
use crate::engine::heal::HealSettings;
use crate::engine::settings::{ForwardSettings, Settings, Standstill};
use crate::engine::snapshot::Snapshot;
use crate::host::session::Host;
use crate::keypad::Keypad;
use crate::reader::pn532::command::BaudRate;
use crate::reader::pn532::link::BASE_RATE;
use crate::reader::tap::settings::TerminalSettings;
use crate::reader::{Reader, ReaderSettings};
use crate::scanner::{self, Scanner};
use crate::store::{DATABASE, Store};

/// Requests of the bus that may wait for the core; more are answered Busy.
const REQUESTS: usize = 64;
/// Events of one wire that may wait for the core.
const EVENTS: usize = 256;
/// Commands that may wait for one wire.
const COMMANDS: usize = 64;
/// Changes that may wait for the bus.
const UPDATES: usize = 1024;

/// What runs beside the core.
pub(super) struct Drivers {
    pub(super) serial: SerialLine,
    pub(super) keypad: KeypadDevice,
    pub(super) scanner: Option<SerialLine>,
    pub(super) network: Network,
    pub(super) links: Links,
}

/// Everything, ready to run.
pub(super) struct Assembled {
    pub(super) core: Core,
    pub(super) inlets: Inlets,
    pub(super) outlets: Outlets,
    pub(super) drivers: Drivers,
    pub(super) doctor: Doctor,
}

/// The far ends of all channels.
pub(super) struct Outlets {
    pub(super) requests: mpsc::Sender<bus::Request>,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) updates: mpsc::Receiver<bus::Update>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) nudges: mpsc::Sender<()>,
}

/// Makes everything, in order.
pub(super) fn assemble(
    config: &Config,
    credentials: Option<&Path>,
    safe_mode: Option<Standstill>,
) -> Result<Assembled, ServiceError> {
    let directory = &config.state_dir;
    let vault = training::vault(config, credentials)?;
    let mut store = Store::open(&directory.join(DATABASE), vault)?;
    let mut host = Host::new(Arc::new(config.profile.clone()), config.identity());
    if let Some(key) = training::master_key(config, &mut store, clock::now().wall)? {
        host.set_master(key);
    }
    let settings = Settings { safe_mode, ..settings(config) };
    let reader = Reader::new(reader_settings(config));
    let keymap = config.keypad.keymap.clone();
    let keypad = Keypad::new(crate::keypad::Settings { keymap, ..crate::keypad::Settings::default() });

    let (serial, serial_commands) = mpsc::channel(COMMANDS);
    let (keypad_sender, keypad_commands) = mpsc::channel(COMMANDS);
    let (scanner_sender, scanner_commands) = mpsc::channel(COMMANDS);
    let (scanner_events, scanner_inlet) = mpsc::channel(EVENTS);
    let (tcp, tcp_commands) = mpsc::channel(COMMANDS);
    let (update_sender, updates) = mpsc::channel(UPDATES);
    let (serial_events, serial_inlet) = mpsc::channel(EVENTS);
    let (key_sender, key_inlet) = mpsc::channel(EVENTS);
    let (tcp_events, tcp_inlet) = mpsc::channel(EVENTS);
    let (repair_events, repair_inlet) = mpsc::channel(EVENTS);
    let (tamper_readings, tamper_inlet) = mpsc::channel(EVENTS);
    let (requests, request_inlet) = mpsc::channel(REQUESTS);
    let (nudges, nudge_inlet) = mpsc::channel(1);
    let (changes, link) = mpsc::channel(1);
    let (order_sender, orders) = mpsc::channel(COMMANDS);

    let parts = Parts {
        store,
        host,
        reader,
        keypad,
        scanner: scanner(config).map(|machine| ScannerPost::new(machine, scanner_sender)),
        settings,
        clock: clock::now,
        synchronised: clock::synchronised,
        language: config.language,
        faults: Faults::open(directory, machine::versions()),
        training: config.training(),
        upkeep: upkeep_settings(config),
        heal: HealSettings {
            reset_line: config.reader.reset_line.is_some(),
            power_switch: config.reader.usb_power,
            reboot: config.heal.reboot,
        },
        tamper: tamper_settings(config).map(|settings| tamper::start(settings, tamper_readings)).transpose()?,
    };
    let repair = repair::start(repair_settings(config), repair_events)?;
    let wires = Wires { serial, keypad: keypad_sender, tcp, repair, updates: update_sender, orders: order_sender };
    let (core, snapshots) = Core::new(parts, wires, clock::now().wall.0)?;
    let inlets = Inlets {
        requests: request_inlet,
        serial: serial_inlet,
        keypad: key_inlet,
        scanner: scanner_inlet,
        tcp: tcp_inlet,
        repair: repair_inlet,
        tamper: tamper_inlet,
        link,
        nudges: nudge_inlet,
    };
    let outlets = Outlets { requests, snapshots, updates, orders, nudges };
    let line = serial::Settings { choice: reader_choice(config), baud: BASE_RATE.bits_per_second() };
    let pad = keypad_device::Settings { choice: keypad_choice(config), ..keypad_device::Settings::default() };
    let scanner = scanner_line(config).map(|settings| SerialLine {
        settings,
        commands: scanner_commands,
        events: scanner_events,
    });
    let doctor = doctor(config, outlets.requests.clone(), outlets.snapshots.clone());
    let drivers = Drivers {
        serial: SerialLine { settings: line, commands: serial_commands, events: serial_events },
        keypad: KeypadDevice { settings: pad, commands: keypad_commands, events: key_outlet(key_sender) },
        scanner,
        network: Network { acquirer: acquirer(config), commands: tcp_commands, events: tcp_events },
        links: Links { changes },
    };
    Ok(Assembled { core, inlets, outlets, drivers, doctor })
}

/// A doctor for this configuration.
pub(super) fn doctor(
    config: &Config,
    requests: mpsc::Sender<bus::Request>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
) -> Doctor {
    let place = Place {
        acquirer: acquirer(config),
        control: config.control_hosts.clone(),
        state_dir: config.state_dir.clone(),
    };
    Doctor::new(place, requests, snapshots)
}

/// The core as the bus sees it, with what the configuration says of the whole.
pub(super) fn bus_core(
    config: &Config,
    requests: mpsc::Sender<bus::Request>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    doctor: mpsc::Sender<bus::Examination>,
) -> bus::Core {
    bus::Core::new(requests, snapshots, doctor).training(config.training()).with_support(config.support.clone())
}

/// What a self-test looks at besides the core.
pub(super) fn tested(config: &Config) -> Tested {
    Tested {
        state_dir: config.state_dir.clone(),
        reset_line: config.reader.reset_line.clone(),
        usb_power: config.reader.usb_power,
    }
}

/// Keys must never wait in the driver. When the core has no room, the entry under way is told that keys were lost.
fn key_outlet(sender: mpsc::Sender<keypad_device::KeypadDeviceEvent>) -> KeyOutlet {
    let lost = std::sync::atomic::AtomicBool::new(false);
    Box::new(move |event| {
        use std::sync::atomic::Ordering::Relaxed;
        if lost.load(Relaxed) {
            let marker = keypad_device::KeypadDeviceEvent::SynDropped { keys_down: Vec::new() };
            lost.store(sender.try_send(marker).is_err(), Relaxed);
        }
        if sender.try_send(event).is_err() {
            lost.store(true, Relaxed);
        }
    })
}

/// What the engine is told.
pub(super) fn settings(config: &Config) -> Settings {
    let profile = &config.profile;
    Settings {
        terminal_id: config.terminal_id.clone(),
        merchant_id: config.merchant_id.clone(),
        currency: profile.limits.currency,
        max_amount: profile.limits.max_amount,
        pin_above: profile.limits.pin_above,
        operator_required: config.operator_required,
        reader_power: config.reader.usb_power,
        scanner: config.scanner.is_some(),
        confirm_amount: config.confirm_amount,
        utc_offset_minutes: profile.utc_offset_minutes,
        card_wait: std::time::Duration::from_secs(60),
        start_wait: std::time::Duration::from_secs(900),
        keys_max_age: profile.keys.max_age,
        clock_tolerance: std::time::Duration::from_secs(600),
        reversal_ends: profile.reversal.end_codes.iter().cloned().collect(),
        reversal_retries: u32::from(profile.reversal.retries),
        offline: profile.offline.limits.clone(),
        forwarding: ForwardSettings {
            pace: profile.offline.pace,
            done_codes: profile.offline.done_codes.iter().cloned().collect(),
            retries: profile.offline.retries,
            hold_after: profile.offline.hold_after,
        },
        safe_mode: None,
        boot: clock::boot(),
    }
}

fn acquirer(config: &Config) -> tcp::Acquirer {
    tcp::Acquirer { endpoints: config.profile.addresses.clone(), trust: config.profile.trust.clone() }
}

fn reader_choice(config: &Config) -> device_path::Choice {
    config.reader.path.clone().map_or(device_path::Choice::Auto(device_path::Role::Reader), device_path::Choice::Path)
}

/// The machine, where one is configured.
fn scanner(config: &Config) -> Option<Scanner> {
    let of = config.scanner.as_ref()?;
    let ranges = config.profile.payment_codes.clone();
    Some(Scanner::new(scanner::Settings { kind: of.kind, trigger: of.trigger, ranges }))
}

fn scanner_line(config: &Config) -> Option<serial::Settings> {
    let of = config.scanner.as_ref()?;
    let auto = device_path::Choice::Auto(device_path::Role::Scanner);
    Some(serial::Settings { choice: of.path.clone().map_or(auto, device_path::Choice::Path), baud: of.baud })
}

fn keypad_choice(config: &Config) -> keypad_device::Choice {
    let auto = keypad_device::Choice::Auto { keyboards: config.keypad.keyboards };
    config.keypad.path.clone().map_or(auto, keypad_device::Choice::Path)
}

fn repair_settings(config: &Config) -> repair::Settings {
    let note = config.state_dir.join("reader-off");
    let power = config.reader.usb_power.then(|| UsbPower { sysfs: "/sys".into(), note });
    repair::Settings { reset_line: config.reader.reset_line.clone(), devices: "/dev".into(), power }
}

fn tamper_settings(config: &Config) -> Option<tamper::Settings> {
    let wanted = config.tamper.as_ref()?;
    let line = LineName { name: wanted.line.clone(), setting: "tamper.line" };
    Some(tamper::Settings { line, active_high: wanted.active_high, devices: "/dev".into() })
}

fn upkeep_settings(config: &Config) -> UpkeepSettings {
    UpkeepSettings {
        sys: "/sys".into(),
        state_dir: config.state_dir.clone(),
        certificate: config.profile.trust.file().map(Path::to_owned),
        intervals: config.maintenance.intervals.clone(),
        look_every: config.maintenance.look_every,
        keys_max_age: config.profile.keys.max_age,
    }
}

fn reader_settings(config: &Config) -> ReaderSettings {
    let mut settings = ReaderSettings::default();
    settings.link.ladder.reset_line = config.reader.reset_line.is_some();
    settings.link.ladder.power_switch = config.reader.usb_power;
    if config.reader.usb_power {
        // Off for a second, found and set up by the kernel, named by udev: longer than a port that is only reopened.
        settings.link.reopen = std::time::Duration::from_secs(10);
    }
    settings.link.raise_to = BaudRate::from_bits_per_second(config.reader.baud_max).filter(|rate| *rate != BASE_RATE);
    let mut terminal = TerminalSettings::default();
    copy(&mut terminal.terminal_id, config.terminal_id.as_str());
    copy(&mut terminal.serial, config.terminal_id.as_str());
    copy(&mut terminal.merchant_id, config.merchant_id.as_str());
    settings.terminal = Arc::new(terminal);
    settings
}

/// Both sides have the length that the identifier has.
fn copy(to: &mut [u8], from: &str) {
    to.iter_mut().zip(from.bytes()).for_each(|(to, from)| *to = from);
}
