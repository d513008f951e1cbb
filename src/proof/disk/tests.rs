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
