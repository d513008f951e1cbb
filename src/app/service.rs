//! The wiring of the daemon on one page: what is made, in which order, and what ends it.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::config::Config;
use crate::app::core_loop::{Core, CoreError, Inlets, Parts, Wires};
use crate::app::safe_mode;
use crate::app::starts::{self, Starts};
use crate::app::supervisor::{KeyOutlet, KeypadDevice, Links, Network, Order, SerialLine, Supervisor};
use crate::app::watchdog::{self, Progress};
use crate::bus::authority::Authority;
use crate::bus::{self, BusAddress};
use crate::domain::cause::Cause;
use crate::domain::heal::Part;
use crate::domain::secret::DoubleKey;
use crate::driver::evdev as keypad_device;
use crate::driver::usb::UsbPower;
use crate::driver::{clock, device_path, repair, serial, tcp};
use crate::engine::heal::HealSettings;
use crate::engine::settings::{ForwardSettings, Settings, Standstill};
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
    /// systemd's runtime directory, kept from one start to the next.
    pub runtime_directory: Option<PathBuf>,
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

/// How the daemon ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It wants to be started again: the service manager does that for any end, and is told by [`RESTART_CODE`].
    ForRestart,
}

/// The exit code of an end that wants a restart (EX_TEMPFAIL).
pub const RESTART_CODE: u8 = 75;

/// Runs the daemon until it is told to stop. Every end is counted: too many without order lead to safe mode.
pub async fn run(options: Options) -> Result<Ended, ServiceError> {
    let heal = options.config.heal;
    make_directory(&options.config.state_dir)?;
    let places = [options.config.state_dir.clone()].into_iter().chain(options.runtime_directory.clone());
    let starts = Starts::new(places, clock::boot(), heal.safe_mode_within);
    let counts = heal.safe_mode_after > 0;
    let failed = if counts { starts.begin(clock::now().mono) } else { 0 };
    if failed > 1 {
        tracing::warn!(POS_COMPONENT = "service", "{failed} starts without an orderly end: this one is held back");
        tokio::time::sleep(starts::hold_back(failed)).await;
    }
    let ended = attempt(options, counts && failed >= heal.safe_mode_after, failed).await;
    match &ended {
        Ok(_) if counts => starts.ended_well(),
        // Without a bus nobody can be served, and starting again is all there is to do.
        Err(ServiceError::BusLost | ServiceError::Bus(bus::ServeError::NoBus { .. })) if counts => {
            starts.take_back(clock::now().mono);
        }
        Ok(_) | Err(_) => {}
    }
    ended
}

/// One start: as usual, in safe mode, or without a store where that cannot be opened.
async fn attempt(options: Options, looping: bool, failed: usize) -> Result<Ended, ServiceError> {
    let safe_mode = looping.then(|| {
        let window = options.config.heal.safe_mode_within.as_secs();
        let evidence = format!("{failed} starts within {window} s did not end in order");
        tracing::error!(POS_COMPONENT = "service", POS_CAUSE = "S01", POS_EVIDENCE = %evidence, "safe mode");
        Standstill { cause: Cause::S01, evidence }
    });
    let refused = match assemble(&options.config, options.credentials.as_deref(), safe_mode.clone()) {
        Ok(assembled) => return work(options, assembled, safe_mode.is_some()).await,
        Err(refused) => refused,
    };
    let cause = match &refused {
        ServiceError::Store(error) | ServiceError::Core(CoreError::Store(error)) => error.cause(),
        _ => None,
    };
    match cause.or(looping.then_some(Cause::S01)) {
        Some(cause) => {
            let evidence = refused.to_string();
            safe_mode::serve(options, Standstill { cause, evidence }).await
        }
        None => Err(refused),
    }
}

/// The daemon at work; in safe mode without any device and without a network.
async fn work(options: Options, assembled: Assembled, safe_mode: bool) -> Result<Ended, ServiceError> {
    let config = options.config;
    let (core, inlets, outlets, drivers) = assembled;
    let progress = Progress::default();
    let mut supervisor = Supervisor::default();
    // In safe mode the drivers are kept but not run: their channels must not end.
    let idle = if safe_mode { Some(drivers) } else { supervise(&mut supervisor, drivers) };
    let mut core_ended = spawn_core(core, inlets, progress.clone())?;

    let mut snapshots = outlets.snapshots.clone();
    let bus_core = bus::Core::new(outlets.requests, outlets.snapshots);
    let mut served = bus::serve(options.bus, bus_core, outlets.updates, options.authority).await?;
    let machine = served.machine();
    let status = if safe_mode { "safe mode" } else { "serving" };
    watchdog::tell(&[NotifyState::Ready, NotifyState::Status(status)]);
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
    let again = supervisor.again();
    let mut wanted = outlets.orders;
    let end = {
        let quiet = async {
            match safe_mode {
                true => tokio::time::sleep(config.heal.safe_mode_quiet).await,
                false => std::future::pending().await,
            }
        };
        // These two end the daemon, but not from under a payment.
        let mut others = snapshots.clone();
        let lost = async {
            served.lost().await;
            calm(&mut snapshots).await;
        };
        let given_up = async {
            supervisor.given_up().await;
            calm(&mut others).await;
        };
        tokio::pin!(feed, quiet, lost, given_up);
        loop {
            tokio::select! {
                _ = term.recv() => break Ok(Ended::Stopped),
                _ = int.recv() => break Ok(Ended::Stopped),
                ended = &mut core_ended => break match ended {
                    Ok(result) => result.map(|()| Ended::Stopped).map_err(ServiceError::from),
                    Err(_) => Err(ServiceError::CoreDied),
                },
                () = &mut lost => break Err(ServiceError::BusLost),
                fed = &mut feed => break fed.map(|()| Ended::Stopped).map_err(ServiceError::from),
                () = &mut given_up => break Ok(Ended::ForRestart),
                () = &mut quiet => {
                    tracing::info!(POS_COMPONENT = "service", "safe mode has been quiet long enough: starting anew");
                    break Ok(Ended::ForRestart);
                }
                Some(order) = wanted.recv() => match order {
                    Order::RestartComponent(part) => again.restart(part),
                    Order::RestartService | Order::LeaveSafeMode => break Ok(Ended::ForRestart),
                    Order::Reboot => machine.reboot().await,
                },
            }
        }
    };
    watchdog::tell(&[NotifyState::Stopping]);
    served.leave().await;
    // What the drivers hold is closed.
    drop((supervisor, idle));
    end
}

