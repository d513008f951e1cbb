//! What this machine is: versions of program, kernel and system, for reports.
//!
//! Owns: where they are read. Must not know: what is reported.

use crate::diagnose::chronicle::{Machine, two_numbers};

const KERNEL: &str = "/proc/sys/kernel/osrelease";
const SYSTEM: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// Version of this program as numbers.
pub fn program() -> (u8, u8, u8) {
    let part = |text: &str| text.parse().unwrap_or(0);
    (
        part(env!("CARGO_PKG_VERSION_MAJOR")),
        part(env!("CARGO_PKG_VERSION_MINOR")),
        part(env!("CARGO_PKG_VERSION_PATCH")),
    )
}

/// The kernel's version, e.g. `6.12.48+deb13-arm64`; empty where it cannot be read.
pub fn kernel() -> String {
    std::fs::read_to_string(KERNEL).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// A value of `os-release`, such as `PRETTY_NAME`; empty where there is none.
pub fn system(key: &str) -> String {
    let text = SYSTEM.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    value(&text, key)
}

fn value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.map(|value| value.trim().trim_matches('"').to_owned()).unwrap_or_default()
}

/// All of it as numbers.
pub fn versions() -> Machine {
    let system = system("VERSION_ID");
    let major = system.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    Machine { program: program(), kernel: two_numbers(&kernel()), system: major }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID=13\n";
        assert_eq!(value(text, "PRETTY_NAME"), "Debian GNU/Linux 13 (trixie)");
        assert_eq!(value(text, "VERSION_ID"), "13");
        assert_eq!(value(text, "VERSION"), "");
    }
}
