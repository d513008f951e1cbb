//! SQLite on the simulated disk: a file system registered with SQLite under a name of its own.
//!
//! Owns: the mapping of SQLite's calls to [`Disk`]. The unsafe code of a file system for SQLite is in the crate
//! `sqlite-vfs`, which may be used here only. SQLite keeps what is registered until the process ends, so there is one
//! [`Rack`] a thread, for all the disks that thread will ever need. Locks are not simulated: a terminal has one process.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenKind, OpenOptions, RegisterError, Vfs, WalDisabled};

use super::disk::{Disk, DiskError};

type Slots = BTreeMap<u32, Disk>;

/// Takes the disks of one thread. Not to be shared: the crate below is not made for two threads at once.
pub struct Rack {
    name: String,
    slots: Arc<Mutex<Slots>>,
    one_thread: PhantomData<*const ()>,
}

impl Rack {
    /// Registers itself with SQLite.
    pub fn new() -> Result<Self, RegisterError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("proof-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let slots = Arc::new(Mutex::new(Slots::new()));
        sqlite_vfs::register(&name, Files(Arc::clone(&slots)), false)?;
        Ok(Self { name, slots, one_thread: PhantomData })
    }

    /// SQLite's name of this file system.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts a disk in; its database is at the path of the slot until that is dropped. The first free slot is taken, since
    /// SQLite's messages name the path, and the same run is to bear the same messages.
    pub fn insert(&self, disk: Disk) -> Slot {
        let mut slots = held(&self.slots);
        let number = (0..).find(|n| !slots.contains_key(n)).unwrap_or(0);
        slots.insert(number, disk);
        Slot { number, slots: Arc::clone(&self.slots) }
    }
}

/// A disk's place in the rack.
pub struct Slot {
    number: u32,
    slots: Arc<Mutex<Slots>>,
}

impl Slot {
    /// Where the database is.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/{}/pos.db", self.number))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        held(&self.slots).remove(&self.number);
    }
}

fn held(slots: &Mutex<Slots>) -> MutexGuard<'_, Slots> {
    slots.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Files(Arc<Mutex<Slots>>);

impl Files {
    /// The disk of a path, and the name on it.
    fn find<'p>(&self, path: &'p str) -> Result<(Disk, &'p str), Error> {
        let (number, name) = path.strip_prefix('/').and_then(|p| p.split_once('/')).unwrap_or_default();
        let disk = number.parse().ok().and_then(|n: u32| held(&self.0).get(&n).cloned());
        disk.map(|d| (d, name)).ok_or_else(|| Error::from(ErrorKind::NotFound))
    }
}

fn failed(error: DiskError) -> Error {
    Error::from(match error {
        DiskError::NotFound => ErrorKind::NotFound,
        // The crate below makes SQLITE_FULL of this one.
        DiskError::Full => ErrorKind::WriteZero,
        DiskError::Io => ErrorKind::Other,
    })
}

fn place(n: u64) -> Result<usize, Error> {
    usize::try_from(n).map_err(|_| Error::from(ErrorKind::InvalidInput))
}

impl Vfs for Files {
    type Handle = OpenFile;

    fn open(&self, path: &str, opts: OpenOptions) -> Result<OpenFile, Error> {
        let (disk, name) = self.find(path)?;
        let create = matches!(opts.access, OpenAccess::Create | OpenAccess::CreateNew);
        let inode = disk.open(name, create).map_err(failed)?;
        // As SQLite's own file system does it: the first flush of a log or journal flushes the directory too.
        let log = matches!(opts.kind, OpenKind::Wal | OpenKind::MainJournal | OpenKind::SuperJournal);
        Ok(OpenFile { disk, inode, directory: create && log })
    }

    fn delete(&self, path: &str) -> Result<(), Error> {
        let (disk, name) = self.find(path)?;
        disk.delete(name).map_err(failed)
    }

    fn exists(&self, path: &str) -> Result<bool, Error> {
        let (disk, name) = self.find(path)?;
        disk.exists(name).map_err(failed)
    }

    fn temporary_name(&self) -> String {
        // No query of the store spills to a file; one that did would find no disk there.
        String::new()
    }

