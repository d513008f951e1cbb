//! The simulated disk: it knows what has been flushed, and what a power cut may make of the rest.
//!
//! Owns: the bytes as programs see them, and for every sector that was written since the last flush what stood there
//! before. After a power cut each such sector holds any of its versions, independently of its neighbours: so writes are
//! lost, torn or reordered, but a single sector is never half a write (that is what disks promise, and all that SQLite
//! asks). A file's length and a name in the directory are lost in the same way. Must not know: SQLite, the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dice::Dice;

/// What a disk answers when it does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// There is no such file.
    NotFound,
    /// No space left.
    Full,
    /// The medium failed, or the power is off.
    Io,
}

/// What goes wrong with the disk, one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No file can grow.
    Full,
    /// Every write fails.
    Write,
    /// Every flush fails, and what was to be flushed then is not on the medium, though programs see it.
    Flush,
    /// Every read fails.
    Read,
}

impl Fault {
    /// For the table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "disk full",
            Self::Write => "I/O error on write",
            Self::Flush => "I/O error on sync",
            Self::Read => "I/O error on read",
        }
    }
}

/// What a power cut does to what was not flushed.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Chance in a hundred that a sector keeps its last version.
    pub keep: u64,
    /// Whether sectors that were never written before may hold anything instead of zeros.
    pub garbage: bool,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    flushed_len: usize,
    /// Writes since the last flush, in order: the first sector, and what stood in it and those behind it before.
    undo: Vec<(usize, Vec<u8>)>,
    lens: Vec<usize>,
    /// Sectors whose flush failed: what programs see there is not on the medium.
    ghosts: BTreeMap<usize, Box<[u8]>>,
}

#[derive(Clone, Default)]
struct State {
    sector: usize,
    inodes: BTreeMap<u32, Inode>,
    names: BTreeMap<String, u32>,
    flushed_names: BTreeMap<String, u32>,
    next_inode: u32,
    off: bool,
    /// The power goes after so many more changes.
    cut_in: Option<u32>,
    /// A fault, the number of good operations before it, and how many it hits.
    fault: Option<(Fault, u32, u32)>,
    /// Bytes that must never be written in the clear.
    secrets: Vec<Needle>,
    leaked: bool,
    changes: u64,
    flushes: u64,
    hits: u64,
}

