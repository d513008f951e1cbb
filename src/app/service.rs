//! The life of the daemon on one page: one start, how it works, and what ends it. What is made: `app::wiring`.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::config::Config;
use crate::app::core_loop::{Core, CoreError, Inlets};
use crate::app::safe_mode;
use crate::app::self_test::Tester;
use crate::app::starts::{self, Starts};
use crate::app::supervisor::{Order, Supervisor};
use crate::app::training;
use crate::app::watchdog::{self, Progress};
use crate::app::wiring::{Assembled, Drivers, assemble, bus_core, tested};
use crate::bus::authority::Authority;
use crate::bus::{self, BusAddress};
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::heal::Part;
use crate::driver::clock;
use crate::engine::settings::Standstill;
use crate::engine::snapshot::Snapshot;
use crate::store::StoreError;
use crate::store::vault::VaultError;

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
    /// The key of training where a real one belongs, or the other way round.
    #[error(
        "the stored master key is that of the other side: training has its own key, which real payments never use, and \
         the other way round; load the right one with `posctl keys load`"
    )]
    WrongMasterKey,
    /// Live and training share the devices.
    #[error(
        "this terminal is in use by another smartposd, live or training; only one can have the reader: stop that one first \
         (systemctl stop smartposd smartposd-training)"
    )]
    Another,
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

impl ServiceError {
    /// The cause of the catalogue, where one applies. What concerns the bus or the system as a whole has none: systemd
    /// starts the daemon again.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::StateDirectory { .. } => Some(Cause::P02),
            Self::Vault(error) => error.cause(),
            Self::Store(error) => error.cause(),
            Self::MasterKey | Self::WrongMasterKey => Some(Cause::K04),
            Self::Core(error) => error.cause(),
            Self::Another | Self::Bus(_) | Self::BusLost | Self::CoreDied | Self::System(_) => None,
        }
    }
}

