//! The tamper input, on a thread of its own: read at start, at every edge, and once a second besides.
//!
//! Owns: the handle of the line and that thread. Must not know: what follows from it.
//!
//! An edge counts when the level has stayed for [`SETTLED`]: long enough for a switch that bounces and for the spike of a
//! motor, far too short for a hand. The look once a second is for an edge that the kernel did not tell, and for a chip that
//! has gone.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use embedded_hal::digital::InputPin;
use linux_embedded_hal::gpio_cdev::LineEventHandle;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc;

use crate::domain::tamper::TamperReading;
use crate::driver::gpio::{self, GpioError, LineName};

/// How long a level has to stay before it counts.
pub const SETTLED: Duration = Duration::from_millis(50);
/// From one look to the next where no edge comes; also how soon a chip that is missing is looked for again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What `gpioinfo` shows as the line's user.
const CONSUMER: &str = "smartposd tamper";

/// Which line, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The line.
    pub line: LineName,
    /// Whether a high level means that the terminal is open.
    pub active_high: bool,
    /// The directory of GPIO chips.
    pub devices: PathBuf,
}

/// A line that can be read and waited for.
pub trait Watched {
    /// Whether it is high.
    fn is_high(&mut self) -> Result<bool, String>;
    /// Waits for an edge, at most so long; whether one came. Edges that have come are taken.
    fn edge(&mut self, within: Duration) -> Result<bool, String>;
}

/// A line of the kernel.
struct KernelLine(LineEventHandle);

impl Watched for KernelLine {
    fn is_high(&mut self) -> Result<bool, String> {
        Level(&self.0).is_high().map_err(|error| error.0)
    }

    fn edge(&mut self, within: Duration) -> Result<bool, String> {
        let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
        let mut files = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let came = match poll(&mut files, timeout) {
            Ok(count) => count > 0,
            Err(nix::errno::Errno::EINTR) => false,
            Err(error) => return Err(error.to_string()),
        };
        if came {
            self.0.get_event().map_err(|error| error.to_string())?;
        }
        Ok(came)
    }
}

/// The level of an event line, which the library has no pin for.
struct Level<'l>(&'l LineEventHandle);

#[derive(Debug)]
struct LevelError(String);

impl embedded_hal::digital::Error for LevelError {
    fn kind(&self) -> embedded_hal::digital::ErrorKind {
        embedded_hal::digital::ErrorKind::Other
    }
}

impl embedded_hal::digital::ErrorType for Level<'_> {
    type Error = LevelError;
}

impl InputPin for Level<'_> {
    fn is_high(&mut self) -> Result<bool, LevelError> {
        self.0.get_value().map(|value| value != 0).map_err(|error| LevelError(error.to_string()))
    }

    fn is_low(&mut self) -> Result<bool, LevelError> {
        self.is_high().map(|high| !high)
    }
}

/// Reads the input and starts the thread that goes on with it; gives the first reading. The thread ends when the receiver
/// is gone.
pub fn start(settings: Settings, readings: mpsc::Sender<TamperReading>) -> std::io::Result<TamperReading> {
    let open = {
        let settings = settings.clone();
        move || gpio::input(&settings.devices, &settings.line, CONSUMER).map(KernelLine)
    };
    let mut watch = Watch::new(settings, open);
    let first = watch.look();
    let run = move || {
        while !readings.is_closed() {
            if let Some(reading) = watch.next()
                && readings.blocking_send(reading).is_err()
            {
                return;
            }
        }
    };
    std::thread::Builder::new().name("tamper".into()).spawn(run)?;
    Ok(first)
}

/// The line, and what it said last.
struct Watch<L, O> {
    settings: Settings,
    open: O,
    line: Option<L>,
    told: Option<TamperReading>,
}

impl<L: Watched, O: FnMut() -> Result<L, GpioError>> Watch<L, O> {
    fn new(settings: Settings, open: O) -> Self {
        Self { settings, open, line: None, told: None }
    }

    /// What it says now.
    fn look(&mut self) -> TamperReading {
        let reading = self.read();
        self.told = Some(reading.clone());
        reading
    }

    /// Waits for an edge or the next look; gives the reading if it is another one.
    fn next(&mut self) -> Option<TamperReading> {
        match self.line.as_mut().map(rested) {
            Some(Ok(())) => {}
            Some(Err(_)) => {
                self.line = None;
                std::thread::sleep(SETTLED);
            }
            None => std::thread::sleep(LOOK_EVERY),
        }
        let reading = self.read();
        (self.told.as_ref() != Some(&reading)).then(|| {
            self.told = Some(reading.clone());
            reading
        })
    }

    fn read(&mut self) -> TamperReading {
        if self.line.is_none() {
            match (self.open)() {
                Ok(line) => self.line = Some(line),
                Err(error) => return TamperReading::Unreadable(error.to_string()),
            }
        }
        match self.line.as_mut().map(Watched::is_high) {
            Some(Ok(high)) if high == self.settings.active_high => TamperReading::Active,
            Some(Ok(_)) => TamperReading::Quiet,
            Some(Err(what)) => {
                // Its chip may have gone and come back: this handle is dead for ever.
                self.line = None;
                let line = self.settings.line.clone();
                TamperReading::Unreadable(GpioError::Failed { line, what }.to_string())
            }
            None => TamperReading::Unreadable("the line is not open".to_owned()),
        }
    }
}

/// Waits until an edge has come and the level has stayed, or until it is time for the next look.
fn rested<L: Watched>(line: &mut L) -> Result<(), String> {
    if line.edge(LOOK_EVERY)? {
        // A line that never rests is read all the same.
        for _ in 0..MOST_BOUNCES {
            if !line.edge(SETTLED)? {
                break;
            }
        }
    }
    Ok(())
}

/// Edges within [`SETTLED`] of each other that are waited out before the level counts as it is.
const MOST_BOUNCES: u32 = 20;

#[cfg(test)]
mod tests;
