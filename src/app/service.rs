//! The wiring of the daemon on one page: what is made, in which order, and what ends it.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::config::Config;
use crate::app::core_loop::{Core, CoreError, Inlets, Parts, Wires};
use crate::app::faults::Faults;
use crate::app::machine;
use crate::app::watchdog::{self, Progress};
use crate::bus::authority::Authority;
use crate::bus::{self, BusAddress};
use crate::domain::secret::DoubleKey;
use crate::driver::evdev as keypad_device;
use crate::driver::usb::UsbPower;
use crate::driver::{clock, device_path, repair, serial, tcp};
use crate::engine::settings::{ForwardSettings, Settings};
use crate::engine::snapshot::Snapshot;
use crate::host::session::Host;
use crate::keypad::Keypad;
use crate::reader::pn532::command::BaudRate;
use crate::reader::pn532::link::BASE_RATE;
use crate::reader::tap::settings::TerminalSettings;
use crate::reader::{Reader, ReaderSettings};
use crate::store::vault::{KEY_FILE, Vault, VaultError};
use crate::store::{DATABASE, Store, StoreError};

/// What the command line and the service manager decide.
pub struct Options {
    /// The configuration.
    pub config: Config,
    /// Which bus.
    pub bus: BusAddress,
    /// Who may call.
    pub authority: Authority,
    /// systemd's credential directory.
    pub credentials: Option<PathBuf>,
}

