//! On a tree of files in the shape of sysfs; the real one is switched in `tests/rig/usb-power.sh`.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A sysfs with one USB serial adapter and one UART of the board, and a `/dev` with stable names.
struct Tree {
    root: tempfile::TempDir,
}

const DEVICE: &str = "sys/devices/pci0000:00/usb1/1-1/1-1.4";
const INTERFACE: &str = "sys/devices/pci0000:00/usb1/1-1/1-1.4/1-1.4:1.0";

impl Tree {
    fn new() -> Self {
        let tree = Self { root: tempfile::tempdir().unwrap() };
        for hub in ["sys/devices/pci0000:00/usb1", "sys/devices/pci0000:00/usb1/1-1", DEVICE] {
            tree.write(&format!("{hub}/idVendor"), "0403\n");
            tree.write(&format!("{hub}/authorized"), "1\n");
        }
        tree.write(&format!("{INTERFACE}/authorized"), "1\n");
        tree.tty("ttyUSB0", &format!("{INTERFACE}/ttyUSB0/tty/ttyUSB0"));
        tree.tty("ttyAMA0", "sys/devices/platform/soc/fe201000.serial/tty/ttyAMA0");
        fs::create_dir_all(tree.path("dev/serial/by-id")).unwrap();
        symlink("../../ttyUSB0", tree.path("dev/serial/by-id/usb-FTDI-if00-port0")).unwrap();
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap().trim_end().to_owned()
    }

    fn tty(&self, name: &str, directory: &str) {
        self.write(&format!("{directory}/dev"), "188:0\n");
        fs::create_dir_all(self.path("sys/class/tty")).unwrap();
        let target = directory.replacen("sys/", "../../", 1);
        symlink(target, self.path(&format!("sys/class/tty/{name}"))).unwrap();
        self.write(&format!("dev/{name}"), "");
    }

    /// The hub's port, as kernels from 6.0 on show it.
    fn add_port(&self) {
        self.write("sys/devices/pci0000:00/usb1/1-1/1-1:1.0/1-1-port4/disable", "0\n");
        symlink("../1-1:1.0/1-1-port4", self.path(&format!("{DEVICE}/port"))).unwrap();
    }

    fn power(&self) -> UsbPower {
        UsbPower { sysfs: self.path("sys"), note: self.path("usb-off") }
    }

    fn cycle(&self, port: &str) -> Result<String, String> {
        let error = |error: UsbError| error.to_string().replace(self.root.path().to_str().unwrap(), "");
        self.power().cycle(&self.path(port), &mut Pause::new(|| {})).map_err(error)
    }
}

/// A wait that looks around instead.
struct Pause<F> {
    look: F,
}

impl<F: FnMut()> Pause<F> {
    fn new(look: F) -> Self {
        Self { look }
    }
}

impl<F: FnMut()> DelayNs for Pause<F> {
    fn delay_ns(&mut self, _: u32) {
        panic!("too short for a power cycle");
    }

    fn delay_ms(&mut self, ms: u32) {
        assert_eq!(ms, OFF_MILLISECONDS);
        (self.look)();
    }
}

#[test]
fn the_device_of_the_port_is_off_for_a_while_and_nothing_else() {
    let tree = Tree::new();
    let mut between = Vec::new();
    let files = [DEVICE, INTERFACE, "sys/devices/pci0000:00/usb1/1-1"].map(|place| format!("{place}/authorized"));
    let look = || between.extend(files.iter().map(|file| tree.read(file)));
    let cycled = tree.power().cycle(&tree.path("dev/serial/by-id/usb-FTDI-if00-port0"), &mut Pause::new(look));
    assert_eq!(cycled.unwrap(), "1-1.4");
    assert_eq!(between, ["0", "1", "1"], "device, interface, hub");
    assert_eq!(files.map(|file| tree.read(&file)), ["1", "1", "1"]);
    assert!(!tree.path("usb-off").exists());
}

#[test]
fn the_hubs_port_is_preferred_where_there_is_one() {
    let tree = Tree::new();
    tree.add_port();
    let port = format!("{DEVICE}/port/disable");
    let mut between = Vec::new();
    let look = || {
        between.extend([tree.read(&port), tree.read(&format!("{DEVICE}/authorized"))]);
        // What is off is not on the bus, and the kernel forgets it.
        fs::remove_dir_all(tree.path(DEVICE)).unwrap();
    };
    tree.power().cycle(&tree.path("dev/ttyUSB0"), &mut Pause::new(look)).unwrap();
    assert_eq!(between, ["1", "1"], "the port disabled, the device left as it is");
    assert_eq!(tree.read("sys/devices/pci0000:00/usb1/1-1/1-1:1.0/1-1-port4/disable"), "0");
}

