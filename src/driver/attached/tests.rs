//! On a tree of files in the shape of sysfs and udev's records.

use std::os::unix::fs::symlink;

use super::*;
use crate::domain::attached::{Access, Holder};

struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, name: &str, to: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(self.at(to), path).unwrap();
    }

    fn usb(&self, port: &str, id: &str, serial: &str) {
        let (vendor, product) = id.split_once(':').unwrap();
        for (name, text) in [("idVendor", vendor), ("idProduct", product), ("serial", serial), ("product", "USB Thing")]
        {
            self.write(&format!("sys/devices/usb1/{port}/{name}"), &format!("{text}\n"));
        }
        self.write(&format!("sys/devices/usb1/{port}/{port}:1.0/bInterfaceNumber"), "00\n");
        self.link(&format!("sys/bus/usb/devices/{port}"), &format!("sys/devices/usb1/{port}"));
    }

    fn seen(&self) -> Vec<Attached> {
        let roots = Roots { sys: self.at("sys"), dev: self.at("dev"), proc: self.at("proc"), records: self.at("udev") };
        attached(&roots, "a user that is not here")
    }
}

#[test]
fn ports_are_seen_with_their_usb_device_role_names_and_holder() {
    let machine = Machine::new();
    machine.usb("1-1", "0403:6001", "A10K7");
    let interface = "sys/devices/usb1/1-1/1-1:1.0";
    machine.write(&format!("{interface}/ttyUSB10/bind"), "");
    machine.write("sys/class/tty/ttyUSB10/dev", "188:10\n");
    machine.link("sys/class/tty/ttyUSB10/device", &format!("{interface}/ttyUSB10"));
    machine
        .write("udev/c188:10", "S:serial/by-path/p\nS:serial/by-id/i\nS:smartpos/reader\nE:ID_SMARTPOS_ROLE=reader\n");
    machine.write("dev/ttyUSB10", "");
    machine.write("sys/class/tty/tty1/dev", "4:1\n");
    // A UART that the kernel foresees and the machine does not have.
    machine.write("sys/class/tty/ttyS1/dev", "4:65\n");
    machine.write("sys/class/tty/ttyS1/type", "0\n");
    machine.write("sys/devices/serial8250/x", "");
    machine.link("sys/class/tty/ttyS1/device", "sys/devices/serial8250");
    let found = machine.seen();
    assert_eq!(found.len(), 1, "{found:?}");
    let port = &found[0];
    assert_eq!((port.kind, port.role.as_deref(), port.title.as_str()), (Kind::Serial, Some("reader"), "USB Thing"));
    let usb = port.usb.clone().unwrap();
    assert_eq!((usb.port.as_str(), usb.interface.as_str(), usb.serial.as_str()), ("1-1", "1-1:1.0", "A10K7"));
    let ends: Vec<&str> = port.names.iter().map(|name| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(ends, ["reader", "i", "p"]);
    assert_eq!(port.access, Access::Unknown);
    assert!(matches!(port.holder, Holder::Nobody | Holder::Unknown));
}

#[test]
fn the_keys_of_an_input_device_say_what_it_is() {
    let machine = Machine::new();
    let bits = usize::BITS as usize;
    let map = |codes: &[usize]| {
        let mut words = vec![0usize; 768 / bits];
        codes.iter().for_each(|code| words[code / bits] |= 1 << (code % bits));
        words.iter().rev().map(|word| format!("{word:x}")).collect::<Vec<_>>().join(" ")
    };
    let digits: Vec<usize> = vec![82, 79, 80, 81, 75, 76, 77, 71, 72, 73, 96];
    let keyboard: Vec<usize> = digits.iter().copied().chain([16, 25, 57]).collect();
    for (number, keys) in [(0, &[116][..]), (1, &digits), (2, &keyboard)] {
        machine.write(&format!("sys/devices/input{number}/capabilities/key"), &map(keys));
        machine.write(&format!("sys/devices/input{number}/name"), "A pad\n");
        machine.write(&format!("sys/class/input/event{number}/dev"), &format!("13:{}\n", 64 + number));
        machine.link(&format!("sys/class/input/event{number}/device"), &format!("sys/devices/input{number}"));
    }
    let pads: Vec<Pad> = machine.seen().iter().map(|device| device.pad).collect();
    assert_eq!(pads, [Pad::No, Pad::Numeric, Pad::Keyboard]);
    assert_eq!(machine.seen()[1].title, "A pad");
}

#[test]
fn an_adapter_without_a_driver_is_seen_and_one_with_a_node_not_twice() {
    let machine = Machine::new();
    machine.usb("1-2", "1a86:7523", "");
    let found = machine.seen();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].node.as_str()), (Kind::Loose, "1-2"));
    machine.write("sys/bus/usb/drivers/ch341/x", "");
    machine.link("sys/devices/usb1/1-2/1-2:1.0/driver", "sys/bus/usb/drivers/ch341");
    assert!(machine.seen().is_empty());
}

#[test]
fn the_console_is_named() {
    let machine = Machine::new();
    machine.write("sys/devices/uart/x", "");
    machine.write("sys/class/tty/ttyAMA0/dev", "204:64\n");
    machine.link("sys/class/tty/ttyAMA0/device", "sys/devices/uart");
    machine.write("sys/class/tty/console/active", "tty1 ttyAMA0\n");
    assert!(machine.seen()[0].console);
}

#[test]
fn the_groups_are_those_of_the_unit() {
    let unit = include_str!("../../../systemd/smartposd.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("SupplementaryGroups=")).unwrap();
    assert_eq!(line.split(' ').collect::<Vec<_>>(), access::UNIT_GROUPS);
}
