//! What udev has stored about a device node.
//!
//! Owns: the form of its database. Must not know: what the properties are used for.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};

/// Where udev keeps its records.
pub const RECORDS: &str = "/run/udev/data";

/// The property that says what a device is to smartposd.
pub const ROLE: &str = "ID_SMARTPOS_ROLE";

/// A property of a device node.
pub fn property(records: &Path, node: &Path, name: &str) -> Option<String> {
    let all = properties(records, node);
    all.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// All properties of a device node, in udev's order.
pub fn properties(records: &Path, node: &Path) -> Vec<(String, String)> {
    let Ok(found) = fs::metadata(node) else { return Vec::new() };
    let kind = if found.file_type().is_block_device() { 'b' } else { 'c' };
    let device = found.rdev();
    let record = records.join(format!("{kind}{}:{}", major(device), minor(device)));
    let text = fs::read_to_string(record).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// What a node is to smartposd, where udev says so.
pub fn role(node: &Path) -> Option<String> {
    property(Path::new(RECORDS), node, ROLE)
}
