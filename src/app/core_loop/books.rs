//! What is answered from the store alone: lists, the journal, the deny list.
//!
//! Owns: the check of the journal under way. A long journal takes seconds to read, and the store cannot be read by anybody
//! else while the daemon has it: so it is checked in portions, one a turn of the loop, and everything that happens goes
//! first.

use tokio::sync::oneshot;

use super::Core;
use crate::domain::pan::Pan;
use crate::domain::time::Now;
use crate::engine::command::{Refusal, RefusalKind, Reply};
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
            tracing::error!(
                POS_COMPONENT = "store",
                POS_CAUSE = "S02",
                POS_EVIDENCE = %format!("row {row}: {what}"),
                "the journal is not whole"
            );
        }
        // The caller may have gone; then nobody waits.
        let _ = check.reply.send(Ok(Reply::JournalChecked(checked)));
    }
}

/// A store that cannot answer.
pub(super) fn refusal(error: &StoreError) -> Refusal {
    Refusal { kind: RefusalKind::Internal, cause: error.cause(), text: error.to_string() }
}
