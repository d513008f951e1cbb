//! Power-cycles the USB device that a serial port belongs to.
//!
//! Owns: the way from a port's name to its USB device in sysfs, and the switch found there. Must not know: what hangs on
//! the port, when a power cycle is due.
//!
//! Two switches, the stronger one first: `port/disable` of the hub's port (kernel 6.0) takes the device off the bus, and its
//! supply voltage with it on hubs that can; `authorized` of the device itself only takes its configuration away. After
//! either the kernel sets the device up anew, and its serial port comes back.
//!
//! What is off is noted in a file first: a daemon that is killed meanwhile would otherwise leave a reader that nobody finds
//! any more, because its port is gone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use embedded_hal::delay::DelayNs;

/// How long the device stays off: what it has in its capacitors is used up by then.
pub const OFF_MILLISECONDS: u32 = 1_000;

/// Writes to switch on again before the device counts as lost.
const ON_TRIES: u32 = 3;

/// Why the power could not be switched.
#[derive(Debug, thiserror::Error)]
pub enum UsbError {
    /// The port belongs to no USB device.
    #[error("{0} is not on USB, its power cannot be switched; set reader.power_cycle = \"none\"")]
    NotUsb(PathBuf),
    /// The kernel offers no switch.
    #[error("{0} has no switch: neither port/disable nor authorized; set reader.power_cycle = \"none\"")]
    NoSwitch(PathBuf),
    /// Not allowed to use it.
    #[error("no permission to write {0}; let udev give it to the service's group (see 60-smartposd.rules)")]
    Denied(PathBuf),
    /// The kernel refuses.
    #[error("{file} cannot be written: {source}")]
    Refused {
        /// Which file.
        file: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// It went off and does not come on.
    #[error(
        "switched off, but {file} cannot be written to switch on again: {source}; restart the daemon, or replug the reader"
    )]
    LeftOff {
        /// Which file.
        file: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
}

/// A file that switches, and what to write to it.
struct Switch {
    file: PathBuf,
    off: &'static str,
    on: &'static str,
}

/// The power switch of whatever hangs on a USB serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbPower {
    /// The root of sysfs: `/sys` but in tests.
    pub sysfs: PathBuf,
    /// Where it is noted what is off.
    pub note: PathBuf,
}

impl UsbPower {
    /// Switches the USB device behind a serial port off and on again.
    ///
    /// Returns the device's name, such as `1-1.4`, as soon as it is on; its port comes back later.
    pub fn cycle(&self, port: &Path, delay: &mut impl DelayNs) -> Result<String, UsbError> {
        let device = device(&self.sysfs, port).ok_or_else(|| UsbError::NotUsb(port.to_owned()))?;
        let Switch { file, off, on } = usable_switch(&device)?;
        let text = format!("{on} {}", file.display());
        fs::write(&self.note, text).map_err(|source| refused(&self.note, source))?;
        if let Err(source) = write(&file, off) {
            self.forget();
            return Err(refused(&file, source));
        }
        delay.delay_ms(OFF_MILLISECONDS);
        self.switch_on(&file, on, delay)?;
        Ok(device.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// Switches on what an earlier daemon left off; says which file that was, if any.
    pub fn recover(&self, delay: &mut impl DelayNs) -> Result<Option<PathBuf>, UsbError> {
        let Ok(text) = fs::read_to_string(&self.note) else { return Ok(None) };
        let left = text.split_once(' ').map(|(on, file)| (on, PathBuf::from(file)));
        match left {
            Some((on, file))
                if file.starts_with(fs::canonicalize(&self.sysfs).unwrap_or_default()) && file.exists() =>
            {
                self.switch_on(&file, on, delay)?;
                Ok(Some(file))
            }
            // Torn, or the device is not there any more: nothing is off.
            Some(_) | None => {
                self.forget();
                Ok(None)
            }
        }
    }

    fn switch_on(&self, file: &Path, on: &str, delay: &mut impl DelayNs) -> Result<(), UsbError> {
        let mut tries = 1;
        while let Err(source) = write(file, on) {
            if tries >= ON_TRIES {
                return Err(UsbError::LeftOff { file: file.to_owned(), source });
            }
            tries += 1;
            delay.delay_ms(OFF_MILLISECONDS);
        }
        self.forget();
        Ok(())
    }

    fn forget(&self) {
        // A note that stays is harmless: what it says to switch on is on.
        let _ = fs::remove_file(&self.note);
    }
}

/// The directory of the USB device that a serial port belongs to.
fn device(sysfs: &Path, port: &Path) -> Option<PathBuf> {
    // Stable names are links to the kernel's name, under which alone sysfs knows the port.
    let name = fs::canonicalize(port).ok()?.file_name()?.to_owned();
    let root = fs::canonicalize(sysfs).ok()?;
    let tty = fs::canonicalize(root.join("class/tty").join(name)).ok()?;
    let above = tty.ancestors().skip(1).take_while(|directory| directory.starts_with(&root));
    // Interfaces of a device have `authorized` as well, but only the device has a vendor.
    above.map(Path::to_owned).find(|directory| directory.join("idVendor").exists())
}

/// The strongest switch that may be used.
fn usable_switch(device: &Path) -> Result<Switch, UsbError> {
    // `port` is a link that goes with the device: the way back must not lead over it.
    let port = fs::canonicalize(device.join("port")).unwrap_or_else(|_| device.join("port"));
    let port = Switch { file: port.join("disable"), off: "1", on: "0" };
    let own = Switch { file: device.join("authorized"), off: "0", on: "1" };
    let mut problem = None;
    for switch in [port, own] {
        match OpenOptions::new().write(true).open(&switch.file) {
            Ok(_) => return Ok(switch),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problem = Some(refused(&switch.file, error)),
        }
    }
    Err(problem.unwrap_or_else(|| UsbError::NoSwitch(device.to_owned())))
}

fn write(file: &Path, word: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(word.as_bytes())
}

fn refused(file: &Path, source: io::Error) -> UsbError {
    match source.kind() {
        // A sandboxed service sees sysfs read-only.
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => UsbError::Denied(file.to_owned()),
        _ => UsbError::Refused { file: file.to_owned(), source },
    }
}

#[cfg(test)]
mod tests;
