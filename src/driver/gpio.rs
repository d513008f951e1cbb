//! GPIO lines, found by name: the card reader's reset line, and what others ask for.
//!
//! Owns: how a line is found and taken, and the handle of the reset line. Must not know: when a pulse is due.
//!
//! Lines are asked for without `ACTIVE_LOW`: [`CdevPin`] undoes the kernel's inversion, the value given with the request
//! does not go through it, and without the flag both mean the level on the wire. The reset line's handle stays open, because
//! a released line may float, and a floating reset line resets the reader whenever it likes.

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use linux_embedded_hal::CdevPin;
use linux_embedded_hal::gpio_cdev::{self, Chip, EventRequestFlags, Line, LineEventHandle, LineRequestFlags};

/// How long the line is low. The PN532 needs 100 µs; long enough for any wiring.
pub const LOW_MILLISECONDS: u32 = 20;

/// What `gpioinfo` shows as the line's user.
const CONSUMER: &str = "smartposd reader reset";

/// Longest name of a line in the kernel's interface.
pub const LONGEST_NAME: usize = 31;

/// A line that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineName {
    /// Its name, as `gpioinfo` shows it.
    pub name: String,
    /// The setting that names it.
    pub setting: &'static str,
}

/// Why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpioError {
    /// The machine has no GPIO chip at all.
    #[error("no GPIO chip in {directory}; remove {setting}, or load the chip's driver")]
    NoChip {
        /// Where chips were looked for.
        directory: PathBuf,
        /// The setting.
        setting: &'static str,
    },
    /// No chip has a line of this name.
    #[error("no GPIO line is called {:?} on {chips}; `gpioinfo` shows the names, correct {}", .line.name, .line.setting)]
    NoLine {
        /// The configured line.
        line: LineName,
        /// The chips that were looked at.
        chips: String,
    },
    /// Two chips have one: the wrong one could be anything.
    #[error("the GPIO line {:?} is there twice, on {first} and {second}; rename one in the device tree", .line.name)]
    Ambiguous {
        /// The configured line.
        line: LineName,
        /// One chip.
        first: PathBuf,
        /// Another chip.
        second: PathBuf,
    },
    /// Not allowed to open the chip.
    #[error("no permission to open {0}; give it to the daemon with `posctl devices mark {0} gpio`")]
    Denied(PathBuf),
    /// Something else drives the line.
    #[error("the GPIO line {:?} on {chip} is in use by {by:?}; stop that, or correct {}", .line.name, .line.setting)]
    Busy {
        /// The configured line.
        line: LineName,
        /// Where it is.
        chip: PathBuf,
        /// As its user calls itself.
        by: String,
    },
    /// The kernel reports something else.
    #[error("the GPIO line {:?} ({}) does not work: {what}", .line.name, .line.setting)]
    Failed {
        /// The configured line.
        line: LineName,
        /// What the kernel says.
        what: String,
    },
}

/// Lowers the line and raises it again. It is raised even if it could not be lowered: a reader that is held in reset
/// would stay dead.
pub fn pulse<P: OutputPin>(pin: &mut P, delay: &mut impl DelayNs) -> Result<(), P::Error> {
    let lowered = pin.set_low();
    delay.delay_ms(LOW_MILLISECONDS);
    let raised = pin.set_high();
    lowered.and(raised)
}

/// The reset line, once it has been found.
pub struct ResetLine<P> {
    line: LineName,
    open: Box<dyn FnMut() -> Result<P, GpioError> + Send>,
    pin: Option<P>,
}

impl ResetLine<CdevPin> {
    /// The line of this name on any chip in the directory, which is `/dev` but in tests.
    pub fn named(name: String, directory: PathBuf) -> Self {
        let line = LineName { name, setting: "reader.reset_line" };
        let wanted = line.clone();
        Self::opened_by(line, move || output(&directory, &wanted, CONSUMER, true))
    }
}

impl<P: OutputPin<Error: Display>> ResetLine<P> {
    /// A line that this opens, driven high.
    pub fn opened_by(line: LineName, open: impl FnMut() -> Result<P, GpioError> + Send + 'static) -> Self {
        Self { line, open: Box::new(open), pin: None }
    }

    /// Takes the line in hand.
    pub fn hold(&mut self) -> Result<(), GpioError> {
        if self.pin.is_none() {
            self.pin = Some((self.open)()?);
        }
        Ok(())
    }

    /// Pulses it; where it was not there until now, it is looked for once more.
    pub fn pulse(&mut self, delay: &mut impl DelayNs) -> Result<(), GpioError> {
        self.hold()?;
        let Some(pin) = &mut self.pin else { return Ok(()) };
        let pulsed = pulse(pin, delay);
        pulsed.map_err(|error| {
            // Its chip may have gone and come back: then this handle is dead for ever.
            self.pin = None;
            GpioError::Failed { line: self.line.clone(), what: error.to_string() }
        })
    }
}