/// The longest that a payment may take from the card to its answer, and a bit.
const CALM: Duration = Duration::from_secs(150);

/// Until no payment is at hand, within bounds.
async fn calm(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    let over = snapshots.wait_for(|snapshot| snapshot.terminal.active.is_none());
    // Whoever waited long enough goes on with recovery at the next start.
    let _ = tokio::time::timeout(CALM, over).await;
}

/// Hands all drivers to the supervisor.
fn supervise(supervisor: &mut Supervisor, drivers: Drivers) -> Option<Drivers> {
    supervisor.add("card reader's serial line", Part::Reader, drivers.serial);
    supervisor.add("keypad", Part::Keypad, drivers.keypad);
    supervisor.add("network", Part::Host, drivers.network);
    supervisor.add("link watch", Part::Host, drivers.links);
    None
}

/// What runs beside the core.
struct Drivers {
    serial: SerialLine,
    keypad: KeypadDevice,
    network: Network,
    links: Links,
}

/// Everything, ready to run.
type Assembled = (Core, Inlets, Outlets, Drivers);

fn make_directory(directory: &Path) -> Result<(), ServiceError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| ServiceError::StateDirectory { path: directory.to_owned(), source })
}

/// The far ends of all channels.
struct Outlets {
    requests: mpsc::Sender<bus::Request>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    updates: mpsc::Receiver<bus::Update>,
    orders: mpsc::Receiver<Order>,
    nudges: mpsc::Sender<()>,
}

fn assemble(
    config: &Config,
    credentials: Option<&Path>,
    safe_mode: Option<Standstill>,
) -> Result<Assembled, ServiceError> {
    let directory = &config.state_dir;
    let vault = Vault::find(credentials, &directory.join(KEY_FILE))?;
    let store = Store::open(&directory.join(DATABASE), vault)?;
    let mut host = Host::new(Arc::new(config.profile.clone()), config.identity());
    if let Some(key) = store.master_key()? {
        let key = <[u8; 16]>::try_from(key.expose()).map_err(|_| ServiceError::MasterKey)?;
        host.set_master(DoubleKey(key));
    }
    let settings = Settings { safe_mode, ..settings(config) };
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
    let (changes, link) = mpsc::channel(1);
    let (order_sender, orders) = mpsc::channel(COMMANDS);

    let parts = Parts {
        store,
        host,
        reader,
        keypad,
        settings,
        clock: clock::now,
        synchronised: clock::synchronised,
        language: config.language,
        heal: HealSettings {
            reset_line: config.reader.reset_line.is_some(),
            power_switch: config.reader.usb_power,
            reboot: config.heal.reboot,
        },
    };
    let repair = repair::start(repair_settings(config), repair_events)?;
    let wires = Wires { serial, keypad: keypad_sender, tcp, repair, updates: update_sender, orders: order_sender };
    let (core, snapshots) = Core::new(parts, wires, clock::now().wall.0)?;
    let inlets = Inlets {
        requests: request_inlet,
        serial: serial_inlet,
        keypad: key_inlet,
        tcp: tcp_inlet,
        repair: repair_inlet,
        link,
        nudges: nudge_inlet,
    };
    let outlets = Outlets { requests, snapshots, updates, orders, nudges };
    let line = serial::Settings { choice: reader_choice(config), baud: BASE_RATE.bits_per_second() };
    let pad = keypad_device::Settings { choice: keypad_choice(config), ..keypad_device::Settings::default() };
    let acquirer = tcp::Acquirer { endpoints: config.profile.addresses.clone(), trust: config.profile.trust.clone() };
    let drivers = Drivers {
        serial: SerialLine { settings: line, commands: serial_commands, events: serial_events },
        keypad: KeypadDevice { settings: pad, commands: keypad_commands, events: key_outlet(key_sender) },
        network: Network { acquirer, commands: tcp_commands, events: tcp_events },
        links: Links { changes },
    };
    Ok((core, inlets, outlets, drivers))
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
