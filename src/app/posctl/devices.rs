//! `posctl devices`: what is plugged in, what it is to the daemon, and why not; and giving a device its role.
//!
//! Owns: how it is shown, and the file of local rules. Must not know: how the machine is read
//! ([`crate::driver::attached`]), which reason counts ([`crate::diagnose::attached`]).

mod rule;

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::app::posctl::cli::{DeviceRole, DevicesCommand};
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, print};
use crate::diagnose::attached::{Explained, Standing, explain};
use crate::domain::attached::{Attached, Kind, Pad, Wanted, Wish};
use crate::driver::attached::{Roots, attached};

pub use rule::RuleError;

/// The daemon's user.
const USER: &str = "smartposd";
/// The most that udevadm may take, in seconds.
const UDEV_WITHIN: &str = "20";

/// Shows them; the daemon may be down.
pub fn show(config: &Path, all: bool, voice: Voice) {
    let devices = attached(&Roots::default(), USER);
    let said = explain(&devices, &wanted(config));
    let rows: Vec<(&Attached, &Explained)> = devices.iter().zip(&said).filter(|(d, _)| all || of_interest(d)).collect();
    let values: Vec<Value> = rows.iter().map(|(device, explained)| value(device, explained)).collect();
    voice.tell(&json!({ "devices": values }), || lines(&rows, voice));
}

/// Mice, power buttons and USB devices of other kinds are shown only when asked for.
fn of_interest(device: &Attached) -> bool {
    match device.kind {
        Kind::Input => device.pad != Pad::No || device.role.is_some(),
        Kind::Serial | Kind::Gpio | Kind::I2c | Kind::Loose => true,
    }
}

/// What the configuration asks for. Read as it stands: a file that is refused for something else says this much.
fn wanted(config: &Path) -> Wanted {
    let text = fs::read_to_string(config).unwrap_or_default();
    let settings: toml::Table = text.parse().unwrap_or_default();
    let section = |name: &str| settings.get(name).and_then(toml::Value::as_table);
    let wish = |name: &str, missing: Wish| {
        let Some(table) = section(name) else { return missing };
        // A scanner that the configuration leaves out.
        if table.get("kind").and_then(toml::Value::as_str) == Some("none") {
            return Wish::None;
        }
        if table.get("kind").and_then(toml::Value::as_str) == Some("none") {
            return Wish::None;
        }
        match table.get("path").and_then(toml::Value::as_str) {
            None | Some("auto") => Wish::Auto,
            Some(path) => Wish::Node(fs::canonicalize(path).unwrap_or(path.into()).display().to_string()),
        }
    };
    Wanted {
        serial: vec![
            ("reader".to_owned(), wish("reader", Wish::Auto)),
            ("reader2".to_owned(), wish("second_reader", Wish::None)),
            ("scanner".to_owned(), wish("scanner", Wish::None)),
        ],
        keypad: wish("keypad", Wish::Auto),
        keyboards: section("keypad").and_then(|t| t.get("keyboards")).and_then(toml::Value::as_bool) == Some(true),
    }
}

fn value(device: &Attached, explained: &Explained) -> Value {
    json!({
        "device": device.node,
        "names": device.names,
        "kind": device.kind.as_str(),
        "title": device.title,
        "usb": device.usb.as_ref().map(|usb| json!({
            "id": format!("{}:{}", usb.vendor, usb.product), "port": usb.port, "has_serial_number": !usb.serial.is_empty(),
        })),
        "role": device.role,
        "standing": explained.standing.as_str(),
        "why_zh": explained.why.zh,
        "why_en": explained.why.en,
        "next_zh": explained.next.zh,
        "next_en": explained.next.en,
    })
}

fn lines(rows: &[(&Attached, &Explained)], voice: Voice) -> String {
    if rows.is_empty() {
        return voice
            .pick(
                "没有发现串口、键盘、GPIO 或 I2C 设备。插上设备后再试。",
                "No serial port, keypad, GPIO chip or I2C bus is here. Plug the devices in and try again.",
            )
            .to_owned();
    }
    rows.iter().map(|(device, explained)| block(device, explained, voice)).collect::<Vec<_>>().join("\n")
}

