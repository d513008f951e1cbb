//! One device after another, and what is said of it.

use super::*;
use crate::domain::attached::Usb;

fn device(kind: Kind, node: &str) -> Attached {
    Attached {
        kind,
        node: node.to_owned(),
        names: Vec::new(),
        title: "a device".to_owned(),
        usb: None,
        parent: "1f00.thing".to_owned(),
        role: None,
        console: false,
        pad: Pad::No,
        holder: Holder::Nobody,
        access: Access::Granted,
    }
}

fn port(node: &str, role: Option<&str>) -> Attached {
    let usb = Usb { vendor: "1a86".into(), product: "7523".into(), port: "1-1".into(), ..Usb::default() };
    Attached { usb: Some(usb), role: role.map(str::to_owned), ..device(Kind::Serial, node) }
}

fn pad(node: &str, pad: Pad, role: Option<&str>) -> Attached {
    Attached { pad, role: role.map(str::to_owned), ..device(Kind::Input, node) }
}

fn wanted() -> Wanted {
    let serial = [("reader", Wish::Auto), ("reader2", Wish::None), ("scanner", Wish::None)];
    let serial = serial.map(|(role, wish)| (role.to_owned(), wish)).into();
    Wanted { serial, keypad: Wish::Auto, keyboards: false }
}

fn one(device: Attached, wanted: &Wanted) -> Explained {
    explain(&[device], wanted).remove(0)
}

#[test]
fn a_port_is_taken_by_its_path_or_role_and_else_tried() {
    let named = Wanted { serial: vec![("reader".into(), Wish::Node("/dev/ttyUSB3".into()))], ..wanted() };
    assert_eq!(one(port("/dev/ttyUSB3", None), &named).standing, Standing::Taken);
    let other = one(port("/dev/ttyUSB4", None), &named);
    assert_eq!(other.standing, Standing::NotTaken);
    assert!(other.next.en.contains("posctl devices mark /dev/ttyUSB4 reader|"), "{other:?}");
    let marked = one(port("/dev/ttyUSB4", Some("reader")), &named);
    assert_eq!(marked.standing, Standing::NotTaken);
    assert!(marked.why.en.contains("names /dev/ttyUSB3"), "{marked:?}");

    assert_eq!(one(port("/dev/ttyUSB0", Some("reader")), &wanted()).standing, Standing::Taken);
    assert_eq!(one(port("/dev/ttyUSB0", None), &wanted()).standing, Standing::Candidate);
    let scanner = one(port("/dev/ttyUSB0", Some("scanner")), &wanted());
    assert_eq!(scanner.standing, Standing::NotTaken);
    assert!(scanner.next.zh.contains("smartposd.toml"), "{scanner:?}");
    assert_eq!(one(port("/dev/ttyUSB0", Some("none")), &wanted()).standing, Standing::LeftAlone);
    assert_eq!(one(device(Kind::Serial, "/dev/ttyAMA1"), &wanted()).standing, Standing::NotTaken);
    let board = Attached { names: vec!["/dev/serial0".into()], ..device(Kind::Serial, "/dev/ttyAMA0") };
    assert_eq!(one(board, &wanted()).standing, Standing::Candidate);
}

#[test]
fn a_port_with_the_kernels_console_says_how_to_free_it() {
    let console = Attached { console: true, ..device(Kind::Serial, "/dev/ttyAMA0") };
    let said = one(console, &wanted());
    assert_eq!(said.standing, Standing::Unsuitable);
    assert!(said.next.en.contains("console=ttyAMA0") && said.next.zh.contains("serial-getty@ttyAMA0"), "{said:?}");
}

#[test]
fn whoever_stands_in_the_way_is_named_but_only_for_what_is_wanted() {
    let held =
        |role| Attached { holder: Holder::Other { name: "ModemManager".into(), pid: 7 }, ..port("/dev/ttyUSB0", role) };
    let said = one(held(Some("reader")), &wanted());
    assert_eq!(said.standing, Standing::Hindered);
    assert!(said.why.en.contains("ModemManager (process 7)") && said.next.zh.contains("ModemManager"), "{said:?}");
    assert_eq!(one(held(Some("none")), &wanted()).standing, Standing::LeftAlone);

    let refused = Attached { access: Access::Refused { group: "tty".into() }, ..port("/dev/ttyUSB0", None) };
    let said = one(refused, &wanted());
    assert_eq!(said.standing, Standing::Hindered);
    assert!(said.why.en.contains("only the group tty") && said.next.en.contains("posctl devices mark"), "{said:?}");

    let ours = Attached { holder: Holder::Daemon, ..port("/dev/ttyUSB0", None) };
    assert_eq!(one(ours, &wanted()).standing, Standing::Taken);
}

#[test]
fn of_several_keypads_the_one_with_the_role_then_a_numeric_pad_is_taken() {
    let all = [
        pad("/dev/input/event0", Pad::Keyboard, None),
        pad("/dev/input/event1", Pad::Numeric, None),
        pad("/dev/input/event2", Pad::Numeric, None),
        pad("/dev/input/event3", Pad::No, None),
        pad("/dev/input/event4", Pad::Keyboard, Some("scanner")),
    ];
    let standings = |all: &[Attached], wanted: &Wanted| -> Vec<Standing> {
        explain(all, wanted).iter().map(|said| said.standing).collect()
    };
    use Standing::{LeftAlone, NotTaken, Taken, Unsuitable};
    assert_eq!(standings(&all, &wanted()), [NotTaken, Taken, NotTaken, Unsuitable, LeftAlone]);
    let mut marked = all.clone();
    marked[3].role = Some("keypad".into());
    assert_eq!(standings(&marked, &wanted()), [NotTaken, NotTaken, NotTaken, Taken, LeftAlone]);
    let only = [all[0].clone()];
    assert_eq!(standings(&only, &wanted()), [NotTaken]);
    assert_eq!(standings(&only, &Wanted { keyboards: true, ..wanted() }), [Taken]);
    let by_path = Wanted { keypad: Wish::Node("/dev/input/event2".into()), ..wanted() };
    assert_eq!(standings(&all, &by_path), [NotTaken, NotTaken, Taken, Unsuitable, LeftAlone]);
    let scanner = explain(&all, &wanted()).remove(4);
    assert!(scanner.next.en.contains("serial mode"), "{scanner:?}");
}

#[test]
fn chips_and_buses_need_their_role_and_a_device_without_a_driver_is_said_to_have_none() {
    let chip = device(Kind::Gpio, "/dev/gpiochip0");
    assert!(one(chip.clone(), &wanted()).next.en.contains("posctl devices mark /dev/gpiochip0 gpio"));
    assert_eq!(one(Attached { role: Some("gpio".into()), ..chip }, &wanted()).standing, Standing::Taken);
    let bus = Attached { role: Some("display".into()), ..device(Kind::I2c, "/dev/i2c-1") };
    assert_eq!(one(bus, &wanted()).standing, Standing::Taken);
    let loose = Attached { kind: Kind::Loose, ..port("1-1", None) };
    let said = one(loose, &wanted());
    assert_eq!(said.standing, Standing::Unsuitable);
    assert!(said.next.en.contains("1a86:7523"), "{said:?}");
}
