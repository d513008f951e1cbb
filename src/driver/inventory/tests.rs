//! On trees of files in the shape of sysfs, procfs and dpkg's list.

use std::os::unix::fs::symlink;

use super::*;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn roots(&self) -> Roots {
        let at = |name: &str| self.0.path().join(name);
        Roots { sys: at("sys"), proc: at("proc"), dpkg: at("status") }
    }
}

#[test]
fn nothing_there_is_no_error_but_for_the_packages() {
    let roots = Tree::new().roots();
    assert_eq!(roots.board(), (String::new(), String::new()));
    assert!(roots.consoles().is_empty() && roots.adapters().is_empty());
    assert!(roots.packages().unwrap_err().starts_with("packages: "));
}

#[test]
fn the_board_comes_from_the_device_tree_else_from_the_firmware() {
    let tree = Tree::new();
    tree.write("sys/class/dmi/id/sys_vendor", "QEMU\n");
    tree.write("sys/class/dmi/id/product_name", "Standard PC\n");
    assert_eq!(tree.roots().board(), ("QEMU Standard PC".to_owned(), String::new()));
    tree.write("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
    tree.write("proc/device-tree/serial-number", "10000000abcdef01\0");
    let wanted = ("Raspberry Pi 4 Model B Rev 1.4".to_owned(), "10000000abcdef01".to_owned());
    assert_eq!(tree.roots().board(), wanted);
    tree.write("sys/class/tty/console/active", "tty1 ttyAMA0\n");
    assert_eq!(tree.roots().consoles(), ["tty1", "ttyAMA0"]);
}

#[test]
fn adapters_are_found_with_their_ports_and_known_ones_without() {
    let tree = Tree::new();
    let devices = "sys/bus/usb/devices";
    for (name, id) in [("usb1", "1d6b:0002"), ("1-1", "0403:6001"), ("1-2", "067b:23a3"), ("1-3", "2341:0043")] {
        let (vendor, product) = id.split_once(':').unwrap();
        tree.write(&format!("{devices}/{name}/idVendor"), &format!("{vendor}\n"));
        tree.write(&format!("{devices}/{name}/idProduct"), &format!("{product}\n"));
        tree.write(&format!("{devices}/{name}/bcdDevice"), "0600\n");
    }
    tree.write(&format!("{devices}/1-1/product"), "FT232R USB UART\n");
    tree.write(&format!("{devices}/1-1/1-1:1.0/ttyUSB0/latency_timer"), "16\n");
    tree.write(&format!("{devices}/1-3/1-3:1.0/tty/ttyACM0/dev"), "166:0\n");
    let found = tree.roots().adapters();
    let seen: Vec<_> = found.iter().map(|a| (a.vendor.as_str(), a.ports.join(","), a.latency)).collect();
    let none = String::new;
    assert_eq!(
        seen,
        [("0403", "ttyUSB0".to_owned(), Some(16)), ("067b", none(), None), ("2341", "ttyACM0".to_owned(), None)]
    );
    assert_eq!((found[0].product.as_str(), found[0].release.as_str()), ("6001", "0600"));
    assert_eq!(found[0].name, "FT232R USB UART");
}

#[test]
fn only_installed_packages_that_matter_count() {
    let tree = Tree::new();
    tree.write(
        "status",
        "Package: systemd\nStatus: install ok installed\nVersion: 257.8-1\n\nPackage: brltty\nStatus: deinstall ok \
         config-files\nVersion: 6.4\n\nPackage: cowsay\nStatus: install ok installed\nVersion: 3\n\nPackage: dbus\nStatus: \
         install ok installed\nDescription: x\n Version: none of it\nVersion: 1.16.2-2\n",
    );
    let found = tree.roots().packages().unwrap();
    let seen: Vec<_> = found.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    assert_eq!(seen, ["dbus 1.16.2-2", "systemd 257.8-1"]);
}

#[test]
fn a_port_is_named_behind_its_links() {
    let tree = Tree::new();
    tree.write("dev/ttyUSB3", "");
    symlink("ttyUSB3", tree.0.path().join("dev/reader")).unwrap();
    assert_eq!(port(&tree.0.path().join("dev/reader")), "ttyUSB3");
    assert_eq!(port(&tree.0.path().join("dev/none")), "");
}
