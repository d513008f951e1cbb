//! Who is told what, in the order of the capture.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::capture::{Capture, Event, Wire, code, mti};
use super::line::{Line, answers, same, shown};
use crate::domain::amount::Currency;
use crate::sim::clock::Clock;
use crate::sim::control::Talk;
use crate::sim::reader::frame::HostFrame;

/// Between two looks at what the daemon wrote.
const LOOK: Duration = Duration::from_millis(20);
/// The longest pause between two keys that is kept.
const PAUSE: Duration = Duration::from_millis(500);

/// Where everybody is.
pub struct Places {
    pub link: PathBuf,
    pub acquirer: PathBuf,
    pub keypad: PathBuf,
    pub bus: Option<String>,
    pub keep: Option<PathBuf>,
}

/// A capture under way.
pub struct Player {
    capture: Capture,
    places: Places,
    patience: Duration,
    line: Line,
    answers: Vec<(Vec<u8>, Vec<String>)>,
    /// Where the daemon writes its second capture.
    second: PathBuf,
    /// Removed at the end.
    scratch: Option<PathBuf>,
    recording: Option<Child>,
    apps: Vec<Child>,
    sales: usize,
    last_key: u64,
    clock: Clock,
}

impl Drop for Player {
    fn drop(&mut self) {
        for child in self.recording.iter_mut().chain(&mut self.apps) {
            // Ended already, most likely.
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(scratch) = &self.scratch {
            let _ = std::fs::remove_dir_all(scratch);
        }
    }
}

impl Player {
    /// Plugs the reader in, waits until it is up, and has the daemon begin its capture.
    pub fn new(capture: (Capture, &str), places: Places, patience: Duration) -> Result<Self, String> {
        let (capture, text) = capture;
        let scratch = match &places.keep {
            Some(_) => None,
            None => {
                let place = std::env::temp_dir().join(format!("smartpos-replay-{}", std::process::id()));
                std::fs::create_dir(&place).map_err(|e| format!("{}: {e}", place.display()))?;
                Some(place)
            }
        };
        let second = match (&places.keep, &scratch) {
            (Some(keep), _) => keep.clone(),
            (None, Some(scratch)) => scratch.join("second.capture"),
            (None, None) => return Err("no place for the second capture".to_owned()),
        };
        // Said at once, not after waiting for what cannot come.
        order(&places.acquirer, "faults")?;
        order(&places.keypad, "status")?;
        let line = Line::plug(&places.link)?;
        let answers = answers(text);
        let (recording, apps) = (None, Vec::new());
        let mut player = Self {
            capture,
            places,
            patience,
            line,
            answers,
            second,
            scratch,
            recording,
            apps,
            sales: 0,
            last_key: 0,
            clock: Clock::start(),
        };
        if !player.answers.is_empty() {
            player.bring_up()?;
        }
        player.begin()?;
        Ok(player)
    }

    /// Plays all of it; how many events there were.
    pub fn play(&mut self) -> Result<usize, String> {
        for type_ in ["0200", "0220", "0221", "0400", "0620", "0800", "0820"] {
            self.arm(type_, 0)?;
        }
        println!("ready");
        let events = self.capture.events.clone();
        for (at, event) in events.iter().enumerate() {
            self.step(at, event).map_err(|why| format!("line {}: {why}", event.number))?;
        }
        self.compare()?;
        Ok(events.len())
    }

