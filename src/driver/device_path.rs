//! Where a serial device may be: a configured path, or the stable names that udev makes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::driver::udev;

/// What a serial port is wanted for. Its name is the value of the udev property `ID_SMARTPOS_ROLE`, and the port's name in
/// `/dev/smartpos`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The card reader.
    Reader,
    /// The second card reader.
    SecondReader,
    /// The code scanner.
    Scanner,
}

impl Role {
    /// As udev has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::SecondReader => "reader2",
            Self::Scanner => "scanner",
        }
    }

    /// What people call it, and where its path is configured.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Reader => ("serial card reader", "reader.path"),
            Self::SecondReader => ("second serial card reader", "second_reader.path"),
            Self::Scanner => ("code scanner", "scanner.path"),
        }
    }
}

/// Which port it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one; best a stable name such as `/dev/serial/by-id/…`.
    Path(PathBuf),
    /// The port that udev gives this role. For readers, which can be told by their answers, then any USB serial port
    /// without a role, and the board's own UART.
    Auto(Role),
}

/// Where udev puts the names of its roles.
const ROLES: &str = "/dev/smartpos";
/// USB serial ports by what they call themselves.
const BY_ID: &str = "/dev/serial/by-id";
/// The Raspberry Pi's name for its UART.
const BOARD_UART: &str = "/dev/serial0";

impl Choice {
    /// The directories in which the port would appear.
    pub fn directories(&self) -> Vec<PathBuf> {
        match self {
            Self::Path(path) => {
                // A link that stays when its port goes says nothing when the port comes back: watch there, too.
                let target = fs::read_link(path).ok().map(|t| path.parent().unwrap_or(Path::new("/")).join(t));
                let both = [Some(path.as_path()), target.as_deref()];
                both.into_iter().flatten().filter_map(Path::parent).map(Path::to_owned).collect()
            }
            Self::Auto(Role::Scanner) => vec![ROLES.into(), "/dev".into()],
            Self::Auto(Role::Reader | Role::SecondReader) => vec![ROLES.into(), BY_ID.into(), "/dev".into()],
        }
    }

    /// What to say when nothing is there.
    pub fn missing(&self) -> String {
        match self {
            Self::Path(path) => format!("there is no {}; plug the device in, or correct its path", path.display()),
            Self::Auto(role) => {
                let (what, key) = role.words();
                let role = role.as_str();
                format!(
                    "no {what} found; plug one in; `posctl devices` shows what is there, `posctl devices mark DEVICE {role}` \
                         names its port, and so does {key} in smartposd.toml"
                )
            }
        }
    }
}

/// The ports that exist now, best first.
pub fn candidates(choice: &Choice) -> Vec<PathBuf> {
    match choice {
        Choice::Path(path) => Some(path.clone()).filter(|p| p.exists()).into_iter().collect(),
        Choice::Auto(role) => automatic(*role, Path::new(ROLES), Path::new(BY_ID), Path::new(BOARD_UART)),
    }
}

fn automatic(role: Role, roles: &Path, by_id: &Path, board_uart: &Path) -> Vec<PathBuf> {
    let named = Some(roles.join(role.as_str())).filter(|p| p.exists());
    if role == Role::Scanner {
        return named.into_iter().collect();
    }
    let taken: Vec<PathBuf> = entries(roles).iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let free =
        |path: &PathBuf| fs::canonicalize(path).is_ok_and(|node| !taken.contains(&node) && udev::role(&node).is_none());
    let others = entries(by_id).into_iter().chain([board_uart.to_owned()]).filter(free);
    named.into_iter().chain(others).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(read) = fs::read_dir(directory) else { return Vec::new() };
    let mut all: Vec<PathBuf> = read.flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_path_is_taken_only_while_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let choice = Choice::Path(dir.path().join("reader"));
        assert!(candidates(&choice).is_empty());
        assert!(choice.missing().contains("plug the device in"));
        fs::write(dir.path().join("reader"), "").unwrap();
        assert_eq!(candidates(&choice), [dir.path().join("reader")]);
        assert_eq!(choice.directories(), [dir.path()]);
    }

    #[test]
    fn a_port_with_another_role_is_nobodys_candidate_and_a_scanner_is_never_guessed() {
        let dir = tempfile::tempdir().unwrap();
        let (dev, roles, by_id) = (dir.path(), dir.path().join("smartpos"), dir.path().join("by-id"));
        fs::create_dir(&roles).unwrap();
        fs::create_dir(&by_id).unwrap();
        for (port, id) in [("ttyUSB0", "a"), ("ttyUSB1", "b"), ("ttyUSB2", "c")] {
            fs::write(dev.join(port), "").unwrap();
            std::os::unix::fs::symlink(dev.join(port), by_id.join(id)).unwrap();
        }
        std::os::unix::fs::symlink(dev.join("ttyUSB1"), roles.join("scanner")).unwrap();
        std::os::unix::fs::symlink(dev.join("ttyUSB2"), roles.join("reader")).unwrap();
        let of = |role| automatic(role, &roles, &by_id, &dev.join("serial0"));
        assert_eq!(of(Role::Reader), [roles.join("reader"), by_id.join("a")]);
        assert_eq!(of(Role::SecondReader), [by_id.join("a")]);
        assert_eq!(of(Role::Scanner), [roles.join("scanner")]);
        fs::remove_file(roles.join("scanner")).unwrap();
        assert!(of(Role::Scanner).is_empty());
        assert!(Choice::Auto(Role::Scanner).missing().contains("posctl devices mark DEVICE scanner"));
    }

    #[test]
    fn a_link_is_watched_at_both_ends() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("reader");
        std::os::unix::fs::symlink("../ports/7", &link).unwrap();
        assert_eq!(Choice::Path(link).directories(), [dir.path().to_owned(), dir.path().join("../ports")]);
    }
}