/// One disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// Empty. Sectors have 512 or 4096 bytes.
    pub fn new(sector: usize) -> Self {
        Self(Arc::new(Mutex::new(State { sector: sector.max(1), ..State::default() })))
    }

    /// Another disk with the same files, all flushed, in good order.
    #[must_use]
    pub fn copy(&self, sector: usize) -> Self {
        let old = self.state();
        let mut new = State { sector: sector.max(1), next_inode: old.next_inode, ..State::default() };
        for (name, inode) in &old.names {
            let bytes = old.inodes.get(inode).map(|i| i.bytes.clone()).unwrap_or_default();
            new.inodes.insert(*inode, Inode { flushed_len: bytes.len(), bytes, ..Inode::default() });
            new.names.insert(name.clone(), *inode);
        }
        new.flushed_names = new.names.clone();
        new.secrets.clone_from(&old.secrets);
        Self(Arc::new(Mutex::new(new)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never to be written in the clear.
    pub fn forbid(&self, secrets: Vec<Vec<u8>>) {
        self.state().secrets = secrets.into_iter().map(Needle::new).collect();
    }

    /// Whether it was written after all.
    pub fn leaked(&self) -> bool {
        self.state().leaked
    }

    /// How often anything was flushed.
    pub fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// How many operations a fault has hit.
    pub fn hits(&self) -> u64 {
        self.state().hits
    }

    /// Writes, flushes and other changes so far.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// The power goes after `changes` more changes; `None`: it stays.
    pub fn cut_in(&self, changes: Option<u32>) {
        self.state().cut_in = changes;
    }

    /// From now on every operation fails, until [`Self::power_on`].
    pub fn power_off(&self) {
        self.state().off = true;
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// The power is back; what goes wrong otherwise stays as it is.
    pub fn power_on(&self) {
        let mut state = self.state();
        state.off = false;
        state.cut_in = None;
    }

    /// After `good` more operations it goes wrong `times` times.
    pub fn break_down(&self, fault: Fault, good: u32, times: u32) {
        self.state().fault = Some((fault, good, times));
    }

    /// Nothing goes wrong any more.
    pub fn repair(&self) {
        self.state().fault = None;
    }

    /// Whether a flush has failed and left something that is seen, but not on the medium.
    pub fn has_ghosts(&self) -> bool {
        self.state().inodes.values().any(|i| !i.ghosts.is_empty())
    }

    /// Whether something goes wrong, or will.
    pub fn is_faulty(&self) -> bool {
        self.state().fault.is_some_and(|(_, _, times)| times > 0)
    }

    /// What was not flushed meets its fate. To be called while the power is off and no file is open.
    pub fn lose_unflushed(&self, dice: &mut Dice, cut: Cut) {
        let state = &mut *self.state();
        let sector = state.sector;
        for inode in state.inodes.values_mut() {
            inode.lose(sector, dice, cut);
        }
        let names: BTreeSet<String> = state.names.keys().chain(state.flushed_names.keys()).cloned().collect();
        for name in names {
            let (now, then) = (state.names.get(&name).copied(), state.flushed_names.get(&name).copied());
            if now != then && !dice.percent(cut.keep) {
                match then {
                    Some(inode) => state.names.insert(name, inode),
                    None => state.names.remove(&name),
                };
            }
        }
        state.flushed_names = state.names.clone();
    }

    /// The inode of a name; made if asked for and missing.
    pub fn open(&self, name: &str, create: bool) -> Result<u32, DiskError> {
        let mut state = self.state();
        if state.off {
            return Err(DiskError::Io);
        }
        if let Some(inode) = state.names.get(name) {
            return Ok(*inode);
        }
        if !create {
            return Err(DiskError::NotFound);
        }
        state.change(None, false)?;
        let inode = state.next_inode;
        state.next_inode += 1;
        state.inodes.insert(inode, Inode::default());
        state.names.insert(name.to_owned(), inode);
        Ok(inode)
    }

    /// Whether there is a file of this name.
    pub fn exists(&self, name: &str) -> Result<bool, DiskError> {
        let state = self.state();
        if state.off { Err(DiskError::Io) } else { Ok(state.names.contains_key(name)) }
    }

    /// Takes the name away; the directory is not flushed with it.
    pub fn delete(&self, name: &str) -> Result<(), DiskError> {
        let mut state = self.state();
        state.change(Some(Fault::Write), false)?;
        state.names.remove(name).map(drop).ok_or(DiskError::NotFound)
    }

    /// Length of a file.
    pub fn len(&self, inode: u32) -> Result<usize, DiskError> {
        let state = self.state();
        if state.off {
            return Err(DiskError::Io);
        }
        state.inodes.get(&inode).map(|i| i.bytes.len()).ok_or(DiskError::NotFound)
    }

    /// Reads; what lies behind the end is zeros. Says how many bytes there were.
    pub fn read(&self, inode: u32, offset: usize, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut state = self.state();
        if state.off || state.fails(Fault::Read) {
            return Err(DiskError::Io);
        }
        let file = state.inodes.get(&inode).ok_or(DiskError::NotFound)?;
        let there = file.bytes.get(offset..).unwrap_or_default();
        let count = there.len().min(into.len());
        let (front, rest) = into.split_at_mut(count);
        front.copy_from_slice(there.get(..count).unwrap_or_default());
        rest.fill(0);
        Ok(count)
    }

    /// Writes, without flushing.
    pub fn write(&self, inode: u32, offset: usize, bytes: &[u8]) -> Result<(), DiskError> {
        let state = &mut *self.state();
        let end = offset.saturating_add(bytes.len());
        let grows = state.inodes.get(&inode).is_none_or(|i| i.bytes.len() < end);
        state.change(Some(Fault::Write), grows)?;
        if state.secrets.iter().any(|s| s.is_in(bytes)) {
            state.leaked = true;
        }
        let sector = state.sector;
        let file = state.inodes.get_mut(&inode).ok_or(DiskError::NotFound)?;
        file.remember(sector, offset, end);
        if file.bytes.len() < end {
            file.lens.push(file.bytes.len());
            file.bytes.resize(end, 0);
        }
        if let Some(place) = file.bytes.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    /// Cuts or extends a file, without flushing.
    pub fn set_len(&self, inode: u32, len: usize) -> Result<(), DiskError> {
        let state = &mut *self.state();
        let grows = state.inodes.get(&inode).is_some_and(|i| i.bytes.len() < len);
        state.change(Some(Fault::Write), grows)?;
        let sector = state.sector;
        let file = state.inodes.get_mut(&inode).ok_or(DiskError::NotFound)?;
        let old = file.bytes.len();
        file.remember(sector, len.min(old), old);
        file.lens.push(old);
        file.bytes.resize(len, 0);
        Ok(())
    }

    /// Puts a file on the medium; with `directory` also the names of all files.
    pub fn flush(&self, inode: u32, directory: bool) -> Result<(), DiskError> {
        let state = &mut *self.state();
        let result = state.change(Some(Fault::Flush), false);
        let sector = state.sector;
        let file = state.inodes.get_mut(&inode).ok_or(DiskError::NotFound)?;
        if let Err(error) = result {
            if !state.off {
                file.give_up(sector);
            }
            return Err(error);
        }
        file.undo.clear();
        file.lens.clear();
        file.flushed_len = file.bytes.len();
        if directory {
            state.flushed_names = state.names.clone();
        }
        state.flushes += 1;
        Ok(())
    }
}

impl State {
    /// Counts a change, and lets what is planned go wrong.
    fn change(&mut self, kind: Option<Fault>, grows: bool) -> Result<(), DiskError> {
        if self.off {
            return Err(DiskError::Io);
        }
        if let Some(left) = &mut self.cut_in {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => {
                    self.off = true;
                    return Err(DiskError::Io);
                }
            }
        }
        self.changes += 1;
        if grows && self.fails(Fault::Full) {
            return Err(DiskError::Full);
        }
        match kind {
            Some(kind) if self.fails(kind) => Err(DiskError::Io),
            _ => Ok(()),
        }
    }

    fn fails(&mut self, kind: Fault) -> bool {
        let Some((fault, good, times)) = &mut self.fault else { return false };
        if *fault != kind {
            return false;
        }
        if *good > 0 {
            *good -= 1;
            return false;
        }
        if *times == 0 {
            return false;
        }
        *times -= 1;
        self.hits += 1;
        true
    }
}

impl Inode {
    /// Keeps what stands in the sectors that are about to be written.
    fn remember(&mut self, sector: usize, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let (first, behind) = (from / sector, (to - 1) / sector + 1);
        let there = self.bytes.get(first * sector..).unwrap_or_default();
        let there = there.get(..(behind - first) * sector).unwrap_or(there);
        let mut old = Vec::with_capacity((behind - first) * sector);
        old.extend_from_slice(there);
        old.resize((behind - first) * sector, 0);
        if !self.ghosts.is_empty() {
            for (number, place) in (first..behind).zip(old.chunks_exact_mut(sector)) {
                if let Some(ghost) = self.ghosts.remove(&number) {
                    place.copy_from_slice(&ghost);
                }
            }
        }
        self.undo.push((first, old));
    }

    /// What stood in each sector before each write, in order.
    fn take_undo(&mut self, sector: usize) -> Vec<(usize, Box<[u8]>)> {
        let undo = std::mem::take(&mut self.undo);
        let split = |(first, old): (usize, Vec<u8>)| {
            let sectors: Vec<Box<[u8]>> = old.chunks_exact(sector).map(Box::from).collect();
            (first..).zip(sectors)
        };
        undo.into_iter().flat_map(split).collect()
    }

    fn put_sector(&mut self, sector: usize, number: usize, old: &[u8]) {
        let start = number * sector;
        let end = (start + sector).min(self.bytes.len());
        if let Some(place) = self.bytes.get_mut(start..end) {
            let count = place.len();
            place.copy_from_slice(old.get(..count).unwrap_or_default());
        }
    }

    /// A flush has failed: the system takes the pages for clean, and nobody will write them again.
    fn give_up(&mut self, sector: usize) {
        for (number, old) in self.take_undo(sector) {
            self.ghosts.entry(number).or_insert(old);
        }
    }

    fn lose(&mut self, sector: usize, dice: &mut Dice, cut: Cut) {
        let mut versions: BTreeMap<usize, Vec<Box<[u8]>>> = BTreeMap::new();
        for (number, old) in self.take_undo(sector) {
            versions.entry(number).or_default().push(old);
        }
        // The longest the file has been, so that every version has room; cut to its length at the end.
        let mut lens = std::mem::take(&mut self.lens);
        let kept = dice.percent(cut.keep);
        let length = if kept || lens.is_empty() {
            self.bytes.len()
        } else {
            lens.insert(0, self.flushed_len);
            dice.pick(&lens).copied().unwrap_or(self.flushed_len)
        };
        if length > self.bytes.len() {
            self.bytes.resize(length, 0);
        }
        for (number, mut olds) in versions {
            if dice.percent(cut.keep) {
                continue;
            }
            let index = dice.index(olds.len());
            if index == 0 && cut.garbage && number * sector >= self.flushed_len {
                olds[0] = (0..sector).map(|_| dice.draw().to_le_bytes()[0]).collect();
            }
            if let Some(old) = olds.get(index) {
                self.put_sector(sector, number, old);
            }
        }
        for (number, old) in std::mem::take(&mut self.ghosts) {
            self.put_sector(sector, number, &old);
        }
        self.bytes.truncate(length);
        self.flushed_len = length;
    }
}

/// Bytes to be searched for, with how far the search may go on after each byte that is not their last (Horspool).
#[derive(Clone)]
struct Needle {
    bytes: Vec<u8>,
    skip: [usize; 256],
}

impl Needle {
    fn new(bytes: Vec<u8>) -> Self {
        let mut skip = [bytes.len().max(1); 256];
        for (at, byte) in bytes.iter().enumerate().take(bytes.len().saturating_sub(1)) {
            skip[usize::from(*byte)] = bytes.len() - 1 - at;
        }
        Self { bytes, skip }
    }

    fn is_in(&self, haystack: &[u8]) -> bool {
        let mut start = 0;
        while let Some(window) = haystack.get(start..start + self.bytes.len()) {
            match window.last() {
                None => return false,
                Some(_) if window == self.bytes => return true,
                Some(last) => start += self.skip[usize::from(*last)],
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Cut = Cut { keep: 0, garbage: false };

    fn content(disk: &Disk, inode: u32) -> Vec<u8> {
        let mut bytes = vec![0; disk.len(inode).unwrap()];
        disk.read(inode, 0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_flushed_survives_a_power_cut() {
        let disk = Disk::new(512);
        let file = disk.open("a", true).unwrap();
        disk.write(file, 0, &[1; 1000]).unwrap();
        disk.flush(file, true).unwrap();
        disk.write(file, 100, &[2; 1000]).unwrap();
        disk.lose_unflushed(&mut Dice::new(1), LOST);
        assert!(content(&disk, file).starts_with(&[1; 600]), "{:?}", content(&disk, file));
        assert!(disk.exists("a").unwrap());
    }

    #[test]
    fn a_sector_is_never_torn_but_a_write_is() {
        let mut torn = 0;
        for seed in 0..100 {
            let disk = Disk::new(512);
            let file = disk.open("a", true).unwrap();
            disk.write(file, 0, &[1; 2048]).unwrap();
            disk.flush(file, true).unwrap();
            disk.write(file, 0, &[2; 2048]).unwrap();
            disk.lose_unflushed(&mut Dice::new(seed), Cut { keep: 50, garbage: false });
            let after = content(&disk, file);
            let sectors: Vec<_> = after.chunks(512).collect();
            assert!(sectors.iter().all(|s| s.iter().all(|b| *b == s[0])));
            torn += u32::from(sectors.iter().any(|s| s[0] == 1) && sectors.iter().any(|s| s[0] == 2));
        }
        assert!(torn > 50, "{torn}");
    }

    #[test]
    fn a_name_that_was_not_flushed_may_vanish() {
        let disk = Disk::new(512);
        let file = disk.open("a", true).unwrap();
        disk.flush(file, false).unwrap();
        disk.lose_unflushed(&mut Dice::new(1), LOST);
        assert!(!disk.exists("a").unwrap());
    }

    #[test]
    fn what_a_failed_flush_left_is_seen_until_the_power_goes() {
        let disk = Disk::new(512);
        let file = disk.open("a", true).unwrap();
        disk.write(file, 0, &[1; 512]).unwrap();
        disk.flush(file, true).unwrap();
        disk.break_down(Fault::Flush, 0, 1);
        disk.write(file, 0, &[2; 512]).unwrap();
        assert_eq!(disk.flush(file, false), Err(DiskError::Io));
        assert_eq!(content(&disk, file), [2; 512]);
        disk.flush(file, false).unwrap();
        disk.lose_unflushed(&mut Dice::new(1), Cut { keep: 100, garbage: false });
        assert_eq!(content(&disk, file), [1; 512]);
    }

    #[test]
    fn the_power_goes_in_the_middle() {
        let disk = Disk::new(512);
        let file = disk.open("a", true).unwrap();
        disk.cut_in(Some(1));
        disk.write(file, 0, b"one").unwrap();
        assert_eq!(disk.write(file, 0, b"two"), Err(DiskError::Io));
        assert_eq!(disk.len(file), Err(DiskError::Io));
        disk.power_on();
        assert_eq!(content(&disk, file), b"one");
    }

    #[test]
    fn secrets_are_seen_wherever_they_stand() {
        let disk = Disk::new(512);
        disk.forbid(vec![b"4182".to_vec()]);
        let file = disk.open("a", true).unwrap();
        disk.write(file, 0, b"4418 4184182x").unwrap();
        assert!(disk.leaked());
    }
}
