//! The disks that a power cut at any point of a recording may leave.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::recording::{Recording, SECTOR};

/// The file system's superblock is read before its journal is: ext4 itself needs this much in one piece.
const SUPERBLOCK_END: u64 = 4096;

/// Where the power goes.
pub enum Cut {
    /// Before this entry came; the disk kept everything so far.
    Before(usize),
    /// While this flush or forced write was under way; of what came since the last flush, chance decides what was kept.
    Within { entry: usize, seed: u64 },
}

impl Cut {
    pub fn position(&self) -> usize {
        match self {
            Self::Before(entry) => *entry,
            Self::Within { entry, .. } => *entry,
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(entry) => write!(f, "cut before entry {entry}"),
            Self::Within { entry, seed } => write!(f, "cut within entry {entry}, seed {seed}"),
        }
    }
}

/// Cuts in the order of the recording. All there are: one before each entry, and at each flush or forced write as many as
/// the square of the writes that are not safe, because most flushes follow on one write and the others are the rare ones.
/// Fewer are a fair sample of these, more are more seeds.
pub fn cuts(recording: &Recording, wanted: usize) -> Vec<Cut> {
    let mut chance = Chance::new(1);
    let mut unsafe_writes = 0;
    let mut weights = Vec::new();
    for entry in &recording.entries {
        let barrier = entry.flushes() || entry.forced();
        weights.push(if barrier { unsafe_writes * unsafe_writes + usize::from(entry.forced()) } else { 0 });
        unsafe_writes = if entry.flushes() { 0 } else { unsafe_writes + usize::from(!entry.forced()) };
    }
    let by_chance = wanted.saturating_sub(recording.entries.len()).div_ceil(weights.iter().sum::<usize>()).max(1);
    let mut all = Vec::new();
    for (entry, weight) in weights.into_iter().enumerate() {
        all.push(Cut::Before(entry));
        all.extend((0..weight * by_chance).map(|_| Cut::Within { entry, seed: chance.next() }));
    }
    let (mut left, mut due) = (all.len() as u64, wanted as u64);
    all.retain(|_| {
        let taken = chance.below(left) < due;
        left -= 1;
        due -= u64::from(taken);
        taken
    });
    all
}

/// The disk as it is while the recording is gone through.
pub struct Disk {
    /// What no power cut takes away any more.
    safe: Vec<u8>,
    /// What a disk that loses nothing would hold.
    whole: Vec<u8>,
    /// Entries that the next flush makes safe.
    unflushed: Vec<usize>,
}

impl Disk {
    pub fn new(base: &[u8]) -> Self {
        Self { safe: base.to_vec(), whole: base.to_vec(), unflushed: Vec::new() }
    }

    /// The next entry came and is done.
    pub fn apply(&mut self, recording: &Recording, index: usize) -> io::Result<()> {
        let entry = &recording.entries[index];
        if entry.flushes() {
            for index in std::mem::take(&mut self.unflushed) {
                let entry = &recording.entries[index];
                put(&mut self.safe, entry.at, &recording.bytes(entry)?);
            }
        }
        if entry.writes() {
            let bytes = recording.bytes(entry)?;
            put(&mut self.whole, entry.at, &bytes);
            if entry.forced() {
                put(&mut self.safe, entry.at, &bytes);
            } else {
                self.unflushed.push(index);
            }
        }
        Ok(())
    }

    /// The disk that this cut leaves.
    pub fn write_image(&self, recording: &Recording, cut: &Cut, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.safe.len() as u64)?;
        match cut {
            Cut::Before(_) => write_sparsely(&file, &self.whole),
            Cut::Within { entry, seed } => {
                write_sparsely(&file, &self.safe)?;
                let mut chance = Chance::new(*seed);
                for index in self.unflushed.iter().chain([entry]) {
                    let entry = &recording.entries[*index];
                    let percent = chance.percentage();
                    write_partly(&file, entry.at, &recording.bytes(entry)?, percent, &mut chance)?;
                }
                Ok(())
            }
        }
    }
}

fn put(disk: &mut [u8], at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap();
    disk[at..at + bytes.len()].copy_from_slice(bytes);
}

fn write_sparsely(file: &File, disk: &[u8]) -> io::Result<()> {
    const PIECE: usize = 16384;
    for (index, piece) in disk.chunks(PIECE).enumerate() {
        if *piece != [0; PIECE][..piece.len()] {
            file.write_all_at(piece, (index * PIECE) as u64)?;
        }
    }
    Ok(())
}

