//! Questions about maintenance, and the inspection log: a supervisor says what was done.

use super::{Core, books};
use crate::diagnose::events::JournalEvent;
use crate::domain::cause::Cause;
use crate::domain::time::Now;
use crate::domain::upkeep::{Day, Done, Item, UpkeepAnswer, UpkeepQuestion};
use crate::engine::command::{Refusal, RefusalKind, Reply};

impl Core {
    /// A caller asks about maintenance.
    pub(super) fn answer_upkeep(&mut self, now: Now, question: UpkeepQuestion) -> Result<Reply, Refusal> {
        let answer = match question {
            UpkeepQuestion::Due => UpkeepAnswer::Due(self.upkeep.due(), Day::of(now.wall)),
            UpkeepQuestion::Trends => UpkeepAnswer::Trends(self.upkeep.readings.trends(Day::of(now.wall))),
            UpkeepQuestion::Log { limit } => {
                let log = self.teller.store().upkeep_log(limit);
                UpkeepAnswer::Log(log.map_err(|error| books::refusal(&error))?)
            }
            UpkeepQuestion::Done { item, uid, note } => return self.item_done(now, item, uid, note),
        };
        Ok(Reply::Upkeep(answer))
    }

    fn item_done(&mut self, now: Now, item: Item, uid: u32, note: String) -> Result<Reply, Refusal> {
        let Some(operator) = self.teller.engine().supervisor_on_duty().cloned() else {
            let text = "a supervisor must be signed in to put maintenance on record";
            return Err(Refusal::because(RefusalKind::NotAuthorized, Cause::O03, text));
        };
        if self.guards().payment {
            return Err(Refusal::new(RefusalKind::Busy, "a payment is under way; try again when it is over"));
        }
        let done = Done { at: now.wall, item, operator: Some(operator), uid, note };
        self.teller.store_mut().note_done(&done).map_err(|error| books::refusal(&error))?;
        tracing::info!(
            POS_EVENT = JournalEvent::Maintenance.as_str(),
            POS_COMPONENT = "upkeep",
            POS_STATE = item.as_str(),
            "on record as done: {item}"
        );
        self.upkeep.last.retain(|last| last.item != item);
        self.upkeep.last.push(done);
        self.upkeep.weigh(now);
        self.publish();
        Ok(Reply::Done)
    }
}
