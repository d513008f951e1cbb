//! The udev rules that give a device its role, and the file of them.

use crate::domain::attached::{Attached, Kind, Usb};
use crate::driver::udev::ROLE;

const HEAD: &str = "# Written by `posctl devices mark`; 60-smartposd.rules says what the roles mean.";

/// Why there is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Nothing is there under this name.
    #[error("there is no device {0}")]
    NoDevice(String),
    /// A role that this kind of device cannot have.
    #[error("{node} cannot be {role}")]
    WrongKind {
        /// The device.
        node: String,
        /// The role asked for.
        role: String,
    },
    /// Nothing tells it from others.
    #[error("{0} has no name of its own that udev could know it by")]
    Nameless(String),
}

/// Whether another device of the same kind hangs on the same USB device, so that only the interface tells them apart.
pub fn shares_its_usb_device(device: &Attached, all: &[Attached]) -> bool {
    let port = |a: &Attached| a.usb.as_ref().map(|usb| usb.port.clone());
    let here = port(device);
    here.is_some() && all.iter().filter(|other| other.kind == device.kind && port(other) == here).count() > 1
}

/// The rules for one device: for itself, and for the USB device behind a reader, whose power may be switched.
pub fn of(device: &Attached, role: &str, by_port: bool) -> Result<Vec<String>, RuleError> {
    let fits = match device.kind {
        Kind::Serial => matches!(role, "reader" | "reader2" | "scanner" | "none"),
        Kind::Input => matches!(role, "keypad" | "none"),
        Kind::Gpio => matches!(role, "gpio" | "none"),
        Kind::I2c => matches!(role, "display" | "none"),
        Kind::Loose => false,
    };
    if !fits {
        return Err(RuleError::WrongKind { node: device.node.clone(), role: role.to_owned() });
    }
    let name = device.node.rsplit('/').next().unwrap_or_default();
    let set = format!("ENV{{{ROLE}}}=\"{role}\"");
    let subject = match (device.kind, &device.usb) {
        (Kind::Serial, Some(usb)) => format!("SUBSYSTEM==\"tty\", {}", usb_device(usb, by_port)?),
        (Kind::Serial, None) => format!("SUBSYSTEM==\"tty\", KERNEL==\"{}\"", plain(name, device)?),
        // A keypad's interfaces differ in what they call themselves; its place is not asked for.
        (Kind::Input, Some(usb)) if by_port => {
            format!("SUBSYSTEM==\"input\", KERNEL==\"event*\", {}", usb_device(usb, true)?)
        }
        (Kind::Input, _) => {
            let title = plain(&device.title, device)?;
            format!("SUBSYSTEM==\"input\", KERNEL==\"event*\", ATTRS{{name}}==\"{title}\"")
        }
        (Kind::Gpio, _) => {
            let parent = plain(&device.parent, device)?;
            format!("SUBSYSTEM==\"gpio\", KERNEL==\"gpiochip*\", KERNELS==\"{parent}\"")
        }
        (Kind::I2c | Kind::Loose, _) => format!("SUBSYSTEM==\"i2c-dev\", KERNEL==\"{}\"", plain(name, device)?),
    };
    let mut rules = vec![format!("{subject}, {set}")];
    if let (Some(usb), true) = (&device.usb, role.starts_with("reader")) {
        let device = match known_by(usb, by_port) {
            Known::Number(number) => format!(
                "ATTR{{idVendor}}==\"{}\", ATTR{{idProduct}}==\"{}\", ATTR{{serial}}==\"{number}\"",
                usb.vendor, usb.product
            ),
            Known::Port => format!("KERNEL==\"{}\"", usb.port),
        };
        rules.push(format!("SUBSYSTEM==\"usb\", ENV{{DEVTYPE}}==\"usb_device\", {device}, {set}"));
    }
    Ok(rules)
}

enum Known<'a> {
    Number(&'a str),
    Port,
}

fn known_by(usb: &Usb, by_port: bool) -> Known<'_> {
    // Cheap adapters all bear the same number, or one with signs that mean something in a rule.
    let usable = usb.serial.len() >= 4
        && usb.serial.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
        && !matches!(usb.serial.as_str(), "0001" | "0000" | "00000000" | "12345678" | "0123456789");
    if usable && !by_port { Known::Number(&usb.serial) } else { Known::Port }
}

fn usb_device(usb: &Usb, by_port: bool) -> Result<String, RuleError> {
    Ok(match known_by(usb, by_port) {
        Known::Number(number) => format!(
            "ATTRS{{idVendor}}==\"{}\", ATTRS{{idProduct}}==\"{}\", ATTRS{{serial}}==\"{number}\"",
            usb.vendor, usb.product
        ),
        Known::Port if usb.interface.is_empty() => format!("KERNELS==\"{}\"", usb.port),
        Known::Port => format!("KERNELS==\"{}\"", usb.interface),
    })
}

/// Text that means itself in a rule: no quotes, no patterns.
fn plain<'a>(text: &'a str, device: &Attached) -> Result<&'a str, RuleError> {
    let good = !text.is_empty() && text.chars().all(|c| matches!(c, ' '..='~') && !"\"\\*?[]|$%{}".contains(c));
    good.then_some(text).ok_or_else(|| RuleError::Nameless(device.node.clone()))
}

/// The file with these rules in it. A role is one device's: older rules for it go, and so do older rules for the device.
pub fn merged(before: &str, rules: &[String], role: &str) -> String {
    let set = |role: &str| format!("ENV{{{ROLE}}}=\"{role}\"");
    let subject = |rule: &str| rule.split(", ENV{ID_SMARTPOS_ROLE}=\"").next().unwrap_or_default().to_owned();
    // GPIO chips may be several, and so may what is left alone.
    let sole = !matches!(role, "none" | "gpio");
    let stays = |line: &&str| {
        let replaced = rules.iter().any(|rule| subject(rule) == subject(line));
        *line != HEAD && !replaced && !(sole && line.ends_with(&set(role)))
    };
    let kept = before.lines().filter(stays);
    let lines: Vec<&str> = [HEAD].into_iter().chain(kept).chain(rules.iter().map(String::as_str)).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
