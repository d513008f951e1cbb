//! What a terminal consists of: versions and devices, as plain values. Text that could not be had is empty.

/// A USB adapter that makes a serial port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adapter {
    /// Vendor, four hex digits.
    pub vendor: String,
    /// Product, four hex digits.
    pub product: String,
    /// Release of the device (`bcdDevice`), four hex digits.
    pub release: String,
    /// What it calls itself.
    pub name: String,
    /// Its serial ports, as the kernel names them; none where no driver has taken it.
    pub ports: Vec<String>,
    /// Milliseconds for which an FTDI chip holds back what it has received.
    pub latency: Option<u32>,
}

/// A package of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version as the distribution writes it.
    pub version: String,
}

/// A device that the daemon drives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driven {
    /// What it calls itself.
    pub model: String,
    /// Its firmware.
    pub firmware: String,
}

/// Everything that is known of a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Version of this program.
    pub program: String,
    /// How it was built: profile and processor.
    pub build: String,
    /// Version of the daemon that runs.
    pub daemon: String,
    /// SQLite inside this program.
    pub sqlite: String,
    /// The TLS library inside this program.
    pub tls: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Name and version of the system.
    pub system: String,
    /// Model of the board.
    pub board: String,
    /// Its serial number.
    pub serial: String,
    /// Ports on which the kernel has its console.
    pub consoles: Vec<String>,
    /// The port of the card reader, as the kernel names it.
    pub port: String,
    /// The card reader.
    pub reader: Driven,
    /// The keypad.
    pub keypad: Driven,
    /// The code scanner, where one is configured.
    pub scanner: Option<Driven>,
    /// USB adapters with serial ports.
    pub adapters: Vec<Adapter>,
    /// Packages that matter here, if they are installed.
    pub packages: Vec<Package>,
    /// What could not be read, and why.
    pub missing: Vec<String>,
}

impl Inventory {
    /// The version of a package, if it is installed.
    pub fn package(&self, name: &str) -> Option<&str> {
        self.packages.iter().find(|package| package.name == name).map(|package| package.version.as_str())
    }
}