    fn posctl(&self, arguments: &[&str]) -> Result<Command, String> {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = Command::new(own.with_file_name("posctl"));
        if let Some(bus) = &self.places.bus {
            command.arg("--bus").arg(bus);
        }
        command.arg("--json").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    fn start(&self, arguments: &[&str]) -> Result<Child, String> {
        self.posctl(arguments)?.spawn().map_err(|e| format!("posctl, which has to be beside smartpos-sim: {e}"))
    }

    fn reader_is_up(&self) -> Result<bool, String> {
        let output = self.posctl(&["status"])?.stdout(Stdio::piped()).output().map_err(|e| format!("posctl: {e}"))?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(status["reader"]["state"] == "ready")
    }

    fn bring_up(&mut self) -> Result<(), String> {
        let end = self.clock.now().after(self.patience);
        while self.clock.now() < end {
            match self.line.next(Duration::from_millis(200))? {
                Some(HostFrame::Command(command)) => self.line.bring_up(&command, &self.answers)?,
                Some(HostFrame::Ack | HostFrame::Nack) => {}
                None if self.reader_is_up()? => return Ok(()),
                None => {}
            }
        }
        Err("the daemon does not take this for its card reader; is its reader at --link?".to_owned())
    }

    fn begin(&mut self) -> Result<(), String> {
        let second = self.second.display().to_string();
        self.recording = Some(self.start(&["record", &second, "--seconds", "600", "--no-reset"])?);
        self.until("the second capture", |player| Ok(player.so_far().is_ok()))
    }

    fn so_far(&self) -> Result<Capture, String> {
        let text = std::fs::read_to_string(&self.second).map_err(|e| e.to_string())?;
        Capture::parse(&text)
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> Result<bool, String>) -> Result<(), String> {
        let end = self.clock.now().after(self.patience);
        while !done(self)? {
            if self.clock.now() >= end {
                return Err(format!("waited {} s for {what}", self.patience.as_secs()));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn step(&mut self, at: usize, event: &Event) -> Result<(), String> {
        match event.wire {
            Wire::Reader => self.reader(event),
            Wire::Key => self.key(event),
            Wire::Keypad => self.keypad(event),
            Wire::Host => self.host(at, event),
            Wire::App if event.by_daemon() => self.seen(at, event),
            Wire::App => self.app(event),
        }
    }

    fn reader(&mut self, event: &Event) -> Result<(), String> {
        if let Some(frame) = event.came() {
            return self.line.say_shown(frame);
        }
        if event.sent().is_none() {
            // The port was closed, opened or set to another rate: the line does not mind.
            return Ok(());
        }
        match self.line.next(self.patience)? {
            Some(frame) if same(event, &frame) => Ok(()),
            Some(frame) => Err(format!("to the reader went {}, in the capture {}", shown(&frame), event.what)),
            None => Err(format!("nothing went to the reader, in the capture {}", event.what)),
        }
    }

    fn key(&mut self, event: &Event) -> Result<(), String> {
        let (code, value) = event.what.split_once(' ').ok_or("a key is CODE VALUE")?;
        let pause = Duration::from_micros(event.at.saturating_sub(self.last_key) * 100);
        if self.last_key > 0 {
            std::thread::sleep(pause.min(PAUSE));
        }
        self.last_key = event.at;
        order(&self.places.keypad, &format!("raw 1 {code} {value}"))?;
        order(&self.places.keypad, "raw 0 0 0")
    }

    fn keypad(&mut self, event: &Event) -> Result<(), String> {
        match event.what.as_str() {
            "open" => order(&self.places.keypad, "plug"),
            "closed" => order(&self.places.keypad, "unplug"),
            "lost" => order(&self.places.keypad, "syn-dropped"),
            other => Err(format!("a keypad does not {other}")),
        }
    }

    /// The simulated acquirer answers by itself, as it was told to.
    fn host(&mut self, at: usize, event: &Event) -> Result<(), String> {
        if event.essence().is_none() {
            return Ok(());
        }
        self.seen(at, event)?;
        match event.sent().and_then(mti) {
            Some(type_) => self.arm(&type_, at + 1),
            None => Ok(()),
        }
    }

    /// Tells the acquirer what becomes of the next request of this type, from this event on.
    fn arm(&self, type_: &str, from: usize) -> Result<(), String> {
        let events = self.capture.events.get(from..).unwrap_or_default();
        let asks = |event: &Event| event.wire == Wire::Host && event.sent().and_then(mti).is_some_and(|m| m == type_);
        let Some(place) = events.iter().position(asks) else { return Ok(()) };
        let after = events.get(place + 1..).unwrap_or_default().iter().filter(|event| event.wire == Wire::Host);
        for event in after {
            if let Some(answer) = event.came() {
                return match code(answer) {
                    Some(code) => order(&self.places.acquirer, &format!("fault {type_} code {code} x1")),
                    None => Ok(()),
                };
            }
            if event.what == "closed" || event.what == "disconnect" {
                let how = if event.what == "closed" { "close" } else { "drop" };
                return order(&self.places.acquirer, &format!("fault {type_} {how} x1"));
            }
        }
        order(&self.places.acquirer, &format!("fault {type_} drop x1"))
    }

    /// Waits until the daemon's capture has as much of this wire as the first had here.
    fn seen(&mut self, at: usize, event: &Event) -> Result<(), String> {
        let so_far = self.capture.events.get(..=at).unwrap_or_default();
        let count = so_far.iter().filter(|e| e.wire == event.wire && e.essence().is_some()).count();
        let (wire, what) = (event.wire, event.what.clone());
        self.until(&what, |player| Ok(player.so_far()?.essence(wire).len() >= count)).or_else(|why| {
            // What came instead says more than what did not.
            self.compare().and(Err(why))
        })
    }

    fn app(&mut self, event: &Event) -> Result<(), String> {
        let words: Vec<&str> = event.what.split(' ').collect();
        match words.as_slice() {
            ["sale", minor, currency, mode] => {
                self.sales += 1;
                let amount = amount(minor, currency).ok_or("a sale is MINOR CURRENCY MODE")?;
                let key = format!("replay-{}-{}", std::process::id(), self.sales);
                let child = self.start(&["sale", &amount, "--key", &key, "--mode", mode, "--currency", currency])?;
                self.apps.push(child);
                Ok(())
            }
            ["sign-in"] => {
                let child = self.start(&["sign-in"])?;
                self.apps.push(child);
                Ok(())
            }
            ["cancel"] => match self.apps.last() {
                Some(sale) => {
                    let id = i32::try_from(sale.id()).map_err(|e| e.to_string())?;
                    // posctl cancels its sale then.
                    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGINT)
                        .map_err(|e| format!("posctl: {e}"))
                }
                None => Err("there is no sale to cancel".to_owned()),
            },
            // It follows its sale.
            ["start"] => Ok(()),
            _ => Err(format!("an app does not {}", event.what)),
        }
    }

    /// The first difference of the two captures.
    fn compare(&self) -> Result<(), String> {
        self.capture.compare(&self.so_far()?)
    }
}

/// Minor units as a person writes them.
fn amount(minor: &str, currency: &str) -> Option<String> {
    let places = usize::from(currency.parse::<Currency>().ok()?.exponent());
    if !minor.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{minor:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    Some(if places == 0 { whole.to_owned() } else { format!("{whole}.{part}") })
}

/// One order to a simulator.
fn order(socket: &Path, order: &str) -> Result<(), String> {
    Talk::with(socket)?.ask(order).map(drop).map_err(|why| format!("{order}: {why}"))
}
