//! One examination: which probe runs when. At most ten seconds, most of which only a host that says nothing takes.
//!
//! The echo test through the core goes first: its answer makes every other question about the network needless. The core's
//! own connection is the best probe of TCP and TLS, and some hosts take one connection only, so a second one is opened only
//! when the core's attempt has not told enough.

use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Doctor, known};
use crate::bus::Request;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Fault, Finding, Found, Step};
use crate::domain::host::HostFailure;
use crate::domain::link::ConnectFailureKind;
use crate::domain::time::Instant;
use crate::driver::probe::{self, Local, milliseconds};
use crate::engine::command::{Command, RefusalKind, Reply};
use crate::engine::snapshot::HostView;

/// A host that is well answers within this; nobody else is troubled then.
const GRACE: Duration = Duration::from_millis(700);
/// How long the echo may take altogether.
const ECHO: Duration = Duration::from_secs(6);
/// For router, names and control hosts, all at once.
const CONTRAST: Duration = Duration::from_secs(3);
/// For a connection of our own to the acquirer.
const DIRECT: Duration = Duration::from_millis(2500);

/// What came of the echo.
#[derive(Clone, Debug)]
enum Echo {
    Answered(u64),
    Failed(HostFailure),
    NotRun(String),
    /// Not back yet when its time was over.
    Late,
}

/// Findings so far, told as they come.
struct Sheet<'a> {
    findings: Vec<Finding>,
    tell: &'a (dyn Fn(&Finding) + Sync),
}

impl Sheet<'_> {
    fn put(&mut self, finding: Finding) {
        (self.tell)(&finding);
        self.findings.push(finding);
    }

    fn skip(&mut self, steps: &[Step], found: Found, why: &str) {
        for step in steps {
            if !self.has(*step) {
                self.put(Finding::new(*step, found, why));
            }
        }
    }

    fn has(&self, step: Step) -> bool {
        self.findings.iter().any(|finding| finding.step == step)
    }

    fn worked(&self, step: Step) -> bool {
        self.findings.iter().any(|finding| finding.step == step && finding.found == Found::Worked)
    }

    /// Whether a host that is not the acquirer's answers.
    fn outside(&self) -> bool {
        self.worked(Step::Control) || self.worked(Step::ControlByName)
    }
}

const FAR: [Step; 7] =
    [Step::Gateway, Step::Names, Step::Control, Step::ControlByName, Step::Portal, Step::Acquirer, Step::Tls];

impl Doctor {
    /// Everything there is to find. `known` says that an exchange has just failed: no echo is needed to know that.
    pub(super) async fn findings(
        &self,
        known: Option<Cause>,
        start: Instant,
        tell: &(dyn Fn(&Finding) + Sync),
    ) -> Vec<Finding> {
        let mut sheet = Sheet { findings: Vec::new(), tell };
        let literals = probe::literals(&self.place.acquirer.endpoints);
        let local = probe::local(&literals, Path::new("/proc"));
        sheet.put(local.link.clone().took(milliseconds(start)));
        sheet.put(local.address.clone());
        let snapshot = self.snapshots.borrow().clone();
        if snapshot.terminal.active.is_some() {
            let why = "a payment is under way, which is not to be disturbed";
            sheet.skip(&FAR, Found::NotRun, why);
            sheet.put(known_host(&snapshot.host, why));
        } else {
            self.outward(known, &local, start, &mut sheet).await;
        }
        self.inward(start, &mut sheet);
        sheet.findings
    }

