//! Takes the inventory of the machine: board, console, USB adapters, packages. Reads files only; starts no program.
//!
//! Owns: where it is written. Must not know: which of it is good or bad.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::domain::inventory::{Adapter, Package};

/// Packages that can matter to reader, keypad, network or bus.
const PACKAGES: [&str; 12] = [
    "smartposd",
    "systemd",
    "dbus",
    "dbus-broker",
    "polkitd",
    "network-manager",
    "modemmanager",
    "brltty",
    "chrony",
    "raspi-firmware",
    "wpasupplicant",
    "udev",
];
/// Vendors of USB serial adapters: an adapter that no driver has taken has no port to be known by.
const VENDORS: [&str; 4] = ["0403", "067b", "10c4", "1a86"];
/// No list of packages is longer.
const MOST_BYTES: u64 = 32 << 20;
/// No bus has more devices.
const MOST_DEVICES: usize = 256;

/// The roots of what is read: `/` but in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// sysfs.
    pub sys: PathBuf,
    /// procfs.
    pub proc: PathBuf,
    /// The list of packages.
    pub dpkg: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { sys: "/sys".into(), proc: "/proc".into(), dpkg: "/var/lib/dpkg/status".into() }
    }
}

impl Roots {
    /// Model and serial number of the board: from the device tree, else from the firmware's tables; "" is unknown.
    pub fn board(&self) -> (String, String) {
        let tree = self.proc.join("device-tree");
        let (model, serial) = (line(&tree.join("model")), line(&tree.join("serial-number")));
        if !model.is_empty() {
            return (model, serial);
        }
        let tables = self.sys.join("class/dmi/id");
        let words = [line(&tables.join("sys_vendor")), line(&tables.join("product_name"))];
        (words.join(" ").trim().to_owned(), line(&tables.join("product_serial")))
    }

    /// Ports on which the kernel has its console.
    pub fn consoles(&self) -> Vec<String> {
        consoles(&self.sys)
    }

    /// USB adapters with serial ports, and known ones without.
    pub fn adapters(&self) -> Vec<Adapter> {
        let Ok(read) = fs::read_dir(self.sys.join("bus/usb/devices")) else { return Vec::new() };
        let mut devices: Vec<PathBuf> = read.flatten().take(MOST_DEVICES).map(|entry| entry.path()).collect();
        devices.sort();
        devices.iter().filter_map(|device| adapter(device)).collect()
    }

    /// The packages that matter, or why that cannot be said.
    pub fn packages(&self) -> Result<Vec<Package>, String> {
        let mut text = String::new();
        let read = File::open(&self.dpkg).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
        read.map_err(|why| format!("packages: {}: {why}", self.dpkg.display()))?;
        Ok(packages(&text))
    }
}

/// The kernel's name of a port, such as `ttyUSB0`, behind whatever links; "" if it is not there.
pub fn port(path: &Path) -> String {
    let real = fs::canonicalize(path).unwrap_or_default();
    real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Ports on which the kernel has its console.
pub(super) fn consoles(sys: &Path) -> Vec<String> {
    let active = line(&sys.join("class/tty/console/active"));
    active.split_whitespace().map(str::to_owned).collect()
}

/// A file's first line, without the zero that ends text in a device tree.
pub(super) fn line(path: &Path) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    first.trim_matches(|c: char| c == '\0' || c.is_whitespace()).chars().filter(|c| !c.is_control()).collect()
}

fn adapter(device: &Path) -> Option<Adapter> {
    let vendor = line(&device.join("idVendor"));
    if vendor.is_empty() {
        return None;
    }
    let (ports, latency) = ports(device);
    let known = VENDORS.contains(&vendor.as_str());
    (known || !ports.is_empty()).then(|| Adapter {
        product: line(&device.join("idProduct")),
        release: line(&device.join("bcdDevice")),
        name: line(&device.join("product")),
        vendor,
        ports,
        latency,
    })
}

/// Serial ports of a device's interfaces: `ttyUSBn` directly below them, others below `tty`.
fn ports(device: &Path) -> (Vec<String>, Option<u32>) {
    let (mut ports, mut latency) = (Vec::new(), None);
    let interface = |name: &str| name.contains(':');
    for inside in entries(device).into_iter().filter(|(name, _)| interface(name)).map(|(_, path)| path) {
        let below = entries(&inside).into_iter().chain(entries(&inside.join("tty")));
        for (name, path) in below.filter(|(name, _)| name.starts_with("tty") && name != "tty") {
            latency = latency.or_else(|| line(&path.join("latency_timer")).parse().ok());
            ports.push(name);
        }
    }
    ports.sort();
    (ports, latency)
}

fn entries(directory: &Path) -> Vec<(String, PathBuf)> {
    let read = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_DEVICES);
    read.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

/// Installed ones of the packages that matter.
fn packages(text: &str) -> Vec<Package> {
    let of = |paragraph: &str| {
        let field = |key: &str| paragraph.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(": ")).map(str::trim);
        let name = field("Package").filter(|name| PACKAGES.contains(name))?;
        let installed = field("Status").is_some_and(|status| status.ends_with(" installed"));
        installed.then(|| Package { name: name.to_owned(), version: field("Version").unwrap_or_default().to_owned() })
    };
    let mut found: Vec<Package> = text.split("\n\n").filter_map(of).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests;
