//! Looks at every device of this machine that could be of use to a point of sale. Reads files only; opens no device.
//!
//! Owns: where the kernel and udev say what a device is. Must not know: what is made of it.

mod access;

use std::fs;
use std::path::{Path, PathBuf};

use ::evdev::KeyCode;

use crate::domain::attached::{Attached, Kind, Pad, Usb};
use crate::driver::evdev::pad;
use crate::driver::inventory::{consoles, line};
use crate::driver::udev::{self, Record};
use access::{Holders, User};

/// No directory of sysfs that is read here has more entries.
const MOST: usize = 512;

/// The roots of what is read: `/` but in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// sysfs.
    pub sys: PathBuf,
    /// Device nodes.
    pub dev: PathBuf,
    /// procfs.
    pub proc: PathBuf,
    /// udev's records.
    pub records: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { sys: "/sys".into(), dev: "/dev".into(), proc: "/proc".into(), records: udev::RECORDS.into() }
    }
}

/// All devices, in a stable order. `user` is the daemon's.
pub fn attached(roots: &Roots, user: &str) -> Vec<Attached> {
    let look =
        Look { roots, user: User::named(user), holders: Holders::seen(&roots.proc), consoles: consoles(&roots.sys) };
    let mut found: Vec<Attached> = [
        ("class/tty", Kind::Serial),
        ("class/input", Kind::Input),
        ("bus/gpio/devices", Kind::Gpio),
        ("class/i2c-dev", Kind::I2c),
    ]
    .into_iter()
    .flat_map(|(class, kind)| entries(&roots.sys.join(class)).into_iter().map(move |entry| (entry, kind)))
    .filter_map(|((name, path), kind)| look.at(&name, &path, kind))
    .collect();
    let used: Vec<String> = found.iter().filter_map(|a| a.usb.as_ref()).map(|usb| usb.port.clone()).collect();
    found.extend(loose(roots, &used));
    found.sort_by_key(|a| (a.kind, natural(&a.node)));
    found
}

/// What is the same for all devices.
struct Look<'a> {
    roots: &'a Roots,
    user: Option<User>,
    holders: Holders,
    consoles: Vec<String>,
}

impl Look<'_> {
    fn at(&self, name: &str, path: &Path, kind: Kind) -> Option<Attached> {
        let device = fs::canonicalize(path.join("device")).ok();
        let fits = match kind {
            // Names without hardware have no device; a UART that is not there has type 0.
            Kind::Serial => device.is_some() && line(&path.join("type")) != "0",
            Kind::Input => name.starts_with("event"),
            Kind::Gpio => name.starts_with("gpiochip"),
            Kind::I2c => true,
            Kind::Loose => false,
        };
        let numbers = line(&path.join("dev"));
        if !fits || numbers.is_empty() {
            return None;
        }
        let record = Record::of(&self.roots.records, &numbers);
        let node = self.roots.dev.join(if kind == Kind::Input { Path::new("input").join(name) } else { name.into() });
        let parent = device.clone().or_else(|| fs::canonicalize(path).ok()?.parent().map(Path::to_owned));
        let usb = parent.as_deref().and_then(usb);
        let role = record.property(udev::ROLE).map(str::to_owned);
        Some(Attached {
            kind,
            title: self.title(kind, &record, parent.as_deref(), usb.as_ref()),
            names: self.names(&record),
            parent: parent.as_deref().and_then(file_name).unwrap_or_default(),
            usb,
            role,
            console: kind == Kind::Serial && self.consoles.iter().any(|console| console == name),
            pad: if kind == Kind::Input { keys(&path.join("device/capabilities/key")) } else { Pad::No },
            holder: self.holders.of(&node),
            access: self.user.as_ref().map_or(crate::domain::attached::Access::Unknown, |user| user.access(&node)),
            node: node.display().to_string(),
        })
    }

    fn title(&self, kind: Kind, record: &Record, parent: Option<&Path>, usb: Option<&Usb>) -> String {
        let parent = parent.unwrap_or(Path::new("/"));
        let own = match kind {
            Kind::Input | Kind::I2c => line(&parent.join("name")),
            Kind::Serial | Kind::Gpio | Kind::Loose => String::new(),
        };
        let model = record.property("ID_MODEL_FROM_DATABASE").or(record.property("ID_MODEL")).unwrap_or_default();
        let product = usb.map(|usb| self.roots.sys.join("bus/usb/devices").join(&usb.port).join("product"));
        let product = product.map(|path| line(&path)).unwrap_or_default();
        let driver = fs::canonicalize(parent.join("driver")).ok().as_deref().and_then(file_name).unwrap_or_default();
        let all = [own, product, model.replace('_', " "), driver];
        all.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// Names by role before names by id, and those before names by place.
    fn names(&self, record: &Record) -> Vec<String> {
        let rank = |name: &str| ["smartpos/", "by-id/", "by-path/"].iter().position(|part| name.contains(part));
        let mut links: Vec<&str> = record.links().filter(|name| rank(name).is_some() || *name == "serial0").collect();
        links.sort_by_key(|name| (rank(name).unwrap_or(usize::MAX), name.len()));
        links.into_iter().map(|name| self.roots.dev.join(name).display().to_string()).collect()
    }
}