    /// Everything between this machine and an answer of the host.
    async fn outward(&self, known: Option<Cause>, local: &Local, start: Instant, sheet: &mut Sheet<'_>) {
        let before = self.snapshots.borrow().host.clone();
        let mut echo = match (known, before.failure.clone()) {
            (Some(_), Some(failure)) => Some(Echo::Failed(failure)),
            _ => None,
        };
        let mut waiting = Box::pin(self.echo());
        // Where the last exchange went well, this one will too, most likely.
        if echo.is_none() && (before.failure.is_none() || dead_end(local)) {
            echo = timeout(GRACE, &mut waiting).await.ok();
        }
        if let Some(answered @ Echo::Answered(_)) = &echo {
            sheet.skip(&FAR, Found::NotNeeded, "the host answers");
            sheet.put(host_finding(answered, &before, start));
            return;
        }
        if dead_end(local) {
            // Nothing comes through here; an exchange over a dead connection need not be waited for.
            sheet.skip(&FAR, Found::NotRun, "the own link leads nowhere");
            sheet.skip(&[Step::Host], Found::NotRun, "the own link leads nowhere");
            return;
        }
        let probes = self.contrast(local);
        let (contrast, echo) = match echo {
            Some(done) => (probes.await, done),
            None => {
                let rest = ECHO.saturating_sub(Duration::from_millis(milliseconds(start)));
                let (contrast, echo) = tokio::join!(probes, timeout(rest, waiting));
                (contrast, echo.unwrap_or(Echo::Late))
            }
        };
        contrast.into_iter().for_each(|finding| sheet.put(finding));
        self.host_side(&echo, &before, start, sheet).await;
        sheet.skip(&FAR, Found::NotRun, "not reached");
    }

    /// What the echo says about TCP, TLS and the host, and where it does not say enough, a connection of our own.
    async fn host_side(&self, echo: &Echo, before: &HostView, start: Instant, sheet: &mut Sheet<'_>) {
        let plain = !self.place.acquirer.trust.has_tls();
        let told = match echo {
            Echo::Failed(failure) => line_finding(failure),
            Echo::Answered(_) | Echo::NotRun(_) | Echo::Late => None,
        };
        match told {
            Some(finding) => {
                if finding.step == Step::Tls {
                    sheet.put(Finding::new(Step::Acquirer, Found::Worked, "a connection is taken"));
                }
                if finding.step == Step::Names && sheet.has(Step::Names) {
                    sheet.put(Finding::new(Step::Acquirer, Found::NotRun, finding.evidence));
                } else {
                    sheet.put(finding);
                }
                sheet.skip(&[Step::Host], Found::NotRun, "the host is not reached");
            }
            None => {
                let enough = matches!(echo, Echo::Answered(_)) || (matches!(echo, Echo::Failed(_)) && sheet.outside());
                if !enough {
                    let at = milliseconds(start);
                    for finding in probe::acquirer(&self.place.acquirer, DIRECT).await {
                        sheet.put(finding.took(milliseconds(start).saturating_sub(at)));
                    }
                }
                sheet.put(host_finding(echo, before, start));
            }
        }
        if plain {
            sheet.skip(&[Step::Tls], Found::NotNeeded, "this line has no TLS");
        }
    }

    /// Router, names and other hosts, all at once.
    async fn contrast(&self, local: &Local) -> Vec<Finding> {
        if local.on_this_machine {
            let why = "the acquirer is on this machine";
            let steps = [Step::Gateway, Step::Names, Step::Control, Step::ControlByName, Step::Portal];
            return steps.into_iter().map(|step| Finding::new(step, Found::NotNeeded, why)).collect();
        }
        let (acquirer, control) = (&self.place.acquirer.endpoints, &self.place.control);
        let gateway = async {
            match local.router {
                Some(router) => probe::timed(probe::gateway(router, CONTRAST)).await,
                None => Finding::new(Step::Gateway, Found::NotNeeded, "no router is known"),
            }
        };
        let start = crate::driver::clock::now().mono;
        let others = async {
            let contrast = probe::control(control, CONTRAST).await;
            let took = milliseconds(start);
            [contrast.by_address.took(took), contrast.by_name.took(took), contrast.portal]
        };
        let names = probe::timed(probe::names(acquirer, control, CONTRAST));
        let (gateway, names, others) = tokio::join!(gateway, names, others);
        [gateway, names].into_iter().chain(others).collect()
    }