/// Why the daemon could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The state directory cannot be made.
    #[error("{path}: {source}")]
    StateDirectory {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No sealing key.
    #[error("{0}")]
    Vault(#[from] VaultError),
    /// The store cannot be opened.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The stored master key has another length than a key.
    #[error("the stored master key is damaged; load it again with `posctl keys load`")]
    MasterKey,
    /// The core ended.
    #[error("core: {0}")]
    Core(#[from] CoreError),
    /// The bus is not there or does not let us in.
    #[error("{0}")]
    Bus(#[from] bus::ServeError),
    /// The bus went away.
    #[error("the connection to the bus was lost")]
    BusLost,
    /// The core thread panicked.
    #[error("the core thread has died")]
    CoreDied,
    /// The system refused something basic.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// Requests of the bus that may wait for the core; more are answered Busy.
const REQUESTS: usize = 64;
/// Events of one wire that may wait for the core.
const EVENTS: usize = 256;
/// Commands that may wait for one wire.
const COMMANDS: usize = 64;
/// Changes that may wait for the bus.
const UPDATES: usize = 1024;

/// Runs the daemon until it is told to stop.
pub async fn run(options: Options) -> Result<(), ServiceError> {
    let config = options.config;
    let (core, inlets, outlets) = assemble(&config, options.credentials.as_deref())?;
    let progress = Progress::default();

    let pad = keypad_device::Settings { choice: keypad_choice(&config), ..keypad_device::Settings::default() };
    let line = serial::Settings { choice: reader_choice(&config), baud: BASE_RATE.bits_per_second() };
    let acquirer = tcp::Acquirer { endpoints: config.profile.addresses.clone(), trust: config.profile.trust.clone() };
    let tasks = [
        tokio::spawn(serial::run(line, outlets.serial_commands, outlets.serial_events)),
        tokio::spawn(keypad_device::run(pad, outlets.keypad_commands, outlets.key_events)),
        tokio::spawn(tcp::run(acquirer, outlets.tcp_commands, outlets.tcp_events)),
    ];
    let mut core_ended = spawn_core(core, inlets, progress.clone())?;

    let bus_core = bus::Core::new(outlets.requests, outlets.snapshots).with_support(config.support.clone());
    let mut served = bus::serve(options.bus, bus_core, outlets.updates, options.authority).await?;
    watchdog::tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    tracing::info!(POS_COMPONENT = "service", "smartposd {} serves {}", env!("CARGO_PKG_VERSION"), bus::NAME);

    let nudges = outlets.nudges;
    let feed = async {
        match watchdog::period() {
            // A core that is gone needs no nudge: its end is seen below.
            Some(period) => watchdog::feed(period, progress, async || nudges.send(()).await.unwrap_or(())).await,
            None => std::future::pending().await,
        }
    };
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let end = tokio::select! {
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
        ended = &mut core_ended => match ended {
            Ok(result) => result.map_err(ServiceError::from),
            Err(_) => Err(ServiceError::CoreDied),
        },
        () = served.lost() => Err(ServiceError::BusLost),
        fed = feed => fed.map_err(ServiceError::from),
    };
    watchdog::tell(&[NotifyState::Stopping]);
    served.leave().await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    end
}

/// The far ends of all channels.
struct Outlets {
    requests: mpsc::Sender<bus::Request>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    updates: mpsc::Receiver<bus::Update>,
    serial_commands: mpsc::Receiver<serial::SerialCommand>,
    serial_events: mpsc::Sender<serial::SerialEvent>,
    keypad_commands: mpsc::Receiver<keypad_device::KeypadCommand>,
    key_events: Box<dyn Fn(keypad_device::KeypadDeviceEvent) + Send + Sync>,
    tcp_commands: mpsc::Receiver<tcp::Command>,
    tcp_events: mpsc::Sender<tcp::Event>,
    nudges: mpsc::Sender<()>,
}

fn assemble(config: &Config, credentials: Option<&Path>) -> Result<(Core, Inlets, Outlets), ServiceError> {
    let directory = &config.state_dir;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| ServiceError::StateDirectory { path: directory.clone(), source })?;
    let vault = Vault::find(credentials, &directory.join(KEY_FILE))?;
    let store = Store::open(&directory.join(DATABASE), vault)?;
    let mut host = Host::new(Arc::new(config.profile.clone()), config.identity());
    if let Some(key) = store.master_key()? {
        let key = <[u8; 16]>::try_from(key.expose()).map_err(|_| ServiceError::MasterKey)?;
        host.set_master(DoubleKey(key));
    }
    let settings = settings(config);
    let reader = Reader::new(reader_settings(config));
    let keymap = config.keypad.keymap.clone();
    let keypad = Keypad::new(crate::keypad::Settings { keymap, ..crate::keypad::Settings::default() });

    let (serial, serial_commands) = mpsc::channel(COMMANDS);
    let (keypad_sender, keypad_commands) = mpsc::channel(COMMANDS);
    let (tcp, tcp_commands) = mpsc::channel(COMMANDS);
    let (update_sender, updates) = mpsc::channel(UPDATES);
    let (serial_events, serial_inlet) = mpsc::channel(EVENTS);
    let (key_sender, key_inlet) = mpsc::channel(EVENTS);
    let (tcp_events, tcp_inlet) = mpsc::channel(EVENTS);
    let (repair_events, repair_inlet) = mpsc::channel(EVENTS);
    let (requests, request_inlet) = mpsc::channel(REQUESTS);
    let (nudges, nudge_inlet) = mpsc::channel(1);

    let parts = Parts {
        store,
        host,
        reader,
        keypad,
        settings,
        clock: clock::now,
        synchronised: clock::synchronised,
        language: config.language,
        faults: Faults::open(directory, machine::versions()),
    };
    let repair = repair::start(repair_settings(config), repair_events)?;
    let wires = Wires { serial, keypad: keypad_sender, tcp, repair, updates: update_sender };
    let (core, snapshots) = Core::new(parts, wires, clock::now().wall.0)?;
    let inlets = Inlets {
        requests: request_inlet,
        serial: serial_inlet,
        keypad: key_inlet,
        tcp: tcp_inlet,
        repair: repair_inlet,
        nudges: nudge_inlet,
    };
    let key_events = key_outlet(key_sender);
    let outlets = Outlets {
        requests,
        snapshots,
        updates,
        serial_commands,
        serial_events,
        keypad_commands,
        key_events,
        tcp_commands,
        tcp_events,
        nudges,
    };
    Ok((core, inlets, outlets))
}

/// Keys must never wait in the driver. When the core has no room, the entry under way is told that keys were lost.
fn key_outlet(
    sender: mpsc::Sender<keypad_device::KeypadDeviceEvent>,
) -> Box<dyn Fn(keypad_device::KeypadDeviceEvent) + Send + Sync> {
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

/// Runs the core on a thread of its own.
fn spawn_core(
    core: Core,
    inlets: Inlets,
    progress: Progress,
) -> Result<oneshot::Receiver<Result<(), CoreError>>, ServiceError> {
    let (ended, end) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("core".into()).spawn(move || {
        let result = runtime.block_on(core.run(inlets, progress));
        // The main thread may be stopping already.
        let _ = ended.send(result);
    })?;
    Ok(end)
}

fn settings(config: &Config) -> Settings {
    let profile = &config.profile;
    Settings {
        terminal_id: config.terminal_id.clone(),
        merchant_id: config.merchant_id.clone(),
        currency: profile.limits.currency,
        max_amount: profile.limits.max_amount,
        pin_above: profile.limits.pin_above,
        operator_required: config.operator_required,
        reader_power: config.reader.usb_power,
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
        boot: clock::boot(),
    }
}

fn reader_choice(config: &Config) -> device_path::Choice {
    config.reader.path.clone().map_or(device_path::Choice::Auto, device_path::Choice::Path)
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