/// Writes each sector with this chance in a hundred.
fn write_partly(file: &File, at: u64, bytes: &[u8], percent: u64, chance: &mut Chance) -> io::Result<()> {
    let piece = if at < SUPERBLOCK_END { bytes.len().max(SECTOR) } else { SECTOR };
    for (index, sector) in bytes.chunks(piece).enumerate() {
        if chance.below(100) < percent {
            file.write_all_at(sector, at + (index * piece) as u64)?;
        }
    }
    Ok(())
}

/// Numbers that look random and are the same every time (xorshift).
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// How much of a write the disk kept: nothing, all, or a part of it.
    fn percentage(&mut self) -> u64 {
        [0, 0, 100, 100, 5, 50, 95][usize::try_from(self.below(7)).unwrap()]
    }
}

mod tests {
    use super::*;
    use crate::recording::{FLUSH, FUA, MAGIC, MARK};

    /// A recording of these: flags, sector, byte that fills it. A mark's sector is its number.
    fn recorded(entries: &[(u64, u64, u8)]) -> Recording {
        let words = |words: [u64; 4]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        let mut bytes = words([MAGIC, 1, entries.len() as u64, SECTOR as u64]);
        bytes.resize(SECTOR, 0);
        for (flags, sector, fill) in entries {
            let start = bytes.len();
            let mark = if *flags == MARK { format!("ack{sector}") } else { String::new() };
            let writes = flags & (FLUSH | MARK) == 0;
            bytes.extend(words([*sector, u64::from(writes), *flags, mark.len() as u64]));
            bytes.extend(mark.bytes());
            bytes.resize(start + SECTOR, 0);
            bytes.extend(std::iter::repeat_n(*fill, if writes { SECTOR } else { 0 }));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        std::fs::write(&path, bytes).unwrap();
        Recording::read(&path).unwrap()
    }

    /// The first byte of each of four sectors behind the superblock, for every cut that there is at this entry.
    fn images(recording: &Recording, entry: usize) -> std::collections::BTreeSet<[u8; 4]> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let mut disk = Disk::new(&[0; 12 * SECTOR]);
        (0..entry).for_each(|index| disk.apply(recording, index).unwrap());
        let here = cuts(recording, 120).into_iter().filter(|c| c.position() == entry);
        here.map(|cut| {
            disk.write_image(recording, &cut, &path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            [8, 9, 10, 11].map(|sector| bytes[sector * SECTOR])
        })
        .collect()
    }

    #[test]
    fn a_cut_loses_any_part_of_what_was_not_flushed_and_nothing_else() {
        let recording = recorded(&[(0, 8, 1), (FLUSH, 0, 0), (0, 9, 2), (FUA, 10, 3), (0, 8, 4), (FLUSH, 0, 0)]);
        assert_eq!(images(&recording, 1), [[0, 0, 0, 0], [1, 0, 0, 0]].into());
        assert_eq!(images(&recording, 2), [[1, 0, 0, 0]].into());
        let forced = [[1, 0, 0, 0], [1, 2, 0, 0], [1, 0, 3, 0], [1, 2, 3, 0]];
        assert_eq!(images(&recording, 3), forced.into());
        let flushed = [[1, 0, 3, 0], [1, 2, 3, 0], [4, 0, 3, 0], [4, 2, 3, 0]];
        assert_eq!(images(&recording, 5), flushed.into());
        assert_eq!(images(&recording, 6), [[4, 2, 3, 0]].into());
    }

    #[test]
    fn what_was_acknowledged_before_a_cut_counts_for_it() {
        let recording = recorded(&[(0, 8, 1), (FLUSH, 0, 0), (MARK, 1, 0), (MARK, 2, 0), (0, 9, 2), (MARK, 3, 0)]);
        let acknowledged: Vec<_> = recording.entries.iter().map(|e| e.acknowledged).collect();
        assert_eq!(acknowledged, [0, 0, 2, 3]);
    }

    #[test]
    fn as_many_cuts_are_made_as_were_asked_for() {
        let recording = recorded(&[(0, 8, 1), (0, 9, 1), (FLUSH, 0, 0), (FUA, 8, 2)]);
        for wanted in [1, 5, 9, 10, 11, 100] {
            let found = cuts(&recording, wanted);
            assert_eq!(found.len(), wanted);
            assert!(found.is_sorted_by_key(Cut::position));
        }
    }
}
