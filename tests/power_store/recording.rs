//! What dm-log-writes recorded.
//!
//! Format: `drivers/md/dm-log-writes.c`. A write without FUA is recorded when the next flush was asked for, so between
//! two flushes stand exactly the writes that the disk was free to lose. A mark is recorded when it was made.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub const MAGIC: u64 = 0x006a_7366_7773_6872;
pub const FLUSH: u64 = 1;
pub const FUA: u64 = 2;
const DISCARD: u64 = 4;
pub const MARK: u64 = 8;

/// What a disk writes wholly or not at all.
pub const SECTOR: usize = 512;

/// One thing that came to the disk.
pub struct Entry {
    flags: u64,
    /// Where on the disk, and how many bytes.
    pub at: u64,
    length: usize,
    /// Where in the recording.
    data: u64,
    /// Commits that were acknowledged before it.
    pub acknowledged: usize,
}

impl Entry {
    pub fn writes(&self) -> bool {
        self.length > 0
    }

    pub fn flushes(&self) -> bool {
        self.flags & FLUSH != 0
    }

    pub fn forced(&self) -> bool {
        self.flags & FUA != 0
    }
}

/// The whole recording.
pub struct Recording {
    file: File,
    pub entries: Vec<Entry>,
}

fn word(bytes: &[u8], index: usize) -> u64 {
    u64::from_le_bytes(bytes[8 * index..8 * index + 8].try_into().unwrap())
}

impl Recording {
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut head = [0; SECTOR];
        file.read_exact_at(&mut head, 0)?;
        assert_eq!((word(&head, 0), word(&head, 1)), (MAGIC, 1), "this is no recording");
        let count = word(&head, 2);
        assert_eq!(word(&head, 3) & 0xffff_ffff, SECTOR as u64, "sectors of another size");
        let (mut entries, mut acknowledged, mut position) = (Vec::new(), 0, SECTOR as u64);
        for _ in 0..count {
            file.read_exact_at(&mut head, position)?;
            position += SECTOR as u64;
            let (flags, length) = (word(&head, 2), usize::try_from(word(&head, 1)).unwrap() * SECTOR);
            assert_eq!(flags & DISCARD, 0, "nothing here discards");
            if flags & MARK != 0 {
                let text = &head[32..32 + usize::try_from(word(&head, 3)).unwrap()];
                if let Some(number) = text.strip_prefix(b"ack") {
                    acknowledged = std::str::from_utf8(number).unwrap().parse().unwrap();
                }
                continue;
            }
            assert!(flags & FLUSH == 0 || length == 0, "the device mapper takes flushes and writes apart");
            entries.push(Entry { flags, at: word(&head, 0) * SECTOR as u64, length, data: position, acknowledged });
            position += length as u64;
        }
        // So that there is a cut after the last one.
        entries.push(Entry { flags: FLUSH, at: 0, length: 0, data: position, acknowledged });
        Ok(Self { file, entries })
    }

    pub fn bytes(&self, entry: &Entry) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; entry.length];
        self.file.read_exact_at(&mut bytes, entry.data)?;
        Ok(bytes)
    }
}
