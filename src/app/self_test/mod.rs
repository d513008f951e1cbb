//! The self-test: internal, external, and with a person at the terminal. One at a time, every check within its time.
//!
//! Owns: which check comes when. Must not know: how devices and store are looked at: the core and the doctor do that. A
//! payment is never disturbed: the core makes no check while one is under way.

mod crypto;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::app::doctor::clock_fault;
use crate::bus::{Examination, Request, Trial};
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Finding, Found, Step, Verdict};
use crate::domain::self_test::{Checked, CoreCheck, Guided, Level, Outcome};
use crate::driver::clock;
use crate::driver::probe::{self, milliseconds};
use crate::engine::command::{Command, Refusal, Reply};
use crate::engine::snapshot::Snapshot;

/// Over and above what the core itself allows a check.
const GRACE: Duration = Duration::from_secs(2);
/// For the journal's chain; a longer one is checked by `posctl journal verify`.
const JOURNAL: Duration = Duration::from_secs(5);
/// The doctor's ten seconds, and those of a diagnosis that may be under way.
const DOCTOR: Duration = Duration::from_secs(22);
/// Steps that may wait to be told; there are fewer.
const STEPS: usize = 32;

/// What is looked at besides the core.
pub(super) struct Tested {
    /// What must survive is kept here.
    pub(super) state_dir: PathBuf,
    /// The reader's reset line, by name.
    pub(super) reset_line: Option<String>,
    /// Whether the reader's power can be switched by USB.
    pub(super) usb_power: bool,
}

/// Makes self-tests.
pub(super) struct Tester {
    tested: Tested,
    requests: mpsc::Sender<Request>,
    doctor: mpsc::Sender<Examination>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Tester {
    /// With its ways to the core and the doctor.
    pub(super) fn new(
        tested: Tested,
        requests: mpsc::Sender<Request>,
        doctor: mpsc::Sender<Examination>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self { tested, requests, doctor, snapshots }
    }

    /// Runs until nobody can ask any more.
    pub(super) async fn run(self, mut trials: mpsc::Receiver<Trial>) {
        while let Some(Trial { level, guided, mut reply }) = trials.recv().await {
            let rows = tokio::select! {
                rows = self.make(level, &guided) => rows,
                // Dropped with it is the core's way back, by which the core sees that it may stop.
                () = reply.closed() => continue,
            };
            write_down(level, &rows);
            // The caller may have gone; then nobody waits.
            let _ = reply.send(rows);
        }
    }

    async fn make(&self, level: Level, guided: &[Guided]) -> Vec<Checked> {
        match level {
            Level::Internal => self.internal().await,
            Level::External => self.external().await,
            Level::Interactive => self.interactive(guided).await,
        }
    }

    async fn internal(&self) -> Vec<Checked> {
        let mut rows = vec![self.core(CoreCheck::Storage).await, self.journal().await, crypto()];
        rows.push(self.core(CoreCheck::Keys).await);
        rows.push(self.clock());
        let space = probe::disk(&self.tested.state_dir);
        rows.push(Checked { component: "space", ..told(&space, space.known_cause()) });
        rows
    }

    async fn external(&self) -> Vec<Checked> {
        let mut rows = match self.diagnose().await {
            Some(verdict) => outside(&verdict),
            None => vec![Checked::new("host", Outcome::TimedOut, "the diagnosis did not end in time")],
        };
        rows.push(self.core(CoreCheck::ReaderLine).await);
        if let Some(line) = &self.tested.reset_line {
            let text = format!("{line} is configured; pulsing it resets the reader: posctl reader reset");
            rows.push(Checked::new("reset-line", Outcome::NotRun, text));
        }
        if self.tested.usb_power {
            let text = "configured; trying it takes the reader away: posctl reader power-cycle";
            rows.push(Checked::new("power-switch", Outcome::NotRun, text));
        }
        rows
    }

    async fn interactive(&self, guided: &[Guided]) -> Vec<Checked> {
        let mut rows = Vec::new();
        for test in guided {
            let check = match test {
                Guided::Keys => CoreCheck::KeyPress,
                Guided::Answer => CoreCheck::Answer,
                Guided::Card => CoreCheck::Card,
            };
            rows.push(self.core(check).await);
        }
        rows
    }

    /// One check that the core makes.
    async fn core(&self, check: CoreCheck) -> Checked {
        let name = check.as_str();
        match self.ask(Command::SelfTest(check), check.within().saturating_add(GRACE)).await {
            Some(Ok(Reply::SelfTested(checked))) => checked,
            Some(Ok(_)) => Checked::new(name, Outcome::NotRun, "the core gave another answer than was asked for"),
            Some(Err(refusal)) => refused(name, refusal),
            None => Checked::new(name, Outcome::TimedOut, "the core did not answer in time"),
        }
    }

    /// The journal's chain, from its first row on.
    async fn journal(&self) -> Checked {
        let start = clock::now().mono;
        let answer = self.ask(Command::VerifyJournal, JOURNAL).await;
        let checked = match answer {
            Some(Ok(Reply::JournalChecked(check))) => match check.broken {
                None => {
                    Checked::new("journal", Outcome::Worked, format!("{} rows, none missing or altered", check.rows))
                }
                Some((row, what)) => Checked::failed("journal", Cause::S02, format!("row {row}: {what}")),
            },
            Some(Ok(_)) => Checked::new("journal", Outcome::NotRun, "the core gave another answer than was asked for"),
            Some(Err(refusal)) => refused("journal", refusal),
            None => Checked::new("journal", Outcome::TimedOut, "a long journal; posctl journal verify reads it whole"),
        };
        checked.took(milliseconds(start))
    }

    fn clock(&self) -> Checked {
        let now = clock::now().wall;
        let difference = self.snapshots.borrow().terminal.clock_difference;
        if let Some(fault) = clock_fault(now, difference) {
            return Checked::failed("clock", Cause::P01, fault);
        }
        let shown = now.civil(0);
        let seen = match difference {
            Some(seconds) => format!("{shown} UTC, {seconds} s from the host's"),
            None => format!("{shown} UTC, not compared with the host's yet"),
        };
        Checked::new("clock", Outcome::Worked, seen)
    }

    async fn diagnose(&self) -> Option<Verdict> {
        let (steps, mut told) = mpsc::channel::<Finding>(STEPS);
        let (reply, verdict) = oneshot::channel();
        let ended = async {
            self.doctor.send(Examination { steps, reply }).await.ok()?;
            // Nobody watches step by step here.
            told.close();
            verdict.await.ok()
        };
        timeout(DOCTOR, ended).await.ok().flatten()
    }

    /// `None`: no answer in time, or the core has ended.
    async fn ask(&self, command: Command, patience: Duration) -> Option<Result<Reply, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.requests.send(Request { command, reply }).await.ok()?;
            answer.await.ok()
        };
        timeout(patience, asked).await.ok().flatten()
    }
}

