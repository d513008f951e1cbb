//! How far the disk under the books is worn, where it tells: the health report of eMMC and SD in sysfs, and what was
//! written since the start.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

/// The kernel counts sectors of this size, whatever the disk's are.
const SECTOR: u64 = 512;

/// What the disk says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wear {
    /// Used part of the rated life in per cent: the worse of its two areas, as the upper end of a tenth.
    pub life_used: Option<u64>,
    /// Spare blocks: 1 good, 2 most are used, 3 nearly none left.
    pub spares: Option<u64>,
    /// KiB written since the machine's start.
    pub written_kib: Option<u64>,
}

/// Looks below `sys` for the disk that holds `directory`.
pub fn wear(sys: &Path, directory: &Path) -> Wear {
    let Ok(seen) = fs::metadata(directory) else { return Wear::default() };
    of_device(sys, (major(seen.dev()), minor(seen.dev())))
}

fn of_device(sys: &Path, (major, minor): (u64, u64)) -> Wear {
    let Some(disk) = disk(sys, &format!("{major}:{minor}")) else { return Wear::default() };
    let text = |name: &str| fs::read_to_string(disk.join(name)).ok();
    Wear {
        life_used: text("device/life_time").and_then(|text| life(&text)),
        spares: text("device/pre_eol_info").and_then(|text| hexadecimal(&text)).filter(|n| (1..=3).contains(n)),
        written_kib: text("stat").and_then(|text| written(&text)),
    }
}

/// The whole disk, if the number is that of a partition.
fn disk(sys: &Path, number: &str) -> Option<PathBuf> {
    let found = fs::canonicalize(sys.join("dev/block").join(number)).ok()?;
    match found.join("partition").exists() {
        true => found.parent().map(Path::to_owned),
        false => Some(found),
    }
}

/// `0x02 0x01`: tenths of the life of two areas, 0 not defined, 11 beyond it.
fn life(text: &str) -> Option<u64> {
    let tenths = text.split_whitespace().filter_map(hexadecimal).filter(|n| (1..=11).contains(n));
    tenths.max().map(|n| n * 10)
}

fn hexadecimal(text: &str) -> Option<u64> {
    let text = text.trim();
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// The seventh number of the kernel's block layer statistics.
fn written(text: &str) -> Option<u64> {
    let sectors: u64 = text.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors.saturating_mul(SECTOR) / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card with one partition, 179:2.
    fn card(life: &str, spares: &str) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let disk = sys.path().join("devices/mmc0/mmc0:0001/block/mmcblk0");
        fs::create_dir_all(disk.join("mmcblk0p2")).unwrap();
        fs::create_dir_all(disk.join("device")).unwrap();
        fs::create_dir_all(sys.path().join("dev/block")).unwrap();
        fs::write(disk.join("mmcblk0p2/partition"), "2\n").unwrap();
        fs::write(disk.join("device/life_time"), life).unwrap();
        fs::write(disk.join("device/pre_eol_info"), spares).unwrap();
        fs::write(disk.join("stat"), "  9 8 7 6 5 4 4096 2 0 1 2 0 0 0 0 0 0\n").unwrap();
        std::os::unix::fs::symlink(disk.join("mmcblk0p2"), sys.path().join("dev/block/179:2")).unwrap();
        sys
    }

    #[test]
    fn the_worse_area_of_the_disk_behind_a_partition_counts() {
        let sys = card("0x02 0x09\n", "0x01\n");
        let worn = Wear { life_used: Some(90), spares: Some(1), written_kib: Some(2048) };
        assert_eq!(of_device(sys.path(), (179, 2)), worn);
        let sys = card("0x0b 0x00\n", "0x03\n");
        let found = of_device(sys.path(), (179, 2));
        assert_eq!((found.life_used, found.spares), (Some(110), Some(3)));
    }

    #[test]
    fn a_disk_that_does_not_tell_says_nothing() {
        let sys = card("0x00 0x00\n", "0x00\n");
        assert_eq!(of_device(sys.path(), (179, 2)), Wear { written_kib: Some(2048), ..Wear::default() });
        let sys = card("", "none\n");
        let found = of_device(sys.path(), (179, 2));
        assert_eq!((found.life_used, found.spares), (None, None));
        assert_eq!(of_device(sys.path(), (8, 1)), Wear::default());
        assert_eq!(wear(sys.path(), Path::new("/nowhere")), Wear::default());
    }
}
