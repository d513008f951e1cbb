//! The faults of late, kept in a small file beside the database, so that last night's is known after a restart, and to
//! whoever looks when the daemon does not run.
//!
//! Owns: the file. It is written when a fault begins, no oftener. Not in the database, because it has to be there when
//! that is damaged; losing it costs nobody any money.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::diagnose::chronicle::{Chronicle, Machine, Seen, SeenDevice};
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::fault::FaultNote;
use crate::domain::time::{Now, WallTime};
use crate::engine::snapshot::{DeviceView, Snapshot};

/// The file's name in the state directory.
pub const FILE: &str = "faults";

/// The chronicle with its file.
pub struct Faults {
    /// What is remembered.
    pub chronicle: Chronicle,
    file: PathBuf,
}

impl Faults {
    /// Takes up what was kept; a file that cannot be read is begun anew.
    pub fn open(directory: &Path, machine: Machine) -> Self {
        let file = directory.join(FILE);
        Self { chronicle: Chronicle::new(machine, read(&file).unwrap_or_default()), file }
    }

    /// Takes in how everything is now.
    pub fn observe(&mut self, now: Now, snapshot: &Snapshot) {
        self.chronicle.observe(now, seen(snapshot));
    }

    /// Notes what has stood long enough.
    pub fn expire(&mut self, now: Now) {
        self.chronicle.expire(now);
        let Some(fresh) = self.chronicle.take_news() else { return };
        for FaultNote { cause, code, .. } in fresh {
            tracing::warn!(
                POS_EVENT = JournalEvent::FaultStands.as_str(),
                POS_COMPONENT = "service",
                POS_CAUSE = cause.as_str(),
                "fault {cause} needs a person; short code {code}"
            );
        }
        if let Err(why) = write(&self.file, &self.chronicle.notes()) {
            tracing::warn!(POS_EVENT = JournalEvent::StorageTrouble.as_str(), POS_COMPONENT = "service", POS_EVIDENCE = %why, "the list of faults could not be kept");
        }
    }
}

fn seen(snapshot: &Snapshot) -> Seen {
    let device = |view: &DeviceView| SeenDevice { state: view.state, cause: view.last_cause };
    Seen {
        terminal: snapshot.terminal.state,
        cause: snapshot.terminal.cause,
        reader: device(&snapshot.reader),
        keypad: device(&snapshot.keypad),
        scanner: snapshot.scanner.as_ref().map(device),
        firmware: snapshot.reader.firmware.clone(),
        keys: snapshot.keys.working,
        waiting: snapshot.queue.totals.waiting,
        held: snapshot.queue.totals.held,
        reversals: snapshot.open_reversals,
    }
}

/// The faults in a file, oldest first. Lines that are none are passed over.
pub fn read(file: &Path) -> io::Result<Vec<FaultNote>> {
    Ok(fs::read_to_string(file)?.lines().filter_map(note).collect())
}

fn note(line: &str) -> Option<FaultNote> {
    let mut words = line.split_whitespace();
    let at = WallTime(words.next()?.parse().ok()?);
    let cause = Cause::from_word(words.next()?)?;
    let code = words.next().filter(|code| code.len() <= 60)?.to_owned();
    let times = words.next()?.parse().ok()?;
    Some(FaultNote { at, cause, code, times, active: false })
}

fn write(file: &Path, notes: &[FaultNote]) -> io::Result<()> {
    let fresh = file.with_extension("new");
    let mut out = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    for FaultNote { at, cause, code, times, active: _ } in notes {
        writeln!(out, "{} {cause} {code} {times}", at.0)?;
    }
    drop(out);
    fs::rename(fresh, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back_and_a_damaged_line_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let note = FaultNote { at: WallTime(7), cause: Cause::H01, code: "1AB2C".to_owned(), times: 3, active: false };
        write(&file, std::slice::from_ref(&note)).unwrap();
        let mut text = fs::read_to_string(&file).unwrap();
        text.push_str("\u{0}\u{0}\nnonsense\n9 Q77 CODE 1\n");
        fs::write(&file, text).unwrap();
        assert_eq!(read(&file).unwrap(), [note]);
    }
}