fn crypto() -> Checked {
    let start = clock::now().mono;
    let wrong = crypto::wrong();
    let checked = if wrong.is_empty() {
        Checked::new("crypto", Outcome::Worked, "3DES, four MACs and the PIN block give their known answers")
    } else {
        Checked::new("crypto", Outcome::Failed, format!("wrong: {}; reinstall smartposd", wrong.join(", ")))
    };
    checked.took(milliseconds(start))
}

fn refused(name: &'static str, refusal: Refusal) -> Checked {
    Checked { cause: refusal.cause, ..Checked::new(name, Outcome::NotRun, refusal.text) }
}

/// The doctor's findings about what is outside.
fn outside(verdict: &Verdict) -> Vec<Checked> {
    const OUTSIDE: [Step; 9] = [
        Step::Link,
        Step::Address,
        Step::Acquirer,
        Step::Tls,
        Step::Host,
        Step::Reader,
        Step::Keypad,
        Step::Scanner,
        Step::Power,
    ];
    let wanted = |finding: &&Finding| OUTSIDE.contains(&finding.step) && finding.found != Found::NotNeeded;
    verdict.findings.iter().filter(wanted).map(|finding| told(finding, verdict.cause_of(finding))).collect()
}

fn told(finding: &Finding, cause: Option<Cause>) -> Checked {
    let outcome = match finding.found {
        Found::Worked => Outcome::Worked,
        Found::Failed(_) => Outcome::Failed,
        Found::NotRun | Found::NotNeeded => Outcome::NotRun,
        Found::TimedOut => Outcome::TimedOut,
    };
    let checked = Checked::new(finding.step.as_str(), outcome, finding.evidence.clone()).took(finding.milliseconds);
    Checked { cause, ..checked }
}

fn write_down(level: Level, rows: &[Checked]) {
    let bad = |row: &&Checked| matches!(row.outcome, Outcome::Failed | Outcome::TimedOut);
    let names: Vec<String> = rows.iter().filter(bad).map(|row| format!("{} {}", row.component, row.outcome)).collect();
    tracing::info!(
        POS_COMPONENT = "self-test",
        POS_EVENT = JournalEvent::SelfTested.as_str(),
        POS_EVIDENCE = %names.join(", "),
        "self-test, {level}: {} of {} did not pass",
        names.len(),
        rows.len(),
    );
}