/// A chip and the names of its lines, by offset.
struct Seen {
    path: PathBuf,
    lines: Result<Vec<Option<String>>, io::ErrorKind>,
}

/// Takes a line as an output with this level on the wire. `consumer` is what `gpioinfo` shows as its user.
pub fn output(directory: &Path, wanted: &LineName, consumer: &str, high: bool) -> Result<CdevPin, GpioError> {
    let line = find(directory, wanted)?;
    let handle = line.request(LineRequestFlags::OUTPUT, u8::from(high), consumer);
    let handle = handle.map_err(|error| refused(wanted, &line, &error))?;
    CdevPin::new(handle).map_err(|error| failed(wanted, &error))
}

/// Takes a line as an input whose edges can be waited for.
pub fn input(directory: &Path, wanted: &LineName, consumer: &str) -> Result<LineEventHandle, GpioError> {
    let line = find(directory, wanted)?;
    let edges = line.events(LineRequestFlags::INPUT, EventRequestFlags::BOTH_EDGES, consumer);
    edges.map_err(|error| refused(wanted, &line, &error))
}

fn find(directory: &Path, wanted: &LineName) -> Result<Line, GpioError> {
    let seen: Vec<Seen> = chips(directory).into_iter().map(look).collect();
    let (path, offset) = pick(directory, &seen, wanted)?;
    Chip::new(path).and_then(|mut chip| chip.get_line(offset)).map_err(|error| failed(wanted, &error))
}

fn failed(wanted: &LineName, error: &gpio_cdev::Error) -> GpioError {
    GpioError::Failed { line: wanted.clone(), what: error.to_string() }
}

fn refused(wanted: &LineName, line: &Line, error: &gpio_cdev::Error) -> GpioError {
    match line.info() {
        Ok(info) if info.is_kernel() => {
            let by = info.consumer().unwrap_or("the kernel").to_owned();
            GpioError::Busy { line: wanted.clone(), chip: line.chip().path().to_owned(), by }
        }
        Ok(_) | Err(_) => failed(wanted, error),
    }
}

/// `gpiochip0`, `gpiochip1` … in this order. Links to chips (old names on newer boards) would show them twice.
fn chips(directory: &Path) -> Vec<PathBuf> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("gpiochip")?.parse::<u32>().ok();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut chips: Vec<_> =
        entries.filter(|path| !path.is_symlink()).filter_map(|path| Some((number(&path)?, path))).collect();
    chips.sort();
    chips.into_iter().map(|(_, path)| path).collect()
}

fn look(path: PathBuf) -> Seen {
    let names = |chip: Chip| {
        // A line that tells nothing is a line without a name.
        let name = |line: Line| line.info().ok()?.name().map(str::to_owned);
        chip.lines().map(name).collect()
    };
    let lines = Chip::new(&path).map(names).map_err(|error| kind(&error));
    Seen { path, lines }
}

/// The one line of this name.
fn pick<'a>(directory: &Path, seen: &'a [Seen], wanted: &LineName) -> Result<(&'a Path, u32), GpioError> {
    let mut found: Option<(&Path, u32)> = None;
    for Seen { path, lines } in seen {
        let lines = lines.as_deref().unwrap_or_default();
        for (_, offset) in lines.iter().zip(0u32..).filter(|(line, _)| line.as_deref() == Some(wanted.name.as_str())) {
            if let Some((first, _)) = found.replace((path, offset)) {
                let (first, second) = (first.to_owned(), path.clone());
                return Err(GpioError::Ambiguous { line: wanted.clone(), first, second });
            }
        }
    }
    let denied = |chip: &&Seen| chip.lines == Err(io::ErrorKind::PermissionDenied);
    match (found, seen.iter().find(denied)) {
        (Some(found), _) => Ok(found),
        (None, Some(closed)) => Err(GpioError::Denied(closed.path.clone())),
        (None, None) if seen.is_empty() => {
            Err(GpioError::NoChip { directory: directory.to_owned(), setting: wanted.setting })
        }
        (None, None) => {
            let chips = seen.iter().map(|chip| chip.path.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(GpioError::NoLine { line: wanted.clone(), chips })
        }
    }
}

/// Why a chip could not be opened, which the crate keeps as its error's source.
fn kind(error: &gpio_cdev::Error) -> io::ErrorKind {
    let opening = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    opening.map_or(io::ErrorKind::Other, io::Error::kind)
}

#[cfg(test)]
mod tests;
