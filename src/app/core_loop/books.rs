//! What is answered from the store alone: the journal, the deny list, backups.
//!
//! Owns: the check of the journal under way. A long journal takes seconds to read, and the store cannot be read by anybody
//! else while the daemon has it: so it is checked in portions, one a turn of the loop, and everything that happens goes
//! first. A backup needs one copy of all at one moment, for which everything waits; so it is refused while a payment is
//! under way; the watchdog sees that it goes on. What follows, sealing the copy and writing it to the caller's disk, is done by a thread of its own.

use std::fs::File;
use std::os::fd::OwnedFd;

use tokio::sync::oneshot;

use super::Core;
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Now;
use crate::engine::command::{Refusal, RefusalKind, Reply};
use crate::store::backup::BackupError;
use crate::store::{StoreError, Walk};

/// Rows of the journal that are checked in one turn; some milliseconds on a small machine.
const PORTION: u32 = 500;

/// Where an answer goes.
pub(super) type Way = oneshot::Sender<Result<Reply, Refusal>>;

/// A check of the journal under way.
pub(super) struct Check {
    walk: Walk,
    reply: Way,
}

impl Core {
    /// Puts a card on the deny list.
    pub(super) fn deny_card(&mut self, now: Now, pan: &Pan, note: &str) -> Result<Reply, Refusal> {
        let listed = self.teller.store_mut().deny_card(now.wall, pan, note);
        listed.map(|()| Reply::Done).map_err(|error| refusal(&error))
    }

    /// Begins a check of the journal.
    pub(super) fn check_journal(&mut self, reply: Way) {
        if self.check.is_some() {
            let text = "the journal is being checked already; wait for that";
            return drop(reply.send(Err(Refusal::new(RefusalKind::Busy, text))));
        }
        self.check = Some(Check { walk: Walk::default(), reply });
    }

    /// Takes a check one portion further.
    pub(super) fn check_on(&mut self) {
        let Some(mut check) = self.check.take() else { return };
        if check.reply.is_closed() {
            // Whoever asked has gone.
            return;
        }
        let checked = match self.teller.store().verify_on(&mut check.walk, PORTION) {
            Ok(None) => {
                self.check = Some(check);
                return;
            }
            Ok(Some(checked)) => checked,
            Err(error) => return drop(check.reply.send(Err(refusal(&error)))),
        };
        if let Some((row, what)) = &checked.broken {
            tracing::error!(POS_EVENT = JournalEvent::BooksBroken.as_str(),
                POS_COMPONENT = "store",
                POS_CAUSE = "S02",
                POS_EVIDENCE = %format!("row {row}: {what}"),
                "the journal is not whole"
            );
        }
        // The caller may have gone; then nobody waits.
        let _ = check.reply.send(Ok(Reply::JournalChecked(checked)));
    }

    /// Makes a backup's copy, and leaves the rest to a thread.
    pub(super) fn back_up(&mut self, passphrase: SecretBytes, to: OwnedFd, reply: Way) {
        let busy = |text: &str| Err(Refusal::new(RefusalKind::Busy, text));
        if self.published.terminal.active.is_some() {
            return drop(reply.send(busy("a payment is under way; try again when it is over")));
        }
        if self.sealing.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return drop(reply.send(busy("a backup is being written already; wait for that")));
        }
        let progress = self.progress.clone();
        let copy = match self.teller.store_mut().copy_alive(move || progress.turn()) {
            Ok(copy) => copy,
            Err(error) => return drop(reply.send(Err(no_backup(&error)))),
        };
        let sealing = std::thread::Builder::new().name("backup".into()).spawn(move || {
            let file = File::from(to);
            let sealed = copy.seal(&passphrase, &file).and_then(|()| file.sync_all().map_err(BackupError::Write));
            // The caller may have gone; then nobody waits.
            let _ = reply.send(sealed.map(|()| Reply::Done).map_err(|error| no_backup(&error)));
        });
        match sealing {
            Ok(thread) => {
                tracing::info!(
                    POS_EVENT = JournalEvent::Backup.as_str(),
                    POS_COMPONENT = "store",
                    "a backup is being written"
                );
                self.sealing = Some(thread);
            }
            // The waiting caller sees that its answer is gone.
            Err(error) => {
                tracing::error!(POS_EVENT = JournalEvent::Backup.as_str(), POS_COMPONENT = "store", POS_EVIDENCE = %error, "no thread for the backup")
            }
        }
    }
}

/// Why there is no backup.
fn no_backup(error: &BackupError) -> Refusal {
    let (kind, cause) = match error {
        BackupError::Passphrase => (RefusalKind::InvalidArgument, None),
        BackupError::NoRoom { .. } => (RefusalKind::WrongState, Some(Cause::P02)),
        // The caller's disk, not ours.
        BackupError::Write(_) => (RefusalKind::WrongState, None),
        BackupError::Store(error) => (RefusalKind::Internal, error.cause()),
        BackupError::Memory
        | BackupError::Random
        | BackupError::TooLong
        | BackupError::Read(_)
        | BackupError::Io { .. }
        | BackupError::NotAnArchive
        | BackupError::TooNew
        | BackupError::WrongPassphrase
        | BackupError::Altered
        | BackupError::Exists(_)
        | BackupError::OtherKey(_) => (RefusalKind::Internal, None),
    };
    Refusal { kind, cause, text: error.to_string() }
}

/// A store that cannot answer.
pub(super) fn refusal(error: &StoreError) -> Refusal {
    Refusal { kind: RefusalKind::Internal, cause: error.cause(), text: error.to_string() }
}
