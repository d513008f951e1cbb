//! Logging that can never stop a sale.
//!
//! journald's socket blocks when its reader is slow, so events go through a bounded queue to a thread of their own; what
//! does not fit is dropped, counted and said. Fields are a closed list (`POS_*`); run by hand, lines go to stderr.
//!
//! Every line names what has happened (`POS_EVENT`); its MESSAGE_ID is that of the cause beside it, or else of the event, so
//! that `journalctl -x` finds the text. Lines of one id are limited per minute, and what was left out is said.

mod limit;
mod queue;

use std::io::{self, Write};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::diagnose::catalogue::entry;
use crate::diagnose::events::JournalEvent;
use crate::diagnose::text::MessageId;
use crate::domain::cause::Cause;
use crate::domain::training::MARK;
use crate::driver::clock;

use limit::Limiter;
use queue::Queue;

/// Lines that may wait for the writer.
const ROOM: usize = 512;

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// systemd-journald, with fields.
    Journald,
    /// One line of text each on stderr.
    Stderr,
}

/// One line, with the fields a technician can filter by.
#[derive(Clone, Default)]
struct Line {
    level: Option<Level>,
    event: Option<JournalEvent>,
    component: String,
    message: String,
    txn: Option<String>,
    state: Option<String>,
    cause: Option<String>,
    evidence: Option<String>,
}

impl Line {
    /// What stands for lines of this kind.
    fn id(&self) -> Option<MessageId> {
        let cause = self.cause.as_deref().and_then(Cause::from_word).map(|cause| entry(cause).id);
        cause.or(self.event.map(|event| event.entry().id))
    }

    fn put(&mut self, name: &str, value: String) {
        match name {
            "message" => self.message = value,
            "POS_EVENT" => self.event = JournalEvent::from_word(&value),
            "POS_COMPONENT" => self.component = value,
            "POS_TXN" => self.txn = Some(value),
            "POS_STATE" => self.state = Some(value),
            "POS_CAUSE" => self.cause = Some(value),
            "POS_EVIDENCE" => self.evidence = Some(value),
            // Fields of libraries are not passed on: nobody has checked them for card data.
            _ => {}
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }
}

/// Collects events of this program and hands them to the writer thread.
struct Collector {
    queue: Arc<Queue<Line>>,
}

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        // Libraries may log what passes through them; only our own words leave.
        if !metadata.target().starts_with("smartpos") || *metadata.level() > Level::INFO {
            return;
        }
        let mut line = Line { level: Some(*metadata.level()), ..Line::default() };
        event.record(&mut line);
        self.queue.put(line);
    }
}

/// The program's log. Dropped at the end of the program, so that its last lines are written.
#[must_use = "the last lines are lost without it"]
pub struct Log(Arc<Queue<Line>>);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts the writer thread and makes it the program's logger. In training every line says so.
pub fn start(sink: Sink, training: bool) -> io::Result<Log> {
    let journald = match sink {
        Sink::Journald => {
            let layer = tracing_journald::layer()?.with_field_prefix(None);
            Some(Dispatch::new(tracing_subscriber::registry().with(layer.with_syslog_identifier("smartposd".into()))))
        }
        Sink::Stderr => None,
    };
    let queue = Arc::new(Queue::new(ROOM));
    let lines = Arc::clone(&queue);
    std::thread::Builder::new()
        .name("journal".into())
        .spawn(move || Writer { journald, training }.write_all(&lines))?;
    // A panic ends the process: the lines that led to it are written first.
    let (last_words, default) = (Arc::clone(&queue), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        last_words.flush();
    }));
    let subscriber = tracing_subscriber::registry().with(Collector { queue: Arc::clone(&queue) });
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    Ok(Log(queue))
}

/// Writes the lines.
struct Writer {
    /// `None`: to stderr.
    journald: Option<Dispatch>,
    training: bool,
}

impl Writer {
    fn write_all(&self, queue: &Queue<Line>) {
        let mut limiter = Limiter::default();
        loop {
            let wait = limiter.deadline().map(|due| due.since(clock::now().mono));
            let (lines, lost) = queue.take(wait);
            let now = clock::now().mono;
            limiter.over(now).iter().for_each(|line| self.write_one(line));
            for line in &lines {
                if line.event == Some(JournalEvent::DaemonStopped) {
                    limiter.rest().iter().for_each(|line| self.write_one(line));
                }
                if limiter.admits(now, line) {
                    self.write_one(line);
                }
            }
            if lost > 0 {
                let message = format!("{lost} journal lines were dropped: the journal was slower than the daemon");
                let event = Some(JournalEvent::LinesLost);
                let line =
                    Line { level: Some(Level::WARN), event, component: "journal".into(), message, ..Line::default() };
                self.write_one(&line);
            }
        }
    }

    /// Writes one line.
    fn write_one(&self, line: &Line) {
        let training = self.training.then_some("1");
        match &self.journald {
            Some(dispatch) => tracing::dispatcher::with_default(dispatch, || replay(line, training)),
            None => {
                let level = line.level.unwrap_or(Level::INFO);
                let mark = if self.training { MARK[1] } else { "" };
                let mut text = format!("{level:5} {mark}{}: {}", line.component, line.message);
                let fields =
                    [("txn", &line.txn), ("state", &line.state), ("cause", &line.cause), ("evidence", &line.evidence)];
                for (name, value) in fields {
                    if let Some(value) = value.as_deref().filter(|v| !v.is_empty()) {
                        text.push_str(&format!(" {name}={value}"));
                    }
                }
                text.push('\n');
                // Nobody reads stderr any more: then there is nobody to tell.
                let _ = io::stderr().write_all(text.as_bytes());
            }
        }
    }
}

/// The same event once more, now on the writer thread where journald may block.
fn replay(line: &Line, training: Option<&str>) {
    let id = line.id().map(|id| id.to_string());
    let event = line.event.map(JournalEvent::as_str);
    macro_rules! emit {
        ($level:expr) => {
            tracing::event!(
                target: "smartposd",
                $level,
                MESSAGE_ID = id,
                POS_EVENT = event,
                POS_COMPONENT = line.component,
                POS_TXN = line.txn,
                POS_STATE = line.state,
                POS_CAUSE = line.cause,
                POS_EVIDENCE = line.evidence,
                POS_TRAINING = training,
                "{}",
                line.message
            )
        };
    }
    match line.level {
        Some(Level::ERROR) => emit!(Level::ERROR),
        Some(Level::WARN) => emit!(Level::WARN),
        _ => emit!(Level::INFO),
    }
}
