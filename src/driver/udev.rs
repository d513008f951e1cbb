//! What udev has stored about a device node.
//!
//! Owns: the form of its database. Must not know: what the properties are used for.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};

/// Where udev keeps its records.
pub const RECORDS: &str = "/run/udev/data";

/// The property that says what a device is to smartposd.
pub const ROLE: &str = "ID_SMARTPOS_ROLE";

/// A property of a device node.
pub fn property(records: &Path, node: &Path, name: &str) -> Option<String> {
    let device = fs::metadata(node).ok()?.rdev();
    let record = Record::of(records, &format!("{}:{}", major(device), minor(device)));
    record.property(name).map(str::to_owned)
}

/// What a node is to smartposd, where udev says so.
pub fn role(node: &Path) -> Option<String> {
    property(Path::new(RECORDS), node, ROLE)
}

/// What is stored about one character device.
#[derive(Debug, Default)]
pub struct Record(String);

impl Record {
    /// By its numbers, such as `188:0`; empty where udev has none.
    pub fn of(records: &Path, numbers: &str) -> Self {
        Self(fs::read_to_string(records.join(format!("c{numbers}"))).unwrap_or_default())
    }

    /// A property.
    pub fn property(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Its links below `/dev`, as udev made them.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter_map(|line| line.strip_prefix("S:"))
    }
}