    /// What needs no network.
    fn inward(&self, start: Instant, sheet: &mut Sheet<'_>) {
        let snapshot = self.snapshots.borrow().clone();
        let answers = sheet.worked(Step::Host);
        known::findings(&snapshot, answers, crate::driver::clock::now().wall).into_iter().for_each(|f| sheet.put(f));
        let at = milliseconds(start);
        if !sheet.has(Step::Storage) {
            sheet.put(probe::disk(&self.place.state_dir));
        }
        sheet.put(probe::power(Path::new("/sys")).took(milliseconds(start).saturating_sub(at)));
    }

    /// An echo test through the core, over its own connection.
    async fn echo(&self) -> Echo {
        let (reply, answer) = oneshot::channel();
        if self.requests.try_send(Request { command: Command::Echo, reply }).is_err() {
            return Echo::NotRun("the core has too much to do".to_owned());
        }
        match answer.await {
            Ok(Ok(Reply::Echo { milliseconds })) => Echo::Answered(milliseconds),
            Ok(Ok(_)) => Echo::NotRun("the core gave another answer than an echo".to_owned()),
            Ok(Err(refusal)) => match refusal.kind {
                RefusalKind::HostUnreachable | RefusalKind::HostTimeout => {
                    // The line's own cause, not what an earlier diagnosis has made of it.
                    let own = self.snapshots.borrow().host.failure.clone();
                    let sent = refusal.kind == RefusalKind::HostTimeout;
                    let cause = refusal.cause.unwrap_or(Cause::B06);
                    Echo::Failed(own.unwrap_or(HostFailure { cause, sent, connect: None, evidence: refusal.text }))
                }
                _ => Echo::NotRun(refusal.text),
            },
            Err(_) => Echo::NotRun("the core has ended".to_owned()),
        }
    }
}

/// Whether the link or the address is certainly missing.
fn dead_end(local: &Local) -> bool {
    let cut = matches!(local.link.found, Found::Failed(fault) if fault != Fault::Weak);
    cut || local.address.found.failed()
}

/// A failure that lies before the host, at its step.
fn line_finding(failure: &HostFailure) -> Option<Finding> {
    use ConnectFailureKind::{
        CertificateRefused, Handshake, NameNotFound, NotTls, Refused, Setup, TimedOut, Unreachable,
    };
    let (step, fault) = match failure.connect {
        Some(Unreachable) => (Step::Acquirer, Fault::Unreachable),
        Some(NameNotFound) => (Step::Names, Fault::NameUnknown),
        Some(Refused | Handshake) => (Step::Acquirer, Fault::Refused),
        Some(TimedOut) => (Step::Acquirer, Fault::Silent),
        Some(NotTls) => (Step::Host, Fault::WebPage),
        Some(CertificateRefused | Setup) => (Step::Tls, Fault::Certificate),
        None if failure.cause == Cause::N08 => (Step::Host, Fault::WebPage),
        None => return None,
    };
    Some(Finding::new(step, Found::Failed(fault), &failure.evidence))
}

/// What the echo says of the host.
fn host_finding(echo: &Echo, before: &HostView, start: Instant) -> Finding {
    let silent = || if before.answers == 0 { Fault::NoByte } else { Fault::Overdue };
    let host = |found, seen: &str| Finding::new(Step::Host, found, seen).took(milliseconds(start));
    match echo {
        Echo::Answered(took) => host(Found::Worked, "the echo test came back").took(*took),
        Echo::Failed(failure) => {
            let fault = match failure.cause {
                Cause::N10 => Fault::NoByte,
                Cause::B06 => Fault::Overdue,
                other => Fault::Known(other),
            };
            host(Found::Failed(fault), &failure.evidence)
        }
        Echo::NotRun(why) => host(Found::NotRun, why),
        Echo::Late => {
            let seen = format!("the echo test has not come back within {} s", ECHO.as_secs());
            host(Found::Failed(silent()), &seen)
        }
    }
}

/// What is known of the host without asking it.
fn known_host(host: &HostView, why: &str) -> Finding {
    match &host.failure {
        Some(failure) => line_finding(failure)
            .filter(|f| f.step == Step::Host)
            .unwrap_or_else(|| Finding::new(Step::Host, Found::NotRun, format!("{why}; last: {}", failure.evidence))),
        None => Finding::new(Step::Host, Found::NotRun, why),
    }
}