fn block(device: &Attached, explained: &Explained, voice: Voice) -> String {
    let mark = match explained.standing {
        Standing::Taken => "●",
        Standing::Candidate => "○",
        Standing::Hindered => "✗",
        Standing::NotTaken | Standing::LeftAlone | Standing::Unsuitable => "–",
    };
    let usb = device.usb.as_ref();
    let id = usb.map(|usb| format!(" [{}:{}, USB {}]", usb.vendor, usb.product, usb.port)).unwrap_or_default();
    let mut text = format!(
        "{mark} {}  {}{id}\n    {}",
        device.node,
        device.title,
        voice.pick(&explained.why.zh, &explained.why.en)
    );
    if let Some(name) = device.names.first() {
        text.push_str(&format!("\n    = {name}"));
    }
    let next = voice.pick(&explained.next.zh, &explained.next.en);
    if !next.is_empty() {
        text.push_str(&format!("\n    {}{next}", voice.pick("怎么办：", "What to do: ")));
    }
    text
}

/// `posctl devices mark …`
pub fn obey(command: &DevicesCommand, voice: Voice) -> Result<(), Fault> {
    let DevicesCommand::Mark { device, role, by_port, dry_run, rules } = command;
    let all = attached(&Roots::default(), USER);
    let found = named(&all, device)?;
    let shared = rule::shares_its_usb_device(found, &all);
    let made = rule::of(found, role.as_str(), *by_port || shared).map_err(Fault::Device)?;
    if *dry_run {
        voice.tell(&json!({ "rules": made }), || made.join("\n"));
        return Ok(());
    }
    let machine = |source| Fault::Machine { doing: rules.display().to_string(), source };
    let before = match fs::read_to_string(rules) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(machine(error)),
    };
    replace(rules, &rule::merged(&before, &made, role.as_str())).map_err(machine)?;
    let applied = apply(found);
    voice.tell(&json!({ "rules": made, "file": rules, "applied": applied }), || {
        said(found, *role, rules, applied, voice)
    });
    Ok(())
}

fn said(device: &Attached, role: DeviceRole, rules: &Path, applied: bool, voice: Voice) -> String {
    let (node, role, rules) = (&device.node, role.as_str(), rules.display());
    if applied {
        voice.pick(format!("{node} 现在是 {role}（{rules}）"), format!("{node} is now {role} ({rules})"))
    } else {
        voice.pick(
            format!("{node} 的角色 {role} 已写入 {rules}；重新插拔设备后生效"),
            format!("the role {role} of {node} is in {rules}; unplug the device and plug it in again to apply it"),
        )
    }
}

/// The device that a path or one of its links leads to.
fn named<'a>(all: &'a [Attached], path: &Path) -> Result<&'a Attached, Fault> {
    let given = path.display().to_string();
    let real: Option<PathBuf> = fs::canonicalize(path).ok();
    let found = all.iter().find(|device| {
        device.node == given || real.as_deref() == Some(Path::new(&device.node)) || device.names.contains(&given)
    });
    found.ok_or(Fault::Device(RuleError::NoDevice(given)))
}

/// Whole or not at all: a half rule would be refused by udev at the next boot.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let new = directory.join(format!(".{}.new", file.file_name().unwrap_or_default().to_string_lossy()));
    let written = (|| {
        let mut out = fs::File::create(&new)?;
        out.write_all(text.as_bytes())?;
        out.set_permissions(Permissions::from_mode(0o644))?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        fs::File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// Has udev read its rules again and look at the device; `false` where that cannot be done now.
fn apply(device: &Attached) -> bool {
    let run = |arguments: &[&str]| {
        let mut order = Command::new("timeout");
        order.args([UDEV_WITHIN, "udevadm"]).args(arguments);
        order.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match order.status() {
            Ok(status) => status.success(),
            Err(error) => {
                print(&format!("udevadm: {error}"));
                false
            }
        }
    };
    let usb = device.usb.as_ref().map(|usb| format!("/sys/bus/usb/devices/{}", usb.port));
    run(&["control", "--reload"])
        && usb.is_none_or(|path| run(&["trigger", "--action=add", &path]))
        && run(&["trigger", "--action=add", "--settle", &device.node])
}
