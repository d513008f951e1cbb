//! The doctor: runs the probes of a diagnosis when somebody asks, or when a sign-in fails for a reason of the network, and
//! has the decision tree name the first broken link.
//!
//! Owns: which probe is run when, and the time of the whole. Must not know: what findings mean. It does nothing while all
//! is well: it wakes with a new snapshot, looks at two fields and sleeps again. A payment is never disturbed: while one is
//! under way nothing is sent, and what is known already is told.

mod examine;
mod known;

pub(super) use known::clock_fault;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::bus::{Examination, Request};
use crate::diagnose::events::JournalEvent;
use crate::diagnose::tree::judge;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Class, Finding, Step, Verdict};
use crate::domain::link::Endpoint;
use crate::domain::outcome::TerminalState;
use crate::domain::time::Instant;
use crate::driver::clock;
use crate::driver::probe;
use crate::driver::tcp::Acquirer;
use crate::engine::command::{Command, Refinement};
use crate::engine::snapshot::Snapshot;

/// The same failure is looked into again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// Another failure after this.
const OTHER: Duration = Duration::from_secs(10);

/// What there is to look at.
pub struct Place {
    /// The acquirer's addresses and certificate.
    pub acquirer: Acquirer,
    /// Hosts that have nothing to do with the acquirer.
    pub control: Vec<Endpoint>,
    /// What must survive is kept here.
    pub state_dir: PathBuf,
}

/// The doctor with its ways into the daemon.
pub struct Doctor {
    place: Place,
    requests: mpsc::Sender<Request>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The failure looked into last by itself, and when.
    last: Option<(Cause, Instant)>,
}

impl Doctor {
    /// A doctor for this place.
    pub fn new(place: Place, requests: mpsc::Sender<Request>, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { place, requests, snapshots, last: None }
    }

    /// Runs until the core has ended.
    pub async fn run(mut self, mut calls: mpsc::Receiver<Examination>) {
        loop {
            tokio::select! {
                biased;
                call = calls.recv() => match call {
                    Some(call) => self.answer(call).await,
                    None => return,
                },
                changed = self.snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.look().await;
                }
            }
        }
    }

    async fn answer(&self, call: Examination) {
        let Examination { steps, reply } = call;
        // A caller who does not keep up misses steps, not the verdict.
        let tell = |finding: &Finding| drop(steps.try_send(finding.clone()));
        let verdict = self.examine(None, &tell).await;
        write_down(&verdict);
        // The caller may have gone; then nobody waits.
        let _ = reply.send(verdict);
    }

    /// Looks whether a sign-in has failed for a reason of the network, and what is behind it.
    async fn look(&mut self) {
        let snapshot = self.snapshots.borrow_and_update().clone();
        let Some(was) = suspicious(&snapshot) else { return };
        let now = clock::now().mono;
        let due = match self.last {
            Some((cause, at)) => now.since(at) >= if cause == was { AGAIN } else { OTHER },
            None => true,
        };
        if !due {
            return;
        }
        self.last = Some((was, now));
        let verdict = self.examine(Some(was), &|_| ()).await;
        write_down(&verdict);
        let Some(found) = verdict.cause.filter(|found| *found != was && of_the_line(*found)) else { return };
        let refinement = Refinement { was, found, evidence: verdict.evidence };
        let (reply, _) = oneshot::channel();
        // An error means that the core has ended.
        let _ = self.requests.send(Request { command: Command::Diagnosed(refinement), reply }).await;
    }

    async fn examine(&self, known: Option<Cause>, tell: &(dyn Fn(&Finding) + Sync)) -> Verdict {
        let start = clock::now().mono;
        let findings = self.findings(known, start, tell).await;
        judge(findings, probe::milliseconds(start))
    }
}

/// A cause of the line that a diagnosis could know better.
fn suspicious(snapshot: &Snapshot) -> Option<Cause> {
    let waits = snapshot.terminal.state == TerminalState::SigningIn && snapshot.terminal.cause.is_some();
    let cause = snapshot.host.failure.as_ref()?.cause;
    let vague = matches!(cause, Cause::N02 | Cause::N04 | Cause::N05 | Cause::N06 | Cause::N10 | Cause::B06);
    (waits && vague).then_some(cause)
}

/// A cause that explains why the host was not heard.
fn of_the_line(cause: Cause) -> bool {
    matches!(cause, Cause::N05 | Cause::N10 | Cause::B06 | Cause::P01) || Class::of(Some(cause)) == Class::ShopNetwork
}

fn write_down(verdict: &Verdict) {
    let ruled_out = verdict.ruled_out.iter().map(|step| step.as_str()).collect::<Vec<_>>().join(", ");
    match verdict.cause {
        Some(cause) => tracing::warn!(
            POS_COMPONENT = "doctor",
            POS_EVENT = JournalEvent::Diagnosed.as_str(),
            POS_CAUSE = cause.as_str(),
            POS_STATE = verdict.step.map(Step::as_str),
            POS_EVIDENCE = %verdict.evidence,
            "diagnosis: {cause} at {} after {} ms; not to blame: {ruled_out}",
            verdict.step.map_or("-", Step::as_str),
            verdict.milliseconds,
        ),
        None => tracing::info!(
            POS_COMPONENT = "doctor",
            POS_EVENT = JournalEvent::Diagnosed.as_str(),
            "diagnosis: all is well, after {} ms",
            verdict.milliseconds,
        ),
    }
}
