//! Rules as udev reads them.

use super::*;
use crate::domain::attached::{Access, Holder, Pad};

fn device(kind: Kind, node: &str, serial: &str) -> Attached {
    let usb = Usb {
        vendor: "0403".into(),
        product: "6001".into(),
        serial: serial.into(),
        port: "1-1.2".into(),
        interface: "1-1.2:1.0".into(),
    };
    Attached {
        kind,
        node: node.to_owned(),
        names: Vec::new(),
        title: "Maker Numeric Pad".to_owned(),
        usb: Some(usb),
        parent: "fe200000.gpio".to_owned(),
        role: None,
        console: false,
        pad: Pad::No,
        holder: Holder::Nobody,
        access: Access::Unknown,
    }
}

#[test]
fn a_reader_is_known_by_its_number_else_by_its_port_and_its_power_with_it() {
    let numbered = of(&device(Kind::Serial, "/dev/ttyUSB0", "A10K7"), "reader", false).unwrap();
    assert_eq!(
        numbered,
        [
            "SUBSYSTEM==\"tty\", ATTRS{idVendor}==\"0403\", ATTRS{idProduct}==\"6001\", ATTRS{serial}==\"A10K7\", \
             ENV{ID_SMARTPOS_ROLE}=\"reader\"",
            "SUBSYSTEM==\"usb\", ENV{DEVTYPE}==\"usb_device\", ATTR{idVendor}==\"0403\", ATTR{idProduct}==\"6001\", \
             ATTR{serial}==\"A10K7\", ENV{ID_SMARTPOS_ROLE}=\"reader\"",
        ]
    );
    // No number, the number that all of its kind have, one that is a pattern, one of several ports of an adapter.
    for (serial, by_port) in [("", false), ("0001", false), ("A*B\"C", false), ("A10K7", true)] {
        let placed = of(&device(Kind::Serial, "/dev/ttyUSB0", serial), "scanner", by_port).unwrap();
        assert_eq!(
            placed,
            ["SUBSYSTEM==\"tty\", KERNELS==\"1-1.2:1.0\", ENV{ID_SMARTPOS_ROLE}=\"scanner\""],
            "{serial}"
        );
    }
    let board = Attached { usb: None, ..device(Kind::Serial, "/dev/ttyAMA0", "") };
    assert_eq!(
        of(&board, "reader", false).unwrap(),
        ["SUBSYSTEM==\"tty\", KERNEL==\"ttyAMA0\", ENV{ID_SMARTPOS_ROLE}=\"reader\""]
    );
}

#[test]
fn keypads_chips_and_buses_have_their_own_forms_and_wrong_roles_are_refused() {
    let pad = device(Kind::Input, "/dev/input/event3", "");
    assert_eq!(
        of(&pad, "keypad", false).unwrap(),
        [
            "SUBSYSTEM==\"input\", KERNEL==\"event*\", ATTRS{name}==\"Maker Numeric Pad\", ENV{ID_SMARTPOS_ROLE}=\"keypad\""
        ]
    );
    let odd = Attached { title: "键盘".into(), ..pad.clone() };
    assert_eq!(of(&odd, "keypad", false), Err(RuleError::Nameless("/dev/input/event3".into())));
    assert!(of(&odd, "keypad", true).unwrap()[0].contains("KERNELS==\"1-1.2:1.0\""));
    let chip = device(Kind::Gpio, "/dev/gpiochip0", "");
    assert!(of(&chip, "gpio", false).unwrap()[0].contains("KERNELS==\"fe200000.gpio\""));
    let bus = device(Kind::I2c, "/dev/i2c-1", "");
    assert!(of(&bus, "display", false).unwrap()[0].contains("KERNEL==\"i2c-1\""));
    for (device, role) in [(pad, "reader"), (chip, "display"), (bus, "keypad")] {
        assert!(matches!(of(&device, role, false), Err(RuleError::WrongKind { .. })), "{role}");
    }
}

#[test]
fn a_role_moves_to_the_new_device_and_other_lines_stay() {
    let first = of(&device(Kind::Serial, "/dev/ttyUSB0", "A10K7"), "reader", false).unwrap();
    let second = of(&device(Kind::Serial, "/dev/ttyUSB1", "B20K8"), "reader", false).unwrap();
    let scanner = of(&device(Kind::Serial, "/dev/ttyUSB1", "B20K8"), "scanner", false).unwrap();
    let by_hand = "# a person's note\nSUBSYSTEM==\"tty\", KERNEL==\"ttyS9\", MODE=\"0600\"\n";
    let file = merged(by_hand, &first, "reader");
    assert!(file.starts_with(HEAD) && file.contains("ttyS9") && file.contains("a person's note"));
    assert_eq!(merged(&file, &first, "reader"), file, "again is the same");
    let moved = merged(&file, &second, "reader");
    assert!(!moved.contains("A10K7") && moved.contains("B20K8") && moved.contains("ttyS9"), "{moved}");
    let changed = merged(&moved, &scanner, "scanner");
    assert_eq!(changed.matches("SUBSYSTEM==\"tty\", ATTRS").count(), 1, "{changed}");
    assert!(changed.contains("\"scanner\""), "{changed}");
}

#[test]
fn several_ports_of_one_usb_device_are_told_apart_by_their_interface() {
    let (one, mut two) = (device(Kind::Serial, "/dev/ttyUSB0", "A1"), device(Kind::Serial, "/dev/ttyUSB1", "A1"));
    assert!(shares_its_usb_device(&one, &[one.clone(), two.clone()]));
    two.usb.as_mut().unwrap().port = "1-2".into();
    assert!(!shares_its_usb_device(&one, &[one.clone(), two]));
}
