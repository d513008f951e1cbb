//! Proof.

pub mod dice;
pub mod disk;
pub mod vfs;

#[cfg(test)]
mod tests {
    use super::disk::{Cut, Disk};
    use super::dice::Dice;
    use super::vfs::Rack;
    use crate::store::vault::Vault;
    use crate::store::{OpenOptions, Store};
    use crate::engine::record::Record;
    use crate::domain::ids::Stan;
    use crate::domain::time::WallTime;

    #[test]
    fn store_runs_on_it() {
        let rack = Rack::new().unwrap();
        let disk = Disk::new(512);
        let slot = rack.insert(disk.clone());
        let options = OpenOptions { vfs: Some(rack.name().to_owned()), long_log: false };
        let mut store = Store::open_on(&slot.path(), Vault::new(&[7; 32]), &options).unwrap();
        store.commit(WallTime(1), &[Record::TraceTaken { next: Stan::new(42).unwrap() }]).unwrap();
        disk.power_off();
        drop(store);
        disk.power_on();
        disk.lose_unflushed(&mut Dice::new(1), Cut { keep: 0, garbage: true });
        let store = Store::open_on(&slot.path(), Vault::new(&[7; 32]), &options).unwrap();
        assert_eq!(store.load().unwrap().next_stan.get(), 42);
        eprintln!("{} changes {} flushes", disk.changes(), disk.flushes());
        let t = std::time::Instant::now();
        for _ in 0..1000 { 
            let disk = disk.copy(512);
            let slot = rack.insert(disk.clone());
            drop(Store::open_on(&slot.path(), Vault::new(&[7; 32]), &options).unwrap()); }
        eprintln!("open {:?}/1000", t.elapsed());
    }
}
