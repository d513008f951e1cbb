//! The simulated disk: it knows what has been flushed, and what a power cut may make of the rest.
//!
//! Owns: the bytes as programs see them, and for every sector that was written since the last flush what stood there
//! before. After a power cut each such sector holds any of its versions, independently of its neighbours: so writes are
//! lost, torn or reordered, but a single sector is never half a write (that is what disks promise, and all that SQLite
//! asks). A file's length and a name in the directory are lost in the same way. Must not know: SQLite, the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod inode;
mod needle;

use inode::Inode;
use needle::Needle;

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
            let bytes = old.inodes.get(inode).map(|i| i.bytes().to_vec()).unwrap_or_default();
            new.inodes.insert(*inode, Inode::flushed(bytes));
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
        self.state().inodes.values().any(Inode::has_ghosts)
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
        state.inodes.get(&inode).map(|i| i.bytes().len()).ok_or(DiskError::NotFound)
    }

    /// Reads; what lies behind the end is zeros. Says how many bytes there were.
    pub fn read(&self, inode: u32, offset: usize, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut state = self.state();
        if state.off || state.fails(Fault::Read) {
            return Err(DiskError::Io);
        }
        let file = state.inodes.get(&inode).ok_or(DiskError::NotFound)?;
        let there = file.bytes().get(offset..).unwrap_or_default();
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
        let grows = state.inodes.get(&inode).is_none_or(|i| i.bytes().len() < end);
        state.change(Some(Fault::Write), grows)?;
        if state.secrets.iter().any(|s| s.is_in(bytes)) {
            state.leaked = true;
        }
        let sector = state.sector;
        state.inodes.get_mut(&inode).ok_or(DiskError::NotFound)?.write(sector, offset, bytes);
        Ok(())
    }

    /// Cuts or extends a file, without flushing.
    pub fn set_len(&self, inode: u32, len: usize) -> Result<(), DiskError> {
        let state = &mut *self.state();
        let grows = state.inodes.get(&inode).is_some_and(|i| i.bytes().len() < len);
        state.change(Some(Fault::Write), grows)?;
        let sector = state.sector;
        state.inodes.get_mut(&inode).ok_or(DiskError::NotFound)?.set_len(sector, len);
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
        file.flush();
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

#[cfg(test)]
mod tests;