/// The last line: that it was stopped, or why it had to end.
pub fn tell_end(ended: &Result<Ended, ServiceError>) {
    match ended {
        Ok(ended) => tracing::info!(
            POS_EVENT = JournalEvent::DaemonStopped.as_str(),
            POS_COMPONENT = "service",
            "smartposd {}",
            match ended {
                Ended::Stopped => "was stopped",
                Ended::ForRestart => "ends in order, to be started anew",
            }
        ),
        Err(error) => tracing::error!(
            POS_EVENT = JournalEvent::DaemonFailed.as_str(),
            POS_COMPONENT = "service",
            POS_CAUSE = error.cause().map(Cause::as_str),
            POS_EVIDENCE = %error,
            "smartposd cannot go on"
        ),
    }
}

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
    let _claim = training::claim(&options.config.home)?;
    let places = [options.config.state_dir.clone()].into_iter().chain(options.runtime_directory.clone());
    let starts = Starts::new(places, clock::boot(), heal.safe_mode_within);
    let counts = heal.safe_mode_after > 0;
    let failed = if counts { starts.begin(clock::now().mono) } else { 0 };
    if failed > 1 {
        tracing::warn!(
            POS_EVENT = JournalEvent::UncleanStop.as_str(),
            POS_COMPONENT = "service",
            "{failed} starts without an orderly end: this one is held back"
        );
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
        tracing::error!(
            POS_EVENT = JournalEvent::SafeMode.as_str(),
            POS_COMPONENT = "service",
            POS_CAUSE = Cause::S01.as_str(),
            POS_EVIDENCE = %evidence,
            "safe mode"
        );
        Standstill { cause: Cause::S01, evidence }
    });
    let refused = match assemble(&options.config, options.credentials.as_deref(), safe_mode.clone()) {
        Ok(assembled) => return work(options, assembled, safe_mode.is_some()).await,
        Err(refused) => refused,
    };
    let cause = match &refused {
        ServiceError::Store(_) | ServiceError::Core(CoreError::Store(_)) => refused.cause(),
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
    let Assembled { core, inlets, outlets, drivers, doctor } = assembled;
    let progress = Progress::default();
    let mut supervisor = Supervisor::default();
    // In safe mode the drivers are kept but not run: their channels must not end.
    let idle = if safe_mode { Some(drivers) } else { supervise(&mut supervisor, drivers) };
    let mut core_ended = spawn_core(core, inlets, progress.clone())?;
    let (examinations, calls) = mpsc::channel(1);
    let doctor = tokio::spawn(doctor.run(calls));
    let (trials, wanted_trials) = mpsc::channel(1);
    let tester =
        Tester::new(tested(&config), outlets.requests.clone(), examinations.clone(), outlets.snapshots.clone());
    let tester = tokio::spawn(tester.run(wanted_trials));

    let mut snapshots = outlets.snapshots.clone();
    let bus_core = bus_core(&config, outlets.requests, outlets.snapshots, examinations).with_trials(trials);
    let mut served = bus::serve(options.bus, bus_core, outlets.updates, options.authority).await?;
    let machine = served.machine();
    let status = if safe_mode { "safe mode" } else { "serving" };
    watchdog::tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    tracing::info!(
        POS_EVENT = JournalEvent::DaemonStarted.as_str(),
        POS_COMPONENT = "service",
        "smartposd {} serves {}{}",
        env!("CARGO_PKG_VERSION"),
        bus::NAME,
        if config.training() { " for training: no money moves" } else { "" }
    );

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
        // These end the daemon, but not from under a payment.
        let (mut others, mut at_stop) = (snapshots.clone(), snapshots.clone());
        let lost = async {
            served.lost().await;
            calm(&mut snapshots).await;
        };
        let given_up = async {
            supervisor.given_up().await;
            calm(&mut others).await;
        };
        let settled = async {
            watchdog::tell(&[NotifyState::Status("stops after the payment at hand")]);
            calm(&mut at_stop).await;
        };
        let mut stopping = false;
        tokio::pin!(feed, quiet, lost, given_up, settled);
        loop {
            tokio::select! {
                // Neither does an order to stop end it from under a payment, unless it is given twice.
                _ = term.recv() => match stopping {
                    false => stopping = true,
                    true => break Ok(Ended::Stopped),
                },
                _ = int.recv() => break Ok(Ended::Stopped),
                () = &mut settled, if stopping => break Ok(Ended::Stopped),
                ended = &mut core_ended => break match ended {
                    Ok(result) => result.map(|()| Ended::Stopped).map_err(ServiceError::from),
                    Err(_) => Err(ServiceError::CoreDied),
                },
                () = &mut lost => break Err(ServiceError::BusLost),
                fed = &mut feed => break fed.map(|()| Ended::Stopped).map_err(ServiceError::from),
                () = &mut given_up => break Ok(Ended::ForRestart),
                () = &mut quiet => {
                    tracing::info!(
                        POS_EVENT = JournalEvent::SafeMode.as_str(),
                        POS_COMPONENT = "service",
                        "safe mode has been quiet long enough: starting anew"
                    );
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
    // The core ends with this, and writes down what it has counted.
    drop(nudges);
    if end.is_ok() && !core_ended.is_terminated() {
        // One that takes longer loses some counts, and nothing else.
        let _ = tokio::time::timeout(LAST_WORDS, core_ended).await;
    }
    doctor.abort();
    tester.abort();
    // What the drivers hold is closed.
    drop((supervisor, idle));
    end
}

/// How long the core may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The longest that a payment may take from the card to its answer, and a bit.
const CALM: Duration = Duration::from_secs(150);

/// Until no payment is at hand, within bounds. The unit's TimeoutStopSec= is longer.
async fn calm(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    let over = snapshots.wait_for(|snapshot| snapshot.terminal.active.is_none());
    // Whoever waited long enough goes on with recovery at the next start.
    let _ = tokio::time::timeout(CALM, over).await;
}

/// Hands all drivers to the supervisor.
fn supervise(supervisor: &mut Supervisor, drivers: Drivers) -> Option<Drivers> {
    supervisor.add("card reader's serial line", Part::Reader, drivers.serial);
    supervisor.add("keypad", Part::Keypad, drivers.keypad);
    if let Some(scanner) = drivers.scanner {
        supervisor.add("code scanner's serial line", Part::Scanner, scanner);
    }
    supervisor.add("network", Part::Host, drivers.network);
    supervisor.add("link watch", Part::Host, drivers.links);
    None
}

fn make_directory(directory: &Path) -> Result<(), ServiceError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| ServiceError::StateDirectory { path: directory.to_owned(), source })
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
