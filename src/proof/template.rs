//! Disks as terminals have them when a run begins. Made once for many runs: a fresh database takes longer than a run.

use super::dice::Dice;
use super::disk::Disk;
use super::vfs::Rack;
use crate::domain::ids::Stan;
use crate::domain::time::WallTime;
use crate::engine::record::Record;
use crate::store::vault::Vault;
use crate::store::{OpenOptions, Store, StoreError};

/// One of them.
pub struct Template {
    /// For the log.
    pub name: &'static str,
    /// The disk; to be copied.
    pub disk: Disk,
    /// How often it is taken, in a hundred.
    often: u64,
}

impl Template {
    /// All there are.
    pub fn all(rack: &Rack) -> Result<Vec<Self>, StoreError> {
        Ok(vec![
            Self { name: "fresh", disk: made(rack, &[], 0)?, often: 80 },
            // The next trace but a few is 000001 again.
            Self { name: "near the last trace", disk: made(rack, &[999_990], 0)?, often: 12 },
            // A checkpoint falls due soon, and the log then begins anew over old frames.
            Self { name: "long log", disk: made(rack, &[1], 470)?, often: 8 },
        ])
    }

    /// One of them.
    pub fn choose<'a>(templates: &'a [Self], dice: &mut Dice) -> Option<&'a Self> {
        let mut left = dice.roll(templates.iter().map(|t| t.often).sum());
        templates.iter().find(|t| match left.checked_sub(t.often) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }
}

/// How the store is opened in a run: on the disks of this rack, of which there is always enough.
pub fn options(rack: &Rack) -> OpenOptions {
    OpenOptions {
        vfs: Some(rack.name().to_owned()),
        long_log: false,
        free_bytes: |_| Some(1 << 30),
        ..OpenOptions::default()
    }
}

fn made(rack: &Rack, traces: &[u32], commits: u32) -> Result<Disk, StoreError> {
    let disk = Disk::new(512);
    disk.forbid(super::cards::secrets());
    let slot = rack.insert(disk.clone());
    let mut store = Store::open_on(&slot.path(), Vault::new(&[7; 32]), &options(rack))?;
    for next in traces.iter().filter_map(|n| Stan::new(*n)) {
        for _ in 0..=commits {
            store.commit(WallTime(0), &[Record::TraceTaken { next }])?;
        }
    }
    disk.power_off();
    drop(store);
    disk.power_on();
    Ok(disk)
}
