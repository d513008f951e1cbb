//! One file: what programs see, and what stood there at the last flush.

use std::collections::BTreeMap;

use super::Cut;
use crate::proof::dice::Dice;

/// One file.
#[derive(Clone, Default)]
pub struct Inode {
    bytes: Vec<u8>,
    flushed_len: usize,
    /// Writes since the last flush, in order: the first sector, and what stood in it and those behind it before.
    undo: Vec<(usize, Vec<u8>)>,
    lens: Vec<usize>,
    /// Sectors whose flush failed: what programs see there is not on the medium.
    ghosts: BTreeMap<usize, Box<[u8]>>,
}

impl Inode {
    /// With this content, all of it flushed.
    pub fn flushed(bytes: Vec<u8>) -> Self {
        Self { flushed_len: bytes.len(), bytes, ..Self::default() }
    }

    /// As programs see it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a flush has failed and left something that is seen, but not on the medium.
    pub fn has_ghosts(&self) -> bool {
        !self.ghosts.is_empty()
    }

    /// Writes; extends the file where it must.
    pub fn write(&mut self, sector: usize, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len());
        self.remember(sector, offset, end);
        if self.bytes.len() < end {
            self.lens.push(self.bytes.len());
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
    }

    /// Cuts or extends it.
    pub fn set_len(&mut self, sector: usize, len: usize) {
        let old = self.bytes.len();
        self.remember(sector, len.min(old), old);
        self.lens.push(old);
        self.bytes.resize(len, 0);
    }

    /// All of it is on the medium, but for what an earlier flush has lost.
    pub fn flush(&mut self) {
        self.undo.clear();
        self.lens.clear();
        self.flushed_len = self.bytes.len();
    }

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
    pub fn give_up(&mut self, sector: usize) {
        for (number, old) in self.take_undo(sector) {
            self.ghosts.entry(number).or_insert(old);
        }
    }

    /// The power is gone: each sector that was not flushed holds any of its versions.
    pub fn lose(&mut self, sector: usize, dice: &mut Dice, cut: Cut) {
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
                olds[0] = (0..sector).map(|_| dice.number().to_le_bytes()[0]).collect();
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