#[test]
fn a_port_that_is_not_on_usb_is_named() {
    let tree = Tree::new();
    let expected =
        |port: &str| format!("{port} is not on USB, its power cannot be switched; set reader.power_cycle = \"none\"");
    assert_eq!(tree.cycle("dev/ttyAMA0").unwrap_err(), expected("/dev/ttyAMA0"));
    assert_eq!(tree.cycle("dev/gone").unwrap_err(), expected("/dev/gone"));
    tree.write("dev/pts/7", "");
    assert_eq!(tree.cycle("dev/pts/7").unwrap_err(), expected("/dev/pts/7"));
}

#[test]
fn a_device_without_a_switch_is_named() {
    let tree = Tree::new();
    fs::remove_file(tree.path(&format!("{DEVICE}/authorized"))).unwrap();
    let error = tree.cycle("dev/ttyUSB0").unwrap_err();
    assert!(error.starts_with(&format!("/{DEVICE} has no switch: neither port/disable nor authorized")), "{error}");
}

#[test]
fn a_switch_that_may_not_be_written_is_named_and_the_other_one_is_used_if_it_may() {
    // Nothing is forbidden to root but what is no file.
    let denied = refused(Path::new("/sys/authorized"), io::ErrorKind::PermissionDenied.into()).to_string();
    assert!(denied.starts_with("no permission to write /sys/authorized; let udev give it"), "{denied}");
    let sandboxed = refused(Path::new("/sys/authorized"), io::ErrorKind::ReadOnlyFilesystem.into());
    assert!(matches!(sandboxed, UsbError::Denied(_)));

    let tree = Tree::new();
    tree.add_port();
    let port = tree.path("sys/devices/pci0000:00/usb1/1-1/1-1:1.0/1-1-port4/disable");
    fs::remove_file(&port).unwrap();
    fs::create_dir(&port).unwrap();
    assert_eq!(tree.cycle("dev/ttyUSB0").unwrap(), "1-1.4");

    fs::remove_dir(&port).unwrap();
    let own = tree.path(&format!("{DEVICE}/authorized"));
    fs::set_permissions(&own, fs::Permissions::from_mode(0o444)).unwrap();
    let cycled = tree.cycle("dev/ttyUSB0");
    if nix::unistd::geteuid().is_root() {
        assert_eq!(cycled.unwrap(), "1-1.4");
    } else {
        assert!(cycled.unwrap_err().starts_with("no permission to write"));
    }
}

#[test]
fn what_a_killed_daemon_left_off_is_switched_on_at_the_next_start() {
    let tree = Tree::new();
    // Killed while it was off: the note stays, and so does the zero.
    let mut noted = String::new();
    tree.power().cycle(&tree.path("dev/ttyUSB0"), &mut Pause::new(|| noted = tree.read("usb-off"))).unwrap();
    tree.write("usb-off", &noted);
    tree.write(&format!("{DEVICE}/authorized"), "0");
    let restored = tree.power().recover(&mut Pause::new(|| {})).unwrap().unwrap();
    assert!(restored.ends_with("1-1.4/authorized"), "{}", restored.display());
    assert_eq!(tree.read(&format!("{DEVICE}/authorized")), "1");
    assert_eq!(tree.power().recover(&mut Pause::new(|| {})).unwrap(), None, "only once");
}

#[test]
fn a_note_that_names_no_switch_is_thrown_away() {
    let tree = Tree::new();
    tree.write("elsewhere", "0");
    for note in [String::new(), "1 /nonexistent".to_owned(), format!("1 {}", tree.path("elsewhere").display())] {
        tree.write("usb-off", &note);
        assert_eq!(tree.power().recover(&mut Pause::new(|| {})).unwrap(), None, "{note}");
        assert!(!tree.path("usb-off").exists(), "{note}");
    }
    assert_eq!(tree.read("elsewhere"), "0");
}

#[test]
fn a_device_that_does_not_come_on_is_tried_again_and_kept_in_mind() {
    let tree = Tree::new();
    let own = tree.path(&format!("{DEVICE}/authorized"));
    let mut waits = 0;
    let vanish = || {
        waits += 1;
        let _ = fs::remove_file(&own);
    };
    let error = tree.power().cycle(&tree.path("dev/ttyUSB0"), &mut Pause::new(vanish)).unwrap_err();
    assert!(matches!(error, UsbError::LeftOff { .. }), "{error}");
    assert_eq!(waits, 3);
    assert!(tree.path("usb-off").exists());
}
