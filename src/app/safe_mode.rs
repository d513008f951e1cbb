//! A daemon that has no store: on the bus, saying why, and refusing everything, until the store can be opened again.
//!
//! A database that is damaged, or a disk that lets nobody in, is not mended by starting again and again, and a service that
//! is gone tells nobody anything. What is unsent is not known here, and nothing pretends that it is nothing.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::app::service::{Ended, Options, ServiceError};
use crate::app::training;
use crate::app::watchdog;
use crate::app::wiring::{bus_core, doctor, settings};
use crate::bus::{self, Request};
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::ids::{Batch, Stan, TransactionId};
use crate::driver::clock;
use crate::engine::command::{Command, Refusal, RefusalKind, Reply};
use crate::engine::machine::Engine;
use crate::engine::record::Recovered;
use crate::engine::settings::{Settings, Standstill};
use crate::engine::snapshot::Snapshot;
use crate::store::{DATABASE, Store};

/// How often the store is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Requests that may wait.
const REQUESTS: usize = 64;

/// Serves until told to stop, or until the store can be opened.
pub(super) async fn serve(options: Options, still: Standstill) -> Result<Ended, ServiceError> {
    tracing::error!(
        POS_EVENT = JournalEvent::SafeMode.as_str(),
        POS_COMPONENT = "service",
        POS_CAUSE = still.cause.as_str(),
        POS_EVIDENCE = %still.evidence,
        "there is no store to work with; no payment is taken until there is"
    );
    let (requests, inlet) = mpsc::channel(REQUESTS);
    let shown = snapshot(&options, &still).ok_or(ServiceError::CoreDied)?;
    let (snapshot, snapshots) = watch::channel(Arc::new(shown));
    let (updates, changes) = mpsc::channel(1);
    let (examinations, calls) = mpsc::channel(1);
    let doctor = tokio::spawn(doctor(&options.config, requests.clone(), snapshots.clone()).run(calls));
    let core = bus_core(&options.config, requests, snapshots, examinations);
    let mut served = bus::serve(options.bus.clone(), core, changes, options.authority).await?;
    watchdog::tell(&[NotifyState::Ready, NotifyState::Status("no store: refusing everything")]);
    let ping = async {
        let Some(period) = watchdog::period() else { return std::future::pending().await };
        loop {
            tokio::time::sleep(period).await;
            watchdog::tell(&[NotifyState::Watchdog]);
        }
    };
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let end = tokio::select! {
        _ = term.recv() => Ok(Ended::Stopped),
        _ = int.recv() => Ok(Ended::Stopped),
        () = served.lost() => Err(ServiceError::BusLost),
        () = answer(inlet, &still) => Ok(Ended::ForRestart),
        () = usable(&options) => Ok(Ended::ForRestart),
        () = ping => Ok(Ended::Stopped),
    };
    watchdog::tell(&[NotifyState::Stopping]);
    served.leave().await;
    doctor.abort();
    drop((snapshot, updates));
    end
}

/// What is shown: an empty terminal out of service.
fn snapshot(options: &Options, still: &Standstill) -> Option<Snapshot> {
    let settings = Settings { safe_mode: Some(still.clone()), ..settings(&options.config) };
    // Its first number is always one.
    let batch = Batch::new(1)?;
    let empty = Recovered {
        next_stan: Stan::FIRST,
        batch,
        next_id: TransactionId(1),
        open: Vec::new(),
        reversals: Vec::new(),
        scripts: Vec::new(),
        queue: crate::domain::offline::QueueTotals::default(),
        clock: None,
        operators: Vec::new(),
        on_duty: None,
        signed_in_at: None,
        tampered: None,
    };
    let mut snapshot = Engine::recover(settings, empty, 0, clock::now()).snapshot();
    // Nobody may take this queue for an empty one.
    snapshot.queue.cause = Some(Cause::S02);
    Some(snapshot)
}

/// Refuses everything, until somebody wants a new start.
async fn answer(mut requests: mpsc::Receiver<Request>, still: &Standstill) {
    while let Some(Request { command, reply }) = requests.recv().await {
        let leave = matches!(command, Command::LeaveSafeMode);
        let answer = match command {
            Command::LeaveSafeMode | Command::ClientGone { .. } => Ok(Reply::Done),
            _ => {
                let text = format!("the store cannot be used: {}", still.evidence);
                Err(Refusal::because(RefusalKind::WrongState, still.cause, text))
            }
        };
        // The caller may have gone; then nobody waits.
        let _ = reply.send(answer);
        if leave {
            return;
        }
    }
}

/// Until the store can be opened and read.
async fn usable(options: &Options) {
    let directory = &options.config.state_dir;
    loop {
        tokio::time::sleep(RETRY).await;
        let Ok(vault) = training::vault(&options.config, options.credentials.as_deref()) else { continue };
        let opened = Store::open(&directory.join(DATABASE), vault);
        if opened.is_ok_and(|store| store.load().is_ok() && store.integrity().is_ok()) {
            tracing::info!(
                POS_EVENT = JournalEvent::SafeMode.as_str(),
                POS_COMPONENT = "service",
                "the store can be used again: starting anew"
            );
            return;
        }
    }
}
