//! Where a serial card reader may be: a configured path, or the stable names that udev makes.

use std::fs;
use std::path::{Path, PathBuf};

/// Which port is the reader's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one; best a stable name such as `/dev/serial/by-id/…`.
    Path(PathBuf),
    /// The names that udev gives to readers, then any USB serial port by id, then the board's own UART.
    Auto,
}

/// Directories that hold stable names, in order of trust.
const STABLE: [&str; 2] = ["/dev/smartpos", "/dev/serial/by-id"];

/// The Raspberry Pi's name for its UART.
const BOARD_UART: &str = "/dev/serial0";

impl Choice {
    /// The directories in which the port would appear.
    pub fn directories(&self) -> Vec<PathBuf> {
        match self {
            Self::Path(path) => path.parent().map(Path::to_owned).into_iter().collect(),
            Self::Auto => STABLE.iter().map(PathBuf::from).chain(["/dev".into()]).collect(),
        }
    }

    /// What to say when nothing is there.
    pub fn missing(&self) -> String {
        match self {
            Self::Path(path) => format!("there is no {}; plug the reader in, or correct its path", path.display()),
            Self::Auto => "no serial card reader found; plug one in, or set reader.path in smartposd.toml".to_owned(),
        }
    }
}

/// The ports that exist now, best first.
pub fn candidates(choice: &Choice) -> Vec<PathBuf> {
    match choice {
        Choice::Path(path) => Some(path.clone()).filter(|p| p.exists()).into_iter().collect(),
        Choice::Auto => {
            let mut found: Vec<PathBuf> = STABLE.iter().flat_map(|d| entries(Path::new(d))).collect();
            found.extend(Some(PathBuf::from(BOARD_UART)).filter(|p| p.exists()));
            found
        }
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(read) = fs::read_dir(directory) else { return Vec::new() };
    let mut all: Vec<PathBuf> = read.flatten().map(|e| e.path()).filter(|p| !is_keypad(p)).collect();
    all.sort();
    all
}

/// `/dev/smartpos` holds keypads as well.
fn is_keypad(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("keypad"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_path_is_taken_only_while_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let choice = Choice::Path(dir.path().join("reader"));
        assert!(candidates(&choice).is_empty());
        assert!(choice.missing().contains("plug the reader in"));
        fs::write(dir.path().join("reader"), "").unwrap();
        assert_eq!(candidates(&choice), [dir.path().join("reader")]);
        assert_eq!(choice.directories(), [dir.path()]);
    }
}