/// USB devices that no driver gave a node we look at: adapters without a driver, keyboards in a mode of their own.
fn loose(roots: &Roots, used: &[String]) -> Vec<Attached> {
    let devices = entries(&roots.sys.join("bus/usb/devices")).into_iter();
    let alone = devices.filter(|(name, path)| {
        let hub = line(&path.join("bDeviceClass")) == "09";
        let interfaces: Vec<PathBuf> = interfaces(path, name);
        let idle = !interfaces.is_empty() && interfaces.iter().all(|path| !path.join("driver").exists());
        !name.contains(':') && !hub && !used.contains(name) && idle
    });
    alone
        .filter_map(|(name, path)| {
            let usb = usb(&path)?;
            Some(Attached {
                kind: Kind::Loose,
                node: name,
                names: Vec::new(),
                title: line(&path.join("product")),
                usb: Some(usb),
                parent: String::new(),
                role: None,
                console: false,
                pad: Pad::No,
                holder: crate::domain::attached::Holder::Nobody,
                access: crate::domain::attached::Access::Unknown,
            })
        })
        .collect()
}

fn interfaces(device: &Path, name: &str) -> Vec<PathBuf> {
    let prefix = format!("{name}:");
    entries(device).into_iter().filter(|(inside, _)| inside.starts_with(&prefix)).map(|(_, path)| path).collect()
}

/// The USB device at or above a place in sysfs.
fn usb(place: &Path) -> Option<Usb> {
    let real = fs::canonicalize(place).ok()?;
    let device = real.ancestors().find(|path| path.join("idVendor").exists())?;
    let interface = real.ancestors().find(|path| path.join("bInterfaceNumber").exists());
    Some(Usb {
        vendor: line(&device.join("idVendor")),
        product: line(&device.join("idProduct")),
        serial: line(&device.join("serial")),
        port: file_name(device)?,
        interface: interface.and_then(file_name).unwrap_or_default(),
    })
}

/// The kernel writes a map of keys as words of its own size, the highest first.
fn keys(map: &Path) -> Pad {
    let text = line(map);
    let words: Vec<usize> = text.split(' ').rev().filter_map(|word| usize::from_str_radix(word, 16).ok()).collect();
    let bits = usize::BITS as usize;
    pad(|KeyCode(code)| {
        words.get(usize::from(code) / bits).is_some_and(|word| word >> (usize::from(code) % bits) & 1 == 1)
    })
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

fn entries(directory: &Path) -> Vec<(String, PathBuf)> {
    let read = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST);
    read.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

/// `ttyUSB2` before `ttyUSB10`.
fn natural(node: &str) -> (String, u64) {
    let digits = node.len() - node.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (name, number) = node.split_at(node.len() - digits);
    (name.to_owned(), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests;
