//! Starts that did not end in order, counted so that a restart loop is noticed.
//!
//! Owns: one small file, of fixed size and written in place, so that a full disk does not stop the count; where the state
//! directory takes nothing, the runtime directory, which systemd keeps from one start to the next, does. Stamps are of the
//! boot clock of one boot: a clock that jumps changes nothing, and power cuts are no restart loop.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::diagnose::events::JournalEvent;
use crate::domain::time::Instant;

/// The file's name.
const FILE: &str = "starts";
/// The file's size, whatever is in it.
const SIZE: usize = 1024;
/// Starts that are remembered.
const MOST: usize = 16;
/// Bytes that are read at most.
const LONGEST: u64 = 4096;

/// The count.
#[derive(Clone, Debug)]
pub struct Starts {
    places: Vec<PathBuf>,
    boot: String,
    window: Duration,
}

impl Starts {
    /// Kept in these directories, the best first; only starts of this boot within this time count.
    pub fn new(directories: impl IntoIterator<Item = PathBuf>, boot: String, window: Duration) -> Self {
        Self { places: directories.into_iter().map(|d| d.join(FILE)).collect(), boot, window }
    }

    /// Notes that the daemon starts; how many starts before this one did not end in order.
    pub fn begin(&self, now: Instant) -> usize {
        let mut stamps = self.read(now);
        let before = stamps.len();
        stamps.push(now.0);
        self.write(&stamps);
        before
    }

    /// The daemon ends in order: whatever loop there was is over.
    pub fn ended_well(&self) {
        self.write(&[]);
    }

    /// The daemon ends by no fault of its own (the bus is gone): this start says nothing.
    pub fn take_back(&self, now: Instant) {
        let mut stamps = self.read(now);
        stamps.pop();
        self.write(&stamps);
    }

    fn read(&self, now: Instant) -> Vec<u64> {
        let mut stamps: Vec<u64> = self.places.iter().flat_map(|place| self.stamps(place)).collect();
        stamps.sort_unstable();
        stamps.dedup();
        stamps.retain(|stamp| *stamp <= now.0 && now.since(Instant(*stamp)) < self.window);
        stamps.drain(..stamps.len().saturating_sub(MOST));
        stamps
    }

    fn stamps(&self, place: &PathBuf) -> Vec<u64> {
        let mut text = String::new();
        let read = File::open(place).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        // A file that is not there or not text tells of no start.
        let mut lines = if read.is_ok() { text.lines() } else { "".lines() };
        if lines.next() != Some(self.boot.as_str()) {
            return Vec::new();
        }
        lines.filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// To the first place that takes it, flushed; the others must not know better.
    fn write(&self, stamps: &[u64]) {
        let mut text = format!("{}\n", self.boot);
        for stamp in stamps.iter().rev().take(MOST).rev() {
            text += &format!("{stamp}\n");
        }
        text += &" ".repeat(SIZE.saturating_sub(text.len()));
        let mut kept = false;
        for place in &self.places {
            if kept && !place.exists() {
                continue;
            }
            match write_in_place(place, text.as_bytes()) {
                Ok(()) => kept = true,
                Err(error) => {
                    let place = place.display();
                    tracing::warn!(POS_EVENT = JournalEvent::StorageTrouble.as_str(), POS_COMPONENT = "service", POS_EVIDENCE = %error, "{place} cannot be written");
                }
            }
        }
    }
}

fn write_in_place(place: &PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(place)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// How long a start is held back after so many that failed: old service managers restart at once for ever.
pub fn hold_back(before: usize) -> Duration {
    match before {
        0 | 1 => Duration::ZERO,
        n => Duration::from_millis(250u64 << n.min(8)).min(Duration::from_secs(30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn at(second: u64) -> Instant {
        Instant(second * 1_000_000)
    }

    fn starts(directory: &std::path::Path, boot: &str) -> Starts {
        Starts::new([directory.to_owned()], boot.to_owned(), WINDOW)
    }

    #[test]
    fn starts_without_an_orderly_end_are_counted_within_the_window_and_the_boot() {
        let dir = tempfile::tempdir().unwrap();
        let count = starts(dir.path(), "boot-1");
        assert_eq!([10, 20, 30].map(|s| count.begin(at(s))), [0, 1, 2]);
        assert_eq!(count.begin(at(625)), 1, "two are too old");
        assert_eq!(starts(dir.path(), "boot-2").begin(at(626)), 0);
    }

    #[test]
    fn an_orderly_end_and_a_missing_bus_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let count = starts(dir.path(), "boot-1");
        count.begin(at(1));
        count.begin(at(2));
        count.take_back(at(3));
        assert_eq!(count.begin(at(4)), 1);
        count.ended_well();
        assert_eq!(count.begin(at(5)), 0);
    }

    #[test]
    fn a_directory_that_takes_nothing_is_replaced_by_the_next() {
        let (gone, dir) = (PathBuf::from("/nowhere/at/all"), tempfile::tempdir().unwrap());
        let count = Starts::new([gone, dir.path().to_owned()], "boot-1".to_owned(), WINDOW);
        assert_eq!([1, 2, 3].map(|s| count.begin(at(s))), [0, 1, 2]);
    }

    #[test]
    fn the_file_keeps_its_size_and_junk_in_it_counts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (count, file) = (starts(dir.path(), "boot-1"), dir.path().join(FILE));
        for second in 0..100 {
            count.begin(at(second));
            assert_eq!(std::fs::metadata(&file).unwrap().len(), SIZE as u64);
        }
        std::fs::write(&file, [0xFF; 100]).unwrap();
        assert_eq!(count.begin(at(200)), 0);
        std::fs::write(&file, "boot-1\nx\n-1\n99999999999999999999\n199000000\n").unwrap();
        assert_eq!(count.begin(at(201)), 1);
    }

    #[test]
    fn starts_are_held_back_longer_and_longer_but_not_for_ever() {
        let waits: Vec<_> = (0..10).map(|n| hold_back(n).as_millis()).collect();
        assert_eq!(waits, [0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    }
}