    fn random(&self, buffer: &mut [i8]) {
        // SQLite asks its default file system for randomness, never this one.
        buffer.fill(0);
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

/// A file that SQLite has open.
pub struct OpenFile {
    disk: Disk,
    inode: u32,
    /// Whether the next flush takes the directory along.
    directory: bool,
}

impl DatabaseHandle for OpenFile {
    type WalIndex = WalDisabled;

    fn size(&self) -> Result<u64, Error> {
        let len = self.disk.len(self.inode).map_err(failed)?;
        u64::try_from(len).map_err(|_| Error::from(ErrorKind::InvalidData))
    }

    fn read_exact_at(&mut self, buf: &mut [u8], offset: u64) -> Result<(), Error> {
        let count = self.disk.read(self.inode, place(offset)?, buf).map_err(failed)?;
        if count == buf.len() { Ok(()) } else { Err(Error::from(ErrorKind::UnexpectedEof)) }
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> Result<(), Error> {
        self.disk.write(self.inode, place(offset)?, buf).map_err(failed)
    }

    fn sync(&mut self, _data_only: bool) -> Result<(), Error> {
        self.disk.flush(self.inode, self.directory).map_err(failed)?;
        self.directory = false;
        Ok(())
    }

    fn set_len(&mut self, size: u64) -> Result<(), Error> {
        self.disk.set_len(self.inode, place(size)?).map_err(failed)
    }

    fn lock(&mut self, _lock: LockKind) -> Result<bool, Error> {
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind, Error> {
        Ok(LockKind::None)
    }

    fn wal_index(&self, _readonly: bool) -> Result<WalDisabled, Error> {
        // The store holds its database exclusively, so SQLite keeps the index of the log in memory.
        Ok(WalDisabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Stan;
    use crate::domain::time::WallTime;
    use crate::engine::record::Record;
    use crate::proof::dice::Dice;
    use crate::proof::disk::{Cut, Fault};
    use crate::proof::template::options;
    use crate::store::Store;
    use crate::store::vault::Vault;

    fn store(rack: &Rack, slot: &Slot) -> Store {
        Store::open_on(&slot.path(), Vault::new(&[7; 32]), &options(rack)).unwrap()
    }

    fn take(store: &mut Store, next: u32) -> bool {
        store.commit(WallTime(1), &[Record::TraceTaken { next: Stan::new(next).unwrap() }]).is_ok()
    }

    /// The process is gone, its last writes stay with the system.
    fn killed(disk: &Disk, store: Store) {
        disk.power_off();
        drop(store);
        disk.power_on();
    }

    const LOST: Cut = Cut { keep: 0, garbage: true };

    #[test]
    fn a_commit_survives_the_power_cut_right_behind_it() {
        let rack = Rack::new().unwrap();
        let disk = Disk::new(512);
        let slot = rack.insert(disk.clone());
        let mut first = store(&rack, &slot);
        assert!(take(&mut first, 42));
        killed(&disk, first);
        disk.lose_unflushed(&mut Dice::new(1), LOST);
        assert_eq!(store(&rack, &slot).load().unwrap().next_stan.get(), 42);
    }

    #[test]
    fn what_is_committed_behind_a_failed_flush_survives_the_power_cut_too() {
        let rack = Rack::new().unwrap();
        let disk = Disk::new(512);
        let slot = rack.insert(disk.clone());
        let mut first = store(&rack, &slot);
        assert!(take(&mut first, 42));
        disk.break_down(Fault::Flush, 0, 1);
        assert!(!take(&mut first, 43), "the flush has failed");
        killed(&disk, first);
        let mut second = store(&rack, &slot);
        assert!(take(&mut second, 44));
        killed(&disk, second);
        disk.lose_unflushed(&mut Dice::new(1), LOST);
        assert_eq!(store(&rack, &slot).load().unwrap().next_stan.get(), 44);
    }

    #[test]
    fn a_disk_that_refuses_is_seen_by_a_probe() {
        let rack = Rack::new().unwrap();
        let disk = Disk::new(512);
        let slot = rack.insert(disk.clone());
        let mut store = store(&rack, &slot);
        assert!(take(&mut store, 42));
        store.probe().unwrap();
        for fault in [Fault::Write, Fault::Flush] {
            disk.break_down(fault, 0, 1000);
            assert!(store.probe().is_err(), "{}", fault.word());
            disk.repair();
            store.probe().unwrap();
        }
    }
}
